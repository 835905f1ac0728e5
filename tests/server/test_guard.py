"""Who may look into a server: this machine, and who has its token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.ingestion.wire import WireRequest
from harness.problems import InputError
from harness.server.background import RunningServer, ServerSaidError
from harness.server.guard import is_loopback
from harness.server.serving import LocalServer, ServerOptions
from tests.server.client import basic, event, get, post, send

PATHS = ["health", "users", "events", "stream", "scenario", "sessions", "faults", "clock", "explain?a=x", "profiles"]


@pytest.mark.parametrize("path", PATHS)
def test_another_name_or_a_page_of_another_site_gets_nothing(server: RunningServer, path: str) -> None:
    # A name that was made to point here (DNS rebinding), and a page that asks in the user's back.
    assert get(server.url, f"/harness/{path}", host="evil.example").status == 403
    assert get(server.url, f"/harness/{path}", origin="https://evil.example").status == 403
    assert get(server.url, f"/harness/{path}", origin="null").status == 403
    assert post(server.url, "/harness/reset", origin="https://evil.example").status == 403


def test_pages_of_this_machine_may(server: RunningServer) -> None:
    for host in ("localhost:1", "127.0.0.1", "[::1]:80", "shop.localhost"):
        assert get(server.url, "/harness/health", host=host).status == 200
    asked = {"origin": "http://localhost:3000", "access-control-request-headers": "x-harness-token"}
    for method in ("GET", "OPTIONS"):
        answer = send(server.url, WireRequest(method, "/harness/health", headers=asked))
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "x-harness-token" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in get(server.url, "/harness/health").headers
    asked = {"origin": "http://evil.example", "access-control-request-headers": "x-harness-token"}
    assert send(server.url, WireRequest("OPTIONS", "/harness/reset", headers=asked)).status != 200


def test_mixpanels_routes_answer_under_any_name(server: RunningServer) -> None:
    assert post(server.url, "/track", [event()], host="shop.test", origin="https://shop.test").body == b"1"


def test_another_host_needs_a_token() -> None:
    with pytest.raises(InputError, match=r"--host.*token") as caught:
        LocalServer(ServerOptions(host="0.0.0.0"), lambda _: None)
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def open_server(serve: Callable[..., RunningServer]) -> RunningServer:
    """A server that others on the network reach too."""
    return serve(host="0.0.0.0", token="T", secret="S")


@pytest.mark.parametrize("path", PATHS)
def test_on_the_network_every_look_needs_the_token(open_server: RunningServer, path: str) -> None:
    url = open_server.url
    for wrong in ("", "token=t", "token="):
        glue = "&" if "?" in path else "?"
        assert get(url, f"/harness/{path}{glue}{wrong}").status == 403
    assert get(url, f"/harness/{path}", x_harness_token="wrong").status == 403
    assert post(url, "/harness/reset").status == 403


def test_on_the_network_the_token_opens_everything(open_server: RunningServer) -> None:
    url = open_server.url
    assert post(url, "/track", [event(token="T")]).body == b"1"
    assert len(get(url, "/harness/events?token=T", host="10.0.0.7:80").json()["events"]) == 1
    assert get(url, "/harness/events", authorization="Bearer T").status == 200
    assert len(open_server.events()) == 1  # the fixture sends the header
    assert get(url, "/").status == 200  # the page holds no data


def test_on_the_network_an_export_needs_the_token_or_the_secret(open_server: RunningServer) -> None:
    path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
    for good in (basic("S"), basic("T"), basic("account", "S")):
        assert get(open_server.url, path, authorization=good).status == 200
    assert get(open_server.url, f"{path}&token=T", authorization=basic("account", "x")).status == 200
    for bad in (basic("account", "x"), basic("x"), ""):
        assert get(open_server.url, path, authorization=bad).status == 401


def test_a_name_that_was_made_to_point_here_gets_no_export(server: RunningServer) -> None:
    path = "/api/2.0/export?from_date=2026-01-01&to_date=2026-01-09"
    for good in ("localhost:1", "127.0.0.1", "data-eu.mixpanel.com"):
        assert get(server.url, path, authorization=basic("a", "b"), host=good).status == 200
    assert get(server.url, path, authorization=basic("a", "b"), host="evil.example").status == 401
    assert get(server.url, path, authorization=basic("a", "b"), origin="https://evil.example").status == 401


def test_on_the_network_the_token_of_a_session_opens_that_session_only(open_server: RunningServer) -> None:
    with open_server.session() as session:
        assert session.events() == []
        for wrong in ("sessions", "faults"):
            with pytest.raises(ServerSaidError) as caught:
                session.get(wrong)
            assert caught.value.status == 403


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("a.localhost.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.evil.com", False),
        ("127.0.0.1.evil.com", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_its_own(host: str, own: bool) -> None:
    assert is_loopback(host) == own
