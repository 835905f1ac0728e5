"""Events rewritten as bytes: the members that carry ids are cut out of a line and new ones put in, the rest is copied.

Nothing of an event is parsed that does not have to be, so numbers keep their digits and texts their spelling. A line
that is written in an unusual way, such as with escapes in the names of its members, is left to `migrate_slow`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.native import address_of, byte, bytes_below, compiled, put_byte, put_words, word

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
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_ZERO: Final = np.uint64(0)
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
            total += _length(heap + place[code])
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
    made: int,
    ends: Any,
    unusual: Any,
) -> int:
    used = made
    renamed = insert_id
    found = np.empty(4, np.int64)
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
                done = _put(found[0], found[1], done)
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
        used = _put_text(at + 8, _length(at), used)
    put_byte(used, 0x22)
    used += 1
    if user > 1:
        at = heap + place[user]
        used = _put_text(at + 8, _length(at), _put_piece(_USER_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    if device > 1:
        at = heap + place[device]
        used = _put_text(at + 16, _length(at) - 8, _put_piece(_DEVICE_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    if insert_id:
        used = _put(insert_id, insert_id + 32, _put_piece(_INSERT_MEMBER, used))
        put_byte(used, 0x22)
        used += 1
    return used


@compiled
def _put_rest(end: int, what: int, used: int, found: Any, is_wire: int) -> int:
    """Write the members that stay, and those that move; return where they end, or -1 where a name holds an escape."""
    at = _space(found[2] + 1, end)
    while byte(at) != 0x7D:
        key = at
        after = _after_name(at, end)
        if after < 0:
            return -1
        name = _name(key + 1, after - 1)
        value = _space(_space(after, end) + 1, end)
        after = _after_value(value, end)
        fate = _fate(name, what)
        if name < 0 and is_wire == 0 and key == found[3]:
            fate = _CUT
        if fate == _STAYS:
            put_byte(used, 0x2C)
            used = _put(key, after, used + 1)
        elif fate == _MOVES:
            used = _put(value, after, _put_piece(_MOVED_DEVICE_MEMBER if name == 1 else _MOVED_USER_MEMBER, used))
        at = _space(after, end)
        if byte(at) == 0x2C:
            at = _space(at + 1, end)
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
    at = _space(start, end)
    found[2] = at
    found[3] = -1
    is_wire = 0
    names = 0
    at = _space(at + 1, end)
    while at < end and byte(at) != 0x7D:
        key = at
        after = _after_name(at, end)
        if after < 0:
            return -1
        value = _space(_space(after, end) + 1, end)
        past = _after_value(value, end)
        size = after - key - 2
        if size == 5 and _is(key + 1, b"event"):
            names += 1
            found[0] = value
            found[1] = past
            found[3] = key
        elif size == 10 and _is(key + 1, b"properties"):
            is_wire += 1
            found[2] = value
        at = _space(past, end)
        if at < end and byte(at) == 0x2C:
            at = _space(at + 1, end)
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
def _space(at: int, end: int) -> int:
    while at < end and (byte(at) == 0x20 or 0x09 <= byte(at) <= 0x0D):
        at += 1
    return at


@compiled
def _after_name(at: int, end: int) -> int:
    """Return what follows the text that begins at a quote; -1 where it holds an escape."""
    at = _mark(at + 1, end)
    return at + 1 if byte(at) == 0x22 else -1


@compiled
def _after_text(at: int, end: int) -> int:
    """Return what follows the text that begins at a quote."""
    at = _mark(at + 1, end)
    while byte(at) != 0x22:
        at = _mark(at + 2, end)
    return at + 1


@compiled
def _mark(at: int, end: int) -> int:
    """Return where the next quote or backslash is."""
    while at + 8 <= end:
        letters = word(at)
        quote = letters ^ _QUOTES
        slash = letters ^ _SLASHES
        marks = (((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash)) & _HIGHS
        if marks != _ZERO:
            return at + bytes_below(marks)
        at += 8
    while byte(at) != 0x22 and byte(at) != 0x5C:
        at += 1
    return at


@compiled
def _after_value(at: int, end: int) -> int:
    """Return what follows a JSON value."""
    first = byte(at)
    if first == 0x22:
        return _after_text(at, end)
    if first != 0x7B and first != 0x5B:
        while at < end and byte(at) > 0x20 and byte(at) != 0x2C and byte(at) != 0x7D and byte(at) != 0x5D:
            at += 1
        return at
    depth = 0
    while at < end:
        letter = byte(at)
        if letter == 0x22:
            at = _after_text(at, end)
            continue
        if letter in (0x7B, 0x5B):
            depth += 1
        elif letter in (0x7D, 0x5D):
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


@compiled
def _put(start: int, end: int, used: int) -> int:
    """Copy bytes; up to 7 behind them may be overwritten, whatever they are."""
    put_words(start, end - start, used)
    return used + end - start


@compiled
def _put_piece(piece: int, used: int) -> int:
    size = int(_PIECE_LENGTHS[piece])
    for step in range(size):
        put_byte(used + step, int(_PIECE_BYTES[piece, step]))
    return used + size


@compiled
def _length(at: int) -> int:
    return np.int64(word(at) & np.uint64(0xFFFFFFFF))  # type: ignore[return-value]


@compiled
def _put_text(at: int, size: int, used: int) -> int:
    """Write a text as JSON does: quotes, backslashes, control characters and lone surrogates are escaped."""
    if _is_plain(at, size):
        return _put(at, at + size, used)
    end = at + size
    while at < end:
        letter = byte(at)
        if letter == 0x22 or letter == 0x5C:
            put_byte(used, 0x5C)
            put_byte(used + 1, letter)
            used += 2
        elif letter < 0x20:
            used = _put_escape(letter, used)
        elif letter == 0xED and at + 2 < end and byte(at + 1) >= 0xA0:
            used = _put_escape(0xD000 | (byte(at + 1) & 0x3F) << 6 | (byte(at + 2) & 0x3F), used)
            at += 2
        else:
            put_byte(used, letter)
            used += 1
        at += 1
    return used


@compiled
def _is_plain(at: int, size: int) -> bool:
    """Return whether a text is printable ASCII that JSON takes as it is."""
    end = at + size
    while at + 8 <= end:
        letters = word(at)
        quote = letters ^ _QUOTES
        slash = letters ^ _SLASHES
        marks = ((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash) | ((letters - _SPACES) & ~letters) | letters
        if marks & _HIGHS != _ZERO:
            return False
        at += 8
    while at < end:
        letter = byte(at)
        if letter < 0x20 or letter >= 0x80 or letter == 0x22 or letter == 0x5C:
            return False
        at += 1
    return True


@compiled
def _put_escape(unit: int, used: int) -> int:
    put_byte(used, 0x5C)
    put_byte(used + 1, 0x75)
    for place in range(4):
        put_byte(used + 2 + place, int(_HEX[(unit >> (12 - 4 * place)) & 15]))
    return used + 6
