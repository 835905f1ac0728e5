"""Why two ids are one user or not: chains, refusals, and since when; against brute force where it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.identity.explain import explain_cluster, explain_pair, meant
from harness.identity.looks import known_user
from harness.identity.model import IdentityModel, build
from harness.identity.settings import IdentitySettings

UUIDS = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(4)]
IDS = [*UUIDS, "ana", "ben", "cleo", "26783473982374982374982374982374982374"]

EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda a, b: Event("$identify", {"$anon_id": a, "$identified_id": b}),
            st.sampled_from(IDS),
            st.sampled_from(IDS),
        ),
        st.builds(lambda a, b: Event("$merge", {"$distinct_ids": [a, b]}), st.sampled_from(IDS), st.sampled_from(IDS)),
        st.builds(
            lambda a, b: Event("$create_alias", {"alias": a, "distinct_id": b}),
            st.sampled_from(IDS),
            st.sampled_from(IDS),
        ),
        st.builds(
            lambda a, b: Event("Page", {"$device_id": a, "$user_id": b}), st.sampled_from(IDS), st.sampled_from(IDS)
        ),
        st.builds(lambda a: Event("Page", {"distinct_id": a}), st.sampled_from(IDS)),
    ),
    max_size=14,
)


def model_of(id_merge: IdMerge, events: Sequence[Event]) -> IdentityModel:
    model = build(id_merge)
    for event in events:
        model.add(event)
    return model


def known_ids(model: IdentityModel) -> list[str]:
    return sorted({text for cluster in model.clusters() for text in cluster.ids})


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS))
def test_two_ids_are_explained_as_one_user_exactly_when_they_resolve_to_one(
    events: list[Event], id_merge: IdMerge
) -> None:
    model = model_of(id_merge, events)
    for a, b in combinations(known_ids(model), 2):
        found = explain_pair(model, a, b)
        assert found.same_user == (model.resolve(a) == model.resolve(b))
        if found.same_user:
            assert not found.refused
        else:
            assert not found.path


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS))
def test_a_chain_leads_from_one_id_to_the_other_through_decisions_that_joined(
    events: list[Event], id_merge: IdMerge
) -> None:
    model = model_of(id_merge, events)
    for a, b in combinations(known_ids(model), 2):
        path = explain_pair(model, a, b).path
        if model.resolve(a) != model.resolve(b):
            continue
        assert path[0].ids[0] == a
        assert path[-1].ids[1] == b
        assert all(left.ids[1] == right.ids[0] for left, right in pairwise(path))
        assert all(link.decision.outcome == "merged" and set(link.ids) == set(link.decision.ids) for link in path)


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS))
def test_a_refusal_is_told_exactly_when_some_way_between_the_clusters_uses_it(
    events: list[Event], id_merge: IdMerge
) -> None:
    model = model_of(id_merge, events)
    steps = {
        made.event_index: (model.resolve(meant(model, made.ids[0])), model.resolve(meant(model, made.ids[1])))
        for made in model.decisions
        if made.outcome in ("refused", "ignored") and len(set(made.ids)) == 2
    }
    for a, b in combinations(known_ids(model), 2):
        start, end = model.resolve(a), model.resolve(b)
        if start == end:
            continue
        graph: networkx.Graph[str] = networkx.Graph()
        graph.add_nodes_from((start, end))
        graph.add_edges_from(steps.values())
        ways = [[frozenset(hop) for hop in pairwise(way)] for way in networkx.all_simple_paths(graph, start, end)]
        used = {hop for way in ways for hop in way}
        found = explain_pair(model, a, b)
        wanted = {index for index, ends in steps.items() if frozenset(ends) in used}
        assert {made.event_index for made in (*found.refused, *found.ignored)} == wanted
        assert len(found.nearest) == min(map(len, ways), default=0)


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS), st.integers(min_value=0, max_value=14))
def test_what_came_later_plays_no_part(events: list[Event], id_merge: IdMerge, end: int) -> None:
    model = model_of(id_merge, events[:end])
    again = model_of(id_merge, events)
    for a, b in combinations(known_ids(model), 2):
        found = explain_pair(model, a, b)
        if found.same_user:
            assert explain_pair(again, a, b).path == found.path


@given(EVENTS, st.sampled_from(["simplified", "original"]))
def test_a_member_is_in_the_cluster_since_the_event_after_which_both_resolve_to_one(
    events: list[Event], id_merge: IdMerge
) -> None:
    model = model_of(id_merge, events)
    for text in known_ids(model):
        for member in explain_cluster(model, text):
            if member.since is None:
                assert member.id == text
                continue
            at = member.since.event_index
            before, after = model_of(id_merge, events[:at]), model_of(id_merge, events[: at + 1])
            assert before.resolve(text) != before.resolve(member.id)
            assert after.resolve(text) == after.resolve(member.id)


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_nothing_ever_connected_two_ids(id_merge: IdMerge) -> None:
    model = model_of(id_merge, [Event("x", {"distinct_id": "ana"}), Event("x", {"distinct_id": "ben"})])
    found = explain_pair(model, "ana", "ben")
    assert (found.same_user, found.path, found.refused, found.ignored) == (False, (), (), ())


def test_legacy_follows_aliases_from_both_ids_to_where_they_meet() -> None:
    events = [
        Event("$create_alias", {"alias": alias, "distinct_id": target})
        for alias, target in (("phone", "ana"), ("tablet", "mail"), ("mail", "ana"), ("ben", "other"))
    ]
    model = model_of("legacy", events)
    found = explain_pair(model, "phone", "tablet")
    assert [link.ids for link in found.path] == [("phone", "ana"), ("ana", "mail"), ("mail", "tablet")]
    members = [(member.id, member.since and member.since.event_index) for member in explain_cluster(model, "phone")]
    assert members == [("phone", None), ("ana", 0), ("mail", 2), ("tablet", 2)]
    assert not explain_pair(model, "phone", "ben").same_user


def test_an_event_that_names_one_id_only_is_told_apart() -> None:
    events = [
        Event("x", {"distinct_id": UUIDS[0]}),
        Event("$identify", {"$anon_id": "ana", "$identified_id": "ana"}),
        Event("$identify", {"$anon_id": "ben", "$identified_id": "ben"}),
    ]
    found = explain_pair(model_of("original", events), "ana", UUIDS[0])
    assert not found.refused
    assert [(made.event_index, made.reason) for made in found.one_sided] == [(1, "errSameIDs")]


def test_a_device_id_without_its_prefix_is_understood_in_simplified() -> None:
    events = [
        Event("x", {"$device_id": UUIDS[0]}),
        Event("x", {"$user_id": "ana"}),
        Event("$identify", {"$anon_id": UUIDS[0], "distinct_id": "ana"}),
    ]
    found = explain_pair(model_of("simplified", events), "$device:" + UUIDS[0], "ana")
    assert [made.event_index for made in found.ignored] == [2]


def test_both_spellings_of_a_device_are_one_id_where_the_settings_say_so() -> None:
    model = build("original", IdentitySettings(device_prefix_equivalent=True))
    model.add(Event("$identify", {"$anon_id": "$device:" + UUIDS[0], "$identified_id": "ana"}))
    found = explain_pair(model, "$device:" + UUIDS[0], "ana")
    assert [link.ids for link in found.path] == [(UUIDS[0], "ana")]
    assert explain_pair(model, "$device:" + UUIDS[0], UUIDS[0]).path == ()


@pytest.mark.parametrize(
    ("pattern", "text", "is_known"),
    [
        ("^user-", "user-1", True),
        ("user-.*", "user-1", True),
        ("^user-", "a-user-1", False),
        (".+@.+", "ana@example.com", True),
        ("[0-9]", "8b3f2f3e-6a0e-4d1c-9a53-0d6f2a3c9b11", False),
        ("[0-9]", "26783473982374982374982374982374982374", False),
        ("[0-9a-f-]+", "8b3f2f3e-6a0e-4d1c-9a53-0d6f2a3c9b11", True),
        (".*", "$device:user-1", False),
        ("^u$", "u2", False),
    ],
)
def test_an_expression_for_known_users_matches_anywhere_but_a_device_as_a_whole(
    pattern: str, text: str, is_known: bool
) -> None:
    assert known_user(pattern)(text) is is_known
