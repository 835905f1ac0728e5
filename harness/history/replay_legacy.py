"""Legacy over codes: the rules of `harness.identity.legacy`, event by event, in a compiled loop."""

from __future__ import annotations

from typing import Any, Final

from harness.history.attempts import JOINED, attempted, decided, looked_at
from harness.history.native import compiled, integer
from harness.history.records import RULE_NAMES

IS_STORED: Final = 1
"""An event was stored under it."""

_ALIAS: Final = RULE_NAMES.index("legacy.alias")
_EXISTS: Final = RULE_NAMES.index("legacy.alias_exists")
_TO_ITSELF: Final = RULE_NAMES.index("legacy.alias_to_itself")
_CIRCLE: Final = RULE_NAMES.index("legacy.alias_circle")
_INCOMPLETE: Final = RULE_NAMES.index("legacy.incomplete")
_VERB: Final = RULE_NAMES.index("legacy.verb")


@compiled
def replay_legacy(  # noqa: C901
    first_index: int,
    status: Any,
    kind: Any,
    distinct: Any,
    identified: Any,
    anonymous: Any,
    alias: Any,
    merge_rows: Any,
    merge_offsets: Any,
    merge_ids: Any,
    arrival_ms: Any,
    delay_ms: int,
    marks: Any,
    target: Any,
    target_event: Any,
    works_from: Any,
    flags: Any,
    tries: Any,
    stored: Any,
    received: Any,
    place: Any,
    outcome: Any,
    rule: Any,
) -> int:
    """Let the model decide on every stored event of a batch; return how many decisions there are.

    The arrays from `target` to `tries` are the state, one entry a code; those from `stored` on take what comes out.
    """
    merge = 0
    count = 0
    for row in range(len(status)):
        if status[row] != 0:
            continue
        sent = integer(distinct[row])
        received[row] = sent
        at = integer(1)
        if sent > 1:
            at = _follow_at(sent, arrival_ms[row], target, works_from) if delay_ms else _follow(sent, target)
            flags[at] |= IS_STORED
        stored[row] = at
        if kind[row] == 0:
            continue
        place[count] = row
        if kind[row] != 2:
            if kind[row] == 3:
                while merge < len(merge_rows) and merge_rows[merge] < row:
                    merge += 1
                if merge < len(merge_rows) and merge_rows[merge] == row:
                    for step in range(merge_offsets[merge], merge_offsets[merge + 1]):
                        looked_at(merge_ids[step], marks, tries)
            else:
                named = identified[row] if identified[row] > 1 else distinct[row]
                attempted(1, anonymous[row], named, marks, tries)
            outcome[count] = 3
            rule[count] = _VERB
            count += 1
            continue
        new = integer(alias[row])
        result = 2
        decided(sent, new, tries)
        if new <= 1 or sent <= 1:
            why = _INCOMPLETE
        elif target[new] != 0:
            why = _EXISTS
        elif new == sent:
            result, why = 1, _TO_ITSELF
        elif (_follow_plainly(sent, target) if delay_ms else _follow(sent, target)) == new:
            why = _CIRCLE
        else:
            result, why = 0, _ALIAS
            target[new] = sent
            target_event[new] = first_index + row + 1
            if delay_ms:
                works_from[new] = arrival_ms[row] + delay_ms
        if result < 2:
            tries[new] |= JOINED
            tries[sent] |= JOINED
        outcome[count] = result
        rule[count] = why
        count += 1
    return count


@compiled
def _follow(code: int, target: Any) -> int:
    """Return where a chain of aliases leads, and shorten the way for whoever comes next."""
    while target[code] != 0:
        up = integer(target[code])
        if target[up] != 0:
            target[code] = target[up]
        code = up
    return code


@compiled
def _follow_plainly(code: int, target: Any) -> int:
    while target[code] != 0:
        code = integer(target[code])
    return code


@compiled
def _follow_at(code: int, arrival_ms: int, target: Any, works_from: Any) -> int:
    while target[code] != 0 and arrival_ms >= works_from[code]:
        code = integer(target[code])
    return code
