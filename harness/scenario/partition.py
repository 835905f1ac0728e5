"""The people of a scenario against the users that came out: joined, split, mixed, and how well they match.

Both are partitions of the accepted events: one by the person who really did them, one by canonical distinct_id. An
ordinary event with no id at all is under nobody, which is no user, so nobody is mixed there; but a person with such
an event beside others is split.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from harness.event import IDENTITY_EVENTS
from harness.scenario.results import EventRecord, People, Quality

NOBODY = ""


def compared(events: Iterable[EventRecord]) -> list[EventRecord]:
    """Return the accepted events that have a person; identity events only where they have an id."""
    return [
        event
        for event in events
        if event.status == "accepted"
        and event.person is not None
        and (event.distinct_id != NOBODY or event.name not in IDENTITY_EVENTS)
    ]


def count_users(events: Iterable[EventRecord]) -> int:
    """Return how many canonical ids have at least one accepted event that is not an identity event."""
    return len(
        {
            event.distinct_id
            for event in events
            if event.status == "accepted" and event.distinct_id != NOBODY and event.name not in IDENTITY_EVENTS
        }
    )


def users_of(events: Iterable[EventRecord]) -> dict[str, list[str]]:
    """Return the canonical ids of every person's events, in order of appearance; "" is nobody."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for event in compared(events):
        found[event.person or ""][event.distinct_id] = None
    return {person: list(ids) for person, ids in found.items()}


def match_people(events: Sequence[EventRecord]) -> People:
    """Return who is joined, split and mixed."""
    users = users_of(events)
    sharers: dict[str, set[str]] = defaultdict(set)
    for person, ids in users.items():
        for user in ids:
            if user != NOBODY:
                sharers[user].add(person)
    split = {person for person, ids in users.items() if len(ids) > 1}
    groups = {tuple(sorted(people)) for people in sharers.values() if len(people) > 1}
    touched = split.union(*groups)
    return People(len(users.keys() - touched), tuple(sorted(split)), tuple(sorted(groups)))


def measure(events: Iterable[EventRecord]) -> Quality:
    """Return pairwise and B-cubed counts; each event under nobody is alone."""
    cells: Counter[tuple[str, str]] = Counter()
    for event in compared(events):
        user = event.distinct_id or f"\0{event.index}"
        cells[user, event.person or ""] += 1
    by_user: Counter[str] = Counter()
    by_person: Counter[str] = Counter()
    for (user, person), count in cells.items():
        by_user[user] += count
        by_person[person] += count
    return Quality(
        events=sum(cells.values()),
        pairs_right=sum(map(_pairs, cells.values())),
        pairs_user=sum(map(_pairs, by_user.values())),
        pairs_person=sum(map(_pairs, by_person.values())),
        bcubed_precision_sum=sum(count * count / by_user[user] for (user, _), count in cells.items()),
        bcubed_recall_sum=sum(count * count / by_person[person] for (_, person), count in cells.items()),
    )


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
