"""Scenarios run: what is sent, in which order and when, and what the results object says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.event import IdMerge
from harness.scenario.format import Scenario, parse_scenario
from harness.scenario.results import CheckResult, ScenarioResult
from harness.scenario.runner import run_paths, run_scenario

PROPERTY = """
property: Retail
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
  E-mail: arc.event.data.email
  Token: {secret: {production: {id: SE1, name: Mixpanel token}}}
rules:
  - name: Page view
    actions:
      - send_event:
          event: Page View
          properties: {token: "{{Token}}"}
          custom_properties: {$device_id: "{{ECID}}", $user_id: "{{E-mail}}"}
  - name: Broken
    conditions:
      - {left: "{{E-mail}}", operator: isTruthy}
    actions:
      - send_event: {event: "{{ghost}}", properties: {token: T}}
"""


def run(text: str, id_merge: IdMerge = "simplified", folder: Path = Path()) -> ScenarioResult:
    scenario = parse_scenario(text.encode(), "a.yaml", folder)
    assert isinstance(scenario, Scenario), scenario
    return run_scenario(scenario, id_merge)


def checks(result: ScenarioResult) -> dict[str, CheckResult]:
    return {check.check: check for check in result.checks}


@pytest.fixture
def retail(tmp_path: Path) -> Path:
    (tmp_path / "retail.yaml").write_text(PROPERTY)
    return tmp_path


EDGE = """
name: a
property: retail.yaml
settings: {env: {SE1: token}}
steps:
- edge: {xdm: {identityMap: {ECID: [{id: "1"}]}}}
  person: ana
- edge: {xdm: {identityMap: {ECID: [{id: "1"}]}}, data: {email: ana@example.com}}
  person: ana
- resend: 0
expect: {users: 1, same_user: [["$device:1", ana@example.com]], accepted: 3}
"""


def test_edge_calls_go_through_the_property_to_mixpanel(retail: Path) -> None:
    result = run(EDGE, folder=retail)
    assert result.status == "passed", result.headline
    assert [event.rule for event in result.events] == ["Page view"] * 3
    assert [event.received_distinct_id for event in result.events] == ["$device:1", "ana@example.com", "$device:1"]
    assert {event.distinct_id for event in result.events} == {"ana@example.com"}
    rules = result.steps[1].rules
    assert [(rule.name, rule.status, rule.requests) for rule in rules] == [
        ("Page view", "success", 1),
        ("Broken", "failed", 0),
    ]
    assert rules[1].error is not None
    assert "ghost" in rules[1].error


def test_events_for_another_region_are_lost_and_the_step_says_so(retail: Path) -> None:
    result = run(EDGE.replace("{env:", "{region: eu, env:"), folder=retail)
    assert result.status == "failed"
    assert result.accepted == 0
    assert "api.mixpanel.com is the host of us projects" in result.steps[0].note
    assert "step 0" in result.headline


def test_a_missing_secret_fails_the_rule_and_the_headline_says_so(retail: Path) -> None:
    result = run(EDGE.replace("settings: {env: {SE1: token}}\n", ""), folder=retail)
    assert result.status == "failed"
    assert "Could not find the secret" in result.headline


def test_an_import_gets_the_time_and_insert_id_that_sdks_add() -> None:
    text = "name: a\nsteps:\n- {event: x, endpoint: import, properties: {distinct_id: u}}\nexpect: {accepted: 1}\n"
    result = run(text, "original")
    assert result.status == "passed", result.headline
    assert result.events[0].time_ms == 1_767_614_400_000


def test_null_leaves_them_out_on_purpose() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, endpoint: import, properties: {distinct_id: u, time: null}}\n"
        "expect: {rejected: [{step: 0, field: properties.time}], accepted: 0}\n"
    )
    assert run(text, "original").status == "passed"


def test_by_track_an_event_is_sent_as_written_so_a_retry_counts_twice() -> None:
    text = "name: a\nsteps:\n- {event: x, properties: {distinct_id: u}}\n- resend: 0\nexpect: {accepted: 2}\n"
    assert run(text).status == "passed"


def test_a_retry_with_an_insert_id_counts_once() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, properties: {distinct_id: u, $insert_id: a1, time: 1767614000}}\n"
        "- advance: 1m\n- resend: 0\n- resend: 2\nexpect: {accepted: 1}\n"
    )
    result = run(text)
    assert result.status == "passed", result.headline
    assert [event.status for event in result.events] == ["duplicate", "duplicate", "accepted"]


def test_without_a_time_the_retry_of_a_later_minute_is_another_event() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, properties: {distinct_id: u, $insert_id: a1}}\n"
        "- advance: 1m\n- resend: 0\nexpect: {accepted: 2}\n"
    )
    assert run(text).status == "passed"


def test_the_clock_moves_and_old_events_are_no_longer_taken() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, properties: {distinct_id: u, time: 1767614400}}\n- advance: 6d\n- resend: 0\n"
        "expect: {accepted: 1, rejected: [{step: 2, field: properties.time}]}\n"
    )
    result = run(text)
    assert result.status == "passed", result.headline
    assert result.steps[1].at_ms - result.steps[0].at_ms == 6 * 86_400_000


def test_the_token_of_another_project_loses_the_event() -> None:
    text = (
        "name: a\nsettings: {token: mine}\nsteps:\n- {event: x, properties: {distinct_id: u, token: other}}\n"
        "- {event: x, properties: {distinct_id: u, token: mine}}\n- {event: x, properties: {distinct_id: u}}\n"
        "expect: {accepted: 2, rejected: [{step: 0, field: properties.token}]}\n"
    )
    assert run(text).status == "passed"


def test_every_person_is_checked_without_being_asked_for() -> None:
    text = "name: a\nsteps:\n- {event: x, person: ana, properties: {distinct_id: $device:1}}\n"
    assert set(checks(run(text))) == {"split", "mixed"}


def test_a_scenario_without_people_has_only_the_checks_it_asks_for() -> None:
    assert run("name: a\nsteps: [{event: x}]\nexpect: {accepted: 1}\n").checks[0].check == "accepted"


def test_split_and_mixed_may_be_expected() -> None:
    text = (
        "name: a\nsteps:\n"
        "- {event: x, person: ana, properties: {$device_id: D}}\n"
        "- {event: x, person: ana, properties: {$device_id: D, $user_id: ana}}\n"
        "- {event: x, person: ben, properties: {$device_id: D}}\n"
        "- {event: x, person: ben, properties: {$device_id: D, $user_id: ben}}\n"
        "expect: {split: [ben], mixed: [[ben, ana]], refused: [{step: 3}]}\n"
    )
    result = run(text)
    assert result.status == "passed", result.headline
    assert result.people.mixed == (("ana", "ben"),)


def test_an_expected_split_that_does_not_happen_is_a_failure() -> None:
    text = "name: a\nsteps:\n- {event: x, person: ana, properties: {$user_id: ana}}\nexpect: {split: [ana]}\n"
    assert "was expected to be split" in checks(run(text))["split"].sentence


def test_refusals_are_named_completely() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, properties: {$device_id: D, $user_id: a}}\n"
        "- {event: x, properties: {$device_id: D, $user_id: b}}\nexpect: {refused: []}\n"
    )
    sentence = checks(run(text))["refused"].sentence
    assert sentence == "step 1 was refused (errAnonDistinctIdAssignedAlready), which was not expected"


def test_a_wrong_reason_is_told_with_the_right_one() -> None:
    text = (
        "name: a\nsteps:\n- {event: $identify, properties: {distinct_id: a, $anon_id: b}}\n"
        "expect: {refused: [{step: 0, reason: errSameIDs}]}\n"
    )
    assert "errAnonDistinctIdNonGUIDForm, not for errSameIDs" in checks(run(text, "original"))["refused"].sentence


def test_the_canonical_id_can_be_checked_in_simplified() -> None:
    text = (
        "name: a\nsteps: [{event: x, properties: {$device_id: D, $user_id: ana}}]\n"
        "expect: {canonical: {'$device:D': ana}}\n"
    )
    assert run(text).status == "passed"
    assert run(text.replace("D': ana", "D': ben")).headline == "$device:D resolves to ana, not to ben"


def test_in_original_naming_the_canonical_id_always_fails_and_says_why() -> None:
    text = "name: a\nsteps: [{event: x, properties: {distinct_id: ana}}]\nexpect: {canonical: {ana: ana}}\n"
    assert "nobody can predict it" in run(text, "original").headline


def test_an_id_that_no_event_carried_fails_the_check_with_the_nearest_one() -> None:
    text = (
        "name: a\nsteps: [{event: x, properties: {distinct_id: annabel}}]\n"
        "expect: {different_users: [[annabel, anabel]]}\n"
    )
    assert run(text, "original").headline == "no accepted event carried the id anabel; did you mean annabel?"


def test_a_known_failure_must_fail() -> None:
    text = "name: a\nsteps: [{event: x}]\nexpect: {accepted: 2}\nknown_failure: not built yet\n"
    assert run(text).status == "known_failure"
    passing = run(text.replace("accepted: 2", "accepted: 1"))
    assert passing.status == "failed"
    assert "was expected to fail (not built yet)" in passing.headline


def test_events_of_one_instant_may_arrive_in_a_shuffled_order() -> None:
    steps = "".join(f"- {{event: e{number}}}\n" for number in range(8))
    text = f"name: a\nsettings: {{arrival.shuffle_seed: 3}}\nsteps:\n{steps}- advance: 1s\n- {{event: last}}\n"
    names = [event.name for event in run(text).events]
    assert names[-1] == "last"
    assert sorted(names[:-1]) == [f"e{number}" for number in range(8)] != names[:-1]


def test_files_run_once_for_each_system_they_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nid_merge: [original, legacy]\nsteps: []\n")
    (tmp_path / "b.yaml").write_text("name: b\nsteps: []\n")
    found = run_paths([tmp_path])
    assert [(one.name, one.id_merge) for one in found.scenarios] == [
        ("a", "original"),
        ("a", "legacy"),
        ("b", "simplified"),
    ]


def test_one_system_may_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("name: a\nid_merge: [original, legacy]\nsteps: []\n")
    assert [one.id_merge for one in run_paths([tmp_path], "legacy").scenarios] == ["legacy"]
    assert not run_paths([tmp_path], "simplified").scenarios
    assert [one.id_merge for one in run_paths([file], "simplified").scenarios] == ["simplified"]


def test_a_file_that_cannot_be_read_is_reported_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("nam: a\n")
    (tmp_path / "b.yaml").write_text("name: b\nsteps: []\n")
    found = run_paths([tmp_path, tmp_path / "none"])
    assert sorted(one.status for one in found.scenarios) == ["error", "error", "passed"]
    assert found.exit_code == 2


def test_a_wrong_property_is_an_error_of_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("property: x\nruels: []\n")
    (tmp_path / "a.yaml").write_text("name: a\nproperty: p.yaml\nsteps: []\n")
    result = run_paths([tmp_path / "a.yaml"]).scenarios[0]
    assert result.status == "error"
    assert "ruels" in result.headline


def test_clusters_know_their_people_and_events() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, person: ana, properties: {$device_id: D}}\n"
        "- {event: x, person: ana, properties: {$device_id: D, $user_id: ana}}\n"
    )
    cluster = run(text).clusters[0]
    assert (cluster.canonical, cluster.ids, cluster.people, cluster.events) == (
        "ana",
        ("$device:D", "ana"),
        ("ana",),
        2,
    )


def test_ten_thousand_steps_run_under_every_system() -> None:
    step = "- {event: Page, person: ana, properties: {distinct_id: ana, $user_id: ana}}\n"
    text = "name: a\nsteps:\n" + step * 10_000 + "expect: {users: 1, accepted: 10000}\n"
    systems: tuple[IdMerge, ...] = ("simplified", "original", "legacy")
    assert {run(text, system).status for system in systems} == {"passed"}


def test_an_event_of_one_megabyte_is_too_large_for_mixpanel_and_the_rest_goes_on() -> None:
    text = (
        "name: a\nsteps:\n- {event: x, properties: {distinct_id: u, text: '" + "y" * 1_000_000 + "'}}\n"
        "- {event: x, properties: {distinct_id: u}}\nexpect: {accepted: 1, rejected: [{step: 0}]}\n"
    )
    result = run(text)
    assert result.status == "passed", result.headline
