"""Custom code recorded from Adobe's own build and engine, in Node 20: what is sent and said is the same here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.forwarder import engine
from harness.forwarder.actions import TRACK_HEADERS, TRACK_URL
from harness.forwarder.calls import read_calls
from harness.forwarder.engine import Engine, Request, RulesEngine
from harness.forwarder.javascript import code_host
from harness.forwarder.jsjson import parse
from harness.forwarder.model import Property
from harness.forwarder.property import read_property
from harness.problems import Problems
from tests.forwarder.coded import EVENT, SHOW_ELEMENT, document
from tests.forwarder.recordings import HERE, recorded_form, replay

WITHOUT_CODE = ["disagreements", "elements", "failures", "literals", "names", "order", "paths", "spread", "tokens"]
LINES = (HERE / "recorded" / "custom_code.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
PARTS = 12


def _sent(request: Request) -> Any:
    if (request.url, request.method, request.headers) == (TRACK_URL, "POST", TRACK_HEADERS):
        return request.body
    return {"url": request.url, "method": request.method, "headers": dict(request.headers), "body": request.body}


def _ours(property_: Property) -> RulesEngine:
    return Engine(property_, code_host())


def outcome(case: dict[str, Any], engine_of: Callable[[Property], RulesEngine]) -> Any:
    """Return what an engine makes of a recorded case, in the form of the recording."""
    problems = Problems("property.json")
    described = document(case["elements"], case.get("rules", [[SHOW_ELEMENT]]))
    property_ = read_property(json.dumps(described), "production", problems, is_yaml=False)
    if property_ is None or problems:
        return "build error"
    call = {"event": EVENT, "request": {"header": {}, "body": {}}, **case.get("call", {})}
    (scripted,) = read_calls(json.dumps(call), {}, problems)
    result = engine_of(property_).run(scripted.call, scripted.fetch())
    return [[[rule.status, rule.error] for rule in result.rules], [_sent(request) for request in result.requests]]


@pytest.mark.parametrize("part", range(PARTS))
def test_whole_cases_come_out_byte_for_byte(part: int) -> None:
    cases = [parse(line) for line in LINES[part::PARTS]]
    differ = [(case, found) for case in cases if (found := outcome(case, _ours)) != case["expected"]]
    assert differ == []


@pytest.mark.parametrize("kind", WITHOUT_CODE)
def test_rules_without_custom_code_come_out_the_same_in_v8(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def every_rule(property_: Property) -> list[int]:
        return list(range(len(property_.rules)))

    monkeypatch.setattr(engine, "coded_rules", every_rule)
    lines = (HERE / "recorded" / f"{kind}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    for case in [parse(line) for line in lines[::2]]:
        if "build_error" not in case:
            results = [recorded_form(result) for result in replay(case["property"], "production", case["calls"])]
            assert [result["rules"] for result in results] == [one["rules"] for one in case["expected"]], case
            sent = [[[one["rule"], one["body"]] for one in result["requests"]] for result in results]
            assert sent == [one["requests"] for one in case["expected"]], case
