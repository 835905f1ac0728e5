"""The public strategies: what they promise, and that they compose."""

from __future__ import annotations

import re
from itertools import chain
from uuid import UUID

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, Json
from harness.fuzz import strategies
from harness.fuzz.bench import Bench
from harness.fuzz.flow import Action, Flow, fitted
from harness.fuzz.invariants import INVARIANTS, first_broken
from harness.fuzz.sdks import Browser
from harness.fuzz.template import Template
from harness.identity.model import build
from harness.ingestion.limits import DISALLOWED_IDS
from tests.fuzz.benches import shipped

TEMPLATE = Template({"xdm": {"ecid": "{ecid}", "type": "{event_type}"}, "data": {"email": "{email}"}})


@given(strategies.uuids_v4())
def test_uuids_of_version_4_are_that(text: str) -> None:
    assert UUID(text).version == 4


@given(strategies.other_uuids())
def test_other_uuids_are_hex_and_not_all_of_version_4(text: str) -> None:
    assert re.fullmatch(r"[0-9a-f-]+", text)


@given(strategies.ecids())
def test_ecids_have_38_digits(text: str) -> None:
    assert re.fullmatch(r"[0-9]{38}", text)


@given(strategies.disallowed_ids())
def test_disallowed_ids_are_on_mixpanels_list_in_some_case(text: str) -> None:
    assert text.lower() in DISALLOWED_IDS


@given(strategies.prefixed_ids())
def test_prefixed_ids_begin_with_the_prefix(text: str) -> None:
    assert text.startswith("$device:")


@given(strategies.unicode_ids())
def test_unicode_ids_are_never_blank(text: str) -> None:
    assert text.strip()


def test_any_id_may_be_of_every_kind() -> None:
    for wanted in (str.isdigit, lambda text: "@" in text, lambda text: not text.isascii(), lambda text: "$" in text):
        find(strategies.any_ids().map(str), wanted)


@given(st.lists(strategies.events(st.sampled_from(["a", "b", "$device:c"])), max_size=8))
def test_events_with_few_ids_can_be_given_to_every_model(stream: list[Event]) -> None:
    for id_merge in ID_MERGE_SYSTEMS:
        model = build(id_merge)
        for event in stream:
            model.add(event)
        assert model.clusters() == sorted(model.clusters(), key=lambda cluster: cluster.ids)


@given(strategies.edge_calls(TEMPLATE))
def test_an_edge_call_holds_a_user_only_where_somebody_is_logged_in(call: dict[str, Json]) -> None:
    assert call["xdm"]["ecid"]
    assert ("data" in call) <= (call["xdm"]["type"] != "userAccount.logout")


def test_edge_calls_come_before_login_at_login_and_after_it() -> None:
    calls = strategies.edge_calls(TEMPLATE)
    find(calls, lambda call: call["xdm"]["type"].endswith("login") and "data" in call)
    find(calls, lambda call: call["xdm"]["type"].endswith("pageViews") and "data" in call)
    find(calls, lambda call: call["xdm"]["type"].endswith("pageViews") and "data" not in call)


@given(strategies.flows(most_actions=6))
def test_a_users_own_test_can_be_as_short_as_this(flow: Flow) -> None:
    played = Bench("simplified", lambda: Browser("simplified")).play(flow)
    assert first_broken(played, INVARIANTS.values()) is None


def test_a_flow_shrinks_to_the_smallest_that_fails() -> None:
    bench = shipped("retail-without-identity-rule.yaml", "simplified")
    split = INVARIANTS["nobody-split"].check
    broken = find(strategies.flows(verbs=bench.verbs), lambda flow: split(bench.play(flow)) is not None)
    assert len(broken.actions) == 2
    assert "log in" in [action.verb for action in broken.actions]


@given(st.lists(strategies.sessions(), max_size=4))
def test_a_session_is_one_person_on_one_device_and_possible_as_it_stands(drawn: list[tuple[Action, ...]]) -> None:
    for session in drawn:
        assert len({(action.person, action.device) for action in session}) == 1
        verbs = [action.verb for action in session]
        assert verbs.count("log in") <= 1
        assert "log out" not in verbs[:-1]
        assert fitted(session).actions == session
    flow = fitted(chain.from_iterable(drawn))
    assert len(flow.actions) <= sum(map(len, drawn))


@given(strategies.sessions(st.just("cleo"), st.just("tablet")))
def test_a_session_can_be_of_somebody_somewhere(session: tuple[Action, ...]) -> None:
    assert {(action.person, action.device) for action in session} == {("cleo", "tablet")}


@pytest.mark.parametrize("detail", [0, 1])
def test_a_session_may_end_by_a_logout_of_either_kind(detail: int) -> None:
    last = Action("log out", "ana", "laptop", detail)
    assert find(strategies.sessions(), lambda session: session[-1] == last) == (Action("log in", "ana", "laptop"), last)


def test_a_session_may_end_logged_in_or_without_any_login() -> None:
    assert find(strategies.sessions(), lambda session: session[-1].verb == "log in")
    only_looks = find(strategies.sessions(), lambda session: session[-1].verb == "browse")
    assert only_looks == (Action("browse", "ana", "laptop"),)
