"""What a replay is, whatever the system: batches go in, decisions come out, and who is who can be asked at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.event import IdMerge
from harness.history.attempts import attempted_in_vain
from harness.history.dictionary import Dictionary
from harness.history.door import Admitted
from harness.history.records import DecisionColumns, EventBatch, ResolvedIds
from harness.identity.settings import IdentitySettings


class Taken(NamedTuple):
    """What became of a batch.

    Attributes:
        stored: uint32; what each event is stored under, `EMPTY` for nobody; 0 for an event that is not stored.
        received: uint32; what it carried or implied.
        decisions: the decisions about it.
        vain: uint32, two a row: pairs of ids that identity events named which were not even stored.
    """

    stored: NDArray[np.uint32]
    received: NDArray[np.uint32]
    decisions: DecisionColumns
    vain: NDArray[np.uint32]


class Came(NamedTuple):
    """How the events of a batch came: which by /track, and when each arrived, in milliseconds since 1970."""

    by_track: NDArray[np.bool_]
    arrival_ms: NDArray[np.int64]


class Replay(ABC):
    """The identity of one history under one system.

    Args:
        ids: the dictionary of its ids.
        settings: the reading of the rules.

    Attributes:
        tries: uint8, an entry a code: the marks of `harness.history.attempts`.
    """

    id_merge: IdMerge

    def __init__(self, ids: Dictionary, settings: IdentitySettings | None = None) -> None:
        self.ids = ids
        self.settings = settings or IdentitySettings()
        self.tries = np.zeros(0, np.uint8)
        self._room = 0

    def take(
        self,
        batch: EventBatch,
        admitted: Admitted,
        *,
        by_track: NDArray[np.bool_] | None = None,
        arrival_ms: NDArray[np.int64] | None = None,
    ) -> Taken:
        """Let the model decide on every stored event of a batch.

        Args:
            batch: the events.
            admitted: what the door made of them.
            by_track: which of them came by /track; None: none.
            arrival_ms: when each arrived, milliseconds since 1970; None: all at the same time. Only legacy with a
                delayed alias reads it.
        """
        self._grow()
        size = batch.size
        stored, received = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
        most = self._most_decisions(batch)
        place, outcome, rule = np.empty(most, np.int64), np.empty(most, np.uint8), np.empty(most, np.uint8)
        came = Came(
            np.zeros(size, np.bool_) if by_track is None else by_track,
            np.zeros(size, np.int64) if arrival_ms is None else arrival_ms,
        )
        out = (stored, received, place, outcome, rule)
        count = self._decide(batch, admitted, came, out)
        vain = np.empty((int(np.count_nonzero(batch.kind)), 2), np.uint32)
        pairs = 0
        if len(vain) and admitted.status.any():
            pairs = attempted_in_vain(
                admitted.status,
                batch.kind,
                batch.distinct_id,
                batch.identified_id,
                batch.anonymous_id,
                batch.alias,
                batch.merge_rows,
                batch.merge_offsets,
                batch.merge_ids,
                self.ids.marks,
                self.tries,
                vain,
            )
        decisions = DecisionColumns(place[:count], outcome[:count], rule[:count])
        return Taken(stored, received, decisions, vain[:pairs])

    @abstractmethod
    def known(self) -> NDArray[np.uint32]:
        """Return the codes of all ids in clusters."""

    @abstractmethod
    def settled(self) -> NDArray[np.uint32]:
        """Return for every code one that all ids of its user share: an id of that user, not yet the canonical one."""

    @abstractmethod
    def canonical(self) -> NDArray[np.uint32]:
        """Return for every code the canonical id of an event that was stored under it; of what is no id, itself."""

    def picked(self, members: Mapping[int, NDArray[np.uint32]]) -> dict[int, int]:
        """Return the canonical ids of a few clusters.

        Args:
            members: the codes of the ids of each cluster, by anything.
        """
        settled = self.settled()
        return {key: int(settled[codes[0]]) for key, codes in members.items()}

    @abstractmethod
    def resolved(self) -> ResolvedIds:
        """Return who every id is, and since which event."""

    @abstractmethod
    def _decide(self, batch: EventBatch, admitted: Admitted, came: Came, out: tuple[NDArray[Any], ...]) -> int: ...

    def _most_decisions(self, batch: EventBatch) -> int:
        return int(np.count_nonzero(batch.kind))

    def _grow(self) -> None:
        """Make room for every code of the dictionary."""
        wanted = len(self.ids)
        if wanted <= self._room:
            return
        room = max(wanted, self._room + self._room // 2, 1 << 10)
        for name, kind in self._state().items():
            old = getattr(self, name, None)
            array = np.zeros(room, kind)
            if old is not None:
                array[: len(old)] = old
            setattr(self, name, array)
        self._room = room

    def _state(self) -> dict[str, type[np.generic]]:
        """Return the arrays that hold the state, each with its type; zero is where nothing was decided yet."""
        return {"tries": np.uint8}
