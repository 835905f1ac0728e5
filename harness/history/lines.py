"""Lines of JSON as rough batches: a glance at each line, and the plain reader of the harness for the odd ones.

The bytes come in blocks; what stands in a block is only pointed at, never copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.event import Json, NotAnEvent, from_wire, id_text
from harness.history import scan as at
from harness.history.dictionary import Spans
from harness.history.files import HistoryFile, Unpacked
from harness.history.records import TIME_FAR, TIME_MISSING, TIME_WRONG, BrokenLine, Form
from harness.history.rough import Merges, Rough, Texts
from harness.ingestion.limits import TEXT_CHARACTERS
from harness.ingestion.rules import milliseconds
from harness.ingestion.shape import check_shape
from harness.ingestion.verdict import FieldError
from harness.jsontext import parse

BLOCK_BYTES: Final = 8 << 20
LONGEST_LINE: Final = 64 << 20
"""A longer line holds no event that Mixpanel takes, by far; it is told as broken and not kept in memory."""

_ROWS_AT_ONCE: Final = 1 << 15
_MOST_BROKEN: Final = 100
_FAR: Final = 1e15
_BOM: Final = b"\xef\xbb\xbf"


class LineReading(NamedTuple):
    """How lines are read.

    Attributes:
        truth: the event property that says who really did it; None for none.
        stored: in the wire form, too, `$distinct_id_before_identity` is what was sent.
        seconds_below: a `time` below this is in seconds, else in milliseconds.
    """

    truth: str | None
    stored: bool
    seconds_below: float


def read_lines(file: HistoryFile, reading: LineReading, block_bytes: int = BLOCK_BYTES) -> Iterator[Rough]:
    """Yield the lines of a file in batches; blank lines are none.

    Raises:
        InputError: when the file can't be read to its end.
    """
    keys = at.Keys(reading.truth)
    for block in _blocks(Unpacked(file), block_bytes):
        if block.too_long:
            why = f"longer than {LONGEST_LINE >> 20} MB"
            yield _one_broken(file, block.line, why, block.position)
            continue
        begin, line = block.begin, block.line
        while begin < block.end:
            found = at.Scanned(min(_ROWS_AT_ONCE, (block.end - begin) // 2 + 1), keys)
            at.scan(block.data, begin, block.end, keys, reading.seconds_below, found)
            begin = found.end
            if found.rows:
                yield _rough(file, block.data, found, line, reading, block.position)
            line += found.lines


def read_block(file: HistoryFile, raw: bytes, line: int, reading: LineReading, position: int) -> Rough:
    """Return lines that are in memory already as one batch; there is at least one.

    Args:
        file: where they come from.
        raw: the lines, none of them blank, each with a line feed at its end.
        line: what the first of them counts as.
        reading: how they are read.
        position: how far the file is read with them.
    """
    keys = at.Keys(reading.truth)
    data = np.frombuffer(raw + bytes(at.GUARD), np.uint8)
    found = at.Scanned(raw.count(b"\n"), keys)
    at.scan(data, 0, len(raw), keys, reading.seconds_below, found)
    return _rough(file, data, found, line, reading, position)


class _Block(NamedTuple):
    data: NDArray[np.uint8]
    begin: int
    end: int
    line: int
    position: int
    too_long: bool


def _blocks(file: Unpacked, block_bytes: int) -> Iterator[_Block]:
    rest: NDArray[np.uint8] = np.empty(0, np.uint8)
    line = 1
    try:
        while True:
            size = len(rest) + max(block_bytes, len(rest))
            data = np.empty(size + at.GUARD, np.uint8)
            data[: len(rest)] = rest
            filled = len(rest) + file.read_into(memoryview(data.data)[len(rest) : size], line)
            data[filled : filled + at.GUARD] = 0
            begin = 3 if line == 1 and data[:3].tobytes() == _BOM else 0
            if filled < size:
                if begin < filled:
                    yield _Block(data, begin, filled, line, file.position, too_long=False)
                return
            end = _last_line_end(data, filled)
            if end == 0 and filled > LONGEST_LINE:
                yield _Block(data, 0, 0, line, file.position, too_long=True)
                after = _skip_line(file, line, block_bytes)
                line += 1
                if after is None:
                    return
                rest = after
                continue
            if end:
                yield _Block(data, begin, end, line, file.position, too_long=False)
                line += int(np.count_nonzero(data[:end] == 10))
            rest = data[end:filled]
    finally:
        file.close()


def _skip_line(file: Unpacked, line: int, block_bytes: int) -> NDArray[np.uint8] | None:
    while True:
        data = np.empty(block_bytes, np.uint8)
        filled = file.read_into(memoryview(data.data), line)
        end = data[:filled].tobytes().find(b"\n")
        if end >= 0:
            return data[end + 1 : filled]
        if filled < block_bytes:
            return None


def _last_line_end(data: NDArray[np.uint8], filled: int) -> int:
    """Return what follows the last line feed, 0 where there is none."""
    step = 1 << 16
    high = filled
    while high > 0:
        low = max(0, high - step)
        found = data[low:high].tobytes().rfind(b"\n")
        if found >= 0:
            return low + found + 1
        high = low
    return 0


def _rough(
    file: HistoryFile, data: NDArray[np.uint8], found: at.Scanned, line: int, reading: LineReading, position: int
) -> Rough:
    rows = found.rows
    start, length = found.start[:rows], found.length[:rows]
    form, time_ms = found.form[:rows], found.time_ms[:rows]
    lines = found.line[:rows] + (line - 1)
    before = length[:, at.BEFORE] != -1
    if not reading.stored:
        before &= ~found.wire[:rows]
    if before.any():
        start[before, at.DISTINCT_ID] = start[before, at.BEFORE]
        length[before, at.DISTINCT_ID] = length[before, at.BEFORE]
    merges: dict[int, list[bytes]] = {}
    listed = np.flatnonzero((length[:, at.DISTINCT_IDS] > 0) & (length[:, at.EVENT] == 6) & (form == Form.EVENT))
    for row in listed:
        begin = start[row, at.EVENT]
        if data[begin : begin + 6].tobytes() == b"$merge":
            begin = start[row, at.DISTINCT_IDS]
            raw = data[begin : begin + length[row, at.DISTINCT_IDS]].tobytes()
            merges[int(row)] = _listed(parse(raw.decode("utf-8")))
    newest = found.newest_ms
    broken: list[BrokenLine] = []
    extra: list[bytes] = []
    extra_at = len(data)
    for row in np.flatnonzero(form == at.ODD):
        begin = int(found.at[row])
        odd = _read_odd(data[begin : begin + int(found.size[row])].tobytes(), reading)
        length[row] = -1
        if isinstance(odd, str):
            form[row] = Form.BROKEN
            if len(broken) < _MOST_BROKEN:
                broken.append(BrokenLine(file.name, int(lines[row]), odd))
            continue
        form[row], time_ms[row] = odd.form, odd.time_ms
        newest = max(newest, odd.newest_ms)
        for field, text in odd.texts.items():
            if text is None:
                length[row, field] = at.NULL
                continue
            start[row, field], length[row, field] = extra_at, len(text)
            extra_at += len(text)
            extra.append(text)
        if odd.merge:
            merges[int(row)] = odd.merge
    if extra:
        data = np.concatenate([data, np.frombuffer(b"".join(extra) + bytes(at.GUARD), np.uint8)])
    return Rough(
        size=rows,
        file=file.name,
        position=position,
        line=lines,
        form=form,
        time_ms=time_ms,
        columns=_columns(data, start, length),
        merges=Merges.of(merges),
        newest_ms=newest,
        broken=tuple(broken),
    )


def _columns(data: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int32]) -> dict[int, Texts]:
    """Return each field's texts; a null is as good as nothing from here on."""
    columns: dict[int, Texts] = {}
    for field in (*_IDS, at.EVENT, *range(at.TRUTH, length.shape[1])):
        sizes = np.maximum(length[:, field], -1)
        if (sizes >= 0).any():
            columns[field] = Spans(data, np.ascontiguousarray(start[:, field]), np.ascontiguousarray(sizes))
    return columns


class _Odd(NamedTuple):
    form: Form
    time_ms: int
    newest_ms: float
    texts: dict[int, bytes | None]
    merge: list[bytes]


_IDS: Final = {
    at.DISTINCT_ID: "distinct_id",
    at.DEVICE_ID: "$device_id",
    at.USER_ID: "$user_id",
    at.IDENTIFIED_ID: "$identified_id",
    at.ANON_ID: "$anon_id",
    at.ANON_DISTINCT_ID: "$anon_distinct_id",
    at.ALIAS: "alias",
    at.INSERT_ID: "$insert_id",
}


def _read_odd(line: bytes, reading: LineReading) -> _Odd | str:
    """Return what the plain reader makes of a line, or why it holds no event."""
    try:
        raw = parse(line.decode("utf-8"))
        event = from_wire(raw)
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte 0x{line[error.start]:02x})"
    except ValueError as error:
        return str(error)
    if isinstance(event, NotAnEvent):
        return event.message
    properties = event.properties
    texts: dict[int, bytes | None] = {at.EVENT: _bytes(event.name[:TEXT_CHARACTERS])}
    for field, key in _IDS.items():
        if key in properties:
            value = properties[key]
            texts[field] = None if value is None else _bytes(id_text(value))
    if reading.stored and "$distinct_id_before_identity" in properties:
        value = properties["$distinct_id_before_identity"]
        texts[at.DISTINCT_ID] = None if value is None else _bytes(id_text(value))
    truth = reading.truth
    if truth is not None and truth not in at.FIELDS and properties.get(truth) is not None:
        texts[at.TRUTH] = _bytes(id_text(properties[truth]))
    merge = _listed(properties.get("$distinct_ids")) if event.name == "$merge" else []
    ignore = properties.get("$ignore")
    form = Form.EVENT
    if "$ignore" in properties and ignore is not None and ignore is not False and ignore != 0 and ignore != "":
        form = Form.IGNORED
    elif isinstance(check_shape(event.name, properties), FieldError):
        form = Form.MISSHAPEN
    time_ms, newest = time_of(properties.get("time"), reading.seconds_below)
    return _Odd(form, time_ms, newest, texts, merge)


def time_of(sent: Json, seconds_below: float) -> tuple[int, float]:
    """Return a `time` as batches have it, and the instant it counts as when the newest one is looked for."""
    if sent is None:
        return TIME_MISSING, float("-inf")
    if isinstance(sent, bool) or not isinstance(sent, (int, float)) or sent != sent:
        return TIME_WRONG, float("-inf")
    if not -_FAR < sent < _FAR:
        return TIME_FAR if 0 < sent < float("inf") else TIME_WRONG, float("-inf")
    found = milliseconds(sent, seconds_below)
    return TIME_WRONG if found is None else found, float(sent * 1000 if sent < seconds_below else sent)


def _listed(named: Json) -> list[bytes]:
    return [_bytes(id_text(value)) for value in named] if isinstance(named, (list, tuple)) else []


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _one_broken(file: HistoryFile, line: int, why: str, position: int) -> Rough:
    return Rough(
        size=1,
        file=file.name,
        position=position,
        line=np.array([line], np.int64),
        form=np.array([Form.BROKEN], np.uint8),
        time_ms=np.array([TIME_MISSING], np.int64),
        columns={},
        merges=Merges.of({}),
        newest_ms=float("-inf"),
        broken=(BrokenLine(file.name, line, why),),
    )
