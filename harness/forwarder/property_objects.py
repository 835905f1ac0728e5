"""The objects of the Reactor API, in whatever file they stand: data elements, rules, and the components of rules.

An object is flat, or wrapped in `{"id", "type", "attributes", ...}`. What is disabled or deleted is not built: it is
noted as left out and not looked at any further.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    LeftOut,
    PartKind,
    Rule,
)
from harness.problems import Problems, did_you_mean, nearest
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
EXTENSIONS: Final = ("core", "mixpanel-connector-edge")
_COMPONENT_KINDS: Final[dict[str, PartKind]] = {"::conditions::": "condition", "::actions::": "action"}
_EVENT_MARK: Final = "::events::"
_EDGE: Final = "edge"


def flat(node: Mapping, key: str, problems: Problems) -> Reader:
    """Return a reader of a resource whose attributes, where it has any, stand beside its id."""
    attributes = node.entries.get("attributes")
    if not isinstance(attributes, Mapping):
        return Reader(node, key, problems)
    entries, lines = {**node.entries, **attributes.entries}, {**node.key_lines, **attributes.key_lines}
    if "id" in node.entries:
        entries["id"] = node.entries["id"]
    return Reader(Mapping(entries, lines, node.line), key, problems)


def is_edge(reader: Reader) -> bool:
    """Return whether a property is built for the edge; one that is not is a tags property, which is noted."""
    platform = reader.data("platform")
    if platform is None or platform == _EDGE:
        return True
    fix = "Export an event forwarding property; its platform is edge."
    reader.wrong("platform", f"is {str(platform)[:40]!r}, so this is a tags property", fix)
    return False


def is_live(reader: Reader, kind: PartKind, left_out: list[LeftOut]) -> bool:
    """Return whether an object is built; one that is disabled or deleted is left out, which is noted.

    Args:
        reader: the object.
        kind: what it is.
        left_out: what is left out so far.
    """
    is_deleted = bool(reader.data("deleted_at"))
    is_enabled = is_null(reader, "enabled") or reader.flag("enabled") is not False
    if is_enabled and not is_deleted:
        return True
    name = _plain_text(reader, "name") or _plain_text(reader, "id")
    descriptor = _plain_text(reader, "delegate_descriptor_id")
    if kind == "rule component":
        kind = next((known for mark, known in _COMPONENT_KINDS.items() if mark in descriptor), kind)
    reason: Any = "deleted" if is_deleted else "disabled"
    found = LeftOut(kind, name, reason, reader.key, reader.node.line, reader.problems.file)
    if found not in left_out:
        left_out.append(found)
    return False


def read_data_element(reader: Reader) -> DataElement | None:
    """Return a data element, or None after noting why it can't be read."""
    name = _name(reader, "the name that tokens use")
    type_ = _type(reader, ELEMENT_TYPES)
    default = reader.data("default_value")
    clean, lower = _flag(reader, "clean_text"), _flag(reader, "force_lower_case")
    settings = _settings(reader)
    if name is None or type_ is None:
        return None
    where = f"{reader.key} {quoted(name)}" if reader.key else f"data element {quoted(name)}"
    element_id, file = optional_text(reader, "id"), reader.problems.file
    return DataElement(name, type_, settings, default, clean, lower, where, reader.node.line, element_id, file)


def read_rule(reader: Reader, components: Iterable[Reader], label: str) -> Rule | None:
    """Return a rule with its components in the order in which they run, or None after noting why it can't be read.

    Args:
        reader: the rule.
        components: its components that are neither disabled nor deleted.
        label: what to call the rule where one of its components is named.
    """
    name = _name(reader, "the name of the rule")
    parts = [read_component(component, label) for component in components]
    in_order = sorted((part for part in parts if part is not None), key=lambda part: part[0])
    conditions = tuple(part for _, part in in_order if isinstance(part, Condition))
    actions = tuple(part for _, part in in_order if isinstance(part, Action))
    if name is None:
        return None
    rule_id = optional_text(reader, "id") or ""
    where = f"{reader.key} {quoted(name)}" if reader.key else f"rule {quoted(name)}"
    return Rule(name, rule_id, conditions, actions, where, reader.node.line, reader.problems.file)


def read_component(reader: Reader, label: str) -> tuple[float, Condition | Action] | None:
    """Return a rule component with its order, or None after noting why it can't be read.

    Args:
        reader: the component.
        label: what to call its rule in messages.
    """
    title = optional_text(reader, "name") or ""
    own_id = optional_text(reader, "id")
    unnamed = reader.key[reader.key.rindex("[") :] if "[" in reader.key else own_id or "without a name"
    reader.key = f"{label} component {quoted(title) if title else unnamed}"
    known: dict[str, ConditionType | ActionType] = {**CONDITION_TYPES, **ACTION_TYPES}
    type_ = _type(reader, known)
    order = _number(reader, "order", 0)
    timeout = _number(reader, "timeout", DEFAULT_TIMEOUT)
    negate = _flag(reader, "negate")
    settings = _settings(reader)
    if type_ is None:
        return None
    line, file = reader.node.line, reader.problems.file
    descriptor = reader.data("delegate_descriptor_id")
    if descriptor in CONDITION_TYPES:
        type_ = CONDITION_TYPES[descriptor]
        return order, Condition(title, type_, settings, negate, timeout, reader.key, line, own_id, file)
    return order, Action(title, ACTION_TYPES[descriptor], settings, timeout, reader.key, line, own_id, file)


def extension_name(reader: Reader) -> str | None:
    """Return the name of an installed extension with its version; None for one that is disabled or deleted."""
    if reader.data("deleted_at") or reader.data("enabled") is False:
        return None
    named = reader.data("name") or str(reader.data("delegate_descriptor_id") or "").partition("::")[0]
    return " ".join(str(part) for part in (named, reader.data("version")) if part) or None


def is_null(reader: Reader, key: str) -> bool:
    """Return whether a key is absent or null."""
    node = reader.get(key)
    return node is None or (isinstance(node, Scalar) and node.value is None)


def optional_text(reader: Reader, key: str) -> str | None:
    """Return a text; null counts as absent."""
    return None if is_null(reader, key) else reader.text(key)


def quoted(name: str) -> str:
    """Return a name as messages show it."""
    return f'"{name}"'


def _plain_text(reader: Reader, key: str) -> str:
    """Return a text of an object that is not looked at closely; "" where there is none."""
    value = reader.data(key)
    return value if isinstance(value, str) else ""


def _flag(reader: Reader, key: str) -> bool:
    return not is_null(reader, key) and reader.flag(key) is True


def _number(reader: Reader, key: str, default: float) -> float:
    if is_null(reader, key):
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
    if is_null(reader, "name"):
        reader.problems.add(reader.node.line, reader.path("name"), "is missing", f"Add name: {what}.")
        return None
    name = reader.text("name")
    if name == "":
        reader.wrong("name", "is empty", f"Give it a text: {what}.")
        return None
    return name


def _type(reader: Reader, known: dict[str, Any]) -> Any:
    key = "delegate_descriptor_id"
    if is_null(reader, key):
        fix = f"Add one of {', '.join(sorted(known))}."
        reader.problems.add(reader.node.line, reader.path(key), "is missing", fix)
        return None
    descriptor = reader.text(key)
    if descriptor is None or descriptor in known:
        return known.get(descriptor or "")
    extension, mark, _ = descriptor.partition("::")
    if _EVENT_MARK in descriptor:
        fix = "Remove it; a tags property has events, an event forwarding property has none."
        reader.wrong(key, f"is {descriptor!r}; rules at the edge can't have events", fix)
    elif mark and extension not in EXTENSIONS:
        close = nearest(extension, EXTENSIONS)
        fix = (
            f"Did you mean {close!r}?" if close else "Disable or delete it in the copy of the property that is tested."
        )
        ran = " and ".join(EXTENSIONS)
        reader.wrong(key, f"is {descriptor!r}: the extension {extension!r} is not run here, only {ran} are", fix)
    else:
        reader.wrong(key, f"is the unknown type {descriptor!r}", did_you_mean(descriptor, known))
    return None


def _settings(reader: Reader) -> dict[str, Json] | None:
    if is_null(reader, "settings"):
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
