"""Custom code: where an embedded JavaScript engine is plugged in. Without one, custom code fails its component.

A rule that touches custom code, itself or through a data element, runs in JavaScript as a whole: its values may be
dates, functions or promises, which nothing but JavaScript can hand on. All other rules never leave Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Final, Literal, NamedTuple, NoReturn, Protocol, TypeAlias

from harness.forwarder.jsvalues import JsError
from harness.forwarder.model import Action, Condition, DataElement, Property, Rule
from harness.forwarder.run import Run
from harness.forwarder.tokens import BuildError, template

Part: TypeAlias = DataElement | Condition | Action
Status: TypeAlias = Literal["success", "condition_not_met", "failed"]

_MODULE: Final = "py_mini_racer"
_CODE: Final = "custom-code"


class Outcome(NamedTuple):
    """How a rule ended.

    Attributes:
        status: success, condition_not_met or failed.
        error: the engine's text about what did not succeed; None on success.
    """

    status: Status
    error: str | None


Program: TypeAlias = Callable[[Run], Outcome]
"""Runs a rule on a call; what it sends goes through the run."""


class CodeHost(Protocol):
    """Runs the rules of a property that touch custom code."""

    def problem(self, part: Part) -> str | None:
        """Return why Adobe's build can't make code of a component; None when it can."""
        ...

    def programs(self, property_: Property, positions: Iterable[int]) -> Mapping[int, Program]:
        """Return what runs some rules of a property, given by their positions.

        Raises:
            BuildError: when Adobe's build can't make code of some settings.
        """
        ...


@cache
def code_host() -> CodeHost | None:
    """Return the host of this process, or None where the extra `[javascript]` is not installed."""
    if find_spec(_MODULE) is None:
        return None
    from harness.forwarder.v8.host import V8Host

    return V8Host()


def without_host(_: Run) -> NoReturn:
    """Fail a component with custom code, and say how to get a JavaScript engine."""
    raise JsError("custom code needs the extra [javascript] or --engine turbine")


def coded_rules(property_: Property) -> list[int]:
    """Return the positions of the rules that run custom code, themselves or through a data element."""
    elements = {element.name: element for element in property_.data_elements}
    coded = {name for name, element in elements.items() if element.type == _CODE}
    while True:
        more = {name for name, element in elements.items() if name not in coded and _names(element) & coded}
        if not more:
            break
        coded |= more
    return [position for position, rule in enumerate(property_.rules) if _is_coded(rule, coded)]


def _is_coded(rule: Rule, coded: set[str]) -> bool:
    parts: list[Part] = [*rule.conditions, *rule.actions]
    return any(part.type == _CODE or _names(part) & coded for part in parts)


def _names(part: Part) -> set[str]:
    try:
        return set(template(part.settings).names)
    except BuildError:
        return set()
