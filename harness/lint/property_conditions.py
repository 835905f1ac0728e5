"""Rules about the conditions of a property's rules: what never holds, never differs, or fails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from harness.event import Json
from harness.forwarder.conditions import OPERATORS
from harness.forwarder.jsvalues import JsError, is_number, to_number, truthy
from harness.forwarder.model import Condition, DataElement, Rule
from harness.forwarder.regex import matches
from harness.lint.reach import can_hold
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject, Slot, slots_of

_ENGINE: Final = "source code of Adobe's rules engine and Core extension for the edge"
_NUMERIC: Final = frozenset({"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"})
_REGEX: Final = frozenset({"matchesRegex", "doesNotMatchRegex"})


@rule(
    "property",
    "warning",
    fix="Correct the conditions: all of them have to hold, so an `or` needs a second rule or a regular expression.",
    bad="""
rules:
  - name: Login or sign-up
    conditions:
      - {left: "{{Event type}}", operator: equals, right: login}
      - {left: "{{Event type}}", operator: equals, right: signup}
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    good="""
rules:
  - name: Login or sign-up
    conditions: [{left: "{{Event type}}", operator: matchesRegex, right: "^(login|signup)$"}]
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    evidence="docs",
    source=_ENGINE,
)
def unreachable_rule(subject: PropertySubject) -> Iterator[Spot]:
    """A rule has conditions that can't hold at once, so it never acts."""
    for one in subject.property.rules:
        for element in _compared(one, subject):
            own = [part for part in one.conditions if _left(part, subject).element is element]
            if not can_hold(own, element):
                message = f"its conditions on {element.name!r} can't hold, so it never acts"
                yield Spot(one.line, one.where, message, one.file)


def _compared(one: Rule, subject: PropertySubject) -> list[DataElement]:
    found = [_left(part, subject).element for part in one.conditions if part.type == "value-comparison"]
    return list({element.name: element for element in found if element is not None}.values())


def _left(part: Condition, subject: PropertySubject) -> Slot:
    return (
        slots_of(part.settings, subject.property).get("leftOperand", Slot()) if part.type != "custom-code" else Slot()
    )


@rule(
    "property",
    "warning",
    fix="Write the name of the data element in double braces: {{name}}.",
    bad="""
rules:
  - name: Login
    conditions: [{left: Event type, operator: equals, right: login}]
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    good="""
rules:
  - name: Login
    conditions: [{left: "{{Event type}}", operator: equals, right: login}]
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    evidence="docs",
    source=_ENGINE,
)
def condition_without_token(subject: PropertySubject) -> Iterator[Spot]:
    """A condition compares constants, so it comes out the same on every call."""
    for one in subject.property.rules:
        for part in one.conditions:
            slots = slots_of(part.settings, subject.property) if part.type == "value-comparison" else {}
            operands = [slots[key] for key in ("leftOperand", "rightOperand") if key in slots]
            if operands and all(slot.is_constant for slot in operands):
                yield Spot(part.line, part.where, f"compares the constant {operands[0].value!r}", part.file)


@rule(
    "property",
    "error",
    fix="Correct the regular expression; it is one of JavaScript.",
    bad="""
rules:
  - name: Login
    conditions: [{left: "{{Event type}}", operator: matchesRegex, right: "user(Account"}]
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    good="""
rules:
  - name: Login
    conditions: [{left: "{{Event type}}", operator: matchesRegex, right: "^userAccount"}]
    actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]""",
    evidence="docs",
    source=_ENGINE,
)
def broken_regex(subject: PropertySubject) -> Iterator[Spot]:
    """A condition holds a regular expression that JavaScript does not take, so its rule fails."""
    for part, operator, right in _constant_rights(subject):
        if operator in _REGEX and isinstance(right, str):
            try:
                matches(right, "", ignore_case=False)
            except JsError as error:
                yield Spot(part.line, part.where, str(error), part.file)


@rule(
    "property",
    "warning",
    fix="Compare with a number, or use equals for a text.",
    bad="""
rules:
  - name: Big order
    conditions: [{left: "{{Time}}", operator: greaterThan, right: "100 EUR"}]
    actions: [{send_event: {event: Big order, properties: {token: "{{Token}}"}}}]""",
    good="""
rules:
  - name: Big order
    conditions: [{left: "{{Time}}", operator: greaterThan, right: "100"}]
    actions: [{send_event: {event: Big order, properties: {token: "{{Token}}"}}}]""",
    evidence="docs",
    source=_ENGINE,
)
def comparison_with_no_number(subject: PropertySubject) -> Iterator[Spot]:
    """A condition asks for more or less than something that is no number, which is always false."""
    for part, operator, right in _constant_rights(subject):
        number = to_number(right) if isinstance(right, str) else right
        if operator in _NUMERIC and not (is_number(number) and math.isfinite(number)):
            yield Spot(part.line, part.where, f"{right!r} is no number, so {operator} is always false", part.file)


@rule(
    "property",
    "warning",
    fix="Use isFalsy.",
    bad="""
rules:
  - name: Anonymous
    conditions: [{left: "{{E-mail}}", operator: equals, right: ""}]
    actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]""",
    good="""
rules:
  - name: Anonymous
    conditions: [{left: "{{E-mail}}", operator: isFalsy}]
    actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]""",
    evidence="docs",
    source=_ENGINE,
)
def empty_value_is_null(subject: PropertySubject) -> Iterator[Spot]:
    """A condition compares a path with "", 0 or false, but a path gives null for all of them."""
    for part, operator, right in _constant_rights(subject):
        element = _left(part, subject).element
        if element is None or element.type != "path" or element.default_value is not None:
            continue
        is_empty = operator in ("equals", "doesNotEqual") and right is not None and not truthy(right)
        if is_empty or operator == "isFalse":
            what = "is never false" if operator == "isFalse" else f"never equals {right!r}"
            yield Spot(
                part.line, part.where, f"{element.name!r} is a path, so it {what}: it gives null then", part.file
            )


def _constant_rights(subject: PropertySubject) -> Iterator[tuple[Condition, str, Json]]:
    """Yield every value comparison whose right operand is constant or not needed, with its operator."""
    for one in subject.property.rules:
        for part in one.conditions:
            slots = slots_of(part.settings, subject.property) if part.type == "value-comparison" else {}
            comparison = (part.settings or {}).get("comparison")
            operator = comparison.get("operator") if isinstance(comparison, dict) else None
            right = slots.get("rightOperand", Slot(is_constant=True))
            if slots and isinstance(operator, str) and operator in OPERATORS and right.is_constant:
                yield part, operator, right.value
