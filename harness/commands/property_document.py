"""A property, and what changes between two, as the JSON documents of `harness property --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.event import Json
from harness.forwarder.model import Action, Condition, DataElement, Property
from harness.forwarder.property_diff import Change, FieldChange
from harness.forwarder.property_uses import Undefined, Use, secrets, tokens_of, undefined, unused, users
from harness.forwarder.property_words import condition_words
from harness.scenario.compare import ID_FIELDS, Comparison
from harness.scenario.results import ScenarioResult


def property_document(property_: Property) -> dict[str, Json]:
    """Return everything that was understood of a property; secrets with their ids and names, never a value."""
    used_by = users(property_)
    return {
        "property": {
            "name": property_.name,
            "file": property_.file,
            "shape": property_.shape,
            "environment": property_.environment,
            "extensions": list(property_.extensions),
        },
        "rules": [
            {
                "name": rule.name,
                "id": rule.rule_id or None,
                "conditions": [_condition(condition) for condition in rule.conditions],
                "actions": [_action(action) for action in rule.actions],
            }
            for rule in property_.rules
        ],
        "data_elements": [_element(element, used_by) for element in property_.data_elements],
        "unused": list(unused(property_)),
        "undefined": [_undefined(one) for one in undefined(property_)],
        "secrets": [
            {"data_element": one.element, "environment": one.environment, "id": one.id, "name": one.name,
             "needed": one.is_needed}
            for one in secrets(property_)
        ],
        "left_out": [
            {"kind": one.kind, "name": one.name, "reason": one.reason, "file": one.file or property_.file,
             "line": one.line}
            for one in property_.left_out
        ],
    }  # fmt: skip


def _element(element: DataElement, used_by: dict[str, list[Use]]) -> dict[str, Json]:
    return {
        "name": element.name,
        "id": element.component_id,
        "type": element.type,
        "settings": element.settings,
        "default_value": element.default_value,
        "clean_text": element.clean_text,
        "force_lower_case": element.force_lower_case,
        "tokens": list(tokens_of(element)),
        "used_by": [str(use) for use in used_by.get(element.name, ())],
    }


def _undefined(one: Undefined) -> dict[str, Json]:
    used_by = [str(use) for use in one.used_by]
    return {"name": one.name, "reason": one.reason, "nearest": one.nearest, "used_by": used_by}


def _condition(condition: Condition) -> dict[str, Json]:
    shown = _component(condition)
    return {**shown, "negate": condition.negate, "words": condition_words(condition)}


def _action(action: Action) -> dict[str, Json]:
    event = (action.settings or {}).get("event")
    return {**_component(action), "event": event if action.type == "send-event" else None}


def _component(part: Condition | Action) -> dict[str, Json]:
    return {
        "name": part.name,
        "id": part.component_id,
        "type": part.type,
        "timeout": part.timeout,
        "settings": part.settings,
        "tokens": list(tokens_of(part)),
    }


def diff_document(
    property_: Property, other: Property, changes: Sequence[Change], comparisons: Sequence[Comparison]
) -> dict[str, Json]:
    """Return what is different between two properties, and what that does to the scenarios of the first one."""
    return {
        "property": property_.file,
        "other": other.file,
        "changes": [_change(change) for change in changes],
        "scenarios": {
            "compared": len(comparisons),
            "changed": [_comparison(one) for one in comparisons if one.changed],
        },
        "events": events_document(comparisons),
    }


def events_document(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return over all scenarios how many forwarded events differ, and in which ids."""
    events = [one.events for one in comparisons]
    return {
        "matched": sum(one.matched for one in events),
        "differ": {field: sum(one.differ[field] for one in events) for field in ID_FIELDS},
        "gone": sum(one.gone for one in events),
        "new": sum(one.new for one in events),
    }


def _change(change: Change) -> dict[str, Json]:
    return {
        "kind": change.kind,
        "name": change.name,
        "rule": change.rule,
        "what": change.what,
        "note": change.note,
        "fields": [_field(field) for field in change.fields],
    }


def _field(field: FieldChange) -> dict[str, Json]:
    return {"field": field.field, "what": field.what, "before": field.before, "after": field.after}


def _comparison(one: Comparison) -> dict[str, Json]:
    return {
        "name": one.before.name,
        "file": one.before.file,
        "id_merge": one.before.id_merge,
        "before": _outcome(one.before),
        "after": _outcome(one.after),
        "checks": [change._asdict() for change in one.checks],
        "events": events_document([one]),
    }


def _outcome(result: ScenarioResult) -> dict[str, Json]:
    people = result.people
    return {
        "status": result.status,
        "users": result.users,
        "people": {
            "joined": people.joined,
            "split": list(people.split),
            "mixed": [list(group) for group in people.mixed],
        },
        "clusters": [list(cluster.ids) for cluster in result.clusters],
        "headline": result.headline,
    }
