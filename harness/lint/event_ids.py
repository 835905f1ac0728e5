"""Rules about ids in a stream: devices and users in simplified, prefixes, spellings, full clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Event, IdMerge, id_text
from harness.identity.looks import UUID
from harness.lint.registry import Spot, rule
from harness.lint.stream import EventsSubject, Row, ids_on

_MIGRATION: Final = "Mixpanel docs, Migrating to Simplified ID Merge"


@rule(
    "events",
    "warning",
    fix="Send it as $device_id, or with $device: in front.",
    bad="- {event: Page, properties: {distinct_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}",
    good="- {event: Page, properties: {$device_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}",
    evidence="observed",
    source=f"{_MIGRATION}; https://github.com/mixpanel/mixpanel-go/issues/74",
    systems=("simplified",),
)
def phantom_user(subject: EventsSubject) -> Iterator[Spot]:
    """An anonymous id is the distinct_id without `$device:`, so it is a user of its own for good."""
    users = {id_text(event.properties.get("$user_id")) for _, event in subject.events()} - {""}
    if users and all(UUID.fullmatch(user) for user in users):
        return  # here user ids are UUIDs
    for row, caution in subject.cautions("simplified.phantom_user"):
        yield row.spot(f"{caution.ids[0]} has no $device: in front, so it is a phantom user; users never merge")


@rule(
    "events",
    "warning",
    fix="Call reset() at logout, so that the next person gets a device id of their own.",
    bad="""
- {event: Login, properties: {$device_id: tablet, $user_id: ana}}
- {event: Login, properties: {$device_id: tablet, $user_id: ben}}""",
    good="""
- {event: Login, properties: {$device_id: tablet, $user_id: ana}}
- {event: Login, properties: {$device_id: tablet-after-reset, $user_id: ben}}""",
    evidence="observed",
    source=f"{_MIGRATION}; https://github.com/rudderlabs/rudder-sdk-js/issues/206",
    systems=("simplified",),
)
def device_of_another_user(subject: EventsSubject) -> Iterator[Spot]:
    """A second user logs in on a device, whose anonymous events all belong to the first one."""
    seen: set[tuple[str, ...]] = set()
    for row, made in subject.decisions():
        if made.rule == "simplified.device_of_another" and made.ids not in seen:
            seen.add(made.ids)
            owner = subject.project.model.resolve(made.ids[0])
            yield row.spot(
                f"{made.ids[0]} belongs to {owner}; what {made.ids[1]} did on it before login counts for {owner}"
            )


_FULL = """
name: {name}
id_merge: original
settings: {{cluster_limit: {limit}}}
steps:
  - {{event: $identify, properties: {{distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}}}
  - {{event: $identify, properties: {{distinct_id: ana, $anon_id: c81d4e2e-bcf2-4b6a-8a2d-7df93e46ba88}}}}"""


@rule(
    "events",
    "error",
    fix="Make fewer anonymous ids: call reset() only where another person may come next.",
    bad=_FULL.format(name="A full cluster", limit=2),
    good=_FULL.format(name="Room for more", limit=10),
    evidence="observed",
    source="510 anonymous ids of one user came out as 11 users; https://github.com/mixpanel/docs-legacy/pull/195",
    systems=("original",),
    when_unknown=True,
)
def cluster_is_full(subject: EventsSubject) -> Iterator[Spot]:
    """An identity event would make a cluster larger than the limit, so it is refused."""
    for row, made in subject.decisions():
        if made.reason == "errManyIDs":
            yield row.spot(f"the cluster of {made.ids[-1]!r} is full: {made.ids[0]!r} stays alone (errManyIDs)")


@rule(
    "events",
    "warning",
    fix="Make fewer anonymous ids: call reset() only where another person may come next.",
    bad=_FULL.format(name="Nearly full", limit=3),
    good=_FULL.format(name="Room for more", limit=10),
    evidence="inferred",
    source="a margin of 80% of the observed limit",
    systems=("original",),
    when_unknown=True,
)
def cluster_near_limit(subject: EventsSubject) -> Iterator[Spot]:
    """A cluster is past 80% of the limit, after which logins are refused."""
    for row, caution in subject.cautions("original.near_limit"):
        yield row.spot(caution.message)


@rule(
    "events",
    "warning",
    fix="Send one form everywhere: with $device: or without it.",
    bad="""
- {event: Page, properties: {distinct_id: "$device:5f0c7a1e"}}
- {event: Page, properties: {distinct_id: 5f0c7a1e}}""",
    good="""
- {event: Page, properties: {distinct_id: "$device:5f0c7a1e"}}
- {event: Page, properties: {distinct_id: "$device:5f0c7a1e"}}""",
    evidence="inferred",
    source="exports of real projects hold both forms as two ids",
)
def both_forms_of_an_id(subject: EventsSubject) -> Iterator[Spot]:
    """An id occurs with `$device:` and without it: two ids, or in simplified a device and a user."""
    first: dict[str, Row] = {}
    for row, event in subject.events():
        for text in _comparable(event, subject.id_merge):
            other = text.removeprefix(DEVICE_PREFIX) if text.startswith(DEVICE_PREFIX) else DEVICE_PREFIX + text
            if text not in first and other in first and not subject.are_one((text, other)):
                people = subject.people_of((text, other))
                yield replace(row.spot(f"{text!r} is another id than {other!r}, which occurs too"), people=people)
            first.setdefault(text, row)


def _comparable(event: Event, id_merge: IdMerge) -> tuple[str, ...]:
    """Return the ids of an event whose form is in question: in simplified, what is said to be a user id is one."""
    ids = ids_on(event, id_merge)
    if id_merge != "simplified":
        return ids
    user = id_text(event.properties.get("$user_id"))
    return () if event.name in IDENTITY_EVENTS else tuple(text for text in ids if text != user)


@rule(
    "events",
    "warning",
    fix="Send the real user id as $user_id, or leave it out before login.",
    bad='- {event: Page, properties: {$device_id: a, $user_id: "$device:a"}}',
    good="- {event: Page, properties: {$device_id: a}}",
    evidence="inferred",
    source="no source; SDKs differ in whether they send it",
    systems=("simplified",),
    when_unknown=True,
)
def user_id_with_device_prefix(subject: EventsSubject) -> Iterator[Spot]:
    """A `$user_id` starts with `$device:`, so it never links."""
    for row, caution in subject.cautions("simplified.user_id_is_device"):
        yield row.spot(caution.message)


@rule(
    "events",
    "warning",
    fix="Put $device: in front once; $device_id is sent without it.",
    bad='- {event: Page, properties: {distinct_id: "$device:$device:a"}}',
    good='- {event: Page, properties: {distinct_id: "$device:a"}}',
    evidence="observed",
    source="loads of a real project in 2026 held $device:$device:...",
)
def device_prefix_sent_twice(subject: EventsSubject) -> Iterator[Spot]:
    """An id has `$device:` in front twice, which makes another device of it."""
    for row, _ in subject.events():
        text = subject.project.events.received_id(row.index)
        if text.startswith(DEVICE_PREFIX * 2):
            yield row.spot(f"{text!r} has $device: in front twice, so it is another device")


@rule(
    "events",
    "error",
    fix="Send distinct_id on every event: the user id, or before login the anonymous id.",
    bad="- {event: Page, properties: {$user_id: ana}}",
    good="- {event: Page, properties: {distinct_id: ana, $user_id: ana}}",
    evidence="docs",
    source="Mixpanel docs, Identifying Users (Original); https://github.com/mixpanel/docs-legacy/pull/751",
    systems=("original", "legacy"),
)
def distinct_id_missing(subject: EventsSubject) -> Iterator[Spot]:
    """An event has `$user_id` or `$device_id` and no distinct_id, which outside of simplified makes it nobody's."""
    for row, event in subject.events():
        get = event.properties.get
        if (
            event.name not in IDENTITY_EVENTS
            and not id_text(get("distinct_id"))
            and (get("$user_id") or get("$device_id"))
        ):
            yield row.spot(f"$user_id and $device_id do nothing in {subject.id_merge}, and there is no distinct_id")


@rule(
    "events",
    "warning",
    fix="Trim ids and make them lower case before they are sent, or use an account number.",
    bad="""
- {event: Login, properties: {distinct_id: ana@example.com}}
- {event: Login, properties: {distinct_id: Ana@Example.com}}""",
    good="""
- {event: Login, properties: {distinct_id: ana@example.com}}
- {event: Login, properties: {distinct_id: ana@example.com}}""",
    evidence="docs",
    source="Mixpanel help center, Distinct ID limits: ids are case-sensitive",
)
def id_in_two_spellings(subject: EventsSubject) -> Iterator[Spot]:
    """Two ids differ in letter case or spaces only, and are two users."""
    first: dict[str, str] = {}
    for row, event in subject.events():
        for text in ids_on(event, subject.id_merge):
            other = first.setdefault(text.strip().casefold(), text)
            if other != text and not subject.are_one((text, other)):
                people = subject.people_of((text, other))
                yield replace(
                    row.spot(f"{text!r} and {other!r} differ in spelling only, and are two users"), people=people
                )
                first[text.strip().casefold()] = text
