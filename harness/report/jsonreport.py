"""The run as JSON: everything in it, for scripts. The published schema is `report.schema.json` beside this file."""

from __future__ import annotations

from typing import Final

from harness.event import Json
from harness.identity.model import Decision
from harness.identity.rules import RULES
from harness.jsontext import dump
from harness.report.plain import instant
from harness.scenario.results import (
    CautionRecord,
    CheckResult,
    ClusterRecord,
    EventRecord,
    People,
    Quality,
    RunResult,
    ScenarioResult,
    StepRecord,
)

SCHEMA_VERSION: Final = "1.1"
_DECIMALS: Final = 6


def render(run: RunResult) -> str:
    """Return the run as one JSON document in plain ASCII."""
    return dump(document(run), indent=2) + "\n"


def document(run: RunResult) -> dict[str, Json]:
    """Return the run as a JSON value of the published schema."""
    return {
        "schema_version": SCHEMA_VERSION,
        "summary": {
            "scenarios": len(run.scenarios),
            "passed": run.count("passed"),
            "failed": run.count("failed"),
            "known_failure": run.count("known_failure"),
            "error": run.count("error"),
            "exit_code": run.exit_code,
            "quality": _quality(run.quality),
        },
        "notes": list(run.notes),
        "scenarios": [_scenario(result) for result in run.scenarios],
    }


def _scenario(result: ScenarioResult) -> dict[str, Json]:
    return {
        "name": result.name,
        "file": result.file,
        "id_merge": result.id_merge,
        "status": result.status,
        "headline": result.headline,
        "known_failure": result.known_failure,
        "checks": [_check(check) for check in result.checks],
        "people": _people(result.people),
        "users": result.users,
        "accepted": result.accepted,
        "quality": _quality(result.quality),
        "steps": [_step(step) for step in result.steps],
        "events": [_event(event) for event in result.events],
        "decisions": [_decision(decision) for decision in result.decisions],
        "clusters": [_cluster(cluster) for cluster in result.clusters],
        "explained": [
            {"about": each.about, "people": list(each.people), "ids": list(each.ids), "explain": each.document}
            for each in result.explained
        ],
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "key": problem.key,
                "message": problem.message,
                "fix": problem.fix,
            }
            for problem in result.problems
        ],
    }


def _check(check: CheckResult) -> dict[str, Json]:
    return {
        "check": check.check,
        "status": check.status,
        "expected": check.expected,
        "actual": check.actual,
        "sentence": check.sentence,
    }


def _people(people: People) -> dict[str, Json]:
    return {"joined": people.joined, "split": list(people.split), "mixed": [list(group) for group in people.mixed]}


def _quality(quality: Quality) -> dict[str, Json]:
    return {
        "events": quality.events,
        "pairwise_precision": round(quality.pairwise_precision, _DECIMALS),
        "pairwise_recall": round(quality.pairwise_recall, _DECIMALS),
        "bcubed_precision": round(quality.bcubed_precision, _DECIMALS),
        "bcubed_recall": round(quality.bcubed_recall, _DECIMALS),
    }


def _step(step: StepRecord) -> dict[str, Json]:
    return {
        "number": step.number,
        "kind": step.kind,
        "title": step.title,
        "person": step.person,
        "line": step.line,
        "at": instant(step.at_ms),
        "rules": [
            {"name": rule.name, "status": rule.status, "error": rule.error, "requests": rule.requests}
            for rule in step.rules
        ],
    }


def _event(event: EventRecord) -> dict[str, Json]:
    return {
        "index": event.index,
        "step": event.step,
        "person": event.person,
        "name": event.name,
        "endpoint": event.endpoint,
        "arrival": instant(event.arrival_ms),
        "time": None if event.time_ms is None else instant(event.time_ms),
        "status": event.status,
        "received_distinct_id": event.received_distinct_id,
        "distinct_id": event.distinct_id,
        "ids": list(event.ids),
        "decision": None if event.decision is None else _decision(event.decision),
        "errors": [{"field": field, "message": message} for field, message in event.errors],
        "cautions": [_caution(caution) for caution in event.cautions],
        "rule": event.rule,
    }


def _decision(decision: Decision) -> dict[str, Json]:
    return {
        "event_index": decision.event_index,
        "kind": decision.kind,
        "ids": list(decision.ids),
        "outcome": decision.outcome,
        "reason": decision.reason,
        "description": decision.description,
        "rule": decision.rule,
        "evidence": decision.evidence,
    }


def _caution(caution: CautionRecord) -> dict[str, Json]:
    return {
        "rule": caution.rule,
        "evidence": RULES[caution.rule].evidence if caution.rule is not None else None,
        "field": caution.field,
        "ids": list(caution.ids),
        "message": caution.message,
    }


def _cluster(cluster: ClusterRecord) -> dict[str, Json]:
    return {
        "canonical": cluster.canonical,
        "ids": list(cluster.ids),
        "people": list(cluster.people),
        "events": cluster.events,
    }
