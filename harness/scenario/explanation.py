"""Why two ids are one user or not, as `harness explain` tells it: from an event file or from a scenario's run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.event import DEVICE_PREFIX, Json
from harness.identity.blast import Blast, blast_radius
from harness.identity.explain import (
    Joined,
    PairExplanation,
    explain_cluster,
    explain_pair,
    joining_decisions,
    meant,
)
from harness.identity.model import Decision, IdentityModel
from harness.identity.rules import RULES
from harness.identity.whatif import Change, Tried, changes_that_join
from harness.scenario.history import Attempt, History

_MOST_LISTED: Final = 20

KnownUser = Callable[[str], object]
"""Says of an id whether it is a known user's, for example `re.compile(...).fullmatch`."""


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """Everything there is to say about two ids: the chain or the failures, what would have to change, and the blasts.

    Attributes:
        ids: the two ids.
        found: the chain that joined them, or the failed decisions between them.
        tried: the changes that would have made them one user.
        blasts: what each decision of the chain joined for good.
        rejected: identity events that name an id of each, but were rejected and decided nothing.
    """

    ids: tuple[str, str]
    found: PairExplanation
    tried: Tried
    blasts: tuple[Blast, ...]
    rejected: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """Everything there is to say about one id: its cluster, the failed decisions about it, and the largest blast.

    Attributes:
        id: the id.
        canonical: its canonical distinct_id.
        members: the ids of its cluster, and since when each is one user with it.
        failed: refused and ignored decisions that name any of them.
        largest: the decision with the largest blast radius among those that made the cluster; None for an id alone.
    """

    id: str
    canonical: str
    members: tuple[Joined, ...]
    failed: tuple[Decision, ...]
    largest: Blast | None


def about_pair(history: History, a: str, b: str, is_known: KnownUser | None = None) -> PairAnswer:
    """Return why two known ids are one user, or why they are not and what would have to change."""
    model = history.model
    found = explain_pair(model, a, b)
    if not found.same_user:
        tried = changes_that_join(model, history.around, a, b, found, history.place)
        return PairAnswer((a, b), found, tried, (), _rejected_between(history, a, b))
    on_path = {link.decision.event_index for link in found.path}
    blasts = _blasts(history, a, is_known) if on_path else []
    on_way = tuple(blast for blast in blasts if blast.decision.event_index in on_path)
    return PairAnswer((a, b), found, Tried((), complete=True), on_way)


def about_id(history: History, text: str, is_known: KnownUser | None = None) -> ClusterAnswer:
    """Return the cluster of a known id."""
    members = tuple(explain_cluster(history.model, text))
    inside = {member.id for member in members}
    failed = tuple(
        Decision._make(row)
        for row in history.model.decisions.rows
        if row[2] in ("refused", "ignored") and not inside.isdisjoint(row[1])
    )
    largest = max(_blasts(history, text, is_known), key=lambda blast: blast.harm, default=None)
    return ClusterAnswer(text, history.model.resolve(text), members, failed, largest)


def pair_json(history: History, answer: PairAnswer) -> dict[str, Json]:
    """Return the document of `harness explain --json` for two ids."""
    found = answer.found
    return {
        "same_user": found.same_user,
        "path": [
            {"index": history.index_of(link.decision.event_index), "kind": link.decision.kind, "ids": list(link.ids)}
            for link in found.path
        ],
        "refused": [_failed_json(history, made) for made in found.refused],
        "ignored": [_failed_json(history, made) for made in found.ignored],
        "nearest": [history.index_of(made.event_index) for made in found.nearest],
        "one_sided": [_failed_json(history, made) for made in found.one_sided],
        "rejected": [_rejected_json(history, attempt) for attempt in answer.rejected],
        "changes": [_change_json(history, change) for change in answer.tried.changes],
        "all_changes_tried": answer.tried.complete,
        "blast": [_blast_json(history, blast) for blast in answer.blasts],
    }


def cluster_json(history: History, answer: ClusterAnswer) -> dict[str, Json]:
    """Return the document of `harness explain --json` for one id: its cluster, and since when each id is in it."""
    failed = [(made, _failed_json(history, made)) for made in answer.failed]
    return {
        "same_user": True,
        "path": [],
        "refused": [shown for made, shown in failed if made.outcome == "refused"],
        "ignored": [shown for made, shown in failed if made.outcome == "ignored"],
        "id": answer.id,
        "cluster": {
            "canonical": answer.canonical,
            "members": [_member_json(history, member) for member in answer.members],
        },
        "blast": None if answer.largest is None else _blast_json(history, answer.largest),
    }


def pair_text(history: History, answer: PairAnswer) -> str:
    """Return the same for people."""
    a, b = answer.ids
    links = _joined_links(history, answer) if answer.found.same_user else _failed_links(history, answer)
    lines = [f"{a} and {b} are {'one user' if answer.found.same_user else 'two users'}.", *links]
    lines += _behind_links(history, answer) if answer.found.same_user else _instead_of_links(history, answer)
    return "\n".join(map(_visible, lines))


def pair_sentences(history: History, answer: PairAnswer) -> tuple[str, ...]:
    """Return what there is to say beside the chain: rules, what would have to change, what was joined for good."""
    found = answer.found
    if found.same_user:
        lines = _behind_links(history, answer)
    else:
        failed = (*found.nearest, *found.refused, *found.ignored)
        lines = list(dict.fromkeys(f"Rule: {_rule(made)}" for made in failed[:_MOST_LISTED]))
        lines += [*_beside_links(history, answer), *_no_change(history, answer)]
        lines += [
            f"They would be one user {_change_text(history, one)}." for one in answer.tried.changes[:_MOST_LISTED]
        ]
    return tuple(_visible(line.strip()) for line in lines)


def cluster_text(history: History, answer: ClusterAnswer) -> str:
    """Return the same for people."""
    members = [member for member in answer.members if member.since is not None]
    lines = [f"{answer.id} is one user with {_ids(len(members) + 1)}; the canonical distinct_id is {answer.canonical}."]
    if not members:
        lines = [f"{answer.id} is alone."]
    elif history.model.id_merge == "original":
        lines[0] = f"{answer.id} is one user with {_ids(len(members) + 1)}; any of them may be the canonical one."
    for member in members[:_MOST_LISTED]:
        if member.since is not None:
            lines.append(f"  {member.id} since {history.event(member.since.event_index)}")
    if len(members) > _MOST_LISTED:
        lines.append(f"  ... and {len(members) - _MOST_LISTED:,} more; --json has them all")
    if answer.largest is not None:
        lines.append(f"Largest blast radius: {_blast_text(history, answer.largest)}")
    for made in answer.failed[:_MOST_LISTED]:
        lines.append(f"{_capital(_failed_text(history, made))}.")
    if len(answer.failed) > _MOST_LISTED:
        lines.append(f"... and {len(answer.failed) - _MOST_LISTED:,} more refused or ignored; --json has them all")
    return "\n".join(map(_visible, lines))


def _joined_links(history: History, answer: PairAnswer) -> list[str]:
    path = answer.found.path
    if not path:
        return ["  They are one id."]
    lines = []
    for link in path[:_MOST_LISTED]:
        left, right = link.ids
        did = f"joined {left} and {right}"
        if history.model.id_merge == "legacy":
            did = f"made {link.decision.ids[0]} an alias of {link.decision.ids[1]}"
        lines.append(f"  {_capital(history.event(link.decision.event_index))} {did}.")
    if len(path) > _MOST_LISTED:
        lines.append(f"  ... and {len(path) - _MOST_LISTED} more links; --json has them all")
    return lines


def _failed_links(history: History, answer: PairAnswer) -> list[str]:
    found = answer.found
    lines = []
    failed = list(dict.fromkeys((*found.nearest, *found.refused, *found.ignored)))
    if len(found.nearest) > 1:
        lines.append(f"  {len(found.nearest)} events in a row would have joined them:")
    elif not failed and not answer.rejected:
        lines.append("  Nothing ever connected them.")
    for made in failed[:_MOST_LISTED]:
        would = "" if len(found.nearest) > 1 and made in found.nearest else "; it would have joined them"
        lines += [f"  {_capital(_failed_text(history, made))}{would}.", f"    Rule: {_rule(made)}"]
    if len(failed) > _MOST_LISTED:
        lines.append(f"  ... and {len(failed) - _MOST_LISTED:,} more; --json has them all")
    return lines


def _behind_links(history: History, answer: PairAnswer) -> list[str]:
    path = answer.found.path
    lines = [f"  Rule: {text}" for text in dict.fromkeys(_rule(link.decision) for link in path)]
    if path and history.model.id_merge == "legacy":
        lines.append("  What arrived under an alias before that event stays another user.")
    largest = max(answer.blasts, key=lambda blast: blast.harm, default=None)
    return lines if largest is None else [*lines, f"  {_capital(_blast_text(history, largest))}"]


def _instead_of_links(history: History, answer: PairAnswer) -> list[str]:
    lines = _beside_links(history, answer)
    if answer.tried.changes:
        lines.append("They would be one user:")
    lines += [f"  {_change_text(history, change)}" for change in answer.tried.changes[:_MOST_LISTED]]
    return [*lines, *_no_change(history, answer)]


def _beside_links(history: History, answer: PairAnswer) -> list[str]:
    lines = [
        f"  {_capital(history.event(attempt.row))} names both, but was rejected: {attempt.error}."
        for attempt in answer.rejected[:_MOST_LISTED]
    ]
    one_sided = answer.found.one_sided[:_MOST_LISTED]
    return lines + [f"  {_capital(_failed_text(history, made))}; it names no second id." for made in one_sided]


def _no_change(history: History, answer: PairAnswer) -> list[str]:
    if not answer.tried.complete:
        return ["There are too many events around them to try every change."]
    if answer.tried.changes:
        return []
    a, b = answer.ids
    return [f"No change of these events that was tried makes them one user.{_never(history.model, a, b)}"]


def _never(model: IdentityModel, a: str, b: str) -> str:
    ends = model.resolve(a), model.resolve(b)
    if model.id_merge == "simplified" and not any(text.startswith(DEVICE_PREFIX) for text in ends):
        return f" {ends[0]} and {ends[1]} are both users, and users never merge in simplified."
    return ""


def _blasts(history: History, text: str, is_known: KnownUser | None) -> list[Blast]:
    inside = history.model.ids_of_one_user(text)
    uses = [use for use in history.uses() if use.id in inside]
    return blast_radius(joining_decisions(history.model, inside), uses, is_known)


def _rejected_between(history: History, a: str, b: str) -> tuple[Attempt, ...]:
    sides = [history.model.ids_of_one_user(text) for text in (a, b)]
    return tuple(
        attempt
        for attempt in history.rejected_attempts()
        if not any(side.isdisjoint(meant(history.model, text) for text in attempt.ids) for side in sides)
    )


def _rejected_json(history: History, attempt: Attempt) -> dict[str, Json]:
    index = history.index_of(attempt.row)
    return {"index": index, "kind": attempt.kind, "ids": list(attempt.ids), "error": attempt.error}


def _failed_json(history: History, made: Decision) -> dict[str, Json]:
    index = history.index_of(made.event_index)
    return {"index": index, "kind": made.kind, "ids": list(made.ids), "reason": made.reason, "rule": made.rule}


def _member_json(history: History, member: Joined) -> dict[str, Json]:
    since = member.since
    if since is None:
        return {"id": member.id, "index": None, "kind": None}
    return {"id": member.id, "index": history.index_of(since.event_index), "kind": since.kind}


def _change_json(history: History, change: Change) -> dict[str, Json]:
    return {
        "change": change.text,
        "kind": change.kind,
        "events": [history.index_of(row) for row in change.event_indexes],
        "ids": len(change.members),
        "also_joins": list(change.also),
        "leaves": list(change.lost),
    }


def _blast_json(history: History, blast: Blast) -> dict[str, Json]:
    return {
        "index": history.index_of(blast.decision.event_index),
        "kind": blast.decision.kind,
        "ids": blast.ids,
        "sides": [blast.larger, blast.smaller],
        "people": list(blast.people),
        "known_users": list(blast.known_users),
        "mixes": blast.mixes,
    }


def _blast_text(history: History, blast: Blast) -> str:
    counts = [
        f"{len(names)} {noun if len(names) == 1 else nouns} ({_few(names)})"
        for names, noun, nouns in ((blast.people, "person", "people"), (blast.known_users, "known user", "known users"))
        if names
    ]
    what = " and ".join([*counts, _ids(blast.ids)])
    end = "an alias is never taken back" if history.model.id_merge == "legacy" else "that can't be undone"
    return f"{history.event(blast.decision.event_index)} joined {what}, and {end}."


def _change_text(history: History, change: Change) -> str:
    more = ""
    if change.also:
        more += f", {len(change.also)} of them of other users ({_few(change.also)})"
    if change.lost:
        more += f"; {_few(change.lost)} would not belong to it any more"
    return f"{change.text} ({_ids(len(change.members))} would be one user{more})"


def _failed_text(history: History, made: Decision) -> str:
    reason = f" ({made.reason})" if made.reason else ""
    ids = " and ".join(dict.fromkeys(text for text in made.ids if text)) or "no id"
    return f"{history.event(made.event_index)} named {ids}, but was {made.outcome}{reason}"


def _rule(made: Decision) -> str:
    rule = RULES[made.rule]
    return f"{rule.text} ({rule.evidence}: {rule.source})"


def _ids(count: int) -> str:
    return f"{count:,} id" if count == 1 else f"{count:,} ids"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _visible(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
