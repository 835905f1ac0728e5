"""The same input under all three ID-merge systems, side by side, with the event that explains each difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.event import IdMerge, Json
from harness.scenario.differences import Difference
from harness.scenario.history import History
from harness.scenario.results import People


@dataclass(frozen=True, slots=True)
class Column:
    """What one system made of the input.

    Attributes:
        id_merge: the system.
        users: how many users came out.
        clusters: how many identity clusters there are, singletons too.
        accepted: events stored, duplicates not counted.
        duplicates: events stored, but a later one is the same event.
        rejected: events not stored.
        decisions: how many decisions had which outcome.
        refused: refused decisions by Mixpanel's reason, or by the rule where it has none.
        orphans: anonymous ids with events whose every attempt to join was refused or ignored, sorted.
        people: the people of a scenario; None for an event file.
    """

    id_merge: IdMerge
    users: int
    clusters: int
    accepted: int
    duplicates: int
    rejected: int
    decisions: Mapping[str, int]
    refused: Mapping[str, int]
    orphans: tuple[str, ...]
    people: People | None


def column(history: History) -> Column:
    """Return what one system made of a history."""
    project = history.project
    rows = history.model.decisions.rows
    outcomes = Counter(row[2] for row in rows)
    refused = Counter(row[3] or row[4] for row in rows if row[2] == "refused")
    statuses = Counter(project.statuses())
    return Column(
        id_merge=project.id_merge,
        users=len(project.users()),
        clusters=len(history.model.clusters()),
        accepted=statuses["accepted"],
        duplicates=statuses["duplicate"],
        rejected=statuses["rejected"] + statuses["dropped"],
        decisions={outcome: outcomes[outcome] for outcome in ("merged", "already", "refused", "ignored")},
        refused=dict(sorted(refused.items())),
        orphans=tuple(history.orphans()),
        people=history.matched,
    )


def matrix_json(columns: Sequence[Column], found: Sequence[Difference]) -> dict[str, Json]:
    """Return the document of `harness compare --json`."""
    return {
        "systems": [_column_json(one) for one in columns],
        "differences": [
            {"systems": list(one.systems), "what": one.what, "index": one.event_index, "sentence": one.sentence}
            for one in found
        ],
    }


def matrix_text(columns: Sequence[Column], found: Sequence[Difference]) -> str:
    """Return the matrix as a table, then a sentence for each difference."""
    from tabulate import tabulate

    rows = [
        ["users", *(str(one.users) for one in columns)],
        ["identity clusters", *(str(one.clusters) for one in columns)],
    ]
    if any(one.people is not None for one in columns):
        people = [one.people or People() for one in columns]
        rows.append(["people split", *(_named(one.split) for one in people)])
        rows.append(["people mixed", *(_named(["+".join(group) for group in one.mixed]) for one in people)])
    rows.append(["orphans", *(_named(one.orphans) for one in columns)])
    rows += [
        [f"decisions {outcome}", *(str(one.decisions[outcome]) for one in columns)] for outcome in columns[0].decisions
    ]
    reasons = sorted({reason for one in columns for reason in one.refused})
    rows += [[f"refused: {reason}", *(str(one.refused.get(reason, 0)) for one in columns)] for reason in reasons]
    rows.append(["events accepted", *(str(one.accepted) for one in columns)])
    if any(one.duplicates for one in columns):
        rows.append(["events duplicate", *(str(one.duplicates) for one in columns)])
    rows.append(["events rejected", *(str(one.rejected) for one in columns)])
    table = tabulate(rows, ["", *(one.id_merge for one in columns)], disable_numparse=True)
    sentences = [f"- {one.sentence}" for one in found] or ["All three systems agree on every event."]
    return "\n".join([table, "", *sentences])


def _column_json(one: Column) -> dict[str, Json]:
    people = one.people
    return {
        "id_merge": one.id_merge,
        "users": one.users,
        "clusters": one.clusters,
        "people": None
        if people is None
        else {"joined": people.joined, "split": list(people.split), "mixed": [list(group) for group in people.mixed]},
        "orphans": list(one.orphans),
        "decisions": dict(one.decisions),
        "refused": dict(one.refused),
        "accepted": one.accepted,
        "duplicates": one.duplicates,
        "rejected": one.rejected,
    }


def _named(names: Sequence[str]) -> str:
    if not names:
        return "0"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)}: {', '.join(names[:3])}{more}"
