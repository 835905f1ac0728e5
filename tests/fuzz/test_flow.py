"""Flows and the world they happen in."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.event import Json
from harness.fuzz.flow import RISKS, VERBS, Action, Flow, World, fitted, flow_from_json
from harness.fuzz.story import tell
from harness.fuzz.strategies import flows
from tests.fuzz.benches import flow


@given(flows())
def test_a_flow_survives_being_kept_as_json(made: Flow) -> None:
    assert flow_from_json(made.as_json()) == made


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"actions": []},
        {"ids": "plain", "actions": "none"},
        {"ids": "plain", "actions": [["dance", "ana", "laptop", 0]]},
        {"ids": "plain", "actions": [["browse", "zoe", "laptop", 0]]},
        {"ids": "plain", "actions": [["browse", "ana", "laptop", True]]},
        {"ids": "plain", "actions": [["browse", "ana", "laptop"]]},
        {"ids": "colour", "actions": []},
    ],
)
def test_what_is_no_flow_is_none(data: Json) -> None:
    assert flow_from_json(data) is None


@given(flows(risks=tuple(RISKS)))
def test_every_action_of_a_drawn_flow_is_possible(made: Flow) -> None:
    assert fitted(made.actions, frozenset(RISKS), id_kind=made.id_kind) == made


@given(flows())
def test_no_two_people_share_a_jar_unless_that_risk_is_taken(made: Flow) -> None:
    world = World()
    users: dict[object, set[str]] = {}
    for action in made.actions:
        if action.person and action.device:
            users.setdefault(world.seats[action.device].jar, set()).add(action.person)
        world.take(action)
    assert all(len(people) == 1 for people in users.values())


def test_whoever_owns_the_jar_acts_in_place_of_another() -> None:
    wished = [Action("log in", "ana", "laptop"), Action("browse", "ben", "laptop")]
    assert fitted(wished).actions[1].person == "ana"
    assert fitted(wished, frozenset({"shared"})).actions[1].person == "ben"


def test_after_a_logout_with_reset_another_person_may_come() -> None:
    wished = [Action("log in", "ana", "laptop"), Action("log out", "", "laptop"), Action("browse", "ben", "laptop")]
    assert [action.person for action in fitted(wished).actions] == ["ana", "ana", "ben"]


def test_offline_times_stay_within_what_track_takes() -> None:
    wished = [Action("go offline", "", "phone"), Action("come online", "", "phone", 3)] * 3
    made = fitted(wished).actions
    world = World()
    for action in made:
        world.take(action)
    assert world.hours <= 100


def test_what_is_not_possible_happens_as_what_has_to_come_first() -> None:
    assert World().nearest(Action("log out", "", "phone")) == Action("log in", "ana", "phone")
    assert World().nearest(Action("come online", "", "phone", 2)) == Action("go offline", "", "phone")
    assert World(verbs=frozenset({"browse"})).nearest(Action("order", "ben")) == Action("browse", "ben", "laptop")
    assert World(verbs=frozenset()).nearest(Action("order", "ben")) is None


def test_a_story_says_who_had_the_device_before() -> None:
    assert tell(flow("ana: log in, tablet", "ben: log in, tablet")) == [
        "ana logs in on the tablet",
        "ben logs in on the same tablet, without a reset",
    ]
    assert tell(flow("ana: log in, tablet", "ana: log out, tablet", "ben: log in, tablet"))[-1] == (
        "ben logs in on the same tablet"
    )


def test_a_story_has_a_line_for_everything_that_can_happen() -> None:
    told = tell(
        flow(
            "ana: browse, laptop",
            "ana: log in, laptop, 1",
            "ana: change e-mail, laptop",
            "ana: order",
            "retry, laptop, 1",
            "go offline, laptop",
            "come online, laptop, 1",
            "ana: log out, laptop, 1",
            "clear cookies, laptop",
        )
    )
    assert told == [
        "ana looks at a page on the laptop",
        "ana logs in on the laptop, and types 'Ana@example.com'",
        "ana changes the e-mail address on the laptop",
        "the server reports an order of ana",
        "the answer before the last to the laptop is lost, so it sends that again",
        "the laptop goes offline",
        "the laptop comes online after 30 hours, and sends what it kept",
        "ana logs out on the laptop, and nothing is reset",
        "the cookies of the laptop are cleared",
    ]
    assert len(told) == len(VERBS)
