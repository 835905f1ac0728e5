"""Why two ids are one user or not: chains, refusals, and since when; against brute force where it can be had."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.identity.explain import blast_radius, explain_cluster, explain_pair
from harness.identity.model import IdentityModel, build

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


@given(EVENTS, st.sampled_from(["simplified", "original"]))
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


@given(EVENTS, st.sampled_from(["simplified", "original"]))
def test_a_refusal_is_told_exactly_when_some_way_between_the_clusters_uses_it(
    events: list[Event], id_merge: IdMerge
) -> None:
    model = model_of(id_merge, events)
    failed = [made for made in model.decisions if made.outcome in ("refused", "ignored") and len(set(made.ids)) == 2]
    for a, b in combinations(known_ids(model), 2):
        start, end = model.resolve(a), model.resolve(b)
        if start == end:
            continue
        graph: networkx.Graph[str] = networkx.Graph()
        graph.add_nodes_from((start, end))
        graph.add_edges_from((model.resolve(made.ids[0]), model.resolve(made.ids[1])) for made in failed)
        used = {frozenset(pair) for path in networkx.all_simple_paths(graph, start, end) for pair in pairwise(path)}
        wanted = {
            made.event_index
            for made in failed
            if frozenset((model.resolve(made.ids[0]), model.resolve(made.ids[1]))) in used
        }
        found = explain_pair(model, a, b)
        assert {made.event_index for made in (*found.refused, *found.ignored)} == wanted


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


@given(EVENTS)
def test_a_merge_joins_as_many_ids_as_both_clusters_have(events: list[Event]) -> None:
    model = model_of("original", events)
    for blast in blast_radius(model.decisions):
        after = model_of("original", events[: blast.decision.event_index + 1])
        named = {text for made in after.decisions if made.outcome == "merged" for text in made.ids}
        assert blast.ids == len(set(after.members(blast.decision.ids[0])) & named)


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_nothing_ever_connected_two_ids(id_merge: IdMerge) -> None:
    model = model_of(id_merge, [Event("x", {"distinct_id": "ana"}), Event("x", {"distinct_id": "ben"})])
    found = explain_pair(model, "ana", "ben")
    assert (found.same_user, found.path, found.refused, found.ignored) == (False, (), (), ())
