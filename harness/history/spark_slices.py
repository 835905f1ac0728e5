"""A history cut into slices that tasks read each on its own, and in what order they stand.

A slice is a file, or a piece of one: some row groups of Parquet, or some megabytes of plain JSONL, cut behind a line.
Compressed lines can only be read from their beginning. A piece is put into a file of its own for as long as it is read,
so the one reader of the house reads everything, and says the same about it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from harness.history.files import HistoryFile
from harness.problems import InputError, Problem

SLICE_BYTES: Final = 128 << 20
"""About so many bytes are one slice."""

_COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a history.

    Attributes:
        number: its place in the order of arrival.
        file: the file it is of.
        begin: the first byte of JSONL, or the first row group of Parquet.
        end: what follows the last one; None for a whole file.
        rows_before: rows of the file before it, of Parquet; lines before it are only known once they are counted.
    """

    number: int
    file: HistoryFile
    begin: int = 0
    end: int | None = None
    rows_before: int = 0


def slices_of(files: list[HistoryFile], slice_bytes: int = SLICE_BYTES) -> list[Slice]:
    """Return the slices of files in order of arrival.

    Raises:
        InputError: when a file is standard input, which no other process can read, or is no whole Parquet file.
    """
    found: list[Slice] = []
    for file in files:
        if file.name == "-":
            message = "standard input can't be read by several processes"
            raise InputError([Problem("-", None, "", message, "Name a file, or leave --engine spark out.")])
        if file.size <= slice_bytes or file.packing in ("gzip", "zstd"):
            found.append(Slice(len(found), file))
        elif file.packing == "parquet":
            found += _row_groups(file, slice_bytes, len(found))
        else:
            found += _line_ranges(file, slice_bytes, len(found))
    return found


@contextmanager
def as_file(piece: Slice) -> Iterator[HistoryFile]:
    """Give a slice as a file that the reader takes; it is gone afterwards.

    Raises:
        InputError: when it can't be read.
        OSError: when there is no room for it.
    """
    if piece.end is None:
        yield piece.file
        return
    folder = Path(tempfile.mkdtemp(prefix="harness-slice-"))
    try:
        target = folder / ("piece.parquet" if piece.file.packing == "parquet" else "piece.jsonl")
        if piece.file.packing == "parquet":
            _copy_row_groups(piece, target)
        else:
            _copy_bytes(piece, target)
        yield replace(piece.file, name=str(target), size=target.stat().st_size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def at_home(problem: Problem, piece: Slice, read_from: HistoryFile, lines_before: int = 0) -> Problem:
    """Return a problem of a slice as one of its file."""
    if problem.file != read_from.name:
        return problem
    line = None if problem.line is None else problem.line + piece.rows_before + lines_before
    return replace(problem, file=piece.file.name, line=line)


def _line_ranges(file: HistoryFile, slice_bytes: int, number: int) -> list[Slice]:
    found: list[Slice] = []
    with open(file.name, "rb") as opened:
        begin = 0
        while begin < file.size:
            opened.seek(min(begin + slice_bytes, file.size) - 1)
            end = _behind_line(opened)
            found.append(Slice(number + len(found), file, begin, end))
            begin = end
    return found


def _behind_line(opened: BinaryIO) -> int:
    """Return what follows the line feed at or after the place a file is at."""
    while chunk := opened.read(_COPY_BYTES):
        at = chunk.find(b"\n")
        if at >= 0:
            return opened.tell() - len(chunk) + at + 1
    return opened.tell()


def _row_groups(file: HistoryFile, slice_bytes: int, number: int) -> list[Slice]:
    from harness.history.parquet import _opened

    found: list[Slice] = []
    with _opened(file) as parquet:
        metadata: Any = parquet.metadata
        begin = rows_before = rows = size = 0
        for group in range(metadata.num_row_groups):
            share = metadata.row_group(group)
            rows += share.num_rows
            size += share.num_rows * file.size // max(1, metadata.num_rows)
            if size >= slice_bytes or group == metadata.num_row_groups - 1:
                found.append(Slice(number + len(found), file, begin, group + 1, rows_before))
                begin, rows_before, size = group + 1, rows_before + rows, 0
                rows = 0
    return found


def _copy_bytes(piece: Slice, target: Path) -> None:
    assert piece.end is not None
    left = piece.end - piece.begin
    with open(piece.file.name, "rb") as source, target.open("wb") as copy:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(source.fileno(), piece.begin, left, os.POSIX_FADV_SEQUENTIAL)
        source.seek(piece.begin)
        while left > 0 and (chunk := source.read(min(left, _COPY_BYTES))):
            copy.write(chunk)
            left -= len(chunk)


def _copy_row_groups(piece: Slice, target: Path) -> None:
    import pyarrow.parquet as pq

    assert piece.end is not None
    with (
        pq.ParquetFile(piece.file.name) as source,
        pq.ParquetWriter(target, source.schema_arrow, compression="lz4") as copy,
    ):
        for group in range(piece.begin, piece.end):
            copy.write_table(source.read_row_group(group))
