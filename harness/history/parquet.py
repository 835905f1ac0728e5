"""Parquet files as rough batches: only the columns that matter are read.

Three layouts are read: a column for each event property (what a warehouse keeps), a column `properties` that is a
struct, and one that is JSON text. In Parquet an absent value and null are the same. What a column holds is taken for
the text that the same value would have in JSON, so a column of numbers is a column of ids as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.event import id_text
from harness.history import scan as at
from harness.history.dictionary import Spans, spans_of
from harness.history.files import HistoryFile, unreadable
from harness.history.lines import LineReading, read_block
from harness.history.reader_loops import instants, place_texts
from harness.history.records import TIME_MISSING, TIME_WRONG, BrokenLine, Form
from harness.history.rough import Coded, Merges, Rough, Texts
from harness.ingestion.limits import EARLIEST_MS
from harness.jsontext import dump, parse
from harness.problems import InputError, Problem, did_you_mean

ROWS_AT_ONCE: Final = 1 << 17

_TEXT_FIELDS: Final = {
    at.EVENT: "event",
    at.DISTINCT_ID: "distinct_id",
    at.DEVICE_ID: "$device_id",
    at.USER_ID: "$user_id",
    at.IDENTIFIED_ID: "$identified_id",
    at.ANON_ID: "$anon_id",
    at.ANON_DISTINCT_ID: "$anon_distinct_id",
    at.ALIAS: "alias",
    at.INSERT_ID: "$insert_id",
    at.BEFORE: "$distinct_id_before_identity",
}
_OTHER_FIELDS: Final = ("time", "$distinct_ids", "$ignore")
_FEW: Final = ("event",)
_MOST_BROKEN: Final = 100
_MOST_CHUNKS: Final = 20_000
_STREAMED: Final[dict[str, Any]] = {"buffer_size": 1 << 20, "pre_buffer": False}


def rows_of(file: HistoryFile) -> int:
    """Return how many rows a Parquet file has.

    Raises:
        InputError: when it is no whole Parquet file.
    """
    with _opened(file) as parquet:
        return int(parquet.metadata.num_rows)


def read_parquet(file: HistoryFile, reading: LineReading, wanted: frozenset[int]) -> Iterator[Rough]:
    """Yield the rows of a Parquet file in batches.

    Args:
        file: the file.
        reading: what is read, as for lines.
        wanted: the fields that are asked for; others may be left out.

    Raises:
        InputError: when the file can't be read to its end, lacks a column, or has one of a type that makes no sense.
    """
    with _opened(file) as parquet:
        schema: pa.Schema = parquet.schema_arrow
        if "event" not in schema.names:
            fix = did_you_mean("event", schema.names[:200]) if schema.names else ""
            raise InputError([Problem(file.name, 1, "event", "there is no such column", f"{fix} An event needs one.")])
        names = {**{field: key for field, key in _TEXT_FIELDS.items() if field in wanted or field == at.BEFORE}}
        if reading.truth is not None:
            names[at.TRUTH] = reading.truth
        columns = _Columns(file, schema, reading, names)
        empty = _empty_columns(parquet.metadata) - {"event"}
        columns.chosen = [name for name in columns.chosen if name not in empty]
        done = 0
        try:
            for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=columns.chosen, use_threads=True):
                if batch.num_rows:
                    yield from columns.rough(batch, done)
                done += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            message = f"can't be read past row {done}: {_first_line(error)}"
            raise InputError([Problem(file.name, None, "", message, "Write it again.")]) from None


def _opened(file: HistoryFile) -> pq.ParquetFile:
    try:
        found = pq.ParquetFile(file.name, **_STREAMED)
        few = [
            name for name in _FEW if name in found.schema_arrow.names and _is_text(found.schema_arrow.field(name).type)
        ]
        if not few:
            return found
        found.close()
        return pq.ParquetFile(file.name, read_dictionary=few, **_STREAMED)
    except pa.ArrowException as error:
        message = f"is no whole Parquet file: {_first_line(error)}"
        raise InputError([Problem(file.name, None, "", message, "Write it again.")]) from None
    except OSError as error:
        if error.strerror:
            raise InputError([unreadable(file.name, error)]) from None
        message = f"is no whole Parquet file: {_first_line(error)}"
        raise InputError([Problem(file.name, None, "", message, "Write it again.")]) from None


def _empty_columns(metadata: pq.FileMetaData) -> set[str]:
    """Return the flat columns that hold nothing but nulls, as the file itself says of each of its row groups."""
    if metadata.num_row_groups * metadata.num_columns > _MOST_CHUNKS:
        return set()
    found = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for name, place in list(found.items()):
            chunk = chunks.column(place)
            told = chunk.statistics if chunk.is_stats_set else None
            if told is None or not told.has_null_count or told.null_count != chunk.num_values:
                del found[name]
    return set(found)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]


class _Columns:
    def __init__(self, file: HistoryFile, schema: pa.Schema, reading: LineReading, names: Mapping[int, str]) -> None:
        self.file = file
        self.reading = reading
        self.names = names
        self.properties = schema.field("properties").type if "properties" in schema.names else None
        if self.properties is None:
            wanted = [*names.values(), *_OTHER_FIELDS]
            self.chosen = [name for name in dict.fromkeys(wanted) if name in schema.names]
        else:
            self.chosen = ["event", "properties"]

    def rough(self, batch: pa.RecordBatch, done: int) -> Iterator[Rough]:
        """Yield a batch of rows, of which `done` came before, as rough ones."""
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        missing: NDArray[np.bool_] | None = None
        if self.properties is not None:
            if _is_text(self.properties):
                yield self._from_json(arrays, done)
                return
            if not pa.types.is_struct(self.properties):
                self._wrong("properties", arrays["properties"], done, "a struct or JSON text")
            struct = arrays["properties"]
            missing = _is_null(struct)
            inner = {struct.type.field(place).name: place for place in range(struct.type.num_fields)}
            event = arrays["event"]
            arrays = {name: struct.field(place) for name, place in inner.items() if name != "event"}
            arrays["event"] = event
        yield self._rough(arrays, batch.num_rows, done, missing)

    def _rough(self, arrays: Mapping[str, Any], rows: int, done: int, missing: NDArray[np.bool_] | None) -> Rough:
        columns: dict[int, Texts] = {}
        for field, name in self.names.items():
            if name in arrays and arrays[name].null_count < rows:
                columns[field] = self._texts(name, arrays[name], done)
        before = columns.pop(at.BEFORE, None)
        if before is not None and (self.properties is None or self.reading.stored):
            columns[at.DISTINCT_ID] = _either(before, columns.get(at.DISTINCT_ID))
        time_ms, newest = self._times(arrays.get("time"), rows, done)
        form = np.zeros(rows, np.uint8)
        if "$ignore" in arrays:
            form[_is_true(arrays["$ignore"])] = Form.IGNORED
        nameless = _blank(columns.get(at.EVENT), rows)
        if missing is not None:
            nameless |= missing
        form[nameless] = Form.BROKEN
        line = np.arange(done + 1, done + rows + 1, dtype=np.int64)
        broken = tuple(
            BrokenLine(self.file.name, int(line[row]), self._why(row, missing))
            for row in np.flatnonzero(nameless)[:_MOST_BROKEN]
        )
        merges = self._merges(arrays.get("$distinct_ids"), columns.get(at.EVENT), done)
        return Rough(rows, self.file.name, done + rows, line, form, time_ms, columns, merges, newest, broken)

    def _why(self, row: int, missing: NDArray[np.bool_] | None) -> str:
        if missing is not None and missing[row]:
            return "'properties' must be an object, found null"
        return "'event' must not be missing or blank"

    def _from_json(self, arrays: Mapping[str, Any], done: int) -> Rough:
        """Read rows whose properties are JSON text as the lines they would be."""
        names = _plain(arrays["event"], self._text_array("event", arrays["event"], done)).to_pylist()
        texts = arrays["properties"].to_pylist()
        lines = []
        for name, text in zip(names, texts, strict=True):
            sent = "null" if text is None else (text if isinstance(text, str) else text.decode("utf-8", "replace"))
            lines.append(f'{{"event":{dump(name)},"properties":{sent.translate(_ONE_LINE)}}}\n')
        raw = "".join(lines).encode("utf-8", "surrogatepass")
        return read_block(self.file, raw, done + 1, self.reading, done + len(lines))

    def _texts(self, name: str, array: Any, done: int) -> Texts:
        if pa.types.is_dictionary(array.type):
            values = self._texts(name, array.dictionary, done)
            assert isinstance(values, Spans), "a dictionary of dictionaries does not exist"
            places = array.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
            return Coded(values, places)
        kind = array.type
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
            found = pc.dictionary_encode(array)
            values = spans_of([_number_text(value).encode() for value in found.dictionary.to_pylist()])
            return Coded(values, found.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False))
        return _spans(self._text_array(name, array, done))

    def _text_array(self, name: str, array: Any, done: int) -> Any:
        kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
        if _is_text(kind):
            return array
        if pa.types.is_integer(kind):
            return array.cast(pa.string())
        return self._wrong(name, array, done, "text or a number")

    def _times(self, array: Any, rows: int, done: int) -> tuple[NDArray[np.int64], float]:
        time_ms = np.full(rows, TIME_MISSING, np.int64)
        if array is None or array.null_count == rows:
            return time_ms, float("-inf")
        there = ~_is_null(array)
        kind = array.type
        if pa.types.is_timestamp(kind):
            found = array.cast(pa.timestamp("ms", kind.tz), safe=False).cast(pa.int64())
            values = found.fill_null(0).to_numpy(zero_copy_only=False)[there]
            time_ms[there] = np.where(values >= EARLIEST_MS, values, TIME_WRONG)
            return time_ms, float(values.max())
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            self._wrong("time", array, done, "a number or a timestamp")
        if not pa.types.is_floating(kind):
            array = array.cast(pa.float64(), safe=False)
        sent = array.fill_null(0.0) if array.null_count else array
        numbers = sent.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        return time_ms, instants(numbers, there, self.reading.seconds_below, time_ms)

    def _merges(self, array: Any, names: Texts | None, done: int) -> Merges:
        if array is None or names is None or array.null_count == len(array):
            return Merges.of({})
        rows = np.flatnonzero(_equals(names, b"$merge", len(array)) & ~_is_null(array))
        if not len(rows):
            return Merges.of({})
        if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or _is_text(array.type)):
            self._wrong("$distinct_ids", array, done, "a list of texts")
        named: dict[int, list[bytes]] = {}
        for row, value in zip(rows, array.take(pa.array(rows)).to_pylist(), strict=True):
            listed = _listed_text(value) if isinstance(value, str) else value
            if isinstance(listed, list):
                named[int(row)] = [id_text(one).encode("utf-8", "surrogatepass") for one in listed]
        return Merges.of(named)

    def _wrong(self, name: str, array: Any, done: int, expected: str) -> Any:
        row = done + 1 + int(np.flatnonzero(~_is_null(array))[0]) if array.null_count < len(array) else done + 1
        message = f"is a column of {array.type}, expected {expected}"
        raise InputError([Problem(self.file.name, row, name, message, "Cast the column.")])


_ONE_LINE: Final = {10: 32, 13: 32}


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _plain(array: Any, texts: Any) -> Any:
    return (
        texts.cast(pa.string()) if pa.types.is_dictionary(array.type) or not pa.types.is_string(texts.type) else texts
    )


def _spans(array: Any) -> Spans:
    """Return an Arrow array of texts as places in its own buffer."""
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets_buffer, data_buffer = array.buffers()
    rows = len(array)
    offsets = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)[array.offset : array.offset + rows + 1]
    start, length = np.empty(rows, np.int64), np.empty(rows, np.int32)
    place_texts(offsets, _is_null(array), start, length)
    data = (
        np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else np.zeros(8, np.uint8)
    )
    return Spans(data, start, length)


def _is_null(array: Any) -> NDArray[np.bool_]:
    if array.null_count == 0:
        return np.zeros(len(array), np.bool_)
    valid = None if pa.types.is_null(array.type) else array.buffers()[0]
    if valid is None:
        found: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
        return found
    first, begin = divmod(array.offset, 8)
    last = (array.offset + len(array) + 7) // 8
    bits = np.unpackbits(np.frombuffer(valid, np.uint8)[first:last], bitorder="little")
    return np.equal(bits[begin : begin + len(array)], 0)


def _is_true(array: Any) -> NDArray[np.bool_]:
    """Return where `$ignore` is true as JavaScript sees it."""
    if pa.types.is_boolean(array.type):
        found: NDArray[np.bool_] = array.fill_null(pa.scalar(value=False)).to_numpy(zero_copy_only=False)
        return found
    return np.fromiter((value not in (None, 0, "", b"") for value in array.to_pylist()), np.bool_, len(array))


def _number_text(value: Any) -> str:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    return id_text(value)


def _listed_text(text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return None


def _blank(names: Texts | None, rows: int) -> NDArray[np.bool_]:
    """Return which rows have no name, or one of spaces alone."""
    if names is None:
        return np.ones(rows, np.bool_)
    if isinstance(names, Coded):
        blank = np.array([not text.strip() for text in _decoded(names.values)] or [True], np.bool_)
        missing = names.places < 0
        found: NDArray[np.bool_] = missing | blank[np.where(missing, 0, names.places)]
        return found
    short = names.length < 1
    for row in np.flatnonzero(~short & (names.length < 8)):
        begin = names.start[row]
        short[row] = not names.data[begin : begin + names.length[row]].tobytes().decode("utf-8", "replace").strip()
    return short


def _decoded(spans: Spans) -> list[str]:
    pairs = zip(spans.start, spans.length, strict=True)
    return [spans.data[begin : begin + max(0, size)].tobytes().decode("utf-8", "replace") for begin, size in pairs]


def _equals(texts: Texts, wanted: bytes, rows: int) -> NDArray[np.bool_]:
    if isinstance(texts, Coded):
        same = _equals(texts.values, wanted, len(texts.values.start))
        spread = np.zeros(rows, np.bool_)
        there = texts.places >= 0
        spread[there] = same[texts.places[there]]
        return spread
    found: NDArray[np.bool_] = texts.length == len(wanted)
    for row in np.flatnonzero(found):
        begin = texts.start[row]
        found[row] = texts.data[begin : begin + len(wanted)].tobytes() == wanted
    return found


def _either(first: Texts, second: Texts | None) -> Texts:
    """Return the first text of each row, or where it has none the second."""
    if second is None:
        return first
    a, b = _as_spans(first), _as_spans(second)
    data = np.concatenate([a.data, b.data])
    missing = a.length < 0
    start = np.where(missing, b.start + len(a.data), a.start)
    return Spans(data, start, np.where(missing, b.length, a.length).astype(np.int32))


def _as_spans(texts: Texts) -> Spans:
    if isinstance(texts, Spans):
        return texts
    missing = texts.places < 0
    places = np.where(missing, 0, texts.places)
    length = np.where(missing, -1, texts.values.length[places]).astype(np.int32)
    return Spans(texts.values.data, texts.values.start[places], length)
