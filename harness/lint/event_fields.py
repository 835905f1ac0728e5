"""Rules about what Mixpanel's door makes of events: time, `$insert_id`, ids that are none, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Event, Json, NotAnEvent, id_text, kind_of_json
from harness.ingestion.limits import DISALLOWED_IDS, EARLIEST_MS, INSERT_ID_BYTES
from harness.ingestion.rules import IN_THE_FUTURE, INSERT_ID_MISSING, TIME_MISSING
from harness.jsontext import dump
from harness.lint.registry import Spot, rule
from harness.lint.stream import END_OF_TIME_MS, EventsSubject, Row, id_fields, milliseconds_of

_IMPORT: Final = "Mixpanel docs, Import Events"
_TRACK: Final = "Mixpanel docs, Track Events"
_DEDUPLICATION: Final = "Mixpanel docs, Event Deduplication"
_INSERT_ID: Final = re.compile(r"[A-Za-z0-9-]+")
_TOLD_ELSEWHERE: Final = frozenset({"properties.time", "$insert_id", ""})
_UNITS: Final = (("microseconds", 1e-3), ("nanoseconds", 1e-6), ("days", 86_400_000.0), ("minutes", 60_000.0))
_PLAUSIBLE_MS: Final = (946_684_800_000, END_OF_TIME_MS)


@rule(
    "events",
    "error",
    fix='Write one event a line: {"event": "Page", "properties": {...}}.',
    bad='{"properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=_IMPORT,
)
def line_is_no_event(subject: EventsSubject) -> Iterator[Spot]:
    """A line is no event: no JSON, or without a name."""
    for row in subject.rows:
        if isinstance(row.event, NotAnEvent):
            yield row.spot(row.event.message)


@rule(
    "events",
    "error",
    fix="Send a number of seconds (or milliseconds) since 1970.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "time": "2026-01-05T12:00:00Z", "$insert_id": "e1"}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=_IMPORT,
)
def time_is_no_number(subject: EventsSubject) -> Iterator[Spot]:
    """The time of an event is a text or anything but a number, so the event is rejected."""
    for row, event in subject.events():
        sent = event.properties.get("time")
        if sent is not None and (isinstance(sent, bool) or not isinstance(sent, (int, float))):
            yield row.spot(f"time is {kind_of_json(sent)} and no number")


@rule(
    "events",
    "error",
    fix="Send seconds or milliseconds since 1970.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400000000, "$insert_id": "e1"}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400000, "$insert_id": "e1"}}',
    evidence="docs",
    source=f"{_IMPORT}; https://github.com/mixpanel/mixpanel-js/issues/427",
)
def time_in_wrong_unit(subject: EventsSubject) -> Iterator[Spot]:
    """The time of an event lies before 1971 or after 2099, as Mixpanel reads it."""
    for row, event in subject.events():
        sent = event.properties.get("time")
        time_ms = milliseconds_of(sent, subject.project.settings)
        if sent is None or time_ms is None or EARLIEST_MS <= time_ms < END_OF_TIME_MS:
            continue
        unit = next((name for name, factor in _UNITS if _PLAUSIBLE_MS[0] <= sent * factor < _PLAUSIBLE_MS[1]), None)
        reading = "before 1971" if time_ms < EARLIEST_MS else "after 2099"
        yield row.spot(f"time {sent} is {reading}" + (f"; it looks like {unit}" if unit else ""))


@rule(
    "events",
    "error",
    fix="Add the time at which it happened, in seconds since 1970.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "$insert_id": "e1"}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=_IMPORT,
)
def time_missing_on_import(subject: EventsSubject) -> Iterator[Spot]:
    """An event for /import has no time, so it is rejected."""
    for row, _, result in subject.refusals:
        if TIME_MISSING in result.errors:
            yield row.spot("time is missing, and /import requires it")


@rule(
    "events",
    "error",
    fix="Check the time zone: the time is in UTC.",
    bad="""
name: A local time
id_merge: simplified
settings: {now: 2026-01-05T12:00:00Z}
steps: [{event: Page, endpoint: import, properties: {$user_id: ana, time: 1767646800}}]""",
    good="""
name: A time in UTC
id_merge: simplified
settings: {now: 2026-01-05T12:00:00Z}
steps: [{event: Page, endpoint: import, properties: {$user_id: ana, time: 1767614400}}]""",
    evidence="docs",
    source=f"{_IMPORT}; https://github.com/ak--47/mpMigrate/issues/10",
)
def time_in_the_future(subject: EventsSubject) -> Iterator[Spot]:
    """The time of an event is more than an hour ahead, so a strict import rejects it."""
    for row, event, result in subject.refusals:
        time_ms = milliseconds_of(event.properties.get("time"), subject.project.settings)
        if IN_THE_FUTURE in result.errors and time_ms is not None and time_ms < END_OF_TIME_MS:
            yield row.spot("time is more than one hour ahead; is it a local time?")


@rule(
    "events",
    "error",
    fix="Send events older than five days by /import.",
    bad="""
name: Last week
id_merge: simplified
settings: {now: 2026-01-05T12:00:00Z}
steps: [{event: Page, properties: {$user_id: ana, time: 1767009600}}]""",
    good="""
name: Last week
id_merge: simplified
settings: {now: 2026-01-05T12:00:00Z}
steps: [{event: Page, endpoint: import, properties: {$user_id: ana, time: 1767009600}}]""",
    evidence="docs",
    source=f"{_TRACK}; https://github.com/mixpanel/mixpanel-node/issues/190",
)
def too_old_for_track(subject: EventsSubject) -> Iterator[Spot]:
    """An event for /track is older than five days, so it vanishes."""
    for row, _, result in subject.refusals:
        if any(error.field == "properties.time" and "days ago" in error.message for error in result.errors):
            yield row.spot(f"/track takes the last {subject.project.settings.ingestion.track_window_days:g} days only")


@rule(
    "events",
    "error",
    fix="Add an $insert_id: letters, digits and hyphens, the same when the event is sent again.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=_IMPORT,
)
def insert_id_missing_on_import(subject: EventsSubject) -> Iterator[Spot]:
    """An event for /import has no `$insert_id`, so a strict import rejects it."""
    for row, _, result in subject.refusals:
        if INSERT_ID_MISSING in result.errors:
            yield row.spot("$insert_id is missing, and a strict import requires it")


@rule(
    "events",
    "warning",
    fix="Add an $insert_id before an event is sent for the first time.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=f"{_DEDUPLICATION}; https://github.com/mixpanel/mixpanel-node/issues/163",
    endpoint="track",
)
def insert_id_missing_on_track(subject: EventsSubject) -> Iterator[Spot]:
    """Events for /track have no `$insert_id`, so whatever is sent again counts twice."""
    sent = [(row, event) for row, event in subject.events() if row.endpoint == "track" and not _is_verb(event)]
    bare = [row for row, event in sent if not id_text(event.properties.get("$insert_id"))]
    if bare and not subject.is_scenario:
        yield bare[0].spot(f"{len(bare):,} of {len(sent):,} events have no $insert_id, this one first")


@rule(
    "events",
    "error",
    fix="Use letters, digits and hyphens, at most 36 of them.",
    bad='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "api:2QXrv0f7"}}',
    good='{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "api-2QXrv0f7"}}',
    evidence="docs",
    source=f"{_IMPORT}; https://github.com/mixpanel/mixpanel-utils/issues/40",
)
def insert_id_malformed(subject: EventsSubject) -> Iterator[Spot]:
    """An `$insert_id` is not one that Mixpanel takes: rejected by /import, and by /track as good as none."""
    for row, event in subject.events():
        text = id_text(event.properties.get("$insert_id"))
        if not text:
            continue
        if not _INSERT_ID.fullmatch(text) or len(text) > INSERT_ID_BYTES or text.lower() in DISALLOWED_IDS:
            yield row.spot(
                f"$insert_id {text[:60]!r} is not made of at most {INSERT_ID_BYTES} letters, digits, hyphens"
            )


@rule(
    "events",
    "warning",
    fix="Give every event an $insert_id of its own.",
    bad="""
{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "session-7"}}
{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614460, "$insert_id": "session-7"}}""",
    good="""
{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "session-7-1"}}
{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614460, "$insert_id": "session-7-2"}}""",
    evidence="docs",
    source=_DEDUPLICATION,
)
def insert_id_used_again(subject: EventsSubject) -> Iterator[Spot]:
    """One `$insert_id` stands on two different events, which compaction may take for one."""
    first: dict[tuple[str, str, str], tuple[Row, Json]] = {}
    for row, event in subject.events():
        text, time = id_text(event.properties.get("$insert_id")), event.properties.get("time")
        if not text or time is None:
            continue
        whose = id_text(event.properties.get("$user_id")) or id_text(event.properties.get("distinct_id"))
        earlier, earlier_time = first.setdefault((event.name, whose, text), (row, time))
        if earlier_time != time:
            yield row.spot(f"$insert_id {text!r} is on another event too ({_place(earlier)}), with another time")


def _place(row: Row) -> str:
    return f"step {row.step}" if row.step is not None else f"line {row.line}"


@rule(
    "events",
    "warning",
    fix="Give the event an $insert_id and a time before it is sent for the first time.",
    bad="""
name: A retry
id_merge: simplified
steps:
  - {event: Purchase, properties: {$user_id: ana, time: 1767614390}}
  - resend: 0""",
    good="""
name: A retry
id_merge: simplified
steps:
  - {event: Purchase, properties: {$user_id: ana, time: 1767614390, $insert_id: order-5512}}
  - resend: 0""",
    evidence="docs",
    source=f"{_DEDUPLICATION}; https://github.com/mixpanel/mixpanel-node/issues/163",
)
def copy_without_insert_id(subject: EventsSubject) -> Iterator[Spot]:
    """An event is sent twice and has no `$insert_id`, so it counts twice."""
    first: dict[str, Row] = {}
    for row, event in subject.events():
        if id_text(event.properties.get("$insert_id")) or _is_verb(event) or subject.project.rows[row.index].errors:
            continue
        earlier = first.setdefault(dump(event.to_wire()), row)
        if earlier is not row and (row.is_copy or event.properties.get("time") is not None):
            yield row.spot(f"is the event of {_place(earlier)} once more; without $insert_id it counts twice")


def _is_verb(event: Event | NotAnEvent) -> bool:
    return isinstance(event, Event) and event.name in IDENTITY_EVENTS


@rule(
    "events",
    "error",
    fix='Send no id where there is none: leave the field out, or send "" as distinct_id.',
    bad='{"event": "Page", "properties": {"distinct_id": "undefined", "time": 1767614400, "$insert_id": "e1"}}',
    good='{"event": "Page", "properties": {"distinct_id": "", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source=f"{_IMPORT}; https://github.com/langfuse/langfuse/pull/12358",
)
def word_sent_as_id(subject: EventsSubject) -> Iterator[Spot]:
    """A word such as "undefined", "null" or "anonymous" is sent as an id."""
    for row, field, text in _words(subject):
        if not _is_harmless(row, subject):
            yield row.spot(f"{field} is {text!r}, which is on Mixpanel's list of values that are no ids")


@rule(
    "events",
    "note",
    fix="Leave the field out where there is no id; /import rejects the event.",
    bad="""
name: A word beside an id
id_merge: simplified
steps: [{event: Page, properties: {$device_id: laptop, $user_id: undefined}}]""",
    good="""
name: An id alone
id_merge: simplified
steps: [{event: Page, properties: {$device_id: laptop}}]""",
    evidence="inferred",
    source="no source says what /track makes of such words; by our reading they count as absent",
)
def word_beside_an_id(subject: EventsSubject) -> Iterator[Spot]:
    """A word such as "undefined" is sent by /track beside a real id, and counts as absent."""
    for row, field, text in _words(subject):
        if _is_harmless(row, subject):
            yield row.spot(f"{field} is {text!r}, which counts as absent; another id says whose event it is")


def _words(subject: EventsSubject) -> Iterator[tuple[Row, str, str]]:
    for row, event in subject.events():
        for field, text in id_fields(event):
            if text.removeprefix(DEVICE_PREFIX).lower() in DISALLOWED_IDS:
                yield row, field, text


def _is_harmless(row: Row, subject: EventsSubject) -> bool:
    """Return whether an event was taken all the same, under an id that is one."""
    received = subject.project.events.received_id(row.index).removeprefix(DEVICE_PREFIX)
    return bool(received) and received.lower() not in DISALLOWED_IDS and not _is_verb(row.event)


@rule(
    "events",
    "error",
    fix="Use the token of the project.",
    bad="""
name: Another token
id_merge: simplified
settings: {token: shop-production}
steps: [{event: Page, properties: {token: shop-staging, $user_id: ana}}]""",
    good="""
name: The token
id_merge: simplified
settings: {token: shop-production}
steps: [{event: Page, properties: {token: shop-production, $user_id: ana}}]""",
    evidence="docs",
    source=f"{_TRACK}; https://github.com/mixpanel/mixpanel-node/issues/59",
)
def token_of_another_project(subject: EventsSubject) -> Iterator[Spot]:
    """An event for /track carries the token of another project, so it is lost without a word."""
    own = subject.project.settings.token
    for row, event in subject.events():
        token = event.properties.get("token")
        if own is not None and row.endpoint == "track" and token is not None and token != own:
            yield row.spot(f"the token {id_text(token)[:40]!r} is not that of the project")


@rule(
    "events",
    "note",
    fix="Take $ignore out where the event should count.",
    bad='{"event": "Page", "properties": {"distinct_id": "a", "time": 1767614400, "$insert_id": "e1", "$ignore": 1}}',
    good='{"event": "Page", "properties": {"distinct_id": "a", "time": 1767614400, "$insert_id": "e1"}}',
    evidence="docs",
    source="Mixpanel docs, Reserved Properties",
)
def event_is_ignored(subject: EventsSubject) -> Iterator[Spot]:
    """An event carries a truthy `$ignore`, so Mixpanel drops it without a word."""
    for row, _, result in subject.refusals:
        if any(error.field == "properties.$ignore" for error in result.errors):
            yield row.spot("$ignore is true, so the event is dropped")


@rule(
    "events",
    "error",
    fix="Correct the field that the message names.",
    bad="- {event: Page, endpoint: import, properties: {distinct_id: ana, a: {b: {c: {d: {e: 1}}}}}}",
    good="- {event: Page, endpoint: import, properties: {distinct_id: ana, a: {b: {c: 1}}}}",
    evidence="docs",
    source=_IMPORT,
)
def event_is_rejected(subject: EventsSubject) -> Iterator[Spot]:
    """Mixpanel rejects an event for a reason that no other rule is about: size, depth, a missing id..."""
    for row, event, result in subject.refusals:
        words = {field for field, text in id_fields(event) if text.lower() in DISALLOWED_IDS}
        for error in result.errors if result.status == "rejected" and not result.is_verb else ():
            if error.field not in _TOLD_ELSEWHERE and error.field.removeprefix("properties.") not in words:
                yield row.spot(error.message)
