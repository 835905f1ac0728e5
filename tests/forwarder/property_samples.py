"""Properties to write down: one of a shop, and any that Hypothesis thinks of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from harness.forwarder.model import Action, Condition, DataElement, Property

SEND = "mixpanel-connector-edge::actions::send-event"
CODE_ACTION = "core::actions::custom-code"
COMPARE = "core::conditions::value-comparison"
CODE_CONDITION = "core::conditions::custom-code"


def object_id(kind: str, number: int) -> str:
    return f"{kind}{number:032x}"


def element(number: int, name: str, type_: str = "path", settings: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "id": object_id("DE", number),
        "name": name,
        "delegate_descriptor_id": f"core::dataElements::{type_}",
        "settings": None if settings is None else json.dumps(settings),
        "default_value": None,
        "clean_text": False,
        "force_lower_case": False,
        "enabled": True,
        **more,
    }


def component(number: int, name: str, type_: str, settings: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": object_id("RC", number), "name": name, "delegate_descriptor_id": type_, "settings": json.dumps(settings),
        "order": 0, "negate": False, "timeout": 2000, **more,
    }  # fmt: skip


def rule(number: int, name: str, *components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": object_id("RL", number), "name": name, "enabled": True, "rule_components": list(components), **more}


def document(elements: list[Any], rules: list[Any], **more: Any) -> dict[str, Any]:
    described = {"id": object_id("PR", 1), "name": "Shop", "platform": "edge", **more}
    return {"property": described, "data_elements": elements, "rules": rules}


Part = TypeVar("Part", DataElement, Condition, Action)

SECRETS = {
    "production": {"id": "SE1", "name": "Token of the shop"},
    "staging": {"id": "SE2", "name": "Token for trying things out"},
}


def shop() -> dict[str, Any]:
    """A shop whose files hold one of everything, disabled and deleted things included."""
    is_login = {"leftOperand": "{{Event type}}", "comparison": {"operator": "equals"}, "rightOperand": "login"}
    has_email = {"leftOperand": "{{E-mail}}", "comparison": {"operator": "isTruthy"}}
    sent = {"event": "Login", "properties": {"token": "{{Token}}"}, "custom_properties": {"$user_id": "{{E-mail}}"}}
    code = {"keyName": "seen", "source": "return 1;\n// {{Event type}}\n"}
    deleted = {"deleted_at": "2026-01-05T00:00:00Z"}
    return document(
        [
            element(1, "Event type", settings={"path": "arc.event.xdm.eventType"}),
            element(2, "E-mail", settings={"path": "arc.event.data.email"}, clean_text=True, force_lower_case=True),
            element(3, "Token", "secret", {"secrets": SECRETS}),
            element(4, "Old", settings={"path": "arc.event.data.old"}, **deleted),
            element(5, "Off", "nonsense", enabled=False),
        ],
        [
            rule(
                1,
                "Login",
                component(3, "Send", SEND, sent, order=1),
                component(4, "Remember", CODE_ACTION, code, order=0),
                component(2, "Is a login", COMPARE, is_login, order=1),
                component(1, "Has an address", COMPARE, has_email, order=0, negate=True),
                component(5, "Elsewhere", "other::actions::send", {}, enabled=False),
                component(6, "Gone", "other::actions::send", {}, **deleted),
            ),
            rule(2, "Gone", component(7, "Elsewhere", "other::actions::send", {}), **deleted),
        ],
    )


def bare(property_: Property) -> tuple[Any, ...]:
    """What a property does, without where it was written and what its objects are called by the API."""
    return (
        property_.name,
        tuple(_bare_part(part) for part in property_.data_elements),
        tuple(
            replace(
                one,
                rule_id="",
                where="",
                line=None,
                file="",
                conditions=tuple(_bare_part(part) for part in one.conditions),
                actions=tuple(_bare_part(part) for part in one.actions),
            )
            for one in property_.rules
        ),
    )


def _bare_part(part: Part) -> Part:
    return replace(part, where="", line=None, file="", component_id=None)


NAMES = st.text("aZé 1-_.", min_size=1, max_size=6)
TEXTS = st.text("aé {}\n\"'\\", max_size=5).filter(lambda text: "{{" not in text)


@st.composite
def properties(draw: st.DrawFn) -> dict[str, Any]:
    """Any property that all shapes can say."""
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    tokens = st.sampled_from([f"{{{{{name}}}}}" for name in names]) if names else TEXTS
    values = TEXTS | tokens | st.integers(-5, 5) | st.booleans() | st.none()
    elements = [draw(_elements(number, name)) for number, name in enumerate(names)]
    rules = []
    numbers = iter(range(1000))
    for number in range(draw(st.integers(0, 3))):
        parts = [draw(_components(next(numbers), values)) for _ in range(draw(st.integers(0, 4)))]
        rules.append(rule(number, draw(NAMES), *parts, **draw(_presence())))
    return document(elements, rules)


@st.composite
def _presence(draw: st.DrawFn) -> dict[str, Any]:
    return draw(st.sampled_from([{}, {}, {}, {"enabled": False}, {"deleted_at": "2026-01-05T00:00:00Z"}]))


@st.composite
def _elements(draw: st.DrawFn, number: int, name: str) -> dict[str, Any]:
    type_, settings = draw(
        st.sampled_from([("path", {"path": "arc.event.data.a"}), ("secret", {"secrets": SECRETS}), ("ip", None)])
        | TEXTS.map(lambda text: ("custom-code", {"source": f"return 1; // {text!r}"}))
    )
    flags = {key: draw(st.booleans()) for key in ("clean_text", "force_lower_case")}
    default = draw(TEXTS | st.none() | st.integers(0, 3))
    return element(number, name, type_, settings, default_value=default, **flags, **draw(_presence()))


@st.composite
def _components(draw: st.DrawFn, number: int, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    more = {"order": draw(st.integers(0, 2)), "timeout": draw(st.integers(0, 9)), **draw(_presence())}
    name = draw(NAMES)
    kind = draw(st.sampled_from([SEND, CODE_ACTION, COMPARE, CODE_CONDITION]))
    if kind == SEND:
        settings = {"event": draw(values), "properties": {"token": draw(values)}, "custom_properties": draw(values)}
    elif kind == COMPARE:
        comparison = {"operator": draw(st.sampled_from(["equals", "contains"])), "caseInsensitive": draw(st.booleans())}
        settings = {"leftOperand": draw(values), "comparison": comparison, "rightOperand": draw(values)}
        more["negate"] = draw(st.booleans())
    else:
        settings = {"keyName": "k"} if kind == CODE_ACTION else {}
        settings["source"] = f"return {draw(st.integers(0, 3))}; // {draw(TEXTS)!r}"
    return component(number, name, kind, settings, **more)
