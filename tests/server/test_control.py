"""The control routes: what arrived, who is who, and what a test waits for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from harness import __version__
from harness.scenario.stream import as_json, read_stream, resolve_stream
from harness.server.background import RunningServer, ServerSaidError
from tests.server.client import NOW_MS, NOW_S, basic, connect, event, get, post

FLOW = [
    event("Page View", S_device_id="d1", distinct_id=..., S_insert_id="1"),
    event("Login", S_device_id="d1", S_user_id="ana", distinct_id=..., S_insert_id="2"),
    event("Page View", S_device_id="d1", S_user_id="ben", distinct_id=..., S_insert_id="3"),
    event("Page View", S_device_id="d1", distinct_id=..., S_insert_id="1"),
    event("Buy", time="soon", S_insert_id="5"),
]


def send_flow(server: RunningServer) -> None:
    post(server.url, "/import?strict=1", FLOW, authorization=basic("t"))


def test_events_are_told_as_harness_resolve_tells_them(server: RunningServer) -> None:
    send_flow(server)
    lines = "\n".join(map(json.dumps, FLOW)).encode()
    resolved = as_json(resolve_stream(read_stream(lines), "simplified", now_ms=NOW_MS))
    for told, wanted in zip(server.events(), resolved["events"], strict=True):
        for key in ("index", "status", "distinct_id", "received_distinct_id", "errors"):
            assert told.get(key) == wanted.get(key)
        decision = wanted.get("decision")
        assert (told.get("decision") or {}).items() >= (decision or {}).items()
    assert server.clusters() == resolved["clusters"]
    assert len(server.users()) == resolved["users"]


def test_users_come_with_ids_events_and_profile(server: RunningServer) -> None:
    send_flow(server)
    post(server.url, "/engage", [{"$token": "t", "$distinct_id": "ana", "$set": {"plan": "gold"}}])
    ana, ben = server.users()
    assert ana == {"distinct_id": "ana", "ids": ["$device:d1", "ana"], "events": 2, "profile": {"plan": "gold"}}
    assert ben == {"distinct_id": "ben", "ids": ["ben"], "events": 1, "profile": None}


def test_a_rejected_row_is_shown_as_it_came_with_the_message(server: RunningServer) -> None:
    send_flow(server)
    post(server.url, "/track", [event(S_ignore=True), event(time="NaN")])
    post(server.url, "/import", b'{"event": "A"}\nno json', authorization=basic("t"))
    soon, ignored, other, bare, line = server.rejected()
    assert soon["errors"][0]["field"] == "properties.time"
    assert (soon["event"], soon["insert_id"], soon["raw"]) == ("Buy", "5", FLOW[4])
    assert (soon["silent"], ignored["silent"]) == (False, True)
    assert (other["event"], bare["event"], line["event"]) == ("Page View", "A", None)
    assert "line 2 is not valid JSON" in line["errors"][0]["message"]


def test_decisions_name_rule_and_evidence(server: RunningServer) -> None:
    send_flow(server)
    assert [(made["kind"], made["outcome"], made["reason"]) for made in server.decisions()] == [
        ("link", "merged", None),
        ("link", "refused", "errAnonDistinctIdAssignedAlready"),
    ]
    assert server.decisions()[0].keys() == {
        "index", "kind", "outcome", "reason", "ids", "rule", "evidence", "description",
    }  # fmt: skip


def test_why_two_ids_are_one_user_or_not(server: RunningServer) -> None:
    send_flow(server)
    assert server.explain("$device:d1", "ana")["path"] == [{"index": 1, "kind": "link", "ids": ["$device:d1", "ana"]}]
    apart = server.explain("$device:d1", "ben")
    assert not apart["same_user"]
    assert apart["refused"][0]["reason"] == "errAnonDistinctIdAssignedAlready"
    assert [member["id"] for member in server.explain("ana")["cluster"]["members"]] == ["ana", "$device:d1"]
    assert get(server.url, "/harness/explain?a=d1&b=ana").status == 404
    assert "$device:d1" in get(server.url, "/harness/explain?a=d1&b=ana").json()["error"]
    assert get(server.url, "/harness/explain").status == 400


def test_a_rejected_identity_event_between_two_ids_is_part_of_the_explanation(server: RunningServer) -> None:
    rows = [
        event(distinct_id="a", S_insert_id="1"),
        event(distinct_id="b", S_insert_id="2"),
        event("$merge", S_distinct_ids=["a", "b"], S_insert_id="3"),
    ]
    post(server.url, "/import?strict=1", rows, authorization=basic("t"))
    assert [attempt["kind"] for attempt in server.explain("a", "b")["rejected"]] == ["merge"]


def test_lists_come_in_pages(server: RunningServer) -> None:
    send_flow(server)
    first = server.get("events", limit=2)
    rest = server.get("events", since=first["next"], limit=9)
    assert [row["index"] for row in first["events"] + rest["events"]] == [0, 1, 2, 3, 4]
    assert server.get("events", since=99)["events"] == []
    assert server.get("decisions", since=1)["decisions"][0]["index"] == 2
    for wrong in ("since=-1", "limit=x", "since=" + "9" * 30):
        assert get(server.url, f"/harness/events?{wrong}").status == 400


def test_waiting_ends_as_soon_as_the_events_are_there(server: RunningServer) -> None:
    begun = time.monotonic()
    timer = threading.Timer(0.2, send_flow, [server])
    timer.start()
    assert server.wait(events=4, rejected=1, decisions=2, timeout=20)["reached"]
    assert time.monotonic() - begun < 10
    timer.join()
    with pytest.raises(ServerSaidError) as caught:
        server.wait(events=5, timeout=0.05)
    assert caught.value.status == 504
    found = caught.value.document
    assert [found[name] for name in ("reached", "rows", "events", "rejected", "decisions")] == [False, 5, 4, 1, 2]
    for wrong in ("timeout=soon", "timeout=-1", "timeout=nan", "events=many"):
        assert get(server.url, f"/harness/wait?{wrong}").status == 400


def read_stream_of(
    server: RunningServer, since: int, wanted: int, then: Callable[[], None] = lambda: None
) -> list[str]:
    """Return the kinds of the first so many messages of the stream; `then` is called after the first."""
    with connect(server.url) as connection:
        connection.sendall(f"GET /harness/stream?since={since} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        seen = b""
        while seen.count(b"event: ") < 1:
            seen += connection.recv(65_536)
        then()
        while seen.count(b"event: ") < wanted or not seen.endswith(b"\n\n\r\n"):
            seen += connection.recv(65_536)
    return [part.split(b"\n")[0].decode() for part in seen.split(b"event: ")[1:]]


def test_what_arrives_is_streamed_with_its_decisions(server: RunningServer) -> None:
    send_flow(server)
    told = ["hello", "event", "event", "decision", "event", "decision", "event", "rejected"]
    assert read_stream_of(server, 0, len(told)) == told
    assert read_stream_of(server, 5, 3, lambda: send_flow(server))[:3] == ["hello", "event", "event"]
    assert read_stream_of(server, 10, 2, server.reset) == ["hello", "reset"]


def test_a_clock_can_be_stopped_and_moved(server: RunningServer) -> None:
    assert server.get("clock") == {"now": "2026-01-05T12:00:00Z", "clock": "fixed"}
    assert server.post("clock", {"advance": "1h30m"})["now"] == "2026-01-05T13:30:00Z"
    post(server.url, "/track", [event(time=...)])
    assert server.events()[0]["time"] == "2026-01-05T13:30:00Z"
    assert server.post("clock", {"now": None})["clock"] == "wall"
    before = server.get("clock")["now"]
    assert server.post("clock", {"advance": "365d"})["now"] > before
    for wrong in ({}, {"now": "noon"}, {"advance": "soon"}, {"now": None, "advance": "1s"}, {"nwo": None}, [1]):
        assert post(server.url, "/harness/clock", json.dumps(wrong)).status == 400


def test_a_reset_forgets_everything_but_the_clock(server: RunningServer) -> None:
    send_flow(server)
    post(server.url, "/engage", [{"$token": "t", "$distinct_id": "ana", "$set": {"plan": "gold"}}])
    server.post("clock", {"advance": "1h"})
    server.reset()
    assert (server.events(), server.users(), server.decisions(), server.rejected()) == ([], [], [], [])
    assert server.get("profiles") == {"users": {}, "groups": []}
    assert server.get("health")["now"] == "2026-01-05T13:00:00Z"


def test_health_tells_what_is_there(server: RunningServer) -> None:
    send_flow(server)
    health = server.get("health")
    assert health.pop("resets") >= 1
    assert health == {
        "status": "ok", "version": __version__, "id_merge": "simplified", "rows": 5, "events": 4, "rejected": 1,
        "decisions": 2, "now": "2026-01-05T12:00:00Z", "clock": "fixed",
    }  # fmt: skip


def test_numbers_that_json_has_no_form_for_are_shown_as_text(server: RunningServer) -> None:
    post(server.url, "/track", b'[{"event":"A","properties":{"token":"t","n":1e999,"s":"\\ud800"}}]')
    assert server.rejected()[0]["raw"]["properties"]["n"] == "inf"
    deep = b'{"event":"A","properties":{"token":"t","n":' + b"[" * 300 + b"]" * 300 + b"}}"
    post(server.url, "/track", deep)
    assert len(server.rejected()) == 2


def test_a_huge_row_that_is_refused_is_kept_by_its_name_only(server: RunningServer) -> None:
    post(server.url, "/track", [event("Huge", text="x" * 999_999), event("Deep", time="x", list=["y"] * 9_000)])
    assert [(row["event"], row["raw"]) for row in server.rejected()] == [("Huge", None), ("Deep", None)]
    assert "# row 0 is left out" in get(server.url, "/harness/scenario").body.decode()


def test_no_answer_reflects_markup(server: RunningServer) -> None:
    hostile = "<script>alert(1)</script>"
    post(server.url, "/track", [event(hostile, distinct_id=hostile, S_insert_id=hostile)])
    post(server.url, "/track", [event(hostile, time=hostile, distinct_id=hostile)])
    for path in ("events", "users", "clusters", "rejected", f"explain?a={hostile}", "nowhere", "scenario", "stream/x"):
        answer = get(server.url, f"/harness/{path}".replace("<", "%3C").replace(">", "%3E"))
        assert not answer.headers["content-type"].startswith("text/html")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/page/../control.py", "/page/..%2fcontrol.py", "/page//etc/passwd", "/page/%00", "/page/"]
)
def test_only_files_of_the_page_are_given(server: RunningServer, path: str) -> None:
    assert get(server.url, path).status == 404


def test_time_of_track_without_time_is_arrival(server: RunningServer) -> None:
    post(server.url, "/track", [event(time=...), event(time=NOW_S - 10)])
    assert [row["time"] for row in server.events()] == ["2026-01-05T12:00:00Z", "2026-01-05T11:59:50Z"]
