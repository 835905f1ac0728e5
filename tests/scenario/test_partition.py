"""Joined, split and mixed, and the measures of the field."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scenario.partition import count_users, match_people, measure
from harness.scenario.results import EventRecord, People


def event(person: str | None, user: str, index: int = 0, name: str = "x", status: str = "accepted") -> EventRecord:
    return EventRecord(index, index, person, name, "track", 0, 0, status, user, user, (), None)  # type: ignore[arg-type]


def events(*pairs: tuple[str | None, str]) -> list[EventRecord]:
    return [event(person, user, index) for index, (person, user) in enumerate(pairs)]


def test_people_with_a_user_of_their_own_are_joined() -> None:
    assert match_people(events(("ana", "u1"), ("ana", "u1"), ("ben", "u2"))) == People(2, (), ())


def test_a_person_under_two_users_is_split() -> None:
    assert match_people(events(("ana", "u1"), ("ana", "u2"), ("ben", "u3"))) == People(1, ("ana",), ())


def test_people_who_share_a_user_are_mixed_and_not_joined() -> None:
    assert match_people(events(("ben", "u1"), ("ana", "u1"), ("cleo", "u2"))) == People(1, (), (("ana", "ben"),))


def test_an_event_of_nobody_splits_its_person_but_mixes_no_one() -> None:
    assert match_people(events(("ana", ""), ("ana", "u1"), ("ben", ""))) == People(1, ("ana",), ())


def test_an_identity_event_without_an_id_says_nothing_about_its_person() -> None:
    found = [event("ana", "u1"), event("ana", "", 1, "$merge")]
    assert match_people(found) == People(1, (), ())


def test_rejected_and_duplicate_events_and_events_without_a_person_do_not_count() -> None:
    found = [event("ana", "u1"), event("ana", "u2", 1, status="duplicate"), event("ana", "u3", 2, status="rejected")]
    assert match_people([*found, event(None, "u1", 3)]) == People(1, (), ())


def test_users_are_ids_with_an_ordinary_event() -> None:
    found = [event(None, "u1"), event(None, "u2", 1, "$identify"), event(None, "", 2), event(None, "u1", 3)]
    assert count_users(found) == 1


def test_precision_and_recall_of_a_known_example() -> None:
    quality = measure(events(("ana", "u1"), ("ana", "u1"), ("ben", "u1"), ("ben", "u2")))
    assert (quality.pairs_right, quality.pairs_user, quality.pairs_person) == (1, 3, 2)
    assert quality.pairwise_precision == pytest.approx(1 / 3)
    assert quality.pairwise_recall == pytest.approx(1 / 2)
    assert quality.bcubed_precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert quality.bcubed_recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["u", "v", "w", ""])), max_size=12))
def test_the_measures_equal_their_definitions_pair_by_pair(pairs: list[tuple[str, str]]) -> None:
    found = events(*pairs)
    quality = measure(found)
    keyed = [(record.person, record.distinct_id or f"nobody {record.index}") for record in found]
    same_person = {(i, j) for i, j in combinations(range(len(keyed)), 2) if keyed[i][0] == keyed[j][0]}
    same_user = {(i, j) for i, j in combinations(range(len(keyed)), 2) if keyed[i][1] == keyed[j][1]}
    assert quality.pairs_person == len(same_person)
    assert quality.pairs_user == len(same_user)
    assert quality.pairs_right == len(same_person & same_user)
    precision = [sum(other == one for other in keyed) / sum(other[1] == one[1] for other in keyed) for one in keyed]
    assert quality.bcubed_precision == pytest.approx(sum(precision) / len(precision) if precision else 1.0)
