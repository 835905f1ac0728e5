"""Adobe's own engine behind our interface: the recordings, virtual time, no network, and an end to what hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.forwarder.calls import read_calls
from harness.forwarder.engine import Call, CallResult, Engine, Request, Response
from harness.forwarder.property import read_property
from harness.forwarder.turbine.compare import differences
from harness.forwarder.turbine.engine import DOES_NOT_COME_BACK, NodeHost, TurbineEngine
from harness.forwarder.turbine.packages import node_command
from harness.problems import InputError, Problems
from harness.scenario.runner import run_paths
from tests.forwarder.coded import EVENT, SHOW_STASH, action, send
from tests.forwarder.coded import document as coded_document
from tests.forwarder.recordings import HERE, property_of, recorded_form
from tests.forwarder.strategies import document, element, shows
from tests.forwarder.test_custom_code_recorded import LINES, outcome
from tests.forwarder.test_recorded import KINDS, lines
from tests.forwarder.test_vectors import VECTORS

CIRCLE = [element("a", settings={"path": "{{b}}"}), element("b", settings={"path": "{{a}}"})]
CODE_PARTS = 6
NEEDS_NODE_20 = (
    "'x'.repeat(-1)",
    "/v.exec(",
    ".toSorted()",
    "then(r => r.json())",
    "return r.text() })",
    "'a').json()",
    "a(b",
)
"""What Node 18 has not or words otherwise; the recordings are of Node 20."""


@pytest.fixture
def impatient(turbine: NodeHost) -> Iterator[NodeHost]:
    host = NodeHost(seconds=0.5)
    yield host
    host.close()


def _replay(described: dict[str, Any], environment: str, calls: list[Any], host: NodeHost) -> list[dict[str, Any]]:
    engine = TurbineEngine(property_of(described, environment), host)
    problems = Problems("calls.jsonl")
    scripted = read_calls("\n".join(json.dumps(call) for call in calls), {}, problems)
    assert problems.found == []
    return [recorded_form(engine.run(call.call, call.fetch())) for call in scripted]


def _run_code(source: str, host: NodeHost) -> CallResult:
    engine = TurbineEngine(property_of(coded_document([], [[action(source), SHOW_STASH]])), host)
    return engine.run(Call(EVENT), lambda _: Response())


def _value_of(source: str, host: NodeHost) -> Any:
    (rule,) = _run_code(source, host).rules
    assert rule.status == "success", rule.error
    return json.loads(rule.requests[-1].body)[0]["properties"]["s"]["core"]["customCode"]["k"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_vector_comes_out_as_recorded(path: Path, turbine: NodeHost) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    assert _replay(vector["property"], vector["environment"], vector["calls"], turbine) == vector["expected"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kept_case_comes_out_as_recorded(kind: str, turbine: NodeHost) -> None:
    for case in lines(kind):
        if "build_error" in case:
            property_ = read_property(json.dumps(case["property"]), "production", Problems(""), is_yaml=False)
            assert property_ is not None
            with pytest.raises(InputError, match="Adobe's build says"):
                TurbineEngine(property_, turbine).run(Call({}), lambda _: Response())
            continue
        found = _replay(case["property"], "production", case["calls"], turbine)
        for one, expected in zip(found, case["expected"], strict=True):
            assert one["rules"] == expected["rules"], case
            assert [[sent["rule"], sent["body"]] for sent in one["requests"]] == expected["requests"], case


@pytest.mark.parametrize("part", range(CODE_PARTS))
def test_custom_code_comes_out_as_recorded(part: int, turbine: NodeHost) -> None:
    known = [json.loads(line) for line in LINES[part::CODE_PARTS] if not (_is_old_node() and _needs_node_20(line))]
    cases = [case for case in known if not _is_circle(case)]
    differ = [
        (case, found)
        for case in cases
        if (found := outcome(case, lambda property_: TurbineEngine(property_, turbine))) != case["expected"]
    ]
    assert differ == []


@cache
def _is_old_node() -> bool:
    done = subprocess.run([node_command(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.startswith("v18.")


def _needs_node_20(line: str) -> bool:
    return any(text in line for text in NEEDS_NODE_20)


def _is_circle(case: dict[str, Any]) -> bool:
    """Whether code names its own data element: that a neighbour has failed before does not bring the engine back."""
    return ["q", "return {{v}}, {{q}}"] in case["elements"] and "{{p}}" in json.dumps(case.get("rules", ""))


def test_a_circle_is_stopped_and_the_next_call_works(impatient: NodeHost) -> None:
    rules = [[shows(v=1)], [shows(v="{{a}}")]]
    property_ = property_of(document(CIRCLE, rules))
    result = TurbineEngine(property_, impatient).run(Call({}), lambda _: Response())
    assert [rule.status for rule in result.rules] == ["failed", "failed"]
    assert [len(rule.requests) for rule in result.rules] == [1, 0]
    assert (result.rules[1].error or "").startswith(DOES_NOT_COME_BACK)
    assert "stopped after 0.5 seconds" in (result.rules[1].error or "")

    ours = Engine(property_).run(Call({}), lambda _: Response())
    assert "circular reference detected: a -> b -> a" in (ours.rules[1].error or "")
    assert {one.known for one in differences(ours, result)} == {"does not come back"}
    assert _value_of("return 5", impatient) == 5


@pytest.mark.parametrize(
    "source",
    [
        "for (;;);",
        "return (async () => { while (true) await null })()",
        "const again = () => utils.fetch('https://example.com/').then(again); return again()",
        "const all = []; for (;;) all.push(new Array(1e6).fill(1))",
    ],
)
def test_code_without_end_is_stopped(source: str, impatient: NodeHost) -> None:
    (rule,) = _run_code(source, impatient).rules
    assert rule.status == "failed"
    assert (rule.error or "").startswith(DOES_NOT_COME_BACK)
    assert impatient.pid is None
    assert _value_of("return 1", impatient) == 1


def test_a_process_that_was_killed_is_replaced(impatient: NodeHost) -> None:
    assert _value_of("return 1", impatient) == 1
    first = impatient.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    time.sleep(0.2)
    assert _value_of("return 2", impatient) == 2
    assert impatient.pid not in {None, first}


def test_waiting_takes_no_time(turbine: NodeHost) -> None:
    started = time.monotonic()
    property_ = property_of(document([], [[shows(v=1)], [shows(v=2)]]))
    answers = iter([Response(delay_ms=29_999), Response(delay_ms=30_000)])
    result = TurbineEngine(property_, turbine).run(Call({}), lambda _: next(answers))
    assert [rule.status for rule in result.rules] == ["success", "failed"]
    assert "took longer than 30 seconds" in (result.rules[1].error or "")
    assert time.monotonic() - started < 5


def test_code_sees_the_time_of_the_call(turbine: NodeHost) -> None:
    source = "const then = Date.now(); return new Promise((r) => setTimeout(() => r([then, Date.now()]), 1500))"
    engine = TurbineEngine(property_of(coded_document([], [[action(source), SHOW_STASH]])), turbine)
    result = engine.run(Call(EVENT, now_ms=1_000_000), lambda _: Response())
    assert '"k":[1000000,1001500]' in result.requests[0].body


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return crypto.subtle.digest('SHA-256', new Uint8Array(3)).then((d) => d.byteLength)", 32),
        ("return new Blob(['abc']).text()", "abc"),
        ("return new Response('x').body.getReader().read().then((part) => part.value[0])", 120),
        (
            "const s = new CompressionStream('gzip'); const w = s.writable.getWriter(); w.write(new Uint8Array(9)); "
            "w.close(); return new Response(s.readable).arrayBuffer().then((b) => b.byteLength > 10)",
            True,
        ),
    ],
)
def test_what_node_does_beside_the_engine_is_waited_for(source: str, value: Any, turbine: NodeHost) -> None:
    assert _value_of(source, turbine) == value


def test_each_request_is_answered_when_it_is_made(turbine: NodeHost) -> None:
    made: list[Request] = []

    def fetch(request: Request) -> Response:
        made.append(request)
        return Response(body=f"answer {len(made)}")

    source = (
        "const first = await (await utils.fetch('https://example.com/1')).text(); "
        "return (await utils.fetch('https://example.com/2', {method: 'put', body: first})).text()"
    )
    described = coded_document([], [[action(f"return (async () => {{ {source} }})()"), SHOW_STASH], [send()]])
    result = TurbineEngine(property_of(described), turbine).run(Call(EVENT), fetch)
    assert [(request.method, request.body) for request in made[:2]] == [("GET", ""), ("PUT", "answer 1")]
    assert '"k":"answer 2"' in made[2].body
    assert list(result.requests) == made


def test_scenarios_come_out_the_same(turbine: NodeHost) -> None:
    paths = [HERE.parents[1] / "scenarios" / "adobe-retail"]
    ours = run_paths(paths)
    assert run_paths(paths, make_engine=lambda property_: TurbineEngine(property_, turbine)) == ours


def test_there_is_no_way_out(turbine: NodeHost) -> None:
    hidden = "return [typeof process, typeof require, typeof WebSocket, typeof EventSource, typeof XMLHttpRequest]"
    assert set(_value_of(hidden, turbine)) == {"undefined"}
    assert _value_of("return import('node:net').then(() => 'open', () => 'closed')", turbine) == "closed"
    assert _value_of("return fetch('https://example.com/').then((answer) => answer.text())", turbine) == "1"
    assert _value_of("console.log('not a message'); return 1", turbine) == 1


def test_every_door_of_node_is_closed(turbine: NodeHost, tmp_path: Path) -> None:
    script = tmp_path / "doors.js"
    offline = Path(sys.modules["harness.forwarder.turbine"].__file__ or "").with_name("offline.js")
    script.write_text(
        f"require({json.dumps(str(offline))}).close();"
        """
        const tries = {
          net: () => require('net').connect(80, '127.0.0.1'),
          socket: () => new (require('net').Socket)().connect(80, '127.0.0.1'),
          server: () => new (require('net').Server)().listen(0),
          tls: () => require('tls').connect(443, '127.0.0.1'),
          udp: () => require('dgram').createSocket('udp4'),
          http: () => require('http').get('http://127.0.0.1/'),
          https: () => require('https').request('https://127.0.0.1/'),
          http2: () => require('http2').connect('http://127.0.0.1/'),
          dns: () => require('dns').lookup('example.com', () => {}),
          resolver: () => new (require('dns').Resolver)().resolve4('example.com', () => {}),
          program: () => require('child_process').spawn('true'),
          binding: () => process.binding('tcp_wrap'),
        };
        const isOpen = (name) => { try { tries[name](); return true; } catch { return false; } };
        console.log(JSON.stringify(Object.keys(tries).filter(isOpen)));
        process.exit();
        """,
        encoding="utf-8",
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_the_process_has_no_sockets_and_no_secrets(turbine: NodeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    host = NodeHost()
    assert _value_of("return utils.fetch('https://example.com/').then((answer) => answer.status)", host) == 200
    home = Path("/proc") / str(host.pid)
    files = [os.readlink(entry) for entry in (home / "fd").iterdir()]
    assert not [file for file in files if file.startswith("socket:")]
    assert {text.split("=")[0] for text in (home / "environ").read_text().split("\0") if text} <= {
        "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH",
    }  # fmt: skip
    host.close()


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_the_process_ends_with_its_parent_even_when_it_spins(turbine: NodeHost) -> None:
    program = """
import threading, time
from harness.forwarder.turbine.engine import NodeHost, TurbineEngine
from tests.forwarder.test_turbine import _run_code
host = NodeHost(seconds=60)
_run_code("return 1", host)
print(host.pid, flush=True)
_run_code("for (;;);", host)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=HERE.parents[1], text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return ") Z " not in status
