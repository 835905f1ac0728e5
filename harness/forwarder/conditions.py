"""Conditions: the operators of Core's value comparison, and custom code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from harness.forwarder import inherited, jstext, regex
from harness.forwarder.data_elements import DataElements, Read
from harness.forwarder.javascript import without_host
from harness.forwarder.jsvalues import (
    UNDEFINED,
    JsError,
    Value,
    is_number,
    loose_equals,
    number_text,
    to_number,
    to_text,
    truthy,
)
from harness.forwarder.model import Condition
from harness.forwarder.run import Run, values
from harness.forwarder.tokens import Constant, MapOf, Template, Token, reader, template

Compare: TypeAlias = Callable[[Value, Value, bool], Value]
"""Compares a left with a right operand; the third argument says whether case is ignored."""


def compile_condition(condition: Condition, elements: DataElements) -> Read:
    """Return what evaluates a condition, before `negate`; it should give true or false.

    Raises:
        BuildError: when Adobe's build can't make code of its settings.
    """
    if condition.type == "custom-code":
        return without_host
    settings = template(condition.settings)
    fill = elements.filled(settings)
    return _planned(settings, elements) or (lambda run: _compare_by_settings(fill(run)))


def _planned(settings: Template, elements: DataElements) -> Read | None:
    """Return a check whose operator is looked up beforehand; None where the settings are not of the usual form."""
    node = settings.node
    comparison = node.items.get("comparison") if isinstance(node, MapOf) else None
    if not isinstance(node, MapOf) or not isinstance(comparison, MapOf):
        return None
    operator = comparison.items.get("operator")
    ignore_case = comparison.items.get("caseInsensitive", Constant(value=False))
    if not isinstance(operator, Constant) or not isinstance(ignore_case, Constant):
        return None
    compare = OPERATORS.get(operator.value) if isinstance(operator.value, str) else None
    if compare is None:
        return None
    left, right = (node.items.get(key, Constant(UNDEFINED)) for key in ("leftOperand", "rightOperand"))
    resolvers = elements.resolvers(settings.names)
    folded = truthy(ignore_case.value)
    if isinstance(left, Token) and left.position == 0 and isinstance(right, Constant) and len(resolvers) == 1:
        resolve, constant = resolvers[0], right.value
        return lambda run: compare(resolve(run), constant, folded)
    read_left, read_right = reader(left), reader(right)

    def check(run: Run) -> Value:
        found = values(resolvers, run)
        return compare(read_left(found), read_right(found), folded)

    return check


def _compare_by_settings(settings: Value) -> Value:
    comparison = settings.get("comparison", UNDEFINED)
    operator = to_text(inherited.read(comparison, "operator"))
    ignore_case = truthy(inherited.read(comparison, "caseInsensitive"))
    left, right = settings.get("leftOperand", UNDEFINED), settings.get("rightOperand", UNDEFINED)
    compare = OPERATORS.get(operator) or _INHERITED.get(operator)
    if compare is not None:
        return compare(left, right, ignore_case)
    if operator in inherited.OBJECT_MEMBERS and operator != "__proto__":
        return UNDEFINED
    raise JsError("conditions[settings.comparison.operator] is not a function")


def _folded(operand: Value) -> Value:
    return jstext.lower(operand) if isinstance(operand, str) else operand


def _equals(left: Value, right: Value, ignore_case: bool) -> bool:  # noqa: FBT001
    if ignore_case:
        return loose_equals(_folded(left), _folded(right))
    return loose_equals(left, right)


def _number_as_text(operand: Value) -> Value:
    if is_number(operand) and math.isfinite(operand):
        return number_text(operand)
    return operand


def _of_texts(compare: Callable[[str, str], bool]) -> Compare:
    """Return a comparison of texts; numbers count as their text, any other operand makes it false."""

    def guarded(left: Value, right: Value, ignore_case: bool) -> bool:  # noqa: FBT001
        left, right = _number_as_text(left), _number_as_text(right)
        if not isinstance(left, str) or not isinstance(right, str):
            return False
        if ignore_case:
            return compare(jstext.lower(left), jstext.lower(right))
        return compare(left, right)

    return guarded


def _matches(left: Value, right: Value, ignore_case: bool) -> bool:  # noqa: FBT001
    left, right = _number_as_text(left), _number_as_text(right)
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    return regex.matches(right, left, ignore_case=ignore_case)


def _of_numbers(compare: Callable[[float, float], bool]) -> Compare:
    """Return a comparison of finite numbers; texts count as their number, any other operand makes it false."""

    def guarded(left: Value, right: Value, _: bool) -> bool:  # noqa: FBT001
        if isinstance(left, str):
            left = to_number(left)
        if isinstance(right, str):
            right = to_number(right)
        if not is_number(left) or not is_number(right) or not math.isfinite(left) or not math.isfinite(right):
            return False
        return compare(left, right)

    return guarded


def _not(compare: Compare) -> Compare:
    return lambda left, right, ignore_case: not compare(left, right, ignore_case)


_contains = _of_texts(jstext.contains)
_starts_with = _of_texts(jstext.starts_with)
_ends_with = _of_texts(jstext.ends_with)

OPERATORS: Final[dict[str, Compare]] = {
    "equals": _equals,
    "doesNotEqual": _not(_equals),
    "contains": _contains,
    "doesNotContain": _not(_contains),
    "startsWith": _starts_with,
    "doesNotStartWith": _not(_starts_with),
    "endsWith": _ends_with,
    "doesNotEndWith": _not(_ends_with),
    "matchesRegex": _matches,
    "doesNotMatchRegex": _not(_matches),
    "lessThan": _of_numbers(lambda left, right: left < right),
    "lessThanOrEqual": _of_numbers(lambda left, right: left <= right),
    "greaterThan": _of_numbers(lambda left, right: left > right),
    "greaterThanOrEqual": _of_numbers(lambda left, right: left >= right),
    "isTrue": lambda left, *_: left is True,
    "isTruthy": lambda left, *_: truthy(left),
    "isFalse": lambda left, *_: left is False,
    "isFalsy": lambda left, *_: not truthy(left),
}
"""The operators of the value comparison by their name in the settings."""

_INHERITED: Final[dict[str, Compare]] = {
    "hasOwnProperty": lambda left, *_: to_text(left) in OPERATORS,
    "propertyIsEnumerable": lambda left, *_: to_text(left) in OPERATORS,
    "isPrototypeOf": lambda *_: False,
}
