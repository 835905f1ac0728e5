"""Probes over HTTP: what answers mean, what is asked again, and where credentials go."""

from __future__ import annotations

import gzip
import json

import pytest

from harness.event import Json
from harness.live.asking import ProbeSender
from harness.live.credentials import Credentials
from harness.live.destination import destination_from
from harness.live.probe import Ask, Kit
from harness.problems import InputError, OutsideError
from tests.live.scripted import Answer, Asked, scripted
from tests.live.test_export_reader import ACCOUNT, Time, assert_no_secret

KIT = Kit("probe-1", "test", 1_767_600_000_000)
PAGE, VERB = KIT.row("page", distinct_id="a"), KIT.row("verb", "$identify", distinct_id="a", S_anon_distinct_id="b")
OTHER = KIT.row("other", distinct_id="a")


def sender(url: str, time: Time | None = None, credentials: Credentials = ACCOUNT) -> ProbeSender:
    return ProbeSender(destination_from(url), credentials, {}, (time or Time()).pace())


def answer(document: Json, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode())


def rows_of(asked: Asked) -> list[Json]:
    rows: list[Json] = json.loads(gzip.decompress(asked.body))
    return rows


FAILED = {"code": 400, "error": "some", "num_records_imported": 1, "status": "Bad Request"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"code": 200, "num_records_imported": 3, "status": "OK"}, ["taken", "taken", "taken"]),
        ({**FAILED, "failed_records": [{"index": 2, "field": "", "message": ""}]}, ["taken", "taken", "rejected"]),
        ({**FAILED, "failed_records": ["identity events are not allowed"]}, ["taken", "rejected", "taken"]),
        ({**FAILED, "failed_records": [], "num_records_imported": 0}, ["rejected"] * 3),
        ({**FAILED, "failed_records": [{"index": 9}, {"index": True}, 5]}, ["taken", "rejected", "taken"]),
    ],
)
def test_a_strict_import_says_what_became_of_each_row(said: Json, expected: list[str]) -> None:
    with scripted(answer(said, said["code"])) as server:
        found = sender(server.url).send(Ask("import", (PAGE, VERB, OTHER)))
    assert list(found.values()) == expected
    (asked,) = server.asked
    assert asked.query == {"strict": "1", "project_id": "77"}
    assert asked.headers["authorization"] == ACCOUNT.basic()
    assert ACCOUNT.token not in json.dumps(rows_of(asked))


@pytest.mark.parametrize(("said", "expected"), [({"status": 1, "error": None}, "taken"), ({"status": 0}, "rejected")])
def test_track_is_asked_with_the_token_and_without_credentials(said: Json, expected: str) -> None:
    with scripted(answer(said)) as server:
        assert sender(server.url).send(Ask("track", (PAGE,), with_address=True)) == {"page": expected}
    (asked,) = server.asked
    assert asked.query == {"verbose": "1", "ip": "1"}
    assert "authorization" not in asked.headers
    assert rows_of(asked)[0]["properties"]["token"] == ACCOUNT.token


def test_what_is_not_said_of_a_row_is_not_read_into_it() -> None:
    with scripted(answer(1)) as server:
        loose = sender(server.url).send(Ask("import", (PAGE, OTHER), is_strict=False))
        many = sender(server.url).send(Ask("track", (PAGE, OTHER)))
    assert set(loose.values()) | set(many.values()) == {"unsaid"}


@pytest.mark.parametrize("broken", [Answer(429), Answer(502), Answer(503)], ids=["429", "502", "503"])
def test_a_busy_server_is_asked_again_with_the_same_rows(broken: Answer) -> None:
    time = Time()
    with scripted(broken, broken, answer({"code": 200})) as server:
        sender(server.url, time).send(Ask("import", (PAGE,)))
    assert time.slept == [3.0, 5.0]
    assert len({asked.body for asked in server.asked}) == 1


def test_a_lost_answer_is_asked_again() -> None:
    with scripted(answer({"code": 200}), Answer(hangs_up=True), answer({"code": 200})) as server:
        one = sender(server.url)
        one.send(Ask("import", (OTHER,)))
        # On this machine a first connection that fails means that nobody is there; this one has been there.
        assert one.send(Ask("import", (PAGE,))) == {"page": "taken"}
    assert len(server.asked) == 3


def test_a_400_is_never_asked_again() -> None:
    with scripted(answer({**FAILED, "failed_records": [{"index": 0}]}, 400)) as server:
        assert sender(server.url).send(Ask("import", (PAGE,))) == {"page": "rejected"}
    assert len(server.asked) == 1


def test_a_redirect_is_not_followed_and_nobody_else_gets_credentials_or_token() -> None:
    with scripted(answer(1)) as elsewhere:
        there = {"location": f"{elsewhere.url}/import"}
        for endpoint in ("import", "track"):
            with scripted(Answer(308, headers=there)) as server, pytest.raises(OutsideError, match="redirects") as told:
                sender(server.url).send(Ask(endpoint, (PAGE,)))
            assert_no_secret(str(told.value))
    assert elsewhere.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_whatever_a_server_says_no_secret_is_shown(status: int) -> None:
    echo = f"{ACCOUNT.service_secret} {ACCOUNT.token} {ACCOUNT.basic()} {ACCOUNT.service_account}".encode()
    with scripted(Answer(status, echo)) as server, pytest.raises((InputError, OutsideError)) as told:
        sender(server.url).send(Ask("import", (PAGE,)))
    assert_no_secret(str(told.value))
    assert_no_secret(repr(told.value))


def test_without_a_token_nothing_is_sent() -> None:
    with pytest.raises(InputError, match="MIXPANEL_TOKEN"):
        sender("http://127.0.0.1:1", credentials=Credentials())
    with pytest.raises(InputError, match="MIXPANEL_SERVICE_ACCOUNT"):
        sender("us", credentials=Credentials(token="tokentoken"))
