"""The compiled loops behind `harness.history.duplicates`: records of events, and the search for equal ones."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.history.native import (
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
_HEADER: Final = 32
_PART_SHIFT: Final = np.uint64(58)
_S32: Final = np.uint64(32)
_LOWER: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_THREE: Final = np.uint64(3)
_ZERO: Final = np.uint64(0)
_ORDINARY: Final = np.uint64(1 << 32)
_REPEATED: Final = np.uint64(1 << 33)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_S29: Final = np.uint64(29)


@compiled
def _record_bytes(size: int) -> int:
    """Return how long the record of an event with an `$insert_id` of some bytes is."""
    return _HEADER + ((size + 7) >> 3 << 3)


@compiled
def measure(
    status: Any, insert_form: Any, data: int, start: Any, length: Any, part: Any, sizes: Any, rows: Any
) -> None:
    """Find the part of each event, and how many bytes its record adds to it; count the records of each part."""
    for row in range(len(status)):
        if status[row] != 0 or insert_form[row] == 0:
            part[row] = PARTS
            continue
        size = integer(length[row])
        number = integer(hash_of(data + start[row], size, False) >> _PART_SHIFT)  # noqa: FBT003
        part[row] = number
        sizes[number] += _record_bytes(size)
        rows[number] += 1


@compiled
def write(
    part: Any,
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

    A record has the time, what it is stored under and what it carried, its name and the length of its `$insert_id`, its
    person and two bits: it is an ordinary event, and (set by `mark`) it came again. Then comes the `$insert_id`.
    """
    for row in range(len(part)):
        number = part[row]
        if number == PARTS:
            continue
        size = integer(length[row])
        place = records + edges[number]
        # No id and an empty one are the same nobody.
        sent = max(integer(received[row]), 1)
        put_word(place, unsigned(time_ms[row]))
        put_word(place + 8, unsigned(stored[row]) | (unsigned(sent) << _S32))
        put_word(place + 16, unsigned(name[row]) | (unsigned(size) << _S32))
        put_word(place + 24, unsigned(truth[row]) | (unsigned(1 if kind[row] == 0 else 0) << _S32))
        put_words(data + start[row], size, place + _HEADER)
        edges[number] += _record_bytes(size)


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
            at += _record_bytes(integer(word(records + at + 16) >> _S32))
            count += 1
        for step in range(count):
            record = records + places[step]
            length = integer(word(record + 16) >> _S32)
            value = hash_of(record + _HEADER, length, False)  # noqa: FBT003
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
                        put_word(other + 24, word(other + 24) | _REPEATED)
                        break
                probe = (probe + _ONE) & mask
            table[probe] = (value >> _S32 << _S32) | ((unsigned(places[step]) >> _THREE) + _ONE)


@compiled
def _owner(record: int, user_of: Any, raw: bool) -> Any:  # noqa: FBT001
    if raw:
        return word(record + 8) >> _S32
    return unsigned(user_of[word(record + 8) & _LOWER])


@compiled
def _equal(one: int, other: int, user_of: Any, raw: bool, now_ms: int, unit_ms: int) -> bool:  # noqa: FBT001
    length = integer(word(one + 16) >> _S32)
    return bool(
        word(one + 16) == word(other + 16)
        and min(integer(word(one)), now_ms) // unit_ms == min(integer(word(other)), now_ms) // unit_ms
        and _owner(one, user_of, raw) == _owner(other, user_of, raw)
        and same_words(one + _HEADER, length, other + _HEADER)
    )


@compiled
def count_marked(records: int, size: int) -> int:
    """Return how many records were marked."""
    count = 0
    at = 0
    while at < size:
        if word(records + at + 24) & _REPEATED:
            count += 1
        at += _record_bytes(integer(word(records + at + 16) >> _S32))
    return count


@compiled
def list_marked(records: int, size: int, stored: Any, truth: Any, ordinary: Any) -> None:
    """List what the marked records are stored under, their persons, and which are ordinary events."""
    count = 0
    at = 0
    while at < size:
        last = word(records + at + 24)
        if last & _REPEATED:
            stored[count] = word(records + at + 8) & _LOWER
            truth[count] = last & _LOWER
            ordinary[count] = last & _ORDINARY != _ZERO
            count += 1
        at += _record_bytes(integer(word(records + at + 16) >> _S32))
