"""What a project keeps: the result of every row, and every stored event.

Both are kept as plain tuples of texts and numbers and made into records when they are asked for: the garbage collector
leaves such tuples alone, and a million kept events would otherwise slow down each further one. What can be shared or
told from something else is not kept twice, so that an event costs little beyond itself.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from marshal import dumps, loads
from typing import Final, Literal, NamedTuple, TypeAlias, overload

from harness.event import IDENTITY_EVENTS, Endpoint, Event
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

_Kept: TypeAlias = tuple[int, str, tuple[str, ...], bytes, int, str, Endpoint, int, str, str, DecisionRow | None]
_NOT_STORED: Final = -1
_FORM: Final = 2  # of marshal: the last one that does not look for equal objects, which takes longer than it saves
_NAME: Final = 1
_TIME: Final = 4
_RECEIVED: Final = 8
_STORED: Final = 9
_MOST_SHARED: Final = 10_000


class RowLog(Sequence[RowResult]):
    """The result of every row so far, by index. Of one that was simply accepted only the `$insert_id` is kept."""

    def __init__(self) -> None:
        self._results: list[str | ResultRow] = []

    def keep(self, result: ResultRow) -> None:
        """Keep the result of the next row, its fields in the order of `RowResult`."""
        self._results.append(result)

    def keep_accepted(self, insert_id: str) -> None:
        """Keep that the next row was accepted and nothing is to be said about it."""
        self._results.append(insert_id)

    @overload
    def __getitem__(self, at: int) -> RowResult: ...
    @overload
    def __getitem__(self, at: slice) -> list[RowResult]: ...
    def __getitem__(self, at: int | slice) -> RowResult | list[RowResult]:
        if isinstance(at, slice):
            indexes = range(*at.indices(len(self._results)))
            return [_as_result(index, self._results[index]) for index in indexes]
        index = at if at >= 0 else len(self._results) + at
        return _as_result(index, self._results[at])

    def __iter__(self) -> Iterator[RowResult]:
        return (_as_result(index, result) for index, result in enumerate(self._results))

    def __len__(self) -> int:
        return len(self._results)


def _as_result(index: int, kept: str | ResultRow) -> RowResult:
    return RowResult(index, "accepted", (), kept) if isinstance(kept, str) else RowResult._make(kept)


class EventLog(Sequence[StoredEvent]):
    """Every stored event in order of arrival.

    Properties are kept as their names, which events with the same names share, and their values, packed: as objects of
    Python they would take three times as much.
    """

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._places = array("q")
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    def keep(
        self,
        index: int,
        event: Event,
        time_ms: int,
        insert_id: str,
        endpoint: Endpoint,
        arrived_ms: int,
        arrival: Arrival,
        row: DecisionRow | None,
    ) -> None:
        """Keep one more event.

        `insert_id` is "" where one has to be made up, `row` is the decision as its log keeps it, the rest is as in
        `StoredEvent`.
        """
        name, properties = event.name, event.properties
        places = self._places
        while len(places) < index:
            places.append(_NOT_STORED)
        places.append(len(self._kept))
        names = tuple(properties)
        shared = self._names.get(names)
        if shared is None:
            shared = names
            if len(self._names) < _MOST_SHARED:
                self._names[names] = names
        received, stored, _ = arrival
        values = dumps(tuple(properties.values()), _FORM)
        self._kept.append(
            (index, name, shared, values, time_ms, insert_id, endpoint, arrived_ms, received, stored, row)
        )

    def at_index(self, index: int) -> StoredEvent | None:
        """Return the event of the row with an index; None where that row was not stored."""
        place = self._place(index)
        return None if place == _NOT_STORED else self[place]

    def stored_id(self, index: int) -> str:
        """Return the id that the row with an index was stored under; "" for nobody and for no event."""
        place = self._place(index)
        return "" if place == _NOT_STORED else self._kept[place][_STORED]

    def received_id(self, index: int) -> str:
        """Return the distinct_id that the row with an index carried or implied; "" for none and for no event."""
        place = self._place(index)
        return "" if place == _NOT_STORED else self._kept[place][_RECEIVED]

    def stored_ids(self, but: frozenset[int]) -> set[str]:
        """Return the ids of all events that are no identity events, but those with some indexes."""
        return {kept[_STORED] for kept in self._kept if kept[0] not in but and kept[_NAME] not in IDENTITY_EVENTS}

    def counts_by_id(self, but: frozenset[int]) -> Counter[str]:
        """Return how many events each id has that are no identity events, but those with some indexes."""
        return Counter(
            kept[_STORED] for kept in self._kept if kept[0] not in but and kept[_NAME] not in IDENTITY_EVENTS
        )

    def moment(self, index: int) -> tuple[str, int]:
        """Return the name and the time of the event of the row with an index, which has to be stored."""
        kept = self._kept[self._places[index]]
        return kept[_NAME], kept[_TIME]

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
    index, name, names, values, time_ms, insert_id, endpoint, arrived_ms, received, stored, row = kept
    decision = None if row is None else Decision._make(row)
    return StoredEvent(
        index,
        Event(name, dict(zip(names, loads(values), strict=True))),  # noqa: S302 - bytes of our own memory
        time_ms,
        insert_id or f"made-up-{index}",
        not insert_id,
        endpoint,
        arrived_ms,
        Arrival(received, stored, decision),
    )
