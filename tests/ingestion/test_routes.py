from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import IdMerge
from harness.ingestion.project import MixpanelProject
from harness.ingestion.sdks import SDK_FORMS, SdkName, encode
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.traffic import RateLimit
from harness.ingestion.wire import WireRequest, WireResponse
from tests.ingestion.rows import NOW_MS, NOW_S, row

BASIC = {"authorization": "Basic " + base64.b64encode(b"token:").decode()}


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def project(id_merge: IdMerge = "original", **more: Any) -> MixpanelProject:
    return MixpanelProject(id_merge, **more)


def track(here: MixpanelProject, content: Any, query: str = "", **more: Any) -> WireResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return here.handle(WireRequest("POST", "/track", query, more.pop("headers", {}), body, **more), NOW_MS)


def imported(
    here: MixpanelProject, content: Any, query: str = "strict=1", headers: dict[str, str] = BASIC, now_ms: int = NOW_MS
) -> WireResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return here.handle(WireRequest("POST", "/import", query, headers, body), now_ms)


def text(response: WireResponse) -> str:
    return response.body.decode()


def sent(**properties: Any) -> dict[str, Any]:
    return row(token="token", **properties)


OLD = NOW_S - 6 * 86_400


# /track


@pytest.mark.parametrize(
    ("content", "plain", "verbose"),
    [
        ([sent()], "1", '{"status": 1, "error": null}'),
        (sent(), "1", '{"status": 1, "error": null}'),
        ([sent(), row(token="")], "1", '{"status": 1, "error": null}'),
        ([row()], "0", '{"status": 0, "error": "token, missing or empty"}'),
        ([row(token="")], "0", '{"status": 0, "error": "token, missing or empty"}'),
        ([], "0", '{"status": 0, "error": "data, missing or empty"}'),
        (b"", "0", '{"status": 0, "error": "data, missing or empty"}'),
        (b"[", "0", '{"status": 0, "error": "the body is not valid JSON"}'),
        (
            [sent(time="soon")],
            "0",
            '{"status": 0, "error": "\'properties.time\' is invalid: must be specified as seconds since epoch"}',
        ),
        (
            [sent(time=OLD)],
            "0",
            '{"status": 0, "error": "\'properties.time\' is invalid: must not be more than 5 days ago on /track"}',
        ),
        (
            [row("$identify", token="token", distinct_id="", S_anon_id="a")],
            "0",
            '{"status": 0, "error": "distinct_id, missing or empty"}',
        ),
        ([sent(S_ignore=True)], "1", '{"status": 1, "error": null}'),
        ([sent()] * 2001, "0", '{"status": 0, "error": "request exceeds max limit of 2000 events"}'),
    ],
    ids=str,
)
def test_track_always_answers_200_with_1_or_0(content: Any, plain: str, verbose: str) -> None:
    answer = track(project(), content)
    assert (answer.status, text(answer)) == (200, plain)
    answer = track(project(), content, "verbose=1")
    assert (answer.status, text(answer)) == (200, verbose)
    assert answer.headers["content-type"] == "application/json"


def test_track_takes_2000_events_and_no_more() -> None:
    here = project()
    assert text(track(here, [sent()] * 2000)) == "1"
    assert text(track(here, [sent()] * 2001)) == "0"
    assert len(here.rows) == 2000


def test_the_token_of_another_project_is_dropped_without_a_word() -> None:
    here = project(settings=ProjectSettings(token="token"))
    assert text(track(here, [row(token="other")])) == "1"
    assert len(here.events) == 0
    assert text(track(here, [sent()])) == "1"
    assert len(here.events) == 1


@pytest.mark.parametrize("content", [[sent()], [row()], b"nonsense"])
def test_an_image_is_asked_for_and_given(content: Any) -> None:
    answer = track(project(), content, "img=1&verbose=1&callback=cb")
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/gif"
    assert answer.body.startswith(b"GIF89a")


def test_a_callback_is_called_with_the_answer() -> None:
    answer = track(project(), [sent()], "callback=mixpanel._jsc.cb1")
    assert (answer.headers["content-type"].partition(";")[0], text(answer)) == (
        "text/javascript",
        "mixpanel._jsc.cb1(1);",
    )
    assert text(track(project(), [row()], "callback=cb")) == "cb(0);"
    assert text(track(project(), [sent()], "verbose=1&callback=cb")) == 'cb({"status": 1, "error": null});'


@pytest.mark.parametrize("name", ["alert(1)//", "a;b", "<script>", "a b", "a..b", "1a", "a\n", "é", "a" * 600, "a[0]"])
def test_a_callback_that_is_no_plain_name_is_not_called(name: str) -> None:
    answer = track(project(), [sent()], "callback=" + quote(name))
    assert text(answer) == "1"
    assert answer.headers["content-type"].startswith("text/plain")


def test_the_senders_address_counts_only_where_ip_is_1() -> None:
    for query, known in (("ip=1", True), ("ip=0", False), ("", False)):
        here = project()
        track(here, [sent(distinct_id=...)], query, client_ip="203.0.113.7")
        assert bool(here.distinct_id(0)) is known


@pytest.mark.parametrize("name", [name for name in SDK_FORMS if not name.startswith("import")])
def test_every_sdk_is_understood_and_hears_what_it_waits_for(name: SdkName) -> None:
    here = project()
    for request in encode(name, "/track", [sent(), sent(S_insert_id="i-2")]):
        answer = here.handle(request, NOW_MS)
        expected = "1" if name in ("node_get", "node_post", "swift", "php") else '{"status": 1, "error": null}'
        assert (answer.status, text(answer)) == (200, expected)
    assert here.statuses() == ["accepted", "accepted"]


@pytest.mark.parametrize("path", ["/track", "/track/", "/import/", "/engage/", "/groups/"])
def test_a_trailing_slash_makes_no_difference(path: str) -> None:
    assert project().handle(WireRequest("POST", path, "", BASIC, b"[]"), NOW_MS).status == 200


def test_another_path_is_no_route() -> None:
    assert project().handle(WireRequest("GET", "/nothing"), NOW_MS).status == 404


# /import


def test_strict_import_counts_what_it_took() -> None:
    answer = imported(project(), [row(), row(S_insert_id="i-2")])
    assert answer.status == 200
    assert text(answer) == '{"code": 200, "num_records_imported": 2, "status": "OK"}'
    assert answer.headers["content-type"] == "application/json"


def test_strict_import_names_every_record_that_failed_and_stores_the_rest() -> None:
    here = project()
    rows = [row(time="x", S_insert_id="a"), row(S_insert_id="b"), row("", S_insert_id="c"), row(distinct_id=...)]
    answer = imported(here, [*rows, 5])
    assert answer.status == 400
    assert text(answer) == (
        '{"code": 400, "error": "some data points in the request failed validation", "failed_records": ['
        '{"index": 0, "insert_id": "a", "field": "properties.time", '
        '"message": "\'properties.time\' is invalid: must be specified as seconds since epoch"}, '
        '{"index": 2, "insert_id": "c", "field": "event", "message": "\'event\' must not be missing or blank"}, '
        '{"index": 3, "insert_id": "i-1", "field": "properties.distinct_id", '
        '"message": "\'properties.distinct_id\' is invalid: must not be missing"}, '
        '{"index": 4, "insert_id": "", "field": "", "message": "an event must be a JSON object, found a number"}'
        '], "num_records_imported": 1, "status": "Bad Request"}'
    )
    assert here.statuses() == ["rejected", "accepted", "rejected", "rejected", "rejected"]


def test_the_index_of_a_failed_record_is_its_place_in_the_request() -> None:
    here = project()
    imported(here, [row(), row()])
    answer = json.loads(text(imported(here, [row(), row(time=...)])))
    assert [record["index"] for record in answer["failed_records"]] == [1]


def test_a_row_with_several_faults_is_one_record() -> None:
    answer = json.loads(text(imported(project(), [{"event": "x", "properties": {}}])))
    assert [record["field"] for record in answer["failed_records"]] == ["properties.time"]


def test_in_simplified_an_identity_event_is_a_plain_text_among_the_failed_records() -> None:
    here = project("simplified")
    answer = imported(here, [row(), row("$merge", S_distinct_ids=["a", "b"])])
    assert answer.status == 400
    content = json.loads(text(answer))
    assert content["failed_records"] == [
        "identity events are not allowed when project is using simplified identity management"
    ]
    assert content["num_records_imported"] == 1


@pytest.mark.parametrize(
    ("query", "expected"), [("", "1"), ("strict=0", "1"), ("verbose=1", '{"status": 1, "error": null}')]
)
@pytest.mark.parametrize("content", [[row()], [row(time=...)], []])
def test_import_without_strict_answers_1(query: str, expected: str, content: Any) -> None:
    answer = imported(project(), content, query)
    assert (answer.status, text(answer)) == (200, expected)


def test_verbose_makes_the_status_of_a_strict_import_a_number() -> None:
    assert text(imported(project(), [row()], "strict=1&verbose=1")) == (
        '{"code": 200, "num_records_imported": 1, "status": 1}'
    )
    assert json.loads(text(imported(project(), [5], "strict=1&verbose=1")))["status"] == 0


def test_python_imports_by_a_form() -> None:
    here = project()
    (request,) = encode("python", "/import", [row()])
    request = WireRequest("POST", "/import", "", {**request.headers, **BASIC}, request.body)
    assert text(here.handle(request, NOW_MS)) == '{"status": 1, "error": null}'
    assert len(here.events) == 1


def test_import_takes_lines_and_gzip() -> None:
    here = project()
    lines = "\n".join(json.dumps(one) for one in (row(), row(S_insert_id="i-2")))
    answer = imported(here, gzip.compress(lines.encode()), headers={**BASIC, "content-encoding": "gzip"})
    assert json.loads(text(answer))["num_records_imported"] == 2
    broken = imported(here, (lines + '\n{"event"').encode(), headers={**BASIC, "content-type": "application/x-ndjson"})
    assert json.loads(text(broken))["failed_records"] == [
        {"index": 2, "insert_id": "", "field": "", "message": "line 3 is not valid JSON"}
    ]


UNAUTHORIZED = '{"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}'


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic é"},
        {"authorization": "Bearer x"},
        {"authorization": "Basic /w=="},
        basic(""),
        basic("", "secret"),
        basic("account", "secret"),
        basic("wrong"),
    ],
)
def test_import_asks_for_credentials(headers: dict[str, str]) -> None:
    here = project(settings=ProjectSettings(token="token"), secret="secret")
    for content in ([row()], b"nonsense"):
        answer = imported(here, content, headers=headers)
        assert (answer.status, text(answer)) == (401, UNAUTHORIZED)
    assert len(here.rows) == 0


def test_import_takes_the_token_the_secret_or_a_service_account() -> None:
    here = project(settings=ProjectSettings(token="token"), secret="secret")
    assert imported(here, [row()], headers=basic("token")).status == 200
    assert imported(here, [row()], headers=basic("secret")).status == 200
    assert imported(here, [row()], "strict=1&project_id=7", basic("account", "pass:word")).status == 200
    assert imported(project(), [row()], headers=basic("anything")).status == 200


def test_import_takes_2000_events_and_10_megabytes() -> None:
    here = project()
    assert imported(here, [row()] * 2000).status == 200
    answer = imported(here, [row()] * 2001)
    assert answer.status == 413
    content = json.loads(text(answer))
    assert list(content) == ["code", "error", "status"]
    assert (content["code"], content["status"]) == (413, "Request Entity Too Large")
    big = json.dumps([row(a="x" * 900_000)] * 12).encode()
    for body in (big, gzip.compress(big)):
        answer = imported(here, body)
        assert (answer.status, json.loads(text(answer))["error"]) == (
            413,
            "request exceeds max limit of 10000000 bytes",
        )
    assert len(here.rows) == 2000


@pytest.mark.parametrize("query", ["strict=1", ""])
def test_import_refuses_what_is_no_json(query: str) -> None:
    answer = imported(project(), b"[{", query)
    assert (answer.status, text(answer)) == (
        400,
        '{"code": 400, "error": "the body is not valid JSON", "status": "Bad Request"}',
    )


def test_over_the_rate_limit_import_answers_429_and_track_never_does() -> None:
    here = project(rate_limit=RateLimit(events_per_second=1))
    assert imported(here, [row()] * 60).status == 200
    answer = imported(here, [row()])
    assert answer.status == 429
    assert text(answer) == (
        '{"code": 429, "error": "Project exceeded rate limits. Please retry the request with exponential backoff.", '
        '"status": "Too Many Requests"}'
    )
    assert track(here, [sent()]).status == 200
    assert imported(here, [row()], now_ms=NOW_MS + 59_999).status == 429
    assert imported(here, [row()], now_ms=NOW_MS + 60_000).status == 200


def test_the_rate_limit_counts_bytes_too() -> None:
    limit = RateLimit(bytes_per_minute=100)
    assert limit.admits(0, 1, 60)
    assert not limit.admits(1, 1, 60)
    assert limit.admits(60_000, 1, 60)


def test_without_a_rate_limit_there_is_none() -> None:
    here = project()
    assert {imported(here, [row()] * 2000).status for _ in range(5)} == {200}


# regions, browsers, anything


@pytest.mark.parametrize(
    ("host", "stored"),
    [
        ("api-eu.mixpanel.com", 1),
        ("API-EU.mixpanel.com:443", 1),
        ("localhost:8080", 1),
        ("", 1),
        ("api.mixpanel.com", 0),
        ("api-js.mixpanel.com", 0),
        ("api-in.mixpanel.com", 0),
    ],
)
def test_events_sent_to_another_region_are_lost_without_a_word(host: str, stored: int) -> None:
    here = project(settings=ProjectSettings(region="eu"))
    answer = track(here, [sent()], headers={"host": host})
    assert (answer.status, text(answer), len(here.events)) == (200, "1", stored)
    here = project(settings=ProjectSettings(region="eu"))
    imported(here, [row()], headers={**BASIC, "host": host})
    assert len(here.events) == stored


def test_a_browser_gets_its_exact_origin_back() -> None:
    origin = "https://shop.example"
    answer = track(project(), [sent()], headers={"Origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    headers = {"origin": origin, "access-control-request-headers": "content-type"}
    answer = project().handle(WireRequest("OPTIONS", "/track/", "", headers), NOW_MS)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == "content-type"


@pytest.mark.parametrize("origin", ["", "https://a\r\nset-cookie: x", "é"])
def test_an_origin_that_is_none_is_not_echoed(origin: str) -> None:
    answer = track(project(), [sent()], headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers


@given(
    st.sampled_from(["/track", "/import", "/engage", "/groups"]),
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["event", "properties", "token", "$token", "$distinct_id", "$set", "$add", "$unset"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.sampled_from(["", "verbose=1", "strict=1", "img=1", "callback=x"]),
    st.sampled_from(["simplified", "original", "legacy"]),
)
def test_every_request_gets_an_answer(path: str, body: bytes, query: str, id_merge: IdMerge) -> None:
    answer = project(id_merge).handle(WireRequest("POST", path, query, BASIC, body), NOW_MS)
    assert answer.status == 200 or (path == "/import" and answer.status == 400)
