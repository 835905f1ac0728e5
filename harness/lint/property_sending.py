"""Rules about what a property sends besides ids: token, time, `$insert_id`, address, custom properties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.forwarder.model import DataElement
from harness.lint.natures import nature, path_of
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject, Slot

_EXTENSION: Final = "source code of the Mixpanel event forwarding extension 1.0.1"
_IMPORT: Final = "Mixpanel docs, Import Events"
_DEDUPLICATION: Final = "Mixpanel docs, Event Deduplication"
_STANDARD: Final = ("token", "distinct_id", "time", "$insert_id")
_NOT_INSERT_ID: Final = re.compile(r"[^A-Za-z0-9-]")
_XDM_DATES: Final = frozenset({"arc.event.xdm.timestamp", "arc.event.xdm.receivedTimestamp"})
_TEXT_WORDS: Final = re.compile(r"json|string|serial|text", re.IGNORECASE)
_FINE_UNITS: Final = re.compile(r"micro|nano|usec|(?<![a-z])us$|(?<![a-z])ns$", re.IGNORECASE)
_WHOLE_LAYERS: Final = frozenset({"arc", "arc.event", "arc.event.data", "arc.event.xdm"})
_SHORTEST_TIMEOUT: Final = 1_000


@rule(
    "property",
    "error",
    fix="Fill in the field Project Token, best with a secret for each environment.",
    bad='send_event: {event: Page, properties: {token: "", distinct_id: ana}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: ana}}',
    evidence="docs",
    source="Mixpanel docs, Track Events: the token is required",
)
def token_missing(subject: PropertySubject) -> Iterator[Spot]:
    """An event is sent without a project token, so Mixpanel drops it."""
    for one in subject.sendings:
        if "token" not in one.fields and not one.is_open:
            yield one.spot("no token is sent, so no project takes the event", "properties.token")


@rule(
    "property",
    "note",
    fix="Keep it in a secret with a value for each environment, or in a data element.",
    bad="send_event: {event: Page, properties: {token: 25470aa0bb1289, distinct_id: ana}}",
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: ana}}',
    evidence="inferred",
    source="our reading: a fixed token sends the events of a test library to the real project",
)
def token_written_out(subject: PropertySubject) -> Iterator[Spot]:
    """The project token is written out, so test and production libraries send to one project."""
    for one in subject.sendings:
        slot = one.fields.get("token")
        if slot is not None and slot.is_constant:
            yield one.spot("the token is the same in every environment", "properties.token")


@rule(
    "property",
    "warning",
    fix="Set the standard field instead, and take the key out of the custom properties.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {token: old-project}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {page: home}}',
    evidence="observed",
    source=_EXTENSION,
)
def custom_overrides_standard(subject: PropertySubject) -> Iterator[Spot]:
    """A custom property takes the place of the token, the distinct_id, the time or the `$insert_id`."""
    for one in subject.sendings:
        for key in _STANDARD:
            standard, custom = one.standard.get(key), one.custom.get(key)
            if standard is not None and custom is not None and standard != custom and not standard.is_blank:
                yield one.spot(f"{key} of the custom properties wins over the field of that name", "custom_properties")


@rule(
    "property",
    "error",
    fix="Give the custom properties as an object, one key a property, or as one data element that holds an object.",
    bad="""send_event: {event: Page, properties: {token: T}, custom_properties: '{"page": "{{Event type}}"}'}""",
    good='send_event: {event: Page, properties: {token: T}, custom_properties: {page: "{{Event type}}"}}',
    evidence="observed",
    source=_EXTENSION,
)
def custom_properties_are_text(subject: PropertySubject) -> Iterator[Spot]:
    """The custom properties are a text, which is taken apart into one property a letter."""
    for one in subject.sendings:
        if one.whole is not None and _is_text(one.whole):
            message = 'a text is taken apart into its letters: "0": "{", "1": ...'
            yield one.spot(message, "custom_properties")


def _is_text(slot: Slot) -> bool:
    """Return whether a value is a text for certain: constant, or put together with one."""
    if slot.is_constant:
        return isinstance(slot.value, str) and slot.value != ""
    return not slot.is_whole and bool("".join(slot.texts))


@rule(
    "property",
    "warning",
    fix="Use a data element that holds an object; a text of JSON is parsed by custom code (`JSON.parse`).",
    bad="""
data_elements: {Details: arc.event.data.detailsJson}
rules:
  - name: All
    actions: [{send_event: {event: Page, properties: {token: T}, custom_properties: "{{Details}}"}}]""",
    good="""
data_elements: {Details: arc.event.data.details}
rules:
  - name: All
    actions: [{send_event: {event: Page, properties: {token: T}, custom_properties: "{{Details}}"}}]""",
    evidence="observed",
    source=_EXTENSION,
)
def custom_properties_may_be_text(subject: PropertySubject) -> Iterator[Spot]:
    """The custom properties are a data element that seems to hold a text, which is taken apart into its letters."""
    for one in subject.sendings:
        element = one.whole.element if one.whole is not None else None
        if element is not None and _seems_text(element):
            message = f"{element.name!r} seems to hold a text; a text is taken apart into its letters"
            yield one.spot(message, "custom_properties")


def _seems_text(element: DataElement) -> bool:
    path = path_of(element)
    named = (
        element.type == "path" and bool(path) and bool(_TEXT_WORDS.search(path[-1]) or _TEXT_WORDS.search(element.name))
    )
    return named or element.type in ("ip", "secret") or isinstance(element.default_value, str)


@rule(
    "property",
    "warning",
    fix="Send an object of its own (data.mixpanel), or list the properties one by one.",
    bad="""
data_elements: {Data layer: arc.event.data}
rules:
  - name: All
    actions: [{send_event: {event: Page, properties: {token: T}, custom_properties: "{{Data layer}}"}}]""",
    good="""
data_elements: {For Mixpanel: arc.event.data.mixpanel}
rules:
  - name: All
    actions: [{send_event: {event: Page, properties: {token: T}, custom_properties: "{{For Mixpanel}}"}}]""",
    evidence="observed",
    source=_EXTENSION,
)
def whole_data_layer(subject: PropertySubject) -> Iterator[Spot]:
    """The whole data layer becomes the custom properties, so whatever it calls distinct_id or token wins."""
    for one in subject.sendings:
        element = one.whole.element if one.whole is not None else None
        if element is not None and ".".join(path_of(element)) in _WHOLE_LAYERS:
            message = f"all of {'.'.join(path_of(element))} is sent; a distinct_id, time or token in it wins"
            yield one.spot(message, "custom_properties")


@rule(
    "property",
    "warning",
    fix='Set $insert_id to an id of the event, for example "{{Event id}}" (arc.event.xdm._id).',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", time: "{{Time}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", time: "{{Time}}", $insert_id: "{{Event id}}"}}',
    evidence="docs",
    source=_DEDUPLICATION,
)
def insert_id_not_sent(subject: PropertySubject) -> Iterator[Spot]:
    """An event is sent without `$insert_id`, so a call that is sent twice counts twice."""
    for one in subject.events:
        if "$insert_id" not in one.fields and not one.is_open:
            yield one.spot("no $insert_id: a call that is sent again counts twice", "properties.$insert_id")


@rule(
    "property",
    "error",
    fix='Use an id of the event, for example "{{Event id}}" (arc.event.xdm._id).',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: page-view}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "page-view-{{Event id}}"}}',
    evidence="docs",
    source=_DEDUPLICATION,
)
def insert_id_is_constant(subject: PropertySubject) -> Iterator[Spot]:
    """The `$insert_id` is the same on every event, so different events of a day are taken for duplicates."""
    for one in subject.sendings:
        slot = one.fields.get("$insert_id")
        if slot is not None and slot.is_constant:
            yield one.spot(f"$insert_id is {slot.value!r} on every event", "properties.$insert_id")


@rule(
    "property",
    "warning",
    fix='Use an id of the event, for example "{{Event id}}" (arc.event.xdm._id).',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "{{ECID}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "{{ECID}}-{{Time}}"}}',
    evidence="docs",
    source=_DEDUPLICATION,
)
def insert_id_is_not_of_the_event(subject: PropertySubject) -> Iterator[Spot]:
    """The `$insert_id` is made of ids of a visitor, so different events of a visitor are taken for duplicates."""
    for one in subject.sendings:
        slot = one.fields.get("$insert_id")
        elements = slot.elements if slot is not None else ()
        if elements and all(
            nature(element) in ("ecid", "device", "e-mail", "user", "event type") for element in elements
        ):
            names = " and ".join(element.name for element in elements)
            yield one.spot(f"$insert_id is made of {names}, the same on many events", "properties.$insert_id")


@rule(
    "property",
    "error",
    fix="Use letters, digits and hyphens only.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "web:{{Event id}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "web-{{Event id}}"}}',
    evidence="docs",
    source=f"{_IMPORT}; https://github.com/mixpanel/mixpanel-utils/issues/40",
)
def insert_id_with_wrong_letters(subject: PropertySubject) -> Iterator[Spot]:
    """The `$insert_id` holds a letter that Mixpanel does not take, so it counts as none."""
    for one in subject.sendings:
        slot = one.fields.get("$insert_id")
        found = _NOT_INSERT_ID.search("".join(slot.texts)) if slot is not None and not slot.is_constant else None
        if found is not None:
            yield one.spot(f"$insert_id holds {found[0]!r}, so Mixpanel makes one up", "properties.$insert_id")


@rule(
    "property",
    "warning",
    fix="Set time to the moment of the event in seconds since 1970, as a number.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", $insert_id: "{{Event id}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", time: "{{Time}}", $insert_id: "{{Event id}}"}}',
    evidence="docs",
    source=f"{_DEDUPLICATION}: the time is part of what makes two events equal",
)
def time_not_sent(subject: PropertySubject) -> Iterator[Spot]:
    """An event is sent without time, so late ones are misplaced and a second copy is not seen as one."""
    for one in subject.events:
        if "time" not in one.fields and not one.is_open:
            yield one.spot("no time: the time of arrival counts, also for a second copy", "properties.time")


@rule(
    "property",
    "error",
    fix="Send a number of seconds since 1970: from the data layer, or by custom code (Date.parse(...) / 1000).",
    bad="""
data_elements: {Time: arc.event.xdm.timestamp}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, time: "{{Time}}"}}}]}]""",
    good="""
data_elements: {Time: arc.event.data.time}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, time: "{{Time}}"}}}]}]""",
    evidence="docs",
    source=f"{_IMPORT}; XDM: timestamp is a date-time in ISO 8601",
)
def time_is_text(subject: PropertySubject) -> Iterator[Spot]:
    """The time is a text, and Mixpanel rejects the event: it takes numbers only."""
    for one in subject.sendings:
        slot = one.fields.get("time")
        element = slot.element if slot is not None else None
        if slot is not None and _is_text(slot):
            yield one.spot("time is a text; Mixpanel takes a number only", "properties.time")
        elif element is not None and ".".join(path_of(element)) in _XDM_DATES:
            message = f"{element.name!r} is a text such as 2026-01-05T12:00:00Z; Mixpanel takes a number only"
            yield one.spot(message, "properties.time")


@rule(
    "property",
    "error",
    fix="Use a data element with the moment of the event, or leave the field empty.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", time: 1767614400}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", time: "{{Time}}"}}',
    evidence="docs",
    source="Mixpanel docs, Track Events: events of the last 5 days",
)
def time_is_constant(subject: PropertySubject) -> Iterator[Spot]:
    """The time is the same on every event, and five days after it Mixpanel drops all of them."""
    for one in subject.sendings:
        slot = one.fields.get("time")
        if slot is not None and slot.is_constant and not isinstance(slot.value, str):
            yield one.spot(f"time is {slot.value!r} on every event", "properties.time")


@rule(
    "property",
    "warning",
    fix="Send seconds or milliseconds since 1970.",
    bad="""
data_elements: {Time: arc.event.data.timeMicros}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, time: "{{Time}}"}}}]}]""",
    good="""
data_elements: {Time: arc.event.data.timeSeconds}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, time: "{{Time}}"}}}]}]""",
    evidence="docs",
    source=_IMPORT,
)
def time_in_a_fine_unit(subject: PropertySubject) -> Iterator[Spot]:
    """The time seems to be in micro- or nanoseconds, which Mixpanel reads as a far future."""
    for one in subject.sendings:
        slot = one.fields.get("time")
        element = slot.element if slot is not None else None
        if element is not None and _FINE_UNITS.search((path_of(element) or ("",))[-1]):
            yield one.spot(f"{element.name!r} seems to be finer than milliseconds", "properties.time")


@rule(
    "property",
    "note",
    fix='Add the custom property ip with a data element of type IP: ip: "{{IP}}".',
    bad='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {page: home}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}"}, custom_properties: {page: home, ip: "{{IP}}"}}',
    evidence="docs",
    source="Mixpanel docs, Track Events: without ip the address of the sender is used",
)
def ip_missing(subject: PropertySubject) -> Iterator[Spot]:
    """No `ip` is sent, so Mixpanel places every visitor where Adobe's servers stand."""
    for one in subject.events:
        if "ip" not in one.fields and not one.is_open:
            yield one.spot("no ip: city and country will be those of the forwarding server", "custom_properties.ip")


@rule(
    "property",
    "error",
    fix="Give the event a name.",
    bad='send_event: {event: " ", properties: {token: "{{Token}}"}}',
    good='send_event: {event: "{{Event type}}", properties: {token: "{{Token}}"}}',
    evidence="docs",
    source=_IMPORT,
)
def event_name_missing(subject: PropertySubject) -> Iterator[Spot]:
    """An event is sent without a name, so Mixpanel rejects it."""
    for one in subject.sendings:
        name = one.event.value
        if one.event.is_constant and (not isinstance(name, str) or not name.strip()):
            yield one.spot("the event has no name", "event")


@rule(
    "property",
    "warning",
    fix="Leave the timeout at 30,000 ms; an action waits for Mixpanel's answer.",
    bad='{timeout: 200, send_event: {event: Page, properties: {token: "{{Token}}"}}}',
    good='{timeout: 5000, send_event: {event: Page, properties: {token: "{{Token}}"}}}',
    evidence="docs",
    source="source code of Adobe's rules engine for the edge",
)
def timeout_too_short(subject: PropertySubject) -> Iterator[Spot]:
    """An action has less than a second, so its rule fails whenever Mixpanel answers slowly."""
    for one in subject.sendings:
        if one.action.timeout < _SHORTEST_TIMEOUT:
            yield one.spot(f"has {one.action.timeout:g} ms; later actions of the rule are lost when it runs out")


@rule(
    "property",
    "error",
    fix="Send through a server of your own to the right host, or use a project in the US.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}"}}    # for a project with region: eu',
    good='send_event: {event: Page, properties: {token: "{{Token}}"}}    # for a project with region: us',
    evidence="observed",
    source=f"{_EXTENSION}; https://github.com/mixpanel/mixpanel-swift/issues/739",
)
def region_out_of_reach(subject: PropertySubject) -> Iterator[Spot]:
    """The project keeps its data in the EU or in India, but the extension sends to the host of US projects only."""
    if subject.region == "us":
        return
    for one in subject.sendings:
        yield one.spot(f"goes to api.mixpanel.com, which loses every event for a project in {subject.region}")
