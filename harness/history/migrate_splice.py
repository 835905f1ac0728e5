"""Events rewritten as bytes: the members that carry ids are cut out of a line and new ones put in, the rest is copied.

Nothing of an event is parsed that does not have to be, so numbers keep their digits and texts their spelling. A line
that is written in an unusual way, such as with escapes in the names of its members, is left to `migrate_slow`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.migrate_bytes import after_name, after_space, after_value, length_of, put, put_text
from harness.history.native import address_of, byte, compiled, put_byte

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
_FIRST_LETTERS: Final = np.array([chr(letter) in {name[0] for name in _NAMES} for letter in range(256)], np.bool_)

_PIECES: Final = (
    b'{"event":',
    b',"properties":{"distinct_id":"',
    b',"$user_id":"',
    b',"$device_id":"',
    b',"$insert_id":"',
    f',"{MOVED_DEVICE}":'.encode(),
    f',"{MOVED_USER}":'.encode(),
    b"}}\n",
)
"""What stands between the parts of a new line."""

_HEAD, _PROPERTIES, _USER_MEMBER, _DEVICE_MEMBER, _INSERT_MEMBER, _MOVED_DEVICE_MEMBER, _MOVED_USER_MEMBER, _TAIL = (
    range(8)
)
_PIECE_ROOM: Final = 40
_PIECE_LENGTHS: Final = np.array([len(piece) for piece in _PIECES], np.int64)
_PIECE_BYTES: Final = np.array([list(piece.ljust(_PIECE_ROOM, b"\0")) for piece in _PIECES], np.uint8)
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
    texts = sum(_measure(address_of(heap), place, codes) for codes in rewriting[1:4])
    room = int((lines.end - lines.start).sum()) + 6 * texts + _ROOM * len(lines.start)
    made = np.empty(room, np.uint8)
    ends = np.empty(len(lines.start), np.int64)
    unusual = np.zeros(len(lines.start), np.bool_)
    starts = address_of(lines.data)
    used = _splice(
        starts,
        lines.start,
        lines.end,
        rewriting.action,
        rewriting.distinct_id,
        rewriting.user,
        rewriting.device,
        address_of(rewriting.insert_id),
        address_of(heap),
        place,
        np.empty(4, np.int64),
        address_of(made),
        ends,
        unusual,
    )
    return made[:used], ends, np.flatnonzero(unusual)


@compiled
def _measure(heap: int, place: Any, codes: Any) -> int:
    """Return how many bytes the texts of some codes have together."""
    total = 0
    for code in codes:
        if code:
            total += length_of(heap + place[code])
    return total


@compiled
def _splice(
    data: int,
    start: Any,
    end: Any,
    action: Any,
    distinct_id: Any,
    user: Any,
    device: Any,
    insert_id: int,
    heap: int,
    place: Any,
    found: Any,
    made: int,
    ends: Any,
    unusual: Any,
) -> int:
    used = made
    renamed = insert_id
    for row in range(len(start)):
        what = action[row]
        if what & 1:
            new = 0
            if not what & 2:
                new = renamed
                renamed += 32
            stop = data + end[row]
            is_wire = _outline(data + start[row], stop, found)
            done = -1
            if is_wire >= 0:
                done = _put_piece(_HEAD, used)
                done = put(found[0], found[1], done)
                done = _put_piece(_PROPERTIES, done)
                done = _put_ids(distinct_id[row], user[row], device[row], new, heap, place, done)
                done = _put_rest(stop, what, done, found, is_wire)
            if done < 0:
                unusual[row] = True
            else:
                used = done
        ends[row] = used - made
    return used - made


@compiled
def _put_ids(distinct_id: int, user: int, device: int, insert_id: int, heap: int, place: Any, used: int) -> int:
    """Write the new ids of an event; return where they end."""
    if distinct_id > 1:
        at = heap + place[distinct_id]
        used = put_text(at + 8, length_of(at), used)
    put_byte(used, 0x22)
    used += 1
    if user > 1:
        at = heap + place[user]
        used = put_text(at + 8, length_of(at), _put_piece(_USER_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    if device > 1:
        at = heap + place[device]
        used = put_text(at + 16, length_of(at) - 8, _put_piece(_DEVICE_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    if insert_id:
        used = put(insert_id, insert_id + 32, _put_piece(_INSERT_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    return used


@compiled
def _put_rest(end: int, what: int, used: int, found: Any, is_wire: int) -> int:
    """Write the members that stay, and those that move; return where they end, or -1 where a name holds an escape."""
    at = after_space(found[2] + 1, end)
    while byte(at) != 0x7D:
        key = at
        after = after_name(at, end)
        if after < 0:
            return -1
        name = _name(key + 1, after - 1)
        value = after_space(after_space(after, end) + 1, end)
        after = after_value(value, end)
        fate = _fate(name, what)
        if name < 0 and is_wire == 0 and key == found[3]:
            fate = _CUT
        if fate == _STAYS:
            put_byte(used, 0x2C)
            used = put(key, after, used + 1)
        elif fate == _MOVES:
            used = put(value, after, _put_piece(_MOVED_DEVICE_MEMBER if name == 1 else _MOVED_USER_MEMBER, used))
        at = after_space(after, end)
        if byte(at) == 0x2C:
            at = after_space(at + 1, end)
    return _put_piece(_TAIL, used)


@compiled
def _fate(name: int, what: int) -> int:
    """Return what becomes of a member: it stays, is cut out, or moves to another name."""
    if name < 0 or (name == 3 and what & 2) or (name in (1, 2) and what & 16):
        return 0
    return 2 if (name == 1 and what & 4) or (name == 2 and what & 8) else 1


@compiled
def _outline(start: int, end: int, found: Any) -> int:
    """Find the event name (`found[0]` to `found[1]`) and the object with the properties (`found[2]`) of a line.

    Returns 1 for the wire form, 0 for a flat line, whose own key `event` begins at `found[3]`, -1 where members are
    spelled in an unusual way or come twice.
    """
    at = after_space(start, end)
    found[2] = at
    found[3] = -1
    is_wire = 0
    names = 0
    at = after_space(at + 1, end)
    while at < end and byte(at) != 0x7D:
        key = at
        after = after_name(at, end)
        if after < 0:
            return -1
        value = after_space(after_space(after, end) + 1, end)
        past = after_value(value, end)
        size = after - key - 2
        if size == 5 and _is(key + 1, b"event"):
            names += 1
            found[0] = value
            found[1] = past
            found[3] = key
        elif size == 10 and _is(key + 1, b"properties"):
            is_wire += 1
            found[2] = value
        at = after_space(past, end)
        if at < end and byte(at) == 0x2C:
            at = after_space(at + 1, end)
    if names != 1 or is_wire > 1 or (is_wire == 1 and byte(found[2]) != 0x7B):
        return -1
    return is_wire


@compiled
def _is(at: int, name: bytes) -> bool:
    same = True
    for step in range(len(name)):
        same = same and byte(at + step) == name[step]
    return same


@compiled
def _name(at: int, end: int) -> int:
    """Return which of the names that matter a key is, -1 for none of them."""
    size = end - at
    if size == 0 or not _FIRST_LETTERS[byte(at)]:
        return -1
    for name in range(len(_NAME_LENGTHS)):
        if _NAME_LENGTHS[name] == size:
            same = True
            for step in range(size):
                if byte(at + step) != _NAME_BYTES[name, step]:
                    same = False
                    break
            if same:
                return name
    return -1


@compiled
def _put_piece(piece: int, used: int) -> int:
    size = int(_PIECE_LENGTHS[piece])
    for step in range(size):
        put_byte(used + step, int(_PIECE_BYTES[piece, step]))
    return used + size
