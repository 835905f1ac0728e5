"""Recorded cases of Adobe's own engine: every status, reason and byte sent is the same here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.forwarder.recordings import HERE, recorded_form, replay, rules_with_custom_code, without_rules

NEEDS_CODE = "custom code needs the extra [javascript] or --engine turbine"
VECTORS = sorted((HERE / "vectors").glob("*.json"))


def _load(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((HERE / "vectors" / f"{name}.json").read_text(encoding="utf-8"))
    return vector


@pytest.mark.parametrize("name", [path.stem for path in VECTORS])
def test_every_rule_without_custom_code_does_what_the_recording_says(name: str) -> None:
    vector = _load(name)
    coded = rules_with_custom_code(vector["property"])
    results = replay(vector["property"], vector["environment"], vector["calls"])
    found = [without_rules(recorded_form(result), coded) for result in results]
    assert found == [without_rules(expected, coded) for expected in vector["expected"]]


CODED = [(path.stem, rule) for path in VECTORS for rule in sorted(rules_with_custom_code(_load(path.stem)["property"]))]


@pytest.mark.parametrize(("name", "rule"), CODED, ids=[f"{name}: {rule}" for name, rule in CODED])
def test_a_rule_that_mentions_custom_code_does_what_the_recording_says(name: str, rule: str) -> None:
    vector = _load(name)
    results = replay(vector["property"], vector["environment"], vector["calls"])
    errors = [found.error or "" for result in results for found in result.rules if found.name == rule]
    if all(error.endswith(NEEDS_CODE) for error in errors):
        pytest.skip("needs custom code")
    others = {other["name"] for other in vector["property"]["rules"]} - {rule}
    found = [without_rules(recorded_form(result), others) for result in results]
    assert found == [without_rules(expected, others) for expected in vector["expected"]]
