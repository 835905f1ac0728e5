"""Calls through rules, where what matters is more than one component."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.forwarder.engine import Call, CallResult, Engine, Fetch, NetworkFailure, Request, Response
from harness.forwarder.property import load_property

SHORTHAND = """\
property: Test
data_elements: {elements}
rules: {rules}
"""
SEND = {"send_event": {"event": "e", "properties": {"token": "T"}}}


def _engine(
    tmp_path: Path, elements: dict[str, Any], rules: list[dict[str, Any]], environment: str = "production"
) -> Engine:
    path = tmp_path / "property.yaml"
    path.write_text(SHORTHAND.format(elements=json.dumps(elements), rules=json.dumps(rules)), encoding="utf-8")
    return Engine(load_property(path, environment))


def _answers(*answers: Response | NetworkFailure) -> Fetch:
    left = list(answers)
    return lambda _: left.pop(0)


def _run(engine: Engine, call: Call | None = None, fetch: Fetch | None = None) -> CallResult:
    return engine.run(call or Call({"xdm": {}, "data": {}}), fetch or (lambda _: Response()))


def test_an_answer_that_comes_too_late_fails_the_rule_although_the_request_is_out(tmp_path: Path) -> None:
    engine = _engine(tmp_path, {}, [{"name": "R", "actions": [{**SEND, "timeout": 1500}, SEND]}])
    (rule,) = _run(engine, fetch=_answers(Response(delay_ms=1500))).rules
    assert rule.status == "failed"
    late = "A timeout occurred because the module took longer than 1.5 seconds to complete."
    assert rule.error == f'Failed to execute "Send Event". {late}'
    assert len(rule.requests) == 1


def test_an_answer_in_time_and_any_status_let_the_next_action_go(tmp_path: Path) -> None:
    engine = _engine(tmp_path, {}, [{"name": "R", "actions": [{**SEND, "timeout": 1500}, SEND]}])
    (rule,) = _run(engine, fetch=_answers(Response(500, "oops", 1499), Response())).rules
    assert (rule.status, len(rule.requests)) == ("success", 2)


def test_a_network_failure_is_the_rules_error(tmp_path: Path) -> None:
    engine = _engine(tmp_path, {}, [{"name": "R", "actions": [SEND, SEND]}])
    (rule,) = _run(engine, fetch=_answers(NetworkFailure("fetch failed"))).rules
    assert (rule.status, rule.error, len(rule.requests)) == (
        "failed",
        'Failed to execute "Send Event". fetch failed',
        1,
    )


def test_one_failing_rule_stops_no_other(tmp_path: Path) -> None:
    bad = {"name": "bad", "actions": [{"send_event": {"event": "{{ghost}}", "properties": {}}}]}
    result = _run(_engine(tmp_path, {}, [bad, {"name": "good", "actions": [SEND]}]))
    assert [rule.status for rule in result.rules] == ["failed", "success"]
    assert [request.rule for request in result.requests] == ["good"]


def test_a_condition_that_is_not_met_keeps_its_reason(tmp_path: Path) -> None:
    condition = {"left": "{{a}}", "operator": "isTruthy"}
    (rule,) = _run(_engine(tmp_path, {"a": "arc.event.data.a"}, [{"name": "R", "conditions": [condition]}])).rules
    assert rule.status == "condition_not_met"
    assert rule.error == 'Failed to execute "Value Comparison". Condition "Value Comparison" from rule "R" not met.'


def test_a_circle_fails_the_component_that_meets_it_and_nobody_else(tmp_path: Path) -> None:
    elements = {"a": "{{b}}", "b": "{{a}}"}
    rules = [
        {"name": "meets it", "actions": [{"send_event": {"event": "{{a}}", "properties": {}}}]},
        {"name": "does not", "actions": [SEND]},
    ]
    first, second = _run(_engine(tmp_path, elements, rules)).rules
    assert first.error == (
        'Failed to execute "Send Event". Failed to execute module for data element "a". Failed to execute module for '
        'data element "b". Data element circular reference detected: a -> b -> a'
    )
    assert second.status == "success"


def test_of_several_failing_elements_the_one_that_fails_first_is_named(tmp_path: Path) -> None:
    elements = {"secret": {"secret": {}}, "deep": "arc.{{ghost}}"}
    action = {"send_event": {"event": "{{deep}} {{secret}} {{unknown}}", "properties": {}}}
    (rule,) = _run(_engine(tmp_path, elements, [{"name": "R", "actions": [action]}])).rules
    assert rule.error == 'Failed to execute "Send Event". Data element definition for "unknown" was not found.'


def test_elements_made_of_failing_elements_are_not_tried_again_and_again(tmp_path: Path) -> None:
    elements = {"e0": "{{ghost}}", "e1": "{{e0}}"}
    elements |= {f"e{index}": f"{{{{e{index - 1}}}}}{{{{e{index - 2}}}}}" for index in range(2, 90)}
    action = {"send_event": {"event": "{{e89}}", "properties": {}}}
    (rule,) = _run(_engine(tmp_path, elements, [{"name": "R", "actions": [action]}])).rules
    assert rule.status == "failed"


def test_a_secret_depends_on_the_build_environment(tmp_path: Path) -> None:
    elements = {"s": {"secret": {"staging": {"id": "S1", "name": "Token"}}}}
    rules = [{"name": "R", "actions": [{"send_event": {"event": "e", "properties": {"token": "{{s}}"}}}]}]
    call = Call({}, env={"S1": "hush"})
    assert _run(_engine(tmp_path, elements, rules, "staging"), call).requests[0].body.count("hush") == 1
    (rule,) = _run(_engine(tmp_path, elements, rules), call).rules
    assert rule.error is not None
    assert "hush" not in rule.error


def test_what_an_action_returned_is_in_the_rule_stash_of_its_own_rule(tmp_path: Path) -> None:
    send = {"send_event": {"event": "e", "properties": {"stash": "{{stash}}"}}}
    rules = [{"name": "R", "actions": [send, send]}, {"name": "S", "actions": [send]}]
    bodies = [request.body for request in _run(_engine(tmp_path, {"stash": "arc.ruleStash"}, rules)).requests]
    assert bodies == [
        '[{"event":"e","properties":{"stash":{}}}]',
        '[{"event":"e","properties":{"stash":{"mixpanel-connector-edge":{}}}}]',
        '[{"event":"e","properties":{"stash":{}}}]',
    ]


@pytest.mark.parametrize(
    ("elements", "rule"),
    [
        ({}, {"conditions": [{"custom_code": "return true"}]}),
        ({}, {"actions": [{"custom_code": {"key": "one", "source": "return 1"}}]}),
        ({"c": {"custom_code": "return 1"}}, {"actions": [{"send_event": {"event": "{{c}}", "properties": {}}}]}),
    ],
)
def test_custom_code_fails_its_component_and_says_what_it_needs(
    tmp_path: Path, elements: dict[str, Any], rule: dict[str, Any]
) -> None:
    (result,) = _run(_engine(tmp_path, elements, [{"name": "R", **rule}])).rules
    assert result.status == "failed"
    assert (result.error or "").endswith("custom code needs the extra [javascript] or --engine turbine")


def test_fetch_sees_the_request_that_the_result_holds(tmp_path: Path) -> None:
    seen: list[Request] = []

    def fetch(request: Request) -> Response:
        seen.append(request)
        return Response()

    result = _run(_engine(tmp_path, {}, [{"name": "R", "actions": [SEND]}]), fetch=fetch)
    assert tuple(seen) == result.requests
