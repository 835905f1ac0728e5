"""Hostile code: it is stopped, the rule says so, and the next call works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.forwarder.engine import Call, Engine, Response
from harness.forwarder.v8.host import V8Host
from harness.problems import OutsideError
from tests.forwarder.coded import EVENT, SHOW_STASH, action, document, play, send, value_of
from tests.forwarder.recordings import property_of

SECONDS = 0.5


@pytest.fixture(scope="module")
def host() -> Iterator[V8Host]:
    found = V8Host(SECONDS)
    yield found
    found.close()


@pytest.fixture(scope="module")
def patient() -> Iterator[V8Host]:
    found = V8Host(30)
    yield found
    found.close()


def _goes_on(host: V8Host) -> bool:
    return bool(value_of("return [1, 2].map((x) => x * {{v}}).join() + ({}).polluted", host=host) == "5,10undefined")


ENDLESS = {
    "loop": "while (true) {}",
    "loop in async code": "return (async () => { await 1; while (true) {} })()",
    "loop of microtasks": "return (async () => { while (true) await null })()",
    "loop in a timer": "return new Promise(() => setTimeout(() => { for (;;); }, 10))",
    "loop of fetches": "const again = () => utils.fetch('https://example.com/').then(again); return again()",
    "regular expression": "return /^(a+)+$/.test('a'.repeat(40) + 'b')",
    "getter on the event": "Object.defineProperty(arc, 'event', {get() { while (true) {} }}); return 1",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_code_without_end_is_stopped_where_it_is(host: V8Host, name: str) -> None:
    (rule,) = play([action(ENDLESS[name]), SHOW_STASH], host=host).rules
    assert rule.status == "failed"
    assert rule.error == (
        'Failed to execute "Custom Code" ("C0"). custom code ran for longer than 0.5 seconds and was stopped; '
        "--engine turbine runs it in Node"
    )
    assert _goes_on(host)


def test_a_data_element_without_end_is_named(host: V8Host) -> None:
    (rule,) = play([send(x="{{slow one}}")], elements=[["slow one", "for (;;) {}"]], host=host).rules
    assert (rule.error or "").startswith('Failed to execute "Custom Code" ("slow one"). custom code ran for longer')


GREEDY = {
    "texts": "const a = []; for (let i = 0; i < 1024; i += 1) a.push('x'.repeat(2 ** 20) + i); return a.map(s => s[5])",
    "objects": "const a = []; while (true) a.push([1, 2, {}])",
    "promises": "const f = () => Promise.resolve().then(f).then(f); f(); return new Promise(() => {})",
    "one array": "return new Array(2 ** 32 - 1).fill(1).length",
    "a long body": "return 'x'.repeat(2 ** 28)",
}


@pytest.mark.parametrize("name", GREEDY)
def test_code_that_wants_all_memory_is_stopped(name: str) -> None:
    host = V8Host(20)
    (rule,) = play([action(GREEDY[name]), SHOW_STASH], host=host).rules
    assert rule.status == "failed"
    assert "memory" in (rule.error or "")
    assert "--engine turbine" in (rule.error or "")
    assert _goes_on(host)
    host.close()


CAUGHT = {
    "buffers": ("const a = []; while (true) a.push(new Uint8Array(2 ** 26).fill(1))", "Array buffer allocation failed"),
    "text": ("let s = 'ab'; while (true) s += s", "Invalid string length"),
    "recursion": ("const f = () => f() + 1; return f()", "Maximum call stack size exceeded"),
    "process": ("return process.env", "process is not defined"),
    "require": ("return require('fs')", "require is not defined"),
    "function": ("return (function () {}).constructor('return process')()", "process is not defined"),
    "timers": ("const f = () => setTimeout(f, 500); f(); return new Promise(() => {})", "A timeout occurred"),
}


@pytest.mark.parametrize("name", CAUGHT)
def test_code_that_fails_by_itself_says_what_v8_says(patient: V8Host, name: str) -> None:
    source, message = CAUGHT[name]
    (rule,) = play([action(source), SHOW_STASH], host=patient).rules
    assert rule.status == "failed"
    assert message in (rule.error or "")
    assert _goes_on(patient)


POLLUTING = [
    "Object.prototype.polluted = 1",
    "Object.prototype.toJSON = () => 'changed'",
    "Object.defineProperty(Object.prototype, 'status', {get() { throw 1 }, set() {}})",
    "Array.prototype.map = null",
    "Array.prototype[Symbol.iterator] = null",
    "Object.defineProperty(Array.prototype, '0', {set() { throw 1 }})",
    "Promise.prototype.then = () => {}",
    "globalThis.Promise = null",
    "JSON.parse = JSON.stringify = () => { throw 1 }",
    "Reflect.ownKeys = () => []",
    "RegExp.prototype.exec = () => null",
    "Object.freeze(Array.prototype); Object.freeze(globalThis)",
    "Object.setPrototypeOf(Array.prototype, {polluted: 1})",
    "Error.prepareStackTrace = () => { throw 1 }",
    "(0, eval)('var polluted = 1; const secret = 2')",
    "utils.getSettings = utils.fetch = utils.logger.log = null",
    "arc.event = new Proxy({}, {get() { throw new Error('trap') }, ownKeys() { throw new Error('trap') }})",
    "arc.ruleStash = null",
    "throw new Proxy({}, {get() { throw new Error('trap') }})",
    "throw Object.create(null)",
    "clearTimeout(1); for (let i = 0; i < 100; i += 1) clearTimeout(i)",
    "setTimeout(() => { while (true) {} }, 60_000)",
    "setInterval(() => {}, 1)",
]


@pytest.mark.parametrize("source", POLLUTING)
def test_what_code_does_to_its_engine_ends_with_its_rule(host: V8Host, source: str) -> None:
    sound = [action("return typeof polluted + typeof secret + [1].map(String)"), SHOW_STASH]
    broken, next_rule = play([action(source), SHOW_STASH], sound, host=host).rules
    assert broken.status in {"success", "failed"}
    assert next_rule.requests[0].body.endswith('"k":"undefinedundefined1"}}}}}]')
    assert _goes_on(host)


def test_a_process_that_dies_between_two_calls_is_replaced(host: V8Host) -> None:
    engine = Engine(property_of(document([], [[action("return 1"), SHOW_STASH]])), host)
    for _ in range(2):
        (rule,) = engine.run(Call(EVENT), lambda _: Response()).rules
        assert rule.status == "success"
        host.close()


def test_a_process_that_dies_during_a_call_fails_the_rule_and_is_replaced(host: V8Host) -> None:
    def killing(_: object) -> Response:
        host.close()
        return Response()

    (rule,) = play([action("return utils.fetch('https://example.com/')"), SHOW_STASH], host=host, fetch=killing).rules
    assert rule.status == "failed"
    assert "stopped with its V8" in (rule.error or "")
    assert _goes_on(host)


def test_a_v8_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OutsideError, match="use --engine turbine"):
        play([action("return 1")], host=V8Host())


def test_the_process_knows_no_secret_of_this_one_and_ends_with_it() -> None:
    script = (
        "import os; os.environ['MY_SECRET'] = 'hush'\n"
        "from harness.forwarder.v8.process import Process\n"
        "process = Process()\n"
        "place = f'/proc/{process.pid}/environ'\n"
        "known = open(place).read() if os.path.exists(place) else ''\n"
        "print('hush' in known, process.ask({'build': ['{source: 1}']}, 20), process.pid)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    told, pid = done.stdout.rsplit(" ", 1)
    assert told.startswith("False {'built': [{'code'")
    with pytest.raises(OSError, match="No such process"):
        os.kill(int(pid), 0)
