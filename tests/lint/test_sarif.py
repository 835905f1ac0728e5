"""SARIF 2.1.0: what code scanning needs of the format, checked against the parts of its schema that are used."""

from __future__ import annotations

from typing import Any, Final

import jsonschema

from harness.jsontext import dump
from harness.lint.registry import Finding
from harness.lint.rules import RULES
from harness.lint.sarif import sarif
from harness.problems import Problem

TEXT: Final = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}
LOCATION: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}},
                },
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        },
        "logicalLocations": {"type": "array", "items": {"required": ["fullyQualifiedName"]}},
    },
}
RULE: Final = {
    "type": "object",
    "required": ["id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "name": {"type": "string", "pattern": "^[A-Za-z0-9]+$"},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": {**TEXT, "required": ["text", "markdown"]},
        "defaultConfiguration": {"properties": {"level": LEVEL}},
        "properties": {"properties": {"tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}}},
    },
}
RESULT: Final = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "properties": {
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "minItems": 1, "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
INVOCATION: Final = {
    "required": ["executionSuccessful"],
    "properties": {
        "toolExecutionNotifications": {
            "type": "array",
            "items": {"required": ["message"], "properties": {"message": TEXT, "level": LEVEL}},
        }
    },
}
RUN: Final = {
    "type": "object",
    "required": ["tool", "results"],
    "properties": {
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "tool": {
            "required": ["driver"],
            "properties": {"driver": {"required": ["name"], "properties": {"rules": {"type": "array", "items": RULE}}}},
        },
        "results": {"type": "array", "items": RESULT},
        "invocations": {"type": "array", "items": INVOCATION},
    },
}
SCHEMA: Final = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": RUN},
    },
}

FINDINGS: Final = [
    Finding("ip-missing", "note", "properties/a b.yaml", 12, 'rules[0] "One"', "no ip", "Add it."),
    Finding("word-sent-as-id", "error", "-", 3, "", "a word", "Remove it."),
    Finding("undefined-token", "error", "/absolute/ü.json", None, "", "no such element", "Correct it."),
]
PROBLEMS: Final = [Problem("b.yaml", 2, "steps", "is wrong", "Correct it."), Problem("", None, "", "is wrong")]


def log() -> dict[str, Any]:
    return sarif(FINDINGS, PROBLEMS)


def test_the_log_holds_to_the_format() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(log())
    jsonschema.Draft202012Validator(SCHEMA).validate(sarif([]))


def test_every_rule_is_described_with_help() -> None:
    rules = log()["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(RULES[rule["id"]].bad in rule["help"]["markdown"] for rule in rules)


def test_a_result_points_at_its_rule_file_and_line() -> None:
    run = log()["runs"][0]
    for finding, result in zip(FINDINGS, run["results"], strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert result["level"] == finding.severity
    places = [result["locations"][0].get("physicalLocation") for result in run["results"]]
    assert places[0] == {"artifactLocation": {"uri": "properties/a%20b.yaml"}, "region": {"startLine": 12}}
    assert places[1] is None
    assert places[2]["artifactLocation"]["uri"] == "file:///absolute/%C3%BC.json"
    assert places[2]["region"] == {"startLine": 1}


def test_what_could_not_be_linted_is_told() -> None:
    (invocation,) = log()["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert len(invocation["toolExecutionNotifications"]) == 2
    assert sarif([])["runs"][0]["invocations"][0]["executionSuccessful"] is True


def test_the_fingerprint_stays_when_lines_move() -> None:
    def fingerprints(line: int, message: str) -> Any:
        (result,) = sarif([Finding("ip-missing", "note", "a.yaml", line, "k", message, "f")])["runs"][0]["results"]
        return result["partialFingerprints"]

    assert fingerprints(3, "m") == fingerprints(30, "m") != fingerprints(3, "n")


def test_the_same_findings_give_the_same_bytes() -> None:
    assert dump(log(), indent=2) == dump(log(), indent=2)
