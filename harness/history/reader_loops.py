"""The compiled loops behind `harness.history.reader`: which `$insert_id` is good, and which ids an event repeats."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.history.marks import is_listed
from harness.history.native import PREFIX_WORD, byte, compiled, integer, last_bytes, word
from harness.history.records import TIME_FAR, TIME_WRONG
from harness.ingestion.limits import EARLIEST_MS, INSERT_ID_BYTES

_FAR: Final = 1e15

_GOOD_LETTERS: Final = np.array([code < 128 and (chr(code).isalnum() or code == 45) for code in range(256)], np.bool_)
"""Which bytes an `$insert_id` may have: letters and digits of ASCII, and the hyphen."""


@compiled
def judge_inserts(data: int, start: Any, length: Any, form: Any) -> None:
    """Find out what the `$insert_id` of each event counts as, an `InsertId`."""
    for row in range(len(start)):
        size = length[row]
        if size <= 0:
            form[row] = 0
            continue
        if size > INSERT_ID_BYTES:
            form[row] = 2
            continue
        good = True
        at_row = data + start[row]
        for step in range(size):
            letter = byte(at_row + step)
            if not _GOOD_LETTERS[letter]:
                good = False
                break
        if not good:
            form[row] = 2
        else:
            form[row] = 2 if is_listed(at_row, size) else 1


@compiled
def repeated_ids(
    data: int,
    start: Any,
    length: Any,
    user_data: int,
    user_start: Any,
    user_length: Any,
    users: Any,
    device_data: int,
    device_start: Any,
    device_length: Any,
    devices: Any,
    codes: Any,
    other: Any,
) -> int:
    """Find the codes of distinct_ids that are the user id of their event, or its device id behind `$device:`.

    Users or devices without texts are no help. `other` takes the rows that have to be looked up; return how many.
    """
    count = 0
    for row in range(len(start)):
        size = integer(length[row])
        place = data + start[row]
        if size > 0 and len(user_start) > 0 and size == user_length[row]:  # noqa: SIM102
            if _same(place, size, user_data + user_start[row]):
                codes[row] = users[row]
                continue
        if size > 8 and len(device_start) > 0 and size == device_length[row] + 8 and word(place) == PREFIX_WORD:
            sent = device_data + device_start[row]
            is_bare = size < 16 or word(sent) != PREFIX_WORD
            if is_bare and _same(place + 8, size - 8, sent):
                codes[row] = devices[row]
                continue
        other[count] = row
        count += 1
    return count


@compiled
def _same(one: int, length: int, other: int) -> bool:
    rest = length & 7
    for step in range(0, length - rest, 8):
        if word(one + step) != word(other + step):
            return False
    return rest == 0 or last_bytes(one, length, rest) == last_bytes(other, length, rest)


@compiled
def instants(sent: Any, there: Any, seconds_below: float, time_ms: Any) -> float:
    """Find the milliseconds of times as sent, in seconds below a number; return the newest one, -inf where none is.

    Args:
        sent: float64; the times as sent.
        there: bool; where there is one.
        seconds_below: what is below is in seconds.
        time_ms: int64; takes them as `EventBatch` has them; the rest is left as it is.
    """
    newest = -np.inf
    for row in range(len(sent)):
        if not there[row]:
            continue
        value = sent[row]
        seconds = value < seconds_below
        exact = value * 1000.0 if seconds else value
        if -_FAR < value < _FAR:
            newest = max(newest, exact)
            whole = np.rint(exact) if seconds else np.floor(exact)
            time_ms[row] = integer(whole) if value > 0 and whole >= EARLIEST_MS else TIME_WRONG
        else:
            time_ms[row] = TIME_FAR if _FAR <= value < np.inf else TIME_WRONG
    return newest


@compiled
def place_texts(offsets: Any, missing: Any, start: Any, length: Any) -> None:
    """Find where each text begins and how long it is, -1 where there is none; there is one more offset than texts."""
    for row in range(len(start)):
        start[row] = offsets[row]
        length[row] = -1 if missing[row] else offsets[row + 1] - offsets[row]


@compiled
def taken(values: Any, places: Any, missing: Any, found: Any) -> None:
    """Take the value at each place; what has the place -1 is missing."""
    for row in range(len(places)):
        found[row] = missing if places[row] < 0 else values[places[row]]


@compiled
def named(codes: Any, kinds: Any, shown: Any, kind: Any, name: Any) -> None:
    """Find for the name of each event what it asserts and how it is kept."""
    for row in range(len(codes)):
        kind[row] = kinds[codes[row]]
        name[row] = shown[codes[row]]
