"""What commands read: event files and scenarios, turned into a history that can be explained and compared."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from harness.clock import parse_instant
from harness.event import Endpoint, Event, IdMerge, NotAnEvent
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem
from harness.scenario.explained import history_of_run
from harness.scenario.format import Scenario, load_scenario
from harness.scenario.history import History
from harness.scenario.project_file import read_project_file
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import engine_cache
from harness.scenario.stream import Line, read_stream, resolve_stream

SCENARIO_ENDINGS = frozenset({".yaml", ".yml"})


def read_bytes(path: Path) -> bytes:
    """Return what a file, or standard input for `-`, holds.

    Raises:
        InputError: when it can't be read.
    """
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        problem = Problem(str(path), None, "", f"can't be read: {error.strerror or error}", "Check the path.")
        raise InputError([problem]) from None


def instant(text: str | None) -> int | None:
    """Return `--now` in milliseconds since 1970, or None where it is not given.

    Raises:
        InputError: when it is no instant.
    """
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise InputError([Problem("", None, "--now", str(error))]) from None


def chosen_settings(path: Path | None, cluster_limit: int | None) -> ProjectSettings:
    """Return the settings of the project file, with `--cluster-limit` on top."""
    settings = read_project_file(path)
    if cluster_limit is None:
        return settings
    return replace(settings, identity=replace(settings.identity, cluster_limit=cluster_limit))


def scenario_of(path: Path, settings: ProjectSettings) -> Scenario:
    """Return a scenario file.

    Raises:
        InputError: with everything that is wrong with it.
    """
    found = load_scenario(path, str(path), settings)
    if isinstance(found, list):
        raise InputError(found)
    return found


def is_scenario(path: Path) -> bool:
    """Return whether a path names a scenario and not an event file."""
    return path.suffix.lower() in SCENARIO_ENDINGS


def history_of_scenario(scenario: Scenario, id_merge: IdMerge) -> History:
    """Return the history of a scenario's run under one system.

    Raises:
        InputError: when its property can't be read.
    """
    engine = None
    if scenario.property_path is not None:
        engine = engine_cache()(scenario.property_path, scenario.environment)
    run = ScenarioRun(scenario, MixpanelProject(id_merge, scenario.settings), engine)
    return history_of_run(run, run.play())


def history_of_stream(
    lines: Sequence[Line],
    id_merge: IdMerge,
    settings: ProjectSettings,
    *,
    endpoint: Endpoint,
    strict: bool | None,
    now_ms: int | None,
) -> History:
    """Return the history of an event file; for the options see `resolve_stream`."""
    resolved = resolve_stream(lines, id_merge, settings, endpoint=endpoint, strict=strict, now_ms=now_ms)
    return History(
        resolved.project,
        resolved.project.model,
        last=len(lines) - 1,
        index_of=resolved.order.__getitem__,
        row_of=resolved.places.__getitem__,
        names={index: line.event.name for index, line in enumerate(lines) if isinstance(line.event, Event)},
        raw=lambda row: _event_of(lines[resolved.order[row]].event),
    )


def _event_of(read: Event | NotAnEvent) -> Event | None:
    return read if isinstance(read, Event) else None


def stream_of(path: Path) -> list[Line]:
    """Return the lines of an event file."""
    return read_stream(read_bytes(path))


def stream_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that every command on event files has."""
    options = (
        click.option(
            "--endpoint",
            type=click.Choice(["track", "import"]),
            default="import",
            show_default=True,
            help="The route the events come by.",
        ),
        click.option(
            "--strict/--no-strict", default=None, help="Whether /import validates strictly.  [default: strict]"
        ),
        click.option("--now", metavar="ISO", help="Mixpanel's clock.  [default: the time of the newest event]"),
        click.option(
            "--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original."
        ),
        click.option(
            "--settings",
            type=click.Path(path_type=Path),
            help="Settings (YAML). Default: harness.yaml, where there is one.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
