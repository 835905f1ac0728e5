"""Rules about the ids that a property sends on ordinary events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from harness.event import DEVICE_PREFIX
from harness.forwarder.model import DataElement
from harness.lint.natures import is_anonymous, is_known, nature
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject, Sending, ids_of, is_guarded

_MIGRATION: Final = "Mixpanel docs, Migrating to Simplified ID Merge; seen on a real project in 2026"
_ORIGINAL: Final = "Mixpanel docs, Identifying Users (Original)"


@rule(
    "property",
    "error",
    fix='Send it as $device_id, or as distinct_id with the prefix: "$device:{{ECID}}".',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}',
    evidence="observed",
    source=_MIGRATION,
    systems=("simplified",),
)
def ecid_as_user_id(subject: PropertySubject) -> Iterator[Spot]:
    """An ECID is sent as distinct_id without `$device:`, or as `$user_id`: every visitor is a user for good."""
    for one in subject.events:
        for field, element in _user_ids(one, subject):
            if nature(element) == "ecid":
                yield one.spot(f"{element.name!r} makes a phantom user of every visitor; users never merge", field)


@rule(
    "property",
    "warning",
    fix='Send it as $device_id, or as distinct_id with the prefix: "$device:{{Visitor}}".',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{Visitor}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {$device_id: "{{Visitor}}"}}',
    evidence="observed",
    source=_MIGRATION,
    systems=("simplified",),
)
def anonymous_id_as_user_id(subject: PropertySubject) -> Iterator[Spot]:
    """An id of a device or visitor is sent as distinct_id without `$device:`, or as `$user_id`."""
    for one in subject.events:
        for field, element in _user_ids(one, subject):
            if nature(element) == "device":
                yield one.spot(f"{element.name!r} seems to be an anonymous id; here it makes a user of its own", field)


def _user_ids(one: Sending, subject: PropertySubject) -> Iterator[tuple[str, DataElement]]:
    """Yield the data elements that an event in simplified uses as a user id, with their field."""
    fields = one.fields
    user, sent = fields.get("$user_id"), fields.get("distinct_id")
    if user is not None and user.element is not None:
        yield "$user_id", user.element
    always_user = user is not None and all(is_guarded(one, element, subject) for element in user.elements)
    if sent is not None and sent.element is not None and not ("$device_id" in fields or always_user or one.is_open):
        yield "distinct_id", sent.element


@rule(
    "property",
    "warning",
    fix="Send the id of the device or visitor; the known id goes into $user_id.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {$device_id: "{{E-mail}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {$user_id: "{{E-mail}}"}}',
    evidence="docs",
    source="Mixpanel docs, Migrating to Simplified ID Merge",
    systems=("simplified",),
    when_unknown=True,
)
def user_id_as_device_id(subject: PropertySubject) -> Iterator[Spot]:
    """The id of a known user is sent as `$device_id`, where it is another id than that of the user."""
    for one in subject.events:
        slot = one.fields.get("$device_id")
        element = slot.element if slot is not None else None
        if element is not None and is_known(element):
            yield one.spot(f"{element.name!r} as $device_id is the device $device:..., not that user", "$device_id")


@rule(
    "property",
    "warning",
    fix="Send $device_id as it is; Mixpanel puts the prefix in front.",
    bad='send_event: {event: Page, properties: {token: T}, custom_properties: {$device_id: "$device:{{ECID}}"}}',
    good='send_event: {event: Page, properties: {token: T}, custom_properties: {$device_id: "{{ECID}}"}}',
    evidence="observed",
    source="loads of a real project in 2026 held $device:$device:...",
)
def device_prefix_doubled(subject: PropertySubject) -> Iterator[Spot]:
    """The prefix `$device:` is put in front of an id that gets it anyway."""
    for one in subject.sendings:
        for field, slot in ids_of(one):
            if slot.prefix.startswith(DEVICE_PREFIX * 2) or (
                field == "$device_id" and slot.prefix.startswith(DEVICE_PREFIX)
            ):
                yield one.spot(f"by some routes {field} becomes $device:$device:..., which is another device", field)


@rule(
    "property",
    "warning",
    fix="Use one form everywhere: with $device: or without it.",
    bad="""
- send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{Visitor}}"}}
- send_event:
    event: $identify
    properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
    custom_properties: {$anon_id: "{{Visitor}}"}""",
    good="""
- send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{Visitor}}"}}
- send_event:
    event: $identify
    properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}
    custom_properties: {$anon_id: "{{Visitor}}"}""",
    evidence="inferred",
    source="exports of real projects hold both forms as two ids",
    systems=("original", "legacy"),
)
def one_id_in_two_forms(subject: PropertySubject) -> Iterator[Spot]:
    """An id is sent with `$device:` here and without it there, which are two ids outside of simplified."""
    bare: dict[str, str] = {}
    prefixed: dict[str, tuple[Sending, str]] = {}
    for one in subject.sendings:
        for field, slot in ids_of(one):
            if field in ("$device_id", "$user_id"):
                continue
            if slot.element is not None:
                bare.setdefault(slot.element.name, f"{field} of {one.action.where}")
            elif slot.prefix == DEVICE_PREFIX and len(slot.parts) == 2 and slot.elements:
                prefixed.setdefault(slot.elements[0].name, (one, field))
    for name in bare.keys() & prefixed.keys():
        one, field = prefixed[name]
        yield one.spot(f"$device:{{{{{name}}}}} is another id than {{{{{name}}}}} in {bare[name]}", field)


@rule(
    "property",
    "error",
    fix="Put the user id or the anonymous id into the field Distinct ID.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {$user_id: "{{E-mail}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}',
    evidence="docs",
    source=_ORIGINAL,
    systems=("original", "legacy"),
)
def distinct_id_not_sent(subject: PropertySubject) -> Iterator[Spot]:
    """Only `$device_id` or `$user_id` is sent, which do nothing outside of simplified: the event is nobody's."""
    for one in subject.events:
        fields = one.fields
        if "distinct_id" not in fields and not one.is_open and ("$device_id" in fields or "$user_id" in fields):
            yield one.spot(
                f"$device_id and $user_id do nothing in {subject.id_merge}; there is no distinct_id", "distinct_id"
            )


@rule(
    "property",
    "warning",
    fix="Send $device_id before login and $user_id after it (in original and legacy: distinct_id).",
    bad='send_event: {event: Page, properties: {token: T, time: "{{Time}}"}}',
    good='send_event: {event: Page, properties: {token: T, time: "{{Time}}", distinct_id: "$device:{{ECID}}"}}',
    evidence="docs",
    source="Mixpanel docs, Track Events",
)
def event_without_id(subject: PropertySubject) -> Iterator[Spot]:
    """An event is sent without any id, so it belongs to nobody."""
    for one in subject.events:
        if not one.is_open and not {"distinct_id", "$device_id", "$user_id"} & one.fields.keys():
            yield one.spot("no distinct_id, $device_id or $user_id: the event is nobody's", "properties.distinct_id")


@rule(
    "property",
    "warning",
    fix="Add a rule for logins: in simplified an event with $device_id and $user_id, in original $identify.",
    bad="""
- send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}
- send_event: {event: Purchase, properties: {token: "{{Token}}", distinct_id: "{{E-mail}}"}}""",
    good="""
- send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}
- send_event:
    event: Login
    properties: {token: "{{Token}}"}
    custom_properties: {$device_id: "{{ECID}}", $user_id: "{{E-mail}}"}""",
    evidence="docs",
    source="Adobe docs, Mixpanel event forwarding extension: a separate identity tracking rule",
)
def identity_rule_missing(subject: PropertySubject) -> Iterator[Spot]:
    """Anonymous ids and known ids are sent, but nothing ever joins them (unless the site runs Mixpanel's SDK)."""
    if any(one.is_open for one in subject.sendings) or any(_joins(one, subject.id_merge) for one in subject.sendings):
        return
    anonymous = [one for one in subject.events if _carries(one, ("distinct_id", "$device_id"), is_anonymous)]
    known = [one for one in subject.events if _carries(one, ("distinct_id", "$user_id"), is_known)]
    if anonymous and known:
        message = f"no rule joins the anonymous ids of {anonymous[0].rule.name!r} with the known ids of this one"
        yield known[0].spot(message)


def _carries(one: Sending, fields: tuple[str, ...], holds: Callable[[DataElement], bool]) -> bool:
    slots = [one.fields[field] for field in fields if field in one.fields]
    return any(holds(element) for slot in slots for element in slot.elements)


def _joins(one: Sending, id_merge: str) -> bool:
    if id_merge == "simplified":
        return one.verb is None and {"$device_id", "$user_id"} <= one.fields.keys()
    return one.verb == "$create_alias" or (one.verb == "$identify" and id_merge == "original")
