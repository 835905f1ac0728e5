"""A stream of events from a file: every line becomes a row, all rows go through Mixpanel's door in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from harness.clock import parse_instant
from harness.event import Endpoint, Event, IdMerge, Json, NotAnEvent, from_wire
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.jsontext import parse

_NO_TIME_AT_ALL_MS: Final = parse_instant("2026-01-05T12:00:00Z")
_MOST_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an event file: its number, counted from 1, and the event it holds, or why it holds none."""

    number: int
    event: Event | NotAnEvent


@dataclass(frozen=True, slots=True)
class Resolved:
    """A stream after all of it has arrived.

    Attributes:
        lines: the lines in the order of the file.
        project: the project they went into.
        places: for each line, the index of its row in the project; differs from the order only when shuffled.
        order: for each row of the project, the index of its line.
    """

    lines: Sequence[Line]
    project: MixpanelProject
    places: Sequence[int]
    order: Sequence[int]


def read_stream(raw: bytes) -> list[Line]:
    """Return the lines of an event file; blank ones are left out.

    Args:
        raw: JSON lines, each an event in wire form or a flat line of a raw export. A line that is none of that becomes
            a `NotAnEvent` in its place.
    """
    return list(_lines(raw))


def resolve_stream(
    lines: Sequence[Line],
    id_merge: IdMerge,
    settings: ProjectSettings | None = None,
    *,
    endpoint: Endpoint = "import",
    strict: bool | None = None,
    now_ms: int | None = None,
) -> Resolved:
    """Send a stream to a fresh project in the order of its lines.

    Args:
        lines: the stream.
        id_merge: the project's system.
        settings: the reading of the rules.
        endpoint: the route they come by.
        strict: whether /import validates strictly; None: as the settings say.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event.
    """
    project = MixpanelProject(id_merge, settings)
    order = list(range(len(lines)))
    seed = project.settings.shuffle_seed
    if seed is not None:
        Random(seed).shuffle(order)  # noqa: S311 - an order to test with, not a secret
    clock = newest_ms(lines, project.settings) if now_ms is None else now_ms
    project.receive((lines[at].event for at in order), now_ms=clock, endpoint=endpoint, strict=strict)
    places = [0] * len(lines)
    for place, at in enumerate(order):
        places[at] = place
    return Resolved(lines, project, places, order)


def newest_ms(lines: Sequence[Line], settings: ProjectSettings) -> int:
    """Return the time of the newest event, in milliseconds since 1970; a fixed instant where no event has one."""
    threshold = settings.ingestion.ms_threshold
    times = [
        time * 1_000 if time < threshold else time
        for line in lines
        if isinstance(line.event, Event) and (time := _time(line.event.properties.get("time"))) is not None
    ]
    return math.floor(max(times)) if times else _NO_TIME_AT_ALL_MS


def as_json(resolved: Resolved) -> dict[str, Json]:
    """Return the document of `harness resolve --json`."""
    project = resolved.project
    return {
        "id_merge": project.id_merge,
        "users": len(project.users()),
        "events": [_event(index, resolved) for index in range(len(resolved.lines))],
        "clusters": [list(cluster.ids) for cluster in project.model.clusters()],
    }


def as_text(resolved: Resolved) -> str:
    """Return the stream as a table for people: each event with its user and its decision, then the clusters."""
    from tabulate import tabulate

    events = as_json(resolved)["events"]
    rows = [_row(event, line) for event, line in zip(events[:_MOST_LISTED], resolved.lines, strict=False)]
    headers = ["event", "name", "status", "distinct_id", "decision"]
    parts = [tabulate(rows, headers, disable_numparse=True) if rows else "no events"]
    if len(events) > _MOST_LISTED:
        parts.append(f"... and {len(events) - _MOST_LISTED:,} more events; --json has them all")
    joined = [cluster for cluster in resolved.project.model.clusters() if len(cluster.ids) > 1]
    parts += [_cluster(cluster.canonical, cluster.ids) for cluster in joined[:_MOST_LISTED]]
    if len(joined) > _MOST_LISTED:
        parts.append(f"... and {len(joined) - _MOST_LISTED:,} more clusters; --json has them all")
    parts.append(_summary(events, resolved))
    return "\n\n".join(parts)


def _lines(raw: bytes) -> Iterator[Line]:
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield Line(number, _event_of(line, number))


def json_of_line(line: bytes, number: int) -> Json | NotAnEvent:
    """Return the value of one line of an event file, or why it holds none.

    Args:
        line: the line.
        number: its number, counted from 1, for the message.
    """
    try:
        return parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return NotAnEvent("", f"line {number} is not UTF-8 (byte 0x{line[error.start]:02x})")
    except ValueError as error:
        return NotAnEvent("", f"line {number} is {error}")


def _event_of(line: bytes, number: int) -> Event | NotAnEvent:
    found = json_of_line(line, number)
    return found if isinstance(found, NotAnEvent) else from_wire(found)


def _time(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if -1e15 < value < 1e15 else None


def _event(index: int, resolved: Resolved) -> dict[str, Json]:
    project, place = resolved.project, resolved.places[index]
    row = project.rows[place]
    stored = project.stored(place)
    if stored is None:
        errors = [{"field": error.field, "message": error.message} for error in row.errors]
        return {"index": index, "status": "rejected", "line": resolved.lines[index].number, "errors": errors}
    decision = stored.arrival.decision
    return {
        "index": index,
        "status": project.status(place),
        "distinct_id": project.distinct_id(place),
        "received_distinct_id": stored.arrival.received,
        "decision": decision and {"kind": decision.kind, "outcome": decision.outcome, "reason": decision.reason},
    }


def _row(event: dict[str, Json], line: Line) -> list[str]:
    name = line.event.name if isinstance(line.event, Event) else "-"
    if event["status"] == "rejected":
        first = event["errors"][0]
        return [str(event["index"]), _short(name), "rejected", "", _short(f"{first['field']}: {first['message']}", 70)]
    decision = event["decision"]
    said = f"{decision['kind']} {decision['outcome']}" if decision else ""
    if decision and decision["reason"]:
        said += f" ({decision['reason']})"
    return [str(event["index"]), _short(name), event["status"], _short(event["distinct_id"]), said]


def _cluster(canonical: str, ids: Sequence[str]) -> str:
    more = f"\n  ... and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"{_short(canonical, 60)} is one user with {len(ids)} ids\n  " + "\n  ".join(map(_short, ids[:10])) + more


def _summary(events: Sequence[dict[str, Json]], resolved: Resolved) -> str:
    count = dict.fromkeys(("accepted", "duplicate", "rejected"), 0)
    for event in events:
        count[event["status"]] += 1
    refused = sum(decision.outcome == "refused" for decision in resolved.project.model.decisions)
    users = len(resolved.project.users())
    stored = ", ".join(f"{number} {status}" for status, number in count.items() if number) or "nothing accepted"
    return f"{resolved.project.id_merge}: {users} user{'' if users == 1 else 's'}; {stored}; {refused} refused"


def _short(text: str, most: int = 44) -> str:
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
