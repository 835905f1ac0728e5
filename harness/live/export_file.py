"""Reads the rows of a raw export from a file: NDJSON as the export API answers it, or gzip of that."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.live.export_row import ExportRow, read_row
from harness.problems import InputError, Problem, Problems

_GZIP: Final = b"\x1f\x8b"
_MOST_PROBLEMS: Final = 20
_LONGEST_LINE: Final = 16_000_000


def read_export(path: Path) -> Iterator[ExportRow]:
    """Yield the rows of a file, or of standard input for `-`; whether it is gzip shows in its first bytes.

    Raises:
        InputError: when it can't be read, or holds lines that are no rows of an export; the first 20 are told.
    """
    problems = Problems(str(path))
    try:
        with _opened(path) as file:
            is_packed = file.peek(2)[:2] == _GZIP
            yield from _rows(gzip.GzipFile(fileobj=file) if is_packed else file, problems)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problems.add(None, "", f"is broken gzip: {error}", "Export it again.")
    except OSError as error:
        problems.add(None, "", f"can't be read: {error.strerror or error}", "Check the path.")
    if problems:
        raise InputError(problems.found)


def _opened(path: Path) -> io.BufferedReader:
    if str(path) == "-":
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    return io.BufferedReader(io.FileIO(path))


def _rows(file: io.BufferedIOBase, problems: Problems) -> Iterator[ExportRow]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        try:
            yield read_row(line)
        except UnicodeDecodeError:
            problems.add(number, "", "is not UTF-8")
        except ValueError as error:
            problems.add(number, "", str(error))
        if len(problems.found) == _MOST_PROBLEMS:
            raise InputError([*problems.found, Problem(problems.file, None, "", "and so on; is it a raw export?")])
