from __future__ import annotations

import json
from copy import deepcopy
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from harness.event import Json
from harness.report import jsonreport
from harness.scenario.results import RunResult
from tests.report.samples import big_cluster, edge_flow, green, rich, shared_device, with_hostile


def schema() -> Json:
    return json.loads(resources.files("harness.report").joinpath("report.schema.json").read_text("utf-8"))


def closed(part: Json) -> Json:
    """Return the schema with every object closed, so that a key it does not document is an error."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: closed(each) for key, each in part.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found["additionalProperties"] = False
    return found


def described(part: Json, where: str = "") -> list[str]:
    """Return every property of the schema that has no description."""
    if isinstance(part, list):
        return [name for each in part for name in described(each, where)]
    if not isinstance(part, dict):
        return []
    missing = [
        f"{where}.{name}"
        for name, each in part.get("properties", {}).items()
        if "description" not in each and "$ref" not in each
    ]
    return missing + [name for key, each in part.items() for name in described(each, f"{where}.{key}")]


def test_the_published_schema_is_a_schema_and_describes_every_key() -> None:
    Draft202012Validator.check_schema(schema())
    assert described(schema()) == []
    assert schema()["$id"] == "urn:identity-harness:report:1"


@pytest.mark.parametrize(
    "run", [rich(), with_hostile(), green(3), RunResult()], ids=["rich", "hostile", "green", "empty"]
)
def test_reports_follow_the_published_schema_to_the_key(run: RunResult) -> None:
    Draft202012Validator(closed(deepcopy(schema()))).validate(json.loads(jsonreport.render(run)))


def test_the_keys_of_the_contract_have_their_shape() -> None:
    (scenario,) = jsonreport.document(RunResult((shared_device(),)))["scenarios"]
    assert (scenario["file"], scenario["id_merge"], scenario["status"]) == (
        "scenarios/devices/kiosk.yaml",
        "simplified",
        "failed",
    )
    assert scenario["checks"][2]["expected"] == []
    assert scenario["people"] == {"joined": 0, "split": ["ben"], "mixed": [["ana", "ben"]]}


def test_decisions_cite_their_rule_and_its_evidence() -> None:
    (scenario,) = jsonreport.document(RunResult((shared_device(),)))["scenarios"]
    refused = [decision for decision in scenario["decisions"] if decision["outcome"] == "refused"]
    assert refused[0]["rule"] == "simplified.device_of_another"
    assert refused[0]["evidence"] == "observed"
    assert refused[0]["reason"] == "errAnonDistinctIdAssignedAlready"


def test_edge_steps_tell_what_each_rule_did() -> None:
    (scenario,) = jsonreport.document(RunResult((edge_flow(),)))["scenarios"]
    assert [rule["status"] for rule in scenario["steps"][0]["rules"]] == ["success", "condition_not_met", "failed"]


def test_scenarios_stay_in_the_order_of_files_and_in_full() -> None:
    document = json.loads(jsonreport.render(rich()))
    assert [scenario["file"] for scenario in document["scenarios"]] == [result.file for result in rich().scenarios]
    (big,) = jsonreport.document(RunResult((big_cluster(),)))["scenarios"]
    assert max(len(cluster["ids"]) for cluster in big["clusters"]) >= 500


def test_any_text_survives_and_the_file_is_ascii() -> None:
    text = jsonreport.render(with_hostile())
    assert text.isascii()
    names = {scenario["name"] for scenario in json.loads(text)["scenarios"]}
    assert {result.name for result in with_hostile().scenarios} == names
