"""The shipped suites: no false alarm on a green scenario, and a rule for what is known to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.forwarder.property import load_property
from harness.lint.check import lint_paths
from harness.scenario.collect import collect
from harness.scenario.format import Scenario, load_scenario

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
MOST_NOTES = 3
LEAST_SHARE_CAUGHT = 0.9


def _scenarios() -> list[Scenario]:
    files, _ = collect([SCENARIOS])
    read = [load_scenario(found.path, found.path.relative_to(SCENARIOS).as_posix()) for found in files]
    return [scenario for scenario in read if isinstance(scenario, Scenario)]


ALL = _scenarios() if SCENARIOS.exists() else []
GREEN = [scenario for scenario in ALL if scenario.known_failure is None]
FAILING = [scenario for scenario in ALL if scenario.known_failure is not None]


@pytest.mark.parametrize("scenario", GREEN, ids=lambda scenario: scenario.file)
def test_a_green_scenario_raises_no_alarm(scenario: Scenario) -> None:
    result = lint_paths([SCENARIOS / scenario.file])
    assert result.problems == ()
    assert [finding for finding in result.findings if finding.severity != "note"] == []
    assert len(result.findings) <= MOST_NOTES


def test_what_is_known_to_fail_is_seen_before_it_is_run() -> None:
    missed = []
    for scenario in FAILING:
        found = lint_paths([SCENARIOS / scenario.file]).findings
        if all(finding.severity == "note" for finding in found):
            missed.append(scenario.file)
    assert len(missed) <= len(FAILING) * (1 - LEAST_SHARE_CAUGHT), missed


def test_the_whole_folder_is_linted_in_one_run() -> None:
    assert ALL
    result = lint_paths([SCENARIOS])
    assert result.problems == ()
    assert result.files >= len(ALL)
    assert result.lacks_system is False


def test_the_properties_of_green_scenarios_can_be_built() -> None:
    for path in {scenario.property_path for scenario in GREEN if scenario.property_path is not None}:
        assert load_property(path).rules


def test_the_project_that_new_writes_has_no_error() -> None:
    result = lint_paths([ROOT / "harness" / "commands" / "templates"])
    assert result.files == 2
    assert result.exit_code == 0
