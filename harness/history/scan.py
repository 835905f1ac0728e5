"""A glance at lines of JSON: finds the few values that matter in an ordinary line, and leaves any other line alone.

A line is ordinary when it is certainly JSON, certainly an event, certainly of a shape that Mixpanel takes, and when the
values that matter are plain. `ODD` lines are read again by the plain reader of the harness, which decides alone what
they are, so a glance may be hasty but never wrong; tests hold both equal.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.history.native import address_of, byte, compiled, hash_of, integer, unsigned
from harness.history.records import TIME_MISSING, TIME_WRONG
from harness.history.scan_values import (
    IS_FALSE,
    IS_LIST,
    IS_NULL,
    IS_NUMBER,
    IS_TEXT,
    IS_WHOLE,
    decimal,
    is_utf8,
    line_end,
    skip_blanks,
    space,
    text_end,
    value_end,
)
from harness.ingestion.limits import EARLIEST_MS

FIELDS: Final = (
    "event",
    "distinct_id",
    "$device_id",
    "$user_id",
    "$identified_id",
    "$anon_id",
    "$anon_distinct_id",
    "alias",
    "$distinct_ids",
    "time",
    "$insert_id",
    "$ignore",
    "$distinct_id_before_identity",
    "properties",
)
"""The keys that matter; one more, the truth, may stand behind them."""

EVENT: Final = 0
DISTINCT_ID: Final = 1
DEVICE_ID: Final = 2
USER_ID: Final = 3
IDENTIFIED_ID: Final = 4
ANON_ID: Final = 5
ANON_DISTINCT_ID: Final = 6
ALIAS: Final = 7
DISTINCT_IDS: Final = 8
TIME: Final = 9
INSERT_ID: Final = 10
IGNORE: Final = 11
BEFORE: Final = 12
PROPERTIES: Final = 13
TRUTH: Final = 14

ODD: Final = 200
"""In place of a form: the line has to be read by the plain reader."""

NULL: Final = -2
"""In place of a length: the value is null."""

GUARD: Final = 64
"""Bytes behind the end of a block that may be read, whatever they are."""

_KEY_SLOTS: Final = 64
_LONGEST_LINE: Final = 100_000
_MOST_PROPERTIES: Final = 250
_NOTHING: Final = -1

_HAS_HIGH: Final = 16


class Keys:
    """The keys that a scan looks for, laid out so that a loop finds them at a glance.

    Args:
        truth: the event property that says who really did it; None for none.
    """

    def __init__(self, truth: str | None = None) -> None:
        names = [*FIELDS, *([truth] if truth is not None and truth not in FIELDS else [])]
        self.count = len(names)
        encoded = [name.encode("utf-8", "surrogatepass") for name in names]
        self.slots = np.full(_KEY_SLOTS, -1, np.int64)
        self.start = np.zeros(self.count, np.int64)
        self.length = np.array([len(text) for text in encoded], np.int64)
        self.start[1:] = np.cumsum(self.length[:-1])
        self.data = np.frombuffer(b"".join(encoded) + bytes(GUARD), np.uint8)
        for field in range(self.count):
            slot = key_slot(address_of(self.data) + int(self.start[field]), int(self.length[field]))
            while self.slots[slot] >= 0:
                slot = (slot + 1) % _KEY_SLOTS
            self.slots[slot] = field


class Scanned:
    """What a scan found in a block, one entry a line that is not blank.

    Args:
        most: most lines it can hold.
        keys: what was looked for.
    """

    def __init__(self, most: int, keys: Keys) -> None:
        self.rows = 0
        self.end = 0
        self.lines = 0
        self.newest_ms = float("-inf")
        self.form = np.empty(most, np.uint8)
        self.at: NDArray[np.int64] = np.empty(most, np.int64)
        self.size: NDArray[np.int64] = np.empty(most, np.int64)
        self.line: NDArray[np.int64] = np.empty(most, np.int64)
        self.wire = np.empty(most, np.bool_)
        self.time_ms: NDArray[np.int64] = np.empty(most, np.int64)
        self.start: NDArray[np.int64] = np.empty((most, keys.count), np.int64)
        self.length = np.empty((most, keys.count), np.int32)


def scan(data: NDArray[np.uint8], begin: int, end: int, keys: Keys, seconds_below: float, into: Scanned) -> None:
    """Look through whole lines of a block until they, or the room for what is found, come to an end.

    Args:
        data: uint8, read only; the block, with `GUARD` bytes behind its end.
        begin: where the first line begins.
        end: where the last line ends.
        keys: what to look for.
        seconds_below: a `time` below this is in seconds, else in milliseconds.
        into: takes what is found; its `end` is where the scan stopped, its `lines` how many lines it went over.
    """
    state = np.zeros(3, np.int64)
    newest = np.full(1, float("-inf"))
    base = address_of(data)
    _scan(
        base,
        base + begin,
        base + end,
        keys.slots,
        keys.data,
        keys.start,
        keys.length,
        seconds_below,
        into.form,
        into.at,
        into.size,
        into.line,
        into.wire,
        into.time_ms,
        into.start,
        into.length,
        state,
        newest,
    )
    into.rows, into.lines = int(state[0]), int(state[2])
    into.end = int(state[1]) - base
    into.newest_ms = float(newest[0])


@compiled
def key_slot(at: int, length: int) -> int:
    """Return where to look for a key first."""
    return integer(hash_of(at, length, False) & unsigned(_KEY_SLOTS - 1))  # noqa: FBT003


@compiled
def _scan(
    base: int,
    begin: int,
    end: int,
    slots: Any,
    key_data: Any,
    key_start: Any,
    key_length: Any,
    seconds_below: float,
    form: Any,
    line_at: Any,
    line_size: Any,
    line_number: Any,
    wire: Any,
    time_ms: Any,
    start: Any,
    length: Any,
    state: Any,
    newest: Any,
) -> None:
    fields = len(key_start)
    row = 0
    lines = 0
    at = begin
    while at < end and row < len(form):
        stop = line_end(at, end)
        lines += 1
        first = skip_blanks(at, stop)
        if first == stop:
            at = stop + 1
            continue
        for field in range(fields):
            length[row, field] = -1
        line_at[row] = at - base
        line_size[row] = stop - at
        line_number[row] = lines
        form[row] = _object(base, first, stop, slots, key_data, key_start, key_length, start, length, row, wire)
        if form[row] == 0:
            form[row] = _judge(base, seconds_below, start, length, row, time_ms, newest)
        row += 1
        at = stop + 1
    state[0] = row
    state[1] = min(at, end)
    state[2] = lines


@compiled
def _object(  # noqa: C901
    base: int,
    at: int,
    end: int,
    slots: Any,
    key_data: Any,
    key_start: Any,
    key_length: Any,
    start: Any,
    length: Any,
    row: int,
    wire: Any,
) -> int:
    """Read the object of a line into the row of `start` and `length`; 0 where it is ordinary."""
    line = at
    wire[row] = False
    inside = False
    high = False
    keys = 0
    if end - at > _LONGEST_LINE or byte(at) != 0x7B:
        return ODD
    at = space(at + 1, end)
    while True:
        if at >= end or byte(at) != 0x22:
            return ODD
        key_at = at + 1
        at, kind = text_end(key_at, end)
        if at < 0 or kind & 1:
            return ODD
        high = high or kind != 0
        size = at - key_at
        at = space(at + 1, end)
        if at >= end or byte(at) != 0x3A:
            return ODD
        at = space(at + 1, end)
        if at >= end:
            return ODD
        keys += 1
        field = _field(key_at, size, slots, key_data, key_start, key_length)
        if field == PROPERTIES and not inside:
            if wire[row] or byte(at) != 0x7B:
                return ODD
            wire[row] = True
            inside = True
            keys = 0
            for other in range(1, len(key_start)):
                length[row, other] = -1
            at = space(at + 1, end)
            if at < end and byte(at) != 0x7D:
                continue
        else:
            if (field == EVENT and inside) or (wire[row] and not inside and field != EVENT):
                field = _NOTHING
            value_at = at
            at, kind = value_end(at, end)
            if at < 0:
                return ODD
            high = high or (kind & _HAS_HIGH) != 0
            if field >= 0:
                kind &= 15
                if not _fits(field, kind):
                    return ODD
                if kind == IS_TEXT:
                    start[row, field] = value_at - base + 1
                    length[row, field] = at - value_at - 2
                elif kind == IS_NULL:
                    length[row, field] = NULL
                elif kind == IS_FALSE:
                    length[row, field] = -1
                else:
                    start[row, field] = value_at - base
                    length[row, field] = at - value_at
        at = space(at, end)
        if inside and at < end and byte(at) == 0x7D:
            if keys > _MOST_PROPERTIES:
                return ODD
            inside = False
            at = space(at + 1, end)
        if at >= end:
            return ODD
        if byte(at) == 0x2C:
            at = space(at + 1, end)
            continue
        if byte(at) != 0x7D or inside:
            return ODD
        break
    if keys > _MOST_PROPERTIES or space(at + 1, end) != end:
        return ODD
    return ODD if high and not is_utf8(line, end) else 0


@compiled
def _fits(field: int, kind: int) -> bool:
    """Return whether a kind of value is a plain one for a key that matters."""
    if field == EVENT:
        return kind == IS_TEXT
    if field == TIME:
        return kind in (IS_WHOLE, IS_NUMBER, IS_NULL)
    if field == IGNORE:
        return kind in (IS_FALSE, IS_NULL)
    if field == DISTINCT_IDS:
        return kind == IS_LIST
    return kind in (IS_TEXT, IS_WHOLE, IS_NULL)


@compiled
def _field(at: int, size: int, slots: Any, key_data: Any, key_start: Any, key_length: Any) -> int:
    slot = key_slot(at, size)
    while slots[slot] >= 0:
        field = slots[slot]
        if key_length[field] == size:
            same = True
            for step in range(size):
                if byte(at + step) != key_data[key_start[field] + step]:
                    same = False
                    break
            if same:
                return integer(field)
        slot = (slot + 1) & (_KEY_SLOTS - 1)
    return _NOTHING


@compiled
def _judge(base: int, seconds_below: float, start: Any, length: Any, row: int, time_ms: Any, newest: Any) -> int:
    """Check the name and read the time of an ordinary line."""
    size = length[row, EVENT]
    if size <= 0 or size > 255:
        return ODD
    blank = True
    for step in range(size):
        if byte(base + start[row, EVENT] + step) != 0x20:
            blank = False
            break
    if blank:
        return ODD
    size = length[row, TIME]
    if size < 0:
        time_ms[row] = TIME_MISSING
        return 0
    sent = decimal(base + start[row, TIME], size)
    if sent < 0.0:
        return ODD
    exact = sent * 1000.0 if sent < seconds_below else sent
    newest[0] = max(newest[0], exact)
    rounded = np.rint(exact) if sent < seconds_below else np.floor(sent)
    time_ms[row] = integer(rounded) if sent > 0.0 and rounded >= EARLIEST_MS else TIME_WRONG
    return 0
