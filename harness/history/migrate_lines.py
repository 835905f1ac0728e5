"""The events of a history as the lines they stand in, a few at a time, in step with the batches of the reader.

JSONL comes as it is. Rows of a Parquet file become flat lines, as a raw export would hold them; a null is no member.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.history.files import HistoryFile, Unpacked
from harness.history.migrate_splice import Lines
from harness.history.native import compiled

_BLOCK_BYTES: Final = 8_000_000
_ROWS: Final = 32_768
_STEP: Final = 65_536
_BOM: Final = b"\xef\xbb\xbf"
_ODD_LETTERS: Final = r'["\\\x00-\x1f]'


class LineSource:
    """The lines of the files of a history.

    Args:
        files: the files, as the reader numbers them.
    """

    def __init__(self, files: Sequence[HistoryFile]) -> None:
        self._files = files
        self._file = -1
        self._blocks: Generator[Lines, None, None] = _nothing()
        self._block = Lines(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
        self._at = 0

    def take(self, file: int, count: int) -> Lines:
        """Return the next so many lines of a file that are not blank; files are asked for in order."""
        if file != self._file:
            self.close()
            self._file, self._blocks, self._at = file, blocks(self._files[file]), len(self._block.start)
        parts: list[Lines] = []
        while count:
            if self._at == len(self._block.start):
                self._block, self._at = next(self._blocks), 0
            taken = slice(self._at, self._at + count)
            parts.append(Lines(self._block.data, self._block.start[taken], self._block.end[taken]))
            self._at += len(parts[-1].start)
            count -= len(parts[-1].start)
        return parts[0] if len(parts) == 1 else _joined(parts)

    def close(self) -> None:
        """Close the file that is open."""
        self._blocks.close()


def blocks(file: HistoryFile, block_bytes: int = _BLOCK_BYTES) -> Generator[Lines, None, None]:
    """Yield the lines of a file that are not blank, in blocks.

    Raises:
        InputError: when it can't be read to its end.
    """
    found = _parquet_blocks(file) if file.packing == "parquet" else _line_blocks(file, block_bytes)
    with closing(found):
        yield from (block for block in found if len(block.start))


def _parquet_blocks(file: HistoryFile) -> Generator[Lines, None, None]:
    with pq.ParquetFile(file.name) as parquet:
        for batch in parquet.iter_batches(_ROWS):
            yield _lines_of(_rows_as_json(batch))


def _line_blocks(file: HistoryFile, block_bytes: int) -> Generator[Lines, None, None]:
    unpacked = Unpacked(file)
    try:
        rest = np.empty(0, np.uint8)
        is_first = True
        while True:
            data = np.empty(len(rest) + block_bytes, np.uint8)
            data[: len(rest)] = rest
            filled = len(rest) + unpacked.read_into(memoryview(data)[len(rest) :], 1)  # type: ignore[arg-type]
            begin = len(_BOM) if is_first and data[: len(_BOM)].tobytes() == _BOM else 0
            if filled < len(data):
                yield split(data[begin:filled])
                return
            end = _last_line_end(data)
            if end:
                is_first = False
                yield split(data[begin:end])
            rest = data[end:]
    finally:
        unpacked.close()


def _nothing() -> Generator[Lines, None, None]:
    yield from ()


def _last_line_end(data: Any) -> int:
    """Return what follows the last line feed, 0 where there is none."""
    for high in range(len(data), 0, -_STEP):
        low = max(0, high - _STEP)
        found = data[low:high].tobytes().rfind(b"\n")
        if found >= 0:
            return int(low + found + 1)
    return 0


def split(data: Any) -> Lines:
    """Return the lines of a text that are not blank."""
    feeds = np.flatnonzero(data == ord("\n")) if len(data) else np.empty(0, np.int64)
    start = np.concatenate([np.zeros(1, np.int64), feeds + 1])
    end = np.concatenate([feeds, np.array([len(data)], np.int64)])
    keep = np.zeros(len(start), np.bool_)
    _find_full(data, start, end, keep)
    return Lines(data, start[keep], end[keep])


@compiled
def _find_full(data: Any, start: Any, end: Any, keep: Any) -> None:
    for row in range(len(start)):
        for at in range(start[row], end[row]):
            letter = data[at]
            if letter != 0x20 and not 0x09 <= letter <= 0x0D:
                keep[row] = True
                break


def _joined(parts: Sequence[Lines]) -> Lines:
    shifts = np.cumsum([0, *(len(part.data) for part in parts)])
    return Lines(
        np.concatenate([part.data for part in parts]),
        np.concatenate([part.start + shift for part, shift in zip(parts, shifts, strict=False)]),
        np.concatenate([part.end + shift for part, shift in zip(parts, shifts, strict=False)]),
    )


def _lines_of(texts: Any) -> Lines:
    """Return Arrow's texts as lines, without copying them."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    letters = texts.buffers()[2]
    data = np.empty(0, np.uint8) if letters is None else np.frombuffer(letters, np.uint8)
    return Lines(data, offsets[:-1], offsets[1:])


def _rows_as_json(batch: Any) -> Any:
    """Return rows as flat JSON objects, the event first."""
    names = batch.schema.names
    if "event" not in names:
        return pa.array(["{}"] * batch.num_rows, pa.large_string())
    parts = [_member(name, batch.column(name)) for name in names if name != "event"]
    event = pc.fill_null(_as_json(batch.column("event"), "event"), "null")
    return _together(_text('{"event":'), event, *parts, _text("}"), nulls="skip")


def _member(name: str, column: Any) -> Any:
    return _together(_text(f",{json.dumps(name)}:"), _as_json(column, name), nulls="emit_null")


def _together(*texts: Any, nulls: str) -> Any:
    return pc.binary_join_element_wise(*texts, _text(""), null_handling=nulls)


def _text(text: str) -> Any:
    return pa.scalar(text, pa.large_string())


def _as_json(column: Any, name: str) -> Any:
    """Return the values of a column as JSON texts; nulls stay nulls."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_json(column.dictionary_decode(), name)
    if name == "time" and pa.types.is_timestamp(kind):
        column = pc.cast(pc.cast(column, pa.timestamp("ms", kind.tz), safe=False), pa.int64())
    elif name == "properties" and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return pc.cast(column, pa.large_string())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = pc.cast(column, pa.large_string())
        if not pc.any(pc.match_substring_regex(found, _ODD_LETTERS)).as_py():
            return _together(_text('"'), found, _text('"'), nulls="emit_null")
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return pc.cast(column, pa.large_string())
    texts = [None if value is None else _dumped(value) for value in column.to_pylist()]
    return pa.array(texts, pa.large_string())


def _dumped(value: Any) -> str:
    return json.dumps(_without_nulls(value), ensure_ascii=False, separators=(",", ":"), default=_text_of)


def _without_nulls(value: Any) -> Any:
    """Return a value as JSON knows it: members of a struct that are null are none, and maps are objects."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
            return {str(key): _without_nulls(item) for key, item in value if item is not None}
        return [_without_nulls(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _text_of(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
