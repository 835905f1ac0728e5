"""One Edge Network call through all rules of a property, as Adobe's rules engine runs it.

Nothing here waits: timeouts compare the virtual delay of an answer with the time a component has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

from harness.event import Json
from harness.forwarder.actions import compile_action
from harness.forwarder.conditions import compile_condition
from harness.forwarder.data_elements import DataElements
from harness.forwarder.javascript import CodeHost, Outcome, Program, Status, coded_rules
from harness.forwarder.jsvalues import UNDEFINED, JsError, Value
from harness.forwarder.model import Action, Condition, Property, Rule
from harness.forwarder.run import ElementError, Fetch, NetworkFailure, Request, Response, Run
from harness.forwarder.tokens import sanitized

__all__ = [
    "Call", "CallResult", "Engine", "Fetch", "NetworkFailure", "Request", "Response", "RuleResult", "RulesEngine",
    "Status",
]  # fmt: skip

_NO_SECRETS: Final[Mapping[str, Json]] = MappingProxyType({})
_DISPLAY_NAMES: Final = {
    "value-comparison": "Value Comparison",
    "custom-code": "Custom Code",
    "send-event": "Send Event",
}
_STASH_NAMES: Final = {"custom-code": "core", "send-event": "mixpanel-connector-edge"}


class Call(NamedTuple):
    """One Edge Network call.

    Attributes:
        event: the event, `{"xdm": ..., "data": ...}`, as JSON data; the rules read it and never change it.
        request: the HTTP request of the call, `{"header": ..., "body": ...}`; UNDEFINED where there is none.
        env: secret values by secret id.
        now_ms: the time of the call for custom code, in milliseconds since 1970; None for the wall clock.
    """

    event: Json
    request: Json = UNDEFINED
    env: Mapping[str, Json] = _NO_SECRETS
    now_ms: float | None = None


class RuleResult(NamedTuple):
    """What became of one rule.

    Attributes:
        name: the name of the rule.
        rule_id: its id; "" where the property gives none.
        status: success, condition_not_met or failed.
        error: the engine's text about a rule that failed or a condition that was not met; None on success.
        requests: what the rule sent, in order, also before it failed.
    """

    name: str
    rule_id: str
    status: Status
    error: str | None
    requests: tuple[Request, ...]


class CallResult(NamedTuple):
    """What became of a call: one result a rule, in the order of the property."""

    rules: tuple[RuleResult, ...]

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, by rule, in the order in which they were made."""
        return tuple(request for rule in self.rules for request in rule.requests)


class RulesEngine(Protocol):
    """Runs calls through a property: our engine does, and Adobe's (see `turbine`)."""

    property: Property

    def run(self, call: Call, fetch: Fetch) -> CallResult:
        """Return what becomes of a call, whose requests `fetch` answers."""
        ...


class _NotMetError(Exception):
    """A condition ends its rule."""


class Engine:
    """Runs calls through a property, which is compiled once.

    Args:
        property_: the property.
        host: what runs custom code; by default nothing does, and custom code fails its component.

    Raises:
        BuildError: when Adobe's build can't make code of some settings; `load_property` has refused such a property.
    """

    def __init__(self, property_: Property, host: CodeHost | None = None) -> None:
        self.property = property_
        elements = DataElements(property_.data_elements, property_.environment)
        coded = [] if host is None else coded_rules(property_)
        programs = host.programs(property_, coded) if host is not None and coded else {}
        self._rules = [
            (rule, programs.get(position) or _program(rule, elements)) for position, rule in enumerate(property_.rules)
        ]

    def run(self, call: Call, fetch: Fetch) -> CallResult:
        """Return what becomes of a call.

        Args:
            call: the call.
            fetch: answers the requests that rules make.
        """
        return CallResult(tuple([_result(rule, program, call, fetch) for rule, program in self._rules]))


def _result(rule: Rule, program: Program, call: Call, fetch: Fetch) -> RuleResult:
    arc: dict[str, Value] = {"ruleStash": {}, "event": call.event}
    if call.request is not UNDEFINED:
        arc["request"] = call.request
    run = Run(rule.name, arc, call.env, fetch, call.now_ms)
    status, error = program(run)
    return RuleResult(rule.name, rule.rule_id, status, error, tuple(run.requests))


Step: TypeAlias = Callable[[Run], None]
"""Runs one component; raises `_NotMetError` or `JsError` to end the rule."""


def _program(rule: Rule, elements: DataElements) -> Program:
    rule_name = sanitized(rule.name)
    steps = [_condition_step(condition, rule_name, elements) for condition in rule.conditions]
    steps += [_action_step(action, elements) for action in rule.actions]

    def run_steps(run: Run) -> Outcome:
        try:
            for step in steps:
                step(run)
        except _NotMetError as error:
            return Outcome("condition_not_met", str(error))
        except JsError as error:
            return Outcome("failed", str(error))
        return Outcome("success", None)

    return run_steps


def _condition_step(condition: Condition, rule_name: str, elements: DataElements) -> Step:
    check = compile_condition(condition, elements)
    wanted = not condition.negate
    display_name = _DISPLAY_NAMES[condition.type]
    prefix = f'Failed to execute "{display_name}". '
    not_met = f'{prefix}Condition "{display_name}" from rule "{rule_name}" not met.'
    not_boolean = f'Condition "{display_name}" from rule "{rule_name}" did not return a boolean result.'

    def step(run: Run) -> None:
        try:
            result = check(run)
        except (JsError, ElementError) as error:
            raise JsError(prefix + str(error)) from None
        if result is wanted:
            return
        if isinstance(result, bool):
            raise _NotMetError(not_met)
        raise JsError(prefix + not_boolean)

    return step


def _action_step(action: Action, elements: DataElements) -> Step:
    act = compile_action(action, elements)
    stash_name = _STASH_NAMES[action.type]
    prefix = f'Failed to execute "{_DISPLAY_NAMES[action.type]}". '

    def step(run: Run) -> None:
        try:
            result = act(run)
        except (JsError, ElementError) as error:
            raise JsError(prefix + str(error)) from None
        run.arc["ruleStash"][stash_name] = None if result is UNDEFINED else result
        run.memory.clear()

    return step
