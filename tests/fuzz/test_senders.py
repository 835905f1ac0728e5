"""What the SDK twins and the Edge sender send, against what real ones do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.fuzz.bench import Bench, partition
from harness.fuzz.flow import Flow
from harness.fuzz.sdks import TWINS
from harness.fuzz.strategies import flows
from harness.scenario.format import AdvanceStep, EdgeStep, EventStep, ResendStep
from tests.fuzz.benches import changed, flow, shipped, twin

LAPTOP = "10000000-0000-4000-8000-000000000000"


def sent(bench: Bench, made: Flow) -> list[tuple[str, dict[str, object]]]:
    steps = bench.sending(made, bench.settings).steps
    hidden = ("time", "$insert_id")
    return [
        (step.name, {key: value for key, value in step.properties.items() if key not in hidden})
        for step in steps
        if isinstance(step, EventStep)
    ]


def test_the_browser_identifies_with_the_id_it_had_before() -> None:
    device = {"distinct_id": f"$device:{LAPTOP}", "$device_id": LAPTOP}
    both = {"distinct_id": "user-ana", "$device_id": LAPTOP, "$user_id": "user-ana"}
    assert sent(twin("browser", "original"), flow("ana: browse, laptop", "ana: log in, laptop")) == [
        ("Page View", device),
        ("$identify", {**both, "$anon_distinct_id": f"$device:{LAPTOP}"}),
        ("Log In", both),
    ]


def test_the_browser_sends_no_identify_for_the_same_user_again() -> None:
    made = flow("ana: log in, laptop", "ana: log out, laptop, 1", "ana: log in, laptop")
    names = [name for name, _ in sent(twin("browser", "simplified"), made)]
    assert names == ["$identify", "Log In", "Log Out", "Log In"]


def test_without_a_reset_the_browser_names_the_user_before_as_the_anonymous_id() -> None:
    steps = sent(twin("browser", "original", "shared"), flow("ana: log in, laptop", "ben: log in, laptop"))
    assert steps[2][1]["$anon_distinct_id"] == "user-ana"


def test_a_reset_makes_a_new_device_id_and_sends_nothing() -> None:
    made = flow("ana: log in, laptop", "ana: log out, laptop", "ben: browse, laptop")
    steps = sent(twin("browser", "original"), made)
    assert steps[-1] == (
        "Page View",
        {"distinct_id": f"$device:{LAPTOP[:-1]}1", "$device_id": f"{LAPTOP[:-1]}1"},
    )
    assert len(steps) == 4


def test_an_offline_browser_keeps_its_events_and_sends_them_in_any_order() -> None:
    made = flow("go offline, laptop", "ana: browse, laptop", "ana: log in, laptop", "come online, laptop, 1")
    steps = twin("browser", "original").sending(made, twin("browser", "original").settings).steps
    assert isinstance(steps[0], AdvanceStep)
    assert steps[0].text == "30h"
    assert [step.name for step in steps[1:] if isinstance(step, EventStep)] == ["Log In", "$identify", "Page View"]
    kept = twin("mobile", "original").sending(made, twin("browser", "original").settings).steps
    assert [step.name for step in kept if isinstance(step, EventStep)] == ["Page View", "$identify", "Log In"]


def test_who_stays_offline_to_the_end_comes_online_then() -> None:
    made = flow("go offline, laptop", "ana: browse, laptop")
    assert [name for name, _ in sent(twin("browser", "original"), made)] == ["Page View"]


def test_a_retry_sends_everything_of_one_action_again() -> None:
    made = flow("ana: browse, laptop", "ana: log in, laptop", "retry, laptop", "retry, laptop, 1")
    steps = twin("browser", "original").sending(made, twin("browser", "original").settings).steps
    assert [step.of for step in steps if isinstance(step, ResendStep)] == [1, 2, 0]


def test_rudderstack_merges_by_import_in_original_only() -> None:
    made = flow("ana: log in, laptop")
    assert sent(twin("rudderstack", "original"), made)[0] == ("$merge", {"$distinct_ids": ["user-ana", LAPTOP]})
    assert [name for name, _ in sent(twin("rudderstack", "simplified"), made)] == ["Log In"]


def test_segment_identifies_at_every_login_with_ids_without_prefix() -> None:
    made = flow("ana: log in, laptop", "ana: log out, laptop, 1", "ana: log in, laptop")
    steps = sent(twin("segment", "original"), made)
    identified = [content for name, content in steps if name == "$identify"]
    assert identified == [{"$identified_id": "user-ana", "$anon_id": LAPTOP, "distinct_id": "user-ana"}] * 2


def test_the_server_sends_one_event_with_both_ids_in_simplified() -> None:
    steps = sent(twin("server", "simplified"), flow("ana: log in, laptop"))
    assert steps == [("Log In", {"distinct_id": "", "$device_id": LAPTOP, "$user_id": "user-ana"})]


@given(flows())
def test_every_twin_sends_steps_that_every_system_can_play(made: Flow) -> None:
    for name in TWINS:
        for id_merge in ID_MERGE_SYSTEMS:
            played = twin(name, id_merge).play(made)
            numbers = [step.number for step in played.sending.steps]
            assert numbers == list(range(len(numbers)))
            assert {event.step for event in played.result.events} <= played.sending.origins.keys()


def test_edge_calls_know_the_user_from_login_to_logout() -> None:
    made = flow("ana: browse, laptop", "ana: log in, laptop, 1", "ana: browse, laptop", "ana: log out, laptop")
    bench = shipped("retail.yaml", "simplified")
    calls = [step.event for step in bench.sending(made, bench.settings).steps if isinstance(step, EdgeStep)]
    assert [call["data"].get("email") for call in calls] == [None, "Ana@example.com", "Ana@example.com", None]
    assert [call["xdm"]["eventType"] for call in calls] == [
        "web.webpagedetails.pageViews",
        "userAccount.login",
        "web.webpagedetails.pageViews",
        "userAccount.logout",
    ]
    assert len({call["xdm"]["_id"] for call in calls}) == 4


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_replaying_rows_gives_the_users_of_the_run(id_merge: IdMerge, tmp_path: Path) -> None:
    made = flow(
        "ana: browse, laptop", "ben: log in, phone", "ana: log in, laptop", "retry, laptop", "ben: browse, phone"
    )
    for bench in (shipped("retail.yaml", id_merge), changed("retail-iso-time.yaml", id_merge)(tmp_path)):
        played = bench.play(made)
        assert played.users_under_seed(0) == played.users_in_turn([frozenset({"ana", "ben", "cleo"})])
        assert played.users_under_seed(0) == partition(played.result)
