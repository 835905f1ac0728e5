"""A property as the Reactor API describes it: flat objects, or wrapped in `{"id", "type", "attributes", ...}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.model import (
    DEFAULT_TIMEOUT,
    Action,
    ActionType,
    Condition,
    ConditionType,
    DataElement,
    ElementType,
    Property,
    Rule,
)
from harness.problems import Problems, did_you_mean
from harness.source import Reader
from harness.yamltext import Mapping, Scalar, kind_of

ELEMENT_TYPES: Final[dict[str, ElementType]] = {
    "core::dataElements::path": "path",
    "core::dataElements::custom-code": "custom-code",
    "core::dataElements::secret": "secret",
    "core::dataElements::ip": "ip",
}
CONDITION_TYPES: Final[dict[str, ConditionType]] = {
    "core::conditions::value-comparison": "value-comparison",
    "core::conditions::custom-code": "custom-code",
}
ACTION_TYPES: Final[dict[str, ActionType]] = {
    "mixpanel-connector-edge::actions::send-event": "send-event",
    "core::actions::custom-code": "custom-code",
}
_EVENT_MARK: Final = "::events::"
_EDGE: Final = "edge"


def read_document(document: Mapping, environment: str, problems: Problems) -> Property:
    """Return the property of one JSON document; mistakes are noted, and then it is not to be used.

    Args:
        document: `{"property", "data_elements", "rules"}`; name and platform may also stand at the top.
        environment: the build environment.
        problems: where mistakes are noted.
    """
    top = Reader(document, "", problems)
    node = top.mapping("property", "the property's name and platform") if "property" in top else None
    described = flat(node, "property", problems) if node is not None else top
    check_platform(described)
    name = optional_text(described, "name") or ""
    elements = [read_data_element(reader) for reader in _live(top, "data_elements", "data elements")]
    rules = [read_rule(reader) for reader in _live(top, "rules", "rules")]
    return Property(
        name,
        environment,
        tuple(element for element in elements if element is not None),
        tuple(rule for rule in rules if rule is not None),
        problems.file,
    )


def check_platform(reader: Reader) -> None:
    """Note a property that is not built for the edge."""
    platform = reader.data("platform")
    if platform is not None and platform != _EDGE:
        fix = "Export an event forwarding property; its platform is edge."
        reader.wrong("platform", f"is {str(platform)[:40]!r}, so this is a tags property", fix)


def read_data_element(reader: Reader) -> DataElement | None:
    """Return a data element, or None after noting why it can't be read."""
    name = _name(reader, "the name that tokens use")
    type_ = _type(reader, ELEMENT_TYPES)
    default = reader.data("default_value")
    clean, lower = _flag(reader, "clean_text"), _flag(reader, "force_lower_case")
    settings = _settings(reader)
    if name is None or type_ is None:
        return None
    where = f"{reader.key} {_quoted(name)}"
    element_id = optional_text(reader, "id")
    return DataElement(name, type_, settings, default, clean, lower, where, reader.node.line, element_id)


def read_rule(reader: Reader) -> Rule | None:
    """Return a rule with its enabled components, or None after noting why it can't be read."""
    name = _name(reader, "the name of the rule")
    rule_id = optional_text(reader, "id") or ""
    where = f"{reader.key} {_quoted(name or '')}"
    parts = [_component(component, where) for component in _live(reader, "rule_components", "rule components")]
    in_order = sorted((part for part in parts if part is not None), key=lambda part: part[0])
    conditions = tuple(part for _, part in in_order if isinstance(part, Condition))
    actions = tuple(part for _, part in in_order if isinstance(part, Action))
    return None if name is None else Rule(name, rule_id, conditions, actions, where, reader.node.line)


def _component(reader: Reader, rule: str) -> tuple[float, Condition | Action] | None:
    title = optional_text(reader, "name") or ""
    index = reader.key[reader.key.rindex("[") :]
    reader.key = f"{rule} component {_quoted(title) if title else index}"
    known: dict[str, ConditionType | ActionType] = {**CONDITION_TYPES, **ACTION_TYPES}
    type_ = _type(reader, known)
    order = _number(reader, "order", 0)
    timeout = _number(reader, "timeout", DEFAULT_TIMEOUT)
    negate = _flag(reader, "negate")
    settings = _settings(reader)
    if type_ is None:
        return None
    line = reader.node.line
    descriptor, own_id = reader.data("delegate_descriptor_id"), optional_text(reader, "id")
    if descriptor in CONDITION_TYPES:
        type_ = CONDITION_TYPES[descriptor]
        return order, Condition(title, type_, settings, negate, timeout, reader.key, line, own_id)
    return order, Action(title, ACTION_TYPES[descriptor], settings, timeout, reader.key, line, own_id)


def _quoted(name: str) -> str:
    return f'"{name}"'


def flat(node: Mapping, key: str, problems: Problems) -> Reader:
    """Return a reader of a resource whose attributes, where it has any, stand beside its id."""
    attributes = node.entries.get("attributes")
    if not isinstance(attributes, Mapping):
        return Reader(node, key, problems)
    entries, lines = {**node.entries, **attributes.entries}, {**node.key_lines, **attributes.key_lines}
    if "id" in node.entries:
        entries["id"] = node.entries["id"]
    return Reader(Mapping(entries, lines, node.line), key, problems)


def _live(reader: Reader, key: str, what: str) -> Iterator[Reader]:
    """Yield the resources of a list that are neither disabled nor deleted."""
    if _is_null(reader, key):
        return
    for index, node in enumerate(reader.items(key, what) or []):
        where = f"{reader.path(key)}[{index}]"
        if not isinstance(node, Mapping):
            reader.problems.add(node.line, where, f"needs an object, found {kind_of(node)}")
            continue
        resource = flat(node, where, reader.problems)
        enabled = _is_null(resource, "enabled") or resource.flag("enabled") is not False
        if enabled and not resource.data("deleted_at"):
            yield resource


def _is_null(reader: Reader, key: str) -> bool:
    node = reader.get(key)
    return node is None or (isinstance(node, Scalar) and node.value is None)


def optional_text(reader: Reader, key: str) -> str | None:
    """Return a text; null counts as absent."""
    return None if _is_null(reader, key) else reader.text(key)


def _flag(reader: Reader, key: str) -> bool:
    return not _is_null(reader, key) and reader.flag(key) is True


def _number(reader: Reader, key: str, default: float) -> float:
    if _is_null(reader, key):
        return default
    value = reader.data(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    reader.wrong(key, f"needs a number, found {_kind(reader, key)}")
    return default


def _kind(reader: Reader, key: str) -> str:
    node = reader.get(key)
    return "nothing" if node is None else kind_of(node)


def _name(reader: Reader, what: str) -> str | None:
    if _is_null(reader, "name"):
        reader.problems.add(reader.node.line, reader.path("name"), "is missing", f"Add name: {what}.")
        return None
    name = reader.text("name")
    if name == "":
        reader.wrong("name", "is empty", f"Give it a text: {what}.")
        return None
    return name


def _type(reader: Reader, known: dict[str, Any]) -> Any:
    key = "delegate_descriptor_id"
    if _is_null(reader, key):
        fix = f"Add one of {', '.join(sorted(known))}."
        reader.problems.add(reader.node.line, reader.path(key), "is missing", fix)
        return None
    descriptor = reader.text(key)
    if descriptor is None or descriptor in known:
        return known.get(descriptor or "")
    if _EVENT_MARK in descriptor:
        fix = "Remove it; a tags property has events, an event forwarding property has none."
        reader.wrong(key, f"is {descriptor!r}; rules at the edge can't have events", fix)
        return None
    reader.wrong(key, f"is the unknown type {descriptor!r}", did_you_mean(descriptor, known))
    return None


def _settings(reader: Reader) -> dict[str, Json] | None:
    if _is_null(reader, "settings"):
        return None
    text = reader.text("settings", what="a text that holds JSON")
    if text is None:
        return None
    try:
        settings = jsjson.parse(text)
    except ValueError as error:
        reader.wrong("settings", f"needs JSON: {error}", "Copy the settings again, with all their quotes.")
        return None
    if isinstance(settings, dict):
        return settings
    reader.wrong("settings", f"needs a JSON object, found {text[:40]}", "Write an object: {...}.")
    return None
