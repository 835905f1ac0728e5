"""A property written as JavaScript, as Adobe's build writes its container."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.javascript import Part
from harness.forwarder.jsvalues import Value, to_text
from harness.forwarder.model import DataElement, Property, Rule
from harness.forwarder.tokens import BuildError, built_data, sanitized

CODE: Final = "custom-code"
_SOURCE_KEYS: Final = ("source", "language")
_ACTIONS: Final = {"custom-code": "core::actions::custom-code"}
_SEND_EVENT: Final = "mixpanel-connector-edge::actions::send-event"


class Built(NamedTuple):
    """The code of a component's settings, or why there is none."""

    code: str | None
    problem: str | None


Build: TypeAlias = Callable[[list[str]], list[Built]]
"""Builds the settings of components, given as the text of an object with its tokens written as calls."""


def settings_text(part: Part) -> str:
    """Return the settings of a component as the text that Adobe's build begins with."""
    settings = part.settings or {}
    if part.type != CODE:
        return sanitized(_written(settings))
    entries = [f"{_written(key)}: {_written(value)}" for key, value in settings.items() if key not in _SOURCE_KEYS]
    source = to_text(settings["source"]) if "source" in settings else "undefined"
    return sanitized("{" + ", ".join([*entries, f"source: (arc, utils) => {{\n{source}\n}}"]) + "}")


def container_text(property_: Property, build: Build) -> str:
    """Return a function that makes the container of a property.

    Raises:
        BuildError: when Adobe's build can't make code of the settings of a component.
    """
    codes = _Codes(property_, build)
    elements = [f"{_name(element.name)}: {_element(element, codes)}" for element in property_.data_elements]
    rules = [_rule(rule, codes) for rule in property_.rules]
    return f"(getDataElementValues) => ({{dataElements: {{{', '.join(elements)}}}, rules: [{', '.join(rules)}]}})"


class _Codes:
    """The code of all components with settings, built in one go."""

    def __init__(self, property_: Property, build: Build) -> None:
        parts = [part for part in parts_of(property_) if part.settings is not None]
        self._codes: dict[int, str] = {}
        for part, built in zip(parts, build([settings_text(part) for part in parts]), strict=True):
            if built.code is None:
                raise BuildError(f"{part.where or part.name}: {built.problem}")
            self._codes[id(part)] = built.code

    def of(self, part: Part) -> str | None:
        """Return the code of a component; None for one without settings."""
        return self._codes.get(id(part))


def parts_of(property_: Property) -> Iterable[Part]:
    """Yield the data elements, then the components of all rules."""
    yield from property_.data_elements
    for rule in property_.rules:
        yield from rule.conditions
        yield from rule.actions


def _rule(rule: Rule, codes: _Codes) -> str:
    conditions = [
        _object(f"core::conditions::{part.type}", part, codes, timeout=part.timeout, negate=part.negate)
        for part in rule.conditions
    ]
    actions = [
        _object(_ACTIONS.get(part.type, _SEND_EVENT), part, codes, timeout=part.timeout) for part in rule.actions
    ]
    identity = f"id: {_name(rule.rule_id)}, name: {_name(rule.name)}"
    return f"{{{identity}, conditions: [{', '.join(conditions)}], actions: [{', '.join(actions)}]}}"


def _element(element: DataElement, codes: _Codes) -> str:
    return _object(
        f"core::dataElements::{element.type}",
        element,
        codes,
        defaultValue=element.default_value,
        cleanText=element.clean_text,
        forceLowerCase=element.force_lower_case,
    )


def _object(module: str, part: Part, codes: _Codes, **more: Json) -> str:
    known: dict[str, Json] = {"modulePath": module, "name": part.name, **more}
    if part.component_id is not None:
        known["id"] = part.component_id
    entries = [f"{key}: {_constant(value)}" for key, value in known.items()]
    code = codes.of(part)
    if code is not None:
        entries.append(f"getSettings: {code}")
    return "{" + ", ".join(entries) + "}"


def _constant(value: Json) -> str:
    """Return data that is not settings as text; what the build makes of `settings` in it is left out there."""
    text = _name(value)
    return _written(built_data(value)) if '"settings"' in text else text


def _name(text: Json) -> str:
    return sanitized(_written(text))


def _written(value: Value) -> str:
    return jsjson.write(value) or "null"
