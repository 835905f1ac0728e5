"""The ids of one scenario before and after: each by itself under the people who used it, then the users they became."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.report.cast import Cast, Person
from harness.report.drawing import (
    CARD_GAP,
    CARD_HEAD,
    ROW,
    Card,
    Drawing,
    Pill,
    card,
    id_pill,
    more_pill,
)
from harness.report.links import drawn_links
from harness.report.plain import plural
from harness.scenario.results import ClusterRecord, ScenarioResult

MOST_IDS: Final = 12
SHOWN_OF_BIG: Final = 10
MOST_CARDS: Final = 8

_BEFORE_WIDTH: Final = 340
_AFTER_WIDTH: Final = 470
_AFTER_CARD: Final = 320
_PILL_X: Final = 14
_AFTER_PILL: Final = 240


@dataclass(frozen=True, slots=True)
class _Group:
    """Ids to draw in one card."""

    title: str
    people: tuple[Person, ...]
    ids: tuple[str, ...]
    canonical: str | None = None
    kind: Literal["plain", "mixed"] = "plain"


def before(result: ScenarioResult, cast: Cast) -> Drawing:
    """Return the ids before anything was joined, under the people who used them."""
    used = _users_of_ids(result, cast)
    by_people: dict[tuple[Person, ...], list[str]] = {}
    for each in _ids(result):
        by_people.setdefault(used.get(each, ()), []).append(each)
    order = list(cast.people.values())
    keys = sorted(by_people, key=lambda people: (not people, [order.index(person) for person in people]))
    groups = [_Group(_owners(people), people, tuple(by_people[people])) for people in keys]
    shown, notes = _fitting(groups, "group")
    cards, pills, height = _placed(shown, used, _BEFORE_WIDTH, _BEFORE_WIDTH - 2 * _PILL_X)
    said = "; ".join(f"{group.title}: {plural(len(group.ids), 'id')}" for group in shown)
    return Drawing(_BEFORE_WIDTH, height, f"Before: {said}", cards, _drawn_once(pills), notes=notes)


def after(result: ScenarioResult, cast: Cast) -> Drawing:
    """Return the users that came out, with the links that made them and those that were refused."""
    used = _users_of_ids(result, cast)
    groups = [_group_of(cluster, result, cast) for cluster in _ordered(result.clusters, cast)]
    shown, notes = _fitting(groups, "user")
    cards, pills, height = _placed(shown, used, _AFTER_CARD, _AFTER_PILL)
    links, labels, more, bottom = drawn_links(result.decisions, pills)
    if more:
        notes = (*notes, f"{plural(more, 'more link')} not drawn")
    said = "; ".join(f"{group.title}: {plural(len(group.ids), 'id')}" for group in shown)
    refused = "; ".join(label.full for label in labels)
    summary = f"After: {said}" + (f". Not joined: {refused}" if refused else "")
    return Drawing(_AFTER_WIDTH, max(height, bottom), summary, cards, _drawn_once(pills), links, labels, notes)


def _ids(result: ScenarioResult) -> list[str]:
    known = {each for cluster in result.clusters for each in cluster.ids}
    seen = dict.fromkeys(each for event in result.events for each in event.ids if each in known)
    return list(dict.fromkeys([*seen, *sorted(known)]))


def _users_of_ids(result: ScenarioResult, cast: Cast) -> dict[str, tuple[Person, ...]]:
    names: dict[str, dict[str, None]] = {}
    for event in result.events:
        if event.person is None or event.status == "rejected":
            continue
        for each in (*event.ids, event.received_distinct_id):
            names.setdefault(each, {})[event.person] = None
    order = {name: place for place, name in enumerate(cast.people)}
    return {
        each: tuple(cast.people[name] for name in sorted(found, key=order.__getitem__)) for each, found in names.items()
    }


def _owners(people: Sequence[Person]) -> str:
    if not people:
        return "Nobody named"
    names = ", ".join(person.name for person in people)
    return f"Shared by {names}" if len(people) > 1 else names


def _ordered(clusters: Iterable[ClusterRecord], cast: Cast) -> list[ClusterRecord]:
    last = len(cast.users) + 1
    return sorted(clusters, key=lambda cluster: (cast.users.get(cluster.canonical, last), cluster.ids))


def _group_of(cluster: ClusterRecord, result: ScenarioResult, cast: Cast) -> _Group:
    people = tuple(cast.people[name] for name in cluster.people if name in cast.people)
    user = cast.user_text(cluster.canonical) or "No events"
    names = ", ".join(person.name for person in people)
    mixed = len(people) > 1
    split = len(people) == 1 and people[0] in [cast.people.get(name) for name in result.people.split]
    who = f"mixed: {names}" if mixed else f"{names} (split)" if split else names
    events = plural(cluster.events, "event") if cluster.events else ""
    title = " · ".join(part for part in (user, who, events) if part)
    canonical = cluster.canonical if len(cluster.ids) > 1 else None
    return _Group(title, people, cluster.ids, canonical, "mixed" if mixed else "plain")


def _fitting(groups: list[_Group], noun: str) -> tuple[list[_Group], tuple[str, ...]]:
    if len(groups) <= MOST_CARDS:
        return groups, ()
    # Cards of several people or ids say more than a lonely id; among equals the first ones stay.
    ranked = sorted(range(len(groups)), key=lambda at: (-len(groups[at].people), len(groups[at].ids) == 1, at))
    kept = sorted(ranked[:MOST_CARDS])
    ids = sum(len(groups[at].ids) for at in ranked[MOST_CARDS:])
    left_out = plural(len(groups) - MOST_CARDS, f"more {noun}")
    return [groups[at] for at in kept], (f"{left_out} with {plural(ids, 'id')} not drawn",)


def _placed(
    groups: Sequence[_Group], used: Mapping[str, tuple[Person, ...]], width: int, pill_width: int
) -> tuple[tuple[Card, ...], dict[str, Pill], int]:
    cards: list[Card] = []
    pills: dict[str, Pill] = {}
    y = 0
    for group in groups:
        shown, hidden = _shown_ids(group)
        rows = len(shown) + bool(hidden)
        cards.append(card(y, rows, width, group.title, group.people, group.kind))
        top = y + CARD_HEAD
        for place, each in enumerate(shown):
            is_canonical = each == group.canonical
            pills[each] = id_pill(
                each, _PILL_X, top + place * ROW, pill_width, used.get(each, ()), canonical=is_canonical
            )
        if hidden:
            stand_in = more_pill(f"+{len(hidden):,} more", _PILL_X, top + len(shown) * ROW, pill_width)
            pills.update(dict.fromkeys(hidden, stand_in))
        y += cards[-1].height + CARD_GAP
    return tuple(cards), pills, max(y - CARD_GAP, 0)


def _drawn_once(pills: Mapping[str, Pill]) -> tuple[Pill, ...]:
    return tuple(dict.fromkeys(pills.values()))


def _shown_ids(group: _Group) -> tuple[list[str], list[str]]:
    ordered = sorted(group.ids, key=lambda each: each != group.canonical)
    if len(ordered) <= MOST_IDS:
        return ordered, []
    return ordered[:SHOWN_OF_BIG], ordered[SHOWN_OF_BIG:]
