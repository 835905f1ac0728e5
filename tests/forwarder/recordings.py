"""Reads cases recorded from Adobe's own engine, and replays them on ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.forwarder.calls import read_calls
from harness.forwarder.engine import CallResult, Engine
from harness.forwarder.javascript import code_host
from harness.forwarder.property import Property, read_property
from harness.problems import Problems

HERE = Path(__file__).parent


def property_of(document: Mapping[str, Any], environment: str = "production") -> Property:
    """Return the property of a document that is known to be right."""
    problems = Problems("property.json")
    property_ = read_property(json.dumps(document), environment, problems, is_yaml=False)
    assert property_ is not None
    assert problems.found == []
    return property_


def replay(document: Mapping[str, Any], environment: str, calls: list[Any]) -> list[CallResult]:
    """Return what our engine makes of the calls of a recording."""
    engine = Engine(property_of(document, environment), code_host())
    problems = Problems("calls.jsonl")
    scripted = read_calls("\n".join(json.dumps(call) for call in calls), {}, problems)
    assert problems.found == []
    return [engine.run(call.call, call.fetch()) for call in scripted]


def recorded_form(result: CallResult) -> dict[str, Any]:
    """Return a result in the form of the recordings."""
    rules = []
    for rule in result.rules:
        reason = {} if rule.error is None else {"reason": rule.error}
        rules.append({"name": rule.name, "status": rule.status, **reason})
    requests = [{**request._asdict(), "headers": dict(request.headers)} for request in result.requests]
    return {"rules": rules, "requests": requests}
