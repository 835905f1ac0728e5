"""/edge: a call goes through a property into the same project, and a recorded scenario tells it as a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.server.background import RunningServer
from tests.server.client import PROPERTY, event, get, post


@pytest.fixture
def edge(serve: Callable[..., RunningServer], tmp_path: Path) -> RunningServer:
    """A server with a property of one rule."""
    path = tmp_path / "property.yaml"
    path.write_text(PROPERTY, encoding="utf-8")
    return serve(property_path=path)


def call(name: str | None, device: str, user: str | None = None) -> dict[str, Any]:
    xdm = {"device": device, **({} if name is None else {"eventType": name})}
    return {"event": {"xdm": xdm, "data": {} if user is None else {"user": user}}}


def test_calls_before_and_after_login_become_one_user(edge: RunningServer) -> None:
    done = post(edge.url, "/edge", [call("View", "d1"), call("Login", "d1", "ana"), call(None, "d1")]).json()
    assert [one["rules"] for one in done] == [
        [{"name": "Track", "status": "success"}],
        [{"name": "Track", "status": "success"}],
        [{"name": "Track", "status": "condition_not_met"}],
    ]
    assert [one["call"] for one in done] == [0, 1, 2]
    request = done[1]["requests"][0]
    assert request["answer"] == {"delivered": True, "status": 200, "body": "1"}
    assert json.loads(request["body"])[0]["properties"]["$user_id"] == "ana"
    assert [(user["distinct_id"], user["events"]) for user in edge.users()] == [("ana", 2)]
    assert edge.explain("$device:d1", "ana")["same_user"]


def test_a_call_may_be_alone_bare_or_as_the_web_sdk_sends_it(edge: RunningServer) -> None:
    assert isinstance(post(edge.url, "/edge/", call("A", "d")).json(), dict)
    assert isinstance(post(edge.url, "/edge", call("B", "d")["event"]).json(), dict)
    assert len(post(edge.url, "/edge", {"events": [call("C", "d")["event"], call("D", "d")["event"]]}).json()) == 2
    assert [row["event"] for row in edge.events()] == ["A", "B", "C", "D"]


def test_a_call_that_says_itself_what_is_answered_is_not_delivered(edge: RunningServer) -> None:
    done = post(edge.url, "/edge", {**call("A", "d"), "responses": {"*": [{"status": 500}]}}).json()
    assert done["rules"][0]["status"] == "success"
    assert done["requests"][0]["answer"]["delivered"] is False
    assert edge.events() == []


def test_calls_with_tokens_of_sessions_go_there(serve: Callable[..., RunningServer], tmp_path: Path) -> None:
    path = tmp_path / "property.yaml"
    path.write_text(PROPERTY.replace("token: t", "token: mine"), encoding="utf-8")
    server = serve(property_path=path)
    with server.session(token="mine") as session:
        post(server.url, "/edge?token=mine", call("A", "d"))
        assert len(session.events()) == 1
        assert "- edge:" in get(server.url, "/harness/scenario?token=mine").body.decode()
    assert server.events() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"evnt": {}}', "Did you mean 'event'?"),
        (b"5", "needs an object"),
        (b'[{"event": {}}, {"event": 1}]', "call 1: event: needs an object"),
        (b'{"event": {}, "env": 1}', "call 0: env"),
    ],
)
def test_what_is_no_call_is_told(edge: RunningServer, body: bytes, said: str) -> None:
    answer = post(edge.url, "/edge", body)
    assert answer.status == 400
    assert said in answer.json()["error"]
    assert edge.events() == []


def test_without_a_property_there_is_no_edge(server: RunningServer) -> None:
    answer = post(server.url, "/edge", call("A", "d"))
    assert answer.status == 404
    assert "--property" in answer.json()["error"]


def test_a_request_to_the_server_itself_stays_here_and_one_to_others_is_not_made(
    serve: Callable[..., RunningServer], tmp_path: Path
) -> None:
    source = "return utils.fetch(arc.event.data.url + '/track', {method: 'POST', body: arc.event.data.body})"
    rule = {"name": "R", "actions": [{"custom_code": {"key": "k", "source": source}}]}
    path = tmp_path / "property.yaml"
    path.write_text(json.dumps({"property": "Shop", "rules": [rule]}), encoding="utf-8")
    server = serve(property_path=path)
    body = json.dumps([event()])
    for url, delivered in ((server.url, True), ("http://example.com", False), ("http://127.0.0.1:1", False)):
        done = post(server.url, "/edge", {"event": {"data": {"url": url, "body": body}}}).json()
        assert done["requests"][0]["answer"]["delivered"] is delivered
    assert len(server.events()) == 1


def test_a_recorded_scenario_tells_calls_as_calls(edge: RunningServer, tmp_path: Path) -> None:
    post(edge.url, "/edge", [call("View", "d1"), call("Login", "d1", "ana")])
    post(edge.url, "/track", [event("Direct", distinct_id="ben")])
    text = get(edge.url, f"/harness/scenario?folder={tmp_path}/deeper").body.decode()
    assert text.count("- edge:") == 2
    assert 'property: "../property.yaml"' in text
    assert "users: 2" in text
    assert f'property: "{tmp_path}/property.yaml"' in get(edge.url, "/harness/scenario").body.decode()
