"""What does not hold in a scenario by its own clock, and what it expects that is never sent: each at its step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.identity.model import IdentityModel
from harness.live.findings import Finding, FindingKind, Findings
from harness.scenario.format import Scenario
from harness.scenario.results import ScenarioResult
from harness.scenario.why import why_mixed, why_split

KIND_OF_CHECK: Final[dict[str, FindingKind]] = {
    "split": "split",
    "mixed": "mixed",
    "rejected": "rejected",
    "refused": "refused",
}
"""What a failed check is a finding of; every other one is a `check`."""

_STEP: Final = re.compile(r"\bsteps? (\d+)")


def own_failures(scenario: Scenario, result: ScenarioResult, model: IdentityModel) -> Findings:
    """Return why a scenario may not be sent, as far as its own run shows it.

    Args:
        scenario: the scenario.
        result: its run.
        model: the identity model after the run.
    """
    findings = Findings()
    if scenario.known_failure is not None:
        message = f"the scenario is expected to fail ({scenario.known_failure}), and such a flow is never sent"
        findings.add(Finding("check", message, "Mend the flow, and remove known_failure."))
    for found in (_checks(result), _people(result, model), _rows(result), _rules(result)):
        for one in found:
            findings.add(one)
    return findings


def is_loss(note: str) -> bool:
    """Return whether the note of a step says that Mixpanel would not have what it sent."""
    return note.startswith(("lost:", "nothing of a request was taken"))


def _checks(result: ScenarioResult) -> Iterator[Finding]:
    for one in result.checks:
        if one.status == "failed":
            kind = KIND_OF_CHECK.get(one.check, "check")
            yield _at(kind, f"{one.check}: {one.sentence}", "Mend the flow.", result)


def _people(result: ScenarioResult, model: IdentityModel) -> Iterator[Finding]:
    """Yield who is split or mixed though the scenario expects it; what it does not expect is a failed check."""
    failed = {one.check for one in result.checks if one.status == "failed"}
    if "split" not in failed:
        for person in result.people.split:
            message = f"{why_split(person, result.events, model)} (the scenario expects it, but a split is never sent)"
            yield _at("split", message, "Mend the flow.", result)
    if "mixed" not in failed:
        for group in result.people.mixed:
            message = f"{why_mixed(group, result.events, model)} (the scenario expects it, but it is never sent)"
            yield _at("mixed", message, "Mend the flow: mixed people can't be taken apart again.", result)


def _rows(result: ScenarioResult) -> Iterator[Finding]:
    lines = {step.number: step.line for step in result.steps}
    for event in result.events:
        if event.status in ("rejected", "dropped"):
            why = "; ".join(f"{field}: {text}" if field else text for field, text in event.errors)
            message = f"Mixpanel would not store it: {why}"
            yield Finding("rejected", message, "Mend the step.", lines.get(event.step), event.step)


def _rules(result: ScenarioResult) -> Iterator[Finding]:
    for step in result.steps:
        for rule in step.rules:
            if rule.error is not None:
                message = f"the rule {rule.name!r} fails: {rule.error}"
                yield Finding("lost", message, "Mend the property.", step.line, step.number)
        if is_loss(step.note):
            yield Finding("lost", step.note, "Mend the property or the step.", step.line, step.number)


def _at(kind: FindingKind, message: str, fix: str, result: ScenarioResult) -> Finding:
    """Return a finding at the first step that its sentence names."""
    numbers = [int(number) for number in _STEP.findall(message)]
    step = next((step for step in result.steps if numbers and step.number == numbers[0]), None)
    return Finding(kind, message, fix) if step is None else Finding(kind, message, fix, step.line, step.number)
