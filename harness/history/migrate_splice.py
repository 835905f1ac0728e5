"""Events rewritten as bytes: the members that carry ids are cut out of a line and new ones put in, the rest is copied.

Nothing of an event is parsed that does not have to be, so numbers keep their digits and texts their spelling. A line
that is written in an unusual way, such as with escapes in the names of its members, is left to `migrate_slow`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.native import compiled

DROPPED: Final = 0
"""What becomes of a line: it is left out."""

REWRITTEN: Final = 1
"""It is rewritten."""

KEEP_INSERT_ID: Final = 2
"""Bit of an action: the `$insert_id` stays as it is."""

MOVE_DEVICE: Final = 4
"""Bit of an action: `$device_id` is kept under another name."""

MOVE_USER: Final = 8
"""Bit of an action: `$user_id` is kept under another name."""

KEEP_ID_MEMBERS: Final = 16
"""Bit of an action: `$device_id` and `$user_id` mean nothing in the target and stay as they are."""

MOVED_DEVICE: Final = "original_device_id"
MOVED_USER: Final = "original_user_id"

SERVER_MEMBERS: Final = (
    "$distinct_id_before_identity",
    "$preshuffle_distinct_id",
    "$is_reshuffled",
    "$identity_failure_reason",
    "$failure_reason",
    "$failure_description",
    "$import",
    "$mp_api_endpoint",
    "$mp_api_timestamp_ms",
    "$mp_event_size",
    "mp_processing_time_ms",
)
"""What Mixpanel adds to an event (`docs`): it would be stored as a property of its own if it were imported again."""

INSERT_ID_LETTERS: Final = 32

_NAMES: Final = ("distinct_id", "$device_id", "$user_id", "$insert_id", *SERVER_MEMBERS)
_LONGEST: Final = max(map(len, _NAMES))
_NAME_LENGTHS: Final = np.array([len(name) for name in _NAMES], np.int64)
_NAME_BYTES: Final = np.array([list(name.encode().ljust(_LONGEST, b"\0")) for name in _NAMES], np.uint8)

_HEAD: Final = np.frombuffer(b'{"event":', np.uint8)
_PROPERTIES: Final = np.frombuffer(b',"properties":{"distinct_id":"', np.uint8)
_USER_MEMBER: Final = np.frombuffer(b',"$user_id":"', np.uint8)
_DEVICE_MEMBER: Final = np.frombuffer(b',"$device_id":"', np.uint8)
_INSERT_MEMBER: Final = np.frombuffer(b',"$insert_id":"', np.uint8)
_MOVED_DEVICE_MEMBER: Final = np.frombuffer(f',"{MOVED_DEVICE}":'.encode(), np.uint8)
_MOVED_USER_MEMBER: Final = np.frombuffer(f',"{MOVED_USER}":'.encode(), np.uint8)
_TAIL: Final = np.frombuffer(b"}}\n", np.uint8)
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_ROOM: Final = 256
_STAYS, _CUT, _MOVES = range(3)


class Lines(NamedTuple):
    """Lines of a file, one an event.

    Attributes:
        data: uint8; where they are.
        start: int64; where each begins.
        end: int64; where it ends, without the line feed.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


class Rewriting(NamedTuple):
    """What the lines become, one entry a line.

    Attributes:
        action: uint8; `DROPPED`, or `REWRITTEN` with its bits.
        distinct_id: uint32; the code of the new distinct_id; `ABSENT` or `EMPTY` for "".
        user: uint32; the code of the `$user_id`, `ABSENT` for none.
        device: uint32; the code of the device's distinct_id (`$device:<id>`), `ABSENT` for none.
        insert_id: uint8, rows of 32 letters; the new `$insert_id` of each line that gets one, in order.
    """

    action: NDArray[np.uint8]
    distinct_id: NDArray[np.uint32]
    user: NDArray[np.uint32]
    device: NDArray[np.uint32]
    insert_id: NDArray[np.uint8]


def splice(
    lines: Lines, rewriting: Rewriting, heap: NDArray[np.uint8], place: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Rewrite lines.

    Args:
        lines: events in wire form or flat; JSON objects all.
        rewriting: what they become.
        heap: the texts of the codes, see `Dictionary.raw`.
        place: where the text of a code is in it.

    Returns:
        The new lines with their line feeds one after the other, where each ends (a dropped one where it would begin),
        and which ones have to be rewritten otherwise and are left out so far.
    """
    sizes = heap_lengths(heap, place)
    texts = sum(int(sizes[codes].sum()) for codes in (rewriting.distinct_id, rewriting.user, rewriting.device))
    room = int((lines.end - lines.start).sum()) + 6 * texts + _ROOM * len(lines.start)
    made = np.empty(room, np.uint8)
    ends = np.empty(len(lines.start), np.int64)
    unusual = np.zeros(len(lines.start), np.bool_)
    used = _splice(*lines, *rewriting, heap, place, made, ends, unusual)
    return made[:used], ends, np.flatnonzero(unusual)


def heap_lengths(heap: NDArray[np.uint8], place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the length of each code's text in bytes."""
    found = np.zeros(len(place), np.int64)
    _lengths(heap, place, found)
    return found


@compiled
def _lengths(heap: Any, place: Any, found: Any) -> None:
    for code in range(1, len(place)):
        found[code] = _length(heap, place[code])


@compiled
def _splice(
    data: Any,
    start: Any,
    end: Any,
    action: Any,
    distinct_id: Any,
    user: Any,
    device: Any,
    insert_id: Any,
    heap: Any,
    place: Any,
    made: Any,
    ends: Any,
    unusual: Any,
) -> int:
    used = 0
    renamed = 0
    found = np.empty(4, np.int64)
    for row in range(len(start)):
        what = action[row]
        if what & 1:
            number = -1
            if not what & 2:
                number = renamed
                renamed += 1
            is_wire = _outline(data, start[row], end[row], found)
            if is_wire < 0:
                unusual[row] = True
            else:
                done = _put_ids(
                    distinct_id[row],
                    user[row],
                    device[row],
                    insert_id,
                    number,
                    heap,
                    place,
                    made,
                    _put_name(data, found, made, used),
                )
                done = _put_rest(data, end[row], what, made, done, found, is_wire)
                if done < 0:
                    unusual[row] = True
                else:
                    used = done
        ends[row] = used
    return used


@compiled
def _put_name(data: Any, found: Any, made: Any, used: int) -> int:
    """Write an event up to its first property; return where that ends."""
    used = _put(_HEAD, 0, len(_HEAD), made, used)
    used = _put(data, found[0], found[1], made, used)
    return _put(_PROPERTIES, 0, len(_PROPERTIES), made, used)


@compiled
def _put_ids(
    distinct_id: int,
    user: int,
    device: int,
    insert_id: Any,
    number: int,
    heap: Any,
    place: Any,
    made: Any,
    used: int,
) -> int:
    """Write the new ids of an event; return where they end."""
    if distinct_id > 1:
        used = _put_text(heap, place[distinct_id] + 8, _length(heap, place[distinct_id]), made, used)
    used = _put_quote(made, used)
    if user > 1:
        used = _put(_USER_MEMBER, 0, len(_USER_MEMBER), made, used)
        used = _put_quote(made, _put_text(heap, place[user] + 8, _length(heap, place[user]), made, used))
    if device > 1:
        used = _put(_DEVICE_MEMBER, 0, len(_DEVICE_MEMBER), made, used)
        used = _put_quote(made, _put_text(heap, place[device] + 16, _length(heap, place[device]) - 8, made, used))
    if number >= 0:
        used = _put(_INSERT_MEMBER, 0, len(_INSERT_MEMBER), made, used)
        used = _put_quote(made, _put(insert_id[number], 0, len(insert_id[number]), made, used))
    return used


@compiled
def _put_quote(made: Any, used: int) -> int:
    made[used] = 0x22
    return used + 1


@compiled
def _put_rest(data: Any, end: int, what: int, made: Any, used: int, found: Any, is_wire: int) -> int:
    """Write the members that stay, and those that move; return where they end, or -1 where a name holds an escape."""
    at = _space(data, found[2] + 1, end)
    while data[at] != 0x7D:
        key = at
        after = _after_text(data, at)
        if after < 0:
            return -1
        name = _name(data, key + 1, after - 1)
        value = _space(data, _space(data, after, end) + 1, end)
        after = _after_value(data, value, end)
        fate = _fate(name, what)
        if name < 0 and is_wire == 0 and key == found[3]:
            fate = _CUT
        if fate == _STAYS:
            made[used] = 0x2C
            used = _put(data, key, after, made, used + 1)
        elif fate == _MOVES:
            member = _MOVED_DEVICE_MEMBER if name == 1 else _MOVED_USER_MEMBER
            used = _put(data, value, after, made, _put(member, 0, len(member), made, used))
        at = _space(data, after, end)
        if data[at] == 0x2C:
            at = _space(data, at + 1, end)
    return _put(_TAIL, 0, len(_TAIL), made, used)


@compiled
def _fate(name: int, what: int) -> int:
    """Return what becomes of a member: it stays, is cut out, or moves to another name."""
    if name < 0 or (name == 3 and what & 2) or (name in (1, 2) and what & 16):
        return 0
    return 2 if (name == 1 and what & 4) or (name == 2 and what & 8) else 1


@compiled
def _outline(data: Any, start: int, end: int, found: Any) -> int:
    """Find the event name (`found[0]` to `found[1]`) and the object with the properties (`found[2]`) of a line.

    Returns 1 for the wire form, 0 for a flat line, whose own key `event` begins at `found[3]`, -1 where members are
    spelled in an unusual way or come twice.
    """
    at = _space(data, start, end)
    found[2] = at
    found[3] = -1
    is_wire = 0
    names = 0
    at = _space(data, at + 1, end)
    while at < end and data[at] != 0x7D:
        key = at
        after = _after_text(data, at)
        if after < 0:
            return -1
        value = _space(data, _space(data, after, end) + 1, end)
        size = after - key - 2
        if size == 5 and _is(data, key + 1, b"event"):
            names += 1
            found[0] = value
            found[1] = _after_value(data, value, end)
            found[3] = key
        elif size == 10 and _is(data, key + 1, b"properties"):
            is_wire += 1
            found[2] = value
        at = _space(data, _after_value(data, value, end), end)
        if at < end and data[at] == 0x2C:
            at = _space(data, at + 1, end)
    if names != 1 or is_wire > 1 or (is_wire == 1 and data[found[2]] != 0x7B):
        return -1
    return is_wire


@compiled
def _is(data: Any, at: int, name: bytes) -> bool:
    same = True
    for byte in range(len(name)):
        same = same and data[at + byte] == name[byte]
    return same


@compiled
def _name(data: Any, at: int, end: int) -> int:
    """Return which of the names that matter a key is, -1 for none of them."""
    size = end - at
    for name in range(len(_NAME_LENGTHS)):
        if _NAME_LENGTHS[name] == size:
            same = True
            for byte in range(size):
                if data[at + byte] != _NAME_BYTES[name, byte]:
                    same = False
                    break
            if same:
                return name
    return -1


@compiled
def _space(data: Any, at: int, end: int) -> int:
    while at < end and (data[at] == 0x20 or data[at] == 0x09 or data[at] == 0x0A or data[at] == 0x0D):
        at += 1
    return at


@compiled
def _after_text(data: Any, at: int) -> int:
    """Return what follows the text that begins at a quote; -1 where it holds an escape."""
    at += 1
    while data[at] != 0x22:
        if data[at] == 0x5C:
            return -1
        at += 1
    return at + 1


@compiled
def _after_value(data: Any, at: int, end: int) -> int:
    """Return what follows a JSON value."""
    first = data[at]
    if first == 0x22:
        at += 1
        while data[at] != 0x22:
            at += 2 if data[at] == 0x5C else 1
        return at + 1
    if first not in (0x7B, 0x5B):
        while at < end and data[at] > 0x20 and data[at] not in (0x2C, 0x7D, 0x5D):
            at += 1
        return at
    depth = 0
    while at < end:
        letter = data[at]
        if letter == 0x22:
            at += 1
            while data[at] != 0x22:
                at += 2 if data[at] == 0x5C else 1
        elif letter in (0x7B, 0x5B):
            depth += 1
        elif letter in (0x7D, 0x5D):
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


@compiled
def _put(source: Any, start: int, end: int, made: Any, used: int) -> int:
    for at in range(start, end):
        made[used] = source[at]
        used += 1
    return used


@compiled
def _length(heap: Any, at: int) -> Any:
    return (
        np.int64(heap[at]) | np.int64(heap[at + 1]) << 8 | np.int64(heap[at + 2]) << 16 | np.int64(heap[at + 3]) << 24
    )


@compiled
def _put_text(heap: Any, at: int, size: int, made: Any, used: int) -> int:
    """Write a text as JSON does: quotes, backslashes, control characters and lone surrogates are escaped."""
    end = at + size
    while at < end:
        letter = heap[at]
        if letter == 0x22 or letter == 0x5C:
            made[used] = 0x5C
            made[used + 1] = letter
            used += 2
        elif letter < 0x20:
            used = _put_escape(np.int64(letter), made, used)
        elif letter == 0xED and at + 2 < end and heap[at + 1] >= 0xA0:
            unit = 0xD000 | (np.int64(heap[at + 1]) & 0x3F) << 6 | (np.int64(heap[at + 2]) & 0x3F)
            used = _put_escape(unit, made, used)
            at += 2
        else:
            made[used] = letter
            used += 1
        at += 1
    return used


@compiled
def _put_escape(unit: Any, made: Any, used: int) -> int:
    made[used] = 0x5C
    made[used + 1] = 0x75
    for place in range(4):
        made[used + 2 + place] = _HEX[(unit >> (12 - 4 * place)) & 15]
    return used + 6
