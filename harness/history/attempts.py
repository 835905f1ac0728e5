"""Marks of what was attempted with an id: what orphans, shared devices and phantom users are found by at the end.

An attempt is an identity event, or in simplified an event with a device id and a user id. The anonymous side is the one
beside the user, as in `harness.scenario.history.History.orphans`.
"""

from __future__ import annotations

from typing import Any, Final

from harness.history.native import compiled

TRIED: Final = 1
"""An attempt named it as the anonymous side."""

AS_USER: Final = 2
"""An attempt named it as the user."""

JOINED: Final = 4
"""A decision about it was merged or already."""

SHARED: Final = 8
"""A second user tried to take it."""

BARE: Final = 16
"""In simplified it became a user as a bare distinct_id."""

SENT_AS_USER: Final = 32
"""In simplified it was sent as `$user_id`."""


@compiled
def attempted(kind: int, first: int, second: int, marks: Any, tries: Any) -> None:
    """Note an attempt of two ids, which are named as decisions name them; one of them may be absent.

    Args:
        kind: what the event is, a `Kind`.
        first: the anonymous or newer id.
        second: the identified or older id.
        marks: the marks of every id.
        tries: the marks of this module, one an id.
    """
    if kind == 3 or first <= 1 or second <= 1:
        looked_at(first, marks, tries)
        looked_at(second, marks, tries)
        return
    if kind == 2:
        first, second = second, first
    tries[first] |= TRIED
    tries[second] |= AS_USER


@compiled
def decided(anonymous: int, user: int, tries: Any) -> None:
    """Note the two sides of a decision, either of which may be absent."""
    if anonymous > 1:
        tries[anonymous] |= TRIED
    if user > 1:
        tries[user] |= AS_USER


@compiled
def looked_at(code: int, marks: Any, tries: Any) -> None:
    """Note an id of which nothing but its look says whether it is anonymous."""
    if code > 1 and marks[code] & 8:
        tries[code] |= TRIED


@compiled
def attempted_in_vain(
    status: Any,
    kind: Any,
    distinct: Any,
    identified: Any,
    anonymous: Any,
    alias: Any,
    merge_rows: Any,
    merge_offsets: Any,
    merge_ids: Any,
    marks: Any,
    tries: Any,
    pairs: Any,
) -> int:
    """Note the identity events that were not even stored; return how many pairs of ids were written to `pairs`."""
    merge = 0
    count = 0
    for row in range(len(status)):
        if status[row] == 0 or kind[row] == 0:
            continue
        if kind[row] == 3:
            while merge < len(merge_rows) and merge_rows[merge] < row:
                merge += 1
            if merge < len(merge_rows) and merge_rows[merge] == row:
                for place in range(merge_offsets[merge], merge_offsets[merge + 1]):
                    looked_at(merge_ids[place], marks, tries)
                if merge_offsets[merge + 1] - merge_offsets[merge] == 2:
                    pairs[count, 0] = merge_ids[merge_offsets[merge]]
                    pairs[count, 1] = merge_ids[merge_offsets[merge] + 1]
                    count += 1
            continue
        if kind[row] == 1:
            first = anonymous[row]
            second = identified[row] if identified[row] > 1 else distinct[row]
        else:
            first, second = alias[row], distinct[row]
        attempted(kind[row], first, second, marks, tries)
        if first > 1 and second > 1:
            pairs[count, 0] = first
            pairs[count, 1] = second
            count += 1
    return count
