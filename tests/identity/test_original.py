"""Original ID Merge, rule by rule: three events join ids, each under its own guards."""

from __future__ import annotations

import pytest

from harness.event import Event, Json
from harness.identity.model import IdentityModel
from tests.identity.wording import (
    ECID,
    UUID_A,
    UUID_B,
    UUID_C,
    create_alias,
    event,
    identify,
    merge,
    only,
    project,
    uuid,
)


def original(*events: Event, **switches: Json) -> IdentityModel:
    return project("original", *events, **switches)


def cautions(model: IdentityModel, rule: str) -> list[tuple[int, tuple[str, ...]]]:
    return [(caution.event_index, caution.ids) for caution in model.cautions if caution.rule == rule]


def crowd(size: int) -> list[Event]:
    """One user who is identified from ever new devices, and a page view of everybody."""
    logins = [identify("ann", uuid(number)) for number in range(size)]
    return [*logins, event(distinct_id="ann"), *(event(distinct_id=uuid(number)) for number in range(size))]


def users(model: IdentityModel) -> set[str]:
    return {model.settled(text) for cluster in model.clusters() for text in cluster.ids}


# --- what joins ---------------------------------------------------------------------------------------------------


def test_identify_makes_one_user_of_the_anonymous_and_the_identified_id() -> None:
    model = original(event(distinct_id=UUID_A), identify("ann", UUID_A), event(distinct_id="ann"))
    assert only(model)[:4] == ("identify", (UUID_A, "ann"), "merged", None)
    assert model.members("ann") == (UUID_A, "ann")
    assert model.settled(UUID_A) == model.settled("ann")


def test_identify_takes_either_spelling_of_both_ids() -> None:
    model = original(Event("$identify", {"$identified_id": "ann", "$anon_id": UUID_A}))
    assert only(model)[:3] == ("identify", (UUID_A, "ann"), "merged")


def test_identified_id_and_anon_id_win_over_the_other_spelling() -> None:
    both = {"distinct_id": "x", "$identified_id": "ann", "$anon_id": UUID_A, "$anon_distinct_id": UUID_B}
    model = original(Event("$identify", both))
    assert only(model).ids == (UUID_A, "ann")
    assert [cluster.ids for cluster in model.clusters()] == [(UUID_A, "ann"), ("x",)]


@pytest.mark.parametrize("absent", ["", None])
def test_an_empty_spelling_gives_way_to_the_other(absent: Json) -> None:
    both = {"distinct_id": "ann", "$identified_id": absent, "$anon_id": absent, "$anon_distinct_id": UUID_A}
    assert only(original(Event("$identify", both)))[:3] == ("identify", (UUID_A, "ann"), "merged")


@pytest.mark.parametrize("value", [False, 0, []])
def test_an_id_that_is_no_text_is_not_absent(value: Json) -> None:
    both = {"distinct_id": "ann", "$anon_id": value, "$anon_distinct_id": UUID_A}
    assert only(original(Event("$identify", both))).reason == "errAnonDistinctIdNonGUIDForm"


def test_an_identify_without_distinct_id_belongs_to_the_identified_id() -> None:
    model = original()
    arrival = model.add(Event("$identify", {"$identified_id": "ann", "$anon_id": UUID_A}))
    assert arrival.received == "ann"


def test_the_returning_user_brings_a_second_device_into_the_cluster() -> None:
    model = original(identify("ann", UUID_A), identify("ann", UUID_B))
    assert model.members("ann") == (UUID_A, UUID_B, "ann")


def test_a_whole_anonymous_cluster_joins_the_user() -> None:
    model = original(merge(UUID_A, UUID_B), identify("ann", UUID_A))
    assert model.members("ann") == (UUID_A, UUID_B, "ann")


def test_user_id_and_device_id_on_other_events_join_nothing() -> None:
    model = original(event(distinct_id="ann", device_id=UUID_A, user_id="bob"))
    assert len(model.decisions) == 0
    assert [cluster.ids for cluster in model.clusters()] == [("ann",)]


def test_order_of_arrival_decides_so_a_backdated_identify_joins_later_events_too() -> None:
    backdated = Event("$identify", {"distinct_id": "ann", "$anon_distinct_id": UUID_A, "time": 1_000_000_000})
    model = original(Event("Page View", {"distinct_id": UUID_A, "time": 1_700_000_000}), backdated)
    assert model.settled(UUID_A) == model.settled("ann")


def test_of_two_logins_on_one_device_the_one_that_arrives_first_wins_whatever_its_time() -> None:
    late = Event("$identify", {"distinct_id": "ann", "$anon_distinct_id": UUID_A, "time": 1_700_000_000})
    early = Event("$identify", {"distinct_id": "bob", "$anon_distinct_id": UUID_A, "time": 1_000_000_000})
    model = original(late, early)
    assert [decision.outcome for decision in model.decisions] == ["merged", "refused"]


# --- $identify: the refusals, in their order ----------------------------------------------------------------------


def test_an_id_is_not_identified_as_itself() -> None:
    decision = only(original(identify(UUID_A, UUID_A)))
    assert (decision.outcome, decision.reason) == ("refused", "errSameIDs")
    assert decision.description == f"Identified and anon ID are same in the identify request {UUID_A}"


def test_equal_ids_are_refused_as_equal_before_anyone_looks_at_their_form() -> None:
    assert only(original(identify("ann", "ann"))).reason == "errSameIDs"


@pytest.mark.parametrize(
    "anonymous",
    [
        "session_abc123_v1",
        UUID_A.replace("-", ""),
        f"$device:$device:{UUID_A}",
        f"$DEVICE:{UUID_A}",
        f"{UUID_A}\n",
        f" {UUID_A}",
        "3f0c1d5e-7a44-4b6e-9d2a-0123-456789ab",
        "3f0c1d5e-7a44-4b6e-9d2a",
        "----",
        "507f1f77bcf86cd799439011",
        "",
        None,
        42,
    ],
)
def test_an_anonymous_id_that_is_not_of_uuid_form_is_refused(anonymous: Json) -> None:
    decision = only(original(identify("ann", anonymous)))
    assert (decision.outcome, decision.reason) == ("refused", "errAnonDistinctIdNonGUIDForm")


def test_the_refusal_of_a_form_quotes_the_id() -> None:
    decision = only(original(identify("ann", "session_abc123_v1")))
    assert decision.description == "$anon_distinct_id didn't match expected GUID pattern: session_abc123_v1"


@pytest.mark.parametrize("ecid", [ECID, f"$device:{ECID}", int(ECID)])
@pytest.mark.parametrize("form", ["compat", "strict_v4", "php_loose"])
def test_an_ecid_is_always_refused_as_anonymous_id(ecid: Json, form: str) -> None:
    decision = only(original(identify("ann", ecid), anon_id_form=form))
    assert decision.reason == "errAnonDistinctIdNonGUIDForm"


@pytest.mark.parametrize("anonymous", [UUID_A, UUID_A.upper(), f"$device:{UUID_A}", f"$device:{UUID_A.upper()}"])
@pytest.mark.parametrize("form", ["compat", "strict_v4", "php_loose"])
def test_a_uuid_of_version_4_is_taken_in_any_case_and_behind_a_device_prefix(anonymous: str, form: str) -> None:
    model = original(identify("ann", anonymous), anon_id_form=form)
    assert only(model).outcome == "merged"
    assert cautions(model, "original.anon_not_v4") == []


@pytest.mark.parametrize(
    "anonymous",
    [
        "13bbf7943e584-0885c2531-5c793977-3e8000-13bbf7943e64cf",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "$device:01890a5d-ac96-774b-bcce-b302099a8057",
        "3f0c1d5e-7a44-4b6e-7d2a-0123456789ab",
    ],
)
def test_five_groups_of_hex_digits_that_are_no_version_4_are_taken_with_a_warning(anonymous: str) -> None:
    model = original(identify("ann", anonymous))
    assert only(model).outcome == "merged"
    assert cautions(model, "original.anon_not_v4") == [(0, (anonymous,))]
    strict = only(original(identify("ann", anonymous), anon_id_form="strict_v4"))
    assert strict.reason == "errAnonDistinctIdNonGUIDForm"


@pytest.mark.parametrize("anonymous", ["xyz-1-2-3-4", "----"])
def test_the_loose_form_of_the_php_sdk_takes_five_groups_of_letters_and_digits(anonymous: str) -> None:
    assert only(original(identify("ann", anonymous), anon_id_form="php_loose")).outcome == "merged"


def test_a_device_that_was_identified_is_not_identified_as_another_user() -> None:
    model = original(identify("ann", UUID_A), identify("bob", UUID_A))
    decision = model.decisions[1]
    assert (decision.outcome, decision.reason) == ("refused", "errAnonDistinctIdAssignedAlready")
    assert decision.description == f"$anon_distinct_id already identified: {UUID_A}"
    assert [cluster.ids for cluster in model.clusters()] == [(UUID_A, "ann"), ("bob",)]


def test_the_same_pair_again_is_refused_too() -> None:
    model = original(identify("ann", UUID_A), identify("ann", UUID_A))
    assert model.decisions[1].reason == "errAnonDistinctIdAssignedAlready"


def test_the_same_pair_again_is_nothing_to_do_where_the_project_says_so() -> None:
    model = original(identify("ann", UUID_A), identify("ann", UUID_A), reidentify_same_pair="noop")
    assert model.decisions[1][2:4] == ("already", None)


def test_saying_so_does_not_open_the_device_to_another_user() -> None:
    model = original(identify("ann", UUID_A), identify("bob", UUID_A), reidentify_same_pair="noop")
    assert model.decisions[1].reason == "errAnonDistinctIdAssignedAlready"


def test_any_id_in_a_cluster_with_an_identified_id_is_assigned() -> None:
    events = [identify("ann", UUID_A), merge(UUID_B, "ann"), identify("bob", UUID_B)]
    assert original(*events).decisions[2].reason == "errAnonDistinctIdAssignedAlready"
    assert original(*events, assigned_rule="anon_only").decisions[2].outcome == "merged"


def test_a_user_whose_id_is_a_uuid_is_protected_by_the_cluster_rule_alone() -> None:
    # Without a reset the browser sends the former user as the anonymous id of the next.
    events = [identify(UUID_B, UUID_A), identify(UUID_C, UUID_B)]
    assert original(*events).decisions[1].reason == "errAnonDistinctIdAssignedAlready"
    merged = original(*events, assigned_rule="anon_only")
    assert merged.members(UUID_A) == (UUID_A, UUID_B, UUID_C)


def test_a_refused_identify_does_not_make_its_id_an_identified_one() -> None:
    model = original(identify(UUID_B, "no uuid"), identify("ann", UUID_B))
    assert [decision.outcome for decision in model.decisions] == ["refused", "merged"]


def test_an_identify_within_one_cluster_is_nothing_to_do_and_identifies_nobody() -> None:
    model = original(merge(UUID_A, UUID_B), identify(UUID_A, UUID_B), identify("ann", UUID_B))
    assert [decision.outcome for decision in model.decisions] == ["merged", "already", "merged"]


def test_an_identify_without_identified_id_is_refused_without_a_reason_of_mixpanels() -> None:
    model = original(Event("$identify", {"$anon_distinct_id": UUID_A}))
    assert only(model)[1:4] == ((UUID_A, ""), "refused", None)
    assert [cluster.ids for cluster in model.clusters()] == [(UUID_A,)]


def test_an_identify_without_any_id_names_the_same_id_twice() -> None:
    assert only(original(Event("$identify", {}))).reason == "errSameIDs"


# --- $create_alias ------------------------------------------------------------------------------------------------


def test_an_alias_joins_ids_of_any_form() -> None:
    model = original(create_alias("ann", "ann@example.com"))
    assert only(model)[:3] == ("alias", ("ann@example.com", "ann"), "merged")
    assert model.members("ann") == ("ann", "ann@example.com")


def test_an_alias_is_used_once() -> None:
    model = original(create_alias("ann", "a"), create_alias("bob", "a"))
    decision = model.decisions[1]
    assert (decision.outcome, decision.reason) == ("refused", "errAliasAlreadyExists")
    assert decision.description == "alias already exists with the id"


def test_an_alias_is_used_up_even_by_itself_and_within_one_cluster() -> None:
    model = original(create_alias("a", "a"), create_alias("ann", "a"), merge("b", "bob"), create_alias("bob", "b"),
                     create_alias("ann", "b"))  # fmt: skip
    assert [decision.outcome for decision in model.decisions] == ["already", "refused", "merged", "already", "refused"]


def test_aliases_fan_in_and_chain() -> None:
    model = original(create_alias("ann", "a"), create_alias("ann", "b"), create_alias("b", "c"))
    assert model.members("ann") == ("a", "ann", "b", "c")


def test_an_alias_joins_two_identified_users() -> None:
    model = original(identify("ann", UUID_A), identify("bob", UUID_B), create_alias("ann", "bob"))
    assert model.members("ann") == (UUID_A, UUID_B, "ann", "bob")


def test_an_alias_refused_for_size_may_be_tried_again() -> None:
    model = original(merge("a", "b"), create_alias("a", "x"), create_alias("y", "x"), cluster_limit=2)
    assert [decision.reason for decision in model.decisions] == [None, "errManyIDs", None]
    assert model.members("x") == ("x", "y")


@pytest.mark.parametrize("properties", [{"alias": "a"}, {"distinct_id": "ann"}, {"alias": "", "distinct_id": "ann"}])
def test_an_alias_that_lacks_an_id_is_refused(properties: dict[str, Json]) -> None:
    assert only(original(Event("$create_alias", properties)))[2:4] == ("refused", None)


# --- $merge -------------------------------------------------------------------------------------------------------


def test_merge_joins_two_identified_users_the_classic_accident() -> None:
    model = original(identify("ann", UUID_A), identify("bob", UUID_B), merge("ann", "bob"))
    assert model.decisions[2].outcome == "merged"
    assert model.members("ann") == (UUID_A, UUID_B, "ann", "bob")


def test_merge_by_track_is_ignored_though_its_ids_exist() -> None:
    model = original()
    model.add(merge("ann", "bob"), endpoint="track")
    assert only(model)[2:4] == ("ignored", None)
    assert [cluster.ids for cluster in model.clusters()] == [("ann",), ("bob",)]


@pytest.mark.parametrize("endpoint", ["track", "import"])
def test_identify_and_alias_work_by_either_route(endpoint: str) -> None:
    model = original()
    for sent in (identify("ann", UUID_A), create_alias("ann", "a")):
        model.add(sent, endpoint="track" if endpoint == "track" else "import")
    assert [decision.outcome for decision in model.decisions] == ["merged", "merged"]


@pytest.mark.parametrize("ids", [("a", "a"), ("a", "b")])
def test_merge_of_one_cluster_is_nothing_to_do(ids: tuple[str, str]) -> None:
    assert original(merge("a", "b"), merge(*ids)).decisions[1][2:4] == ("already", None)


@pytest.mark.parametrize("listed", [[], ["a"], ["a", "b", "c"], ["a", ""], ["a", None], "ab", None])
def test_merge_of_anything_but_two_ids_is_refused(listed: Json) -> None:
    assert only(original(Event("$merge", {"$distinct_ids": listed})))[2:4] == ("refused", None)


def test_a_merge_belongs_to_the_first_of_its_ids() -> None:
    assert original().add(merge("a", "b")).received == "a"


def test_ids_differ_by_case_and_count_as_text() -> None:
    model = original(merge("Ann", 42), event(distinct_id="ann"), event(distinct_id="42"))
    assert [cluster.ids for cluster in model.clusters()] == [("42", "Ann"), ("ann",)]


# --- refusals and existence ---------------------------------------------------------------------------------------


def test_every_id_an_identity_event_names_exists_refused_or_not() -> None:
    model = original(identify("ann", "no uuid"), merge("a", "b", "c"), create_alias("", "z"))
    assert [cluster.ids for cluster in model.clusters()] == [("a",), ("ann",), ("b",), ("c",), ("no uuid",), ("z",)]


def test_a_refused_event_is_stored_under_the_id_it_carried() -> None:
    arrival = original().add(identify("ann", "no uuid"))
    assert (arrival.received, arrival.stored) == ("ann", "ann")


# --- the limit ----------------------------------------------------------------------------------------------------


def test_one_user_and_510_anonymous_ids_are_11_users_one_of_501_ids_and_10_orphans() -> None:
    model = original(*crowd(510))
    sizes = sorted((len(cluster.ids) for cluster in model.clusters()), reverse=True)
    assert sizes == [501] + [1] * 10
    assert len(users(model)) == 11


def test_by_the_documentation_the_largest_cluster_has_500_ids() -> None:
    model = original(*crowd(510), profile="docs")
    assert max(len(cluster.ids) for cluster in model.clusters()) == 500
    assert len(users(model)) == 12


def test_a_limit_of_ones_own_overrides_the_profile() -> None:
    model = original(*crowd(5), profile="docs", cluster_limit=4)
    assert sorted(len(cluster.ids) for cluster in model.clusters()) == [1, 1, 4]


def test_the_id_too_many_is_refused_with_the_size_it_would_have_made() -> None:
    refused = original(*crowd(500), profile="docs").decisions[499]
    assert (refused.outcome, refused.reason) == ("refused", "errManyIDs")
    assert refused.description == "too many distinctIDs mapped together, Cluster size: 501 Max limit: 500"


def test_two_clusters_that_are_too_large_together_stay_apart() -> None:
    model = original(merge("a", "b"), merge("c", "d"), merge("a", "c"), cluster_limit=3)
    assert model.decisions[2].reason == "errManyIDs"
    assert [cluster.ids for cluster in model.clusters()] == [("a", "b"), ("c", "d")]


def test_a_cluster_at_the_limit_still_takes_what_is_in_it() -> None:
    model = original(merge("a", "b"), merge("b", "a"), cluster_limit=2)
    assert model.decisions[1].outcome == "already"


@pytest.mark.parametrize(("limit", "warned_at"), [(500, 400), (501, 401), (5, 4)])
def test_a_cluster_is_warned_about_once_from_80_percent_of_the_limit(limit: int, warned_at: int) -> None:
    model = original(*crowd(limit), cluster_limit=limit)
    ids_of_warned = warned_at - 2  # the first login makes two ids, each further one more
    assert cautions(model, "original.near_limit") == [(ids_of_warned, (uuid(ids_of_warned), "ann"))]


def test_an_ordinary_cluster_is_not_warned_about() -> None:
    assert original(*crowd(10)).cautions == []


# --- prefixes -----------------------------------------------------------------------------------------------------


def test_an_id_with_and_without_device_prefix_are_two_ids_and_both_occurring_is_warned_about() -> None:
    model = original(event(distinct_id=UUID_A), event(distinct_id=f"$device:{UUID_A}"))
    assert [cluster.ids for cluster in model.clusters()] == [(f"$device:{UUID_A}",), (UUID_A,)]
    assert cautions(model, "original.device_prefix") == [(1, (UUID_A, f"$device:{UUID_A}"))]


def test_the_warning_about_twins_comes_once_and_in_either_order() -> None:
    twins = [event(distinct_id=f"$device:{UUID_A}"), event(distinct_id=UUID_A)]
    assert len(cautions(original(*twins, *twins), "original.device_prefix")) == 1


def test_where_the_project_says_so_an_id_with_and_without_device_prefix_are_one() -> None:
    model = original(identify("ann", f"$device:{UUID_A}"), event(distinct_id=UUID_A), device_prefix_equivalent=True)
    assert model.settled(UUID_A) == model.settled(f"$device:{UUID_A}") == model.settled("ann")
    assert model.members("ann") == (UUID_A, "ann")
    assert model.cautions == []


def test_then_an_id_is_not_identified_as_its_twin() -> None:
    model = original(identify(UUID_A, f"$device:{UUID_A}"), device_prefix_equivalent=True)
    assert only(model).reason == "errSameIDs"


def test_then_two_prefixes_are_as_good_as_one() -> None:
    model = original(
        merge(UUID_A, "ann"), event(distinct_id=f"$device:$device:{UUID_A}"), device_prefix_equivalent=True
    )
    assert [cluster.ids for cluster in model.clusters()] == [(UUID_A, "ann")]


# --- the canonical id ---------------------------------------------------------------------------------------------


def test_the_canonical_id_may_be_an_anonymous_id_and_may_change_with_a_later_merge() -> None:
    chosen = {original(identify("ann", UUID_A), canonical_seed=seed).resolve("ann") for seed in range(30)}
    assert chosen == {UUID_A, "ann"}
    changed = False
    for seed in range(30):
        model = original(identify("ann", UUID_A), canonical_seed=seed)
        before = model.resolve("ann")
        model.add(merge("ann", "bob"))
        changed |= model.resolve("ann") != before
    assert changed


def test_by_policy_user_first_the_canonical_id_is_an_identified_one() -> None:
    model = original(event(distinct_id=UUID_A), identify("ann", UUID_A), canonical="user_first")
    assert model.resolve(UUID_A) == "ann"


def test_by_policy_first_seen_the_canonical_id_is_the_first_of_the_stream() -> None:
    model = original(event(distinct_id=UUID_A), identify("ann", UUID_A), canonical="first_seen")
    assert model.resolve("ann") == UUID_A


def test_an_event_without_any_id_belongs_to_nobody() -> None:
    model = original()
    arrival = model.add(event())
    assert (arrival.received, arrival.stored, model.settled("")) == ("", "", "")
    assert model.clusters() == []


# --- senders ------------------------------------------------------------------------------------------------------


def test_rudderstack_makes_one_user_of_two_people_on_one_device() -> None:
    model = original(merge(UUID_A, "ann"), merge(UUID_A, "bob"))
    assert model.members("ann") == (UUID_A, "ann", "bob")


def test_segment_repeats_its_identify_and_only_collects_refusals() -> None:
    model = original(*[identify("ann", UUID_A)] * 3)
    assert [decision.outcome for decision in model.decisions] == ["merged", "refused", "refused"]
    assert model.members("ann") == (UUID_A, "ann")


def test_every_decision_cites_a_rule_with_its_evidence() -> None:
    model = original(identify("ann", UUID_A), *crowd(501))
    assert {(decision.rule, decision.evidence) for decision in model.decisions} == {
        ("original.identify", "docs"),
        ("original.too_many_ids", "observed"),
    }
