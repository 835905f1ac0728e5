"""Lints texts: properties, event lines and scenarios, as files in a folder or as subjects of one rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.event import Endpoint, IdMerge
from harness.forwarder.property import read_property
from harness.ingestion.settings import ProjectSettings
from harness.lint.check import Options, lint_paths, property_findings
from harness.lint.examples import property_text, scenario_text
from harness.lint.registry import Finding, LintRule
from harness.problems import Problems


def property_lint(
    text: str, id_merge: IdMerge | None = "simplified", environment: str = "production", **settings: Any
) -> list[Finding]:
    """Return the findings on a property, which may be cut down as in an example of a rule."""
    problems = Problems("property.yaml")
    found = read_property(property_text(text.strip("\n")), environment, problems, is_yaml=True)
    assert found is not None
    assert not problems, problems.found
    return property_findings(found, "property.yaml", id_merge, ProjectSettings(**settings))


def events_lint(
    lines: str, id_merge: IdMerge | None = "simplified", endpoint: Endpoint = "import", **settings: Any
) -> list[Finding]:
    """Return the findings on an event file."""
    options = Options(id_merge, endpoint, settings=ProjectSettings(**settings))
    result = lint_paths([Path("-")], options, lines.encode())
    assert not result.problems, result.problems
    return list(result.findings)


def scenario_lint(text: str, folder: Path, id_merge: IdMerge = "simplified") -> list[Finding]:
    """Return the findings on a scenario, which may be a list of steps; PROPERTY stands for a small property."""
    (folder / "property.yaml").write_text(property_text('send_event: {event: Page, properties: {token: "{{Token}}"}}'))
    path = folder / "a.scenario.yaml"
    path.write_text(scenario_text(text.strip("\n"), id_merge).replace("PROPERTY", "property.yaml"))
    result = lint_paths([path])
    assert not result.problems, result.problems
    return list(result.findings)


def lint_example(rule: LintRule, text: str, folder: Path) -> list[Finding]:
    """Return the findings on an example of a rule, under the first system that the rule is about."""
    system = rule.systems[0]
    if rule.subject == "property":
        return property_lint(text, system, region="eu" if "region: eu" in text else "us")
    if text.startswith("{"):
        return events_lint(text, system, rule.endpoint)
    return scenario_lint(text, folder, system)


def names(findings: list[Finding]) -> set[str]:
    """Return the rules that found something."""
    return {finding.rule for finding in findings}


def of_rule(findings: list[Finding], name: str) -> Iterator[Finding]:
    """Yield the findings of one rule."""
    return (finding for finding in findings if finding.rule == name)
