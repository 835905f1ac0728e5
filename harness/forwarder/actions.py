"""Actions: Mixpanel's `send-event`; custom code only where it can't run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from harness.forwarder import jsjson
from harness.forwarder.data_elements import DataElements
from harness.forwarder.javascript import without_host
from harness.forwarder.jsvalues import UNDEFINED, JsError, Opaque, Value, number_text, own_entries, truthy
from harness.forwarder.model import Action
from harness.forwarder.run import NetworkFailure, Request, Run, values
from harness.forwarder.tokens import MapOf, Template, template
from harness.forwarder.writing import Write, writer

TRACK_URL: Final = "https://api.mixpanel.com/track"
TRACK_HEADERS: Final[Mapping[str, str]] = MappingProxyType({"content-type": "application/json", "accept": "text/plain"})

Act: TypeAlias = Callable[[Run], Value]
"""Performs an action and gives what it returns; raises `JsError` or `ElementError`."""

_LONGEST_TIMER: Final = 2**31 - 1
_ANSWER: Final = Opaque("[object Response]", {}, "{}")


def compile_action(action: Action, elements: DataElements) -> Act:
    """Return what performs an action.

    Raises:
        BuildError: when Adobe's build can't make code of its settings.
    """
    if action.type == "custom-code":
        return without_host
    settings = template(action.settings)
    return _send_act(_body(settings, elements), action.timeout)


def _send_act(body: Callable[[Run], str], timeout: float) -> Act:
    limit = _timer(timeout)
    late = f"A timeout occurred because the module took longer than {number_text(timeout / 1000)} seconds to complete."

    def act(run: Run) -> Value:
        request = Request(run.rule, TRACK_URL, "POST", TRACK_HEADERS, body(run))
        run.requests.append(request)
        answer = run.fetch(request)
        if answer.delay_ms and _timer(answer.delay_ms) >= limit:
            raise JsError(late)
        if isinstance(answer, NetworkFailure):
            raise JsError(answer.message)
        return _ANSWER

    return act


def _timer(milliseconds: float) -> float:
    """Return after how many milliseconds a JavaScript timer goes off: never at once, and at once when out of range."""
    return int(milliseconds) if 1 <= milliseconds <= _LONGEST_TIMER else 1


def _body(settings: Template, elements: DataElements) -> Callable[[Run], str]:
    """Return what writes the body: the settings, with custom properties spread over the standard ones."""
    write = _planned_body(settings)
    if write is None:
        fill = elements.filled(settings)
        return lambda run: f"[{jsjson.write(_merged(fill(run)))}]"
    resolvers, write_settings = elements.resolvers(settings.names), write
    return lambda run: f"[{write_settings(values(resolvers, run))}]"


def _planned_body(settings: Template) -> Write | None:
    """Return a writer with the merge done beforehand; None where only a call shows what is merged."""
    node = settings.node
    if not isinstance(node, MapOf):
        return None
    standard, custom = node.items.get("properties"), node.items.get("custom_properties")
    if not isinstance(standard, MapOf) or not isinstance(custom, MapOf):
        return None
    items = {key: item for key, item in node.items.items() if key != "custom_properties"}
    items["properties"] = MapOf({**standard.items, **custom.items})
    return writer(MapOf(items))


def _merged(settings: dict[str, Value]) -> dict[str, Value]:
    body = dict(settings)
    custom = body.get("custom_properties", UNDEFINED)
    if truthy(custom):
        del body["custom_properties"]
        standard = body.get("properties", UNDEFINED)
        body["properties"] = {**dict(own_entries(standard)), **dict(own_entries(custom))}
    return body
