"""Rules about the values of the ids that a property sends: words, constants, spellings, what is put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.event import DEVICE_PREFIX, Json, id_text
from harness.forwarder.model import DataElement
from harness.ingestion.limits import DISALLOWED_IDS
from harness.lint.natures import nature, path_of
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject, Slot, ids_of, ids_that_count, is_guarded

_ENGINE: Final = "source code of Adobe's rules engine for the edge"


@rule(
    "property",
    "error",
    fix="Leave the field empty where there is no id: no default value, and a condition on the rule.",
    bad="""
data_elements: {User: {path: arc.event.data.userId, default: anonymous}}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{User}}"}}}]}]""",
    good="""
data_elements: {User: arc.event.data.userId}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{User}}"}}}]}]""",
    evidence="docs",
    source="Mixpanel docs, Import Events: disallowed ids; https://github.com/langfuse/langfuse/pull/12358",
)
def word_as_id(subject: PropertySubject) -> Iterator[Spot]:
    """A word such as "anonymous", "undefined" or "null" is sent as an id, by a default value or as it is."""
    for one in subject.sendings:
        for field, slot in ids_that_count(one, subject.id_merge):
            for text, whence in _fixed_ids(slot):
                if text.removeprefix(DEVICE_PREFIX).lower() in DISALLOWED_IDS:
                    yield one.spot(f"{text!r} ({whence}) is on Mixpanel's list of values that are no ids", field)


@rule(
    "property",
    "warning",
    fix="Send an id of the visitor or of the user, and nothing where there is none.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: web-visitor}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}',
    evidence="docs",
    source="Mixpanel docs, Hot Shard Limits; https://github.com/MetaMask/metamask-extension/pull/12068",
)
def one_id_for_everybody(subject: PropertySubject) -> Iterator[Spot]:
    """An id is the same for everybody, by a default value or as it is: one giant user."""
    for one in subject.sendings:
        for field, slot in ids_that_count(one, subject.id_merge):
            for text, whence in _fixed_ids(slot):
                if text.removeprefix(DEVICE_PREFIX).lower() not in DISALLOWED_IDS:
                    yield one.spot(f"{text!r} ({whence}) is one id for everybody who gets it", field)


def _fixed_ids(slot: Slot) -> Iterator[tuple[str, str]]:
    """Yield the ids that a field sends whoever it is: its constant, or the default of its only data element."""
    if slot.is_constant:
        yield id_text(slot.value), "written out"
    elif len(slot.elements) == 1 and slot.elements[0].default_value is not None:
        element = slot.elements[0]
        text = "".join(part if isinstance(part, str) else id_text(_default(element)) for part in slot.parts)
        if text:
            yield text, f"default of {element.name!r}"


def _default(element: DataElement) -> Json:
    value = element.default_value
    return value.lower() if isinstance(value, str) and element.force_lower_case else value


@rule(
    "property",
    "warning",
    fix="Switch on Force lowercase value and Clean text at the data element.",
    bad="""
data_elements: {E-mail: arc.event.data.email}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{E-mail}}"}}}]}]""",
    good="""
data_elements: {E-mail: {path: arc.event.data.email, lower_case: true, clean_text: true}}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{E-mail}}"}}}]}]""",
    evidence="docs",
    source="Mixpanel help center, Distinct ID limits: ids are case-sensitive",
)
def e_mail_as_typed(subject: PropertySubject) -> Iterator[Spot]:
    """An e-mail address is an id as people type it, so each spelling is a user of its own."""
    seen: set[str] = set()
    for one in subject.sendings:
        for _, slot in ids_of(one):
            for element in slot.elements:
                if nature(element) == "e-mail" and not element.force_lower_case and element.name not in seen:
                    seen.add(element.name)
                    message = f"{element.name!r} is an id and keeps capitals: Ana@x.com and ana@x.com are two users"
                    yield Spot(element.line, element.where, message, element.file)


@rule(
    "property",
    "error",
    fix="Name an item of the list: identityMap.ECID[0].id.",
    bad="""
data_elements: {ECID: arc.event.xdm.identityMap.ECID.id}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{ECID}}"}}}]}]""",
    good="""
data_elements: {ECID: "arc.event.xdm.identityMap.ECID[0].id"}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: T, distinct_id: "{{ECID}}"}}}]}]""",
    evidence="docs",
    source="XDM: identityMap holds a list of identities for each namespace",
)
def identity_map_without_index(subject: PropertySubject) -> Iterator[Spot]:
    """A path reads a namespace of identityMap as if it were one identity, but it is a list."""
    seen: set[str] = set()
    for one in subject.sendings:
        for _, slot in ids_of(one):
            for element in slot.elements:
                if element.name not in seen and _misses_index(element):
                    seen.add(element.name)
                    message = f"{'.'.join(path_of(element))} has no index; identityMap holds lists, so this is no id"
                    yield Spot(element.line, element.where, message, element.file)


def _misses_index(element: DataElement) -> bool:
    path = (element.settings or {}).get("path")
    parts = path.split(".") if isinstance(path, str) and path_of(element) else []
    if "identityMap" not in parts[:-1]:
        return False
    namespace = parts[parts.index("identityMap") + 1]
    after = parts[parts.index("identityMap") + 2 :]
    return "[" not in namespace and not (after and after[0].isdigit())


@rule(
    "property",
    "note",
    fix="Add a condition that the data element is truthy, or send it alone as $device_id.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}',
    good="""
rules:
  - name: All
    conditions: [{left: "{{ECID}}", operator: isTruthy}]
    actions: [{send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "$device:{{ECID}}"}}}]""",
    evidence="observed",
    source=_ENGINE,
)
def null_becomes_text(subject: PropertySubject) -> Iterator[Spot]:
    """An id is a text with a token in it: where the value is missing it ends in "null", one id for all of them."""
    for one in subject.sendings:
        for field, slot in ids_of(one):
            loose = [
                element
                for element in slot.elements
                if element.default_value is None and not is_guarded(one, element, subject)
            ]
            if not slot.is_whole and "".join(slot.texts) and loose:
                text = "".join(part if isinstance(part, str) else "null" for part in slot.parts)
                yield one.spot(f"where {loose[0].name!r} is missing, the id is {text!r}, the same for all", field)


@rule(
    "property",
    "warning",
    fix='Put a constant text between or in front of them: "{{Shop}}-{{Customer}}".',
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{Visitor}}{{E-mail}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{Visitor}}-{{E-mail}}"}}',
    evidence="observed",
    source=_ENGINE,
)
def tokens_are_added_up(subject: PropertySubject) -> Iterator[Spot]:
    """An id begins with two tokens and nothing between them: numbers are added up instead of joined."""
    for one in subject.sendings:
        for field, slot in (*ids_of(one), *[("$insert_id", one.fields.get("$insert_id", Slot()))]):
            if len(slot.parts) > 1 and all(isinstance(part, DataElement) for part in slot.parts[:2]):
                yield one.spot("two tokens side by side: the numbers 1 and 2 become 3, not 12", field)
