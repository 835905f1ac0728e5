"""A stream of events as rules look at it: the rows as sent, each with its place in a file, after all of it has arrived.

A row comes from a line of an event file or from a step of a scenario; the same rules look at both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.clock import parse_instant
from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Endpoint, Event, IdMerge, Json, NotAnEvent, from_wire, id_text
from harness.identity.model import Caution, Decision
from harness.identity.simplified import named_ids
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.stored import RowResult
from harness.lint.registry import Spot
from harness.scenario.run import ScenarioRun
from harness.scenario.stream import Line, resolve_stream

END_OF_TIME_MS: Final = parse_instant("2100-01-01T00:00:00Z")
"""A time after it is taken for a mistake of the unit."""

_ID_FIELDS: Final = ("distinct_id", "$user_id", "$device_id")


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        index: its index in the project.
        line: its line in the file.
        key: what stands there: `steps[2]` of a scenario, "" in an event file.
        event: the event as sent, or why it is none.
        endpoint: the route it came by.
        step: its step; None in an event file.
        person: who really did it; None where nobody says.
        is_copy: whether it is sent again on purpose.
    """

    index: int
    line: int | None
    key: str
    event: Event | NotAnEvent
    endpoint: Endpoint
    step: int | None = None
    person: str | None = None
    is_copy: bool = False

    def spot(self, message: str) -> Spot:
        """Return a spot at this row."""
        steps = () if self.step is None else (self.step,)
        return Spot(self.line, self.key, message, "", steps, () if self.person is None else (self.person,))


@dataclass(frozen=True, slots=True)
class EventsSubject:
    """A stream to lint.

    Attributes:
        rows: the rows in the order in which they arrived, each at its own index.
        project: the project that they went into.
        refusals: the events that were rejected or dropped, with why.
        is_scenario: whether they are the steps of a scenario and no history.
    """

    rows: Sequence[Row]
    project: MixpanelProject
    refusals: Sequence[tuple[Row, Event, RowResult]]
    is_scenario: bool

    @property
    def id_merge(self) -> IdMerge:
        """The ID-merge system of the project."""
        return self.project.id_merge

    def events(self) -> Iterator[tuple[Row, Event]]:
        """Yield the rows that are events."""
        for row in self.rows:
            if isinstance(row.event, Event):
                yield row, row.event

    def decisions(self) -> Iterator[tuple[Row, Decision]]:
        """Yield the identity decisions, each with its row."""
        for made in self.project.model.decisions:
            yield self.rows[made.event_index], made

    def cautions(self, rule: str) -> Iterator[tuple[Row, Caution]]:
        """Yield the warnings that an identity rule gave, each with its row."""
        for caution in self.project.model.cautions:
            if caution.rule == rule:
                yield self.rows[caution.event_index], caution

    def are_one(self, ids: Sequence[str]) -> bool:
        """Return whether ids are one user in the end."""
        return len({self.project.model.resolve(text) for text in ids}) < 2

    def people_of(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return the people who sent any of some ids; an event file knows none."""
        if not self.is_scenario:
            return ()
        wanted = set(ids)
        found = {row.person for row, event in self.events() if wanted & set(ids_on(event, self.id_merge))}
        return tuple(sorted(person for person in found if person is not None))


def ids_on(event: Event, id_merge: IdMerge) -> tuple[str, ...]:
    """Return the ids that an event carries or names, as the system reads them; each once, "" left out."""
    get = event.properties.get
    sent = id_text(get("distinct_id"))
    if event.name in IDENTITY_EVENTS:
        found = [sent, *named_ids(event, sent)]
    elif id_merge == "simplified":
        device, user = id_text(get("$device_id")).removeprefix(DEVICE_PREFIX), id_text(get("$user_id"))
        found = [DEVICE_PREFIX + device if device else "", user]
        found = found if any(found) else [sent]
    else:
        found = [sent]
    return tuple(dict.fromkeys(text for text in found if text))


def id_fields(event: Event) -> Iterator[tuple[str, str]]:
    """Yield the fields of an event that hold one id each, with the id as text; empty ones are left out."""
    names: tuple[str, ...] = _ID_FIELDS
    if event.name in IDENTITY_EVENTS:
        names = (*_ID_FIELDS, "$anon_id", "$anon_distinct_id", "$identified_id", "alias")
    for name in names:
        text = id_text(event.properties.get(name))
        if text:
            yield name, text


def stream_of_file(
    lines: Sequence[Line], id_merge: IdMerge, settings: ProjectSettings, endpoint: Endpoint
) -> EventsSubject:
    """Return an event file after all of it has arrived; the clock is that of its newest event that makes sense."""
    resolved = resolve_stream(lines, id_merge, settings, endpoint=endpoint, now_ms=_clock(lines, settings))
    arrived = [lines[index] for index in resolved.order]
    rows = [Row(place, line.number, "", line.event, endpoint) for place, line in enumerate(arrived)]
    return _subject(rows, resolved.project, is_scenario=False)


def stream_of_run(run: ScenarioRun) -> EventsSubject:
    """Return the rows of a scenario that has been played."""
    steps = {step.number: step for step in run.steps}
    rows = []
    for index, seen in enumerate(run.seen):
        step = steps[seen.step]
        rows.append(
            Row(
                index,
                step.line,
                f"steps[{seen.step}]",
                from_wire(seen.raw),
                seen.endpoint,
                seen.step,
                seen.person,
                step.kind == "resend",
            )
        )
    return _subject(rows, run.project, is_scenario=True)


def _subject(rows: list[Row], project: MixpanelProject, *, is_scenario: bool) -> EventsSubject:
    refusals = [
        (row, row.event, result)
        for row, result in zip(rows, project.rows, strict=True)
        if result.errors and isinstance(row.event, Event)
    ]
    return EventsSubject(rows, project, refusals, is_scenario)


def milliseconds_of(value: Json, settings: ProjectSettings) -> float | None:
    """Return a `time` in milliseconds as Mixpanel reads it; None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e30 < value < 1e30:
        return None
    return value * 1_000 if value < settings.ingestion.ms_threshold else value


def _clock(lines: Sequence[Line], settings: ProjectSettings) -> int | None:
    sent = [line.event.properties.get("time") for line in lines if isinstance(line.event, Event)]
    times = [time for time in (milliseconds_of(value, settings) for value in sent) if time is not None]
    known = [time for time in times if 0 < time < END_OF_TIME_MS]
    return int(max(known)) if known else None
