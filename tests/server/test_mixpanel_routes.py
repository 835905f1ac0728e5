"""Mixpanel's routes over HTTP: each answer is what the project gives without HTTP, and what each SDK waits for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.ingestion.project import MixpanelProject
from harness.ingestion.sdks import SDK_FORMS, SdkName, encode, zipped
from harness.ingestion.wire import WireRequest
from harness.server.background import RunningServer
from tests.server.client import NOW_MS, basic, connect, event, get, post, send

IDS = st.sampled_from(["u1", "u2", "$device:d1", "", "undefined", "\N{GRINNING FACE}", "a+b/c=="])
VALUES = st.one_of(
    IDS,
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.none(),
    st.lists(st.integers(), max_size=3),
)
KEYS = st.sampled_from(["distinct_id", "$device_id", "$user_id", "time", "$insert_id", "plan", "name & co"])
ROWS = st.lists(
    st.builds(
        lambda name, properties: {"event": name, "properties": {"token": "t", **properties}},
        st.sampled_from(["Page View", "$identify", "$create_alias", "", "Käse"]),
        st.dictionaries(KEYS, VALUES, max_size=5),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(sorted(SDK_FORMS)), st.sampled_from(["/track", "/import"]), st.booleans())
def test_what_any_sdk_sends_is_answered_and_stored_as_without_http(
    server: RunningServer, rows: list[dict[str, object]], sdk: SdkName, path: str, is_zipped: bool
) -> None:
    server.reset()
    alone = MixpanelProject("simplified")
    for made in encode(sdk, path, rows):
        request = zipped(made) if is_zipped and made.method == "POST" else made
        request = replace(request, headers={**request.headers, "authorization": basic("t"), "origin": "http://shop.x"})
        wanted = alone.handle(replace(request, client_ip="127.0.0.1"), NOW_MS)
        answer = send(server.url, request)
        assert (answer.status, answer.body) == (wanted.status, wanted.body)
        assert dict(wanted.headers).items() <= answer.headers.items()
    assert server.clusters() == [list(cluster.ids) for cluster in alone.model.clusters()]
    assert [user["distinct_id"] for user in server.users()] == alone.users()
    assert [row["status"] == "rejected" for row in server.events()] == [
        alone.stored(index) is None for index in range(len(alone.rows))
    ]


@given(st.binary(max_size=60), st.sampled_from(["/track", "/engage", "/groups", "/import?strict=1"]))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_at_all_breaks_the_service(server: RunningServer, body: bytes, path: str) -> None:
    answer = post(server.url, path, body, authorization=basic("t"))
    assert answer.status in ({200, 400} if path.startswith("/import") else {200})


def test_a_page_of_any_site_may_send_with_credentials(server: RunningServer) -> None:
    asked = WireRequest(
        "OPTIONS",
        "/track/",
        "verbose=1",
        {
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        },
    )
    preflight = send(server.url, asked)
    sent = post(server.url, "/track/?verbose=1", [event()], origin="https://shop.example", content_type="text/plain")
    for answer in (preflight, sent):
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    assert sent.json() == {"status": 1, "error": None}
    assert len(server.events()) == 1


def test_each_sdk_gets_the_answer_it_waits_for(server: RunningServer) -> None:
    data = "data=" + quote(json.dumps(event()))
    assert get(server.url, f"/track?{data}&verbose=0").body == b"1"
    assert post(server.url, "/track", f"{data}&verbose=1&ip=0").json() == {"status": 1, "error": None}
    assert post(server.url, "/import", f"{data}&verbose=0", authorization=basic("key")).body == b"1"
    bad = [event(time="yesterday")]
    assert (answer := post(server.url, "/track/?ip=1", bad)).status == 200
    assert answer.body == b"0"
    gif = get(server.url, f"/track/?{data}&img=1")
    assert gif.headers["content-type"] == "image/gif"
    assert gif.body.startswith(b"GIF89a")


def test_only_a_plain_name_is_called_back(server: RunningServer) -> None:
    data = "data=" + quote(json.dumps(event()))
    assert get(server.url, f"/track/?{data}&callback=mixpanel.done").body == b"mixpanel.done(1);"
    for hostile in ("alert(1)//", "<script>", "a;b", "x\u2028y", "f" * 600):
        answer = get(server.url, f"/track/?{data}&callback={quote(hostile)}")
        assert answer.body == b"1"
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["decide", "flags", "flags/x/first-time-events", "record", "settings"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_what_sdks_ask_besides_is_answered_harmlessly(server: RunningServer, path: str, slash: str) -> None:
    for method in ("GET", "POST"):
        answer = send(server.url, WireRequest(method, f"/{path}{slash}", "token=t", {"origin": "http://a.b"}, b""))
        assert answer.status == 200
        assert isinstance(answer.json(), dict)
        assert answer.headers["access-control-allow-origin"] == "http://a.b"
    assert server.events() == []


def test_remote_settings_change_nothing_in_the_browser_sdk(server: RunningServer) -> None:
    # It reads `sdk_config.config`, and keeps what it has where there is none.
    assert not (get(server.url, "/settings/").json()["sdk_config"] or {}).get("config")
    assert get(server.url, "/flags/").json()["flags"] == {}


def test_profiles_are_kept_and_shown(server: RunningServer) -> None:
    update = [{"$token": "t", "$distinct_id": "u1", "$set": {"plan": "gold"}}]
    group = [{"$token": "t", "$group_key": "firm", "$group_id": "acme", "$set": {"size": 3}}]
    assert post(server.url, "/engage/", update).body == b"1"
    assert post(server.url, "/groups/", group).body == b"1"
    assert server.get("profiles") == {
        "users": {"u1": {"plan": "gold"}},
        "groups": [{"group_key": "firm", "group_id": "acme", "properties": {"size": 3}}],
    }


def test_several_requests_on_one_connection_are_answered_in_order(server: RunningServer) -> None:
    body = json.dumps([event()]).encode()
    good = b"POST /track HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    last = b"GET /record HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    seen = b""
    with connect(server.url) as connection:
        connection.sendall(good + b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n" + good + last)
        while data := connection.recv(65_536):
            seen += data
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", seen) == [b"200", b"404", b"200", b"200"]
    assert len(server.events()) == 2


def test_a_wrong_path_or_method_is_told(server: RunningServer) -> None:
    assert get(server.url, "/nowhere").status == 404
    assert post(server.url, "/harness/users").status == 405
    assert post(server.url, "/api/2.0/export").status == 405
