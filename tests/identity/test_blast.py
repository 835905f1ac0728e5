"""What one event joined for good: ids, people and known users."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.identity.blast import Blast, Use, blast_radius
from tests.identity.test_explain import EVENTS, UUIDS, model_of


def merge(a: str, b: str) -> Event:
    return Event("$merge", {"$distinct_ids": [a, b]})


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS))
def test_a_decision_joins_as_many_ids_as_both_clusters_had(events: list[Event], id_merge: IdMerge) -> None:
    for blast in blast_radius(model_of(id_merge, events).decisions):
        at = blast.decision.event_index
        before, after = model_of(id_merge, events[:at]), model_of(id_merge, events[: at + 1])
        sides = [len(before.ids_of_one_user(text)) for text in blast.decision.ids]
        assert sorted(sides) == [blast.smaller, blast.larger]
        assert blast.ids == len(after.ids_of_one_user(blast.decision.ids[0])) == sum(sides)


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS))
def test_every_merged_decision_has_one_and_no_other(events: list[Event], id_merge: IdMerge) -> None:
    decisions = model_of(id_merge, events).decisions
    merged = [made for made in decisions if made.outcome == "merged"]
    assert [blast.decision for blast in blast_radius(decisions)] == merged


@pytest.fixture
def two_people() -> list[Blast]:
    events = [merge("phone", "ana"), merge("tablet", "ben"), merge("phone", "tablet")]
    uses = [Use(0, "ana", "ana"), Use(1, "ben", "ben"), Use(2, "phone", "ben"), Use(3, "ana", "cleo")]
    return blast_radius(model_of("original", events).decisions, uses, re.compile("ana|ben").fullmatch)


def test_people_are_those_who_had_used_the_ids_by_then(two_people: list[Blast]) -> None:
    assert [blast.people for blast in two_people] == [("ana",), ("ben",), ("ana", "ben")]


def test_known_users_are_told_by_their_ids(two_people: list[Blast]) -> None:
    assert [blast.known_users for blast in two_people] == [("ana",), ("ben",), ("ana", "ben")]


def test_what_mixes_two_people_is_the_largest_whatever_its_size(two_people: list[Blast]) -> None:
    assert [blast.mixes for blast in two_people] == [False, False, True]
    many = [Event("$identify", {"$anon_id": text, "distinct_id": "cleo"}) for text in UUIDS]
    found = [*two_people, *blast_radius(model_of("original", many).decisions)]
    assert max(found, key=lambda blast: blast.harm).decision.ids == ("phone", "tablet")


def test_who_sends_the_joining_event_counts_though_the_id_was_never_used_before() -> None:
    decisions = model_of("original", [merge("phone", "ana"), merge("phone", "ben")]).decisions
    blast = blast_radius(decisions, [Use(0, "ana", "ana"), Use(1, "phone", "ben")])[-1]
    assert (blast.people, blast.mixes) == (("ana", "ben"), True)


def test_whoever_shared_the_ids_before_is_not_mixed_again() -> None:
    decisions = model_of("original", [merge("phone", "ana"), merge("phone", "tablet")]).decisions
    uses = [Use(0, "ana", "ana"), Use(1, "phone", "ben"), Use(2, "ana", "ben")]
    assert [blast.mixes for blast in blast_radius(decisions, uses[:1])] == [False, False]
    assert [blast.mixes for blast in blast_radius(decisions, uses)] == [False, True]
