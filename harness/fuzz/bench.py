"""The bench: one configuration under test, which plays flows and plays them again in other ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from harness.event import IdMerge, Json
from harness.forwarder.engine import RulesEngine
from harness.fuzz.flow import Flow, Jar, Risk, Verb
from harness.fuzz.sender import START_MS, Origin, Sender, Sending, send
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.scenario.format import AdvanceStep, Scenario, Step
from harness.scenario.records import Seen
from harness.scenario.results import EventRecord, ScenarioResult
from harness.scenario.run import ScenarioRun

PROPERTY_ENVIRONMENT: Final = "production"

Partition: TypeAlias = frozenset[frozenset[tuple[int, int]]]
"""Events by user; each event is its step and its place among the events of that step."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A configuration: who sends, through which property, into which project.

    Attributes:
        id_merge: the project's ID-merge system.
        new_sender: makes a fresh sender.
        settings: the project's settings.
        engine: what runs Edge calls; None where there are none.
        property_path: the property's file, for scenarios that are written.
        env: secret values by secret id.
        risks: what may happen although no sender can make up for it.
        asks: whether the sender reads canonical ids from Mixpanel, so that it has to send anew under other picks.
    """

    id_merge: IdMerge
    new_sender: Callable[[], Sender]
    settings: ProjectSettings = field(default_factory=ProjectSettings)
    engine: RulesEngine | None = None
    property_path: Path | None = None
    env: Mapping[str, Json] = field(default_factory=dict)
    risks: frozenset[Risk] = frozenset()
    asks: bool = False

    @property
    def verbs(self) -> frozenset[Verb]:
        """What can happen at all with this sender."""
        return self.new_sender().verbs

    def play(self, flow: Flow) -> Played:
        """Send a flow and return what came out."""
        sending = self.sending(flow, self.settings)
        run = self._run(sending.steps, self.settings, self.id_merge)
        return Played(self, flow, sending, run.play(), tuple(run.seen))

    def sending(self, flow: Flow, settings: ProjectSettings) -> Sending:
        """Return a flow as it is sent to a project with some settings, which ordinary senders never look at."""
        return send(flow, self.new_sender(), self.risks)

    def result(
        self, steps: Sequence[Step], settings: ProjectSettings | None = None, id_merge: IdMerge | None = None
    ) -> ScenarioResult:
        """Return what comes of steps; settings and system are the bench's own unless they are given."""
        return self._run(steps, settings or self.settings, id_merge or self.id_merge).play()

    def _run(self, steps: Sequence[Step], settings: ProjectSettings, id_merge: IdMerge) -> ScenarioRun:
        scenario = Scenario(
            name="",
            file="",
            id_merge=(id_merge,),
            property_path=self.property_path,
            now_ms=START_MS,
            environment=PROPERTY_ENVIRONMENT,
            env=self.env,
            settings=settings,
            steps=tuple(steps),
        )
        return ScenarioRun(scenario, MixpanelProject(id_merge, settings), self.engine)


@dataclass(frozen=True, slots=True)
class Played:
    """A flow, how it was sent, and what came out.

    Attributes:
        bench: the configuration.
        flow: what people did.
        sending: the steps, and where they come from.
        result: the result of the run.
        rows: the rows that reached Mixpanel's door, in order of arrival.
    """

    bench: Bench
    flow: Flow
    sending: Sending
    result: ScenarioResult
    rows: tuple[Seen, ...] = ()

    def origin(self, event: EventRecord) -> Origin:
        """Return the action behind an event."""
        return self.sending.origins[event.step]

    def under_seed(self, seed: int) -> tuple[Sending, ScenarioResult]:
        """Return the same flow in a project that picks canonical ids by another seed."""
        settings = _with_seed(self.bench.settings, seed)
        sending = self.bench.sending(self.flow, settings)
        return sending, self.bench.result(sending.steps, settings)

    def users_under_seed(self, seed: int) -> Partition:
        """Return which events would be one user if canonical ids were picked by another seed; see `partition`."""
        return self._users(self.rows, _with_seed(self.bench.settings, seed))

    def users_in_turn(self, groups: Sequence[frozenset[str]]) -> Partition:
        """Return which events would be one user if the rows of one group came before those of the next."""
        place = {person: at for at, people in enumerate(groups) for person in people}
        rows = sorted(self.rows, key=lambda row: place[row.person or ""])
        return self._users(rows, self.bench.settings)

    def _users(self, rows: Sequence[Seen], settings: ProjectSettings) -> Partition:
        """Send the rows themselves once more: what the forwarder made of the calls depends on nothing but them."""
        project = MixpanelProject(self.bench.id_merge, settings)
        for row in rows:
            has_token = isinstance(row.raw, dict) and "token" in (row.raw.get("properties") or ())
            check_token = row.endpoint == "track" and (row.rule is not None or (has_token and bool(settings.token)))
            project.receive([row.raw], now_ms=row.arrival_ms, endpoint=row.endpoint, check_token=check_token)
        statuses = project.statuses()
        return _partition(
            (row.step, project.distinct_id(at)) if statuses[at] == "accepted" else (row.step, None)
            for at, row in enumerate(rows)
        )

    def groups(self) -> list[frozenset[str]]:
        """Return the people of the flow in groups that share no jar with each other, in order of appearance."""
        groups: list[tuple[set[str], set[Jar]]] = []
        for origin in self.sending.origins.values():
            people, jars = {origin.person}, set() if origin.jar is None else {origin.jar}
            touching = [group for group in groups if group[0] & people or group[1] & jars]
            for group in touching:
                people |= group[0]
                jars |= group[1]
            at = groups.index(touching[0]) if touching else len(groups)
            groups[at : at + 1] = [(people, jars)]
            groups = [group for group in groups if group not in touching[1:]]
        return [frozenset(people) for people, _ in groups]

    def in_turn(self, groups: Sequence[frozenset[str]]) -> list[Step]:
        """Return the steps with everything of the first group first, then of the next, each at its own time.

        Args:
            groups: groups of people who share no jar, in the order wanted.
        """
        place = {person: at for at, people in enumerate(groups) for person in people}
        parts: list[list[tuple[int, Step]]] = [[] for _ in groups]
        now_ms = 0
        for step in self.sending.steps:
            if isinstance(step, AdvanceStep):
                now_ms += step.by_ms
            else:
                parts[place[self.sending.origins[step.number].person]].append((now_ms, step))
        steps: list[Step] = []
        clock_ms = 0
        for at_ms, step in (pair for part in parts for pair in part):
            if at_ms != clock_ms:
                number = len(self.sending.steps) + len(steps)
                steps.append(AdvanceStep(number, 0, f"{(at_ms - clock_ms) // 1_000}s", at_ms - clock_ms))
                clock_ms = at_ms
            steps.append(step)
        return steps


def _with_seed(settings: ProjectSettings, seed: int) -> ProjectSettings:
    return replace(settings, identity=replace(settings.identity, canonical_seed=seed))


def partition(result: ScenarioResult) -> Partition:
    """Return which events came out under one user; what users are called and the order of arrival don't count."""
    return _partition(
        (event.step, event.distinct_id if event.status == "accepted" else None) for event in result.events
    )


def _partition(events: Iterable[tuple[int, str | None]]) -> Partition:
    users: dict[str, set[tuple[int, int]]] = {}
    seen: dict[int, int] = {}
    for step, user in events:
        place = seen.get(step, 0)
        seen[step] = place + 1
        if user is not None:
            users.setdefault(user, set()).add((step, place))
    return frozenset(map(frozenset, users.values()))
