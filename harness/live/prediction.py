"""What the local model predicts of events that were sent: which are stored, and whose they are.

A replay can be made again with any setting of any switch; that is how a difference from reality is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, NamedTuple

from harness.event import IDENTITY_EVENTS, Endpoint, Event, IdMerge, NotAnEvent, id_text
from harness.identity.model import Decision
from harness.identity.simplified import named_ids
from harness.ingestion.limits import MAX_ROWS, TEXT_CHARACTERS
from harness.ingestion.project import MixpanelProject
from harness.ingestion.rules import milliseconds
from harness.ingestion.settings import ProjectSettings


class SentRow(NamedTuple):
    """One row on its way to Mixpanel.

    Attributes:
        where: where a person finds it: `line 7`, `step 3`.
        event: the event, complete; or why it is none.
        endpoint: the route it goes by.
        arrival_ms: when it arrives, milliseconds since 1970.
        has_time: whether the event came with a time of its own.
        has_insert_id: whether the event came with an `$insert_id` of its own.
    """

    where: str
    event: Event | NotAnEvent
    endpoint: Endpoint
    arrival_ms: int
    has_time: bool = True
    has_insert_id: bool = True


class SentEvent(NamedTuple):
    """One event as it was sent, whatever became of it.

    Attributes:
        event_index: its place among all that were sent, from 0.
        where: where a person finds it: `line 7`, `step 3`.
        event: its name as Mixpanel keeps it; "" for a row that is no event.
        distinct_id: the distinct_id that was sent, "" for none.
        device_id: `$device_id`, "" for none.
        user_id: `$user_id`, "" for none.
        insert_id: `$insert_id`, "" for none.
        time_s: its time in seconds since 1970; None where it had none of its own.
        made_up: whether it had no `$insert_id` of its own, and this one is what `harness send` would give it.
        named: the ids that an identity event names; empty for every other event.
    """

    event_index: int
    where: str
    event: str
    distinct_id: str
    device_id: str
    user_id: str
    insert_id: str
    time_s: int | None
    made_up: bool
    named: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        """Whether it is one of the three identity events."""
        return self.event in IDENTITY_EVENTS


class Predicted(NamedTuple):
    """What the model makes of one sent event.

    Attributes:
        is_stored: whether it is accepted.
        received: the distinct_id it carried or implied on arrival; "" for nobody and where it is not stored.
        distinct_id: the canonical distinct_id in the end, "" likewise.
        decision: what it decided about identity; None for nothing.
        error: why it is not stored; "" where it is.
        time_ms: when it happened, milliseconds since 1970; None where it is not stored.
        keeps_insert_id: whether it is stored under the `$insert_id` it came with, and not under one that Mixpanel
            makes up.
    """

    is_stored: bool
    received: str
    distinct_id: str
    decision: Decision | None
    error: str
    time_ms: int | None
    keeps_insert_id: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model predicts of everything that was sent.

    Attributes:
        id_merge: the project's ID-merge system.
        sent: what was sent, in order.
        events: what becomes of each, in the same order.
        project: the project all of it went into.
        places: for each sent event the index of its row in the project, which decisions cite.
    """

    id_merge: IdMerge
    sent: Sequence[SentEvent]
    events: Sequence[Predicted]
    project: MixpanelProject
    places: Sequence[int]

    def index_of(self) -> dict[int, int]:
        """Return for each row of the project the index of its sent event."""
        return {place: index for index, place in enumerate(self.places)}


@dataclass(frozen=True, slots=True)
class Replay:
    """Gives what was sent to a fresh project, under any system and any settings.

    Attributes:
        rows: what was sent, in order.
        strict: whether /import validated strictly; None: as the settings say.
    """

    rows: Sequence[SentRow]
    strict: bool | None = None

    def predict(self, id_merge: IdMerge, settings: ProjectSettings, order: Sequence[int] | None = None) -> Prediction:
        """Return what the model makes of it.

        Args:
            id_merge: the project's system.
            settings: the reading of the rules.
            order: the indexes of the rows in the order of their arrival; None: as sent.
        """
        project = MixpanelProject(id_merge, settings)
        places = [0] * len(self.rows)
        indexes = range(len(self.rows)) if order is None else order
        for place, index in enumerate(indexes):
            places[index] = place
        for batch in _batches([self.rows[index] for index in indexes]):
            events, first = [row.event for row in batch], batch[0]
            project.receive(events, now_ms=first.arrival_ms, endpoint=first.endpoint, strict=self.strict)
        sent = [_sent(index, row) for index, row in enumerate(self.rows)]
        return Prediction(id_merge, sent, [_predicted(project, place) for place in places], project, places)


def _batches(rows: Sequence[SentRow]) -> Iterator[list[SentRow]]:
    """Yield neighbours that go by one route at one moment, as many as one request takes."""
    for _, together in groupby(rows, key=lambda row: (row.endpoint, row.arrival_ms)):
        while batch := list(islice(together, MAX_ROWS)):
            yield batch


_NOBODY: Final = Event("", {})


def _sent(index: int, row: SentRow) -> SentEvent:
    event = row.event if isinstance(row.event, Event) else _NOBODY
    get = event.properties.get
    distinct_id = id_text(get("distinct_id"))
    time_ms = milliseconds(get("time"), 1e11) if row.has_time else None
    return SentEvent(
        event_index=index,
        where=row.where,
        event=event.name[:TEXT_CHARACTERS],
        distinct_id=distinct_id,
        device_id=id_text(get("$device_id")),
        user_id=id_text(get("$user_id")),
        insert_id=id_text(get("$insert_id")),
        time_s=None if time_ms is None else time_ms // 1_000,
        made_up=not row.has_insert_id,
        named=named_ids(event, distinct_id) if event.name in IDENTITY_EVENTS else (),
    )


def _predicted(project: MixpanelProject, place: int) -> Predicted:
    stored = project.stored(place)
    if stored is None:
        return _not_stored(project.rows[place].errors[0].message)
    arrival = stored.arrival
    return Predicted(
        is_stored=True,
        received=arrival.received,
        distinct_id=project.distinct_id(place),
        decision=arrival.decision,
        error="",
        time_ms=stored.time_ms,
        keeps_insert_id=not stored.made_up,
    )


def _not_stored(error: str) -> Predicted:
    return Predicted(
        is_stored=False,
        received="",
        distinct_id="",
        decision=None,
        error=error,
        time_ms=None,
        keeps_insert_id=True,
    )
