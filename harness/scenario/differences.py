"""Why two ID-merge systems made different things of the same events: for each difference, the event that explains it.

Events are what the systems have in common, so a difference of users is a pair of events that are under one user in one
system and under two in the other. The chain that joined them there leads to the first event that did nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, IdMerge
from harness.identity.explain import explain_pair
from harness.identity.model import DecisionRow
from harness.scenario.history import History

_DONE = frozenset({"merged", "already"})


class Difference(NamedTuple):
    """One difference between two systems.

    Attributes:
        systems: the two systems.
        what: what differs: users, split, mixed, orphans, refused or rejected.
        event_index: the first event that explains it; None where none was found.
        sentence: the difference and its explanation for people.
    """

    systems: tuple[IdMerge, IdMerge]
    what: str
    event_index: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class _View:
    """What one system made of the events.

    Attributes:
        history: the history.
        user_of: the user of every ordinary event that counts and belongs to somebody, by row.
        decided: what events decided, by row.
        rejected: why an event was not stored, by row.
        orphans: its orphans.
    """

    history: History
    user_of: dict[int, str] = field(default_factory=dict)
    decided: dict[int, DecisionRow] = field(default_factory=dict)
    rejected: dict[int, str] = field(default_factory=dict)
    orphans: tuple[str, ...] = ()

    @property
    def system(self) -> IdMerge:
        return self.history.project.id_merge

    @property
    def users(self) -> int:
        return len(set(self.user_of.values()))

    @property
    def attempts(self) -> Iterator[tuple[int, set[str]]]:
        """Every attempt to join in order of arrival, with the ids it names, devices without their prefix."""
        tried = [(row, made[1]) for row, made in self.decided.items()]
        tried += [(attempt.row, attempt.ids) for attempt in self.history.rejected_attempts()]
        return ((row, {text.removeprefix(DEVICE_PREFIX) for text in ids}) for row, ids in sorted(tried))

    def said(self, row: int) -> str:
        """Return what the system made of an event, to be read after the system's name."""
        if row in self.rejected:
            return "rejected it"
        made = self.decided.get(row)
        if made is None:
            return "saw nothing about identity in it"
        _, ids, outcome, reason, rule, *_ = made
        named = " and ".join(dict.fromkeys(text for text in ids if text)) or "nobody"
        if outcome == "merged":
            return f"joined {named}"
        if outcome == "already":
            return f"had {named} joined already"
        return f"{outcome} it ({reason or rule})" if outcome == "refused" else f"{outcome} it"

    def did(self, row: int) -> bool:
        made = self.decided.get(row)
        return made is not None and made[2] in _DONE


class _Culprit(NamedTuple):
    """The event that explains a difference, and what both systems made of it."""

    row: int
    clause: str


def differences(histories: Sequence[History]) -> list[Difference]:
    """Return every difference between each two histories of the same events under different systems."""
    views = [_view(history) for history in histories]
    return [found for left, right in combinations(views, 2) for found in _between(left, right)]


def _view(history: History) -> _View:
    project = history.project
    user_of: dict[int, str] = {}
    duplicates = project.duplicates()
    for stored in project.events:
        row = stored.event_index
        if row not in duplicates and stored.event.name not in IDENTITY_EVENTS:
            user = project.model.settled(stored.arrival.stored)
            if user:
                user_of[row] = user
    decided = {row[5]: row for row in project.model.decisions.rows}
    rejected = {row.event_index: row.errors[0].message for row in project.rows if row.errors}
    return _View(history, user_of, decided, rejected, tuple(history.orphans()))


def _between(left: _View, right: _View) -> Iterator[Difference]:
    yield from _users(left, right)
    yield from _split(left, right)
    yield from _mixed(left, right)
    yield from _orphans(left, right)
    yield from _refused(left, right)
    yield from _rejected(left, right)


def _difference(left: _View, right: _View, what: str, fact: str, culprit: _Culprit | None) -> Difference:
    systems = left.system, right.system
    if culprit is None:
        return Difference(systems, what, None, fact)
    index = left.history.index_of(culprit.row)
    return Difference(systems, what, index, f"{fact}: {left.history.event(culprit.row)}: {culprit.clause}")


def _users(left: _View, right: _View) -> Iterator[Difference]:
    apart, joined = (left, right) if left.users >= right.users else (right, left)
    culprit = _joined_in_one(apart, joined)
    gap = apart.users - joined.users
    if gap:
        fact = f"{joined.system} has {gap} {'user' if gap == 1 else 'users'} fewer than {apart.system}"
        culprit = culprit or _stored_in_one(apart, joined)
    else:
        culprit = culprit or _joined_in_one(joined, apart)
        fact = f"{apart.system} and {joined.system} have {_count(apart.users, 'user')} each, but not the same ones"
    if gap or culprit is not None:
        yield _difference(left, right, "users", fact, culprit)


def _split(left: _View, right: _View) -> Iterator[Difference]:
    for apart, joined in ((left, right), (right, left)):
        other = _split_people(joined)
        for person in _split_people(apart):
            if person not in other:
                rows = [row for row in apart.user_of if apart.history.people.get(row) == person]
                culprit = _joined_in_one(apart, joined, rows)
                fact = f"{person} is split in {apart.system} and not in {joined.system}"
                yield _difference(left, right, "split", fact, culprit)


def _mixed(left: _View, right: _View) -> Iterator[Difference]:
    for joined, apart in ((left, right), (right, left)):
        other = _mixed_people(apart)
        for group in _mixed_people(joined):
            if group not in other:
                rows = [row for row in joined.user_of if joined.history.people.get(row) in group]
                culprit = _joined_in_one(apart, joined, rows, of_two_people=True)
                names = " and ".join(group)
                fact = f"{names} are mixed in {joined.system} and not in {apart.system}"
                yield _difference(left, right, "mixed", fact, culprit)


def _orphans(left: _View, right: _View) -> Iterator[Difference]:
    for here, there in ((left, right), (right, left)):
        others = {text.removeprefix(DEVICE_PREFIX) for text in there.orphans}
        only = [text for text in here.orphans if text.removeprefix(DEVICE_PREFIX) not in others]
        if only:
            bare = {text.removeprefix(DEVICE_PREFIX) for text in only}
            first = next((row for row, ids in here.attempts if not bare.isdisjoint(ids)), None)
            names = ", ".join(only[:3]) + (f" and {len(only) - 3} more" if len(only) > 3 else "")
            fact = f"{names} {'is an orphan' if len(only) == 1 else 'are orphans'} in {here.system} only"
            culprit = None if first is None else _Culprit(first, _both(here, there, first))
            yield _difference(left, right, "orphans", fact, culprit)


def _refused(left: _View, right: _View) -> Iterator[Difference]:
    counts = [Counter(_reasons(view).values()) for view in (left, right)]
    for reason in sorted({*counts[0], *counts[1]}):
        if counts[0][reason] == counts[1][reason]:
            continue
        more, less = (left, right) if counts[0][reason] > counts[1][reason] else (right, left)
        in_more, in_less = _reasons(more), _reasons(less)
        first = next(row for row, its in sorted(in_more.items()) if its == reason and in_less.get(row) != reason)
        times = max(counts[0][reason], counts[1][reason]), min(counts[0][reason], counts[1][reason])
        fact = f"{more.system} refused {_count(times[0], 'event')} with {reason}, {less.system} {times[1] or 'none'}"
        yield _difference(left, right, "refused", fact, _Culprit(first, f"{less.system} {less.said(first)}"))


def _rejected(left: _View, right: _View) -> Iterator[Difference]:
    for here, there in ((left, right), (right, left)):
        only = sorted(here.rejected.keys() - there.rejected.keys())
        if only:
            fact = f"{here.system} rejected {_count(len(only), 'event')} that {there.system} took"
            clause = f"{here.rejected[only[0]]}; {there.system} {there.said(only[0])}"
            yield _difference(left, right, "rejected", fact, _Culprit(only[0], clause))


def _reasons(view: _View) -> dict[int, str]:
    return {row: made[3] or made[4] for row, made in view.decided.items() if made[2] == "refused"}


def _both(first: _View, second: _View, row: int) -> str:
    return f"{first.system} {first.said(row)}; {second.system} {second.said(row)}"


def _joined_in_one(
    apart: _View, joined: _View, rows: Iterable[int] | None = None, *, of_two_people: bool = False
) -> _Culprit | None:
    """Return why the first two events under one user in one system are under two in the other.

    Args:
        apart: the system where they are two.
        joined: the system where they are one.
        rows: the events to look at; None: all.
        of_two_people: look for events of two people only.
    """
    people = joined.history.people
    kept: dict[str, dict[tuple[str | None, str], int]] = {}
    for row in sorted(apart.user_of if rows is None else rows):
        here, there = apart.user_of.get(row), joined.user_of.get(row)
        if here is None or there is None:
            continue
        person = people.get(row) if of_two_people else None
        others = kept.setdefault(there, {})
        for (who, user), other in others.items():
            if user != here and (who != person or not of_two_people):
                return _why(apart, joined, other, row)
        others.setdefault((person, here), row)
    return None


def _why(apart: _View, joined: _View, first: int, second: int) -> _Culprit:
    received = joined.history.project.events.received_id
    path = explain_pair(joined.history.model, received(first), received(second)).path
    links = sorted(link.decision.event_index for link in path)
    culprit = next((row for row in links if not apart.did(row)), None)
    if culprit is not None:
        return _Culprit(culprit, _both(joined, apart, culprit))
    if links and apart.system == "legacy":
        clause = f"{joined.system} {joined.said(links[0])}, what came before too; legacy for later events only"
        return _Culprit(links[0], clause)
    users = " and ".join(apart.user_of[row] for row in (first, second))
    other = joined.history.event(first)
    clause = f"it and {other} are under {users} in {apart.system}, and under one user in {joined.system}"
    return _Culprit(second, clause)


def _stored_in_one(apart: _View, joined: _View) -> _Culprit | None:
    """Return the first event that belongs to a user in one system and to nobody in the other."""
    first = min(apart.user_of.keys() - joined.user_of.keys(), default=None)
    if first is None:
        return None
    if first in joined.rejected:
        return _Culprit(first, f"{joined.system} {joined.said(first)}")
    return _Culprit(first, f"it belongs to {apart.user_of[first]} in {apart.system} and to nobody in {joined.system}")


def _split_people(view: _View) -> tuple[str, ...]:
    return view.history.matched.split if view.history.matched is not None else ()


def _mixed_people(view: _View) -> tuple[tuple[str, ...], ...]:
    return view.history.matched.mixed if view.history.matched is not None else ()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
