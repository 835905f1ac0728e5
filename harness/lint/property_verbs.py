"""Rules about the identity events that a property sends: `$identify`, `$create_alias`, `$merge`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.event import DEVICE_PREFIX, id_text
from harness.lint.natures import nature
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject, Sending, Slot

_ORIGINAL: Final = "Mixpanel docs, Identifying Users (Original)"
_DIAGRAM: Final = "decision diagrams of the identity events in the Mixpanel docs"
_UUID_FORM: Final = re.compile(r"(?:\$device:)?[0-9a-fA-F]+(?:-[0-9a-fA-F]+){4}")
_UUID_LETTERS: Final = re.compile(r"[0-9a-fA-F-]*")


def _identifies(subject: PropertySubject) -> Iterator[tuple[Sending, str, Slot, Slot | None]]:
    """Yield every `$identify` with the field and the value of its anonymous id, and its identified id."""
    for one in subject.sendings:
        fields = one.fields
        field = next((name for name in ("$anon_id", "$anon_distinct_id") if name in fields), None)
        if one.verb == "$identify" and field is not None:
            yield one, field, fields[field], fields.get("$identified_id", fields.get("distinct_id"))


@rule(
    "property",
    "error",
    fix="Use a UUID of the site (version 4) as anonymous id, or send $create_alias with the ECID as alias.",
    bad="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{ECID}}"}""",
    good="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{Visitor}}"}""",
    evidence="docs",
    source=_DIAGRAM,
    systems=("original",),
    when_unknown=True,
)
def ecid_as_anonymous_id(subject: PropertySubject) -> Iterator[Spot]:
    """`$identify` names an ECID as the anonymous id: 38 digits are no UUID, so every login is refused."""
    for one, field, anonymous, _ in _identifies(subject):
        if any(nature(element) == "ecid" for element in anonymous.elements):
            yield one.spot("an ECID is no UUID: every $identify is refused (errAnonDistinctIdNonGUIDForm)", field)


@rule(
    "property",
    "error",
    fix="Use the UUID (version 4) that the events before login carry.",
    bad="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "visitor-{{Visitor}}"}""",
    good="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "$device:{{Visitor}}"}""",
    evidence="docs",
    source=_DIAGRAM,
    systems=("original",),
    when_unknown=True,
)
def anonymous_id_is_no_uuid(subject: PropertySubject) -> Iterator[Spot]:
    """`$identify` names an anonymous id that can't be a UUID, so every login is refused."""
    for one, field, anonymous, identified in _identifies(subject):
        known = [element for element in anonymous.elements if nature(element) == "e-mail"]
        same = anonymous == identified
        if not same and (known or not _may_be_uuid(anonymous)):
            yield one.spot("this is never a UUID: every $identify is refused (errAnonDistinctIdNonGUIDForm)", field)


def _may_be_uuid(slot: Slot) -> bool:
    if slot.is_constant:
        return bool(_UUID_FORM.fullmatch(id_text(slot.value)))
    return bool(_UUID_LETTERS.fullmatch("".join(slot.texts).removeprefix(DEVICE_PREFIX)))


@rule(
    "property",
    "error",
    fix="Send the id from before the login as $anon_id and the user id as $identified_id.",
    bad="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{E-mail}}"}""",
    good="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{Visitor}}"}""",
    evidence="docs",
    source=_DIAGRAM,
    systems=("original",),
    when_unknown=True,
)
def identify_names_one_id(subject: PropertySubject) -> Iterator[Spot]:
    """`$identify` names the same id on both sides, which is refused."""
    for one, field, anonymous, identified in _identifies(subject):
        if anonymous == identified:
            yield one.spot("both ids are the same: every $identify is refused (errSameIDs)", field)


@rule(
    "property",
    "error",
    fix="$identify needs $anon_id and $identified_id (or distinct_id); $create_alias needs alias and distinct_id.",
    bad='send_event: {event: $identify, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}',
    good="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{Visitor}}"}""",
    evidence="docs",
    source=_ORIGINAL,
    systems=("original", "legacy"),
    when_unknown=True,
)
def identity_event_lacks_an_id(subject: PropertySubject) -> Iterator[Spot]:
    """`$identify` or `$create_alias` is sent with one id, so there is nothing to join."""
    for one in subject.sendings:
        fields = one.fields.keys()
        needed = {
            "$identify": ({"$anon_id", "$anon_distinct_id"}, {"$identified_id", "distinct_id"}),
            "$create_alias": ({"alias"}, {"distinct_id"}),
        }.get(one.verb or "", ())
        for names in needed:
            if not names & fields and not one.is_open:
                yield one.spot(f"{one.verb} is sent without {' or '.join(sorted(names))}, so it joins nothing")


@rule(
    "property",
    "error",
    fix="Send $merge by /import from a server, or $identify at login.",
    bad="send_event: {event: $merge, properties: {token: T}, custom_properties: {$distinct_ids: [a, b]}}",
    good="send_event: {event: $create_alias, properties: {token: T, distinct_id: a}, custom_properties: {alias: b}}",
    evidence="docs",
    source="Mixpanel docs, Identity: Merge",
)
def merge_sent_by_property(subject: PropertySubject) -> Iterator[Spot]:
    """A property sends `$merge`, but the extension sends by /track, where it never counts."""
    for one in subject.sendings:
        if one.verb == "$merge":
            yield one.spot("the extension sends by /track, and $merge counts by /import only")


@rule(
    "property",
    "warning",
    fix="In simplified send an event with $device_id and $user_id; in legacy send $create_alias at sign-up.",
    bad="""
send_event:
  event: $identify
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$anon_id: "{{Visitor}}"}""",
    good="""
send_event:
  event: Login
  properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
  custom_properties: {$device_id: "{{Visitor}}", $user_id: "{{E-mail}}"}""",
    evidence="docs",
    source="Mixpanel docs, Migrating to Simplified ID Merge",
    systems=("simplified", "legacy"),
)
def identity_event_without_effect(subject: PropertySubject) -> Iterator[Spot]:
    """A property sends an identity event that the ID-merge system of the project does not know."""
    for one in subject.sendings:
        if one.verb is not None and (subject.id_merge == "simplified" or one.verb == "$identify"):
            yield one.spot(f"{one.verb} does nothing in {subject.id_merge}")


@rule(
    "property",
    "warning",
    fix="Make the event under the new id the next action of the same rule: actions run one after the other.",
    bad="""
rules:
  - name: Sign-up
    actions:
      - send_event:
          event: $create_alias
          properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}
          custom_properties: {alias: "{{E-mail}}"}
  - name: Events
    actions: [{send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}}]""",
    good="""
rules:
  - name: Sign-up
    actions:
      - send_event:
          event: $create_alias
          properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}
          custom_properties: {alias: "{{E-mail}}"}
      - send_event: {event: Sign-up, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}""",
    evidence="docs",
    source="Mixpanel docs (legacy), Aliases; https://github.com/mixpanel/mixpanel-js/issues/57",
    systems=("legacy",),
)
def alias_races_with_events(subject: PropertySubject) -> Iterator[Spot]:
    """An alias is sent by a rule of its own: an event of another rule may arrive first and is another user then."""
    for one in subject.sendings:
        alias = one.fields.get("alias")
        if one.verb != "$create_alias" or alias is None:
            continue
        users = [other for other in subject.events if other.fields.get("distinct_id") == alias]
        later = one.rule.actions[one.rule.actions.index(one.action) + 1 :]
        if users and not any(other.action in later for other in users):
            yield one.spot("rules run side by side, so an event under the alias may arrive before it")
