"""The canonical id of each cluster in original, by the policy of the settings; the same pick as the plain model makes.

`seeded_random` draws lots with BLAKE2b (RFC 7693) keyed with the seed, as `harness.identity.original` does; it is
written out here because `hashlib` would take longer for ten million ids than everything else together.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import llvmlite.ir as ir  # type: ignore[import-untyped]
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from harness.history.native import address_of, compiled, integer, last_bytes, prefetch, unsigned, word
from harness.identity.settings import IdentitySettings

_LANES: Final = 4
_LONGEST: Final = 128
_CHUNK: Final = 1 << 17
_SOON: Final = 16
_FIRST: Final = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
_ORDER: Final = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ],
    np.int64,
)
_TURNS: Final = np.array(
    [
        [0, 4, 8, 12],
        [1, 5, 9, 13],
        [2, 6, 10, 14],
        [3, 7, 11, 15],
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ],
    np.int64,
)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_KEY_BYTES: Final = 16
_DIGEST_BYTES: Final = 16


def canonical_of(
    root: NDArray[np.uint32],
    number: NDArray[np.uint32],
    identified: NDArray[np.bool_],
    size: NDArray[np.int32],
    settings: IdentitySettings,
    heap: NDArray[np.uint8],
    place: NDArray[np.int64],
) -> NDArray[np.uint32]:
    """Return the canonical id of every root.

    Args:
        root: uint32, an entry a code: the root of its cluster; 0 for what is no id of the model.
        number: uint32: the order of first appearance, from 1; 0 for what is no id of the model.
        identified: bool: it was the identified id of a merged `$identify`.
        size: int32: of a root, the size of its cluster.
        settings: the policy, and its seed.
        heap: the texts of the dictionary; see `Dictionary.raw`.
        place: where each code's record is in it.

    Returns:
        uint32, an entry a code: of a root, the canonical id of its cluster; else 0.
    """
    best = np.zeros(len(root), np.uint32)
    if settings.canonical != "seeded_random":
        _first(root, number, identified, settings.canonical == "user_first", best)
        return best
    lots = np.empty((len(root), 2), np.uint64)
    state = _keyed_state(settings.canonical_seed)
    address = address_of(heap)
    codes = np.empty(len(root), np.uint32)
    codes = codes[: _in_clusters(root, size, best, codes)]
    parts = [codes[first : first + _CHUNK] for first in range(0, len(codes), _CHUNK)]

    def draw(some: NDArray[np.uint32]) -> NDArray[np.uint64]:
        drawn = np.empty((len(some), 2), np.uint64)
        start = np.ascontiguousarray(np.repeat(state[:, None], _LANES, axis=1))
        block = np.zeros((16, _LANES), np.uint64)
        _draw(some, address, place, start, block, np.empty(_LANES, np.uint64), np.empty_like(start), drawn)
        for at in np.flatnonzero(drawn[:, 0] == _ALL):
            begin = int(place[some[at]])
            length = int(heap[begin : begin + 4].view(np.uint32)[0])
            if length > _LONGEST:
                drawn[at] = _lot(settings.canonical_seed, heap[begin + 8 : begin + 8 + length].tobytes())
        return drawn

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for some, drawn in zip(parts, pool.map(draw, parts) if len(parts) > 1 else map(draw, parts), strict=True):
            _choose(some, drawn, root, best, lots)
    return best


def _key(seed: int) -> bytes:
    return seed.to_bytes(_KEY_BYTES, "big", signed=True)


def _lot(seed: int, text: bytes) -> tuple[int, int]:
    digest = hashlib.blake2b(text, key=_key(seed), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def _keyed_state(seed: int) -> NDArray[np.uint64]:
    """Return the state after the block of the key, which is the same for every id."""
    state = _FIRST.copy()
    state[0] ^= np.uint64(0x01010000 ^ (_KEY_BYTES << 8) ^ _DIGEST_BYTES)
    block = np.zeros((16, _LANES), np.uint64)
    block[:2, :] = np.frombuffer(_key(seed), np.uint64)[:, None]
    lanes = np.ascontiguousarray(np.repeat(state[:, None], _LANES, axis=1))
    counts = np.full(_LANES, 128, np.uint64)
    out = np.empty((8, _LANES), np.uint64)
    _compress_once(address_of(lanes), address_of(block), address_of(counts), np.uint64(0), address_of(out))
    return np.ascontiguousarray(out[:, 0])


@compiled
def _first(root: Any, number: Any, identified: Any, user_first: bool, best: Any) -> None:  # noqa: FBT001
    for code in range(len(root)):
        top = root[code]
        if top == 0:
            continue
        held = best[top]
        if held == 0:
            best[top] = code
        elif user_first and identified[code] != identified[held]:
            if identified[code]:
                best[top] = code
        elif number[code] < number[held]:
            best[top] = code


@compiled
def _in_clusters(root: Any, size: Any, best: Any, codes: Any) -> int:
    """Find the codes that share a cluster with another; return how many. One that is alone is the best at once."""
    count = 0
    sizes = size.ctypes.data
    for code in range(len(root)):
        if code + _SOON < len(root):
            prefetch(sizes + 4 * integer(root[code + _SOON]))
        top = root[code]
        if top == 0:
            continue
        if size[top] > 1:
            codes[count] = code
            count += 1
        else:
            best[code] = code
    return count


@compiled
def _choose(codes: Any, drawn: Any, root: Any, best: Any, lots: Any) -> None:
    best_at, lots_at = best.ctypes.data, lots.ctypes.data
    for at in range(len(codes)):
        if at + _SOON < len(codes):
            soon = integer(root[codes[at + _SOON]])
            prefetch(best_at + 4 * soon)
            prefetch(lots_at + 16 * soon)
        top = root[codes[at]]
        if (
            best[top] == 0
            or drawn[at, 0] < lots[top, 0]
            or (drawn[at, 0] == lots[top, 0] and drawn[at, 1] < lots[top, 1])
        ):
            best[top] = codes[at]
            lots[top, 0] = drawn[at, 0]
            lots[top, 1] = drawn[at, 1]


@compiled
def _draw(codes: Any, heap: int, place: Any, start: Any, block: Any, counts: Any, out: Any, drawn: Any) -> None:
    """Draw the lots of some ids, several at once; an id longer than a block gets the highest of all.

    `start` is the state to begin with, `block`, `counts` and `out` are to work in: rows of lanes, all of them.
    """
    start_at, block_at, counts_at, out_at = start.ctypes.data, block.ctypes.data, counts.ctypes.data, out.ctypes.data
    for first in range(0, len(codes), _LANES):
        lanes = min(_LANES, len(codes) - first)
        for lane in range(lanes):
            record = heap + place[codes[first + lane]]
            length = integer(word(record) & unsigned(0xFFFFFFFF))
            counts[lane] = unsigned(128 + min(length, _LONGEST))
            words = min(length, _LONGEST) >> 3
            for part in range(words):
                block[part, lane] = word(record + 8 + (part << 3))
            for part in range(words, 16):
                block[part, lane] = unsigned(0)
            rest = length & 7
            if length < _LONGEST and rest:
                block[words, lane] = last_bytes(record + 8, length, rest)
        _compress_once(start_at, block_at, counts_at, _ALL, out_at)
        for lane in range(lanes):
            record = heap + place[codes[first + lane]]
            if integer(word(record) & unsigned(0xFFFFFFFF)) > _LONGEST:
                drawn[first + lane, 0] = _ALL
                drawn[first + lane, 1] = _ALL
            else:
                drawn[first + lane, 0] = _swapped(out[0, lane])
                drawn[first + lane, 1] = _swapped(out[1, lane])


@compiled
def _swapped(value: Any) -> Any:
    """Return a number with its bytes in reverse, so that numbers compare as their bytes do."""
    one = unsigned(0x00FF00FF00FF00FF)
    two = unsigned(0x0000FFFF0000FFFF)
    value = ((value & one) << unsigned(8)) | ((value >> unsigned(8)) & one)
    value = ((value & two) << unsigned(16)) | ((value >> unsigned(16)) & two)
    return (value << unsigned(32)) | (value >> unsigned(32))


def _columns_of_state(builder: Any, address: Any, rows: int) -> list[Any]:
    """Load rows of lanes that lie one after the other."""
    vector = ir.VectorType(ir.IntType(64), _LANES)
    step = ir.IntType(64)
    return [
        builder.load(builder.inttoptr(builder.add(address, step(row * 8 * _LANES)), vector.as_pointer()), align=8)
        for row in range(rows)
    ]


def _emit_compression(builder: Any, start: Any, block: Any, counts: Any, last: Any, out: Any) -> None:
    """Write the compression of BLAKE2b, unrolled, for several blocks at once: one in each lane of a vector."""
    word_type = ir.IntType(64)
    vector = ir.VectorType(word_type, _LANES)

    def all_lanes(value: int) -> Any:
        return ir.Constant(vector, [value] * _LANES)

    def turned(value: Any, right: int) -> Any:
        low = builder.lshr(value, all_lanes(right))
        return builder.or_(low, builder.shl(value, all_lanes(64 - right)))

    state = _columns_of_state(builder, start, 8)
    message = _columns_of_state(builder, block, 16)
    (count,) = _columns_of_state(builder, counts, 1)
    spread = ir.Constant(vector, ir.Undefined)
    for lane in range(_LANES):
        spread = builder.insert_element(spread, last, ir.IntType(32)(lane))
    work = [*state, *(all_lanes(int(word)) for word in _FIRST)]
    work[12] = builder.xor(work[12], count)
    work[14] = builder.xor(work[14], spread)
    for order in _ORDER:
        for step, (a, b, c, d) in enumerate(_TURNS):
            for half, (first, second) in enumerate(((32, 24), (16, 63))):
                added = builder.add(builder.add(work[a], work[b]), message[order[2 * step + half]])
                work[a] = added
                work[d] = turned(builder.xor(work[d], added), first)
                work[c] = builder.add(work[c], work[d])
                work[b] = turned(builder.xor(work[b], work[c]), second)
    for row in range(8):
        mixed = builder.xor(state[row], builder.xor(work[row], work[row + 8]))
        place = builder.inttoptr(builder.add(out, word_type(row * 8 * _LANES)), vector.as_pointer())
        builder.store(mixed, place, align=8)


if TYPE_CHECKING:

    def _compress(start: int, block: int, counts: int, last: Any, out: int) -> None:
        """Do the compression of BLAKE2b on several blocks at once; all places are addresses of rows of lanes."""

else:

    @intrinsic
    def _compress(typing: Any, start: Any, block: Any, counts: Any, last: Any, out: Any) -> Any:
        """Do the compression of BLAKE2b on several blocks at once; all places are addresses of rows of lanes."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _emit_compression(builder, *arguments)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, types.uint64, types.int64), generate


@compiled
def _compress_once(start: int, block: int, counts: int, last: Any, out: int) -> None:
    """Do one compression; compiled once, since it is long."""
    _compress(start, block, counts, last, out)
