"""Original ID Merge over codes: the rules of `harness.identity.original`, event by event, in a compiled loop."""

from __future__ import annotations

from typing import Any, Final

from harness.history.attempts import JOINED, SHARED, decided, looked_at
from harness.history.native import compiled, integer, prefetch
from harness.history.records import RULE_NAMES

IDENTIFIED: Final = 1
"""It was the identified id of a merged `$identify`."""

ROOT_IDENTIFIED: Final = 2
"""Its cluster, of which it is the root, holds such an id."""

ALIAS_USED: Final = 4
"""It was used as an alias."""

_IDENTIFY: Final = RULE_NAMES.index("original.identify")
_SAME_IDS: Final = RULE_NAMES.index("original.same_ids")
_FORM: Final = RULE_NAMES.index("original.anon_id_form")
_ASSIGNED: Final = RULE_NAMES.index("original.assigned_already")
_TOO_MANY: Final = RULE_NAMES.index("original.too_many_ids")
_INCOMPLETE: Final = RULE_NAMES.index("original.incomplete")
_ALIAS: Final = RULE_NAMES.index("original.alias")
_ALIAS_EXISTS: Final = RULE_NAMES.index("original.alias_exists")
_MERGE: Final = RULE_NAMES.index("original.merge")
_BY_TRACK: Final = RULE_NAMES.index("original.merge_by_track")
_ONE_CLUSTER: Final = RULE_NAMES.index("original.one_cluster")

_MERGED: Final = 0
_ALREADY: Final = 1
_REFUSED: Final = 2
_IGNORED: Final = 3
_AHEAD: Final = 16


@compiled
def replay_original(  # noqa: C901
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
    by_track: Any,
    marks: Any,
    bare: Any,
    numbers: Any,
    above: Any,
    number: Any,
    flags: Any,
    assigned: Any,
    tree: Any,
    tree_event: Any,
    tree_rule: Any,
    tries: Any,
    counter: Any,
    stored: Any,
    received: Any,
    place: Any,
    outcome: Any,
    rule: Any,
) -> int:
    """Let the model decide on every stored event of a batch; return how many decisions there are.

    `bare` maps each code to the id it is one with, and is empty where every id is its own. `numbers` holds the limit,
    the mark of the form that anonymous ids need, and the two switches about taken ids. The arrays from `above` to
    `tries` are the state, one entry a code; those from `stored` on take what comes out.
    """
    limit = numbers[0]
    form = numbers[1]
    anon_only = numbers[2] != 0
    noop = numbers[3] != 0
    mapped = len(bare) > 0
    merge = 0
    count = 0
    numbers_at, above_at, flags_at = number.ctypes.data, above.ctypes.data, flags.ctypes.data
    marks_at, tries_at = marks.ctypes.data, tries.ctypes.data
    rows = len(status)
    for row in range(rows):
        if row + _AHEAD < rows:
            soon = integer(distinct[row + _AHEAD])
            prefetch(numbers_at + 4 * soon)
            if kind[row + _AHEAD] != 0:
                prefetch(above_at + 4 * soon)
                prefetch(flags_at + soon)
                prefetch(tries_at + soon)
                other = integer(anonymous[row + _AHEAD])
                prefetch(numbers_at + 4 * other)
                prefetch(above_at + 4 * other)
                prefetch(flags_at + other)
                prefetch(marks_at + other)
                prefetch(tries_at + other)
            nearer = row + (_AHEAD >> 1)
            if kind[nearer] != 0:
                top = integer(above[distinct[nearer]])
                if top > 0:
                    prefetch(above_at + 4 * top)
                    prefetch(flags_at + top)
        if status[row] != 0:
            continue
        sent = integer(distinct[row])
        what = kind[row]
        if what == 0:
            key = _key(sent, bare, mapped)
            if key > 1:
                _know(key, number, counter)
                stored[row] = key
            else:
                stored[row] = 1
            received[row] = sent
            continue
        index = first_index + row
        result = _REFUSED
        if what == 1:
            named = integer(identified[row])
            user = _key(named if named > 1 else sent, bare, mapped)
            anon = _key(integer(anonymous[row]), bare, mapped)
            decided(anon, user, tries)
            if user > 1:
                _know(user, number, counter)
            if anon > 1:
                _know(anon, number, counter)
            if anon == user:
                why = _SAME_IDS
            elif anon <= 1 or marks[anon] & form == 0:
                why = _FORM
            elif user <= 1:
                why = _INCOMPLETE
            else:
                a = _find(anon, above)
                taken = assigned[anon] != 0 if anon_only else flags[a] & ROOT_IDENTIFIED != 0
                if taken:
                    if a != _find(user, above):
                        tries[anon] |= SHARED
                    if noop and assigned[anon] == user:
                        result, why = _ALREADY, _ONE_CLUSTER
                    else:
                        why = _ASSIGNED
                else:
                    why = _unite(
                        a, _find(user, above), limit, _IDENTIFY, index, above, flags, tree, tree_event, tree_rule
                    )
                    if why == _IDENTIFY:
                        result = _MERGED
                        flags[user] |= IDENTIFIED
                        flags[_find(user, above)] |= ROOT_IDENTIFIED
                        if len(assigned) > 1:
                            assigned[anon] = user
                    elif why == _ONE_CLUSTER:
                        result = _ALREADY
            if result < _REFUSED:
                tries[anon] |= JOINED
                tries[user] |= JOINED
            if sent <= 1:
                sent = named
        elif what == 2:
            first = _key(integer(alias[row]), bare, mapped)
            target = _key(sent, bare, mapped)
            decided(target, first, tries)
            if first > 1:
                _know(first, number, counter)
            if target > 1:
                _know(target, number, counter)
            if first <= 1 or target <= 1:
                why = _INCOMPLETE
            elif flags[first] & ALIAS_USED:
                why = _ALIAS_EXISTS
            else:
                a, b = _find(first, above), _find(target, above)
                why = _unite(a, b, limit, _ALIAS, index, above, flags, tree, tree_event, tree_rule)
                if why != _TOO_MANY:
                    result = _MERGED if why == _ALIAS else _ALREADY
                    flags[first] |= ALIAS_USED
                    tries[first] |= JOINED
                    tries[target] |= JOINED
        else:
            while merge < len(merge_rows) and merge_rows[merge] < row:
                merge += 1
            begin = 0
            size = 0
            if merge < len(merge_rows) and merge_rows[merge] == row:
                begin = merge_offsets[merge]
                size = merge_offsets[merge + 1] - begin
            for step in range(size):
                one = _key(integer(merge_ids[begin + step]), bare, mapped)
                looked_at(one, marks, tries)
                if one > 1:
                    _know(one, number, counter)
            first, second = integer(0), integer(0)
            if size == 2:
                first = _key(integer(merge_ids[begin]), bare, mapped)
                second = _key(integer(merge_ids[begin + 1]), bare, mapped)
            if by_track[row]:
                result, why = _IGNORED, _BY_TRACK
            elif first <= 1 or second <= 1:
                why = _INCOMPLETE
            else:
                a, b = _find(first, above), _find(second, above)
                why = _unite(a, b, limit, _MERGE, index, above, flags, tree, tree_event, tree_rule)
                if why != _TOO_MANY:
                    result = _MERGED if why == _MERGE else _ALREADY
                    tries[first] |= JOINED
                    tries[second] |= JOINED
            if sent <= 1 and size > 0:
                sent = integer(merge_ids[begin])
        key = _key(sent, bare, mapped)
        if key > 1:
            _know(key, number, counter)
            stored[row] = key
        else:
            stored[row] = 1
        received[row] = sent
        place[count] = row
        outcome[count] = result
        rule[count] = why
        count += 1
    return count


@compiled
def _key(code: int, bare: Any, mapped: bool) -> int:  # noqa: FBT001
    found = integer(bare[code]) if mapped else code
    return found if found > 1 else integer(1)


@compiled
def _know(code: int, number: Any, counter: Any) -> None:
    if number[code] == 0:
        counter[0] += 1
        number[code] = counter[0]


@compiled
def _find(code: int, above: Any) -> int:
    """Return the root of a cluster; a root has 1 less the size of its cluster."""
    up = integer(above[code])
    if up <= 0:
        return code
    while True:
        higher = integer(above[up])
        if higher <= 0:
            return up
        above[code] = higher
        code, up = up, higher


@compiled
def _unite(
    a: int,
    b: int,
    limit: int,
    good: int,
    index: int,
    above: Any,
    flags: Any,
    tree: Any,
    tree_event: Any,
    tree_rule: Any,
) -> int:
    """Make one cluster of those of two roots, where the limit allows it; return the rule that decided."""
    if a == b:
        return _ONE_CLUSTER
    size = 2 - above[a] - above[b]
    if size > limit:
        return _TOO_MANY
    if above[a] > above[b]:
        a, b = b, a
    above[a] = 1 - size
    above[b] = a
    tree[b] = a
    tree_event[b] = index + 1
    tree_rule[b] = good
    if flags[b] & ROOT_IDENTIFIED:
        flags[a] |= ROOT_IDENTIFIED
    return good
