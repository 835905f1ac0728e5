"""Whether conditions can hold at once: only what is certain is called unreachable."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import Json
from harness.forwarder.conditions import OPERATORS
from harness.forwarder.jsvalues import JsError
from harness.forwarder.model import Condition, DataElement
from harness.lint.reach import can_hold

PATH = DataElement("x", "path", {"path": "arc.event.data.x"})
CODE = DataElement("x", "custom-code", {"source": "return 1"})


def condition(operator: str, right: Json = None, *, negate: bool = False, ignore_case: bool = False) -> Condition:
    comparison = {"operator": operator, "caseInsensitive": ignore_case}
    settings = {"leftOperand": "{{x}}", "comparison": comparison, "rightOperand": right}
    return Condition("", "value-comparison", settings, negate)


@pytest.mark.parametrize(
    "conditions",
    [
        [condition("equals", "a"), condition("equals", "b")],
        [condition("equals", "a"), condition("doesNotEqual", "a")],
        [condition("equals", "a"), condition("equals", "a", negate=True)],
        [condition("equals", "login"), condition("startsWith", "user")],
        [condition("equals", "login", ignore_case=True), condition("equals", "LOGOUT", ignore_case=True)],
        [condition("equals", 3), condition("greaterThan", 5)],
        [condition("isTruthy"), condition("isFalsy")],
        [condition("isTrue"), condition("isFalse")],
        [condition("isTruthy"), condition("isTruthy", negate=True)],
        [condition("equals", "a"), condition("isFalsy")],
    ],
)
def test_contradictions_are_seen(conditions: list[Condition]) -> None:
    assert not can_hold(conditions, CODE)


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [condition("equals", "1"), condition("equals", 1)],
        [condition("equals", "login", ignore_case=True), condition("startsWith", "LOG")],
        [condition("equals", "userAccount.login"), condition("startsWith", "userAccount.")],
        [condition("contains", "a"), condition("doesNotContain", "a")],
        [condition("equals", ""), condition("isFalsy")],
        [condition("equals", False), condition("equals", "0")],
        [condition("matchesRegex", "("), condition("equals", "a")],
        [condition("equals", [1]), condition("equals", [2])],
    ],
)
def test_whatever_is_not_certain_is_possible(conditions: list[Condition]) -> None:
    assert can_hold(conditions, CODE)


def test_a_path_is_never_false() -> None:
    assert not can_hold([condition("isFalse")], PATH)
    assert can_hold([condition("isFalsy")], PATH)
    assert can_hold([condition("isFalse")], DataElement("x", "path", {"path": "arc.x"}, default_value=False))


VALUES: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 1, 2, "", "0", "1", "a", "A", "ab", "true"])
CONDITIONS = st.builds(
    condition, st.sampled_from(sorted(OPERATORS)), VALUES, negate=st.booleans(), ignore_case=st.booleans()
)


@given(st.lists(CONDITIONS, max_size=3), VALUES)
def test_conditions_that_a_value_fulfils_can_hold(conditions: list[Condition], value: Any) -> None:
    try:
        holds = all(
            bool(
                OPERATORS[one.settings["comparison"]["operator"]](
                    value, one.settings["rightOperand"], one.settings["comparison"]["caseInsensitive"]
                )
            )
            is not one.negate
            for one in conditions
            if one.settings is not None
        )
    except JsError:
        return
    if holds:
        assert can_hold(conditions, CODE)
