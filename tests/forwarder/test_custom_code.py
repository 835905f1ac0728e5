"""What custom code finds at the edge, what it costs, and how a mistake in it is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness.forwarder import javascript
from harness.forwarder.engine import Call, Engine, NetworkFailure, Request, Response
from harness.forwarder.property import load_property, read_property
from harness.problems import InputError, Problems
from tests.forwarder.coded import EVENT, SHOW_STASH, action, condition, document, play, result_of, send, value_of
from tests.forwarder.recordings import property_of

NOON = 1_767_614_400_000


def test_time_is_virtual_so_waiting_costs_nothing() -> None:
    source = """
      const before = Date.now(), seen = [];
      setTimeout(() => seen.push('late'), 20_000);
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      return [Date.now() - before, new Date().toISOString(), performance.now(), seen];"""
    call = Call(EVENT, now_ms=NOON)
    assert value_of(f"return (async () => {{{source}}})()", call=call) == [
        10_000,
        "2026-01-05T12:00:10.000Z",
        10_000,
        [],
    ]


def test_without_a_given_time_the_clock_is_the_real_one() -> None:
    assert value_of("return Date.now()") > NOON - 10**9


def test_the_time_zone_is_that_of_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert value_of("return [new Date(2020, 0, 1).toISOString(), new Date().getTimezoneOffset()]") == [
        "2020-01-01T00:00:00.000Z",
        0,
    ]


def test_random_ids_differ_from_run_to_run_and_not_from_process_to_process() -> None:
    source = "return [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(2))]]"
    hosts = [javascript.code_host.__wrapped__() for _ in range(2)]
    values = [[value_of(source, host=host) for _ in range(3)] for host in hosts]
    assert values[0] == values[1]
    assert len({json.dumps(value) for value in values[0]}) == 3
    assert all(0 <= value[0] < 1 and len(value[1]) == 36 and value[1][14] == "4" for value in values[0])


def test_a_fetch_that_answers_after_the_timeout_of_its_component_fails_the_rule() -> None:
    late = [action("return utils.fetch('https://example.com/').then((r) => r.text())", timeout=1000), SHOW_STASH]
    (rule,) = play(late, fetch=lambda _: Response(delay_ms=1000)).rules
    assert rule.error == (
        'Failed to execute "Custom Code". A timeout occurred because the module took longer than 1 seconds to complete.'
    )
    (rule,) = play(late, fetch=lambda _: Response(delay_ms=999)).rules
    assert rule.status == "success"


def test_fetch_hands_over_what_the_code_asks_for_and_gives_a_response() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(201, '{"ok":[1]}')

    source = """
      const request = new Request('https://example.com/a?b=1', {method: 'PUT', headers: {'X-One': 'é'}, body: 'text'});
      return utils.fetch(request).then(async (r) => [r.ok, r.status, await r.clone().text(), await r.json()])"""
    assert value_of(source, fetch=answer) == [True, 201, '{"ok":[1]}', {"ok": [1]}]
    headers = {"x-one": "é", "content-type": "text/plain;charset=UTF-8"}
    assert asked[0] == ("R", "https://example.com/a?b=1", "PUT", headers, "text")


@pytest.mark.parametrize("way", ["utils.fetch", "utils.mtlsFetch", "fetch"])
def test_every_fetch_is_the_answered_one(way: str) -> None:
    source = f"return {way}('https://example.com/').then(() => 'sent', (error) => error.message)"
    assert value_of(source, fetch=lambda _: Response()) == "sent"
    failing = play([action(source)], fetch=lambda _: NetworkFailure("boom"))
    assert failing.rules[0].status == "success"
    assert [request.url for request in failing.requests] == ["https://example.com/"]


def test_an_address_that_is_none_is_refused_as_by_the_real_fetch() -> None:
    assert value_of("return utils.fetch('/a').catch((error) => error.message)") == "Failed to parse URL from /a"


def test_a_fetch_can_be_aborted() -> None:
    source = """
      return utils.fetch('https://example.com/', {signal: AbortSignal.timeout(50)}).catch((error) => error.name)"""
    assert value_of(source, fetch=lambda _: Response(delay_ms=100)) == "TimeoutError"
    assert value_of(source, fetch=lambda _: Response(delay_ms=10)) == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hex(await crypto.subtle.digest('SHA-1', bytes('abc')))", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "hex(await crypto.subtle.digest({name: 'sha-256'}, bytes('ana@example.com')))",
            hashlib.sha256(b"ana@example.com").hexdigest(),
        ),
        (
            "hex(await crypto.subtle.sign('HMAC', await crypto.subtle.importKey('raw', bytes('key'), "
            "{name: 'HMAC', hash: 'SHA-256'}, false, ['sign']), bytes('text')))",
            "6afa9046a9579cad143a384c1b564b9a250d27d6f6a63f9f20bf3a7594c9e2c6",
        ),
    ],
)
def test_digests_are_those_of_web_crypto(source: str, expected: str) -> None:
    tools = """
      const bytes = (text) => new TextEncoder().encode(text);
      const hex = (buffer) => [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, '0')).join('');"""
    assert value_of(f"{tools} return (async () => {source})()") == expected


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("new FormData()", "FormData"),
        ("new ReadableStream()", "ReadableStream"),
        ("new WebSocket('wss://example.com')", "WebSocket"),
        ("new Response('text').body", "stream"),
        ("crypto.subtle.encrypt({}, null, null)", "encrypt"),
        ("crypto.subtle.digest('MD5', new Uint8Array(1))", "MD5"),
        ("new TextDecoder('latin1')", "latin1"),
        ("new URL('https://bücher.example/')", "bücher.example"),
    ],
)
def test_what_the_built_in_engine_has_not_names_the_engine_that_has_it(source: str, missing: str) -> None:
    rule = result_of(f"return {source}")
    assert rule.status == "failed"
    assert missing in (rule.error or "")
    assert "--engine turbine" in (rule.error or "")


def test_nothing_of_a_machine_is_there() -> None:
    names = ["process", "require", "module", "global", "window", "Deno", "Bun", "WebAssembly", "SharedArrayBuffer"]
    kinds = ", ".join(f"typeof {name}" for name in names)
    assert value_of(f"return [{kinds}]") == ["undefined"] * len(names)
    assert result_of("return import('node:fs')").status == "failed"


def test_what_code_learns_of_its_component_and_its_rule() -> None:
    source = "return [utils.getComponent(), utils.getRule(), utils.getBuildInfo(), Object.keys(utils).sort().join()]"
    assert value_of(source) == [
        {"id": "RC0", "name": "C0"},
        {"id": "RL1", "name": "R"},
        {"environment": "production"},
        "fetch,getBuildInfo,getComponent,getEnv,getExtensionSettings,getRule,getSettings,logger,mtlsFetch",
    ]


def test_code_that_goes_on_after_its_rule_still_sends_what_needs_no_waiting() -> None:
    source = "utils.fetch('https://example.com/1').then(() => utils.fetch('https://example.com/2')); return 1"
    rule = result_of(source)
    assert [request.url for request in rule.requests if "example" in request.url] == [
        "https://example.com/1",
        "https://example.com/2",
    ]


def test_rules_and_calls_share_nothing_that_code_can_reach() -> None:
    source = """
      const seen = [arc.event.data.v, typeof leak, typeof globalThis.leak, ({}).leak, [].map.leak];
      arc.event.data.v = leak = 1;
      Object.prototype.leak = 2;
      [].map.leak = 3;
      (0, eval)('let leak2 = 4');
      return seen"""
    event = {"data": {"v": 0}}
    rules = [[action(source), SHOW_STASH]] * 3
    engine = Engine(property_of(document([], rules)), javascript.code_host())
    for _ in range(2):
        result = engine.run(Call(event), lambda _: Response())
        stashes = [json.loads(request.body)[0]["properties"]["s"] for request in result.requests]
        assert stashes == [{"core": {"customCode": {"k": [0, "undefined", "undefined"] + [None] * 2}}}] * 3
    assert event == {"data": {"v": 0}}


def test_elements_that_meet_in_a_circle_fail_the_component() -> None:
    elements = [["a", "return {{b}}"], ["b", "return getDataElementValue('a')"], ["bad", "throw new Error('first')"]]
    (rule,) = play([send(x="{{a}}")], elements=elements).rules
    assert (rule.error or "").endswith("Data element circular reference detected: a -> b -> a")
    (rule,) = play([send(x="{{a}}{{bad}}")], elements=elements).rules
    assert (rule.error or "").endswith('Failed to execute module for data element "bad". first')


def test_a_rule_without_custom_code_never_leaves_python(monkeypatch: pytest.MonkeyPatch) -> None:
    property_ = property_of(document([["e", "return 1"]], [[send(x="{{v}}")], [condition("return true")]]))
    assert javascript.coded_rules(property_) == [1]
    named = property_of(document([["e", "return 1"], {"name": "p", "type": "path", "settings": '{"path": "{{e}}"}'}],
                                 [[send(x="{{p}}")], [send(x="{{v}}")]]))  # fmt: skip
    assert javascript.coded_rules(named) == [0]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("const a = 1;\nreturn a +;", "Unexpected token at line 2 column 11"),
        ("return 'open", "Unterminated string constant at line 1 column 8"),
        ("return {'{{v}}': 1}", "a token stands in the key of an object"),
        ("return getDataElementValue(1 + 1)", "getDataElementValue needs a name or a text between its brackets"),
        ("return {{it's}}", "the name of a data element breaks the code: 'it's'"),
        ("return 1 }}, x: {y: () => {", "Unexpected token"),
        ("let a; let a", "Identifier 'a' has already been declared"),
        ("return " + "[" * 50_000 + "]" * 50_000, "Not enough stack space"),
    ],
)
def test_a_mistake_in_the_source_is_a_mistake_in_the_property(source: str, told: str) -> None:
    problems = Problems("property.json")
    read_property(json.dumps(document([["e", source]], [])), "production", problems, is_yaml=False)
    (problem,) = problems.found
    assert problem.key == 'data_elements[0] "e"'
    assert told in problem.message


def test_the_shorthand_names_the_component_too(tmp_path: Path) -> None:
    path = tmp_path / "property.yaml"
    rule = {"name": "R", "conditions": [{"custom_code": "return ("}]}
    path.write_text(f"property: P\nrules: {json.dumps([rule])}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_property(path)
    assert "Unexpected token at line 2 column 1" in str(caught.value)


def test_without_the_extra_code_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(javascript, "find_spec", lambda _: None)
    assert javascript.code_host.__wrapped__() is None
    engine = Engine(property_of(document([], [[action("return 1")], [send(x="{{v}}")]])))
    failed, sent = engine.run(Call(EVENT), lambda _: Response()).rules
    assert (failed.status, sent.status) == ("failed", "success")
    assert (
        failed.error == 'Failed to execute "Custom Code". custom code needs the extra [javascript] or --engine turbine'
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("new URL('../c?q=a b#h', 'https://u:p@Example.com:443/a/b/').href", "https://u:p@example.com/a/c?q=a%20b#h"),
        ("[new URL('https://a.b:8080/x').origin, new URL('https://a.b?x').pathname]", ["https://a.b:8080", "/"]),
        ("String(new URLSearchParams([['a', 'b c'], ['d', 'é&']]))", "a=b+c&d=%C3%A9%26"),
        ("(() => { const u = new URL('https://a.b/'); u.searchParams.set('q', '1 2'); return u.href })()",
         "https://a.b/?q=1+2"),
        ("(() => { let u = new URL('https://a.b/x'); u.hash = 'h'; u.search = '?s'; u.port = '9'; return u + '' })()",
         "https://a.b:9/x?s#h"),
        ("[URL.canParse('https://a.b'), URL.canParse('a.b'), URL.canParse('https://a b')]", [True, False, False]),
        ("[atob('aGk='), btoa('hi'), atob(btoa('\\xff\\0'))]", ["hi", "aGk=", "\xff\0"]),
        ("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x80]))",
         "a\ufffd€\ufffd\ufffd\ufffd"),
        ("structuredClone({a: new Date(0), m: [...new Map([[1, {b: 2}]])], n: null, u: undefined})",
         {"a": "1970-01-01T00:00:00.000Z", "m": [[1, {"b": 2}]], "n": None}),
        ("(() => { const a = {}; a.a = a; const b = structuredClone(a); return b.a === b && b !== a })()", True),
        ("new Headers({A: '1', b: ' 2 '}).get('B') + [...new Headers([['z', 1], ['a', 2]]).keys()]", "2a,z"),
        ("(() => { const c = new AbortController(); c.abort(); return [c.signal.aborted, c.signal.reason.name] })()",
         [True, "AbortError"]),
        ("Response.json({a: 1}, {status: 202}).json()", {"a": 1}),
        ("class extends Date {}.name.length + new (class extends Date {})(5).getTime()", 5),
    ],
)  # fmt: skip
def test_the_tools_of_the_edge(source: str, expected: Any) -> None:
    assert value_of(f"return {'(' + source + ')' if source.startswith('{') else source}") == expected
