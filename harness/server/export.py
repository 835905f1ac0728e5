"""`/api/2.0/export`: the raw export of a project, one event a line, as Mixpanel gives it.

`distinct_id` is the canonical one of today; an event that moved to another user says where it was before (`docs`).
Days are those of the project's time zone, both ends included. Real exports may hold duplicates, and may lag behind the
merges (`observed`); both are off unless asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from harness.event import IDENTITY_EVENTS, Json
from harness.identity.model import Decision, build
from harness.ingestion.hosts import API_HOSTS
from harness.ingestion.project import MixpanelProject, StoredEvent

_NOT_EXPORTED: Final = frozenset({"token", "time", "distinct_id"})
_MOST_EVENTS: Final = 100_000_000
_EVENTS_A_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How an export differs from the settled truth.

    Attributes:
        shows_duplicates: whether events that don't count are exported too.
        lag_ms: how old a merge has to be until it shows, in milliseconds.
    """

    shows_duplicates: bool = False
    lag_ms: int = 0


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What is asked for: the days, both included; the event names, None for all; how many; and times in ms or s."""

    first: date
    last: date
    names: frozenset[str] | None
    limit: int
    in_ms: bool


Chunks: TypeAlias = Iterator[bytes]


class BadQueryError(Exception):
    """A query that can't be answered; the message says why."""


def read_query(parameters: dict[str, str]) -> ExportQuery:
    """Return what the parameters of a request ask for.

    Raises:
        BadQueryError: when something is missing or wrong.
    """
    if parameters.get("where"):
        raise BadQueryError("where is not supported by the local server; filter the lines that it gives")
    first, last = _day(parameters, "from_date"), _day(parameters, "to_date")
    if first > last:
        raise BadQueryError("from_date is after to_date")
    limit = parameters.get("limit", str(_MOST_EVENTS))
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:15]) <= _MOST_EVENTS):
        raise BadQueryError(f"limit needs a whole number of at least 1, found {limit[:40]!r}")
    return ExportQuery(first, last, _names(parameters), int(limit), parameters.get("time_in_ms") in ("1", "true"))


def lines(project: MixpanelProject, query: ExportQuery, options: ExportOptions, now_ms: int) -> Chunks:
    """Yield the export in chunks of lines.

    Args:
        project: the project, as it is now; what arrives meanwhile is not part of it.
        query: what is asked for.
        options: how it differs from the settled truth.
        now_ms: Mixpanel's clock, milliseconds since 1970.
    """
    zone = ZoneInfo(project.settings.ingestion.project_timezone)
    start_ms, end_ms = _midnight(query.first, zone), _midnight(query.last + timedelta(days=1), zone)
    hidden = frozenset[int]() if options.shows_duplicates else project.duplicates()
    resolve = _resolver(project, options, now_ms)
    left = query.limit
    chunk: list[str] = []
    for place in range(len(project.events)):
        stored = project.events[place]
        if not start_ms <= stored.time_ms < end_ms or stored.event_index in hidden:
            continue
        if query.names is not None and stored.event.name not in query.names:
            continue
        chunk.append(_line(project, stored, resolve(stored.arrival.stored), in_ms=query.in_ms))
        left -= 1
        if not left:
            break
        if len(chunk) >= _EVENTS_A_CHUNK:
            yield "".join(chunk).encode()
            chunk.clear()
    yield "".join(chunk).encode()


def _line(project: MixpanelProject, stored: StoredEvent, distinct_id: str, *, in_ms: bool) -> str:
    event, received, decision = stored.event, stored.arrival.received, stored.arrival.decision
    properties: dict[str, Json] = {
        "time": stored.time_ms if in_ms else stored.time_ms // 1_000,
        "distinct_id": distinct_id,
        "$insert_id": stored.insert_id,
        "$mp_api_endpoint": API_HOSTS[project.settings.region],
        "$mp_api_timestamp_ms": stored.arrived_ms,
        "mp_processing_time_ms": stored.arrived_ms,
    }
    if distinct_id != received:
        properties["$distinct_id_before_identity"] = received
    if stored.endpoint == "import":
        properties["$import"] = True
    properties.update(_failure(decision, is_identity_event=event.name in IDENTITY_EVENTS))
    sent = {key: value for key, value in event.properties.items() if key not in _NOT_EXPORTED}
    size = len(json.dumps({"event": event.name, "properties": dict(event.properties)}, separators=(",", ":")))
    properties = {**properties, "$mp_event_size": size, **sent, "$insert_id": stored.insert_id}
    return json.dumps({"event": event.name, "properties": properties}, separators=(",", ":")) + "\n"


def _failure(decision: Decision | None, *, is_identity_event: bool) -> dict[str, Json]:
    """Return the properties that Mixpanel puts on an event whose identity it refused (`docs`)."""
    if decision is None or decision.outcome != "refused" or decision.reason is None:
        return {}
    if not is_identity_event:
        return {"$identity_failure_reason": decision.reason}
    return {"$failure_reason": decision.reason, "$failure_description": decision.description}


def _resolver(project: MixpanelProject, options: ExportOptions, now_ms: int) -> Callable[[str], str]:
    if not options.lag_ms:
        return project.model.settled
    model = build(project.id_merge, project.settings.identity)
    for stored in project.events:
        if stored.arrived_ms > now_ms - options.lag_ms:
            break
        model.add(stored.event, index=stored.event_index, endpoint=stored.endpoint, arrival_ms=stored.arrived_ms)
    return model.settled


def _day(parameters: dict[str, str], name: str) -> date:
    text = parameters.get(name, "")
    if not text:
        raise BadQueryError(f"{name} is missing; give a day as in 2026-01-05")
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 9990:
        raise BadQueryError(f"{name} needs a day as in 2026-01-05, found {text[:40]!r}")
    return found


def _names(parameters: dict[str, str]) -> frozenset[str] | None:
    text = parameters.get("event", "")
    if not text:
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadQueryError('event needs a JSON list of names, for example ["Page View"]')
    return frozenset(names) if names else None


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1_000)
