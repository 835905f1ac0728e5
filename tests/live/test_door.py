"""One request: what is sent to whom, and what every kind of answer means."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.event import Endpoint
from harness.ingestion.wire import WireRequest, WireResponse
from harness.live.answer import Again, Taken, TooLarge
from harness.live.batches import Batch
from harness.live.credentials import Credentials
from harness.live.destination import Destination, destination_from
from harness.live.door import MixpanelDoor
from harness.problems import HarnessError, InputError, OutsideError
from tests.live.loopback import LOST, loopback, text

SECRETS = Credentials("token-0123456789", "991234", "robot.mp-service-account", "pAssw0rd/xyz")
ROWS = [b'{"event":"a","properties":{"distinct_id":"u"}}', b'{"event":"$identify","properties":{"distinct_id":"u"}}']
CERTIFICATE = Path(__file__).parent / "self_signed.pem"


def batch(endpoint: Endpoint = "import") -> Batch:
    return Batch(0, endpoint, list(ROWS), [1, 2], 1)


def post(
    url: str,
    endpoint: Endpoint = "import",
    credentials: Credentials = SECRETS,
    environment: dict[str, str] | None = None,
) -> Any:
    door = MixpanelDoor(destination_from(url), credentials, environment or {})
    try:
        return door.post(batch(endpoint))
    finally:
        door.close()


def answered(response: WireResponse | None, endpoint: Endpoint = "import") -> Any:
    with loopback(lambda request: response) as server:
        return post(server.url, endpoint)


def test_import_asks_strictly_with_a_service_account() -> None:
    with loopback(lambda request: text(200, '{"code": 200, "num_records_imported": 2, "status": "OK"}')) as server:
        assert post(server.url) == Taken()
    (request,) = server.requests
    assert (request.path, request.query) == ("/import", "strict=1&project_id=991234")
    assert request.headers["authorization"] == SECRETS.basic()
    assert request.headers["content-encoding"] == "gzip"


def test_import_asks_with_the_token_where_there_is_no_service_account() -> None:
    with loopback(lambda request: text(200, '{"code": 200}')) as server:
        post(server.url, credentials=Credentials("tok-en"))
    (request,) = server.requests
    assert request.query == "strict=1"
    assert base64.b64decode(request.headers["authorization"].split()[1]) == b"tok-en:"


def test_track_carries_the_token_in_its_events_and_no_other_credential() -> None:
    with loopback(lambda request: text(200, '{"status": 1, "error": null}')) as server:
        assert post(server.url, "track") == Taken()
    (request,) = server.requests
    assert (request.path, request.query) == ("/track", "verbose=1")
    assert "authorization" not in request.headers


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_servers_are_asked_again(status: int) -> None:
    assert answered(text(status)) == Again(f"answer {status}", None)


def test_how_long_a_server_asks_to_wait_is_told() -> None:
    assert answered(text(429, Retry_After="7")).asked_s == 7


def test_an_answer_that_never_comes_or_breaks_off_is_asked_for_again() -> None:
    assert isinstance(answered(LOST), Again)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}") == Again("no connection, or it broke off")
    with _raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{") as url:
        assert isinstance(post(url), Again)


def test_bad_rows_of_a_strict_import_are_named() -> None:
    body = {
        "code": 400,
        "failed_records": [{"index": 0, "field": "properties.time", "message": "no"}, "no identity events here"],
        "num_records_imported": 0,
    }  # fmt: skip
    assert answered(text(400, json.dumps(body))) == Taken(
        ((0, "properties.time", "no"), (1, "event", "no identity events here"))
    )


@pytest.mark.parametrize("records", [[{"index": 99}], [{"index": -1}], [{"index": True}], [None], [{"index": "0"}]])
def test_a_record_that_names_no_row_is_still_told_as_one(records: Any) -> None:
    taken = answered(text(400, json.dumps({"code": 400, "failed_records": records})))
    assert [at for at, _, _ in taken.failed] == [1]


def test_a_request_that_fails_as_a_whole_fails_for_each_row() -> None:
    taken = answered(text(400, '{"code": 400, "error": "bad body"}'))
    assert taken == Taken(((0, "", "bad body"), (1, "", "bad body")))


def test_what_track_does_not_take_is_told() -> None:
    assert answered(text(200, '{"status": 0, "error": "token, missing or empty"}'), "track").failed[1][2] == (
        "token, missing or empty"
    )
    assert answered(text(200, "0"), "track").failed[0][2] == "not taken by /track"
    assert answered(text(200, "1"), "track") == Taken()


def test_a_request_too_large_for_the_way_is_told() -> None:
    assert answered(text(413)) == TooLarge()


@pytest.mark.parametrize("endpoint", ["track", "import"])
@pytest.mark.parametrize(
    "response",
    [
        text(200, "<html>Log in to this WLAN</html>"),
        text(200),
        text(404),
        text(500),
        text(204),
        text(200, "true"),
        text(400, "[]"),
    ],
)
def test_an_answer_that_is_not_mixpanels_stops_the_send(response: WireResponse, endpoint: Endpoint) -> None:
    with pytest.raises(OutsideError, match="no answer of Mixpanel's"):
        answered(response, endpoint)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_named_by_their_variables(status: int) -> None:
    with pytest.raises(InputError, match="MIXPANEL_SERVICE_ACCOUNT"):
        answered(text(status, '{"error": "Invalid credentials"}'))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_so_credentials_never_reach_another_host(status: int) -> None:
    with loopback(lambda request: text(200, '{"code": 200}')) as other:
        with loopback(lambda request: text(status, Location=f"{other.url}/import")) as server:
            for endpoint in ("import", "track"):
                with pytest.raises(OutsideError, match="redirects to another address"):
                    post(server.url, endpoint)
        assert other.requests == []


def echo(request: WireRequest) -> str:
    records = [
        {"index": 0, "field": SECRETS.token, "message": SECRETS.basic()},
        f"you are {SECRETS.service_account}",
    ]
    error = f"{request.headers} {request.body!r} {SECRETS.token} {SECRETS.service_secret}"
    return json.dumps({"error": error, "code": 400, "failed_records": records})


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize("endpoint", ["track", "import"])
def test_a_server_that_echoes_secrets_is_not_quoted_with_them(status: int, endpoint: Endpoint) -> None:
    with loopback(lambda request: text(status, echo(request))) as server:
        try:
            told = repr(post(server.url, endpoint))
        except HarnessError as error:
            told = f"{error} {error!r} {error.__cause__} {error.__context__ and error.__suppress_context__}"
    for secret in (SECRETS.token, SECRETS.service_secret, SECRETS.service_account, SECRETS.basic().split()[1]):
        assert secret not in told


def test_a_netrc_file_and_a_proxy_have_no_say_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login intruder password intruder\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with loopback(lambda request: text(200, '{"code": 200}')) as server:
        post(server.url)
    assert server.requests[0].headers["authorization"] == SECRETS.basic()


@contextmanager
def _raw_server(answer: bytes) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


@contextmanager
def _pretender() -> Iterator[tuple[int, list[bytes]]]:
    """Stand between a sender and Mixpanel as a proxy that tunnels to a server with a certificate of its own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    head = connection.recv(65_536)
                    heard.append(head)
                    if not head.startswith(b"CONNECT "):
                        continue
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    try:
                        with context.wrap_socket(connection, server_side=True) as inner:
                            heard.append(inner.recv(65_536))
                    except (ssl.SSLError, OSError):
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""},
        {"CURL_CA_BUNDLE": "", "PYTHONHTTPSVERIFY": "0", "SSL_NO_VERIFY": "1"},
    ],
)
def test_tls_to_mixpanel_is_verified_whatever_the_environment_says(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with _pretender() as (port, heard):
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://user:hunter2@127.0.0.1:{port}")
        with pytest.raises(OutsideError, match="TLS certificate") as caught:
            post("us", environment=environment)
    assert "hunter2" not in str(caught.value)
    assert [head.split()[1] for head in heard if head.startswith(b"CONNECT")] == [b"api.mixpanel.com:443"]
    assert not any(b"authorization: basic" in head.lower().replace(b"proxy-authorization", b"") for head in heard)
    assert not any(b"/import" in head for head in heard)


def test_a_companys_own_certificates_are_taken_and_missing_ones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    door = MixpanelDoor(destination_from("us"), SECRETS, {"REQUESTS_CA_BUNDLE": str(CERTIFICATE)})
    assert door._session.verify == str(CERTIFICATE)
    door.close()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(InputError, match="REQUESTS_CA_BUNDLE"):
        post("us", environment={"REQUESTS_CA_BUNDLE": "/nowhere/at-all.pem"})


def test_a_proxy_that_is_not_there_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:hunter2@127.0.0.1:9")
    answer = post("us")
    assert answer == Again("no connection through the proxy")


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.live.door._MOST_ANSWER_BYTES", 1_000)
    assert answered(text(200, "x" * 100_000)) == Again("an answer without end")


def test_requests_itself_still_verifies_by_default() -> None:
    """What the tests above lean on: a session verifies unless it is told not to."""
    assert requests.Session().verify is True
    assert isinstance(destination_from("us"), Destination)
