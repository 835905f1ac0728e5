"""Runs scenario files: each under every ID-merge system it names; a file that can't be read is a result too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from harness.event import IdMerge
from harness.forwarder.engine import Engine, RulesEngine
from harness.forwarder.javascript import code_host
from harness.forwarder.property import Property, load_property
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem
from harness.scenario.collect import collect, matcher
from harness.scenario.explained import explained, history_of_run
from harness.scenario.format import Scenario, load_scenario
from harness.scenario.results import RunResult, ScenarioResult
from harness.scenario.run import ScenarioRun

DEFAULT_SYSTEM: Final[IdMerge] = "simplified"

Engines: TypeAlias = Callable[[Path, str], RulesEngine]
"""Gives the engine of a property file built for an environment."""

MakeEngine: TypeAlias = Callable[[Property], RulesEngine]
"""Makes an engine that runs calls through a property."""


def built_in(property_: Property) -> RulesEngine:
    """Return our own engine for a property."""
    return Engine(property_, code_host())


def run_paths(
    paths: Sequence[Path],
    id_merge: IdMerge | None = None,
    expression: str | None = None,
    base: ProjectSettings | None = None,
    make_engine: MakeEngine = built_in,
) -> RunResult:
    """Run every scenario under some files and folders.

    Args:
        paths: files and folders.
        id_merge: run under this system only. A file that was named itself runs under it whether it lists it or not;
            a file found in a folder only where it lists it.
        expression: a `-k` expression over name, file and system; None: all.
        base: settings that those of each file override.
        make_engine: makes what runs the Edge calls through a property.

    Raises:
        InputError: when the expression makes no sense. A file that can't be read is a result with status `error`.
    """
    picks = matcher(expression) if expression is not None else None
    files, missing = collect(paths)
    results = [_unreadable(problem.file, [problem]) for problem in missing]
    engines = engine_cache(make_engine)
    for found in files:
        scenario = load_scenario(found.path, found.file, base)
        if isinstance(scenario, list):
            results.append(_unreadable(found.file, scenario))
            continue
        systems = systems_of(scenario, id_merge, named=found.named)
        results.extend(
            run_scenario(scenario, system, engines)
            for system in systems
            if picks is None or picks(f"{scenario.name} {scenario.file} {system}".casefold())
        )
    return RunResult(tuple(results))


def run_scenario(scenario: Scenario, id_merge: IdMerge, engines: Engines | None = None) -> ScenarioResult:
    """Run one scenario under one ID-merge system.

    Args:
        scenario: the scenario.
        id_merge: the system.
        engines: gives the engine of its property; None: one that is loaded for this run.
    """
    engine = None
    if scenario.property_path is not None:
        try:
            engine = (engines or engine_cache())(scenario.property_path, scenario.environment)
        except InputError as error:
            return _unreadable(scenario.file, error.problems, scenario.name, id_merge)
    run = ScenarioRun(scenario, MixpanelProject(id_merge, scenario.settings), engine)
    result = run.play()
    if not result.people.split and not result.people.mixed and all(one.status == "passed" for one in result.checks):
        return result
    return replace(result, explained=explained(history_of_run(run, result), result))


def systems_of(scenario: Scenario, id_merge: IdMerge | None, *, named: bool) -> tuple[IdMerge, ...]:
    """Return the systems to run a scenario under.

    Args:
        scenario: the scenario.
        id_merge: the only system wanted; None: all that the file names.
        named: whether the file was named itself, and so runs under the wanted system in any case.
    """
    if id_merge is None:
        return scenario.id_merge or (DEFAULT_SYSTEM,)
    if named or not scenario.id_merge or id_merge in scenario.id_merge:
        return (id_merge,)
    return ()


def engine_cache(make_engine: MakeEngine = built_in) -> Engines:
    """Return what loads each property once an environment; it raises `InputError` for one that can't be read."""
    engines: dict[tuple[Path, str], RulesEngine | InputError] = {}

    def engine(path: Path, environment: str) -> RulesEngine:
        key = (path.resolve(), environment)
        if key not in engines:
            try:
                engines[key] = make_engine(load_property(path, environment))
            except InputError as error:
                engines[key] = error
        found = engines[key]
        if isinstance(found, InputError):
            raise found
        return found

    return engine


def _unreadable(
    file: str, problems: Sequence[Problem], name: str | None = None, id_merge: IdMerge | None = None
) -> ScenarioResult:
    headline = str(problems[0]) + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
    return ScenarioResult(name or Path(file).name, file, id_merge, "error", headline=headline, problems=tuple(problems))
