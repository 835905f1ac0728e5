"""Which files a history is made of, in order of arrival, and how each is opened: what it is, its first bytes say."""

from __future__ import annotations

import glob
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from harness.problems import InputError, Problem

Packing: TypeAlias = Literal["lines", "gzip", "zstd", "parquet"]

ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".txt", ".gz", ".gzip", ".zst", ".zstd", ".parquet", ".pq")
"""How the names of event files in a folder end; other files of a folder are passed over."""

_MAGIC: Final[tuple[tuple[bytes, Packing], ...]] = (
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """One file of a history.

    Attributes:
        name: the file as messages name it; `-` for standard input.
        packing: what it is.
        size: its size in bytes; 0 where nobody knows.
    """

    name: str
    packing: Packing
    size: int


def files_of(paths: Sequence[str]) -> list[HistoryFile]:
    """Return the files of a history in order of arrival.

    The order is that of the paths; within a folder, sub-folders included, and within a glob it is that of the names. A
    file that is named twice is read once.

    Args:
        paths: files, folders and globs; `-` is standard input.

    Raises:
        InputError: when a path leads to nothing, or a file can't be opened; every problem at once.
    """
    problems: list[Problem] = []
    found: list[HistoryFile] = []
    seen: set[str] = set()
    for path in paths:
        names = list(_names(path, problems))
        for name in names:
            key = name if name == "-" else os.path.realpath(name)
            if key not in seen:
                seen.add(key)
                opened = _look(name)
                if isinstance(opened, Problem):
                    problems.append(opened)
                else:
                    found.append(opened)
    if problems:
        raise InputError(problems)
    return found


def _names(path: str, problems: list[Problem]) -> Iterator[str]:
    if path == "-" or os.path.isfile(path):
        yield path
    elif os.path.isdir(path):
        names = [name for name in _walk(path) if name.lower().endswith(ENDINGS)]
        if not names:
            message = "no event file in this folder"
            problems.append(Problem(path, None, "", message, f"Event files end with {', '.join(ENDINGS)}."))
        yield from names
    elif _WILD & set(path):
        names = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
        if not names:
            problems.append(Problem(path, None, "", "no file has such a name", "Check the pattern."))
        yield from names
    elif os.path.exists(path):
        yield path
    else:
        problems.append(Problem(path, None, "", "can't be read: No such file or directory", "Check the path."))


def _walk(folder: str) -> list[str]:
    """Return the files of a folder, sorted by their path in it; hidden ones and markers such as `_SUCCESS` are none."""
    root = Path(folder)
    parts = (path.relative_to(root).parts for path in root.rglob("*") if path.is_file())
    kept = sorted(part for part in parts if not any(name[0] in "._" for name in part))
    return [str(root.joinpath(*part)) for part in kept]


def _look(name: str) -> HistoryFile | Problem:
    if name == "-":
        head, size = b"", 0
        buffered = sys.stdin.buffer
        head = buffered.peek(4)[:4] if isinstance(buffered, io.BufferedReader) else b""
    else:
        try:
            with open(name, "rb") as file:
                head = file.read(4)
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            return unreadable(name, error)
    packing: Packing = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "lines")
    if packing == "parquet" and name == "-":
        return Problem("-", None, "", "Parquet can't be read from standard input", "Name the file.")
    if packing == "lines" and name.lower().endswith((".parquet", ".pq")):
        return Problem(name, None, "", "is no Parquet file: it does not begin with PAR1", "Was it written to its end?")
    return HistoryFile(name, packing, size)


def unreadable(name: str, error: OSError) -> Problem:
    """Return what to say of a file that the system won't give."""
    return Problem(name, None, "", f"can't be read: {error.strerror or error}", "Check the path and its permissions.")


class _ReadsInto(Protocol):
    def readinto(self, room: memoryview, /) -> int | None: ...


class Unpacked:
    """The bytes of a file of lines, unpacked.

    Args:
        file: the file.

    Raises:
        InputError: when it can't be opened.
    """

    def __init__(self, file: HistoryFile) -> None:
        self._file = file
        try:
            self._raw = sys.stdin.buffer if file.name == "-" else open(file.name, "rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise InputError([unreadable(file.name, error)]) from None
        self._stream = self._unpack()

    @property
    def position(self) -> int:
        """How many bytes of the file itself were read so far; 0 for standard input."""
        return 0 if self._file.name == "-" else self._raw.tell()

    def read_into(self, room: memoryview, line: int) -> int:
        """Fill some room; fewer bytes come back only at the end of the file.

        Args:
            room: what is to be filled.
            line: the line the bytes begin with, for messages.

        Raises:
            InputError: when the file is damaged, ends too early, or is taken away.
        """
        filled = 0
        try:
            while filled < len(room):
                count = self._stream.readinto(room[filled:])
                if not count:
                    break
                filled += count
        except EOFError:
            message = "ends in the middle of its compressed data"
            raise InputError([Problem(self._file.name, None, "", f"{message}, past line {line - 1}", _AGAIN)]) from None
        except (zlib.error, gzip.BadGzipFile) as error:
            message = f"is damaged past line {line - 1}: {error}"
            raise InputError([Problem(self._file.name, None, "", message, _AGAIN)]) from None
        except OSError as error:
            what = f"past line {line - 1}: {error.strerror or str(error).splitlines()[0]}"
            raise InputError([Problem(self._file.name, None, "", f"can't be read {what}", _AGAIN)]) from None
        return filled

    def close(self) -> None:
        """Close the file."""
        if self._file.name != "-":
            self._raw.close()

    def _unpack(self) -> _ReadsInto:
        if self._file.packing == "gzip":
            return gzip.GzipFile(fileobj=self._raw, mode="rb")
        if self._file.packing == "zstd":
            return _Zstandard(self._raw)
        raw: _ReadsInto = self._raw  # type: ignore[assignment]
        return raw


_AGAIN: Final = "Get the file again."


class _Zstandard:
    """Frames of Zstandard, one after the other."""

    def __init__(self, raw: Any) -> None:
        import pyarrow as pa

        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def readinto(self, room: memoryview) -> int:
        """Read some bytes."""
        read = self._stream.read(len(room))
        room[: len(read)] = read
        return len(read)
