"""Test runs never join each other, and marked ids behave as the ids they stand for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.identity.model import IdentityModel, build
from harness.identity.settings import IdentitySettings
from harness.live.marking import Marking
from tests.live.rows import OTHER_UUID, UUID

RUN, OTHER_RUN = Marking("nightly-17"), Marking("nightly-18")
IDS = (
    "ana", "ana@example.com", UUID, OTHER_UUID, f"$device:{UUID}", "$device:D1", "D1", "12345", "a-b-c-d-e",
    "x-y-z-u-v", "1-2-3-4-5", "13bbf794-3e58-1084-8885-c2531aaaaaaa", UUID.upper(), "2" * 38, "$device:",
    "$device:$device:D1",
)  # fmt: skip


@pytest.mark.parametrize("id_", IDS)
def test_an_id_is_the_same_in_one_run_and_another_one_in_the_next(id_: str) -> None:
    assert RUN.id(id_) == RUN.id(id_)
    assert RUN.id(RUN.id(id_)) != RUN.id(id_) or id_ == "$device:"
    if id_ != "$device:":
        assert len({id_, RUN.id(id_), OTHER_RUN.id(id_)}) == 3


def test_different_ids_stay_different() -> None:
    assert len({RUN.id(id_) for id_ in IDS}) == len(IDS)


@pytest.mark.parametrize("form", ["compat", "strict_v4", "php_loose"])
@pytest.mark.parametrize("id_", IDS)
def test_an_anonymous_id_is_taken_or_refused_as_before(id_: str, form: Any) -> None:
    def reason(anonymous: str) -> str | None:
        model = build("original", IdentitySettings(anon_id_form=form))
        decision = model.add(Event("$identify", {"distinct_id": "who", "$anon_distinct_id": anonymous})).decision
        assert decision is not None
        return decision.reason

    assert reason(RUN.id(id_)) == reason(id_)


def test_what_is_no_id_of_anyone_stays_for_the_gate_to_see() -> None:
    for text in ("null", "Undefined", "$device:anonymous", "00000000-0000-0000-0000-000000000000", "", "0"):
        assert RUN.id(text) == text


def test_every_id_of_an_event_is_marked_and_nothing_else_but_the_run() -> None:
    sent = {
        "distinct_id": "ana", "$user_id": 17, "$device_id": None, "$identified_id": "", "$anon_id": UUID,
        "alias": "x", "$distinct_ids": ["a", UUID], "email": "ana@example.com", "$insert_id": "i-1",
    }  # fmt: skip
    marked = RUN.properties(sent)
    assert marked["distinct_id"] == "nightly-17_ana"
    assert marked["$user_id"] == "nightly-17_17"
    assert marked["$device_id"] is None
    assert marked["$identified_id"] == ""
    assert marked["$distinct_ids"] == [RUN.id("a"), RUN.id(UUID)]
    assert marked["email"] == "ana@example.com"
    assert marked["harness_run"] == "nightly-17"
    assert marked["$insert_id"] == RUN.properties(sent)["$insert_id"] != OTHER_RUN.properties(sent)["$insert_id"]
    assert sent["distinct_id"] == "ana"


def test_without_isolation_ids_stay_but_insert_ids_are_of_the_run() -> None:
    marked = Marking("r", isolates=False).properties({"distinct_id": "ana", "$insert_id": "i-1"})
    assert marked["distinct_id"] == "ana"
    assert marked["$insert_id"] != "i-1"


def test_a_malformed_insert_id_stays_malformed() -> None:
    assert RUN.properties({"$insert_id": "a:b"})["$insert_id"] == "a:b"


some_id = some.sampled_from(IDS[:12])
some_event = some.builds(
    lambda name, a, b, c: Event(name, {
        "distinct_id": a, "$anon_distinct_id": b, "alias": b, "$distinct_ids": [a, b],
        **({"$device_id": b, "$user_id": a} if c else {}),
    }),
    some.sampled_from(["Page", "$identify", "$create_alias", "$merge"]), some_id, some_id, some.booleans(),
)  # fmt: skip


@given(some.lists(some_event, max_size=12), some.sampled_from(ID_MERGE_SYSTEMS))
def test_a_marked_stream_has_the_users_of_the_stream_it_stands_for(events: list[Event], id_merge: IdMerge) -> None:
    plain, marked = build(id_merge), build(id_merge)
    for event in events:
        before = plain.add(event).decision
        after = marked.add(Event(event.name, RUN.properties(event.properties))).decision
        assert (before and before[2:4]) == (after and after[2:4])
    assert _partition(plain, RUN.id) == _partition(marked, str)


def _partition(model: IdentityModel, spelled: Any) -> set[frozenset[str]]:
    return {frozenset(spelled(text) for text in cluster.ids) for cluster in model.clusters()}
