from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import Event, IdMerge, NotAnEvent
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import IngestionSettings, ProjectSettings
from tests.ingestion.rows import NOW_MS, NOW_S, row

UUID = "11111111-1111-4111-8111-111111111111"


def project(id_merge: IdMerge = "simplified", **settings: Any) -> MixpanelProject:
    return MixpanelProject(id_merge, ProjectSettings(ingestion=IngestionSettings(**settings)))


def test_good_rows_beside_bad_ones_are_stored() -> None:
    here = project()
    results = here.receive([row(), 5, row(time="x", S_insert_id="i-2"), row(S_insert_id="i-3")], now_ms=NOW_MS)
    assert [result.status for result in results] == ["accepted", "rejected", "rejected", "accepted"]
    assert [result.event_index for result in results] == [0, 1, 2, 3]
    assert list(here.rows) == here.rows[:] == results
    assert [stored.event_index for stored in here.events] == [0, 3]
    assert here.stored(1) is None
    assert here.distinct_id(1) == ""


def test_a_row_that_was_never_an_event_has_its_place() -> None:
    here = project()
    results = here.receive([NotAnEvent("", "line 1 is not JSON"), Event("x", row()["properties"])], now_ms=NOW_MS)
    assert [result.status for result in results] == ["rejected", "accepted"]
    assert results[0].errors[0].message == "line 1 is not JSON"


def test_the_model_cites_the_index_of_the_row() -> None:
    here = project()
    here.receive([5, row(S_device_id="D", S_user_id="u")], now_ms=NOW_MS)
    assert [decision.event_index for decision in here.model.decisions] == [1]


def test_the_same_event_again_is_a_duplicate_and_the_last_one_counts() -> None:
    here = project()
    here.receive([row(), row(), row()], now_ms=NOW_MS)
    assert here.statuses() == ["duplicate", "duplicate", "accepted"]
    assert [here.status(index) for index in range(3)] == here.statuses()
    assert here.users() == ["u1"]


@pytest.mark.parametrize(
    "other", [row("Other"), row(distinct_id="u2"), row(time=NOW_S - 61), row(S_insert_id="i-2"), row(S_insert_id="I-1")]
)
def test_events_that_differ_in_a_part_of_the_key_are_two(other: dict[str, Any]) -> None:
    here = project()
    here.receive([row(), other], now_ms=NOW_MS)
    assert here.statuses() == ["accepted", "accepted"]


def test_seconds_and_milliseconds_of_one_moment_are_equal() -> None:
    here = project()
    here.receive([row(time=NOW_S - 60), row(time=(NOW_S - 60) * 1000)], now_ms=NOW_MS)
    assert here.statuses() == ["duplicate", "accepted"]


def test_a_made_up_insert_id_is_nobodys_duplicate() -> None:
    here = project()
    here.receive([row(S_insert_id=...)] * 2, now_ms=NOW_MS, endpoint="track")
    made_up = here.events[0].insert_id
    here.receive([row(S_insert_id=made_up)], now_ms=NOW_MS, endpoint="track")
    assert here.statuses() == ["accepted"] * 3
    assert [stored.made_up for stored in here.events] == [True, True, False]
    assert here.events[0].insert_id != here.events[1].insert_id


def test_a_later_link_can_make_two_events_one() -> None:
    here = project()
    anonymous = row(S_device_id="D", distinct_id=...)
    here.receive([anonymous, row(S_user_id="u", distinct_id=...)], now_ms=NOW_MS)
    assert here.statuses() == ["accepted", "accepted"]
    here.receive([row("Login", S_device_id="D", S_user_id="u")], now_ms=NOW_MS)
    assert here.statuses() == ["duplicate", "accepted", "accepted"]
    assert here.users() == ["u"]


def test_by_the_id_that_was_sent_they_stay_two() -> None:
    here = project(dedup_id="raw")
    rows = [row(S_device_id="D", distinct_id=...), row(S_user_id="u", distinct_id=...)]
    here.receive([*rows, row("Login", S_device_id="D", S_user_id="u")], now_ms=NOW_MS)
    assert here.statuses() == ["accepted"] * 3


def test_compaction_goes_by_the_day_and_is_off_by_default() -> None:
    midnight = NOW_S - NOW_S % 86_400
    same_day, day_before = [row(time=midnight + 10), row(time=midnight + 20)], row(time=midnight - 10)
    for compaction, expected in ((False, ["accepted"] * 3), (True, ["accepted", "duplicate", "accepted"])):
        here = project(dedup_compaction=compaction)
        here.receive([day_before, *same_day], now_ms=NOW_MS)
        assert here.statuses() == expected


def test_the_day_may_be_one_of_the_projects_time_zone() -> None:
    midnight = NOW_S - NOW_S % 86_400
    here = project(dedup_compaction=True, dedup_day="project", project_timezone="Asia/Tokyo")
    here.receive([row(time=midnight - 10), row(time=midnight + 10)], now_ms=NOW_MS)
    assert here.statuses() == ["duplicate", "accepted"]


def test_a_user_has_an_event_that_counts_and_is_no_identity_event() -> None:
    here = project("original")
    here.receive(
        [
            row("$identify", distinct_id="u", S_anon_distinct_id=UUID),
            row("$create_alias", distinct_id="v", alias="w"),
            row(distinct_id="", S_insert_id="i-2"),
        ],
        now_ms=NOW_MS,
    )
    assert here.users() == []
    here.receive([row(distinct_id=UUID, S_insert_id="i-3"), row(distinct_id="u", S_insert_id="i-4")], now_ms=NOW_MS)
    assert here.users() == [here.model.resolve("u")]
    assert here.distinct_id(3) == here.distinct_id(4) in {"u", UUID}


def test_one_wrong_row_may_fail_the_whole_batch_where_that_reading_is_chosen() -> None:
    here = project(verbs_on_import="reject_batch")
    results = here.receive([row(), row("$identify")], now_ms=NOW_MS)
    assert [result.status for result in results] == ["rejected", "rejected"]
    assert [result.is_verb for result in results] == [False, True]
    assert len(here.events) == 0
    assert [result.status for result in here.receive([row()], now_ms=NOW_MS)] == ["accepted"]
    assert [result.status for result in here.receive([row("$identify")], now_ms=NOW_MS, strict=False)] == ["accepted"]


def test_settings_say_whether_import_is_strict_and_a_call_may_say_otherwise() -> None:
    lenient = MixpanelProject("original", ProjectSettings(strict=False))
    raw = row(S_insert_id=...)
    assert lenient.receive([raw], now_ms=NOW_MS)[0].status == "accepted"
    assert lenient.receive([raw], now_ms=NOW_MS, strict=True)[0].status == "rejected"


def test_a_token_is_asked_for_only_where_the_caller_says_so() -> None:
    here = MixpanelProject("simplified", ProjectSettings(token="t1"))
    rows = [row(), row(token=""), row(token="t2"), row(token="t1"), 5, row(token=7)]
    results = here.receive(rows, now_ms=NOW_MS, endpoint="track", check_token=True)
    assert [result.status for result in results] == [
        "rejected",
        "rejected",
        "dropped",
        "accepted",
        "rejected",
        "rejected",
    ]
    assert results[0].errors[0].message == "token, missing or empty"
    assert here.receive([row()], now_ms=NOW_MS)[0].status == "accepted"


def test_without_a_token_of_its_own_a_project_takes_any() -> None:
    here = project()
    results = here.receive([row(token="x"), row(token="")], now_ms=NOW_MS, endpoint="track", check_token=True)
    assert [result.status for result in results] == ["accepted", "rejected"]


def test_past_the_limit_of_a_day_events_go_to_the_hot_shard() -> None:
    here = project(hot_shard_events=2)
    rows = [row(S_insert_id=f"i-{number}") for number in range(4)]
    results = here.receive([*rows, row(time=NOW_S - 86_400 * 2), row(distinct_id="u2")], now_ms=NOW_MS)
    assert all(result.status == "accepted" for result in results)
    assert [stored.event.name for stored in here.events] == [
        "Page View",
        "Page View",
        "$hotshard_events",
        "$hotshard_events",
        "Page View",
        "Page View",
    ]
    properties = here.events[2].event.properties
    assert (properties["distinct_id"], properties["mp_original_event_name"]) == ("", "Page View")
    assert properties["mp_original_distinct_id"] == "u1"
    assert here.distinct_id(2) == ""
    assert results[2].cautions
    assert here.users() == ["u1", "u2"]


def test_nobody_is_never_a_hot_shard() -> None:
    here = project(hot_shard_events=1)
    here.receive([row(distinct_id="", S_insert_id=f"i-{number}") for number in range(3)], now_ms=NOW_MS)
    assert {stored.event.name for stored in here.events} == {"Page View"}


def test_in_legacy_a_delayed_alias_works_by_the_clock_of_arrival() -> None:
    from harness.identity.settings import IdentitySettings

    here = MixpanelProject("legacy", ProjectSettings(identity=IdentitySettings(alias_delay_ms=1000)))
    here.receive([row("$create_alias", distinct_id="d", alias="u")], now_ms=NOW_MS)
    here.receive([row(distinct_id="u")], now_ms=NOW_MS + 999)
    here.receive([row(distinct_id="u", S_insert_id="i-2")], now_ms=NOW_MS + 1000)
    assert [here.distinct_id(index) for index in (1, 2)] == ["u", "d"]


few = st.sampled_from(["a", "b", "c"])
rows = st.builds(
    lambda name, time, insert_id, ids: row(name, time=time, S_insert_id=insert_id, distinct_id=..., **ids),
    st.sampled_from(["x", "y"]),
    st.sampled_from([NOW_S - 1, NOW_S - 2, NOW_S - 90_000]),
    few,
    st.fixed_dictionaries({}, optional={"S_device_id": few, "S_user_id": few}),
)


@given(st.lists(st.lists(rows, max_size=6), max_size=6), st.sampled_from(["resolved", "raw"]), st.booleans())
def test_duplicates_asked_for_on_the_way_are_those_of_the_definition(
    batches: list[list[Any]], dedup_id: str, compaction: bool
) -> None:
    here = project(dedup_id=dedup_id, dedup_compaction=compaction)
    for batch in batches:
        here.receive(batch, now_ms=NOW_MS)
        expected: set[int] = set()
        for keys in ("time", "day") if compaction else ("time",):
            last: dict[Any, int] = {}
            for stored in here.events:
                whose = here.distinct_id(stored.event_index) if dedup_id == "resolved" else stored.arrival.received
                when = stored.time_ms if keys == "time" else stored.time_ms // 86_400_000
                key = (stored.event.name, whose, when, stored.insert_id)
                if key in last:
                    expected.add(last[key])
                last[key] = stored.event_index
        assert here.duplicates() == expected
