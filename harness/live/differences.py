"""Turns users that don't match into pairs of ids, each with the decision and the rule behind it.

A user that came out as three is told by two pairs, not by every two of its ids. Where a decision of the model is about
both sides, the pair is the ids of that decision, so that it names the event and the rule that reality contradicts.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from harness.event import DEVICE_PREFIX
from harness.identity.model import KIND_OF_EVENT, Decision
from harness.live.matching import Found
from harness.live.prediction import Prediction

Relation: TypeAlias = Literal["joined", "separate"]

Groups: TypeAlias = Mapping[Hashable, Mapping[Hashable, Sequence[int]]]
"""Users of one side, each with its parts: the users of the other side, with the indexes of their events."""


class Difference(NamedTuple):
    """Two ids of which model and reality say different things.

    Attributes:
        ids: the two ids.
        predicted: what the model says: they are one user (joined) or two (separate).
        actual: what the export says.
        decision: the decision of the model that reality contradicts; None where no event is about the two.
        event_index: the sent event that made the decision; None likewise.
        rule: the rule by which the model decided, None where it had nothing to decide.
        reason: why Mixpanel refused that event, from its own row; "" where the row tells nothing.
        examples: a sent event of each of the two, by its index.
    """

    ids: tuple[str, str]
    predicted: Relation
    actual: Relation
    decision: Decision | None
    event_index: int | None
    rule: str | None
    reason: str
    examples: tuple[int, int]


class Joined:
    """Things that are one, by what was said of two at a time."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def find(self, thing: Hashable) -> Hashable:
        """Return what stands for all that are one with a thing."""
        parent = self._parent
        root: Hashable = parent.setdefault(thing, thing)
        while (above := parent[root]) != root:
            parent[root] = root = parent[above]
        return root

    def join(self, one: Hashable, other: Hashable) -> bool:
        """Make two things one; return whether they were two."""
        a, b = self.find(one), self.find(other)
        if a == b:
            return False
        self._parent[b] = a
        return True


def torn_pairs(prediction: Prediction, found: Found, groups: Groups) -> Iterator[Difference]:
    """Yield the pairs that are one user by the model and two by the export.

    Args:
        prediction: what the model says.
        found: what the export says, for Mixpanel's own reasons.
        groups: the users of the model, with their parts by the export.
    """
    torn = {label: parts for label, parts in groups.items() if len(parts) > 1}
    if not torn:
        return
    model = prediction.project.model
    decisions: dict[Hashable, list[Decision]] = {label: [] for label in torn}
    for decision in model.decisions:
        if decision.outcome in ("merged", "already") and len(decision.ids) == 2:
            of_user = decisions.get(model.resolve(decision.ids[1]))
            if of_user is not None:
                of_user.append(decision)
    pairs = _Pairs(prediction, found, "joined")
    for label, parts in torn.items():
        pairs.begin(parts)
        yield from _torn(pairs, parts, decisions[label])


def merged_pairs(prediction: Prediction, found: Found, groups: Groups) -> Iterator[Difference]:
    """Yield the pairs that are two users by the model and one by the export; for the arguments see `torn_pairs`.

    Args:
        prediction: what the model says.
        found: what the export says.
        groups: the users of the export, with their parts by the model.
    """
    merged = {user: parts for user, parts in groups.items() if len(parts) > 1}
    if not merged:
        return
    model = prediction.project.model
    user_of = {label: user for user, parts in merged.items() for label in parts}
    decisions: dict[Hashable, list[tuple[Decision, Hashable, Hashable]]] = {user: [] for user in merged}
    for decision in _failed(prediction):
        if len(decision.ids) == 2:
            one, other = map(model.resolve, decision.ids)
            if one != other and one in user_of and user_of[one] == user_of.get(other):
                decisions[user_of[one]].append((decision, one, other))
    pairs = _Pairs(prediction, found, "separate")
    for user, parts in merged.items():
        pairs.begin(parts)
        for decision, part, other_part in decisions[user]:
            yield from pairs.across(part, other_part, decision.ids, decision)
        yield from pairs.rest(parts)


def _torn(
    pairs: _Pairs, parts: Mapping[Hashable, Sequence[int]], decisions: Iterable[Decision]
) -> Iterator[Difference]:
    """Yield pairs along the decisions that joined a user, in their order: where two parts meet for the first time."""
    names = pairs.names(parts)
    part_of = {text: part for part in reversed(list(names)) for text in names[part]}
    ids = Joined()
    # One part for all ids that are joined so far: the others have been told beside it already.
    reached: dict[Hashable, tuple[Hashable, str]] = {}
    for decision in decisions:
        one, other = map(pairs.prediction.project.model.spelling, decision.ids)
        sides = [(part_of[text], text) if text in part_of else reached.get(ids.find(text)) for text in (one, other)]
        here, there = sides
        if here is not None and there is not None:
            yield from pairs.across(here[0], there[0], (here[1], there[1]), decision)
        ids.join(one, other)
        side = here or there
        if side is not None:
            reached[ids.find(one)] = side
    yield from pairs.rest(parts)


def _failed(prediction: Prediction) -> Iterator[Decision]:
    """Yield the decisions that joined nothing, and the identity events that were not even stored."""
    for decision in prediction.project.model.decisions:
        if decision.outcome in ("refused", "ignored"):
            yield decision
    rule = "simplified.verb" if prediction.id_merge == "simplified" else ""
    for sent, predicted, place in zip(prediction.sent, prediction.events, prediction.places, strict=True):
        if sent.is_identity and not predicted.is_stored:
            yield Decision(KIND_OF_EVENT[sent.event], sent.named, "ignored", None, rule, place)


class _Pairs:
    """Makes the pairs of one kind of difference, never two for the same two parts."""

    def __init__(self, prediction: Prediction, found: Found, predicted: Relation) -> None:
        self.prediction = prediction
        self._found = found
        self._predicted: Relation = predicted
        self._told = Joined()
        self._parts: Mapping[Hashable, Sequence[int]] = {}
        self._index_of = prediction.index_of()

    def begin(self, parts: Mapping[Hashable, Sequence[int]]) -> None:
        """Begin with another user."""
        self._told = Joined()
        self._parts = parts

    def names(self, parts: Mapping[Hashable, Sequence[int]]) -> dict[Hashable, dict[str, None]]:
        """Return the ids of each part: what its events carried or implied."""
        events = self.prediction.events
        return {part: dict.fromkeys(events[index].received for index in parts[part]) for part in parts}

    def across(
        self, part: Hashable, other_part: Hashable, ids: Sequence[str], decision: Decision | None
    ) -> Iterator[Difference]:
        """Yield the pair of two parts, if nothing has connected them so far."""
        if part == other_part or not self._told.join(part, other_part):
            return
        index = None if decision is None else self._index_of[decision.event_index]
        rows = () if index is None else self._found.shown.get(index, ())
        reason = next((row.reason for row in rows if row.reason), "")
        actual: Relation = "separate" if self._predicted == "joined" else "joined"
        rule = self._rule_of_twins(ids) if decision is None else decision.rule or None
        examples = (self._parts[part][0], self._parts[other_part][0])
        yield Difference((ids[0], ids[1]), self._predicted, actual, decision, index, rule, reason, examples)

    def rest(self, parts: Mapping[Hashable, Sequence[int]]) -> Iterator[Difference]:
        """Yield pairs for the parts that no decision connected."""
        first, *others = parts
        names = self.names(parts)
        for part in others:
            ids = (next(iter(names[first])), next(iter(names[part])))
            if ids[0] == ids[1]:
                # Events of one id under two users: these go by the names they are shown under.
                ids = (_text(first), _text(part))
            yield from self.across(first, part, ids, None)

    def _rule_of_twins(self, ids: Sequence[str]) -> str | None:
        """Return the rule that keeps two users apart whose ids differ by `$device:` alone; None for others."""
        model = self.prediction.project.model
        if model.id_merge != "original" or ids[0] == ids[1]:
            return None
        one, other = ({text.removeprefix(DEVICE_PREFIX) for text in model.members(text)} for text in ids)
        return None if one.isdisjoint(other) else "original.device_prefix"


def _text(user: Hashable) -> str:
    return user if isinstance(user, str) else ""
