"""Who plays in a scenario: its people with a colour each, and its users with a number each.

The timeline and the graphs of one scenario share them, so that `User 2` is the same user everywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from harness.report.plain import visible
from harness.scenario.results import EventRecord, ScenarioResult

COLORS: Final = 8
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Person:
    """One person as reports show them.

    Attributes:
        name: the person's name, safe to show.
        mark: one or two characters for places where a name has no room; no two people of a scenario share one.
        color: a class name of the style sheet; colours repeat where there are many people, marks never do.
    """

    name: str
    mark: str
    color: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in one scenario.

    Attributes:
        people: by name as in the scenario, in the order they first act.
        users: the number of each user by its canonical distinct_id, in the order of their first accepted event.
        mixed: the canonical distinct_ids of users that have events of several people.
        split: the people whose events are under several users.
    """

    people: dict[str, Person]
    users: dict[str, int]
    mixed: frozenset[str]
    split: frozenset[str]

    def user_text(self, canonical: str) -> str:
        """Return a user as reports name it, for example `User 2`; "" where no accepted event resolves to it."""
        number = self.users.get(canonical)
        return f"User {number}" if number is not None else ""

    def trouble(self, event: EventRecord) -> str:
        """Return what is wrong with the user of an accepted event: `mixed`, `split`, both, or ""."""
        found = ["mixed"] if event.distinct_id in self.mixed else []
        if event.person in self.split:
            found.append("split")
        return ", ".join(found)


def cast_of(result: ScenarioResult) -> Cast:
    """Return the people and users of a scenario."""
    names = dict.fromkeys(person for step in result.steps if (person := step.person) is not None)
    names.update(dict.fromkeys(person for event in result.events if (person := event.person) is not None))
    marks = _marks(list(names))
    people = {name: Person(visible(name), marks[name], f"p{place % COLORS}") for place, name in enumerate(names)}
    users: dict[str, int] = {}
    for event in result.events:
        if event.status == "accepted" and event.distinct_id:
            users.setdefault(event.distinct_id, len(users) + 1)
    mixed = frozenset(cluster.canonical for cluster in result.clusters if len(cluster.people) > 1)
    return Cast(people, users, mixed, frozenset(result.people.split))


def _marks(names: list[str]) -> dict[str, str]:
    initials = {name: name[:1].upper() if name[:1].isalnum() else "" for name in names}
    shared = Counter(initials.values())
    taken = len(names) > 1 and any(initial.isdigit() for initial in initials.values())
    return {
        name: initials[name] if initials[name] and shared[initials[name]] == 1 and not taken else str(place + 1)
        for place, name in enumerate(names)
    }
