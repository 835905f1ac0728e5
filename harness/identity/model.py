"""The identity model: events go in one by one, decisions come out, and every id has a canonical distinct_id.

Order of arrival decides, never event time. Merges can't be undone. The model shows the settled state; a real project
may lag behind by up to 24 hours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias, overload

from harness.event import Endpoint, Event, IdMerge
from harness.identity.rules import RULES, Evidence
from harness.identity.settings import IdentitySettings

Kind: TypeAlias = Literal["identify", "alias", "merge", "link"]
Outcome: TypeAlias = Literal["merged", "already", "refused", "ignored"]

KIND_OF_EVENT: dict[str, Kind] = {"$identify": "identify", "$create_alias": "alias", "$merge": "merge"}


class Decision(NamedTuple):
    """What the model made of one event that asserts something about identity.

    Attributes:
        kind: what the event asserts.
        ids: the ids it names, the anonymous or newer one first: (anonymous, identified), (alias, distinct_id),
            ($device:<id>, user id) or the ids of a merge.
        outcome: merged, already (nothing to do), refused, or ignored (the system has no such event).
        reason: Mixpanel's `$failure_reason`, or None where it has none.
        rule: the name of the rule that decided, a key of `RULES`.
        event_index: the index of the event in its stream.
        description: Mixpanel's `$failure_description`, "" where it has none.
    """

    kind: Kind
    ids: tuple[str, ...]
    outcome: Outcome
    reason: str | None
    rule: str
    event_index: int
    description: str = ""

    @property
    def evidence(self) -> Evidence:
        """What the rule rests on: docs, observed or inferred."""
        return RULES[self.rule].evidence


DecisionRow: TypeAlias = tuple[Kind, tuple[str, ...], Outcome, str | None, str, int, str]
"""The fields of a `Decision` as a plain tuple."""


class Caution(NamedTuple):
    """Something that works in the model but is likely to hurt: a warning, never a decision.

    Attributes:
        rule: the name of the rule behind it, a key of `RULES`.
        event_index: the index of the event in its stream.
        ids: the ids it is about.
        message: the warning for people.
    """

    rule: str
    event_index: int
    ids: tuple[str, ...]
    message: str


class Arrival(NamedTuple):
    """Where one event went when it arrived.

    Attributes:
        received: the distinct_id the event carried or implied; "" for none.
        stored: the id it was stored under; differs from `received` only in legacy, behind an alias. `settled`
            turns it into the canonical distinct_id of today.
        decision: what the event decided about identity; None when it asserts nothing.
    """

    received: str
    stored: str
    decision: Decision | None


class Cluster(NamedTuple):
    """One identity cluster: its canonical distinct_id and all its ids, sorted."""

    canonical: str
    ids: tuple[str, ...]


class DecisionLog(Sequence[Decision]):
    """Every decision so far, in order of arrival; a view that makes each `Decision` when it is asked for.

    Kept as plain tuples of texts, which the garbage collector leaves alone: a million of them cost it nothing.
    """

    def __init__(self) -> None:
        self._rows: list[DecisionRow] = []

    def record(self, row: DecisionRow) -> None:
        """Keep one more decision, its fields in the order of `Decision`."""
        self._rows.append(row)

    def keep(self, decision: Decision) -> None:
        """Keep one more decision."""
        self._rows.append((*decision,))

    @property
    def rows(self) -> Sequence[DecisionRow]:
        """The decisions as they are kept, for whoever has to look through a million of them; to be read only."""
        return self._rows

    @overload
    def __getitem__(self, at: int) -> Decision: ...
    @overload
    def __getitem__(self, at: slice) -> list[Decision]: ...
    def __getitem__(self, at: int | slice) -> Decision | list[Decision]:
        if isinstance(at, slice):
            return [Decision._make(row) for row in self._rows[at]]
        return Decision._make(self._rows[at])

    def __iter__(self) -> Iterator[Decision]:
        return map(Decision._make, self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class IdentityModel(ABC):
    """The identity clusters of one project under one ID-merge system.

    Args:
        settings: the reading of the rules to follow.

    Attributes:
        decisions: every decision so far, in order of arrival.
        cautions: every warning so far.
    """

    id_merge: IdMerge

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        self.settings = settings or IdentitySettings()
        self.decisions = DecisionLog()
        self.cautions: list[Caution] = []
        self._count = 0

    @abstractmethod
    def add(
        self, event: Event, *, index: int | None = None, endpoint: Endpoint = "import", arrival_ms: int = 0
    ) -> Arrival:
        """Take one event; an event costs amortised near-constant time.

        Args:
            event: the event, accepted by ingestion.
            index: its index in the stream, for decisions to cite; None: the number of events before it.
            endpoint: the route it came by; original takes `$merge` by `import` only.
            arrival_ms: when it arrived, milliseconds since 1970; only legacy with a delayed alias reads it.
        """

    @abstractmethod
    def settled(self, stored: str) -> str:
        """Return today's canonical distinct_id of an event that was stored under an id; "" stays ""."""

    @abstractmethod
    def resolve(self, distinct_id: str) -> str:
        """Return the canonical distinct_id that an event sent with this id would get now."""

    @abstractmethod
    def knows(self, distinct_id: str) -> bool:
        """Return whether any event so far carried or named this id."""

    @abstractmethod
    def members(self, distinct_id: str) -> tuple[str, ...]:
        """Return all ids of the cluster of an id, sorted; an unknown id is alone."""

    @abstractmethod
    def clusters(self) -> list[Cluster]:
        """Return every cluster, singletons too, ids sorted and clusters sorted by their ids."""

    def cluster_key(self, distinct_id: str) -> Hashable:
        """Return what ids of one user have in common right now; cheaper than `resolve`, and no id for people."""
        return self.resolve(distinct_id)

    def ids_of_one_user(self, distinct_id: str) -> frozenset[str]:
        """Return all ids that are one user with an id; in legacy those whose next event would go where its own goes."""
        return frozenset((*self.members(distinct_id), self.spelling(distinct_id)))

    def spelling(self, distinct_id: str) -> str:
        """Return an id as decisions and clusters spell it; only original may keep `$device:X` as X."""
        return distinct_id

    def _next_index(self, index: int | None) -> int:
        position = self._count
        self._count = position + 1
        return position if index is None else index


def build(id_merge: IdMerge, settings: IdentitySettings | None = None) -> IdentityModel:
    """Return a fresh model of an ID-merge system.

    Args:
        id_merge: simplified, original or legacy.
        settings: the reading of the rules; None: the defaults.
    """
    from harness.identity.legacy import LegacyModel
    from harness.identity.original import OriginalModel
    from harness.identity.simplified import SimplifiedModel

    models: dict[IdMerge, type[IdentityModel]] = {
        "simplified": SimplifiedModel,
        "original": OriginalModel,
        "legacy": LegacyModel,
    }
    return models[id_merge](settings)
