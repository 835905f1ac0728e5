"""Sessions: tests that share a server and don't see each other."""

from __future__ import annotations

import pytest

from harness.server.background import RunningServer, ServerSaidError
from tests.server.client import basic, event, get, post


def test_events_go_to_the_session_whose_token_they_carry(server: RunningServer) -> None:
    with server.session() as one, server.session(id_merge="original") as two:
        assert one.token != two.token
        mixed = [
            event(token=one.token, distinct_id="a"),
            event(token=two.token, distinct_id="b"),
            event(distinct_id="c"),
        ]
        assert post(server.url, "/track", mixed).body == b"1"
        assert post(server.url, "/import", [event(token="?")], authorization=basic(two.token or "")).body == b"1"
        profile = [{"$token": one.token, "$distinct_id": "a", "$set": {"x": 1}}]
        assert post(server.url, "/engage", profile).body == b"1"
        assert [user["distinct_id"] for user in one.users()] == ["a"]
        assert [user["distinct_id"] for user in two.users()] == ["b", "u1"]
        assert [user["distinct_id"] for user in server.users()] == ["c"]
        assert one.get("profiles")["users"] == {"a": {"x": 1}}
        assert two.get("health")["id_merge"] == "original"
    # An ended session's token is one like any other: the server's own session takes it.
    assert one.users() == server.users()


def test_a_service_account_names_the_session_as_its_project(server: RunningServer) -> None:
    with server.session(token="12345") as session:
        account = basic("account", "password")
        assert post(server.url, "/import?project_id=12345&strict=1", [event()], authorization=account).status == 200
        assert len(session.events()) == 1


def test_one_answer_for_a_body_of_several_sessions(server: RunningServer) -> None:
    with server.session() as one:
        bad, good = event(token=one.token, time="x"), event()
        assert post(server.url, "/track?verbose=1", [bad, good]).json() == {"status": 1, "error": None}
        assert post(server.url, "/track?verbose=1", [bad, event(time="y")]).json() == {
            "status": 0,
            "error": "'properties.time' is invalid: must be specified as seconds since epoch",
        }
        assert post(server.url, "/track?callback=f", [bad, good], origin="http://a.b").body == b"f(1);"


def test_a_reset_or_a_clock_of_one_session_leaves_the_others_alone(server: RunningServer) -> None:
    with server.session() as one, server.session(now="2026-02-01T00:00:00Z") as two:
        for session in (one, two):
            post(server.url, "/track", [event(token=session.token, time=...)])
        one.reset()
        assert (one.events(), len(two.events())) == ([], 1)
        assert two.events()[0]["time"] == "2026-02-01T00:00:00Z"
        assert one.get("clock")["now"] == "2026-01-05T12:00:00Z"


def test_a_session_can_read_the_rules_otherwise(server: RunningServer) -> None:
    with server.session(id_merge="original", settings={"cluster_limit": 2}) as session:
        rows = [
            event("$merge", S_distinct_ids=["a", "b"], S_insert_id="1"),
            event("$merge", S_distinct_ids=["a", "c"], S_insert_id="2"),
        ]
        post(server.url, "/import?strict=1", rows, authorization=basic(session.token or ""))
        assert [made["reason"] for made in session.decisions()] == [None, "errManyIDs"]


def test_sessions_are_listed_and_end(server: RunningServer) -> None:
    with server.session(token="my token") as session:
        post(server.url, "/track", [event(token="my token")])
        own, other = server.get("sessions")["sessions"]
        assert (own["token"], other["token"], other["events"]) == (None, "my token", 1)
        with pytest.raises(ServerSaidError) as caught:
            server.post("sessions", {"token": session.token})
        assert caught.value.status == 409
    assert len(server.get("sessions")["sessions"]) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"id_merge": "orignal"}, {"token": 5}, {"token": " "}, {"settings": {"cluster_limt": 3}}, {"settings": [1]},
        {"now": "noon"}, {"tokn": "x"}, {"token": "x" * 300},
    ],
)  # fmt: skip
def test_a_session_that_makes_no_sense_is_not_opened(server: RunningServer, wrong: dict[str, object]) -> None:
    answer = post(server.url, "/harness/sessions", wrong)
    assert answer.status == 400
    assert answer.json()["error"]
    assert len(server.get("sessions")["sessions"]) == 1


def test_the_token_of_no_session_is_told(server: RunningServer) -> None:
    assert get(server.url, "/harness/users?token=any").status == 200  # the server takes any token
    assert post(server.url, "/harness/sessions/none").status == 405
