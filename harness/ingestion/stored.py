"""What a project keeps: the result of every row, and every stored event.

Both are kept as plain tuples of texts and numbers and made into records when they are asked for: the garbage collector
leaves such tuples alone, and a million kept events would otherwise slow down each further one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, overload

from harness.event import IDENTITY_EVENTS, Endpoint, Event, Json
from harness.identity.model import Arrival, Decision, DecisionRow
from harness.ingestion.verdict import FieldCaution, FieldError

RowStatus: TypeAlias = Literal["accepted", "rejected", "dropped"]


class RowResult(NamedTuple):
    """What became of one row when it arrived.

    Attributes:
        event_index: the index of the row in the stream of this project, from 0; decisions of the model cite it.
        status: accepted; rejected, which Mixpanel's answer tells; or dropped, which it does not. Whether an accepted
            one is a duplicate is known at query time only, see `MixpanelProject.statuses`.
        errors: why it was rejected or dropped; empty for an accepted one.
        insert_id: the `$insert_id` it carried, "" for none.
        cautions: what is likely to hurt about an accepted one.
        is_verb: it was rejected as an identity event that simplified does not take.
    """

    event_index: int
    status: RowStatus
    errors: tuple[FieldError, ...] = ()
    insert_id: str = ""
    cautions: tuple[FieldCaution, ...] = ()
    is_verb: bool = False


class StoredEvent(NamedTuple):
    """One event as the project keeps it.

    Attributes:
        event_index: the index of its row.
        event: the event after cutting and clamping; in a hot shard renamed to `$hotshard_events`.
        time_ms: when it happened, milliseconds since 1970.
        insert_id: its `$insert_id`, or the one made up for it.
        made_up: whether the `$insert_id` is made up, so that it is nobody's duplicate.
        endpoint: the route it came by.
        arrived_ms: when it arrived, milliseconds since 1970.
        arrival: where the identity model put it, and what it decided.
    """

    event_index: int
    event: Event
    time_ms: int
    insert_id: str
    made_up: bool
    endpoint: Endpoint
    arrived_ms: int
    arrival: Arrival


ResultRow: TypeAlias = tuple[int, RowStatus, tuple[FieldError, ...], str, tuple[FieldCaution, ...], bool]
"""The fields of a `RowResult` as a plain tuple."""

_Kept: TypeAlias = tuple[int, str, Mapping[str, Json], int, str, Endpoint, int, str, str, DecisionRow | None]
_NOT_STORED = -1


class RowLog(Sequence[RowResult]):
    """The result of every row so far, by index."""

    def __init__(self) -> None:
        self._results: list[ResultRow] = []

    def keep(self, result: ResultRow) -> None:
        """Keep the result of the next row, its fields in the order of `RowResult`."""
        self._results.append(result)

    @overload
    def __getitem__(self, at: int) -> RowResult: ...
    @overload
    def __getitem__(self, at: slice) -> list[RowResult]: ...
    def __getitem__(self, at: int | slice) -> RowResult | list[RowResult]:
        if isinstance(at, slice):
            return [RowResult._make(result) for result in self._results[at]]
        return RowResult._make(self._results[at])

    def __iter__(self) -> Iterator[RowResult]:
        return map(RowResult._make, self._results)

    def __len__(self) -> int:
        return len(self._results)


class EventLog(Sequence[StoredEvent]):
    """Every stored event in order of arrival."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._places: list[int] = []

    def keep(
        self,
        index: int,
        event: Event,
        time_ms: int,
        insert_id: str,
        endpoint: Endpoint,
        arrived_ms: int,
        arrival: Arrival,
    ) -> None:
        """Keep one more event; `insert_id` is "" where one has to be made up, the rest is as in `StoredEvent`."""
        received, stored, decision = arrival
        places = self._places
        while len(places) < index:
            places.append(_NOT_STORED)
        places.append(len(self._kept))
        row = None if decision is None else (*decision,)
        self._kept.append(
            (index, event.name, event.properties, time_ms, insert_id, endpoint, arrived_ms, received, stored, row)
        )

    def at_index(self, index: int) -> StoredEvent | None:
        """Return the event of the row with an index; None where that row was not stored."""
        place = self._place(index)
        return None if place == _NOT_STORED else self[place]

    def stored_id(self, index: int) -> str:
        """Return the id that the row with an index was stored under; "" for nobody and for no event."""
        place = self._place(index)
        return "" if place == _NOT_STORED else self._kept[place][8]

    def received_id(self, index: int) -> str:
        """Return the distinct_id that the row with an index carried or implied; "" for none and for no event."""
        place = self._place(index)
        return "" if place == _NOT_STORED else self._kept[place][7]

    def stored_ids(self, but: frozenset[int]) -> set[str]:
        """Return the ids of all events that are no identity events, but those with some indexes."""
        return {kept[8] for kept in self._kept if kept[0] not in but and kept[1] not in IDENTITY_EVENTS}

    @overload
    def __getitem__(self, at: int) -> StoredEvent: ...
    @overload
    def __getitem__(self, at: slice) -> list[StoredEvent]: ...
    def __getitem__(self, at: int | slice) -> StoredEvent | list[StoredEvent]:
        if isinstance(at, slice):
            return [_as_stored(kept) for kept in self._kept[at]]
        return _as_stored(self._kept[at])

    def __iter__(self) -> Iterator[StoredEvent]:
        return map(_as_stored, self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def _place(self, index: int) -> int:
        return self._places[index] if 0 <= index < len(self._places) else _NOT_STORED


def _as_stored(kept: _Kept) -> StoredEvent:
    index, name, properties, time_ms, insert_id, endpoint, arrived_ms, received, stored, row = kept
    decision = None if row is None else Decision._make(row)
    return StoredEvent(
        index,
        Event(name, properties),
        time_ms,
        insert_id or f"made-up-{index}",
        not insert_id,
        endpoint,
        arrived_ms,
        Arrival(received, stored, decision),
    )
