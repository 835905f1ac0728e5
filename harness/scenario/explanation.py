"""Why two ids are one user or not, as `harness explain` tells it: from an event file or from a scenario's run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.event import Event, Json
from harness.identity.explain import Blast, Joined, PairExplanation, blast_radius, explain_cluster, explain_pair
from harness.identity.model import Decision
from harness.identity.rules import RULES
from harness.identity.whatif import Change, Sent, changes_that_join
from harness.ingestion.project import MixpanelProject
from harness.problems import nearest
from harness.scenario.results import People

_MOST_LISTED = 20
_MOST_TRIED = 12


@dataclass(frozen=True, slots=True)
class History:
    """Events after all of them have arrived.

    Attributes:
        project: the project they went into.
        index_of: turns the index of a row in the project into the index people know it by.
        people: who really did an event, by the row's index; empty where nobody knows.
        names: the names of the events by the index people know them by.
        matched: the people of a scenario against its users; None for an event file.
    """

    project: MixpanelProject
    index_of: Callable[[int], int]
    people: Mapping[int, str]
    names: Mapping[int, str]
    matched: People | None = None

    def unknown(self, text: str) -> str | None:
        """Return what to say of an id that no accepted event carried or named; None for a known one."""
        model = self.project.model
        if model.knows(text):
            return None
        known = {one for cluster in model.clusters() for one in cluster.ids}
        close = nearest(text, known if len(known) <= 20_000 else sorted(known)[:20_000])
        hint = f"did you mean {close!r}?" if close else f"known ids: {', '.join(sorted(known)[:10]) or 'none'}"
        return f"no accepted event carried the id {text!r}; {hint}"


def pair_json(history: History, a: str, b: str) -> dict[str, Json]:
    """Return the document of `harness explain --json` for two ids."""
    found, changes = _pair(history, a, b)
    blasts = _blasts(history, {link.decision.event_index for link in found.path})
    return {
        "same_user": found.same_user,
        "path": [
            {"index": history.index_of(link.decision.event_index), "kind": link.decision.kind, "ids": list(link.ids)}
            for link in found.path
        ],
        "refused": [_failed(history, made) for made in found.refused],
        "ignored": [_failed(history, made) for made in found.ignored],
        "changes": [
            {"change": change.text, "index": _shown(history, change.event_index), "ids": change.ids}
            for change in changes
        ],
        "joined": [_blast(history, blast) for blast in blasts],
    }


def cluster_json(history: History, text: str) -> dict[str, Json]:
    """Return the document of `harness explain --json` for one id: its cluster, and since when each id is in it."""
    members = explain_cluster(history.project.model, text)
    indexes = {member.since.event_index for member in members if member.since is not None}
    return {
        "id": text,
        "canonical": history.project.model.resolve(text),
        "members": [_member(history, member) for member in members],
        "joined": [_blast(history, blast) for blast in _blasts(history, indexes)],
    }


def pair_text(history: History, a: str, b: str) -> str:
    """Return the same for people."""
    found, changes = _pair(history, a, b)
    if found.same_user:
        lines = [f"{a} and {b} are one user."]
        lines += [f"  {_event(history, link.decision)} joined {link.ids[0]} and {link.ids[1]}." for link in found.path]
        lines += [f"  {_rule(link.decision)}" for link in found.path[:1]]
        indexes = {link.decision.event_index for link in found.path}
        lines += [f"  {_blast_text(history, blast)}" for blast in _blasts(history, indexes)[:_MOST_LISTED]]
        return "\n".join(lines)
    lines = [f"{a} and {b} are two users."]
    for made in [*found.refused, *found.ignored][:_MOST_LISTED]:
        reason = f", {made.reason}" if made.reason else ""
        lines.append(f"  {_event(history, made)} would have joined them, but was {made.outcome}{reason}.")
        lines.append(f"    {_rule(made)}")
    if not found.refused and not found.ignored:
        lines.append("  Nothing ever connected them.")
    if changes:
        lines.append("They would be one user")
        lines += [f"  {change.text} ({change.ids} ids would be one user)" for change in changes[:_MOST_LISTED]]
    return "\n".join(lines)


def cluster_text(history: History, text: str) -> str:
    """Return the same for people."""
    members = explain_cluster(history.project.model, text)
    canonical = history.project.model.resolve(text)
    lines = [f"{text} is alone." if len(members) == 1 else f"{text} is one user with {len(members)} ids ({canonical})."]
    later = [member for member in members if member.since is not None][:_MOST_LISTED]
    lines += [f"  {member.id} since {_event(history, member.since)}" for member in later if member.since is not None]
    if len(members) > _MOST_LISTED + 1:
        lines.append(f"  ... and {len(members) - _MOST_LISTED - 1} more")
    indexes = {member.since.event_index for member in members if member.since is not None}
    blasts = _blasts(history, indexes)
    if blasts:
        largest = max(blasts, key=lambda blast: (blast.smaller, blast.larger))
        lines.append(f"  {_blast_text(history, largest)}")
    return "\n".join(lines)


def _pair(history: History, a: str, b: str) -> tuple[PairExplanation, list[Change]]:
    model = history.project.model
    found = explain_pair(model, a, b)
    if found.same_user:
        return found, []
    failed = _nearest_failures(history, a, b, (*found.refused, *found.ignored))
    around = {a, b, *model.members(a), *model.members(b)}
    for text in {text for made in failed for text in made.ids}:
        around.update(model.members(text), (text,))
    stream = [_sent(history, made.event_index) for made in model.decisions if not around.isdisjoint(made.ids)]
    changes = changes_that_join(model, [*_bare(around), *stream], a, b, failed)
    return found, changes


def _nearest_failures(history: History, a: str, b: str, failed: Sequence[Decision]) -> list[Decision]:
    """Return the failed decisions worth trying to change: those that touch both clusters first, then those of one."""
    resolve = history.project.model.resolve
    ends = {resolve(a), resolve(b)}
    distance = {made: len(ends - {resolve(text) for text in made.ids}) for made in failed}
    nearest_first = sorted(failed, key=lambda made: (distance[made], made.event_index))
    return sorted(nearest_first[:_MOST_TRIED], key=lambda made: made.event_index)


def _bare(ids: set[str]) -> list[Sent]:
    """Return an event under every id, so that a replay of decisions alone knows the ids that never decided anything."""
    return [Sent(-1, Event("event", {"distinct_id": text}), "import", 0) for text in sorted(ids)]


def _sent(history: History, row: int) -> Sent:
    stored = history.project.stored(row)
    assert stored is not None, "a decision is made for stored events only"
    return Sent(row, stored.event, stored.endpoint, stored.arrived_ms)


def _shown(history: History, row: int | None) -> int | None:
    return None if row is None else history.index_of(row)


def _failed(history: History, made: Decision) -> dict[str, Json]:
    index = history.index_of(made.event_index)
    return {"index": index, "kind": made.kind, "ids": list(made.ids), "reason": made.reason}


def _member(history: History, member: Joined) -> dict[str, Json]:
    since = member.since
    if since is None:
        return {"id": member.id, "index": None, "kind": None}
    return {"id": member.id, "index": history.index_of(since.event_index), "kind": since.kind}


def _blasts(history: History, rows: set[int]) -> list[Blast]:
    if not rows:
        return []
    return [blast for blast in blast_radius(history.project.model.decisions) if blast.decision.event_index in rows]


def _people_of(history: History, made: Decision) -> list[str]:
    model = history.project.model
    user = model.resolve(made.ids[-1])
    return sorted(
        {
            person
            for row, person in history.people.items()
            if row <= made.event_index and history.project.distinct_id(row) == user
        }
    )


def _blast(history: History, blast: Blast) -> dict[str, Json]:
    people = _people_of(history, blast.decision)
    return {"index": history.index_of(blast.decision.event_index), "ids": blast.ids, "people": people}


def _blast_text(history: History, blast: Blast) -> str:
    people = _people_of(history, blast.decision)
    who = f"{len(people)} people ({', '.join(people)}) and " if len(people) > 1 else ""
    index = history.index_of(blast.decision.event_index)
    return f"Event {index} joined {who}{blast.ids} ids, and that can't be undone."


def _event(history: History, made: Decision) -> str:
    stored = history.project.stored(made.event_index)
    name = stored.event.name if stored is not None else made.kind
    person = history.people.get(made.event_index)
    return f"event {history.index_of(made.event_index)} ({name}{f' of {person}' if person else ''})"


def _rule(made: Decision) -> str:
    rule = RULES[made.rule]
    return f"{rule.text} ({rule.evidence}: {rule.source})"
