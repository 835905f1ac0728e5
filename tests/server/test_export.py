"""The raw export: canonical ids, what was before, and who may have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.event import Event, from_wire
from harness.ingestion.settings import IngestionSettings, ProjectSettings
from harness.server.background import RunningServer
from harness.server.export import ExportOptions
from tests.server.client import NOW_MS, NOW_S, basic, event, get, post

DAY_S = 86_400
SECRET = basic("s")


def exported(server: RunningServer, query: str = "", first: str = "2026-01-01", last: str = "2026-01-09") -> list[Any]:
    answer = get(server.url, f"/api/2.0/export?from_date={first}&to_date={last}{query}", authorization=SECRET)
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def import_(server: RunningServer, *rows: dict[str, Any]) -> None:
    assert post(server.url, "/import?strict=1", list(rows), authorization=SECRET).status == 200


def test_an_event_carries_the_canonical_id_and_the_one_before(server: RunningServer) -> None:
    post(server.url, "/track", [event("View", S_device_id="d1", distinct_id=..., plan="gold", S_insert_id=...)])
    import_(server, event("Login", S_device_id="d1", S_user_id="ana", distinct_id=..., S_insert_id="i-2"))
    view, login = exported(server)
    assert view["event"] == "View"
    properties = view["properties"]
    assert properties.pop("$insert_id")
    assert properties.pop("$mp_event_size") > 50
    assert properties == {
        "time": NOW_S,
        "distinct_id": "ana",
        "$distinct_id_before_identity": "$device:d1",
        "$device_id": "d1",
        "plan": "gold",
        "$mp_api_endpoint": "api.mixpanel.com",
        "$mp_api_timestamp_ms": NOW_MS,
        "mp_processing_time_ms": NOW_MS,
    }
    assert login["properties"]["$import"] is True
    assert login["properties"]["$insert_id"] == "i-2"
    assert "$distinct_id_before_identity" not in login["properties"]


def test_an_export_can_be_read_back_as_what_was_sent(server: RunningServer) -> None:
    import_(server, event("View", S_device_id="d1", distinct_id=""), event("L", S_device_id="d1", S_user_id="ana"))
    read = [from_wire(line) for line in exported(server)]
    assert [one.properties["distinct_id"] for one in read if isinstance(one, Event)] == ["ana", "ana"]


def test_refused_identity_is_stamped_on_the_event(serve: Callable[..., RunningServer]) -> None:
    original = serve(id_merge="original")
    import_(original, event("$identify", distinct_id="u", S_anon_distinct_id="not-a-uuid"))
    found = exported(original)[0]["properties"]
    assert found["$failure_reason"] == "errAnonDistinctIdNonGUIDForm"
    assert "not-a-uuid" in found["$failure_description"]
    simplified = serve()
    rows = [event(S_device_id="d", S_user_id=user, S_insert_id=user) for user in ("u1", "u2")]
    import_(simplified, *rows)
    assert [line["properties"].get("$identity_failure_reason") for line in exported(simplified)] == [
        None,
        "errAnonDistinctIdAssignedAlready",
    ]


def test_days_are_inclusive_and_names_can_be_chosen(server: RunningServer) -> None:
    midnight = NOW_S - 12 * 3_600
    import_(
        server,
        event("A", time=midnight - 1, S_insert_id="1"),
        event("B", time=midnight, S_insert_id="2"),
        event("C", time=midnight + DAY_S - 43_201, S_insert_id="3"),
    )
    assert [line["event"] for line in exported(server, first="2026-01-05", last="2026-01-05")] == ["B", "C"]
    assert [line["event"] for line in exported(server, first="2026-01-04", last="2026-01-04")] == ["A"]
    assert [line["event"] for line in exported(server, "&event=%5B%22A%22,%22C%22%5D")] == ["A", "C"]
    assert [line["event"] for line in exported(server, "&limit=1")] == ["A"]
    assert exported(server, "&time_in_ms=true")[1]["properties"]["time"] == midnight * 1_000


def test_days_are_those_of_the_project(serve: Callable[..., RunningServer]) -> None:
    tokyo = ProjectSettings(ingestion=IngestionSettings(project_timezone="Asia/Tokyo"))
    server = serve(settings=tokyo)
    import_(server, event("A", time=NOW_S - 12 * 3_600 + 16 * 3_600 - DAY_S))  # 16:00 UTC is tomorrow there
    assert exported(server, first="2026-01-05", last="2026-01-05")
    assert not exported(server, first="2026-01-04", last="2026-01-04")


def test_duplicates_show_where_asked_for(serve: Callable[..., RunningServer]) -> None:
    rows = [event(plan="old"), event(plan="new")]
    server = serve()
    import_(server, *rows)
    assert [line["properties"]["plan"] for line in exported(server)] == ["new"]
    server = serve(export=ExportOptions(shows_duplicates=True))
    import_(server, *rows)
    assert [line["properties"]["plan"] for line in exported(server)] == ["old", "new"]


def test_an_export_that_lags_shows_merges_late(serve: Callable[..., RunningServer]) -> None:
    server = serve(export=ExportOptions(lag_ms=3_600_000))
    import_(server, event("View", S_device_id="d1", distinct_id=""))
    server.post("clock", {"advance": "10m"})
    import_(server, event("Login", S_device_id="d1", S_user_id="ana", S_insert_id="2"))
    assert [line["properties"]["distinct_id"] for line in exported(server)] == ["$device:d1", "ana"]
    server.post("clock", {"advance": "59m"})
    assert [line["properties"]["distinct_id"] for line in exported(server)] == ["$device:d1", "ana"]
    server.post("clock", {"advance": "1m"})
    assert [line["properties"]["distinct_id"] for line in exported(server)] == ["ana", "ana"]
    assert len(server.users()) == 1  # the truth does not lag


def test_an_export_needs_credentials(serve: Callable[..., RunningServer]) -> None:
    server = serve(token="t", secret="s")
    import_(server, event())
    path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
    assert get(server.url, path).status == 401
    for good in (basic("s"), basic("account", "password"), basic("t")):
        assert get(server.url, path, authorization=good).status == 200
    for bad in (basic("other"), basic(""), "Basic ???", "Digest x", "Bearer s"):
        answer = get(server.url, path, authorization=bad)
        assert (answer.status, answer.json()["status"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "query",
    [
        "", "from_date=2026-01-01", "from_date=2026-01-02&to_date=2026-01-01", "from_date=today&to_date=2026-01-01",
        "from_date=2026-02-30&to_date=2026-03-01", "from_date=2026-01-01&to_date=2026-01-01&event=View",
        "from_date=2026-01-01&to_date=2026-01-01&limit=0", "from_date=2026-01-01&to_date=2026-01-01&where=true",
        "from_date=0001-01-01&to_date=9999-12-31",
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_told(server: RunningServer, query: str) -> None:
    answer = get(server.url, f"/api/2.0/export?{query}", authorization=SECRET)
    assert answer.status == 400
    assert answer.json()["error"]


def test_exports_of_a_session_are_its_own(server: RunningServer) -> None:
    with server.session() as session:
        post(server.url, "/track", [event("Mine", token=session.token), event("Others")])
        path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
        mine = get(server.url, path, authorization=basic(session.token or ""))
        assert [json.loads(line)["event"] for line in mine.body.splitlines()] == ["Mine"]
        named = get(server.url, f"{path}&token={session.token}", authorization=basic("any", "account"))
        assert named.body == mine.body


def test_rate_limits_are_those_of_the_documentation(serve: Callable[..., RunningServer]) -> None:
    server = serve(events_per_second=1)
    path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
    assert [get(server.url, path, authorization=SECRET).status for _ in range(4)] == [200, 200, 200, 429]
    rows = [event(S_insert_id=str(number)) for number in range(30)]
    assert [post(server.url, "/import", rows, authorization=SECRET).status for _ in range(3)] == [200, 200, 429]
    server.post("clock", {"advance": "61s"})
    assert post(server.url, "/import", rows, authorization=SECRET).status == 200


def test_a_large_export_comes_in_pieces(server: RunningServer) -> None:
    for batch in range(3):
        import_(server, *(event(S_insert_id=f"{batch}-{number}") for number in range(600)))
    assert len(exported(server)) == 1_800
