"""Cases made up by a generator and recorded from Adobe's own engine (Turbine Edge 3.0.1, Core 1.4.0, Node 20)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from harness.forwarder import regex
from harness.forwarder.engine import Call, Engine, Response
from harness.forwarder.jsjson import parse
from harness.forwarder.jstext import joined
from harness.forwarder.jsvalues import JsError, to_text
from harness.forwarder.property import read_property
from harness.problems import Problems
from tests.forwarder.recordings import HERE, property_of, recorded_form, replay

KINDS = ["disagreements", "elements", "failures", "literals", "names", "order", "paths", "spread", "tokens"]


def lines(name: str) -> Iterator[Any]:
    for line in (HERE / "recorded" / f"{name}.jsonl").read_text(encoding="utf-8").split("\n"):
        if line:
            yield parse(line)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_cases_come_out_byte_for_byte(kind: str) -> None:
    for case in lines(kind):
        if "build_error" in case:
            problems = Problems("property.json")
            read_property(json.dumps(case["property"]), "production", problems, is_yaml=False)
            assert problems.found != [], case
            continue
        for result, expected in zip(
            replay(case["property"], "production", case["calls"]), case["expected"], strict=True
        ):
            found = recorded_form(result)
            assert found["rules"] == expected["rules"], case
            assert [[sent["rule"], sent["body"]] for sent in found["requests"]] == expected["requests"], case


def _engine_of(operator: str, ignore_case: bool) -> Engine:
    comparison = {"operator": operator, "caseInsensitive": ignore_case}
    settings = {"leftOperand": "{{L}}", "comparison": comparison, "rightOperand": "{{R}}"}
    elements = [
        {
            "name": name,
            "delegate_descriptor_id": "core::dataElements::path",
            "settings": json.dumps({"path": f"arc.event.data.{name}"}),
        }
        for name in ("L", "R")
    ]
    condition = {"delegate_descriptor_id": "core::conditions::value-comparison", "settings": json.dumps(settings)}
    return Engine(property_of({"data_elements": elements, "rules": [{"name": "R", "rule_components": [condition]}]}))


def test_every_operator_decides_as_recorded_for_every_pair_of_operands() -> None:
    engines: dict[tuple[str, bool], Engine] = {}
    differ = []
    for operator, ignore_case, left, right, status, reason in lines("comparisons"):
        if (operator, ignore_case) not in engines:
            engines[operator, ignore_case] = _engine_of(operator, ignore_case)
        call = Call({"data": {"L": left, "R": right}})
        (rule,) = engines[operator, ignore_case].run(call, lambda _: Response()).rules
        if (rule.status, rule.error if rule.status == "failed" else "") not in {(status, reason), (status, "")}:
            differ.append((operator, ignore_case, left, right, status, rule))
    assert differ == []


def test_numbers_are_written_as_javascript_writes_them() -> None:
    assert [written for written, text in lines("numbers") if to_text([parse(written)]) != text] == []


def test_regular_expressions_match_as_in_v8_with_its_messages() -> None:
    differ = []
    for pattern, text, flags, expected in lines("regular_expressions"):
        found: bool | str
        try:
            found = regex.matches(joined(pattern), joined(text), ignore_case=flags == "i")
        except JsError as error:
            found = str(error)
        if found != expected:
            differ.append((pattern, text, flags, expected, found))
    assert differ == []
