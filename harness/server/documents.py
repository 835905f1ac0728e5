"""What the control routes tell: the state of a session as JSON documents."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from harness import __version__
from harness.clock import format_instant
from harness.event import Json
from harness.identity.model import Caution, Decision
from harness.ingestion.project import RowResult
from harness.server.faults import Faults
from harness.server.recording import Shortened
from harness.server.sessions import Session

MOST_LISTED: Final = 10_000
"""The most entries of one page of events, decisions or rejections."""


def dump(document: Json) -> bytes:
    """Return a document as JSON in ASCII; what JSON has no form for (an infinite number) becomes text."""
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return json.dumps(_plain(document, 0), separators=(",", ":")).encode()


def health(session: Session) -> Json:
    """Return that the server is there, what it is, and how much it holds."""
    return {
        "status": "ok",
        "version": __version__,
        "id_merge": session.plan.id_merge,
        **counts(session),
        **clock(session),
    }


def clock(session: Session) -> Json:
    """Return what time it is for a session, and whether its clock stands still."""
    return {
        "now": format_instant(session.clock.now_ms()),
        "clock": "fixed" if session.clock.is_fixed else "wall",
    }


def session(one: Session) -> Json:
    """Return what a session is."""
    return {"token": one.token, "id_merge": one.plan.id_merge, **clock(one), **counts(one)}


def faults(chosen: Faults) -> Json:
    """Return which requests fail, and how many did."""
    return {"fail": chosen.text, "seed": chosen.seed, "requests": chosen.requests, "injected": chosen.injected}


def counts(session: Session) -> dict[str, int]:
    """Return how many rows arrived, were stored, were rejected or dropped, and how many decisions were made."""
    project = session.project
    rows, events = len(project.rows), len(project.events)
    return {
        "rows": rows,
        "events": events,
        "rejected": rows - events,
        "decisions": len(project.model.decisions),
        "resets": session.resets,
    }


def users(session: Session) -> Json:
    """Return every user: canonical distinct_id, the ids of the cluster, its events that count, and the profile."""
    project = session.project
    duplicates = project.duplicates()
    events: dict[str, int] = {}
    for stored_id, count in project.events.counts_by_id(duplicates).items():
        canonical = project.model.settled(stored_id)
        events[canonical] = events.get(canonical, 0) + count
    found = project.users()
    return {
        "id_merge": session.plan.id_merge,
        "count": len(found),
        "users": [
            {
                "distinct_id": distinct_id,
                "ids": list(project.model.members(distinct_id)),
                "events": events.get(distinct_id, 0),
                "profile": project.profiles.of(distinct_id),
            }
            for distinct_id in found
        ],
    }


def clusters(session: Session) -> Json:
    """Return every cluster as in `harness resolve`: ids sorted, clusters sorted; and the canonical id of each."""
    found = session.project.model.clusters()
    return {
        "id_merge": session.plan.id_merge,
        "count": len(found),
        "clusters": [list(cluster.ids) for cluster in found],
        "canonical": [cluster.canonical for cluster in found],
    }


def profiles(session: Session) -> Json:
    """Return the user profiles by distinct_id and the group profiles."""
    kept = session.project.profiles
    return {
        "users": kept.users,
        "groups": [
            {"group_key": key, "group_id": name, "properties": properties}
            for (key, name), properties in kept.groups.items()
        ],
    }


def rows(session: Session, since: int, limit: int) -> Json:
    """Return rows in order of arrival, with what became of each.

    Args:
        session: the session.
        since: the index of the first one.
        limit: how many at most.
    """
    total = len(session.project.rows)
    end = min(total, since + limit)
    return {
        "id_merge": session.plan.id_merge,
        "total": total,
        "next": max(since, end),
        "resets": session.resets,
        "events": [row(session, index) for index in range(since, end)],
    }


def row(session: Session, index: int) -> Json:
    """Return one row: the fields of `harness resolve`, what was stored, and warnings."""
    project = session.project
    stored = project.stored(index)
    result = project.rows[index]
    if stored is None:
        return rejection(session, result)
    return {
        "index": index,
        "status": project.status(index),
        "event": stored.event.name,
        "distinct_id": project.distinct_id(index),
        "received_distinct_id": stored.arrival.received,
        "decision": None if stored.arrival.decision is None else decision(stored.arrival.decision),
        "endpoint": stored.endpoint,
        "time": format_instant(stored.time_ms),
        "arrived": format_instant(stored.arrived_ms),
        "properties": dict(stored.event.properties),
        "cautions": [
            *({"field": caution.field, "message": caution.message} for caution in result.cautions),
            *({"rule": caution.rule, "message": caution.message} for caution in _cautions(session, index)),
        ],
    }


def rejection(session: Session, result: RowResult) -> Json:
    """Return one row that was not stored: why, and as it came where that is still kept."""
    raw = session.project.refused.get(result.event_index)
    name = raw.get("event") if isinstance(raw, Mapping) else raw.name if isinstance(raw, Shortened) else None
    return {
        "index": result.event_index,
        "status": "rejected",
        "silent": result.status == "dropped",
        "event": name if isinstance(name, str) else None,
        "insert_id": result.insert_id,
        "errors": [{"field": error.field, "message": error.message} for error in result.errors],
        "raw": raw if isinstance(raw, (Mapping, list, str, int, float)) else None,
    }


def rejections(session: Session, since: int, limit: int) -> Json:
    """Return the rows that were not stored, from an index on: rejected ones, and those dropped without a word."""
    kept = [result for result in session.project.refused_rows() if result.event_index >= since]
    return {
        "total": len(session.project.rows) - len(session.project.events),
        "next": kept[: limit + 1][-1].event_index if len(kept) > limit else len(session.project.rows),
        "resets": session.resets,
        "rejected": [rejection(session, result) for result in kept[:limit]],
    }


def decisions(session: Session, since: int, limit: int) -> Json:
    """Return identity decisions in order of arrival; `since` counts decisions, not events."""
    made = session.project.model.decisions
    end = min(len(made), since + limit)
    return {
        "id_merge": session.plan.id_merge,
        "total": len(made),
        "next": max(since, end),
        "resets": session.resets,
        "decisions": [decision(one) for one in made[since:end]],
    }


def decision(made: Decision) -> Json:
    """Return one decision, with the rule it rests on and that rule's evidence."""
    return {
        "index": made.event_index,
        "kind": made.kind,
        "outcome": made.outcome,
        "reason": made.reason,
        "ids": list(made.ids),
        "rule": made.rule,
        "evidence": made.evidence,
        "description": made.description,
    }


def _cautions(session: Session, index: int) -> list[Caution]:
    kept = session.project.model.cautions
    first = bisect_left(kept, index, key=lambda caution: caution.event_index)
    found = []
    while first < len(kept) and kept[first].event_index == index:
        found.append(kept[first])
        first += 1
    return found


def _plain(value: Json, level: int) -> Json:
    if level > 60:
        return "(nested too deeply to show)"
    if isinstance(value, Mapping):
        return {str(key): _plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, level + 1) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
