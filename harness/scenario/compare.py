"""What a change of the property does to identity: every scenario runs twice, and only what differs is kept.

The outcome of a scenario is its status, how many users come out, who is split or mixed, and which ids are one user. The
canonical distinct_id is not part of it: it is no promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from harness.event import IdMerge, Json
from harness.forwarder import jsjson
from harness.forwarder.engine import RulesEngine
from harness.forwarder.property import place_of
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.problems import Problem
from harness.scenario.collect import collect
from harness.scenario.format import Scenario, load_scenario
from harness.scenario.records import Seen
from harness.scenario.results import CheckResult, CheckStatus, ScenarioResult
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import engine_cache, systems_of

ID_FIELDS: Final = ("distinct_id", "$device_id", "$user_id")

Partition: TypeAlias = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Pair:
    """One scenario under one ID-merge system with two engines.

    Attributes:
        scenario: the scenario.
        id_merge: the system.
        before: the engine of the property that the scenario names.
        after: the engine of the other property.
    """

    scenario: Scenario
    id_merge: IdMerge
    before: RulesEngine
    after: RulesEngine


class CheckChange(NamedTuple):
    """A check that ends differently: its status in both runs (None where it is not made), and why it fails now."""

    check: str
    before: CheckStatus | None
    after: CheckStatus | None
    sentence: str


class EventChanges(NamedTuple):
    """What becomes of the events that Edge calls send, matched by step, event name and place.

    Attributes:
        matched: how many are sent both times.
        differ: how many of these differ, by field of `ID_FIELDS`.
        gone: how many are no longer sent.
        new: how many are sent only now.
    """

    matched: int
    differ: Mapping[str, int]
    gone: int
    new: int

    @property
    def any(self) -> bool:
        """Whether anything is different."""
        return bool(self.gone or self.new or any(self.differ.values()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scenario under one system, run with two properties.

    Attributes:
        before: the result with the property that the scenario names.
        after: the result with the other one.
        checks: the checks that end differently.
        events: what becomes of the events that Edge calls send.
    """

    before: ScenarioResult
    after: ScenarioResult
    checks: tuple[CheckChange, ...]
    events: EventChanges

    @property
    def changed(self) -> bool:
        """Whether the outcome differs: the status, or the users that come out."""
        return self.before.status != self.after.status or self.has_other_users

    @property
    def has_other_users(self) -> bool:
        """Whether other users come out: their number, who is split or mixed, or which ids are one user."""
        before, after = self.before, self.after
        return before.users != after.users or before.people != after.people or partition(before) != partition(after)


def find_pairs(
    paths: Sequence[Path], properties: tuple[Path, Path], id_merge: IdMerge | None, base: ProjectSettings | None
) -> tuple[list[Pair], list[Problem]]:
    """Return the scenarios that send something through the first of two properties, under every system they name.

    Args:
        paths: files and folders of scenarios.
        properties: the property that the scenarios name, and the other one.
        id_merge: run under this system only; None: all.
        base: settings that those of each file override.

    Returns:
        The scenarios with their engines, and the problems of files that can't be read.

    Raises:
        InputError: when a property can't be built for the environment of a scenario.
    """
    files, problems = collect(paths)
    place, pairs = place_of(properties[0]), []
    engines = engine_cache()
    for found in files:
        scenario = load_scenario(found.path, found.file, base)
        if isinstance(scenario, list):
            problems += scenario
        elif scenario.property_path is not None and place_of(scenario.property_path) == place:
            before, after = (engines(path, scenario.environment) for path in properties)
            systems = systems_of(scenario, id_merge, named=found.named)
            pairs += [Pair(scenario, system, before, after) for system in systems]
    return pairs, problems


def compare(pairs: Sequence[Pair]) -> list[Comparison]:
    """Run scenarios with both engines and return what came out, in the same order."""
    return [_compared(pair) for pair in pairs]


def partition(result: ScenarioResult) -> Partition:
    """Return which ids are one user at the end of a run."""
    return frozenset(cluster.ids for cluster in result.clusters)


def _compared(pair: Pair) -> Comparison:
    before, sent_before = _played(pair, pair.before)
    after, sent_after = _played(pair, pair.after)
    return Comparison(before, after, tuple(_checks(before.checks, after.checks)), _events(sent_before, sent_after))


def _played(pair: Pair, engine: RulesEngine) -> tuple[ScenarioResult, list[Seen]]:
    run = ScenarioRun(pair.scenario, MixpanelProject(pair.id_merge, pair.scenario.settings), engine)
    return run.play(), run.seen


def _checks(before: Sequence[CheckResult], after: Sequence[CheckResult]) -> Iterator[CheckChange]:
    old, new = _by_key(before), _by_key(after)
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if was is None or now is None or was.status != now.status:
            sentence = now.sentence if now is not None and now.status == "failed" else ""
            check = (was or now or before[0]).check
            yield CheckChange(check, was.status if was else None, now.status if now else None, sentence)


def _by_key(checks: Sequence[CheckResult]) -> dict[tuple[str, str | None, int], CheckResult]:
    """Return checks by what they check and expect; equal ones by their place among each other."""
    found: dict[tuple[str, str | None, int], CheckResult] = {}
    seen: Counter[tuple[str, str | None]] = Counter()
    for check in checks:
        key = (check.check, jsjson.write(check.expected))
        found[(*key, seen[key])] = check
        seen[key] += 1
    return found


def _events(before: Sequence[Seen], after: Sequence[Seen]) -> EventChanges:
    old, new = _by_place(before), _by_place(after)
    matched = old.keys() & new.keys()
    differ = {field: sum(old[key].get(field) != new[key].get(field) for key in matched) for field in ID_FIELDS}
    return EventChanges(len(matched), differ, len(old) - len(matched), len(new) - len(matched))


def _by_place(rows: Sequence[Seen]) -> dict[tuple[int, str, int], dict[str, str | None]]:
    """Return the ids of forwarded events as JSON texts, by step, event name and place among the events of both."""
    found: dict[tuple[int, str, int], dict[str, str | None]] = {}
    places: Counter[tuple[int, str]] = Counter()
    for row in rows:
        if row.rule is not None:
            name = row.raw.get("event") if isinstance(row.raw, dict) else None
            key = (row.step, jsjson.write(name) or "")
            found[(*key, places[key])] = _ids(row.raw)
            places[key] += 1
    return found


def _ids(raw: Json) -> dict[str, str | None]:
    properties = raw.get("properties") if isinstance(raw, dict) else None
    known = properties if isinstance(properties, dict) else {}
    return {field: jsjson.write(known[field]) for field in ID_FIELDS if field in known}
