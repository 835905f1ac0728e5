"""One scenario under one ID-merge system while it runs: steps become requests and rows at Mixpanel's door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from harness.event import Endpoint, Json
from harness.forwarder import jsjson
from harness.forwarder.engine import Call, NetworkFailure, Request, Response, RulesEngine
from harness.ingestion.hosts import region_of
from harness.ingestion.project import MixpanelProject
from harness.ingestion.wire import WireRequest
from harness.jsontext import dump
from harness.scenario.checks import Found, check
from harness.scenario.format import AdvanceStep, EdgeStep, EventStep, Scenario, Step
from harness.scenario.partition import count_users, match_people, measure
from harness.scenario.records import Seen, cluster_records, event_records
from harness.scenario.results import CheckResult, RuleRecord, ScenarioResult, ScenarioStatus, StepKind, StepRecord

_ADDED: Final = frozenset({"time", "$insert_id"})


@dataclass(frozen=True, slots=True)
class _Row:
    """One row as it was sent directly."""

    raw: Json
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class _Forwarded:
    """One request as a rule sent it."""

    rule: str
    request: Request


_Sent: TypeAlias = _Row | _Forwarded


@dataclass(slots=True)
class ScenarioRun:
    """One scenario under one system while it runs."""

    scenario: Scenario
    project: MixpanelProject
    engine: RulesEngine | None
    now_ms: int = 0
    seen: list[Seen] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    sent: dict[int, list[_Sent]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now_ms = self.scenario.now_ms

    def play(self) -> ScenarioResult:
        """Run all steps and return what came out."""
        for step in _in_order(self.scenario.steps, self.scenario.settings.shuffle_seed):
            self._take(step)
        return self._result()

    def _take(self, step: Step) -> None:
        if isinstance(step, AdvanceStep):
            self.now_ms += step.by_ms
            self._record(step, "advance", f"advance {step.text}")
        elif isinstance(step, EventStep):
            row = _Row(_completed(step, self.now_ms), step.endpoint)
            self._send(step.number, step.person, [row])
            self._record(step, "event", step.name)
        elif isinstance(step, EdgeStep):
            rules = self._forward(step)
            self._record(step, "edge", _edge_title(step), rules)
        else:
            self._send(step.number, step.person, self.sent.get(step.of, []))
            self._record(step, "resend", f"resend {step.of}")

    def _record(self, step: Step, kind: StepKind, title: str, rules: tuple[RuleRecord, ...] = ()) -> None:
        note = "; ".join(dict.fromkeys(self.notes))
        self.notes.clear()
        self.steps.append(StepRecord(step.number, kind, title, step.person, step.line, self.now_ms, rules, note))

    def _send(self, step: int, person: str | None, sent: Sequence[_Sent]) -> None:
        self.sent[step] = list(sent)
        for one in sent:
            if isinstance(one, _Row):
                self._receive(step, person, one)
            else:
                self._deliver(step, person, one)

    def _receive(self, step: int, person: str | None, row: _Row) -> None:
        has_token = row.endpoint == "track" and "token" in row.raw["properties"]
        check_token = has_token and self.project.settings.token is not None
        self.project.receive([row.raw], now_ms=self.now_ms, endpoint=row.endpoint, check_token=check_token)
        self.seen.append(Seen(step, person, row.raw, row.endpoint, self.now_ms, None))

    def _forward(self, step: EdgeStep) -> tuple[RuleRecord, ...]:
        if self.engine is None:
            return ()
        self.sent[step.number] = sent = []

        def fetch(request: Request) -> Response | NetworkFailure:
            one = _Forwarded(request.rule, request)
            sent.append(one)
            return self._deliver(step.number, step.person, one)

        event = jsjson.parse(dump(step.event))
        arguments: dict[str, Json] = {} if step.request is None else {"request": jsjson.parse(dump(step.request))}
        result = self.engine.run(Call(event, env=self.scenario.env, now_ms=self.now_ms, **arguments), fetch)
        if not sent:
            self.notes.append("no rule sent anything")
        return tuple(
            RuleRecord(rule.name, rule.status, rule.error if rule.status == "failed" else None, len(rule.requests))
            for rule in result.rules
        )

    def _deliver(self, step: int, person: str | None, sent: _Forwarded) -> Response:
        request = sent.request
        url = urlsplit(request.url)
        host = url.hostname or ""
        region = region_of(host)
        if region is None:
            self.notes.append(f"a request went to {host or request.url}, which is not Mixpanel")
            return Response()
        before = len(self.project.rows)
        answer = self.project.handle(wire_request(request), self.now_ms)
        rows = _rows_of(request.body)
        arrived = len(self.project.rows) - before
        endpoint: Endpoint = "import" if "/import" in url.path else "track"
        for position in range(arrived):
            raw = rows[position] if position < len(rows) else None
            self.seen.append(Seen(step, person, raw, endpoint, self.now_ms, sent.rule))
        if not arrived and region != self.project.settings.region:
            home = self.project.settings.region
            self.notes.append(f"lost: {host} is the host of {region} projects, and this one is in {home}")
        elif not arrived:
            self.notes.append(
                f"nothing of a request was taken: {answer.status} {answer.body[:200].decode('utf-8', 'replace')}"
            )
        return Response(answer.status, answer.body.decode("utf-8", "replace"))

    def _result(self) -> ScenarioResult:
        scenario, project = self.scenario, self.project
        events = event_records(project, self.seen)
        people = match_people(events)
        accepted = sum(event.status == "accepted" for event in events)
        resent = frozenset(step.number for step in self.steps if step.kind == "resend")
        found = Found(project.id_merge, project.model, events, people, count_users(events), accepted, resent)
        checks = check(scenario.expect, found)
        failed = [one for one in checks if one.status == "failed"]
        checks, status = _with_known_failure(scenario, checks, failed=bool(failed))
        return ScenarioResult(
            name=scenario.name,
            file=scenario.file,
            id_merge=project.id_merge,
            status=status,
            checks=tuple(checks),
            people=people,
            users=found.users,
            accepted=accepted,
            steps=tuple(self.steps),
            events=tuple(events),
            clusters=cluster_records(project, events),
            decisions=tuple(project.model.decisions),
            quality=measure(events),
            known_failure=scenario.known_failure,
            headline=_headline(checks, failed, self.steps),
        )


def _in_order(steps: Sequence[Step], shuffle_seed: int | None) -> Iterator[Step]:
    """Yield the steps as they arrive: with a seed, neighbours that send at one instant arrive in any order."""
    if shuffle_seed is None:
        yield from steps
        return
    lots = Random(shuffle_seed)  # noqa: S311 - an order to test with, not a secret
    block: list[Step] = []
    for step in steps:
        if isinstance(step, (EventStep, EdgeStep)):
            block.append(step)
            continue
        lots.shuffle(block)
        yield from block
        yield step
        block = []
    lots.shuffle(block)
    yield from block


def _completed(step: EventStep, now_ms: int) -> dict[str, Json]:
    """Return the row of a direct event; by /import with the time and `$insert_id` that every SDK adds."""
    properties = dict(step.properties)
    if step.endpoint == "import":
        properties.setdefault("time", now_ms // 1_000)
        properties.setdefault("$insert_id", f"step-{step.number}")
        properties = {key: value for key, value in properties.items() if value is not None or key not in _ADDED}
    return {"event": step.name, "properties": properties}


def _edge_title(step: EdgeStep) -> str:
    xdm = step.event.get("xdm")
    kind = xdm.get("eventType") if isinstance(xdm, Mapping) else None
    return kind if isinstance(kind, str) and kind else "Edge call"


def wire_request(request: Request) -> WireRequest:
    """Return the request of a rule as it arrives at Mixpanel's door."""
    url = urlsplit(request.url)
    return WireRequest(
        method=request.method,
        path=url.path,
        query=url.query,
        headers={**request.headers, "host": url.netloc},
        body=request.body.encode("utf-8", "surrogatepass"),
    )


def _rows_of(body: str) -> list[Json]:
    try:
        rows = jsjson.parse(body)
    except ValueError:
        return []
    return rows if isinstance(rows, list) else [rows]


def _with_known_failure(
    scenario: Scenario, checks: list[CheckResult], *, failed: bool
) -> tuple[list[CheckResult], ScenarioStatus]:
    if scenario.known_failure is None:
        return checks, "failed" if failed else "passed"
    if failed:
        return checks, "known_failure"
    sentence = f"this flow was expected to fail ({scenario.known_failure}), but it holds; remove known_failure"
    return [*checks, CheckResult("known_failure", "failed", "a failure", "all checks hold", sentence)], "failed"


def _headline(checks: Sequence[CheckResult], failed: Sequence[CheckResult], steps: Sequence[StepRecord]) -> str:
    if not failed:
        return checks[-1].sentence if checks else ""
    by_weight = sorted(failed, key=lambda one: _WEIGHT.get(one.check, len(_WEIGHT)))
    return by_weight[0].sentence + _trouble(steps)


def _trouble(steps: Sequence[StepRecord]) -> str:
    for step in steps:
        broken = next((rule for rule in step.rules if rule.error is not None), None)
        if broken is not None:
            return f" (in step {step.number} the rule {broken.name!r} failed: {broken.error})"
        if step.note:
            return f" (step {step.number}: {step.note})"
    return ""


_WEIGHT: Final = {name: weight for weight, name in enumerate(("mixed", "split", "same_user", "different_users"))}
