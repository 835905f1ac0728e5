"""Rules about the parts of a property: data elements, tokens, conditions, and rules as such."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.forwarder.model import DataElement, Rule
from harness.forwarder.property_uses import Part, needed, secrets, tokens_of, undefined, unused
from harness.lint.natures import path_of
from harness.lint.registry import Spot, rule
from harness.lint.sending import PropertySubject

_ENGINE: Final = "source code of Adobe's rules engine and Core extension for the edge"
_CONTEXT: Final = frozenset({"event", "request", "ruleStash"})
_NUMERIC: Final = frozenset({"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"})
_REGEX: Final = frozenset({"matchesRegex", "doesNotMatchRegex"})


@rule(
    "property",
    "error",
    fix="Correct the name, or add the data element.",
    bad='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{Ecid}}"}}',
    good='send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}}',
    evidence="docs",
    source=_ENGINE,
)
def undefined_token(subject: PropertySubject) -> Iterator[Spot]:
    """A token names a data element that does not exist, so whatever uses it fails."""
    asked = needed(subject.property)
    wrong = {one.name: one for one in undefined(subject.property)}
    parts: list[Part] = [element for element in subject.property.data_elements if element.name in asked]
    for one in subject.property.rules:
        parts += [*one.conditions, *one.actions]
    for part in parts:
        for name in tokens_of(part):
            if name not in wrong:
                continue
            gone = wrong[name]
            why = f"is {gone.reason}" if gone.reason != "unknown" else "does not exist"
            hint = f"; did you mean {{{{{gone.nearest}}}}}?" if gone.nearest and gone.reason == "unknown" else ""
            yield Spot(part.line, part.where, f"the data element {name!r} {why}{hint}", part.file)


@rule(
    "property",
    "error",
    fix="Break the circle: one of them has to read its value from the call.",
    bad="""
data_elements:
  A: "{{B}}"
  B: "{{A}}"
rules: [{name: All, actions: [{send_event: {event: "{{A}}", properties: {token: T}}}]}]""",
    good="""
data_elements:
  A: "{{B}}"
  B: arc.event.data.pathToRead
rules: [{name: All, actions: [{send_event: {event: "{{A}}", properties: {token: T}}}]}]""",
    evidence="observed",
    source=_ENGINE,
)
def circular_elements(subject: PropertySubject) -> Iterator[Spot]:
    """Data elements are made of each other, so whatever uses them fails (Adobe's own engine even hangs)."""
    elements = {element.name: element for element in subject.property.data_elements}
    for name in elements:
        if name in needed(subject.property) and name in _reached(name, elements):
            element = elements[name]
            yield Spot(element.line, element.where, f"{name!r} is made of itself", element.file)


def _reached(start: str, elements: dict[str, DataElement]) -> set[str]:
    found: set[str] = set()
    pending = list(tokens_of(elements[start]))
    while pending:
        name = pending.pop()
        if name not in found and name in elements:
            found.add(name)
            pending += tokens_of(elements[name])
    return found


@rule(
    "property",
    "note",
    fix="Remove it, or use it.",
    bad="""
data_elements: {Page: arc.event.data.page, Old page: arc.event.data.oldPage}
rules: [{name: All, actions: [{send_event: {event: "{{Page}}", properties: {token: T}}}]}]""",
    good="""
data_elements: {Page: arc.event.data.page}
rules: [{name: All, actions: [{send_event: {event: "{{Page}}", properties: {token: T}}}]}]""",
    evidence="inferred",
    source="our reading: harmless, and often the trace of a typing error",
)
def unused_element(subject: PropertySubject) -> Iterator[Spot]:
    """A data element is used by no rule."""
    names = set(unused(subject.property))
    for element in subject.property.data_elements:
        if element.name in names:
            yield Spot(element.line, element.where, f"no rule uses {element.name!r}", element.file)


@rule(
    "property",
    "note",
    fix="Enable it, or delete it for good.",
    bad="rules: [{name: Track, enabled: false, actions: [{send_event: {event: Page, properties: {token: T}}}]}]",
    good="rules: [{name: Track, actions: [{send_event: {event: Page, properties: {token: T}}}]}]",
    evidence="docs",
    source="Adobe docs, Reactor API: disabled resources are not part of a build",
)
def disabled_part(subject: PropertySubject) -> Iterator[Spot]:
    """Something is disabled, so the build does not hold it."""
    for one in subject.property.left_out:
        if one.reason == "disabled":
            yield Spot(one.line, one.where, f"the {one.kind} {one.name!r} is disabled and not built", one.file)


@rule(
    "property",
    "error",
    fix="Begin the path with arc.event.xdm, arc.event.data, arc.request or arc.ruleStash.",
    bad="""
data_elements: {Page: event.data.page}
rules: [{name: All, actions: [{send_event: {event: "{{Page}}", properties: {token: T}}}]}]""",
    good="""
data_elements: {Page: arc.event.data.page}
rules: [{name: All, actions: [{send_event: {event: "{{Page}}", properties: {token: T}}}]}]""",
    evidence="docs",
    source=_ENGINE,
)
def path_to_nowhere(subject: PropertySubject) -> Iterator[Spot]:
    """A path starts where there is nothing, so its value is always null."""
    asked = needed(subject.property)
    for element in subject.property.data_elements:
        parts = path_of(element)
        if not parts or element.name not in asked or element.default_value is not None:
            continue  # with a default value it is somebody's way to write a constant
        if parts[0] != "arc" or (len(parts) > 1 and parts[1] not in _CONTEXT):
            message = f"the path {'.'.join(parts)!r} leads nowhere, so the value is always null"
            yield Spot(element.line, element.where, message, element.file)


@rule(
    "property",
    "warning",
    fix="Read a field of the item (`items[0].id`), or guard the rule with a condition on the list.",
    bad="""
data_elements: {Code: "arc.event.data.codes[0]"}
rules: [{name: All, actions: [{send_event: {event: "{{Code}}", properties: {token: T}}}]}]""",
    good="""
data_elements: {Code: "arc.event.data.codes[0].id"}
rules: [{name: All, actions: [{send_event: {event: "{{Code}}", properties: {token: T}}}]}]""",
    evidence="observed",
    source=_ENGINE,
)
def path_ends_in_index(subject: PropertySubject) -> Iterator[Spot]:
    """A path ends in an index: where the list is missing, its value is the whole object around it."""
    asked = needed(subject.property)
    for element in subject.property.data_elements:
        path = (element.settings or {}).get("path") if element.type == "path" else None
        if element.name in asked and isinstance(path, str) and path.endswith("]"):
            around = path.rpartition(".")[0]
            message = f"where {path!r} is missing, the value is all of {around!r} instead of nothing"
            yield Spot(element.line, element.where, message, element.file)


@rule(
    "property",
    "error",
    fix="Choose a secret for that environment in the data element.",
    bad="""
data_elements: {Token: {secret: {development: {id: SE1}}}}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]}]""",
    good="""
data_elements: {Token: {secret: {production: {id: SE1}}}}
rules: [{name: All, actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]}]""",
    evidence="docs",
    source=_ENGINE,
)
def secret_missing(subject: PropertySubject) -> Iterator[Spot]:
    """A secret has no value for the build environment, so every rule that uses it fails."""
    elements = {element.name: element for element in subject.property.data_elements}
    for secret in secrets(subject.property):
        if secret.is_needed and secret.id is None:
            element = elements[secret.element]
            message = f"the secret has nothing for the environment {secret.environment!r}"
            yield Spot(element.line, element.where, message, element.file)


@rule(
    "property",
    "warning",
    fix="Give it an action, or delete it.",
    bad='rules: [{name: Login, conditions: [{left: "{{Event type}}", operator: equals, right: login}]}]',
    good='rules: [{name: Login, actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]}]',
    evidence="docs",
    source=_ENGINE,
)
def rule_without_action(subject: PropertySubject) -> Iterator[Spot]:
    """A rule has no action, so it does nothing."""
    for one in subject.property.rules:
        if not one.actions:
            yield _at(one, f"the rule {one.name!r} has no action")


@rule(
    "property",
    "warning",
    fix="Rename one of them.",
    bad="""
rules:
  - {name: Track, actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]}
  - {name: Track, actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]}""",
    good="""
rules:
  - {name: Track pages, actions: [{send_event: {event: Page, properties: {token: "{{Token}}"}}}]}
  - {name: Track logins, actions: [{send_event: {event: Login, properties: {token: "{{Token}}"}}}]}""",
    evidence="inferred",
    source="our reading: logs and reports tell rules by their names",
)
def duplicate_rule_name(subject: PropertySubject) -> Iterator[Spot]:
    """Two rules have one name, so nobody can tell them apart in logs and reports."""
    seen: set[str] = set()
    for one in subject.property.rules:
        if one.name in seen:
            yield _at(one, f"another rule is called {one.name!r} too")
        seen.add(one.name)


def _at(one: Rule, message: str) -> Spot:
    return Spot(one.line, one.where, message, one.file)
