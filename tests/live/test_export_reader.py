"""Reading exports over HTTP: pages, limits, retries, and where credentials go. Servers are real, time is not."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Mapping
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.live.credentials import Credentials
from harness.live.destination import Destination, destination_from
from harness.live.export_reader import PER_HOUR, Budget, ExportReader, Pace
from harness.live.session import session_of
from harness.problems import InputError, OutsideError
from tests.live.scripted import Answer, scripted

DAY = date(2026, 1, 5)
DAYS = [(DAY, DAY)]
ACCOUNT = Credentials(
    token="tokentoken", project_id="77", service_account="robot.abc", service_secret="sesame-open-1234"
)
ROWS = b"".join(
    json.dumps({"event": "Page", "properties": {"distinct_id": "ana", "$insert_id": f"i{at}", "time": at}}).encode()
    + b"\n"
    for at in range(3)
)


class Time:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.told: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(clock=lambda: self.now, sleep=self.sleep, lot=lambda: 0.0, tell=self.told.append)


def reader(url: str, time: Time, credentials: Credentials = ACCOUNT, **environment: str) -> ExportReader:
    return ExportReader(destination_from(url), credentials, environment, time.pace())


def test_a_day_is_one_request_with_project_and_credentials() -> None:
    with scripted(Answer(body=ROWS)) as server:
        rows = list(reader(server.url, Time()).read([(DAY, DAY), (DAY + timedelta(1), DAY + timedelta(1))]))
    assert [row.insert_id for row in rows] == ["i0", "i1", "i2"] * 2
    assert [asked.query for asked in server.asked] == [
        {"from_date": "2026-01-05", "to_date": "2026-01-05", "project_id": "77"},
        {"from_date": "2026-01-06", "to_date": "2026-01-06", "project_id": "77"},
    ]
    assert {asked.path for asked in server.asked} == {"/api/2.0/export"}
    assert server.asked[0].headers["authorization"] == ACCOUNT.basic()


def test_compressed_answers_are_read() -> None:
    with scripted(Answer(body=gzip.compress(ROWS), headers={"content-encoding": "gzip"})) as server:
        assert len(list(reader(server.url, Time()).read(DAYS))) == 3


def test_an_empty_day_has_no_rows() -> None:
    with scripted(Answer(body=b"")) as server:
        assert list(reader(server.url, Time()).read(DAYS)) == []


BROKEN = {
    "too many requests": Answer(429),
    "bad gateway": Answer(502),
    "unavailable": Answer(503),
    "hung up": Answer(hangs_up=True),
    "half the length": Answer(body=ROWS[:100], promised=len(ROWS)),
    "half a line": Answer(body=ROWS[:-20]),
    "a chunk without end": Answer(body=ROWS, breaks_chunks=True),
    "a message at the end": Answer(body=ROWS + b"terminated early\n"),
    "half a gzip": Answer(body=gzip.compress(ROWS * 50)[:-40], headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_answer_is_asked_again_and_no_row_comes_twice(broken: Answer) -> None:
    time = Time()
    with scripted(Answer(body=ROWS), broken, broken, Answer(body=ROWS)) as server:
        reading = reader(server.url, time)
        assert len(list(reading.read(DAYS))) == 3
        assert [row.insert_id for row in reading.read(DAYS)] == ["i0", "i1", "i2"]
    assert len(server.asked) == 4
    pauses = [slept for slept in time.slept if slept > 1.5]
    assert pauses == [3.0, 5.0], "2 s that double, and at least 1 s of jitter"
    assert len(time.told) >= 2


def test_a_server_that_says_how_long_to_wait_is_obeyed() -> None:
    time = Time()
    with scripted(Answer(429, headers={"retry-after": "90"}), Answer(body=ROWS)) as server:
        assert len(list(reader(server.url, time).read(DAYS))) == 3
    assert max(time.slept) >= 90


def test_it_gives_up_after_ten_times() -> None:
    with scripted(Answer(503)) as server, pytest.raises(OutsideError, match="answered 503, 10 times in a row"):
        list(reader(server.url, Time()).read(DAYS))
    assert len(server.asked) == 10


def test_nobody_there_is_told_at_once_on_this_machine() -> None:
    with pytest.raises(OutsideError, match=r"127\.0\.0\.1:1 can't be reached$"):
        list(reader("http://127.0.0.1:1", Time()).read(DAYS))


def test_never_more_than_sixty_an_hour_and_three_a_second() -> None:
    time = Time()
    budget = Budget(time.pace())
    asked = []
    for _ in range(150):
        budget.spend()
        asked.append(time.now)
    for at, moment in enumerate(asked):
        assert sum(moment - 3_600 < earlier <= moment for earlier in asked[: at + 1]) <= PER_HOUR
        assert sum(moment - 1 < earlier <= moment for earlier in asked[: at + 1]) <= 3
    assert asked[-1] < 3 * 3_600, "no longer than needed"
    assert any("60 exports an hour" in line for line in time.told)


def test_requests_that_fail_count_too() -> None:
    time = Time()
    with scripted(*[Answer(503)] * 9, Answer(body=ROWS)) as server:
        reading = reader(server.url, time)
        for _ in range(51):
            list(reading.read(DAYS))
        assert len(server.asked) == PER_HOUR
        before = time.now
        list(reading.read(DAYS))
    assert time.now - before > 1_000


def test_a_redirect_is_not_followed_and_nobody_else_gets_credentials() -> None:
    with scripted(Answer(body=ROWS)) as elsewhere:
        there = {"location": f"{elsewhere.url}/api/2.0/export"}
        with scripted(Answer(307, headers=there)) as server, pytest.raises(OutsideError, match="redirects") as told:
            list(reader(server.url, Time()).read(DAYS))
    assert elsewhere.asked == []
    assert_no_secret(str(told.value))


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_without_being_shown(status: int) -> None:
    echo = f"no {ACCOUNT.service_secret} of {ACCOUNT.service_account}: {ACCOUNT.basic()}".encode()
    with scripted(Answer(status, echo)) as server, pytest.raises(InputError, match="refused") as told:
        list(reader(server.url, Time()).read(DAYS))
    assert len(server.asked) == 1
    assert_no_secret(str(told.value))


def test_credentials_that_are_not_set_are_told_as_such() -> None:
    with scripted(Answer(401)) as server, pytest.raises(InputError, match="are not set"):
        list(reader(server.url, Time(), Credentials()).read(DAYS))


def test_another_answer_is_told_without_secrets() -> None:
    answer = Answer(400, f"bad {ACCOUNT.service_secret}".encode())
    with scripted(answer) as server, pytest.raises(OutsideError, match="answered 400") as told:
        list(reader(server.url, Time()).read(DAYS))
    assert_no_secret(str(told.value))


def test_a_line_that_is_no_event_is_told_with_its_number() -> None:
    odd = Answer(body=b'{"error": "x"}\n' + ROWS)
    with (
        scripted(odd) as server,
        pytest.raises(OutsideError, match="else than events for 2026-01-05, line 1"),
    ):
        list(reader(server.url, Time()).read(DAYS))


def assert_no_secret(text: str) -> None:
    for secret in (ACCOUNT.service_secret, ACCOUNT.service_account, ACCOUNT.token, ACCOUNT.basic()[6:]):
        assert secret not in text


def test_a_password_in_netrc_does_not_take_the_place_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login wrong password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(Answer(body=ROWS)) as server:
        list(reader(server.url, Time()).read(DAYS))
    assert server.asked[0].headers["authorization"] == ACCOUNT.basic()


MIXPANEL = destination_from("eu")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"REQUESTS_CA_BUNDLE": ""},
        {"CURL_CA_BUNDLE": ""},
        {"PYTHONHTTPSVERIFY": "0"},
        {"REQUESTS_CA_BUNDLE": "x.pem"},
    ],
    ids=str,
)
def test_nothing_in_the_environment_turns_verification_off(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    session = session_of(MIXPANEL.export, MIXPANEL, environment)
    merged = session.merge_environment_settings(MIXPANEL.export, {}, stream=True, verify=None, cert=None)
    assert session.verify == (environment.get("REQUESTS_CA_BUNDLE") or True)
    assert merged["verify"] == session.verify


def test_a_certificate_that_does_not_hold_is_the_end() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    time = Time()
    try:
        with pytest.raises(OutsideError, match="TLS certificate"):
            list(reader(f"https://127.0.0.1:{server.server_port}", time).read(DAYS))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert [slept for slept in time.slept if slept > 1.5] == [], "asking again would not help"


def test_proxies_of_the_environment_are_used_but_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert session_of(MIXPANEL.export, MIXPANEL, {}).proxies["https"] == "http://proxy.example:3128"
    local: Destination = destination_from("http://127.0.0.1:8080")
    assert not session_of(local.export, local, {}).proxies


def test_mixpanel_is_not_asked_without_a_service_account() -> None:
    with pytest.raises(InputError, match="MIXPANEL_SERVICE_ACCOUNT") as told:
        ExportReader(MIXPANEL, Credentials(token="tokentoken"), {})
    assert "MIXPANEL_SERVICE_SECRET" in str(told.value)
