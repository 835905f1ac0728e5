from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import NotAnEvent
from harness.ingestion import wire
from harness.ingestion.sdks import SDK_FORMS, SdkName, encode, zipped
from harness.ingestion.wire import Body, Unreadable, WireRequest, decode

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVENT = {"event": "A + b é😀", "properties": {"x": ">>>???~~~1+1 %2B & ="}}


def post(body: bytes, query: str = "", /, **headers: str) -> WireRequest:
    return WireRequest("POST", "/track", query, {name.replace("_", "-"): text for name, text in headers.items()}, body)


def read(request: WireRequest, *, ndjson: bool = False, gzip: bool = True, most_bytes: int = 10_000_000) -> Body:
    body = decode(request, most_bytes=most_bytes, ndjson=ndjson, gzip=gzip)
    assert isinstance(body, Body), body
    return body


def unreadable(request: WireRequest, **more: Any) -> Unreadable:
    body = decode(request, most_bytes=more.pop("most_bytes", 10_000_000), **more)
    assert isinstance(body, Unreadable), body
    return body


# Bodies recorded from real SDKs; tokens and ids are made up.


def test_python_5_sends_a_form_of_json_with_verbose_in_the_body() -> None:
    body = read(
        post(
            b"data=%7B%22event%22%3A%22A+%2B+b+%5Cu00e9%5Cud83d%5Cude00%22%2C%22properties%22%3A%7B%22token%22%3A%22tok"
            b"%22%2C%22distinct_id%22%3A%22u1%22%2C%22time%22%3A1767614400.069504%2C%22%24insert_id%22%3A%229ad3da8e69"
            b"d443009925546b60cdfb18%22%2C%22x%22%3A%221%2B1%3D2+%26+more%22%7D%7D&verbose=1&ip=0",
            Content_Type="application/x-www-form-urlencoded",
        )
    )
    assert body.parameters == {"verbose": "1", "ip": "0"}
    (event,) = body.rows
    assert event["event"] == "A + b é😀"
    assert event["properties"]["x"] == "1+1=2 & more"


def test_node_sends_single_events_in_the_query() -> None:
    query = (
        "ip=0&verbose=0&data=eyJldmVudCI6IkEgKyBiIMOp8J%2BYgCIsInByb3BlcnRpZXMiOnsiZGlzdGluY3RfaWQiOiJ1MSIsIngiOiI%2BPj4%2F"
        "Pz9%2Bfn4xKzEiLCJ0b2tlbiI6InRvayIsIm1wX2xpYiI6Im5vZGUiLCIkbGliX3ZlcnNpb24iOiIwLjI0LjAifX0%3D"
    )
    body = read(WireRequest("GET", "/track", query))
    assert body.parameters == {"ip": "0", "verbose": "0"}
    (event,) = body.rows
    assert (event["event"], event["properties"]["x"]) == ("A + b é😀", ">>>???~~~1+1")


def test_node_batches_hold_plus_signs_that_are_not_spaces() -> None:
    data = (
        b"data=W3siZXZlbnQiOiJB8J+YgCIsInByb3BlcnRpZXMiOnsiZGlzdGluY3RfaWQiOiJ1MSIsIngiOiI+Pj4/Pz9+fn4iLCJ0b2tlbiI6"
        b"InRvayJ9fSx7ImV2ZW50IjoiQiIsInByb3BlcnRpZXMiOnsiZGlzdGluY3RfaWQiOiJ1MSIsIngiOiI+Pj4/Pz8iLCJ0b2tlbiI6InRva"
        b"yJ9fV0="
    )
    expected = [("A😀", ">>>???~~~"), ("B", ">>>???")]
    for body in (data, data.replace(b"+", b" "), data.replace(b"+", b"%20")):
        rows = read(post(body, "ip=0&verbose=0", Content_Type="application/x-www-form-urlencoded")).rows
        assert [(row["event"], row["properties"]["x"]) for row in rows] == expected


def test_browser_base64_carries_emoji_as_two_surrogates() -> None:
    data = "W3siZXZlbnQiOiJB7aC97biAw6kiLCJwcm9wZXJ0aWVzIjp7IngiOiI+Pj4/Pz9cclxuIn19XQ=="
    assert b"\xed\xa0\xbd\xed\xb8\x80" in base64.b64decode(data)
    for kind in ("application/x-www-form-urlencoded", "text/plain;charset=UTF-8"):
        body = read(post(b"data=" + quote(data, safe="").encode(), "verbose=1&ip=1&_=1", Content_Type=kind))
        assert body.rows == [{"event": "A😀é", "properties": {"x": ">>>???\r\n"}}]
        assert body.parameters["verbose"] == "1"


def test_our_browser_form_is_the_one_that_was_recorded() -> None:
    (request,) = encode("browser_base64", "/track", [{"event": "A😀é", "properties": {"x": ">>>???\r\n"}}])
    data = "W3siZXZlbnQiOiJB7aC97biAw6kiLCJwcm9wZXJ0aWVzIjp7IngiOiI%2BPj4%2FPz9cclxuIn19XQ%3D%3D"
    assert request.body == b"data=" + data.encode()


def test_our_node_and_python_forms_are_those_that_were_recorded() -> None:
    event = {"event": "A😀", "properties": {"x": ">>>???~~~"}}
    (get,) = encode("node_get", "/track", [event])
    data = "eyJldmVudCI6IkHwn5iAIiwicHJvcGVydGllcyI6eyJ4IjoiPj4%2BPz8%2Ffn5%2BIn19"
    assert (get.method, get.query) == ("GET", f"ip=0&verbose=0&data={data}")
    (batch,) = encode("node_post", "/track", [{"event": "A😀", "properties": {"distinct_id": "u1", "x": ">>>"}}])
    assert b"J+YgCIs" in batch.body
    (python,) = encode("python", "/track", [{"event": "A + é", "properties": {"$x": 1}}])
    expected = b"data=%7B%22event%22%3A%22A+%2B+%5Cu00e9%22%2C%22properties%22%3A%7B%22%24x%22%3A1%7D%7D&verbose=1&ip=0"
    assert python.body == expected


# every form there and back

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
records = st.fixed_dictionaries({"event": texts, "properties": st.dictionaries(texts, json_values, max_size=4)})


@pytest.mark.parametrize("name", SDK_FORMS)
@given(
    path=st.sampled_from(["/track", "/import", "/engage", "/groups"]),
    rows=st.lists(records, min_size=1, max_size=3),
    compress=st.booleans(),
)
def test_what_an_sdk_sends_is_what_arrives(name: SdkName, path: str, rows: list[Any], compress: bool) -> None:
    requests = encode(name, path, rows)
    if compress and name != "node_get":
        requests = [zipped(request) for request in requests]
    bodies = [read(request, ndjson=True) for request in requests]
    assert [row for body in bodies for row in body.rows] == rows
    assert len(requests) == (1 if SDK_FORMS[name].sends_lists else len(rows))
    assert all(request.path.rstrip("/") == path for request in requests)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", "", "x/y"])
@pytest.mark.parametrize("rows", [[EVENT], [EVENT, EVENT], []])
def test_json_is_json_whatever_its_type_says(kind: str, rows: Sequence[Any]) -> None:
    text = json.dumps(rows).encode()
    for body in (text, b"\xef\xbb\xbf" + text, b" \r\n\t" + text + b"\n"):
        assert read(post(body, Content_Type=kind)).rows == rows


def test_one_object_is_one_row() -> None:
    assert read(post(json.dumps(EVENT).encode())).rows == [EVENT]


def test_a_form_that_says_it_is_json_is_still_a_form() -> None:
    body = post(b"data=" + quote(json.dumps(EVENT)).encode(), Content_Type="application/json")
    assert read(body).rows == [EVENT]


def test_data_may_come_in_the_query_of_a_post_too() -> None:
    assert read(post(b"", "data=" + quote(json.dumps([EVENT])))).rows == [EVENT]
    assert read(post(b"verbose=1", "data=" + quote(json.dumps([EVENT])))).parameters == {"verbose": "1"}


def test_base64_may_be_url_safe_unpadded_or_in_lines() -> None:
    packed = base64.b64encode(json.dumps([EVENT, "~~~>>>"], ensure_ascii=False).encode())
    urlsafe = packed.replace(b"+", b"-").replace(b"/", b"_")
    lines = b"%0D%0A".join(packed[at : at + 20] for at in range(0, len(packed), 20)).replace(b"=", b"%3D")
    for data in (packed, packed.rstrip(b"="), urlsafe, lines):
        assert read(post(b"data=" + data, **FORM)).rows == [EVENT, "~~~>>>"]


def test_the_form_wins_over_the_query() -> None:
    assert read(post(b"data=[]&verbose=1", "verbose=0&ip=1")).parameters == {"verbose": "1", "ip": "1"}


def test_a_line_that_is_no_json_is_a_row_in_its_place() -> None:
    lines = b'{"event":"a"}\r\n\n{"event":\n{"event":"c"}\n{"event": NaN}'
    body = read(post(lines, Content_Type="application/x-ndjson"), ndjson=True)
    assert body.rows == [
        {"event": "a"},
        NotAnEvent("", "line 3 is not valid JSON"),
        {"event": "c"},
        NotAnEvent("", "line 5 is not valid JSON"),
    ]
    assert unreadable(post(lines))


def test_bytes_that_are_no_text_arrive_as_something_the_rules_refuse() -> None:
    body = read(post(b'[{"event":"a\xff","properties":{"b":"\xed\xa0\xbd"}}]'))
    text = body.rows[0]["event"] + body.rows[0]["properties"]["b"]
    assert any("\ud800" <= letter <= "\udfff" for letter in text)


# what can't be read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"hello",
        b"data=",
        b"data=%",
        b"data=!!!",
        b"data=a",
        b"data=" + base64.b64encode(b"not json"),
        b"data=[1",
        b"[",
        b"{",
        b"[NaN]",
        b'[{"event":"x"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"9" * 5_000 + b"]",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x00",
        gzip.compress(b"[]", mtime=0)[:-4],
        gzip.compress(b"[1", mtime=0),
        b"\x00\xff\xfe",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_broken_body_is_a_value(body: bytes) -> None:
    for ndjson in (False, True):
        found = unreadable(post(body, "verbose=1&callback=cb"), ndjson=ndjson)
        assert found.reason
        assert not found.is_too_large
        assert found.parameters["verbose"] == "1"


def test_gzip_shows_in_the_header_or_in_the_first_bytes() -> None:
    packed = gzip.compress(json.dumps([EVENT]).encode())
    assert read(post(packed)).rows == [EVENT]
    assert read(post(packed, Content_Encoding="GZIP")).rows == [EVENT]
    assert read(post(gzip.compress(b"[1,", mtime=0) + gzip.compress(b"2]"))).rows == [1, 2]
    assert unreadable(post(b"[]", Content_Encoding="gzip")).reason == "the body is not gzip"
    assert unreadable(post(packed), gzip=False).reason == "compressed bodies are not taken here"


def test_size_is_that_of_the_unpacked_body() -> None:
    text = json.dumps([EVENT]).encode()
    assert read(post(gzip.compress(text, mtime=0))).size == len(text)


def test_a_body_over_the_limit_is_told_apart() -> None:
    assert read(post(b"[" + b" " * 98 + b"]"), most_bytes=100)
    for body in (b"[" + b" " * 99 + b"]", gzip.compress(b"[" + b" " * 99 + b"]", mtime=0)):
        assert unreadable(post(body), most_bytes=100).is_too_large


def test_a_gzip_bomb_stays_small() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()
    assert len(bomb) < 200_000
    assert unreadable(post(bomb), most_bytes=1_000_000).is_too_large


@given(
    st.binary() | st.binary().map(lambda raw: b"data=" + raw) | st.binary().map(base64.b64encode),
    st.text(),
    st.sampled_from(["", "gzip", "br"]),
    st.sampled_from(["", "application/json", "text/plain"]),
    st.booleans(),
)
def test_no_body_is_too_strange_to_answer(body: bytes, query: str, encoding: str, kind: str, ndjson: bool) -> None:
    request = post(body, query, Content_Encoding=encoding, Content_Type=kind)
    assert isinstance(decode(request, most_bytes=1000, ndjson=ndjson), Body | Unreadable)


# the quick reader

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text("\ud800\udc00\u2028\x00é\U0001f600"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
odd_texts = st.sampled_from(
    [
        b"-0",
        b"-0.0",
        b"1e400",
        b"1E5",
        b"1e-400",
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"a\x01b"',
        b"01",
        b"1.",
        b".5",
        b'{"a":1,"b":2,"a":3}',
        b"[1,]",
        b"NaN",
        b"-Infinity",
        b'"\\u0000"',
        b" 1 ",
        b"18446744073709551616",
        b"1" * 400,
        b"1" * 5_000,
        b"1.7976931348623159e308",
        b'"\\/"',
        b'"\\q"',
        b"[1] x",
        b'"\xff"',
        b'"\xed\xa0\xbd\xed\xb8\x80"',
        b'"\xc0\x80"',
        b"\x0b1",
        b"[" * 3_000,
        b"[" * 300 + b"]" * 300,
        b'{"a":1}\n{"b":2}',
        b"[]",
        b"",
        b"{1:2}",
        b"0.1" + b"1" * 400,
        b"123456789012345678901234567890.5",
        b"tru",
        b'"\x7f"',
    ]
)


written = st.builds(
    lambda value, escapes: json.dumps(value, ensure_ascii=escapes).encode("utf-8", "surrogatepass"),
    json_values,
    st.booleans(),
)


@given(written | odd_texts | st.binary(max_size=20))
def test_the_quick_reader_reads_as_the_usual_one_or_leaves_it_to_that(raw: bytes) -> None:
    assert wire._quick_reader() is not None, "msgspec is part of the extra [server]"
    quick = wire._quickly(raw)
    if quick is not None:
        usual = wire._rows(wire._text(raw), ndjson=False)
        assert repr(quick) == repr(usual)  # tells 1 from 1.0 and True, and -0.0 from 0.0


@given(odd_texts, st.booleans())
def test_a_body_is_read_the_same_without_the_quick_reader(raw: bytes, ndjson: bool) -> None:
    request = WireRequest("POST", "/import", headers={"content-type": "application/json"}, body=raw)
    with_it = decode(request, most_bytes=10_000, ndjson=ndjson)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "_quick_reader", lambda: None)
        assert repr(decode(request, most_bytes=10_000, ndjson=ndjson)) == repr(with_it)
