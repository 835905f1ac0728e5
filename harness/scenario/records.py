"""Turns what a project holds at the end of a run into the records that reports read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.event import (
    DEVICE_PREFIX,
    IDENTITY_EVENTS,
    Endpoint,
    IdMerge,
    Json,
    NotAnEvent,
    device_key,
    from_wire,
    id_text,
)
from harness.identity.simplified import named_ids
from harness.ingestion.project import MixpanelProject, RowResult, StoredEvent
from harness.scenario.results import CautionRecord, ClusterRecord, EventRecord


@dataclass(frozen=True, slots=True)
class Seen:
    """What the run knows about a row besides what the project keeps: its step, its person, the row as sent."""

    step: int
    person: str | None
    raw: Json
    endpoint: Endpoint
    arrival_ms: int
    rule: str | None


def event_records(project: MixpanelProject, seen: Sequence[Seen]) -> list[EventRecord]:
    """Return every row with what became of it, in order of arrival; `seen` has one entry a row."""
    statuses = project.statuses()
    cautions: dict[int, list[CautionRecord]] = {}
    for caution in project.model.cautions:
        record = CautionRecord(caution.message, rule=caution.rule, ids=caution.ids)
        cautions.setdefault(caution.event_index, []).append(record)
    records = []
    for known, row in zip(seen, project.rows, strict=True):
        stored = project.stored(row.event_index)
        records.append(
            EventRecord(
                index=row.event_index,
                step=known.step,
                person=known.person,
                name=_name_of(known.raw),
                endpoint=known.endpoint,
                arrival_ms=known.arrival_ms,
                time_ms=stored.time_ms if stored else None,
                status=statuses[row.event_index],
                received_distinct_id=stored.arrival.received if stored else "",
                distinct_id=project.distinct_id(row.event_index),
                ids=_ids_of(known.raw, stored, project.id_merge),
                decision=stored.arrival.decision if stored else None,
                errors=tuple((error.field, error.message) for error in row.errors),
                cautions=(*cautions.get(row.event_index, ()), *_row_cautions(row)),
                rule=known.rule,
            )
        )
    return records


def cluster_records(project: MixpanelProject, events: Sequence[EventRecord]) -> tuple[ClusterRecord, ...]:
    """Return every cluster with the people and the number of events it holds."""
    people: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for event in events:
        if event.status == "accepted" and event.distinct_id:
            counts[event.distinct_id] = counts.get(event.distinct_id, 0) + 1
            if event.person is not None:
                people.setdefault(event.distinct_id, set()).add(event.person)
    return tuple(
        ClusterRecord(
            cluster.canonical,
            cluster.ids,
            tuple(sorted(people.get(cluster.canonical, ()))),
            counts.get(cluster.canonical, 0),
        )
        for cluster in project.model.clusters()
    )


def _name_of(raw: Json) -> str:
    return id_text(raw.get("event")) if isinstance(raw, Mapping) else ""


def _ids_of(raw: Json, stored: StoredEvent | None, id_merge: IdMerge) -> tuple[str, ...]:
    event = stored.event if stored is not None else from_wire(raw)
    if isinstance(event, NotAnEvent):
        return ()
    sent = id_text(event.properties.get("distinct_id"))
    ids = [stored.arrival.received if stored is not None else "", sent]
    if event.name in IDENTITY_EVENTS:
        ids += named_ids(event, sent)
    elif id_merge == "simplified":
        device = id_text(event.properties.get("$device_id")).removeprefix(DEVICE_PREFIX)
        ids += [device_key(device) if device else "", id_text(event.properties.get("$user_id"))]
    return tuple(dict.fromkeys(text for text in ids if text))


def _row_cautions(row: RowResult) -> list[CautionRecord]:
    return [CautionRecord(f"{caution.field} {caution.message}", field=caution.field) for caution in row.cautions]
