"""The same input under all three ID-merge systems, side by side, with the event that explains each difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.event import IDENTITY_EVENTS, IdMerge, Json
from harness.identity.model import Decision
from harness.scenario.explanation import History
from harness.scenario.results import People

_DONE = frozenset({"merged", "already"})


@dataclass(frozen=True, slots=True)
class Column:
    """What one system made of the input.

    Attributes:
        id_merge: the system.
        users: how many users came out.
        clusters: how many identity clusters there are, singletons too.
        accepted: events stored, duplicates not counted.
        rejected: events not stored.
        refused: refused decisions by reason.
        ignored: identity events the system does not know.
        orphans: anonymous ids with events whose every attempt to join was refused or ignored, sorted.
        people: the people of a scenario; None for an event file.
        decisions: every decision by the index of its event.
        errors: why an event was not stored, by its index.
    """

    id_merge: IdMerge
    users: int
    clusters: int
    accepted: int
    rejected: int
    refused: Mapping[str, int]
    ignored: int
    orphans: tuple[str, ...]
    people: People | None
    decisions: Mapping[int, Decision]
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two systems: the first event that explains it, and a sentence."""

    systems: tuple[IdMerge, IdMerge]
    event_index: int
    sentence: str


def column(history: History, people: People | None) -> Column:
    """Return what one system made of a history."""
    project = history.project
    decisions = list(project.model.decisions)
    statuses = Counter(project.statuses())
    refused = Counter(made.reason or made.rule for made in decisions if made.outcome == "refused")
    return Column(
        id_merge=project.id_merge,
        users=len(project.users()),
        clusters=len(project.model.clusters()),
        accepted=statuses["accepted"],
        rejected=statuses["rejected"] + statuses["dropped"],
        refused=dict(sorted(refused.items())),
        ignored=sum(made.outcome == "ignored" for made in decisions),
        orphans=_orphans(history, decisions),
        people=people,
        decisions={history.index_of(made.event_index): made for made in decisions},
        errors={history.index_of(row.event_index): row.errors[0].message for row in project.rows if row.errors},
    )


def differences(columns: Sequence[Column], names: Mapping[int, str]) -> list[Difference]:
    """Return for each pair of systems the first event that one joined by and the other did not, or took and did not.

    Args:
        columns: what each system made of the input.
        names: the names of events by index.
    """
    found = []
    for left, right in combinations(columns, 2):
        first = next(_between(left, right, names), None)
        if first is not None:
            found.append(first)
    return found


def matrix_json(columns: Sequence[Column], found: Sequence[Difference]) -> dict[str, Json]:
    """Return the document of `harness compare --json`."""
    return {
        "systems": [_column_json(one) for one in columns],
        "differences": [
            {"systems": list(one.systems), "index": one.event_index, "sentence": one.sentence} for one in found
        ],
    }


def matrix_text(columns: Sequence[Column], found: Sequence[Difference]) -> str:
    """Return the matrix as a table, then a sentence for each difference."""
    from tabulate import tabulate

    rows: list[list[str]] = [
        ["users", *(str(one.users) for one in columns)],
        ["identity clusters", *(str(one.clusters) for one in columns)],
        ["events accepted", *(str(one.accepted) for one in columns)],
        ["events rejected", *(str(one.rejected) for one in columns)],
    ]
    if any(one.people is not None for one in columns):
        rows.append(["people split", *(_names(one.people.split if one.people else ()) for one in columns)])
        groups = [one.people.mixed if one.people else () for one in columns]
        rows.append(["people mixed", *(_names(tuple("+".join(group) for group in mixed)) for mixed in groups)])
    reasons = sorted({reason for one in columns for reason in one.refused})
    rows += [[f"refused: {reason}", *(str(one.refused.get(reason, 0)) for one in columns)] for reason in reasons]
    rows.append(["identity events ignored", *(str(one.ignored) for one in columns)])
    rows.append(["orphaned ids", *(_names(one.orphans) for one in columns)])
    table = tabulate(rows, ["", *(one.id_merge for one in columns)], disable_numparse=True)
    sentences = [one.sentence for one in found] or ["All three systems agree on every event."]
    return "\n".join([table, "", *sentences])


def _orphans(history: History, decisions: Sequence[Decision]) -> tuple[str, ...]:
    joined = {text for made in decisions if made.outcome in _DONE for text in made.ids}
    tried = {made.ids[0] for made in decisions if made.ids and made.outcome not in _DONE}
    with_events = {
        stored.arrival.stored for stored in history.project.events if stored.event.name not in IDENTITY_EVENTS
    }
    return tuple(sorted((tried - joined) & with_events))


def _between(left: Column, right: Column, names: Mapping[int, str]) -> Iterator[Difference]:
    for index in sorted({*left.decisions, *right.decisions, *left.errors, *right.errors}):
        said = [_said(one, index) for one in (left, right)]
        if said[0] == said[1] or not any(_joined(one, index) for one in (left, right)):
            continue
        sentence = f"event {index} ({names.get(index, '?')}): {said[0]}; {said[1]}"
        yield Difference((left.id_merge, right.id_merge), index, sentence)


def _joined(one: Column, index: int) -> bool:
    made = one.decisions.get(index)
    return made is not None and made.outcome == "merged"


def _said(one: Column, index: int) -> str:
    if index in one.errors:
        return f"{one.id_merge} rejected it ({one.errors[index]})"
    made = one.decisions.get(index)
    if made is None:
        return f"in {one.id_merge} it says nothing about identity"
    ids = " and ".join(made.ids)
    words = {"merged": f"joined {ids}", "already": f"found {ids} joined already"}
    reason = f" ({made.reason})" if made.reason else ""
    return f"{one.id_merge} {words.get(made.outcome, f'{made.outcome} it{reason}')}"


def _column_json(one: Column) -> dict[str, Json]:
    people = one.people
    return {
        "id_merge": one.id_merge,
        "users": one.users,
        "clusters": one.clusters,
        "accepted": one.accepted,
        "rejected": one.rejected,
        "refused": dict(one.refused),
        "ignored": one.ignored,
        "orphans": list(one.orphans),
        "people": None
        if people is None
        else {"joined": people.joined, "split": list(people.split), "mixed": [list(group) for group in people.mixed]},
    }


def _names(names: Sequence[str]) -> str:
    if not names:
        return "0"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)}: {', '.join(names[:3])}{more}"
