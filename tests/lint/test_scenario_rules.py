"""What rules about scenarios find, and that what a scenario expects is no finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lint.check import lint_paths
from tests.lint.linting import names, of_rule, scenario_lint

SHARED = """
name: A family tablet
id_merge: simplified
steps:
  - {event: Login, person: ana, properties: {$device_id: tablet, $user_id: user-ana}}
  - {event: Page, person: ben, properties: {$device_id: tablet}}
  - {event: Login, person: ben, properties: {$device_id: tablet, $user_id: user-ben}}
"""


def test_what_a_scenario_expects_is_no_finding(tmp_path: Path) -> None:
    assert {"id-of-two-people", "device-of-another-user"} <= names(scenario_lint(SHARED, tmp_path))
    announced = SHARED + "expect: {mixed: [[ana, ben]], split: [ben]}\n"
    assert names(scenario_lint(announced, tmp_path)) == set()


def test_an_expected_refusal_covers_its_own_step_only(tmp_path: Path) -> None:
    refused = "expect: {refused: [{step: 2, reason: errAnonDistinctIdAssignedAlready}]}\n"
    assert names(scenario_lint(SHARED + refused, tmp_path)) == {"id-of-two-people"}


def test_an_expected_rejection_is_no_finding(tmp_path: Path) -> None:
    text = "- {event: Page, endpoint: import, person: ana, properties: {distinct_id: undefined}}"
    assert "word-sent-as-id" in names(scenario_lint(text, tmp_path))
    head = "name: x\nid_merge: simplified\nsteps:\n  "
    expected = f"{head}{text}\nexpect: {{rejected: [{{step: 0}}]}}"
    assert names(scenario_lint(expected, tmp_path)) == set()


def test_ids_that_meet_through_other_people_and_events_have_met(tmp_path: Path) -> None:
    text = """
- {event: Page, person: ana, properties: {$device_id: laptop}}
- {event: Page, person: ana, properties: {$device_id: phone}}
- {event: Login, person: ana, properties: {$device_id: laptop, $user_id: user-ana}}
- {event: Login, person: ana, properties: {$device_id: phone, $user_id: user-ana}}
"""
    assert names(scenario_lint(text, tmp_path)) == set()


def test_one_finding_a_person_tells_that_ids_never_meet(tmp_path: Path) -> None:
    text = "\n".join(f"- {{event: Page, person: ana, properties: {{$user_id: user-{at}}}}}" for at in range(4))
    found = list(of_rule(scenario_lint(text, tmp_path), "ids-that-never-meet"))
    assert [finding.key for finding in found] == ["steps[1]"]


def test_a_finding_without_a_step_has_the_line_of_its_key(tmp_path: Path) -> None:
    text = """
name: x
id_merge: original
steps:
  - {event: Page, person: ana, properties: {distinct_id: ana}}
expect:
  users: 1
  canonical: {ana: ana}
"""
    (found,) = of_rule(scenario_lint(text, tmp_path), "canonical-is-no-promise")
    assert found.where == f"{(tmp_path / 'a.scenario.yaml').as_posix()}:7: expect.canonical"


def test_an_id_of_one_system_is_no_mistake_under_another(tmp_path: Path) -> None:
    text = """
name: x
id_merge: [simplified, original]
steps:
  - {event: Page, person: ana, properties: {distinct_id: user-ana, $device_id: laptop, $user_id: user-ana}}
expect: {different_users: [[user-ana, "$device:phone"]], same_user: [["$device:laptop", user-ana]]}
"""
    found = [one.message for one in of_rule(scenario_lint(text, tmp_path), "id-that-nobody-sent")]
    assert [message.split(";")[0] for message in found] == ["no event carries '$device:phone'"] * len(found)
    assert found


def test_a_rule_runs_under_every_system_of_a_scenario(tmp_path: Path) -> None:
    text = """
name: x
id_merge: [simplified, original]
steps: [{event: Page, person: ana, properties: {$user_id: user-ana}}]
"""
    assert "distinct-id-missing" in names(scenario_lint(text, tmp_path))
    assert "distinct-id-missing" not in names(scenario_lint(text.replace(", original", ""), tmp_path))


def test_the_property_of_a_scenario_is_linted_for_its_system_region_and_environment(tmp_path: Path) -> None:
    text = """
name: x
id_merge: simplified
property: PROPERTY
settings: {region: eu, environment: staging}
steps: [{edge: {xdm: {eventType: login}}, person: ana}]
"""
    found = scenario_lint(text, tmp_path)
    assert {"region-out-of-reach", "secret-missing", "rule-fails"} <= names(found)
    assert {Path(one.file).name for one in of_rule(found, "secret-missing")} == {"property.yaml"}
    assert {one.key for one in of_rule(found, "rule-fails")} == {"steps[0]"}


@pytest.mark.parametrize("property_text", ["property: x\nrules: 7\n", "%", ""])
def test_a_scenario_whose_property_is_broken_is_a_problem(property_text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(property_text)
    path = tmp_path / "a.scenario.yaml"
    path.write_text("name: x\nproperty: broken.yaml\nsteps: [{edge: {}, person: ana}]\n")
    result = lint_paths([path])
    assert result.exit_code == 2
    assert "broken.yaml" in str(result.problems[0])
