"""The few things about bytes that compiled loops need and Python does not offer: loads, prefetches, hashes, copies.

Every loop of this room is compiled by numba on first use and kept in a cache beside the module. Whole numbers are kept
unsigned where they are mixed, for numba turns a signed and an unsigned 64-bit number into a float.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import llvmlite.ir as ir  # type: ignore[import-untyped]
import numpy as np
from numba import njit, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

U0: Final = np.uint64(0)
_MIX_1: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_2: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_3: Final = np.uint64(0x94D049BB133111EB)
_S29: Final = np.uint64(29)
_S32: Final = np.uint64(32)

PREFIX_WORD: Final = np.frombuffer(b"$device:", np.uint64)[0]
"""`$device:` as one number; it is 8 bytes long."""

_OPTIONS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "boundscheck": False, "_nrt": False}


def forget_stale_loops(folder: Path) -> bool:
    """Remove compiled loops of other sources than those that are there now.

    numba looks at the file of a loop only, not at the files of what it calls: an edit of one of those would go unseen.

    Args:
        folder: where the sources are; the compiled loops are in its `__pycache__`.

    Returns:
        Whether every loop has to be compiled anew; False where nobody can tell.
    """
    stamp = hashlib.sha256()
    for source in sorted(folder.glob("*.py")):
        text = source.read_bytes()
        if b"@compiled" in text:
            stamp.update(source.name.encode() + text)
    kept = folder / "__pycache__" / "loops.stamp"
    try:
        if kept.exists() and kept.read_text(encoding="ascii") == stamp.hexdigest():
            return False
        for path in (*kept.parent.glob("*.nbi"), *kept.parent.glob("*.nbc")):
            path.unlink(missing_ok=True)
        kept.write_text(stamp.hexdigest(), encoding="ascii")
    except (OSError, UnicodeDecodeError):
        # Whoever may not write here has a cache elsewhere, by the path and time of this very version.
        return False
    return True


def compiled(function: Function) -> Function:
    """Compile a loop that keeps no lock of the interpreter, so that two of them run at the same time.

    It makes no array: whoever calls it brings those to work in. numba then counts no references to arrays, which it
    does one by one and atomically wherever a loop hands one to a function.
    """
    made: Any = njit(**_OPTIONS)(function)
    return cast("Function", made)


LOOPS_ARE_NEW: Final = forget_stale_loops(Path(__file__).parent)
"""Whether this is the first run of this version, which compiles every loop it comes to."""

if TYPE_CHECKING:

    def byte(address: int) -> int:
        """Return the byte at an address as a number."""

    def word(address: int) -> Any:
        """Return the 8 bytes at an address as one number, the first byte lowest; any alignment."""

    def put_word(address: int, value: Any) -> None:
        """Put 8 bytes at an address, the lowest first; any alignment."""

    def put_byte(address: int, value: int) -> None:
        """Put one byte at an address."""

    def bytes_below(found: Any) -> int:
        """Return how many whole bytes of a number, which is not 0, are below its lowest bit."""

    def prefetch(address: int) -> None:
        """Ask for the cache line of an address before it is needed."""

    def integer(value: Any) -> int:
        """Return a number as a signed one of 64 bits."""

    def unsigned(value: Any) -> Any:
        """Return a number as an unsigned one of 64 bits."""

else:
    integer = np.int64
    unsigned = np.uint64

    @intrinsic
    def byte(typing: Any, address: Any) -> Any:
        """Return the byte at an address as a number."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
            return builder.zext(builder.load(place), ir.IntType(64))

        return types.int64(types.int64), generate

    @intrinsic
    def word(typing: Any, address: Any) -> Any:
        """Return the 8 bytes at an address as one number, the first byte lowest; any alignment."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)

        return types.uint64(types.int64), generate

    @intrinsic
    def put_word(typing: Any, address: Any, value: Any) -> Any:
        """Put 8 bytes at an address, the lowest first; any alignment."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.uint64), generate

    @intrinsic
    def put_byte(typing: Any, address: Any, value: Any) -> Any:
        """Put one byte at an address."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
            builder.store(builder.trunc(arguments[1], ir.IntType(8)), place)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    @intrinsic
    def bytes_below(typing: Any, found: Any) -> Any:
        """Return how many whole bytes of a number, which is not 0, are below its lowest bit."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            zeros = builder.cttz(arguments[0], ir.IntType(1)(1))
            return builder.lshr(zeros, ir.IntType(64)(3))

        return types.int64(types.uint64), generate

    @intrinsic
    def prefetch(typing: Any, address: Any) -> Any:
        """Ask for the cache line of an address before it is needed."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
            number = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
            function = builder.module.declare_intrinsic("llvm.prefetch", [ir.IntType(8).as_pointer()], kind)
            builder.call(function, [place, number(0), number(3), number(1)])
            return context.get_dummy_value()

        return types.void(types.int64), generate


def address_of(array: Any) -> int:
    """Return where an array begins; whoever uses the address keeps the array alive meanwhile."""
    return int(array.__array_interface__["data"][0])


@compiled
def last_bytes(at: int, length: int, rest: int) -> Any:
    """Return the last `rest` bytes (1 to 7) of a text of `length` bytes as one number, zeros above them."""
    if length >= 8:
        return word(at + length - 8) >> unsigned((8 - rest) << 3)
    value = U0
    for step in range(rest):
        value |= unsigned(byte(at + length - rest + step)) << unsigned(step << 3)
    return value


@compiled
def hash_of(at: int, length: int, prefixed: bool) -> Any:  # noqa: FBT001
    """Return a 64-bit hash of some bytes. It only finds where to look: whoever uses it compares the bytes as well.

    Args:
        at: the address of the text.
        length: its length in bytes.
        prefixed: hash the text with `$device:` in front of it; those are 8 bytes, so the words stay the same.
    """
    if prefixed:
        value = (unsigned(length + 8) * _MIX_1 ^ PREFIX_WORD) * _MIX_2
        value ^= value >> _S32
    else:
        value = unsigned(length) * _MIX_1
    rest = length & 7
    end = at + length - rest
    place = at
    while place < end:
        value = (value ^ word(place)) * _MIX_2
        value ^= value >> _S32
        place += 8
    if rest:
        value = (value ^ last_bytes(at, length, rest)) * _MIX_2
        value ^= value >> _S32
    value = (value ^ (value >> _S29)) * _MIX_3
    return value ^ (value >> _S32)


@compiled
def same_words(at: int, length: int, other: int) -> Any:
    """Return whether a text is the one at another address, where texts fill whole words with zeros."""
    rest = length & 7
    words = length - rest
    for place in range(0, words, 8):
        if word(at + place) != word(other + place):
            return False
    return rest == 0 or last_bytes(at, length, rest) == word(other + words)


@compiled
def put_words(at: int, length: int, other: int) -> None:
    """Copy a text to another address as whole words, the last one filled with zeros."""
    rest = length & 7
    words = length - rest
    for place in range(0, words, 8):
        put_word(other + place, word(at + place))
    if rest:
        put_word(other + words, last_bytes(at, length, rest))
