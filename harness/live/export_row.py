"""One row of a raw export: what Mixpanel says of one stored event today.

A line is `{"event": ..., "properties": {...}}`; a flat line, where every key but `event` is an event property, is taken
too. `distinct_id` is the canonical one, `$distinct_id_before_identity` what it was before (`docs`: on events that were
given to another id).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.event import Json, id_text
from harness.ingestion.project import HOT_SHARD
from harness.jsontext import parse

RUN_PROPERTY = "harness_run"
"""The event property by which a test run marks what it sends."""


class ExportRow(NamedTuple):
    """What is kept of one row.

    Attributes:
        event: the event name; of an event in a hot shard the name it had before.
        distinct_id: the canonical distinct_id it is shown under, "" for nobody.
        before: `$distinct_id_before_identity`; None where the row has none.
        sent: the distinct_id that was sent, as far as the row tells.
        insert_id: its `$insert_id`, "" for none.
        time_s: its time in seconds since 1970, as the row has it; None for none.
        ids: every id it carries, as texts.
        run: the test run it is marked with, "" for none.
        reason: why an identity event was refused (`$failure_reason`, `$identity_failure_reason`), "" for no reason.
        arrived_ms: when Mixpanel took it, milliseconds since 1970; None where the row does not tell.
    """

    event: str
    distinct_id: str
    before: str | None
    sent: str
    insert_id: str
    time_s: int | None
    ids: frozenset[str]
    run: str
    reason: str
    arrived_ms: int | None


def read_row(line: bytes) -> ExportRow:
    """Return one line of an export.

    Raises:
        ValueError: when the line is no event; the message says why.
    """
    raw = parse(line.decode("utf-8"))
    if not isinstance(raw, dict) or not isinstance(raw.get("event"), str):
        raise ValueError("not an event: needs an object with a text under 'event'")  # noqa: TRY004 - about a text
    properties = raw.get("properties", raw)
    if not isinstance(properties, dict):
        raise ValueError("not an event: 'properties' needs an object")  # noqa: TRY004 - about a text
    return _row(raw["event"], properties)


def _row(event: str, properties: dict[str, Json]) -> ExportRow:
    get = properties.get
    shown = id_text(get("distinct_id"))
    before = id_text(get("$distinct_id_before_identity")) or None
    sent = before or shown
    if event == HOT_SHARD and isinstance(get("mp_original_event_name"), str):
        event, sent = properties["mp_original_event_name"], id_text(get("mp_original_distinct_id"))
    carried = (shown, sent, id_text(get("$user_id")), id_text(get("$device_id")))
    return ExportRow(
        event=event,
        distinct_id=shown,
        before=before,
        sent=sent,
        insert_id=id_text(get("$insert_id")),
        time_s=_seconds(get("time")),
        ids=frozenset(filter(None, carried)),
        run=id_text(get(RUN_PROPERTY)),
        reason=id_text(get("$failure_reason")) or id_text(get("$identity_failure_reason")),
        arrived_ms=_whole(get("mp_processing_time_ms")) or _whole(get("$mp_api_timestamp_ms")),
    )


def _seconds(value: Json) -> int | None:
    whole = _whole(value)
    if whole is None:
        return None
    return whole // 1_000 if whole >= 100_000_000_000 else whole


def _whole(value: Json) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if -1e18 < value < 1e18 else None
