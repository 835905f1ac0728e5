"""Small properties around custom code, and what became of a call through them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from harness.forwarder.engine import Call, CallResult, Engine, Fetch, Response, RuleResult
from harness.forwarder.javascript import CodeHost, code_host
from tests.forwarder.recordings import property_of

Component: TypeAlias = tuple[str, str | None, dict[str, Any]]
"""A component: its descriptor, the text of its settings, what else it has."""

CODE: Final = "custom-code"
SEND: Final = "mixpanel-connector-edge::actions::send-event"
EVENT: Final = {"data": {"v": 5, "s": "x y", "o": {"a": [1, {"b": None}]}}, "xdm": {}}
_PATHS: Final = {"v": "event.data.v", "s p": "event.data.s", "o": "event.data.o", "ev": "event", "stash": "ruleStash"}


def send(**custom: Any) -> Component:
    """Return an action that sends an event with some custom properties."""
    settings = {"event": "x", "properties": {"token": "T"}, "custom_properties": custom}
    return SEND, json.dumps(settings), {}


SHOW_ELEMENT: Final = send(raw="{{e}}", text="<{{e}}>", list=["{{e}}"])
SHOW_STASH: Final = send(s="{{stash}}")


def condition(source: str, **more: Any) -> Component:
    """Return a condition of custom code."""
    return "core::conditions::custom-code", json.dumps({"source": source}), more


def action(source: str, key: str = "k", **more: Any) -> Component:
    """Return an action of custom code."""
    return "core::actions::custom-code", json.dumps({"keyName": key, "source": source}), more


def document(elements: Sequence[Any], rules: Sequence[Sequence[Component]]) -> dict[str, Any]:
    """Return a property with the usual paths, more data elements (`[name, source]` or whole ones), and rules."""
    described = [_element(element) for element in elements]
    names = {element["name"] for element in described}
    described += [
        {
            "name": name,
            "delegate_descriptor_id": "core::dataElements::path",
            "settings": json.dumps({"path": "arc." + at}),
        }
        for name, at in _PATHS.items()
        if name not in names
    ]
    return {
        "data_elements": described,
        "rules": [
            {"id": f"RL{number}", "name": "RSTUVW"[number - 1], "rule_components": _components(components)}
            for number, components in enumerate(rules, start=1)
        ],
    }


def _element(element: Any) -> dict[str, Any]:
    if isinstance(element, Mapping):
        more = {key: value for key, value in element.items() if key != "type"}
        more["delegate_descriptor_id"] = f"core::dataElements::{element['type']}"
    else:
        name, source = element
        settings = json.dumps({"source": source})
        more = {"name": name, "delegate_descriptor_id": "core::dataElements::custom-code", "settings": settings}
    return {**({"id": "DE1"} if more["name"] == "e" else {}), **more}


def _components(components: Sequence[Component]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"RC{index}",
            "name": f"C{index}",
            "order": index,
            "delegate_descriptor_id": descriptor,
            "settings": settings,
            **more,
        }
        for index, (descriptor, settings, more) in enumerate(components)
    ]


def play(
    *rules: Sequence[Component],
    elements: Sequence[Any] = (),
    call: Call | None = None,
    fetch: Fetch | None = None,
    host: CodeHost | None = None,
) -> CallResult:
    """Return what becomes of a call through a property."""
    engine = Engine(property_of(document(elements, rules)), host or code_host())
    return engine.run(call or Call(EVENT), fetch or (lambda _: Response()))


def result_of(source: str, **more: Any) -> RuleResult:
    """Return what becomes of a rule whose action runs code and whose next one sends its result."""
    return play([action(source), SHOW_STASH], **more).rules[0]


def value_of(source: str, **more: Any) -> Any:
    """Return the value of code, as it is sent."""
    rule = result_of(source, **more)
    assert rule.status == "success", rule.error
    sent = json.loads(rule.requests[-1].body)
    return sent[0]["properties"]["s"]["core"]["customCode"].get("k")
