"""The YAML shorthand of a property, for people who write one by hand.

property: Retail event forwarding
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
rules:
  - name: Login
    conditions: [{left: "{{Event type}}", operator: equals, right: login}]
    actions: [{send_event: {event: "{{Event name}}", properties: {token: "{{Token}}"}}}]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from harness.event import Json
from harness.forwarder.conditions import OPERATORS
from harness.forwarder.model import (
    DEFAULT_TIMEOUT,
    Action,
    Condition,
    DataElement,
    ElementType,
    LeftOut,
    PartKind,
    Property,
    Rule,
)
from harness.forwarder.property_objects import is_edge
from harness.problems import Problems
from harness.source import Reader, each_mapping
from harness.yamltext import Mapping, Node, Scalar, kind_of

_NEEDS_RIGHT: Final = frozenset(OPERATORS) - {"isTrue", "isTruthy", "isFalse", "isFalsy"}
_ELEMENT_KINDS: Final[dict[str, ElementType]] = {
    "path": "path",
    "secret": "secret",
    "ip": "ip",
    "custom_code": "custom-code",
}


def read_shorthand(document: Mapping, environment: str, problems: Problems) -> Property:
    """Return the property of a shorthand file; mistakes are noted, and then it is not to be used.

    Args:
        document: the file.
        environment: the build environment.
        problems: where mistakes are noted.
    """
    top = Reader(document, "", problems)
    name = top.text("property", what="the name of the property") or ""
    is_edge(top)
    elements = top.mapping("data_elements", "data elements by name") if _given(top, "data_elements") else None
    rules = top.items("rules", "rules") if _given(top, "rules") else None
    top.finish()
    left_out: list[LeftOut] = []
    return Property(
        name,
        environment,
        tuple(_data_elements(elements, problems)) if elements is not None else (),
        tuple(_rules(rules or [], problems, left_out)),
        problems.file,
        "shorthand",
        tuple(left_out),
    )


def _given(reader: Reader, key: str) -> bool:
    node = reader.get(key)
    return node is not None and not (isinstance(node, Scalar) and node.value is None)


def _data_elements(elements: Mapping, problems: Problems) -> Iterator[DataElement]:
    for name, node in elements.entries.items():
        where, line = f"data_elements {_quoted(name)}", elements.key_lines.get(name, elements.line)
        if not name:
            problems.add(line, "data_elements", "has a data element without a name", "Give it a name.")
        elif isinstance(node, Scalar) and isinstance(node.value, str):
            yield DataElement(name, "path", {"path": node.value}, where=where, line=line)
        elif isinstance(node, Mapping):
            element = _data_element(name, Reader(node, where, problems), line)
            if element is not None:
                yield element
        else:
            fix = "Write a path such as arc.event.data.email, or a map."
            problems.add(line, where, f"needs a path or a map, found {kind_of(node)}", fix)


def _data_element(name: str, reader: Reader, line: int) -> DataElement | None:
    kinds = [kind for kind in _ELEMENT_KINDS if kind in reader]
    default = reader.data("default")
    clean, lower = _flag(reader, "clean_text"), _flag(reader, "lower_case")
    settings = _ELEMENT_SETTINGS[kinds[0]](reader) if kinds else None
    reader.finish(_ELEMENT_KINDS)
    if len(kinds) != 1:
        message = f"needs exactly one of {', '.join(_ELEMENT_KINDS)}, found {' and '.join(kinds) or 'none'}"
        reader.problems.add(line, reader.key, message)
        return None
    return DataElement(name, _ELEMENT_KINDS[kinds[0]], settings, default, clean, lower, reader.key, line)


def _path_settings(reader: Reader) -> dict[str, Json]:
    return {"path": reader.text("path", what="a path such as arc.event.data.email")}


def _secret_settings(reader: Reader) -> dict[str, Json]:
    environments = reader.mapping("secret", "secrets by environment")
    secrets = environments.entries if environments is not None else {}
    for environment, node in secrets.items():
        where = f"{reader.path('secret')}.{environment}"
        if not isinstance(node, Mapping):
            reader.problems.add(node.line, where, f"needs a map with id and name, found {kind_of(node)}")
            continue
        secret = Reader(node, where, reader.problems)
        secret.required("id", "the id of the secret")
        secret.text("id")
        secret.text("name")
        secret.finish()
    return {"secrets": reader.data("secret")}


def _ip_settings(reader: Reader) -> None:
    if reader.flag("ip") is False:
        reader.wrong("ip", "needs true", "Write ip: true, or remove the data element.")


def _code_settings(reader: Reader) -> dict[str, Json]:
    return {"source": reader.text("custom_code", what="JavaScript")}


_ELEMENT_SETTINGS: Final[dict[str, Callable[[Reader], dict[str, Json] | None]]] = {
    "path": _path_settings,
    "secret": _secret_settings,
    "ip": _ip_settings,
    "custom_code": _code_settings,
}


def _rules(nodes: list[Node], problems: Problems, left_out: list[LeftOut]) -> Iterator[Rule]:
    for reader in each_mapping(nodes, "rules", problems):
        rule = _rule(reader, left_out)
        if rule is not None:
            yield rule


def _rule(reader: Reader, left_out: list[LeftOut]) -> Rule | None:
    reader.required("name", "the name of the rule")
    name = reader.text("name", what="the name of the rule")
    enabled = _enabled(reader, "rule", name or "", left_out)
    where = f"{reader.key} {_quoted(name or '')}"
    conditions, actions = (_parts(reader, key, where) for key in ("conditions", "actions"))
    # The parts of a rule that is left out are not listed apart.
    inner = left_out if enabled else []
    checks = [_condition(part, inner) for part in conditions]
    acts = [_action(part, inner) for part in actions]
    reader.finish()
    if name == "":
        reader.wrong("name", "is empty", "Give the rule a name.")
    if not name or not enabled:
        return None
    return Rule(
        name,
        "",
        tuple(check for check in checks if check is not None),
        tuple(act for act in acts if act is not None),
        where,
        reader.node.line,
    )


def _parts(reader: Reader, key: str, where: str) -> list[Reader]:
    nodes = reader.items(key, key) if _given(reader, key) else None
    return list(each_mapping(nodes or [], f"{where} {key}", reader.problems))


def _condition(reader: Reader, left_out: list[LeftOut]) -> Condition | None:
    negate = _flag(reader, "negate")
    name, timeout = _name(reader), _timeout(reader)
    enabled = _enabled(reader, "condition", name or "", left_out)
    if "custom_code" in reader:
        settings, type_ = _code_settings(reader), "custom-code"
    else:
        settings, type_ = _comparison(reader), "value-comparison"
    reader.finish()
    if not enabled:
        return None
    if type_ == "custom-code":
        return Condition(name or "Custom Code", "custom-code", settings, negate, timeout, reader.key, reader.node.line)
    title = name or "Value Comparison"
    return Condition(title, "value-comparison", settings, negate, timeout, reader.key, reader.node.line)


def _comparison(reader: Reader) -> dict[str, Json]:
    reader.required("left", "the left operand, for example a token")
    operator = reader.choice("operator", OPERATORS) if reader.required("operator", "how to compare") else None
    comparison: dict[str, Json] = {"operator": operator}
    if "case_insensitive" in reader:
        comparison["caseInsensitive"] = _flag(reader, "case_insensitive")
    settings: dict[str, Json] = {"leftOperand": reader.data("left"), "comparison": comparison}
    if "right" in reader:
        settings["rightOperand"] = reader.data("right")
    elif operator in _NEEDS_RIGHT:
        reader.required("right", "the right operand")
    return settings


def _action(reader: Reader, left_out: list[LeftOut]) -> Action | None:
    name, timeout = _name(reader), _timeout(reader)
    enabled = _enabled(reader, "action", name or "", left_out)
    if "custom_code" in reader:
        settings = _code_action(reader)
        action = Action(name or "Custom Code", "custom-code", settings, timeout, reader.key, reader.node.line)
    else:
        settings = _send_event(reader)
        action = Action(name or "Send Event", "send-event", settings, timeout, reader.key, reader.node.line)
    reader.finish(("send_event", "custom_code"))
    return action if enabled else None


def _code_action(reader: Reader) -> dict[str, Json]:
    node = reader.mapping("custom_code", "key and source")
    if node is None:
        return {}
    code = Reader(node, reader.path("custom_code"), reader.problems)
    code.required("key", "where the result is kept: ruleStash.core.customCode.<key>")
    code.required("source", "JavaScript")
    settings = {"keyName": code.text("key"), "source": code.text("source")}
    code.finish()
    return settings


def _send_event(reader: Reader) -> dict[str, Json]:
    if reader.required("send_event", "what is sent") is None:
        return {}
    node = reader.mapping("send_event", "event, properties and custom_properties")
    if node is None:
        return {}
    sent = Reader(node, reader.path("send_event"), reader.problems)
    sent.required("event", "the name of the event")
    sent.required("properties", "at least the token")
    sent.mapping("properties", "token, time, distinct_id and $insert_id")
    settings = {key: sent.data(key) for key in ("event", "properties", "custom_properties") if key in sent}
    sent.finish(("custom_properties",))
    return settings


def _name(reader: Reader) -> str | None:
    return reader.text("name")


def _enabled(reader: Reader, kind: PartKind, name: str, left_out: list[LeftOut]) -> bool:
    if reader.flag("enabled") is not False:
        return True
    left_out.append(LeftOut(kind, name, "disabled", reader.key, reader.node.line))
    return False


def _flag(reader: Reader, key: str) -> bool:
    return reader.flag(key) is True


def _timeout(reader: Reader) -> float:
    timeout = reader.number("timeout")
    return DEFAULT_TIMEOUT if timeout is None else timeout


def _quoted(name: str) -> str:
    return f'"{name}"'
