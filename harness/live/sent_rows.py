"""What was sent, read once more: an event file or a scenario as the rows that `harness send` makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.event import Endpoint, Event, IdMerge, NotAnEvent, from_wire
from harness.ingestion.project import MixpanelProject
from harness.live.completion import Completion
from harness.live.marking import Marking
from harness.live.prediction import SentRow
from harness.scenario.format import Scenario
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
    """Return the rows of a scenario after it was played; for the arguments see `rows_of_stream`."""
    return [
        _row(
            Completion(seen.arrival_ms, seen.arrival_ms, ms_threshold, marking),
            f"step {seen.step}",
            from_wire(seen.raw),
            seen.endpoint,
            seen.arrival_ms,
        )
        for seen in run.seen
    ]


def played(scenario: Scenario, id_merge: IdMerge) -> ScenarioRun:
    """Return the run of a scenario after its last step.

    Raises:
        InputError: when its property can't be read.
    """
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
