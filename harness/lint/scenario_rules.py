"""Rules about scenarios: what their authors know and no event carries, people and expectations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.event import DEVICE_PREFIX
from harness.forwarder.model import Property
from harness.forwarder.property_uses import secrets
from harness.lint.registry import Spot, rule
from harness.lint.stream import EventsSubject, Row, id_fields, ids_on
from harness.problems import nearest
from harness.scenario.expect import Expect
from harness.scenario.format import EdgeStep, Scenario
from harness.scenario.run import ScenarioRun

_OURS: Final = "our reading: a scenario that can't fail, or can't hold, proves nothing"
_FAMILY: Final = "Mixpanel docs, Identifying Users: multiple users, one device"
_ORIGINAL: Final = "Mixpanel docs, Identifying Users (Original): the canonical id is random and not user-configurable"


@dataclass(frozen=True, slots=True)
class ScenarioSubject:
    """A scenario to lint under one ID-merge system.

    Attributes:
        scenario: the scenario as it was read.
        run: it, played to the end.
        stream: the events that it sent.
        property: its property; None where it has none.
    """

    scenario: Scenario
    run: ScenarioRun
    stream: EventsSubject
    property: Property | None


@rule(
    "scenario",
    "error",
    fix="Check same_user instead.",
    bad="""
name: A login
id_merge: original
steps: [{event: Login, person: ana, properties: {distinct_id: ana}}]
expect: {canonical: {ana: ana}}""",
    good="""
name: A login
id_merge: original
steps: [{event: Login, person: ana, properties: {distinct_id: ana}}]
expect: {users: 1}""",
    evidence="docs",
    source=f"{_ORIGINAL}; https://github.com/mixpanel/mixpanel-js/issues/383",
    systems=("original",),
)
def canonical_is_no_promise(subject: ScenarioSubject) -> Iterator[Spot]:
    """A scenario for original expects a canonical id, which nobody can predict."""
    for text, _ in subject.scenario.expect.canonical:
        yield Spot(None, "expect.canonical", f"nobody can say which id of the cluster of {text!r} becomes canonical")


@rule(
    "scenario",
    "warning",
    fix="Correct the id; devices go by $device:<id> in simplified.",
    bad="""
name: A login
id_merge: simplified
steps: [{event: Login, person: ana, properties: {$device_id: laptop, $user_id: user-ana}}]
expect: {same_user: [[laptop, user-ana]]}""",
    good="""
name: A login
id_merge: simplified
steps: [{event: Login, person: ana, properties: {$device_id: laptop, $user_id: user-ana}}]
expect: {same_user: [["$device:laptop", user-ana]]}""",
    evidence="inferred",
    source=_OURS,
)
def id_that_nobody_sent(subject: ScenarioSubject) -> Iterator[Spot]:
    """An expectation names an id that no event carries."""
    model = subject.stream.project.model
    known = {text for cluster in model.clusters() for text in cluster.ids}
    carried = {text for _, event in subject.stream.events() for _, text in id_fields(event)}
    for key, text in _expected_ids(subject.scenario.expect):
        of_another_system = len(subject.scenario.id_merge) > 1 and text.removeprefix(DEVICE_PREFIX) in carried
        if not model.knows(text) and not of_another_system:
            close = nearest(text, known)
            yield Spot(
                None, f"expect.{key}", f"no event carries {text!r}" + (f"; did you mean {close!r}?" if close else "")
            )


def _expected_ids(expect: Expect) -> Iterator[tuple[str, str]]:
    for key, groups in (("same_user", expect.same_user), ("different_users", expect.different_users)):
        for group in groups:
            for text in group:
                yield key, text
    for text, _ in expect.canonical:
        yield "canonical", text


@rule(
    "scenario",
    "warning",
    fix="Remove property, or add an edge step.",
    bad="""
name: A login
id_merge: simplified
property: PROPERTY
steps: [{event: Login, person: ana, properties: {$user_id: user-ana}}]""",
    good="""
name: A login
id_merge: simplified
steps: [{event: Login, person: ana, properties: {$user_id: user-ana}}]""",
    evidence="inferred",
    source=_OURS,
)
def property_without_edge_call(subject: ScenarioSubject) -> Iterator[Spot]:
    """A scenario names a property, but no step is an Edge call."""
    if subject.property is not None and not any(isinstance(step, EdgeStep) for step in subject.scenario.steps):
        yield Spot(None, "property", "no step is an edge call, so nothing goes through the property")


@rule(
    "scenario",
    "warning",
    fix="Name the person of each step, or add expect.",
    bad="""
name: A login
id_merge: simplified
steps: [{event: Login, properties: {$user_id: user-ana}}]""",
    good="""
name: A login
id_merge: simplified
steps: [{event: Login, person: ana, properties: {$user_id: user-ana}}]""",
    evidence="inferred",
    source=_OURS,
)
def nothing_is_checked(subject: ScenarioSubject) -> Iterator[Spot]:
    """A scenario expects nothing and names nobody, so it can't fail."""
    if subject.scenario.expect == Expect() and all(step.person is None for step in subject.scenario.steps):
        yield Spot(None, "", "it expects nothing and names no person, so it can't fail")


@rule(
    "scenario",
    "note",
    fix="Add id_merge with the system of the project.",
    bad="""
name: A login
steps: [{event: Login, person: ana, properties: {$user_id: user-ana}}]""",
    good="""
name: A login
id_merge: simplified
steps: [{event: Login, person: ana, properties: {$user_id: user-ana}}]""",
    evidence="inferred",
    source=_OURS,
)
def system_not_named(subject: ScenarioSubject) -> Iterator[Spot]:
    """A scenario names no ID-merge system, so it runs under simplified only."""
    if not subject.scenario.id_merge:
        yield Spot(None, "", "no id_merge is named, so it runs under simplified only")


@rule(
    "scenario",
    "error",
    fix="Add its value under settings.env, by the id of the secret.",
    bad="""
name: A call
id_merge: simplified
property: PROPERTY
steps: [{edge: {xdm: {eventType: login}}, person: ana}]""",
    good="""
name: A call
id_merge: simplified
property: PROPERTY
settings: {env: {SE1: the-token}}
steps: [{edge: {xdm: {eventType: login}}, person: ana}]""",
    evidence="docs",
    source="source code of Adobe's Core extension for the edge",
)
def secret_without_value(subject: ScenarioSubject) -> Iterator[Spot]:
    """The property needs a secret whose value the scenario does not give, so its rules fail."""
    for secret in secrets(subject.property) if subject.property is not None else ():
        if secret.is_needed and secret.id is not None and not subject.scenario.env.get(secret.id):
            yield Spot(
                None, "settings.env", f"the secret {secret.id} of the data element {secret.element!r} has no value"
            )


@rule(
    "scenario",
    "error",
    fix="Correct the rule, or what the step sends.",
    bad="""
name: A call
id_merge: simplified
property: PROPERTY
steps: [{edge: {xdm: {eventType: login}}, person: ana}]""",
    good="""
name: A call
id_merge: simplified
property: PROPERTY
settings: {env: {SE1: the-token}}
steps: [{edge: {xdm: {eventType: login}}, person: ana}]""",
    evidence="docs",
    source="source code of Adobe's rules engine for the edge",
)
def rule_fails(subject: ScenarioSubject) -> Iterator[Spot]:
    """A rule of the property fails on an Edge call."""
    for step in subject.run.steps:
        for one in step.rules:
            if one.status == "failed":
                yield Spot(step.line, f"steps[{step.number}]", f"the rule {one.name!r} fails: {one.error}")


@rule(
    "scenario",
    "warning",
    fix="Give each person an id of their own (reset() at logout), or say what comes of it: mixed, split, refused.",
    bad="""
name: A family tablet
id_merge: simplified
steps:
  - {event: Login, person: ana, properties: {$device_id: tablet, $user_id: user-ana}}
  - {event: Page, person: ben, properties: {$device_id: tablet}}""",
    good="""
name: A family tablet
id_merge: simplified
steps:
  - {event: Login, person: ana, properties: {$device_id: tablet, $user_id: user-ana}}
  - {event: Page, person: ben, properties: {$device_id: tablet-after-reset}}""",
    evidence="docs",
    source=_FAMILY,
)
def id_of_two_people(subject: ScenarioSubject) -> Iterator[Spot]:
    """Two people send one id, so something of one of them ends up with the other."""
    first: dict[str, Row] = {}
    found: dict[tuple[str, str], list[Row]] = {}
    for row, event in subject.stream.events():
        for text in ids_on(event, subject.stream.id_merge) if row.person is not None else ():
            owner = first.setdefault(text, row)
            if owner.person != row.person:
                found.setdefault((text, row.person or ""), []).append(row)
    for (text, person), rows in found.items():
        steps = tuple(row.step for row in rows if row.step is not None)
        people = (first[text].person or "", person)
        yield Spot(rows[0].line, rows[0].key, f"{people[0]} and {person} both send {text!r}", "", steps, people)


@rule(
    "scenario",
    "warning",
    fix="Send one event that names both: $device_id with $user_id, or $identify, or $create_alias.",
    bad="""
name: A visit and a purchase
id_merge: simplified
steps:
  - {event: Page, person: ana, properties: {$device_id: laptop}}
  - {event: Purchase, person: ana, properties: {$user_id: user-ana}}""",
    good="""
name: A visit and a purchase
id_merge: simplified
steps:
  - {event: Page, person: ana, properties: {$device_id: laptop}}
  - {event: Purchase, person: ana, properties: {$device_id: laptop, $user_id: user-ana}}""",
    evidence="docs",
    source="Mixpanel docs, Identifying Users",
)
def ids_that_never_meet(subject: ScenarioSubject) -> Iterator[Spot]:
    """A person sends two ids and no event names both, so nothing can ever join them."""
    groups = _meeting([ids_on(event, subject.stream.id_merge) for _, event in subject.stream.events()])
    home: dict[str, tuple[set[str], str]] = {}
    told: set[str] = set()
    for row, event in subject.stream.events():
        for text in ids_on(event, subject.stream.id_merge)[:1] if row.person is not None else ():
            person = row.person or ""
            group, other = home.setdefault(person, (groups[text], text))
            if text not in group and person not in told:
                told.add(person)
                yield Spot(
                    row.line,
                    row.key,
                    f"{person} sends {text!r} here, and no event names it with {other!r}",
                    "",
                    (),
                    (person,),
                )


def _meeting(rows: Sequence[tuple[str, ...]]) -> dict[str, set[str]]:
    """Return for each id the ids that events connect it with, itself included."""
    groups: dict[str, set[str]] = {}
    for ids in rows:
        joined = {text for one in ids for text in groups.get(one, {one})}
        for text in joined:
            groups[text] = joined
    return groups
