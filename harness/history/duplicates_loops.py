"""The compiled loops behind `harness.history.duplicates`: records of events, and the search for equal ones."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.history.marks import half, not_small_hex
from harness.history.native import (
    byte,
    compiled,
    hash_of,
    integer,
    prefetch,
    put_word,
    put_words,
    same_words,
    unsigned,
    word,
)

PARTS: Final = 64
AHEAD: Final = 32
_PART_SHIFT: Final = np.uint64(58)
_S32: Final = np.uint64(32)
_LOWER: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_THREE: Final = np.uint64(3)
_ZERO: Final = np.uint64(0)
_ORDINARY: Final = np.uint64(1 << 32)
_REPEATED: Final = np.uint64(1 << 33)
_TEXT_SHIFT: Final = np.uint64(34)
_LENGTH_SHIFT: Final = np.uint64(36)
_TWO_BITS: Final = np.uint64(3)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_S29: Final = np.uint64(29)

_AS_SENT: Final = 0
_HEX: Final = 1
_UUID: Final = 2
_HYPHENS: Final = (8, 13, 18, 23)


@compiled
def _form_of(at: int, size: int) -> int:
    """Return how an `$insert_id` is kept: in half its bytes where it is nothing but small hex digits, or a UUID."""
    if size == 36:
        for place in _HYPHENS:
            if byte(at + place) != 0x2D:
                return _AS_SENT
        others = not_small_hex(word(at)) | not_small_hex(_two(at + 9, at + 14))
        others |= not_small_hex(_two(at + 19, at + 24)) | not_small_hex(word(at + 28))
        return _UUID if others == _ZERO else _AS_SENT
    if size & 7:
        return _AS_SENT
    for step in range(0, size, 8):
        if not_small_hex(word(at + step)) != _ZERO:
            return _AS_SENT
    return _HEX


@compiled
def _two(one: int, other: int) -> Any:
    """Return 4 bytes at one address and 4 at another as one number; the first are followed by 4 more."""
    return (word(one) & _LOWER) | (word(other - 4) >> _S32 << _S32)


@compiled
def _words(size: int, form: int) -> int:
    """Return how many words an `$insert_id` of so many bytes is kept in."""
    if form == _UUID:
        return 2
    return (size + 15) >> 4 if form == _HEX else (size + 7) >> 3


@compiled
def _put_text(at: int, size: int, form: int, place: int) -> None:
    """Keep an `$insert_id`; equal ones are kept in equal words, and different ones never."""
    if form == _AS_SENT:
        put_words(at, size, place)
    elif form == _UUID:
        put_word(place, half(word(at)) | (half(_two(at + 9, at + 14)) << _S32))
        put_word(place + 8, half(_two(at + 19, at + 24)) | (half(word(at + 28)) << _S32))
    else:
        for step in range(0, size, 16):
            upper = half(word(at + step + 8)) if step + 8 < size else _ZERO
            put_word(place + (step >> 1), half(word(at + step)) | (upper << _S32))


@compiled
def _text_words(last: Any) -> int:
    """Return in how many words the `$insert_id` of a record is kept, by the third word of the record."""
    return _words(integer(last >> _LENGTH_SHIFT), integer((last >> _TEXT_SHIFT) & _TWO_BITS))


@compiled
def _header(raw: bool) -> int:  # noqa: FBT001
    return 32 if raw else 24


@compiled
def measure(
    status: Any,
    insert_form: Any,
    data: int,
    start: Any,
    length: Any,
    raw: bool,  # noqa: FBT001
    part: Any,
    form: Any,
    sizes: Any,
    rows: Any,
) -> None:
    """Find the part of each event, how its `$insert_id` is kept, and how many records and bytes each part gets."""
    for row in range(len(status)):
        if status[row] != 0 or insert_form[row] == 0:
            part[row] = PARTS
            continue
        size = integer(length[row])
        at = data + start[row]
        number = integer(hash_of(at, size, False) >> _PART_SHIFT)  # noqa: FBT003
        part[row] = number
        form[row] = _form_of(at, size)
        sizes[number] += _header(raw) + 8 * _words(size, form[row])
        rows[number] += 1


@compiled
def write(
    part: Any,
    form: Any,
    raw: bool,  # noqa: FBT001
    kind: Any,
    time_ms: Any,
    stored: Any,
    received: Any,
    name: Any,
    truth: Any,
    data: int,
    start: Any,
    length: Any,
    records: int,
    edges: Any,
) -> None:
    """Write a record for each event, those of a part one after the other, in order of arrival.

    A record is words: the time; what it is stored under and its name; its person, two bits (it is an ordinary event;
    and, set by `mark`, it came again), how its `$insert_id` is kept and how long that is; where users are told apart by
    what events carried, that; and the `$insert_id`.
    """
    for row in range(len(part)):
        number = part[row]
        if number == PARTS:
            continue
        size = integer(length[row])
        place = records + edges[number]
        ordinary = unsigned(1 if kind[row] == 0 else 0) << _S32
        text = (unsigned(form[row]) << _TEXT_SHIFT) | (unsigned(size) << _LENGTH_SHIFT)
        put_word(place, unsigned(time_ms[row]))
        put_word(place + 8, unsigned(stored[row]) | (unsigned(name[row]) << _S32))
        put_word(place + 16, unsigned(truth[row]) | ordinary | text)
        if raw:
            # No id and an empty one are the same nobody.
            put_word(place + 24, unsigned(max(integer(received[row]), 1)))
        _put_text(data + start[row], size, form[row], place + _header(raw))
        edges[number] += _header(raw) + 8 * _words(size, form[row])


@compiled
def mark(
    records: int,
    size: int,
    user_of: Any,
    raw: bool,  # noqa: FBT001
    now_ms: int,
    unit_ms: int,
    table: Any,
    places: Any,
    hashes: Any,
) -> None:
    """Mark every record whose like comes again.

    Args:
        records: the address of the records of a part, in order of arrival.
        size: how many bytes they have.
        user_of: an entry a code: what all ids of one user have in common.
        raw: events are of one user only where they carried the same id.
        now_ms: Mixpanel's clock; every later time is this one.
        unit_ms: times are equal within this unit.
        table: uint64 of a power of two of zeros, at least twice as many as records: it holds the last record of each
            kind so far, a part of its hash in the upper half and its place, in words and from 1, in the lower.
        places: int64 of `AHEAD`, to work in.
        hashes: uint64 of `AHEAD`, to work in.
    """
    mask = unsigned(len(table) - 1)
    slots, users = table.ctypes.data, user_of.ctypes.data
    at = 0
    while at < size:
        count = 0
        while at < size and count < AHEAD:
            places[count] = at
            if not raw:
                prefetch(users + 4 * integer(word(records + at + 8) & _LOWER))
            at += _header(raw) + 8 * _text_words(word(records + at + 16))
            count += 1
        for step in range(count):
            record = records + places[step]
            value = hash_of(record + _header(raw), 8 * _text_words(word(record + 16)), False)  # noqa: FBT003
            when = min(integer(word(record)), now_ms) // unit_ms
            value ^= (unsigned(when) + _owner(record, user_of, raw)) * _MIX
            value ^= value >> _S29
            hashes[step] = value
            prefetch(integer(slots + integer((value & mask) << _THREE)))
        for step in range(count):
            value = hashes[step]
            probe = value & mask
            while table[probe] != _ZERO:
                if (table[probe] ^ value) >> _S32 == _ZERO:
                    other = records + integer(((table[probe] & _LOWER) - _ONE) << _THREE)
                    if _equal(records + places[step], other, user_of, raw, now_ms, unit_ms):
                        put_word(other + 16, word(other + 16) | _REPEATED)
                        break
                probe = (probe + _ONE) & mask
            table[probe] = (value >> _S32 << _S32) | ((unsigned(places[step]) >> _THREE) + _ONE)


@compiled
def _owner(record: int, user_of: Any, raw: bool) -> Any:  # noqa: FBT001
    if raw:
        return word(record + 24)
    return unsigned(user_of[word(record + 8) & _LOWER])


@compiled
def _equal(one: int, other: int, user_of: Any, raw: bool, now_ms: int, unit_ms: int) -> bool:  # noqa: FBT001
    if (
        (word(one + 16) ^ word(other + 16)) >> _TEXT_SHIFT != _ZERO
        or (word(one + 8) ^ word(other + 8)) >> _S32 != _ZERO
        or min(integer(word(one)), now_ms) // unit_ms != min(integer(word(other)), now_ms) // unit_ms
        or _owner(one, user_of, raw) != _owner(other, user_of, raw)
    ):
        return False
    text = 8 * _text_words(word(one + 16))
    return bool(same_words(one + _header(raw), text, other + _header(raw)))


@compiled
def count_marked(records: int, size: int, raw: bool) -> int:  # noqa: FBT001
    """Return how many records were marked."""
    count = 0
    at = 0
    while at < size:
        last = word(records + at + 16)
        if last & _REPEATED:
            count += 1
        at += _header(raw) + 8 * _text_words(last)
    return count


@compiled
def list_marked(records: int, size: int, raw: bool, stored: Any, truth: Any, ordinary: Any) -> None:  # noqa: FBT001
    """List what the marked records are stored under, their persons, and which are ordinary events."""
    count = 0
    at = 0
    while at < size:
        last = word(records + at + 16)
        if last & _REPEATED:
            stored[count] = word(records + at + 8) & _LOWER
            truth[count] = last & _LOWER
            ordinary[count] = last & _ORDINARY != _ZERO
            count += 1
        at += _header(raw) + 8 * _text_words(last)
