"""A scenario on its way through the gate: played, moved to now, marked as a test run, and proven again as it is sent.

A scenario has a clock of its own; a real project has not. So all its times are moved by one and the same distance, such
that its last step happens one minute before now, and all of it arrives now. That and its marks change bytes, so what
comes out of the changed rows is checked again, against expectations whose ids are marked alike.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from harness.event import IDENTITY_EVENTS, Endpoint, Event, IdMerge, Json, from_wire
from harness.identity.blast import Blast
from harness.identity.model import build
from harness.ingestion.project import MixpanelProject
from harness.ingestion.rules import milliseconds
from harness.live.completion import CLOCK_BEHIND_MS, insert_id
from harness.live.findings import Finding, FindingKind, Findings
from harness.live.joins import Joins, guessed, is_allowed
from harness.live.marking import Marking
from harness.live.preparing import Circumstances, Preparer
from harness.live.proof import Allowed, Proof, ProvenRows, Spool, told
from harness.live.scenario_failures import KIND_OF_CHECK, is_loss, own_failures
from harness.scenario.checks import Found, check
from harness.scenario.expect import Expect
from harness.scenario.format import EventStep, Scenario
from harness.scenario.partition import count_users, match_people
from harness.scenario.records import Seen, event_records
from harness.scenario.results import EventRecord, ScenarioResult
from harness.scenario.run import ScenarioRun
from harness.scenario.runner import engine_cache


@dataclass(frozen=True, slots=True)
class _SentRow:
    """One row that is sent: the step and person behind it, its route, the row and its bytes."""

    seen: Seen
    row: dict[str, Json]
    body: bytes


def prove_scenario(
    scenario: Scenario,
    id_merge: IdMerge,
    *,
    endpoint: Endpoint | None,
    now_ms: int,
    spool: Spool,
    allowed: Allowed,
    marking: Marking,
) -> Proof:
    """Prove a scenario as it is sent.

    Args:
        scenario: the scenario.
        id_merge: the project's system.
        endpoint: the route of all events; None: as its steps say.
        now_ms: the clock, milliseconds since 1970.
        spool: takes the rows that are sent.
        allowed: joins that are expected beyond `expect.same_user`, and what a known user looks like.
        marking: how the events are marked.

    Raises:
        InputError: when its property can't be read.
    """
    engine = None
    if scenario.property_path is not None:
        engine = engine_cache()(scenario.property_path, scenario.environment)
    played = ScenarioRun(_by(endpoint, scenario), MixpanelProject(id_merge, scenario.settings), engine)
    result = played.play()
    findings = own_failures(scenario, result, played.project.model)
    flow = _Flow(scenario, id_merge, now_ms, marking, allowed, findings, result)
    return flow.prove(played.seen, spool)


class _Flow:
    """The rows of a scenario as they are sent, on a fresh project whose clock is now."""

    def __init__(
        self,
        scenario: Scenario,
        id_merge: IdMerge,
        now_ms: int,
        marking: Marking,
        allowed: Allowed,
        findings: Findings,
        result: ScenarioResult,
    ) -> None:
        self._scenario = scenario
        self._id_merge: IdMerge = id_merge
        self._now_ms = now_ms
        self._marking = marking
        self._allowed = allowed
        self._findings = findings
        self._result = result
        self._lines = {step.number: step.line for step in scenario.steps}

    def prove(self, seen: Sequence[Seen], spool: Spool) -> Proof:
        """Return what comes out of the rows, and hand them on."""
        rows = list(self._prepared(seen))
        settings = self._scenario.settings
        project = MixpanelProject(self._id_merge, settings)
        for sent in rows:
            project.receive([sent.row], now_ms=self._now_ms, endpoint=sent.seen.endpoint, strict=True)
        events = event_records(project, [sent.seen for sent in rows])
        self._find_outcomes(events, project)
        self._find_checks(events, project)
        joins = self._find_joins(events, rows)
        if not rows and not self._findings:
            self._findings.add(Finding("empty", "no step sends anything to Mixpanel", "Nothing can be sent."))
        digest = hashlib.sha256()
        for sent in rows:
            digest.update(sent.body + b"\n")
        for block in _by_route(rows):
            spool.take(block)
        return Proof(
            len(rows),
            sum(len(sent.body) for sent in rows),
            digest.hexdigest(),
            count_users(events),
            sum(event.status == "duplicate" for event in events),
            self._findings,
            tuple(joins),
            tuple(self._notes(events)),
        )

    def _prepared(self, seen: Sequence[Seen]) -> Iterator[_SentRow]:
        settings = self._scenario.settings.ingestion
        clock_ms = self._now_ms - CLOCK_BEHIND_MS
        last_ms = max((one.arrival_ms for one in seen), default=clock_ms)
        shift_s = (clock_ms - last_ms) // 1_000
        preparers: dict[tuple[Endpoint, int], Preparer] = {}
        made: set[str] = set()
        for one in seen:
            event = from_wire(one.raw)
            if not isinstance(event, Event):
                self._add("rejected", f"{event.field}: {event.message}", "Mend the step.", one.step)
                continue
            arrival_ms = one.arrival_ms + shift_s * 1_000
            key = (one.endpoint, arrival_ms)
            if key not in preparers:
                preparers[key] = Preparer(
                    Circumstances(self._id_merge, one.endpoint, settings, self._now_ms, arrival_ms, self._marking)
                )
            whole = _with_insert_id(event, one.step, made)
            moved = Event(event.name, _moved(whole, shift_s, settings.ms_threshold))
            prepared = preparers[key].event(moved, one.step, f"step {one.step}")
            for _, message in prepared.rejected:
                fix = _TOO_OLD if "days ago on /track" in message else "Mend the step."
                self._add("rejected", message, fix, one.step)
            for row in prepared.rows:
                if not row[4]:
                    message = "its $insert_id is malformed, so a retry of it would count twice"
                    self._add("insert_id", message, "Use at most 36 letters, digits and hyphens.", one.step)
                body = prepared.blob
                sent = json.loads(body)
                yield _SentRow(replace(one, raw=sent, arrival_ms=self._now_ms), sent, body)

    def _find_outcomes(self, events: Sequence[EventRecord], project: MixpanelProject) -> None:
        refused = {(outcome.step, outcome.what) for outcome in self._scenario.expect.refused or ()}
        for event in events:
            decision = event.decision
            if event.errors:
                message = "; ".join(f"{field}: {text}" if field else text for field, text in event.errors)
                self._add("rejected", f"Mixpanel would not store it: {message}", "Mend the step.", event.step)
            elif decision is not None and decision.outcome == "refused":
                expected = (event.step, decision.reason) in refused or (event.step, None) in refused
                if not expected and (decision.reason or decision.rule) not in self._allowed.refused:
                    message = (
                        f"{event.name} of {' and '.join(decision.ids)} would be refused "
                        f"({decision.reason or decision.rule})"
                    )
                    self._add("refused", message, "Mend the flow, or expect it under expect.refused.", event.step)
        steps = {event.index: event.step for event in events}
        for caution in project.model.cautions:
            if caution.rule == "original.near_limit":
                fix = "Use fewer ids for one user."
                self._add("near_limit", caution.message, fix, steps.get(caution.event_index))

    def _find_checks(self, events: Sequence[EventRecord], project: MixpanelProject) -> None:
        """Check the expectations once more, on the rows as they are sent."""
        if self._findings:
            return
        expect = _marked(self._scenario.expect, self._marking.id)
        accepted = sum(event.status == "accepted" for event in events)
        resent = frozenset(step.number for step in self._result.steps if step.kind == "resend")
        people = match_people(events)
        found = Found(self._id_merge, project.model, events, people, count_users(events), accepted, resent)
        for one in check(expect, found):
            if one.status == "failed":
                message = f"holds by the clock of the scenario, but not as it is sent now: {one.sentence}"
                self._add(
                    KIND_OF_CHECK.get(one.check, "check"), message, "Mend the flow, or send it by another route.", None
                )

    def _find_joins(self, events: Sequence[EventRecord], rows: Sequence[_SentRow]) -> list[Blast]:
        """Find joins of ids of different people, or of known users that nobody is said to be."""
        owners = _owners(events)
        fallback = guessed(self._allowed.is_known)
        model = build(self._id_merge, self._scenario.settings.identity)
        joins = Joins(model, lambda text: owners.get(text) or fallback(text), by_role=False)
        groups = (*self._scenario.expect.same_user, *self._allowed.joins)
        allowed = {frozenset(self._labels(group, owners)) for group in groups}
        found: list[Blast] = []
        for event in events:
            if event.status in ("rejected", "dropped"):
                continue
            sent = from_wire(rows[event.index].row)
            if not isinstance(sent, Event):
                continue
            joins.before(sent)
            decision = model.add(sent, endpoint=event.endpoint, arrival_ms=self._now_ms).decision
            blast = joins.after(decision)
            if blast is None:
                continue
            if is_allowed(blast, allowed):
                found.append(blast)
                continue
            fix = "Remove the step, or say that they are one user under expect.same_user."
            self._add("join", f"{event.name} {told(blast)}", fix, event.step)
        return found

    def _labels(self, group: Collection[str], owners: Mapping[str, str]) -> Iterator[str]:
        for text in group:
            marked = self._marking.id(text)
            yield owners.get(marked, marked)

    def _notes(self, events: Sequence[EventRecord]) -> list[str]:
        found: dict[str | None, str] = {}
        for event in events:
            for caution in event.cautions:
                if caution.rule != "original.near_limit":
                    found.setdefault(caution.rule or caution.field, f"step {event.step}: {caution.message}")
        notes = [
            f"step {step.number}: {step.note}" for step in self._result.steps if step.note and not is_loss(step.note)
        ]
        return [*notes, *found.values()][:_MOST_NOTES]

    def _add(self, kind: FindingKind, message: str, fix: str, step: int | None) -> None:
        if kind == "rejected" and any(one.kind == kind and one.step == step for one in self._findings.kept):
            return
        line = self._lines.get(step) if step is not None else None
        self._findings.add(Finding(kind, message, fix, line, step))


def _by(endpoint: Endpoint | None, scenario: Scenario) -> Scenario:
    """Return a scenario whose direct events all go by one route."""
    if endpoint is None:
        return scenario
    steps = tuple(replace(step, endpoint=endpoint) if isinstance(step, EventStep) else step for step in scenario.steps)
    return replace(scenario, steps=steps)


def _with_insert_id(event: Event, step: int, made: set[str]) -> Mapping[str, Json]:
    """Return event properties with an `$insert_id`, made before any time is moved, so that each run can tell it."""
    properties = {key: value for key, value in event.properties.items() if key != "token"}
    if properties.get("$insert_id") in (None, ""):
        own = insert_id(event.name, properties, f"step {step}")
        while own in made:
            own = insert_id(event.name, properties, f"step {step} after {own}")
        made.add(own)
        properties["$insert_id"] = own
    return properties


def _moved(properties: Mapping[str, Json], shift_s: int, seconds_below: float) -> dict[str, Json]:
    """Return event properties whose time is moved; what is no time stays what it is."""
    moved = dict(properties)
    time: Json = moved.get("time")
    if milliseconds(time, seconds_below) is not None:
        moved["time"] = time + (shift_s if time < seconds_below else shift_s * 1_000)
    return moved


def _marked(expect: Expect, mark: Callable[[str], str]) -> Expect:
    return replace(
        expect,
        same_user=tuple(tuple(map(mark, group)) for group in expect.same_user),
        different_users=tuple(tuple(map(mark, group)) for group in expect.different_users),
        canonical=tuple((mark(text), mark(expected)) for text, expected in expect.canonical),
    )


def _owners(events: Sequence[EventRecord]) -> dict[str, str]:
    """Return whose ids are: the person whose events carry one; ids of an identity event are of who did it otherwise."""
    owners: dict[str, str] = {}
    for event in events:
        if event.person is not None and event.name not in IDENTITY_EVENTS and event.received_distinct_id:
            owners.setdefault(event.received_distinct_id, event.person)
    for event in events:
        if event.person is not None and event.decision is not None:
            for text in event.decision.ids:
                owners.setdefault(text, event.person)
    return owners


def _by_route(rows: Sequence[_SentRow]) -> Iterator[ProvenRows]:
    """Yield rows that follow each other by one route, all of one lane: a scenario is sent in its order."""
    for endpoint, group in groupby(rows, key=lambda sent: sent.seen.endpoint):
        block = list(group)
        places = array("Q", [sent.seen.step for sent in block])
        times = [milliseconds(sent.row["properties"].get("time"), 1e11) or 0 for sent in block]
        blob = b"\n".join(sent.body for sent in block)
        yield ProvenRows(endpoint, blob, places, array("I", [0] * len(block)), min(times))


_MOST_NOTES: Final = 20
_TOO_OLD: Final = "All of it arrives now: shorten the waits before it, or send by /import (--endpoint import)."
