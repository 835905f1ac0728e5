"""Findings as SARIF 2.1.0, the form that code scanning reads. The same findings give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from harness import __version__
from harness.event import Json
from harness.lint.registry import Finding, LintRule
from harness.lint.rules import RULES
from harness.problems import Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
TOOL: Final = "identity-harness"
_STDIN: Final = "-"


def sarif(findings: Sequence[Finding], problems: Iterable[Problem] = ()) -> dict[str, Json]:
    """Return one SARIF log with one run.

    Args:
        findings: the findings, in the order in which they are to stand.
        problems: what could not be linted.
    """
    index = {name: position for position, name in enumerate(RULES)}
    driver: dict[str, Json] = {
        "name": TOOL,
        "version": __version__,
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "utf16CodeUnits",
                "invocations": [_invocation(list(problems))],
                "results": [_result(finding, index[finding.rule]) for finding in findings],
            }
        ],
    }


def _rule(rule: LintRule) -> dict[str, Json]:
    evidence = f"Evidence: {rule.evidence} ({rule.source})."
    text = (rule.summary, f"What to do: {rule.fix}", f"Found:\n{rule.bad}", f"Not found:\n{rule.good}", evidence)
    shown = ("Found:", _code(rule.bad), "Not found:", _code(rule.good))
    markdown = (rule.summary, f"**What to do:** {rule.fix}", *shown, evidence)
    return {
        "id": rule.name,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.fix}"},
        "help": {"text": "\n\n".join(text), "markdown": "\n\n".join(markdown)},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [rule.subject, *rule.systems], "evidence": rule.evidence, "source": rule.source},
    }


def _code(text: str) -> str:
    return f"````\n{text}\n````"


def _result(finding: Finding, rule_index: int) -> dict[str, Json]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": finding.severity,
        "message": {"text": f"{finding.message}. {finding.fix}"},
        "locations": [_location(finding.file, finding.line, finding.key)],
        "partialFingerprints": {"finding/v1": _fingerprint(finding)},
    }


def _location(file: str, line: int | None, key: str) -> dict[str, Json]:
    location: dict[str, Json] = {}
    if file and file != _STDIN:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(file)},
            "region": {"startLine": line or 1},
        }
    if key:
        location["logicalLocations"] = [{"fullyQualifiedName": key}]
    return location


def _uri(file: str) -> str:
    path = quote(PurePosixPath(file).as_posix(), errors="surrogateescape")
    return f"file://{path}" if path.startswith("/") else path


def _fingerprint(finding: Finding) -> str:
    """Return what stays the same when lines move."""
    parts = (finding.rule, finding.file, finding.key, finding.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _invocation(problems: Sequence[Problem]) -> dict[str, Json]:
    notifications = [
        {
            "level": "error",
            "message": {"text": str(problem)},
            "locations": [_location(problem.file, problem.line, problem.key)],
        }
        for problem in problems
    ]
    return {"executionSuccessful": not problems, "toolExecutionNotifications": notifications}
