"""Simplified ID Merge over codes: the rules of `harness.identity.simplified`, event by event, in a compiled loop."""

from __future__ import annotations

from typing import Any, Final

from harness.history.attempts import AS_USER, BARE, JOINED, SENT_AS_USER, SHARED, TRIED, attempted, looked_at
from harness.history.native import compiled, integer, prefetch
from harness.history.records import RULE_NAMES

IS_DEVICE: Final = 1
"""It is a device of its own, or of a user."""

IS_USER: Final = 2
"""It is a user."""

_LINK: Final = RULE_NAMES.index("simplified.link")
_LINKED: Final = RULE_NAMES.index("simplified.linked_already")
_OF_ANOTHER: Final = RULE_NAMES.index("simplified.device_of_another")
_IS_DEVICE_ID: Final = RULE_NAMES.index("simplified.user_id_is_device")
_VERB: Final = RULE_NAMES.index("simplified.verb")
_PREFIXED: Final = 2
_AHEAD: Final = 16


@compiled
def replay_simplified(  # noqa: C901
    first_index: int,
    status: Any,
    kind: Any,
    distinct: Any,
    device: Any,
    user: Any,
    identified: Any,
    anonymous: Any,
    alias: Any,
    merge_rows: Any,
    merge_offsets: Any,
    merge_ids: Any,
    literal: bool,  # noqa: FBT001
    marks: Any,
    owner: Any,
    flags: Any,
    owner_event: Any,
    tries: Any,
    stored: Any,
    received: Any,
    place: Any,
    outcome: Any,
    rule: Any,
) -> int:
    """Let the model decide on every stored event of a batch; return how many decisions there are.

    The arrays from `owner` to `tries` are the state, one entry a code; those from `stored` on take what comes out.
    """
    merge = 0
    count = 0
    owner_at, flags_at = owner.ctypes.data, flags.ctypes.data
    marks_at, tries_at = marks.ctypes.data, tries.ctypes.data
    rows = len(status)
    for row in range(rows):
        if row + _AHEAD < rows:
            soon = integer(device[row + _AHEAD])
            prefetch(owner_at + 4 * soon)
            prefetch(flags_at + soon)
            prefetch(tries_at + soon)
            soon = integer(user[row + _AHEAD])
            prefetch(flags_at + soon)
            prefetch(marks_at + soon)
            prefetch(tries_at + soon)
        if status[row] != 0:
            continue
        sent = integer(distinct[row])
        if kind[row] != 0:
            if kind[row] == 3:
                while merge < len(merge_rows) and merge_rows[merge] < row:
                    merge += 1
                if merge < len(merge_rows) and merge_rows[merge] == row:
                    for step in range(merge_offsets[merge], merge_offsets[merge + 1]):
                        looked_at(merge_ids[step], marks, tries)
            elif kind[row] == 1:
                named = identified[row] if identified[row] > 1 else distinct[row]
                attempted(1, anonymous[row], named, marks, tries)
            else:
                attempted(2, alias[row], distinct[row], marks, tries)
            received[row] = sent
            stored[row] = _by_distinct_id(sent, marks, flags, tries)
            place[count] = row
            outcome[count] = 3
            rule[count] = _VERB
            count += 1
            continue
        who = integer(user[row])
        what = integer(device[row])
        if who == 1 and not literal:
            who = 0
        if what == 1 or what == 2:
            what = 2 if literal else 0
        if who == 0 and what == 0:
            key = _by_distinct_id(sent, marks, flags, tries)
            stored[row] = key
            received[row] = key
            continue
        if what != 0:
            flags[what] |= IS_DEVICE
        if who == 0:
            stored[row] = what
            received[row] = what
            continue
        stored[row] = who
        received[row] = who
        if who > 1:
            if marks[who] & _PREFIXED:
                flags[who] |= IS_DEVICE
            else:
                flags[who] |= IS_USER
            tries[who] |= SENT_AS_USER
        if what == 0 or who == 1:
            continue
        tries[what] |= TRIED
        tries[who] |= AS_USER
        place[count] = row
        held = integer(owner[what])
        if marks[who] & _PREFIXED:
            outcome[count] = 2
            rule[count] = _IS_DEVICE_ID
        elif held == 0 or held == who:
            outcome[count] = 0 if held == 0 else 1
            rule[count] = _LINK if held == 0 else _LINKED
            if held == 0:
                owner[what] = who
                owner_event[what] = first_index + row + 1
            tries[what] |= JOINED
            tries[who] |= JOINED
        else:
            outcome[count] = 2
            rule[count] = _OF_ANOTHER
            tries[what] |= SHARED
        count += 1
    return count


@compiled
def _by_distinct_id(sent: int, marks: Any, flags: Any, tries: Any) -> int:
    """Return what an event is stored under that has nothing but a distinct_id."""
    if sent <= 2:
        return 1
    if marks[sent] & _PREFIXED:
        flags[sent] |= IS_DEVICE
    else:
        flags[sent] |= IS_USER
        tries[sent] |= BARE
    return sent
