"""Runs the rules: every target under the ID-merge systems that concern it, and the findings in the order of the files.

What a scenario itself expects (`rejected`, `refused`, `split`, `mixed`) is no finding: its author knows. Where nobody
says which system a project has, a rule has to find the same under all systems that it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness.event import Endpoint, IdMerge
from harness.forwarder.model import Property
from harness.forwarder.property import load_property, place_of
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.lint.registry import SEVERITIES, Finding, LintRule, Spot, Subject
from harness.lint.rules import RULES
from harness.lint.scenario_rules import ScenarioSubject
from harness.lint.sending import subject_of
from harness.lint.stream import stream_of_file, stream_of_run
from harness.lint.targets import Target, find_targets
from harness.problems import InputError, Problem, Problems
from harness.scenario.expect import Expect
from harness.scenario.format import Scenario, load_scenario
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import DEFAULT_SYSTEM, Engines, engine_cache
from harness.scenario.stream import read_stream
from harness.source import read_text
from harness.yamltext import Mapping, Node, parse_yaml

MOST_OF_A_RULE: Final = 20
"""Findings of one rule in one event file; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the files themselves don't say.

    Attributes:
        id_merge: the ID-merge system of the project; None where nobody says.
        endpoint: the route by which event files are sent.
        environment: the build environment of properties.
        settings: the project's settings.
    """

    id_merge: IdMerge | None = None
    endpoint: Endpoint = "import"
    environment: str = "production"
    settings: ProjectSettings = field(default_factory=ProjectSettings)


@dataclass(frozen=True, slots=True)
class LintResult:
    """What came out.

    Attributes:
        findings: by file, line and severity.
        problems: what can't be linted, and why.
        files: how many files and folders were linted.
        lacks_system: whether the ID-merge system of some of them is unknown.
    """

    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    files: int
    lacks_system: bool = False

    @property
    def exit_code(self) -> int:
        """2 where something can't be linted, 1 where there is an error, else 0."""
        if self.problems:
            return 2
        return int(any(finding.severity == "error" for finding in self.findings))


def lint_paths(paths: Sequence[Path], options: Options | None = None, stdin: bytes = b"") -> LintResult:
    """Lint everything under some paths.

    A property that was only found in a folder and that a scenario of the same run uses is linted as that scenario says.

    Args:
        paths: files and folders; `-` stands for standard input.
        options: what the files don't say.
        stdin: what standard input holds.
    """
    chosen = options or Options()
    targets, problems = find_targets(paths, stdin)
    run = _Lint(chosen, problems)
    for target in targets:
        if target.kind == "scenario":
            run.scenario(target)
    alone = [target for target in targets if target.kind != "scenario" and not run.is_linted(target)]
    for target in alone:
        if target.kind == "events":
            run.events(target)
        else:
            run.property(target)
    findings = sorted(dict.fromkeys(run.findings), key=_order)
    lacks_system = bool(alone) and chosen.id_merge is None
    return LintResult(tuple(findings), tuple(dict.fromkeys(problems)), len(targets) - run.unreadable, lacks_system)


def _order(finding: Finding) -> tuple[str, int, int, str, str, str]:
    severity = SEVERITIES.index(finding.severity)
    return finding.file, finding.line or 0, severity, finding.rule, finding.key, finding.message


class _Lint:
    """One run over all targets."""

    def __init__(self, options: Options, problems: list[Problem]) -> None:
        self.options = options
        self.problems = problems
        self.findings: list[Finding] = []
        self.unreadable = 0
        self.used: set[Path] = set()
        self.engines: Engines = engine_cache()

    def is_linted(self, target: Target) -> bool:
        """Return whether a target is a property that was only found, and that a scenario has spoken for."""
        return target.kind == "property" and not target.is_named and place_of(target.path) in self.used

    def property(self, target: Target) -> None:
        try:
            property_ = load_property(target.path, self.options.environment)
        except InputError as error:
            self._give_up(error.problems)
            return
        file = target.file
        self.findings += property_findings(property_, file, self.options.id_merge, self.options.settings)

    def events(self, target: Target) -> None:
        lines, options = read_stream(target.raw), self.options

        @cache
        def subject(system: IdMerge) -> Any:
            return stream_of_file(lines, system, options.settings, options.endpoint)

        for rule in _rules("events"):
            spots = _found(rule, options.id_merge, subject)
            self.findings += _capped([_finding(rule, spot, target.file) for spot in spots])

    def scenario(self, target: Target) -> None:
        scenario = load_scenario(target.path, target.file, self.options.settings)
        if isinstance(scenario, list):
            self._give_up(scenario)
            return
        lines = _Lines(target.path)
        for system in scenario.id_merge or (self.options.id_merge or DEFAULT_SYSTEM,):
            try:
                found = self._scenario(scenario, system)
            except InputError as error:
                self._give_up(error.problems)
                return
            self.findings += [lines.placed(one) if one.file == target.file else one for one in found]

    def _give_up(self, problems: Iterable[Problem]) -> None:
        self.problems += problems
        self.unreadable += 1

    def _scenario(self, scenario: Scenario, system: IdMerge) -> list[Finding]:
        path, settings = scenario.property_path, scenario.settings
        engine = None if path is None else self.engines(path, scenario.environment)
        property_ = None if engine is None else engine.property
        run = ScenarioRun(scenario, MixpanelProject(system, settings), engine)
        run.play()
        stream = stream_of_run(run)
        subject = ScenarioSubject(scenario, run, stream, property_)
        spots = [(rule, spot) for rule in _rules("events") for spot in _found(rule, system, lambda _: stream)]
        spots += [(rule, spot) for rule in _rules("scenario") for spot in _found(rule, system, lambda _: subject)]
        findings = [
            _finding(rule, spot, scenario.file) for rule, spot in spots if not _is_expected(spot, scenario.expect)
        ]
        if property_ is not None and path is not None:
            self.used.add(place_of(path))
            findings += property_findings(property_, _plain(path), system, settings)
        return findings


def property_findings(
    property_: Property, file: str, id_merge: IdMerge | None, settings: ProjectSettings
) -> list[Finding]:
    """Return what is to say about a property.

    Args:
        property_: the property.
        file: its name in messages.
        id_merge: the ID-merge system of the Mixpanel project; None where nobody says.
        settings: the settings of that project.
    """

    @cache
    def subject(system: IdMerge) -> Any:
        return subject_of(property_, system, settings.region)

    rules = _rules("property")
    return [_finding(rule, spot, file) for rule in rules for spot in _found(rule, id_merge, subject)]


def _rules(subject: Subject) -> list[LintRule]:
    return [rule for rule in RULES.values() if rule.subject == subject]


def _found(rule: LintRule, id_merge: IdMerge | None, subject: Callable[[IdMerge], Any]) -> list[Spot]:
    """Return what a rule finds under a system, or under each it is about where the system is unknown."""
    if id_merge is not None:
        return list(rule.check(subject(id_merge))) if id_merge in rule.systems else []
    if len(rule.systems) < 3 and not rule.when_unknown:
        return []
    first, *others = ([*rule.check(subject(system))] for system in rule.systems)
    places = [{(spot.file, spot.line, spot.key) for spot in spots} for spots in others]
    return [spot for spot in first if all((spot.file, spot.line, spot.key) in place for place in places)]


def _finding(rule: LintRule, spot: Spot, file: str) -> Finding:
    return Finding(rule.name, rule.severity, spot.file or file, spot.line, spot.key, spot.message, rule.fix)


def _is_expected(spot: Spot, expect: Expect) -> bool:
    """Return whether a scenario says itself that something goes wrong there."""
    steps = {outcome.step for outcomes in (expect.rejected, expect.refused) for outcome in outcomes or ()}
    people = {*(expect.split or ()), *(person for group in expect.mixed or () for person in group)}
    return (bool(spot.steps) and set(spot.steps) <= steps) or not people.isdisjoint(spot.people)


def _capped(findings: list[Finding]) -> Iterable[Finding]:
    if len(findings) <= MOST_OF_A_RULE:
        return findings
    more = len(findings) - MOST_OF_A_RULE
    last = findings[MOST_OF_A_RULE - 1]
    return [*findings[: MOST_OF_A_RULE - 1], replace(last, message=f"{last.message} (and {more:,} more of this kind)")]


def _plain(path: Path) -> str:
    """Return a path without the steps back that a scenario's own folder puts in: scenarios/x/../y is scenarios/y."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts).as_posix() if parts else path.as_posix()


class _Lines:
    """Finds the lines of keys in a scenario file."""

    def __init__(self, path: Path) -> None:
        text = read_text(path, Problems(""))
        self._top = None if text is None else parse_yaml(text, Problems(""))

    def placed(self, finding: Finding) -> Finding:
        """Return a finding with the line of its key, where it has none of its own."""
        return finding if finding.line is not None else replace(finding, line=self._line(finding.key))

    def _line(self, key: str) -> int:
        node: Node | None = self._top
        line = 1
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node.entries:
                break
            line, node = node.key_lines[part], node.entries[part]
        return line
