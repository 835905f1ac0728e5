"""A recorded scenario is read and passes as it is, and says what really happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.scenario.format import Scenario, parse_scenario
from harness.scenario.results import ScenarioResult
from harness.scenario.runner import run_scenario
from harness.server.background import RunningServer
from harness.server.writing import block, inline
from harness.yamltext import plain
from tests.server.client import PROPERTY, basic, event, get, post

IDS = st.sampled_from(
    ["u1", "u2", "Ana Ö.", "9", "yes", "13bbf794-0885-4c57-9397-3e800013bbf7", "", "undefined", "{x}"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PROPERTIES = st.fixed_dictionaries(
    {"token": st.just("t")},
    optional={
        "distinct_id": IDS,
        "$device_id": st.sampled_from(["d1", "d2"]),
        "$user_id": IDS,
        "$anon_distinct_id": IDS,
        "alias": IDS,
        "$distinct_ids": st.lists(IDS, max_size=3),
        "time": st.sampled_from([1_767_614_000, 1_767_614_400.5, 1_767_900_000, "soon", 5, None]),
        "$insert_id": st.sampled_from(["a-1", "a-2", "bad id", None]),
        "text": TEXTS,
        "deep": st.recursive(TEXTS | st.integers(), lambda x: st.lists(x) | st.dictionaries(TEXTS, x), max_leaves=4),
    },
)
EVENTS = st.builds(
    lambda name, properties: {"event": name, "properties": properties},
    st.sampled_from(["View", "$identify", "$create_alias", "$merge", "", "- a: b", "true"]) | TEXTS,
    PROPERTIES,
)
SENDINGS = st.lists(
    st.tuples(st.sampled_from(["/track", "/import?strict=1", "/import"]), st.lists(EVENTS, min_size=1, max_size=4)),
    max_size=4,
)


def recorded(server: RunningServer, query: str = "") -> str:
    answer = get(server.url, f"/harness/scenario{query}")
    assert answer.status == 200
    return answer.body.decode()


def run(text: str) -> ScenarioResult:
    scenario = parse_scenario(text.encode(), "recorded.yaml", Path())
    assert isinstance(scenario, Scenario), scenario
    return run_scenario(scenario, scenario.id_merge[0])


@pytest.fixture(scope="module")
def servers() -> Any:
    from harness.server.background import running_server
    from harness.server.serving import ServerOptions
    from tests.server.client import NOW_MS

    with running_server(ServerOptions(now_ms=NOW_MS)) as server:
        yield {system: server.post("sessions", {"id_merge": system})["token"] for system in ID_MERGE_SYSTEMS}, server


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ID_MERGE_SYSTEMS), SENDINGS)
def test_whatever_arrived_can_be_run_again_and_passes(servers: Any, system: IdMerge, sendings: Any) -> None:
    tokens, server = servers
    session = RunningServer(server.url, tokens[system])
    session.reset()
    for path, rows in sendings:
        for row in rows:
            row["properties"]["token"] = session.token
        post(server.url, path, rows, authorization=basic(session.token or ""))
        session.post("clock", {"advance": "1h1m1.5s"})
    text = recorded(session, f"?token={session.token}")
    result = run(text)
    assert result.status == "passed", text
    if "is left out" not in text:
        # Nothing was left out, so it has to be the same in all that counts.
        assert result.users == len(session.users())
        assert [event.distinct_id for event in result.events if event.time_ms] == [
            row["distinct_id"] for row in session.events() if row["status"] != "rejected"
        ]
    session.close()


def test_it_says_who_it_was_and_what_was_refused(server: RunningServer) -> None:
    rows = [
        event("View", S_device_id="d1", distinct_id=""),
        event("Login", S_device_id="d1", S_user_id="ana", S_insert_id="2"),
        event("Login", S_device_id="d1", S_user_id="ben", S_insert_id="3"),
        event("Buy", time="soon", S_insert_id="4"),
    ]
    post(server.url, "/import?strict=1", rows, authorization=basic("t"))
    server.post("clock", {"advance": "90m"})
    post(server.url, "/track", [event("Late", distinct_id="", S_device_id="d2", time=...)])
    text = recorded(server, "?name=Two%20at%20one%20device")
    assert "name: Two at one device" in text
    assert "token" not in text
    assert "- advance: 1h30m" in text
    result = run(text)
    assert [step.person for step in result.steps] == ["ana", "ana", "ben", None, None, "person 3"]
    assert "refused: [{step: 2, reason: errAnonDistinctIdAssignedAlready}]" in text
    assert "rejected: [{step: 3, field: properties.time}]" in text
    assert "users: 3" in text


def test_a_wrong_edit_of_it_fails(server: RunningServer) -> None:
    post(server.url, "/track", [event("View", S_device_id="d1", S_user_id="ana")])
    text = recorded(server)
    assert run(text).status == "passed"
    assert run(text.replace("users: 1", "users: 2")).status == "failed"


def test_a_part_can_be_recorded(server: RunningServer) -> None:
    post(server.url, "/track", [event(str(number), distinct_id="u") for number in range(5)])
    result = run(recorded(server, "?since=1&limit=2"))
    assert [one.name for one in result.events] == ["1", "2"]
    assert run(recorded(server, "?since=99")).status == "passed"


def test_what_a_scenario_cant_tell_is_left_out_with_a_comment(server: RunningServer) -> None:
    post(server.url, "/track", [5, {"event": 7}, event("Lost", token="")])
    text = recorded(server)
    assert text.count("# row") == 3
    assert "is left out: properties.token: token, missing or empty" in text


def test_secrets_of_a_property_are_not_recorded(serve: Callable[..., RunningServer], tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(PROPERTY, encoding="utf-8")
    server = serve(property_path=path, secrets={"S1": "very-secret"})
    post(server.url, "/edge", {"event": {"xdm": {"eventType": "A"}}})
    assert "very-secret" not in recorded(server)


@given(
    st.recursive(TEXTS | st.integers() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(TEXTS, x))
)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    from harness.problems import Problems
    from harness.yamltext import Mapping, parse_yaml

    for text in (f"a: {inline(value)}\n", "\n".join(block("a", value, 0)) + "\n"):
        problems = Problems("x")
        node = parse_yaml(text, problems)
        assert not problems.found, (text, problems.found)
        assert isinstance(node, Mapping)
        assert plain(node) == {"a": value}
