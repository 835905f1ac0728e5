"""Rules about the identity events of a stream: `$identify`, `$create_alias`, `$merge`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.identity.looks import ECID, looks_anonymous
from harness.lint.registry import Spot, rule
from harness.lint.stream import EventsSubject, ids_on

_DIAGRAM: Final = "decision diagrams of the identity events in the Mixpanel docs"
_ORIGINAL: Final = "Mixpanel docs, Identifying Users (Original)"
_MIGRATION: Final = "Mixpanel docs, Migrating to Simplified ID Merge"
_ALIASES: Final = "Mixpanel docs (legacy), Aliases"
_TAKEN: Final = "errAnonDistinctIdAssignedAlready"


@rule(
    "events",
    "error",
    fix="Use a UUID (version 4) as anonymous id, or join the ids with $create_alias.",
    bad="- {event: $identify, properties: {distinct_id: ana, $anon_id: visitor_7731}}",
    good="- {event: $identify, properties: {distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}",
    evidence="docs",
    source=f"{_DIAGRAM}; https://github.com/segment-boneyard/segment-docs/pull/4533",
    systems=("original",),
    when_unknown=True,
)
def identified_without_uuid(subject: EventsSubject) -> Iterator[Spot]:
    """`$identify` names an anonymous id that is no UUID, so it is refused."""
    for row, made in subject.decisions():
        if made.reason == "errAnonDistinctIdNonGUIDForm":
            kind = f"the ECID {made.ids[0]}" if ECID.fullmatch(made.ids[0]) else repr(made.ids[0])
            yield row.spot(f"{kind} is no UUID, so $identify is refused ({made.reason})")


@rule(
    "events",
    "note",
    fix="Prefer a UUID of version 4.",
    bad="- {event: $identify, properties: {distinct_id: ana, $anon_id: 13bbf7943e584-0885c2531-5c793977-3e8-13bbf7}}",
    good="- {event: $identify, properties: {distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}",
    evidence="inferred",
    source="the server's pattern is unpublished; SDKs differ",
    systems=("original",),
    when_unknown=True,
)
def identified_without_version_4(subject: EventsSubject) -> Iterator[Spot]:
    """`$identify` names an anonymous id that is no UUID of version 4, which the real server may refuse."""
    for row, caution in subject.cautions("original.anon_not_v4"):
        yield row.spot(f"{caution.ids[0]} is no UUID of version 4; the real server may refuse it")


@rule(
    "events",
    "warning",
    fix="Call reset() at logout, and identify() for known users only.",
    bad="""
- {event: $identify, properties: {distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}
- {event: $identify, properties: {distinct_id: ben, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}""",
    good="""
- {event: $identify, properties: {distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}
- {event: $identify, properties: {distinct_id: ben, $anon_id: c81d4e2e-bcf2-4b6a-8a2d-7df93e46ba88}}""",
    evidence="docs",
    source=f"{_DIAGRAM}; https://github.com/davide-scalzo/react-native-mixpanel/issues/258",
    systems=("original",),
    when_unknown=True,
)
def identified_before(subject: EventsSubject) -> Iterator[Spot]:
    """`$identify` names an anonymous id that belongs to another user, so it is refused."""
    for row, made in subject.decisions():
        if made.kind == "identify" and made.reason == _TAKEN and not subject.are_one(made.ids):
            yield row.spot(f"{made.ids[0]} was identified before, so it does not join {made.ids[1]} ({_TAKEN})")


@rule(
    "events",
    "error",
    fix="Send the id from before the login as $anon_id and the user id beside it.",
    bad="- {event: $identify, properties: {distinct_id: ana, $anon_id: ana}}",
    good="- {event: $identify, properties: {distinct_id: ana, $anon_id: 5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03}}",
    evidence="docs",
    source=_DIAGRAM,
    systems=("original",),
    when_unknown=True,
)
def identified_as_itself(subject: EventsSubject) -> Iterator[Spot]:
    """`$identify` names one id on both sides, so it is refused."""
    for row, made in subject.decisions():
        if made.reason == "errSameIDs":
            yield row.spot(f"{made.ids[0]!r} is named on both sides, so $identify is refused (errSameIDs)")


@rule(
    "events",
    "warning",
    fix="Use an id as alias once; keep one account id for a person.",
    bad="""
- {event: $create_alias, properties: {distinct_id: ana, alias: office}}
- {event: $create_alias, properties: {distinct_id: ben, alias: office}}""",
    good="""
- {event: $create_alias, properties: {distinct_id: ana, alias: ana-office}}
- {event: $create_alias, properties: {distinct_id: ben, alias: ben-office}}""",
    evidence="docs",
    source=f"{_DIAGRAM}; https://github.com/mixpanel/mixpanel-js/issues/17",
    systems=("original", "legacy"),
    when_unknown=True,
)
def alias_used_twice(subject: EventsSubject) -> Iterator[Spot]:
    """An alias is given to a second id, which is refused."""
    for row, made in subject.decisions():
        if made.reason == "errAliasAlreadyExists" and not subject.are_one(made.ids):
            yield row.spot(f"{made.ids[0]!r} is an alias already, so it does not join {made.ids[1]!r} ({made.reason})")


@rule(
    "events",
    "error",
    fix="Send the alias at sign-up only: the new id as alias, the anonymous one as distinct_id.",
    bad="""
- {event: $create_alias, properties: {distinct_id: browser, alias: ana}}
- {event: $create_alias, properties: {distinct_id: ana, alias: browser}}""",
    good="""
- {event: $create_alias, properties: {distinct_id: browser, alias: ana}}
- {event: $create_alias, properties: {distinct_id: ana, alias: ana@example.com}}""",
    evidence="inferred",
    source="no source says what a circle does",
    systems=("legacy",),
)
def alias_in_a_circle(subject: EventsSubject) -> Iterator[Spot]:
    """Two aliases would point at each other."""
    for row, made in subject.decisions():
        if made.rule == "legacy.alias_circle":
            yield row.spot(f"{made.ids[0]!r} and {made.ids[1]!r} would be aliases of each other")


@rule(
    "events",
    "warning",
    fix="Send the alias first, and the first event under the new id about a second later.",
    bad="""
- {event: Sign Up, properties: {distinct_id: ana}}
- {event: $create_alias, properties: {distinct_id: browser, alias: ana}}""",
    good="""
- {event: $create_alias, properties: {distinct_id: browser, alias: ana}}
- {event: Sign Up, properties: {distinct_id: ana}}""",
    evidence="docs",
    source=f"{_ALIASES}; https://github.com/mixpanel/mixpanel-js/issues/57",
    systems=("legacy",),
)
def alias_came_late(subject: EventsSubject) -> Iterator[Spot]:
    """An event under the alias arrives before the alias, and stays another user."""
    decided = {row.index: made for row, made in subject.decisions()}
    early: set[str] = set()
    for row, event in subject.events():
        made = decided.get(row.index)
        if made is None:
            early.update(ids_on(event, subject.id_merge))
        elif made.kind == "alias" and made.outcome == "merged" and made.ids[0] in early:
            people = subject.people_of(made.ids)
            message = f"events under {made.ids[0]!r} came before this alias; they stay another user"
            yield replace(row.spot(message), people=people)


@rule(
    "events",
    "error",
    fix="$identify needs $anon_id and $identified_id, $create_alias alias and distinct_id, $merge two $distinct_ids.",
    bad="- {event: $merge, endpoint: import, properties: {$distinct_ids: [ana]}}",
    good="- {event: $merge, endpoint: import, properties: {$distinct_ids: [ana, ana-2]}}",
    evidence="docs",
    source=_ORIGINAL,
    systems=("original",),
    when_unknown=True,
)
def verb_lacks_an_id(subject: EventsSubject) -> Iterator[Spot]:
    """An identity event does not name two ids, so it joins nothing."""
    for row, made in subject.decisions():
        if made.rule == "original.incomplete":
            yield row.spot(f"it names {' and '.join(filter(None, made.ids)) or 'nothing'}; two ids are needed")


@rule(
    "events",
    "error",
    fix="Send $merge by /import.",
    bad="""
name: A merge by /track
id_merge: original
steps: [{event: $merge, properties: {$distinct_ids: [ana, ana-2]}}]""",
    good="""
name: A merge by /import
id_merge: original
steps: [{event: $merge, endpoint: import, properties: {$distinct_ids: [ana, ana-2]}}]""",
    evidence="docs",
    source="Mixpanel docs, Identity: Merge",
    systems=("original",),
    when_unknown=True,
)
def merge_by_track(subject: EventsSubject) -> Iterator[Spot]:
    """`$merge` comes by /track, which answers with success and does nothing."""
    for row, made in subject.decisions():
        if made.rule == "original.merge_by_track" and not subject.are_one(made.ids):
            people = subject.people_of(made.ids)
            yield replace(row.spot("$merge counts by /import only"), people=people)


@rule(
    "events",
    "warning",
    fix="Use $identify, which refuses a device that has a user; keep $merge for two ids of one person.",
    bad="""
- {event: $merge, endpoint: import, properties: {$distinct_ids: [5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03, ana]}}
- {event: $merge, endpoint: import, properties: {$distinct_ids: [5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03, ben]}}""",
    good="""
- {event: $merge, endpoint: import, properties: {$distinct_ids: [5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03, ana]}}
- {event: $merge, endpoint: import, properties: {$distinct_ids: [c81d4e2e-bcf2-4b6a-8a2d-7df93e46ba88, ben]}}""",
    evidence="docs",
    source=f"{_DIAGRAM}; https://github.com/rudderlabs/rudder-transformer/issues/1180",
    systems=("original",),
    when_unknown=True,
)
def merge_on_shared_device(subject: EventsSubject) -> Iterator[Spot]:
    """`$merge` joins an anonymous id with a user although it belongs to another one: both users become one."""
    owners: dict[str, str] = {}
    for row, made in subject.decisions():
        if made.outcome not in ("merged", "already") or len(made.ids) != 2:
            continue
        for anonymous, user in (made.ids, made.ids[::-1]):
            if not looks_anonymous(anonymous) or looks_anonymous(user):
                continue
            owner = owners.setdefault(anonymous, user)
            if owner != user and made.kind == "merge" and made.outcome == "merged":
                yield row.spot(f"{anonymous} belongs to {owner!r}; this makes {owner!r} and {user!r} one user for good")


@rule(
    "events",
    "warning",
    fix="In simplified send one event with $device_id and $user_id; in legacy send $create_alias at sign-up.",
    bad="""
name: A server that identifies
id_merge: simplified
steps:
  - {event: Page, properties: {$device_id: 5f0c7a1e}}
  - {event: $identify, properties: {distinct_id: ana, $anon_distinct_id: "$device:5f0c7a1e"}}""",
    good="""
name: An event with both ids behind it
id_merge: simplified
steps:
  - {event: Page, properties: {$device_id: 5f0c7a1e}}
  - {event: $identify, properties: {distinct_id: ana, $anon_distinct_id: "$device:5f0c7a1e"}}
  - {event: Login, properties: {$device_id: 5f0c7a1e, $user_id: ana}}""",
    evidence="docs",
    source=f"{_MIGRATION}; https://github.com/mixpanel/mixpanel-python/issues/132",
    systems=("simplified", "legacy"),
)
def verb_without_effect(subject: EventsSubject) -> Iterator[Spot]:
    """An identity event that the system ignores names two ids, and nothing else joins them."""
    for row, made in subject.decisions():
        if made.outcome == "ignored" and len(made.ids) > 1 and not subject.are_one(made.ids):
            people = subject.people_of(made.ids)
            message = f"{subject.id_merge} ignores it, and nothing else joins {' and '.join(made.ids)}"
            yield replace(row.spot(message), people=people)


@rule(
    "events",
    "error",
    fix="Leave it out of the import, and send one event with $device_id and $user_id.",
    bad="- {event: $create_alias, endpoint: import, properties: {distinct_id: ana, alias: a}}",
    good="- {event: Login, endpoint: import, properties: {$device_id: a, $user_id: ana}}",
    evidence="observed",
    source="probes of two real projects, August 2026",
    systems=("simplified",),
)
def verb_is_rejected(subject: EventsSubject) -> Iterator[Spot]:
    """A strict import into a simplified project rejects an identity event."""
    for row, event, result in subject.refusals:
        if result.is_verb:
            yield row.spot(f"/import rejects {event.name} in a simplified project")
