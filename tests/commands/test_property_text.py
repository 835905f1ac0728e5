"""What is said about a property: never a traceback, whatever the property holds, and the same for any of its shapes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.commands.property_changes import changes_text
from harness.commands.property_document import diff_document, property_document
from harness.commands.property_text import property_text
from harness.forwarder.model import Condition
from harness.forwarder.property import Property, read_property
from harness.forwarder.property_diff import differences
from harness.forwarder.property_words import condition_words
from harness.jsontext import dump
from harness.problems import Problems
from tests.forwarder.property_samples import CODE_ACTION, COMPARE, SEND, component, document, element, rule

SETTINGS = [
    "path", "secrets", "production", "id", "name", "source", "event", "properties", "custom_properties", "token",
    "distinct_id", "leftOperand", "rightOperand", "comparison", "operator", "caseInsensitive", "keyName",
]  # fmt: skip
TEXTS = ["", "{{a}}", "x {{b}}", "\x1b[1m", "\ud83d", "é\n"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(SETTINGS), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
MAPS = st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=6)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    types = st.sampled_from(["path", "secret", "ip", "custom-code"])
    elements = [
        element(number, name, draw(types), draw(MAPS), default_value=draw(VALUES)) for number, name in enumerate("ac")
    ]
    parts = [
        component(number, draw(st.sampled_from(["x", "\x1b", ""])), draw(kinds), draw(MAPS))
        for number, kinds in enumerate([st.sampled_from([SEND, CODE_ACTION, COMPARE])] * draw(st.integers(0, 3)))
    ]
    return document(elements, [rule(1, "Track", *parts)])


def _property(flat: dict[str, Any]) -> Property | None:
    problems = Problems("property.json")
    property_ = read_property(json.dumps(flat), "production", problems, is_yaml=False)
    return None if problems else property_


@settings(max_examples=200)
@given(documents(), documents())
def test_any_property_can_be_shown_and_compared(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = _property(one), _property(other)
    if before is None or after is None:
        return
    assert "\x1b" not in property_text(before)
    dump(property_document(before))
    changes = differences(before, after)
    assert "\x1b" not in changes_text(before, after, changes, [])
    dump(diff_document(before, after, changes, []))


def _words(left: Any, operator: str, *right: Any, negate: bool = False, **more: Any) -> str:
    comparison = {"operator": operator, **more}
    compared: dict[str, Any] = {"leftOperand": left, "comparison": comparison}
    if right:
        compared["rightOperand"] = right[0]
    return condition_words(Condition("c", "value-comparison", compared, negate))


def test_conditions_are_said_in_words() -> None:
    assert _words("{{E-mail}}", "isTruthy") == "E-mail is truthy"
    assert _words("{{E-mail}}", "isTruthy", negate=True) == "not (E-mail is truthy)"
    assert _words("{{a}}", "equals", "login", caseInsensitive=True) == 'a equals "login" in any case of letters'
    assert _words("{{a}}-{{b}}", "lessThan", 5) == '"{{a}}-{{b}}" is less than 5'
    assert _words("{{a}}", "doesNotMatchRegex", "{{b}}") == "a does not match the pattern b"
    code = Condition("c", "custom-code", {"source": "\n  let a = 1;\n  a += 1;\n  return a > 1;\n"})
    assert condition_words(code) == "custom code: let a = 1; (and 2 more lines)"
