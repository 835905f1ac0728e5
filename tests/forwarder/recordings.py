"""Reads cases recorded from Adobe's own engine, and replays them on ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.forwarder.calls import read_calls
from harness.forwarder.engine import CallResult, Engine
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
    engine = Engine(property_of(document, environment))
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


def rules_with_custom_code(document: Mapping[str, Any]) -> set[str]:
    """Return the names of the rules that run custom code, themselves or through a data element."""
    coded = {
        item["name"] for item in document["data_elements"] if item["delegate_descriptor_id"].endswith("custom-code")
    }
    names = set()
    for rule in document["rules"]:
        for component in rule["rule_components"]:
            settings = component["settings"] or ""
            if component["delegate_descriptor_id"].endswith("custom-code") or any(
                "{{" + name + "}}" in settings for name in coded
            ):
                names.add(rule["name"])
    return names


def without_rules(recorded: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a recorded result without what some rules did."""
    return {
        "rules": [rule for rule in recorded["rules"] if rule["name"] not in names],
        "requests": [request for request in recorded["requests"] if request["rule"] not in names],
    }
