"""The mutation check of fuzz itself: it finds every known mistake, and tells it by the smallest flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.fuzz.configure import chosen_invariants
from harness.fuzz.invariants import first_broken
from harness.fuzz.scenario_file import write
from harness.fuzz.search import Search
from harness.lint.check import lint_paths
from harness.scenario.format import Scenario, load_scenario
from harness.scenario.runner import run_scenario
from tests.fuzz.mistakes import MISTAKES, Mistake

CHECKS = {
    "nobody-mixed": {"mixed"},
    "nobody-split": {"split"},
    "nothing-rejected": {"rejected"},
    "nothing-lost": {"accepted", "users"},
    "retry-counts-once": {"accepted"},
    "nothing-refused": {"refused"},
    "room-left": {"refused"},
    "migrates": {"split", "mixed"},
}
every_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.what for mistake in MISTAKES])


def test_there_are_many_of_them() -> None:
    assert len(MISTAKES) >= 15
    assert {mistake.invariant for mistake in MISTAKES} == CHECKS.keys()


@every_mistake
def test_a_person_would_find_it_with_the_flow_written_down(mistake: Mistake, tmp_path: Path) -> None:
    bench = mistake.make(tmp_path)
    broken = first_broken(bench.play(mistake.smallest), chosen_invariants([mistake.invariant]))
    assert broken is not None


@pytest.mark.usefixtures("untraced")
@every_mistake
def test_it_is_found_and_shrunk_and_written_as_a_scenario_that_fails(mistake: Mistake, tmp_path: Path) -> None:
    bench = mistake.make(tmp_path)
    result = Search(bench, chosen_invariants([mistake.invariant])).run(examples=2_000, seed=0)
    assert len(result.findings) == 1, f"not found in {result.explored.examples} flows: {result.explored}"
    finding = result.findings[0]
    assert len(finding.played.flow.actions) <= len(mistake.smallest.actions) + 1, finding.played.flow

    written = write(finding, tmp_path, "harness fuzz", 0)
    path = tmp_path / written.file_name
    path.write_text(written.text, encoding="utf-8")
    scenario = load_scenario(path, written.file_name)
    assert isinstance(scenario, Scenario), scenario
    assert len(scenario.steps) == written.steps
    assert lint_paths([path]).problems == ()
    ran = run_scenario(scenario, scenario.id_merge[0])
    assert ran.status == "failed"
    failed = {check.check for check in ran.checks if check.status == "failed"}
    assert failed & CHECKS[mistake.invariant], failed
