"""Whether conditions on one data element can hold at once.

Only what is certain counts: a condition that equals a constant leaves few values to try, and the operators themselves
are asked about each. Everything else is taken for possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from harness.event import Json
from harness.forwarder.conditions import OPERATORS
from harness.forwarder.jsvalues import JsError, Value, number_text, to_number
from harness.forwarder.model import Condition, DataElement
from harness.forwarder.tokens import BuildError, Constant, MapOf, template

_TRUTH: Final = frozenset({"isTrue", "isTruthy", "isFalse", "isFalsy"})
_SAMPLES: Final[tuple[Value, ...]] = (None, "", 0, False, True, 1, "a text")
"""A value of every kind that the truth operators tell apart."""


def can_hold(conditions: Sequence[Condition], element: DataElement) -> bool:
    """Return whether some value of a data element may fulfil all conditions that compare it with constants.

    Args:
        conditions: conditions whose left operand is the data element.
        element: the data element.
    """
    read = [one for one in map(_read, conditions) if one is not None]
    truths = [one for one in read if one.operator in _TRUTH]
    if truths and not any(_holds(truths, value) for value in _possible(element)):
        return False
    if len({one.ignores_case for one in read if one.operator not in _TRUTH}) > 1:
        return True
    anchors = [one.right for one in read if one.is_equality and not isinstance(one.right, (list, dict))]
    return all(any(_holds(read, value) for value in _equal_to(right)) for right in anchors)


class _Read(NamedTuple):
    operator: str
    right: Json
    ignores_case: bool
    negate: bool

    @property
    def is_equality(self) -> bool:
        return self.operator == ("doesNotEqual" if self.negate else "equals")


def _read(condition: Condition) -> _Read | None:
    """Return operator, right operand, whether case is ignored, and whether it is negated; None with tokens inside."""
    try:
        node = template(condition.settings).node
    except BuildError:
        return None
    comparison = (condition.settings or {}).get("comparison")
    right = node.items.get("rightOperand", Constant(None)) if isinstance(node, MapOf) else None
    if not isinstance(comparison, dict) or not isinstance(right, Constant):
        return None
    operator, folded = comparison.get("operator"), comparison.get("caseInsensitive", False)
    if operator not in OPERATORS or not isinstance(folded, bool):
        return None
    return _Read(operator, right.value, folded, condition.negate)


def _holds(conditions: Iterable[_Read], value: Value) -> bool:
    try:
        return all(
            bool(OPERATORS[one.operator](value, one.right, one.ignores_case)) is not one.negate for one in conditions
        )
    except JsError:
        return True


def _possible(element: DataElement) -> list[Value]:
    """Return values of every kind that a data element may have: of the falsy ones, a path gives null only."""
    if element.type == "path" and element.default_value is None:
        return [value for value in _SAMPLES if value is None or value]
    return list(_SAMPLES)


def _equal_to(right: Value) -> list[Value]:
    """Return the values of each kind that equal a constant loosely."""
    found: list[Value] = [right]
    if isinstance(right, str):
        found.append(to_number(right))
    elif isinstance(right, bool):
        found += [int(right), str(int(right))]
    elif isinstance(right, (int, float)):
        found.append(number_text(right))
    if right in ("", 0, 1, False, True, "0", "1"):
        found += [*_SAMPLES, "0", "1"]
    return found
