"""A glance at lines of JSON: finds the few values that matter in an ordinary line, and leaves any other line alone.

A line is ordinary when it is certainly JSON, certainly an event, certainly of a shape that Mixpanel takes, and when the
values that matter are plain. `ODD` lines are read again by the plain reader of the harness, which decides alone what
they are, so a glance may be hasty but never wrong; tests hold both equal.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.history.native import address_of, byte, bytes_below, compiled, hash_of, integer, unsigned, word
from harness.history.records import TIME_MISSING, TIME_WRONG
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
_MOST_ITEMS: Final = 200
_MOST_OBJECTS: Final = 3
_MOST_LEVELS: Final = 60
_NOTHING: Final = -1

_IS_TEXT: Final = 1
_IS_WHOLE: Final = 2
_IS_NUMBER: Final = 3
_IS_NULL: Final = 4
_IS_FALSE: Final = 5
_IS_TRUE: Final = 6
_IS_LIST: Final = 7
_IS_OBJECT: Final = 8
_IS_ESCAPED: Final = 9
_HAS_HIGH: Final = 16

_NULL_WORD: Final = np.frombuffer(b"null\0\0\0\0", np.uint64)[0]
_TRUE_WORD: Final = np.frombuffer(b"true\0\0\0\0", np.uint64)[0]
_FALSE_WORD: Final = np.frombuffer(b"false\0\0\0", np.uint64)[0]
_ESCAPES: Final = tuple(b'"\\/bfnrt')

_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_LINES: Final = np.uint64(0x0A0A0A0A0A0A0A0A)
_ZERO: Final = np.uint64(0)
_POWERS: Final = np.array([10.0**power for power in range(19)])
_HEX: Final = np.array([int(chr(code), 16) if chr(code) in "0123456789abcdefABCDEF" else 255 for code in range(256)])


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
        stop = _line_end(at, end)
        lines += 1
        first = _skip_blanks(at, stop)
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
def _line_end(at: int, end: int) -> int:
    while at + 8 <= end:
        mixed = word(at) ^ _LINES
        found = (mixed - _ONES) & ~mixed & _HIGHS
        if found != _ZERO:
            return at + bytes_below(found)
        at += 8
    while at < end and byte(at) != 0x0A:
        at += 1
    return at


@compiled
def _skip_blanks(at: int, end: int) -> int:
    """Skip what Python strips from bytes: space, tab, carriage return, vertical tab, form feed."""
    while at < end and (byte(at) == 0x20 or 0x09 <= byte(at) <= 0x0D):
        at += 1
    return at


@compiled
def _space(at: int, end: int) -> int:
    while at < end and (byte(at) == 0x20 or byte(at) == 0x09 or byte(at) == 0x0D):
        at += 1
    return at


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
    at = _space(at + 1, end)
    while True:
        if at >= end or byte(at) != 0x22:
            return ODD
        key_at = at + 1
        at, kind = _text(key_at, end)
        if at < 0 or kind & 1:
            return ODD
        high = high or kind != 0
        size = at - key_at
        at = _space(at + 1, end)
        if at >= end or byte(at) != 0x3A:
            return ODD
        at = _space(at + 1, end)
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
            at = _space(at + 1, end)
            if at < end and byte(at) != 0x7D:
                continue
        else:
            if (field == EVENT and inside) or (wire[row] and not inside and field != EVENT):
                field = _NOTHING
            value_at = at
            at, kind = _value(at, end)
            if at < 0:
                return ODD
            high = high or (kind & _HAS_HIGH) != 0
            if field >= 0:
                kind &= 15
                if not _fits(field, kind):
                    return ODD
                if kind == _IS_TEXT:
                    start[row, field] = value_at - base + 1
                    length[row, field] = at - value_at - 2
                elif kind == _IS_NULL:
                    length[row, field] = NULL
                elif kind == _IS_FALSE:
                    length[row, field] = -1
                else:
                    start[row, field] = value_at - base
                    length[row, field] = at - value_at
        at = _space(at, end)
        if inside and at < end and byte(at) == 0x7D:
            if keys > _MOST_PROPERTIES:
                return ODD
            inside = False
            at = _space(at + 1, end)
        if at >= end:
            return ODD
        if byte(at) == 0x2C:
            at = _space(at + 1, end)
            continue
        if byte(at) != 0x7D or inside:
            return ODD
        break
    if keys > _MOST_PROPERTIES or _space(at + 1, end) != end:
        return ODD
    return ODD if high and not is_utf8(line, end) else 0


@compiled
def _fits(field: int, kind: int) -> bool:
    """Return whether a kind of value is a plain one for a key that matters."""
    if field == EVENT:
        return kind == _IS_TEXT
    if field == TIME:
        return kind in (_IS_WHOLE, _IS_NUMBER, _IS_NULL)
    if field == IGNORE:
        return kind in (_IS_FALSE, _IS_NULL)
    if field == DISTINCT_IDS:
        return kind == _IS_LIST
    return kind in (_IS_TEXT, _IS_WHOLE, _IS_NULL)


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
def _value(at: int, end: int) -> Any:
    """Skip one value; return where it ends and its kind, or -1 where it is not certainly plain JSON."""
    letter = byte(at)
    if letter == 0x22:
        at, flags = _text(at + 1, end)
        return (at + 1 if at >= 0 else -1), ((_IS_ESCAPED if flags & 1 else _IS_TEXT) | (flags & 2) << 3)
    if letter == 0x7B or letter == 0x5B:
        at, flags = _nested(at, end)
        return at, (_IS_OBJECT if letter == 0x7B else _IS_LIST) | (flags & 2) << 3
    if letter == 0x6E:
        return _word(at, end, _NULL_WORD, 4), _IS_NULL
    if letter == 0x74:
        return _word(at, end, _TRUE_WORD, 4), _IS_TRUE
    if letter == 0x66:
        return _word(at, end, _FALSE_WORD, 5), _IS_FALSE
    return _number(at, end)


@compiled
def _word(at: int, end: int, wanted: Any, size: int) -> int:
    shift = unsigned(64 - 8 * size)
    if at + size > end or (word(at) << shift) != (wanted << shift):
        return -1
    return at + size


@compiled
def _text(at: int, end: int) -> Any:
    """Return where the closing quote of a text is, and 1 for escapes in it, 2 for bytes beyond ASCII; -1 for neither.

    Half a pair of surrogates is left to the plain reader.
    """
    flags = 0
    while True:
        while at + 8 <= end:
            letters = word(at)
            quote = letters ^ _QUOTES
            slash = letters ^ _SLASHES
            found = ((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash) | ((letters - _SPACES) & ~letters) | letters
            found &= _HIGHS
            if found != _ZERO:
                at += bytes_below(found)
                break
            at += 8
        if at >= end:
            return -1, 0
        letter = byte(at)
        if letter == 0x22:
            return at, flags
        if letter < 0x20:
            return -1, 0
        if letter == 0x5C:
            flags |= 1
            at = _escape(at + 1, end)
            if at < 0:
                return -1, 0
            continue
        if letter >= 0x80:
            flags |= 2
        at += 1


@compiled
def _escape(at: int, end: int) -> int:
    """Return what follows an escape; `at` is behind its backslash."""
    if at >= end:
        return -1
    letter = byte(at)
    if letter != 0x75:
        for known in _ESCAPES:
            if letter == known:
                return at + 1
        return -1
    code = _four_digits(at + 1, end)
    if code < 0 or 0xDC00 <= code <= 0xDFFF:
        return -1
    if code < 0xD800 or code > 0xDFFF:
        return at + 5
    if at + 7 > end or byte(at + 5) != 0x5C or byte(at + 6) != 0x75:
        return -1
    low = _four_digits(at + 7, end)
    return at + 11 if 0xDC00 <= low <= 0xDFFF else -1


@compiled
def _four_digits(at: int, end: int) -> int:
    if at + 4 > end:
        return -1
    code = 0
    for step in range(4):
        digit = _HEX[byte(at + step)]
        if digit > 15:
            return -1
        code = code * 16 + digit
    return code


@compiled
def _number(at: int, end: int) -> Any:
    """Skip a number that is far from every limit; whole ones are written as they would be written again."""
    begin = at
    if byte(at) == 0x2D:
        at += 1
    digits = at
    while at < end and 0x30 <= byte(at) <= 0x39:
        at += 1
    whole = at - digits
    if whole == 0 or whole > 18 or (whole > 1 and byte(digits) == 0x30):
        return -1, 0
    kind = _IS_WHOLE
    if digits > begin and whole == 1 and byte(digits) == 0x30:
        kind = _IS_NUMBER
    if at < end and byte(at) == 0x2E:
        kind = _IS_NUMBER
        digits = at + 1
        at = digits
        while at < end and 0x30 <= byte(at) <= 0x39:
            at += 1
        if at == digits or at - digits > 40:
            return -1, 0
    if at < end and (byte(at) | 32) == 0x65:
        kind = _IS_NUMBER
        at += 1
        if at < end and (byte(at) == 0x2B or byte(at) == 0x2D):
            at += 1
        digits = at
        while at < end and 0x30 <= byte(at) <= 0x39:
            at += 1
        if at == digits or at - digits > 2:
            return -1, 0
    return at, kind


@compiled
def _nested(at: int, end: int) -> Any:  # noqa: C901
    """Skip a list or an object that is far from every limit of shape."""
    flags = 0
    items = 0
    levels = 0
    objects = 0
    is_object = unsigned(0)
    one = unsigned(1)
    wants_value = True
    while True:
        if at >= end:
            return -1, 0
        if wants_value:
            letter = byte(at)
            if letter == 0x7B or letter == 0x5B:
                levels += 1
                is_object = is_object << one
                at = _space(at + 1, end)
                if at >= end or levels > _MOST_LEVELS:
                    return -1, 0
                if letter == 0x7B:
                    objects += 1
                    is_object |= one
                    if objects > _MOST_OBJECTS:
                        return -1, 0
                    if byte(at) != 0x7D:
                        at, kind = _key(at, end)
                        flags |= kind
                        if at < 0:
                            return -1, 0
                        continue
                elif byte(at) != 0x5D:
                    continue
            else:
                at, kind = _plain(at, end)
                flags |= kind
                if at < 0:
                    return -1, 0
                at = _space(at, end)
            wants_value = False
            continue
        letter = byte(at)
        in_object = is_object & one != _ZERO
        if letter == 0x2C:
            items += 1
            at = _space(at + 1, end)
            if items > _MOST_ITEMS:
                return -1, 0
            if in_object:
                at, kind = _key(at, end)
                flags |= kind
                if at < 0:
                    return -1, 0
            wants_value = True
            continue
        if letter != (0x7D if in_object else 0x5D):
            return -1, 0
        levels -= 1
        if in_object:
            objects -= 1
        is_object = is_object >> one
        if levels == 0:
            return at + 1, flags
        at = _space(at + 1, end)


@compiled
def _key(at: int, end: int) -> Any:
    if at >= end or byte(at) != 0x22:
        return -1, 0
    at, flags = _text(at + 1, end)
    if at < 0:
        return -1, 0
    at = _space(at + 1, end)
    if at >= end or byte(at) != 0x3A:
        return -1, 0
    return _space(at + 1, end), flags


@compiled
def _plain(at: int, end: int) -> Any:
    """Skip a value that holds no others."""
    letter = byte(at)
    if letter == 0x22:
        at, flags = _text(at + 1, end)
        return (at + 1 if at >= 0 else -1), flags
    if letter == 0x6E:
        return _word(at, end, _NULL_WORD, 4), 0
    if letter == 0x74:
        return _word(at, end, _TRUE_WORD, 4), 0
    if letter == 0x66:
        return _word(at, end, _FALSE_WORD, 5), 0
    at, _ = _number(at, end)
    return at, 0


@compiled
def is_utf8(at: int, end: int) -> bool:  # noqa: C901
    """Return whether some bytes are UTF-8 as Python reads it: nothing overlong, no surrogates, none past U+10FFFF."""
    while at < end:
        lead = byte(at)
        if lead < 0x80:
            at += 1
            while at + 8 <= end and word(at) & _HIGHS == _ZERO:
                at += 8
            continue
        at += 1
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if at + more > end:
            return False
        for _ in range(more):
            if not low <= byte(at) <= high:
                return False
            low, high = 0x80, 0xBF
            at += 1
    return True


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
    sent = _decimal(base + start[row, TIME], size)
    if sent < 0.0:
        return ODD
    exact = sent * 1000.0 if sent < seconds_below else sent
    newest[0] = max(newest[0], exact)
    rounded = np.rint(exact) if sent < seconds_below else np.floor(sent)
    time_ms[row] = integer(rounded) if sent > 0.0 and rounded >= EARLIEST_MS else TIME_WRONG
    return 0


@compiled
def _decimal(at: int, size: int) -> float:
    """Return a plain number of up to 15 digits, which a float holds exactly or rounds as any reader does; else -1."""
    value = integer(0)
    digits = 0
    behind = -1
    for step in range(size):
        letter = byte(at + step)
        if letter == 0x2E:
            behind = digits
            continue
        if not 0x30 <= letter <= 0x39:
            return -1.0
        value = value * 10 + (letter - 0x30)
        digits += 1
        if digits > 15:
            return -1.0
    return float(value) if behind < 0 else float(value) / _POWERS[digits - behind]
