"""The sentence that says what went wrong: who, where, which decision, and what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.event import IdMerge
from harness.scenario.format import Scenario, parse_scenario
from harness.scenario.runner import run_scenario

ECID = "26783473982374982374982374982374982374"
UUID = "8b3f2f3e-6a0e-4d1c-9a53-0d6f2a3c9b11"


def headline(steps: str, id_merge: IdMerge, expect: str = "{}") -> str:
    text = f"name: a\nsteps:\n{steps}\nexpect: {expect}\n"
    scenario = parse_scenario(text.encode(), "a.yaml", Path())
    assert isinstance(scenario, Scenario), scenario
    return run_scenario(scenario, id_merge).headline


def test_an_ecid_as_anonymous_id_in_original() -> None:
    said = headline(
        f"- {{event: Page, person: ana, properties: {{distinct_id: '{ECID}'}}}}\n"
        f"- {{event: Page, person: ana, properties: {{distinct_id: '{ECID}'}}}}\n"
        f"- {{event: $identify, person: ana, properties: {{distinct_id: ana, $anon_id: '{ECID}'}}}}\n"
        "- {event: Buy, person: ana, properties: {distinct_id: ana}}",
        "original",
    )
    assert said == (
        f"ana's 2 events before login (steps 0, 1) stayed with {ECID}, apart from ana: the $identify of step 2 was "
        "refused, errAnonDistinctIdNonGUIDForm: an ECID is not a UUID; use a UUID (version 4) as the anonymous id, "
        "before login and as $anon_id"
    )


@pytest.mark.parametrize(
    ("id_merge", "says"),
    [
        ("simplified", "was ignored: identity events do nothing in simplified"),
        ("legacy", "was ignored: legacy knows aliases only"),
    ],
)
def test_an_identify_that_the_system_does_not_know(id_merge: IdMerge, says: str) -> None:
    said = headline(
        f"- {{event: Page, person: ana, properties: {{distinct_id: '$device:{UUID}'}}}}\n"
        f"- {{event: $identify, person: ana, properties: {{distinct_id: ana, $anon_distinct_id: '$device:{UUID}'}}}}",
        id_merge,
    )
    assert f"the $identify of step 1 {says}" in said


def test_a_merge_that_is_rejected_in_simplified() -> None:
    said = headline(
        "- {event: Page, person: ana, properties: {distinct_id: D1}}\n"
        "- {event: $merge, endpoint: import, properties: {$distinct_ids: [D1, ana]}}\n"
        "- {event: Buy, person: ana, properties: {distinct_id: ana}}",
        "simplified",
    )
    assert "the $merge of step 1 was rejected: identity events are not allowed" in said


def test_a_device_that_is_passed_on_without_reset() -> None:
    said = headline(
        "- {event: Page, person: ana, properties: {$device_id: D1}}\n"
        "- {event: Buy, person: ana, properties: {$device_id: D1, $user_id: ana}}\n"
        "- {event: Page, person: ben, properties: {$device_id: D1}}\n"
        "- {event: Buy, person: ben, properties: {$device_id: D1, $user_id: ben}}",
        "simplified",
    )
    assert said == (
        "ana and ben share the user ana: ana (step 0) and ben (step 2) both sent $device:D1; "
        "call reset() at logout, so that each person has an id of their own"
    )


def test_a_merge_that_joins_two_people() -> None:
    said = headline(
        "- {event: Page, person: ana, properties: {distinct_id: D1}}\n"
        "- {event: $merge, endpoint: import, person: ana, properties: {$distinct_ids: [D1, ana]}}\n"
        "- {event: Buy, person: ana, properties: {distinct_id: ana}}\n"
        "- {event: $merge, endpoint: import, person: ben, properties: {$distinct_ids: [D1, ben]}}\n"
        "- {event: Buy, person: ben, properties: {distinct_id: ben}}",
        "original",
    )
    assert "since the $merge of step 3 joined D1 and ben, which can't be undone; $merge has no guard" in said


def test_events_without_any_id() -> None:
    said = headline(
        "- {event: Page, person: ana}\n- {event: Buy, person: ana, properties: {distinct_id: ana}}", "original"
    )
    assert said == (
        "ana's 1 event before login (step 0) carried no id, so it belongs to nobody; send distinct_id on every event"
    )


def test_nothing_ever_connected_two_ids() -> None:
    said = headline(
        "- {event: Page, properties: {$device_id: D1}}\n- {event: Buy, properties: {$user_id: ana}}",
        "simplified",
        "{same_user: [['$device:D1', ana]]}",
    )
    assert said == (
        "$device:D1 and ana are two users: nothing ever connected them; "
        "send one event with both $device_id and $user_id after login"
    )


def test_legacy_joins_nothing_that_came_before_the_alias() -> None:
    said = headline(
        "- {event: Order, person: ana, properties: {distinct_id: ana}}\n"
        "- {event: $create_alias, person: ana, properties: {alias: ana, distinct_id: D1}}\n"
        "- {event: Page, person: ana, properties: {distinct_id: ana}}",
        "legacy",
    )
    assert "legacy never joins what came earlier" in said


def test_a_full_cluster() -> None:
    uuids = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(3)]
    steps = "".join(f"- {{event: $identify, properties: {{distinct_id: ana, $anon_id: {uuid}}}}}\n" for uuid in uuids)
    expect = f"{{same_user: [[ana, {uuids[2]}]]}}"
    text = f"name: a\nsettings: {{cluster_limit: 3}}\nsteps:\n{steps}expect: {expect}\n"
    scenario = parse_scenario(text.encode(), "a.yaml", Path())
    assert isinstance(scenario, Scenario)
    assert "was refused, errManyIDs: the cluster is full" in run_scenario(scenario, "original").headline
