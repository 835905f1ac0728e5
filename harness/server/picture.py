"""The clusters that the page draws: the latest ones, or those that a search finds, with the links that made them.

A server may hold a million ids and a page shows a few dozen, so every session has an index that grows with its events,
and only the clusters that are drawn are looked at closely.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Json
from harness.identity.looks import looks_anonymous
from harness.identity.model import Decision, IdentityModel
from harness.identity.rules import RULES
from harness.ingestion.project import MixpanelProject
from harness.server.sessions import Session

Order: TypeAlias = Literal["latest", "largest", "refused"]
ORDERS: Final[tuple[Order, ...]] = ("latest", "largest", "refused")

MOST_IDS: Final = 12
"""The most ids of one cluster that are drawn."""

MOST_TOGETHER: Final = 6
"""The most clusters that are drawn together, because a refused link runs between them."""

_MOST_FAILED: Final = 8
_STEP: Final = 50_000
"""The most events that are read into the index for one picture; the next one goes on from there."""


@dataclass(slots=True)
class _Attempt:
    """How often the same two ids were named together to the same outcome, and by which event last."""

    decision: Decision
    times: int = 1


@dataclass(slots=True)
class _Index:
    """What is known of every id so far.

    Attributes:
        events: how many events were read.
        decisions: how many decisions were read.
        last: the newest event of each id, the id that was heard of last at the end.
        first: the oldest event of each id.
        stored: how many events that are no identity events are stored under each id.
        attempts: for each id the decisions that name it, told apart by their other ids and their outcome.
        unknown: ids that were only named, by an event that had no effect; the model does not have them.
    """

    events: int = 0
    decisions: int = 0
    last: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, dict[Hashable, _Attempt]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def read(self, project: MixpanelProject) -> int:
        """Read what arrived since; return how many events are left for the next time."""
        fresh = project.events[self.events : self.events + _STEP]
        for stored in fresh:
            arrival = stored.arrival
            self._touch(arrival.received, stored.event_index, project.model)
            self._touch(arrival.stored, stored.event_index, project.model)
            if stored.event.name not in IDENTITY_EVENTS:
                self.stored[arrival.stored] = self.stored.get(arrival.stored, 0) + 1
        self.events += len(fresh)
        behind = len(project.events) - self.events
        end = self.decisions + _STEP if behind else len(project.model.decisions)
        made = project.model.decisions[self.decisions : end]
        for decision in made:
            self._attempt(decision, project.model)
        self.decisions += len(made)
        return behind

    def _touch(self, text: str, at: int, model: IdentityModel) -> None:
        text = model.spelling(text)
        if not text:
            return
        if text not in self.last or text in self.unknown:
            (self.unknown.discard if model.knows(text) else self.unknown.add)(text)
        self.last.pop(text, None)
        self.last[text] = at
        self.first.setdefault(text, at)

    def _attempt(self, decision: Decision, model: IdentityModel) -> None:
        key = (decision.kind, decision.ids, decision.outcome, decision.reason)
        for text in dict.fromkeys(decision.ids):
            if not text:
                continue
            self._touch(text, max(decision.event_index, self.last.get(text, 0)), model)
            known = self.attempts.setdefault(text, {})
            before = known.get(key)
            known[key] = _Attempt(decision, 1 if before is None else before.times + 1)


_indexes: WeakKeyDictionary[MixpanelProject, _Index] = WeakKeyDictionary()


def picture(session: Session, *, search: str = "", order: Order = "latest", limit: int = 24) -> Json:
    """Return the clusters to draw, in groups that refused links hold together.

    Args:
        session: the session.
        search: a part of an id, in any case; "" for all.
        order: which clusters come first: those with the latest events, with the most ids, or with refused links.
        limit: how many clusters at most; those that come along with a refused link are not counted.
    """
    project = session.project
    index = _indexes.setdefault(project, _Index())
    behind = index.read(project)
    clusters = _Clusters(project, index)
    found = clusters.matching(search)
    chosen = clusters.first_of(found, order, max(1, limit))
    groups = clusters.groups(chosen, search)
    return {
        "id_merge": session.plan.id_merge,
        "resets": session.resets,
        "behind": behind,
        "ids": len(index.last) - len(index.unknown),
        "clusters": len(clusters.ids) - len(index.unknown),
        "users": clusters.users(),
        "found": len(found),
        "shown": len(chosen),
        "groups": groups,
    }


class _Clusters:
    """All ids of a project by what they have in common right now."""

    def __init__(self, project: MixpanelProject, index: _Index) -> None:
        self._project = project
        self._index = index
        self.ids: dict[Hashable, list[str]] = {}
        self._key = self._legacy_key if project.id_merge == "legacy" else project.model.cluster_key
        for text in index.last:
            self.ids.setdefault(self._key(text), []).append(text)

    def _legacy_key(self, text: str) -> Hashable:
        """Return the id itself; an alias that never had events of its own belongs to its target."""
        return self._project.model.members(text)[0]

    def users(self) -> int:
        """Return how many clusters have an event that is no identity event."""
        return len({self._key(text) for text in self._index.stored if text})

    def matching(self, search: str) -> list[Hashable]:
        """Return the clusters with an id that a search finds, the one that was heard of last at the end."""
        if not search:
            return list(dict.fromkeys(self._key(text) for text in reversed(self._index.last)))[::-1]
        wanted = search.casefold()
        exact = self._key(search) if search in self._index.last else None
        found = dict.fromkeys(self._key(text) for text in self._index.last if wanted in text.casefold())
        if exact is not None:
            found.pop(exact)
            found[exact] = None
        return list(found)

    def first_of(self, found: Sequence[Hashable], order: Order, limit: int) -> list[Hashable]:
        """Return the first clusters by an order, the one that was heard of first at the end."""
        latest = list(reversed(found))
        if order == "largest":
            latest.sort(key=lambda key: -len(self.ids[key]))
        elif order == "refused":
            latest.sort(key=lambda key: -sum(1 for _ in self._failed(key)))
        return latest[:limit]

    def groups(self, chosen: Iterable[Hashable], search: str) -> list[Json]:
        """Return the clusters in groups, each with what runs between its clusters."""
        done: set[Hashable] = set()
        groups = []
        for key in chosen:
            if key not in done:
                together = self._together(key, done)
                done.update(together)
                groups.append(self._group(together, search))
        return groups

    def _together(self, key: Hashable, done: set[Hashable]) -> list[Hashable]:
        found = {key: None}
        waiting = deque([key])
        while waiting and len(found) < MOST_TOGETHER:
            for attempt in self._failed(waiting.popleft()):
                for other in map(self._key, filter(None, attempt.decision.ids)):
                    if other not in found and other not in done and len(found) < MOST_TOGETHER:
                        found[other] = None
                        waiting.append(other)
        return sorted(found, key=lambda each: min(self._index.first[text] for text in self.ids[each]))

    def _failed(self, key: Hashable) -> Iterable[_Attempt]:
        """Yield what runs from a cluster to others: refused and ignored links, in legacy aliases too."""
        ignored: list[tuple[frozenset[Hashable], _Attempt]] = []
        decided: set[frozenset[Hashable]] = set()
        for text in self.ids[key]:
            for attempt in self._index.attempts.get(text, {}).values():
                ends = frozenset(self._key(each) for each in attempt.decision.ids if each)
                if attempt.decision.outcome == "already" or len(ends) < 2:
                    continue
                if attempt.decision.outcome == "ignored":
                    ignored.append((ends, attempt))
                else:
                    decided.add(ends)
                    yield attempt
        # Where a link was refused, an identity event between the same two has nothing to add.
        yield from (attempt for ends, attempt in ignored if ends not in decided)

    def _group(self, together: Sequence[Hashable], search: str) -> Json:
        inside = set(together)
        across: dict[Hashable, _Attempt] = {}
        hidden: set[Hashable] = set()
        for key in together:
            for attempt in self._failed(key):
                decision = attempt.decision
                name = (decision.kind, decision.ids, decision.outcome, decision.reason)
                reaches = all(self._key(each) in inside for each in decision.ids if each)
                if reaches and (name in across or len(across) < _MOST_FAILED):
                    across[name] = attempt
                else:
                    hidden.add(name)
        ends = {text for attempt in across.values() for text in attempt.decision.ids}
        return {
            "clusters": [self._cluster(key, ends, search) for key in together],
            "across": [_link(attempt) for attempt in across.values()],
            "hidden": len(hidden),
        }

    def _cluster(self, key: Hashable, ends: set[str], search: str) -> Json:
        index, model = self._index, self._project.model
        ids = self.ids[key]
        canonical = model.resolve(ids[0]) if self._project.id_merge != "legacy" else str(key)
        wanted = search.casefold()
        ranked = sorted(
            ids,
            key=lambda text: (
                text != canonical,
                not wanted or wanted not in text.casefold(),
                text not in ends,
                looks_anonymous(text),
                -index.last[text],
            ),
        )
        drawn = ranked[: MOST_IDS if len(ids) <= MOST_IDS else MOST_IDS - 1]
        shown = set(drawn)
        links = {
            name: attempt
            for text in drawn
            for name, attempt in index.attempts.get(text, {}).items()
            if attempt.decision.outcome == "merged" and shown.issuperset(attempt.decision.ids)
        }
        return {
            "canonical": canonical,
            "ids": [{"id": text, "kind": _kind(text)} for text in drawn],
            "hidden": len(ids) - len(drawn),
            "events": sum(index.stored.get(text, 0) for text in ids),
            "first": min(index.first[text] for text in ids),
            "last": max(index.last[text] for text in ids),
            "links": [_link(attempt) for attempt in links.values()],
        }


def _kind(text: str) -> Literal["device", "anonymous", "user"]:
    """Return what an id looks like; nothing is decided by it but how it is drawn."""
    if text.startswith(DEVICE_PREFIX):
        return "device"
    return "anonymous" if looks_anonymous(text) else "user"


def _link(attempt: _Attempt) -> Json:
    decision = attempt.decision
    return {
        "ids": [text for text in decision.ids if text],
        "kind": decision.kind,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "description": decision.description,
        "why": RULES[decision.rule].text,
        "index": decision.event_index,
        "times": attempt.times,
    }
