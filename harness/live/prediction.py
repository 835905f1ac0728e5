"""What the local model predicts of events that were sent: which are stored, and whose they are.

A replay can be made again with any setting of any switch; that is how a difference from reality is explained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from harness.event import IDENTITY_EVENTS, Endpoint, Event, IdMerge, from_wire, id_text
from harness.identity.model import Decision
from harness.identity.simplified import named_ids
from harness.ingestion.limits import TEXT_CHARACTERS
from harness.ingestion.project import MixpanelProject
from harness.ingestion.rules import milliseconds
from harness.ingestion.settings import ProjectSettings
from harness.scenario.format import Scenario
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import Engines
from harness.scenario.stream import Line, resolve_stream


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


Replay: TypeAlias = Callable[[IdMerge, ProjectSettings, "Sequence[int] | None"], Prediction]
"""Makes a prediction: under a system, with settings, in an order of arrival (None: as sent)."""


@dataclass(frozen=True, slots=True)
class StreamReplay:
    """Replays an event file.

    Attributes:
        lines: its lines.
        endpoint: the route they were sent by.
        strict: whether /import validated strictly; None: as the settings say.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event.
    """

    lines: Sequence[Line]
    endpoint: Endpoint = "import"
    strict: bool | None = None
    now_ms: int | None = None

    def __call__(self, id_merge: IdMerge, settings: ProjectSettings, order: Sequence[int] | None = None) -> Prediction:
        """Predict; see `Replay`."""
        lines = self.lines if order is None else [self.lines[at] for at in order]
        resolved = resolve_stream(
            lines, id_merge, settings, endpoint=self.endpoint, strict=self.strict, now_ms=self.now_ms
        )
        places = resolved.places
        if order is not None:
            places = [0] * len(lines)
            for position, at in enumerate(order):
                places[at] = resolved.places[position]
        sent = _with_names([(f"line {line.number}", line.event) for line in self.lines])
        events = [_predicted(resolved.project, place) for place in places]
        return Prediction(id_merge, sent, events, resolved.project, places)


@dataclass(frozen=True, slots=True)
class ScenarioReplay:
    """Replays a scenario.

    Attributes:
        scenario: the scenario.
        engines: gives the engine of its property; asked only where it has one.
    """

    scenario: Scenario
    engines: Engines

    def __call__(self, id_merge: IdMerge, settings: ProjectSettings, order: Sequence[int] | None = None) -> Prediction:
        """Predict; see `Replay`. Steps have the order they have."""
        scenario = replace(self.scenario, settings=settings)
        engine = None
        if scenario.property_path is not None:
            engine = self.engines(scenario.property_path, scenario.environment)
        run = ScenarioRun(scenario, MixpanelProject(id_merge, settings), engine)
        run.play()
        sent = _with_names([(f"step {seen.step}", from_wire(seen.raw)) for seen in run.seen])
        events = [_predicted(run.project, place) for place in range(len(run.seen))]
        return Prediction(id_merge, sent, events, run.project, range(len(events)))


_NOBODY: Final = Event("", {})


def _with_names(read: Sequence[tuple[str, object]]) -> list[SentEvent]:
    return [
        _sent(index, where, event if isinstance(event, Event) else _NOBODY) for index, (where, event) in enumerate(read)
    ]


def _sent(index: int, where: str, event: Event) -> SentEvent:
    get = event.properties.get
    distinct_id = id_text(get("distinct_id"))
    return SentEvent(
        index,
        where,
        event.name[:TEXT_CHARACTERS],
        distinct_id,
        id_text(get("$device_id")),
        id_text(get("$user_id")),
        id_text(get("$insert_id")),
        _time_s(event.properties),
        named_ids(event, distinct_id) if event.name in IDENTITY_EVENTS else (),
    )


def _time_s(properties: Mapping[str, object]) -> int | None:
    time_ms = milliseconds(properties.get("time"), 1e11)
    return None if time_ms is None else time_ms // 1_000


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
