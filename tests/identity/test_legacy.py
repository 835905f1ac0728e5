"""Legacy, rule by rule: an alias rewrites the ids of what arrives after it, and nothing else."""

from __future__ import annotations

import pytest

from harness.event import Event, Json
from harness.identity.model import IdentityModel
from tests.identity.wording import UUID_A, create_alias, event, identify, merge, only, project


def legacy(*events: Event, **switches: Json) -> IdentityModel:
    return project("legacy", *events, **switches)


def clusters(model: IdentityModel) -> list[tuple[str, ...]]:
    return [cluster.ids for cluster in model.clusters()]


def test_events_under_an_alias_are_stored_under_the_id_it_points_at() -> None:
    model = legacy(create_alias(UUID_A, "ann"))
    assert only(model)[:4] == ("alias", ("ann", UUID_A), "merged", None)
    arrival = model.add(event(distinct_id="ann"))
    assert (arrival.received, arrival.stored) == ("ann", UUID_A)


def test_events_that_came_before_the_alias_stay_another_user() -> None:
    model = legacy()
    early = model.add(event(distinct_id="ann"))
    model.add(create_alias(UUID_A, "ann"))
    late = model.add(event(distinct_id="ann"))
    assert (model.settled(early.stored), model.settled(late.stored)) == ("ann", UUID_A)
    assert clusters(model) == [(UUID_A,), ("ann",)]
    assert model.members("ann") == ("ann",)


def test_an_alias_points_at_one_id_only() -> None:
    model = legacy(create_alias("a", "ann"), create_alias("b", "ann"))
    assert model.decisions[1][2:4] == ("refused", "errAliasAlreadyExists")
    assert model.decisions[1].description == "alias already exists with the id"
    assert model.resolve("ann") == "a"


def test_many_aliases_may_point_at_one_id() -> None:
    model = legacy(create_alias(UUID_A, "ann"), create_alias(UUID_A, "ann@example.com"))
    assert model.resolve("ann") == model.resolve("ann@example.com") == UUID_A


def test_chains_of_aliases_are_followed() -> None:
    model = legacy(create_alias("a", "b"), create_alias("b", "c"), create_alias("c", "d"))
    assert model.add(event(distinct_id="d")).stored == "a"


def test_a_chain_may_be_made_from_its_far_end() -> None:
    model = legacy(create_alias("c", "d"), create_alias("b", "c"), create_alias("a", "b"))
    assert model.add(event(distinct_id="d")).stored == "a"


def test_an_alias_to_itself_does_nothing_and_is_not_used_up() -> None:
    model = legacy(create_alias("a", "a"), create_alias("b", "a"))
    assert [decision.outcome for decision in model.decisions] == ["already", "merged"]


def test_a_used_alias_is_refused_even_to_itself() -> None:
    model = legacy(create_alias("a", "b"), create_alias("b", "b"))
    assert model.decisions[1].reason == "errAliasAlreadyExists"


@pytest.mark.parametrize("length", [2, 3, 10])
def test_aliases_do_not_form_a_circle(length: int) -> None:
    chain = [create_alias(str(number), str(number + 1)) for number in range(length - 1)]
    model = legacy(*chain, create_alias(str(length - 1), "0"))
    assert model.decisions[length - 1][2:4] == ("refused", "alias_circle")
    assert model.resolve(str(length - 1)) == "0"


def test_a_refused_circle_leaves_the_alias_free() -> None:
    model = legacy(create_alias("a", "b"), create_alias("b", "a"), create_alias("z", "a"))
    assert [decision.outcome for decision in model.decisions] == ["merged", "refused", "merged"]
    assert model.resolve("b") == "z"


@pytest.mark.parametrize("properties", [{"alias": "a"}, {"distinct_id": "ann"}, {"alias": None, "distinct_id": "ann"}])
def test_an_alias_that_lacks_an_id_is_refused(properties: dict[str, Json]) -> None:
    assert only(legacy(Event("$create_alias", properties)))[2:4] == ("refused", None)


@pytest.mark.parametrize(
    ("sent", "kind", "ids"),
    [(identify("ann", UUID_A), "identify", (UUID_A, "ann")), (merge("a", "", "b"), "merge", ("a", "b"))],
)
def test_identify_and_merge_are_ignored(sent: Event, kind: str, ids: tuple[str, ...]) -> None:
    assert only(legacy(sent))[:4] == (kind, ids, "ignored", None)


def test_an_ignored_event_is_stored_under_the_id_it_carried_and_implies_none() -> None:
    model = legacy(create_alias("a", "ann"))
    assert model.add(identify("ann", UUID_A)).stored == "a"
    assert model.add(Event("$identify", {"$identified_id": "ann"})).received == ""
    assert clusters(model) == [("a",)]


def test_user_id_and_device_id_mean_nothing() -> None:
    model = legacy(event(distinct_id="a", user_id="ann", device_id=UUID_A), event(user_id="ann"))
    assert clusters(model) == [("a",)]


def test_the_anonymous_events_of_a_second_device_are_orphaned() -> None:
    model = legacy(event(distinct_id="first"), create_alias("first", "ann"), event(distinct_id="second"),
                   event(distinct_id="ann"))  # fmt: skip
    assert clusters(model) == [("first",), ("second",)]


def test_a_slow_alias_misses_the_events_right_after_it() -> None:
    model = legacy(alias_delay_ms=1000)
    model.add(create_alias("a", "ann"), arrival_ms=5_000)
    stored = [model.add(event(distinct_id="ann"), arrival_ms=ms).stored for ms in (5_000, 5_999, 6_000, 7_000)]
    assert stored == ["ann", "ann", "a", "a"]


def test_a_slow_alias_is_used_up_at_once() -> None:
    model = legacy(create_alias("a", "ann"), create_alias("b", "ann"), create_alias("ann", "a"), alias_delay_ms=1000)
    assert [decision.reason for decision in model.decisions] == [None, "errAliasAlreadyExists", "alias_circle"]


def test_a_chain_ends_where_an_alias_does_not_work_yet() -> None:
    model = legacy(alias_delay_ms=1000)
    model.add(create_alias("b", "c"), arrival_ms=0)
    model.add(create_alias("a", "b"), arrival_ms=600)
    stored = [model.add(event(distinct_id="c"), arrival_ms=ms).stored for ms in (900, 1_000, 1_599, 1_600)]
    assert stored == ["c", "b", "b", "a"]
