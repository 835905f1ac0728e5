"""What would have to change for two ids to be one user: changes of the stream, each tried on a fresh model.

Nothing is guessed: a change is told only when the stream, changed in that way and replayed, makes the two ids one user.
What to try comes from `harness.identity.remedies`.

Only the events around the two ids are replayed, and that is exact. The replay begins with the ids of the clusters in
question. Where an event would now join one of them with an id outside, that id's cluster is taken in and the replay is
done again; where it was refused for a reason that lies outside alone, it still is, and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Final, NamedTuple, TypeAlias

from harness.identity.explain import PairExplanation, meant
from harness.identity.model import Decision, IdentityModel, build
from harness.identity.remedies import Edit, Remedies, Sent, additions, remedies

MOST_TRIES: Final = 60
MOST_REPLAYED: Final = 300_000
"""Events replayed over all tries of one question; the next try is not begun past it."""
_MOST_SINGLE: Final = 12
_LONGEST_WAY: Final = 8
_MOST_TOGETHER: Final = 12
_MOST_EXPANSIONS: Final = 4
_DECIDED_OUTSIDE: Final = frozenset({"errAnonDistinctIdAssignedAlready", "errAliasAlreadyExists"})

MOST_AROUND: Final = 50_000
"""Most events around two ids for changes to be tried at all."""

EventsAround: TypeAlias = Callable[[frozenset[str], int], Sequence[Sent] | None]
"""Gives every event that carried or named any of some ids, in order of arrival; None where there are more than that."""


class Change(NamedTuple):
    """A change that makes two ids one user.

    Attributes:
        kind: what is done, for example `uuid_everywhere`; see `Edit`. Several joined by "+" are done together.
        text: the change for people, beginning with "had".
        event_indexes: the events it changes; empty where it adds some, or changes a setting.
        members: the ids that would be one user then, sorted.
        also: those of them that are of neither id's user today.
        lost: ids of either user of today that would not be of this one.
    """

    kind: str
    text: str
    event_indexes: tuple[int, ...]
    members: tuple[str, ...]
    also: tuple[str, ...]
    lost: tuple[str, ...]


class Tried(NamedTuple):
    """The changes that join, and whether all there was to try has been tried."""

    changes: tuple[Change, ...]
    complete: bool


def changes_that_join(
    model: IdentityModel,
    around: EventsAround,
    a: str,
    b: str,
    found: PairExplanation,
    shown: Callable[[int], str] = str,
) -> Tried:
    """Return changes that would have made two ids one user: of one event first, then of several, then further events.

    Args:
        model: the model after the stream; it is only read.
        around: gives the events around some ids.
        a: an id.
        b: another id, not one user with the first.
        found: why they are two.
        shown: turns the index of an event into the number people know it by, as text.
    """
    replay = _Replay(model, around, (model.spelling(a), model.spelling(b)), found)
    if replay.events is None:
        return Tried((), complete=False)
    known = Remedies(model, replay.events, replay.pair, shown)
    changes: dict[str, Change] = {}
    for number, edits in enumerate(_attempts(known, found)):
        if number >= MOST_TRIES or replay.replayed > MOST_REPLAYED:
            return Tried(tuple(changes.values()), complete=False)
        change = replay.attempt(edits)
        if change is not None:
            changes.setdefault(change.text, change)
    return Tried(tuple(changes.values()), complete=True)


def _attempts(known: Remedies, found: PairExplanation) -> Iterator[tuple[Edit, ...]]:
    single = [edit for made in _worth_trying(found) for edit in remedies(known, made)]
    yield from ((edit,) for edit in single)
    if 1 < len(found.nearest) <= _LONGEST_WAY:
        for_each = [list(remedies(known, made))[:2] for made in found.nearest]
        yield from islice(map(_without_repeats, product(*for_each)), _MOST_TOGETHER)
    yield from ((edit,) for edit in additions(known))


def _worth_trying(found: PairExplanation) -> list[Decision]:
    """Return one failed decision of each sort; those on the shortest way first."""
    sorts: dict[tuple[object, ...], Decision] = {}
    for made in (*found.nearest, *found.refused, *found.ignored, *found.one_sided):
        sorts.setdefault((made.kind, made.ids, made.outcome, made.reason), made)
        if len(sorts) >= _MOST_SINGLE:
            break
    return list(sorts.values())


def _without_repeats(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    return tuple({edit.text: edit for edit in edits}.values())


class _Replay:
    """The stream around two ids, replayed with changes."""

    def __init__(
        self, model: IdentityModel, around: EventsAround, pair: tuple[str, str], found: PairExplanation
    ) -> None:
        self.model = model
        self.pair = pair
        self.replayed = 0
        self._around = around
        self._streams: dict[frozenset[str], Sequence[Sent] | None] = {}
        self._today = model.ids_of_one_user(pair[0]) | model.ids_of_one_user(pair[1])
        named = {meant(model, text) for made in found.nearest for text in made.ids}
        self._inside = self._today.union(*(model.ids_of_one_user(text) for text in named))
        self.events = self._events(self._inside)

    def attempt(self, edits: tuple[Edit, ...]) -> Change | None:
        """Return what a change does, or None where it does not make the two ids one user."""
        inside = self._inside
        for _ in range(_MOST_EXPANSIONS):
            stream = self._events(inside)
            if stream is None:
                return None
            fresh, renamed = self._replayed(stream, inside, edits)
            outside = self._reached(fresh, inside)
            if not outside:
                return self._change(fresh, edits, renamed)
            inside = inside.union(*(self.model.ids_of_one_user(text) for text in outside))
        return None

    def _events(self, inside: frozenset[str]) -> Sequence[Sent] | None:
        if inside not in self._streams:
            self._streams[inside] = self._around(inside, MOST_AROUND)
        return self._streams[inside]

    def _replayed(
        self, events: Sequence[Sent], inside: frozenset[str], edits: tuple[Edit, ...]
    ) -> tuple[IdentityModel, dict[str, str]]:
        # An id that is renamed wherever it was sent changes what is alike alike.
        edited = {at for edit in edits if not edit.renamed for at in edit.event_indexes}
        stream = [sent for sent in _distinct(events, edited) if self._counts(sent, inside, edited)]
        settings = self.model.settings
        renamed: dict[str, str] = {}
        for edit in edits:
            stream = edit.apply(stream)
            renamed.update(edit.renamed)
            if edit.cluster_limit is not None:
                settings = replace(settings, cluster_limit=max(edit.cluster_limit, settings.max_cluster_ids))
        fresh = build(self.model.id_merge, settings)
        for sent in stream:
            fresh.add(sent.event, index=sent.at, endpoint=sent.endpoint, arrival_ms=sent.arrival_ms)
        self.replayed += len(stream)
        return fresh, renamed

    def _counts(self, sent: Sent, inside: frozenset[str], edited: set[int]) -> bool:
        made = sent.decision
        if made is None or sent.at in edited or made.reason not in _DECIDED_OUTSIDE:
            return True
        return meant(self.model, made.ids[0]) in inside

    def _reached(self, fresh: IdentityModel, inside: frozenset[str]) -> set[str]:
        return {
            text
            for row in fresh.decisions.rows
            if row[2] == "merged"
            for text in row[1]
            if text not in inside and self.model.knows(text)
        }

    def _change(self, fresh: IdentityModel, edits: tuple[Edit, ...], renamed: dict[str, str]) -> Change | None:
        a, b = (renamed.get(text, text) for text in self.pair)
        if not (fresh.knows(a) and fresh.knows(b)) or fresh.resolve(a) != fresh.resolve(b):
            return None
        members = fresh.ids_of_one_user(a)
        kept = {renamed.get(text, text) for text in self._today}
        return Change(
            kind="+".join(edit.kind for edit in edits),
            text=" and ".join(["had " + edits[0].text, *(edit.text for edit in edits[1:])]),
            event_indexes=tuple(sorted({at for edit in edits for at in edit.event_indexes})),
            members=tuple(sorted(members)),
            also=tuple(sorted(members - kept)),
            lost=tuple(sorted(kept - members)),
        )


def _distinct(stream: Sequence[Sent], edited: set[int]) -> Iterator[Sent]:
    """Leave out what is said a third time.

    An assertion that was made before has no effect, whatever its outcome was: what refuses it once refuses it for good.
    The second one stays, since it takes the place of the first where that is changed.
    """
    times: Counter[tuple[object, ...]] = Counter()
    for sent in stream:
        made = sent.decision
        key = (sent.event.name, sent.endpoint, made.ids) if made else (sent.received,)
        times[key] += 1
        if times[key] <= 2 or sent.at in edited:
            yield sent
