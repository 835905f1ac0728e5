"""What was sent, read once more: an event file or a scenario as the rows that `harness send` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.event import Endpoint, Event, IdMerge, NotAnEvent, from_wire
from harness.ingestion.project import MixpanelProject
from harness.live.completion import Completion, insert_id
from harness.live.marking import Marking
from harness.live.prediction import SentRow
from harness.scenario.format import EventStep, Scenario
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import engine_cache
from harness.scenario.stream import Line


def rows_of_stream(
    lines: Sequence[Line], endpoint: Endpoint, now_ms: int, ms_threshold: float, marking: Marking | None = None
) -> list[SentRow]:
    """Return the rows of an event file.

    Args:
        lines: its lines.
        endpoint: the route they went by.
        now_ms: Mixpanel's clock, milliseconds since 1970.
        ms_threshold: a `time` below it is in seconds, else in milliseconds.
        marking: how the events of a test run were marked; None: not at all.
    """
    completion = Completion(now_ms, now_ms, ms_threshold, marking)
    return [_row(completion, f"line {line.number}", line.event, endpoint, now_ms) for line in lines]


def rows_of_scenario(run: ScenarioRun, ms_threshold: float, marking: Marking | None = None) -> list[SentRow]:
    """Return the rows of a scenario after it was played; for the arguments see `rows_of_stream`.

    Their times say nothing: whoever sends a scenario moves them to the time of sending.
    """
    rows = []
    made: set[str] = set()
    for seen in run.seen:
        completion = Completion(seen.arrival_ms, seen.arrival_ms, ms_threshold, marking)
        where, event = f"step {seen.step}", from_wire(seen.raw)
        if isinstance(event, Event) and event.properties.get("$insert_id") in (None, ""):
            own = next_insert_id(event, where, made)
            whole = Event(event.name, {**event.properties, "$insert_id": own})
            row = _row(completion, where, whole, seen.endpoint, seen.arrival_ms)._replace(has_insert_id=False)
        else:
            row = _row(completion, where, event, seen.endpoint, seen.arrival_ms)
        rows.append(row._replace(has_time=False))
    return rows


def next_insert_id(event: Event, where: str, made: set[str]) -> str:
    """Return the `$insert_id` of an event of a scenario that has none, another one for each event of a step.

    Args:
        event: the event.
        where: its step, in words.
        made: those that were made so far; the new one is added.
    """
    properties = {key: value for key, value in event.properties.items() if key not in ("token", "$insert_id")}
    own = insert_id(event.name, properties, where)
    while own in made:
        own = insert_id(event.name, properties, f"{where} after {own}")
    made.add(own)
    return own


def played(scenario: Scenario, id_merge: IdMerge, endpoint: Endpoint | None = None) -> ScenarioRun:
    """Return the run of a scenario after its last step.

    Args:
        scenario: the scenario.
        id_merge: the project's system.
        endpoint: the route of all direct events; None: as the steps say.

    Raises:
        InputError: when its property can't be read.
    """
    if endpoint is not None:
        steps = (replace(one, endpoint=endpoint) if isinstance(one, EventStep) else one for one in scenario.steps)
        scenario = replace(scenario, steps=tuple(steps))
    engine = None
    if scenario.property_path is not None:
        engine = engine_cache()(scenario.property_path, scenario.environment)
    run = ScenarioRun(scenario, MixpanelProject(id_merge, scenario.settings), engine)
    run.play()
    return run


def _row(completion: Completion, where: str, event: Event | NotAnEvent, endpoint: Endpoint, arrival_ms: int) -> SentRow:
    if isinstance(event, NotAnEvent):
        return SentRow(where, event, endpoint, arrival_ms)
    row = completion.row(event, where, endpoint)
    get = event.properties.get
    return SentRow(
        where=where,
        event=Event(event.name, row["properties"]),
        endpoint=endpoint,
        arrival_ms=arrival_ms,
        has_time=get("time") is not None,
        has_insert_id=bool(get("$insert_id")),
    )
