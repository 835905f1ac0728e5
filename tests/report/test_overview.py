from __future__ import annotations

from dataclasses import replace

from harness.report import overview
from harness.scenario.results import RunResult
from tests.report.samples import alias_flow, big_cluster, passing, rich, unreadable


def test_the_worst_comes_first_and_files_keep_their_order_within_a_status() -> None:
    statuses = [result.status for result in overview.worst_first(rich())]
    assert statuses == ["error", "failed", "failed", "failed", "known_failure", "passed", "passed", "passed"]
    names = [result.file for result in overview.worst_first(rich()) if result.status == "passed"]
    assert names == ["scenarios/login/sample.yaml", "scenarios/forwarding/ecid.yaml", "scenarios/devices/two.yaml"]


def test_the_tally_counts_scenarios_and_unreadable_files_apart() -> None:
    assert overview.tally(rich()) == "7 scenarios: 3 passed, 3 failed, 1 known failure; 1 file can't be read"
    assert overview.tally(RunResult((passing(),))) == "1 scenario: 1 passed"
    assert overview.tally(RunResult()) == "0 scenarios: 0 passed"


def test_the_verdict_names_what_matters_most() -> None:
    assert overview.verdict(rich()) == "3 of 7 scenarios failed"
    assert overview.verdict(RunResult((passing(), unreadable()))) == "1 file can't be read"
    assert overview.verdict(RunResult((passing(), passing()))) == "All 2 scenarios hold"
    assert overview.verdict(RunResult()) == "No scenarios"


def test_a_run_of_known_failures_does_not_claim_that_all_hold() -> None:
    assert overview.verdict(RunResult((passing(), big_cluster(3)))) == "No unexpected failure"


def test_systems_without_scenarios_are_left_out() -> None:
    assert [row.id_merge for row in overview.systems(RunResult((passing(),)))] == ["simplified"]
    counted = {row.id_merge: (row.passed, row.failed, row.known_failure) for row in overview.systems(rich())}
    assert counted == {"simplified": (3, 1, 0), "original": (0, 1, 1), "legacy": (0, 1, 0)}


def test_a_failure_without_a_headline_still_gets_a_sentence() -> None:
    assert overview.sentence(alias_flow()) == "Failed: split."
    assert overview.sentence(unreadable()) == "The file can't be read."
    assert overview.sentence(passing()) == ""


def test_a_known_failure_says_why_it_is_known_on_one_line() -> None:
    said = overview.sentence(big_cluster(3))
    assert said == "Mixpanel keeps 500 ids in a cluster; the devices after that stay users of their own."
    unnamed = replace(big_cluster(3), known_failure=None)
    assert overview.sentence(unnamed).startswith("cleo's events")


def test_measures_need_events_with_people() -> None:
    assert overview.quality_text(RunResult((unreadable(),))) == ""
    assert "pairwise precision 1.000, recall 1.000" in overview.quality_text(RunResult((passing(),)))
