"""The results object: everything a run found out, as plain records. Reports read these and nothing else.

Times are milliseconds since 1970. Nothing here is computed from the wall clock, so equal runs give equal results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from harness.event import Endpoint, IdMerge, Json
from harness.identity.model import Decision
from harness.problems import Problem

ScenarioStatus: TypeAlias = Literal["passed", "failed", "known_failure", "error"]
CheckStatus: TypeAlias = Literal["passed", "failed"]
LinkKind: TypeAlias = Literal["merged", "same", "refused", "ignored", "nothing"]
EventStatus: TypeAlias = Literal["accepted", "duplicate", "rejected", "dropped"]
StepKind: TypeAlias = Literal["event", "edge", "advance", "resend"]
RuleStatus: TypeAlias = Literal["success", "condition_not_met", "failed"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of a scenario.

    Attributes:
        check: which one, for example `users`, `same_user`, `split`.
        status: passed or failed.
        expected: what the scenario expects, as JSON.
        actual: what was found, as JSON.
        sentence: what went wrong and why, for people; "" when it passed.
    """

    check: str
    status: CheckStatus
    expected: Json
    actual: Json
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class CautionRecord:
    """A warning about an event: it works, but is likely to hurt.

    Attributes:
        message: the warning for people.
        rule: the identity rule behind it; None for a warning of ingestion.
        field: the field of the event it is about; None for a warning of the identity model.
        ids: the ids it is about.
    """

    message: str
    rule: str | None = None
    field: str | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event that reached Mixpanel's door.

    Attributes:
        index: its place in the order of arrival, from 0; decisions cite it.
        step: the step that sent it.
        person: who really did it; None where the step names nobody.
        name: the event name as text; "" where it has none.
        endpoint: the route it came by.
        arrival_ms: when it arrived.
        time_ms: its event time; None where it was not stored.
        status: accepted, duplicate (stored, but a later one counts), rejected, or dropped (silently not stored).
        received_distinct_id: the distinct_id it carried or implied on arrival; "" for none.
        distinct_id: the canonical distinct_id at the end of the run; "" for nobody.
        ids: the ids it carried, for people to see: distinct_id, `$device:<id>`, user id, named ids.
        decision: what it decided about identity; None when it asserts nothing or was not stored.
        errors: why it was rejected: (field, message).
        cautions: warnings about it.
        rule: the forwarder's rule that sent it; None for a direct event.
    """

    index: int
    step: int
    person: str | None
    name: str
    endpoint: Endpoint
    arrival_ms: int
    time_ms: int | None
    status: EventStatus
    received_distinct_id: str
    distinct_id: str
    ids: tuple[str, ...]
    decision: Decision | None
    errors: tuple[tuple[str, str], ...] = ()
    cautions: tuple[CautionRecord, ...] = ()
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """What one rule of the property did with one Edge call."""

    name: str
    status: RuleStatus
    error: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of the scenario, in order.

    Attributes:
        number: the step's number, from 0.
        kind: event, edge, advance or resend.
        title: the step in a few words, for example `Page View` or `advance 2h`.
        person: who did it, or None.
        line: its line in the scenario file.
        at_ms: the clock when it ran; for `advance`, after it moved.
        rules: what the rules of the property did; only for Edge calls.
        note: what else happened that no event shows, for example events lost at a host of another region; "" for none.
    """

    number: int
    kind: StepKind
    title: str
    person: str | None
    line: int
    at_ms: int
    rules: tuple[RuleRecord, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """One identity cluster at the end of the run.

    Attributes:
        canonical: its canonical distinct_id.
        ids: all its ids, sorted.
        people: the people whose accepted events it holds, sorted.
        events: how many accepted events resolve to it.
    """

    canonical: str
    ids: tuple[str, ...]
    people: tuple[str, ...]
    events: int


@dataclass(frozen=True, slots=True)
class ExplainedLink:
    """One link of an explanation's chain.

    Attributes:
        kind: `merged` by a decision; `same`: one user by decisions that are not the point; `refused` or `ignored`;
            `nothing`: nothing ever connected the two.
        ids: its two ids, in the direction of the chain.
        index: the event behind it, as decisions cite it; None for `same` and `nothing`.
        text: the event, or what there is instead, in a few words.
        reason: Mixpanel's own reason of a refusal; "" where there is none.
    """

    kind: LinkKind
    ids: tuple[str, str]
    index: int | None
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """Why two ids of a scenario are, or are not, one user: what `harness explain` says of them.

    Attributes:
        about: what asked for it: a person who is `split`, people who are `mixed`, or the failed check.
        people: the person who is split, or the two who are mixed; empty for a check.
        ids: the two ids.
        same_user: whether they are one user.
        chain: from the first id to the second: the links that joined them, or the shortest way that failed.
        sentences: the rules, what would have to change, and what was joined for good.
        document: all of it, as `harness explain --json` prints it.
    """

    about: str
    people: tuple[str, ...]
    ids: tuple[str, str]
    same_user: bool
    chain: tuple[ExplainedLink, ...]
    sentences: tuple[str, ...]
    document: Json


@dataclass(frozen=True, slots=True)
class People:
    """The people of a scenario against the users that came out.

    Attributes:
        joined: how many people have all their accepted events under one user that is theirs alone.
        split: people whose accepted events are under several users, sorted.
        mixed: groups of people who share a user, each sorted.
    """

    joined: int = 0
    split: tuple[str, ...] = ()
    mixed: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """How well users match people, counted over accepted events that have a person.

    Pairwise: of all pairs of events under one user, how many are of one person (precision), and of all pairs of one
    person, how many are under one user (recall). B-cubed: the same seen from each event and then averaged.

    Attributes:
        events: how many events were compared.
        pairs_right: pairs of events of one person under one user.
        pairs_user: pairs of events under one user.
        pairs_person: pairs of events of one person.
        bcubed_precision_sum: the sum over events; divide by `events`.
        bcubed_recall_sum: the sum over events; divide by `events`.
    """

    events: int = 0
    pairs_right: int = 0
    pairs_user: int = 0
    pairs_person: int = 0
    bcubed_precision_sum: float = 0.0
    bcubed_recall_sum: float = 0.0

    @property
    def pairwise_precision(self) -> float:
        """From 0 to 1; 1 where no two events are under one user."""
        return self.pairs_right / self.pairs_user if self.pairs_user else 1.0

    @property
    def pairwise_recall(self) -> float:
        """From 0 to 1; 1 where nobody has two events."""
        return self.pairs_right / self.pairs_person if self.pairs_person else 1.0

    @property
    def bcubed_precision(self) -> float:
        """From 0 to 1; 1 where there are no events."""
        return self.bcubed_precision_sum / self.events if self.events else 1.0

    @property
    def bcubed_recall(self) -> float:
        """From 0 to 1; 1 where there are no events."""
        return self.bcubed_recall_sum / self.events if self.events else 1.0

    def __add__(self, other: Quality) -> Quality:
        return Quality(
            self.events + other.events,
            self.pairs_right + other.pairs_right,
            self.pairs_user + other.pairs_user,
            self.pairs_person + other.pairs_person,
            self.bcubed_precision_sum + other.bcubed_precision_sum,
            self.bcubed_recall_sum + other.bcubed_recall_sum,
        )


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario under one ID-merge system.

    Attributes:
        name: the scenario's name; the file's name where it could not be read.
        file: the file as it was found, with forward slashes.
        id_merge: the system; None where the file could not be read.
        status: passed, failed, known_failure (failed as announced), error (the file could not be read).
        checks: every check, in the order of the file; the implied ones last.
        people: joined, split and mixed.
        users: how many users came out.
        accepted: how many events were stored, duplicates not counted.
        steps: the steps in order.
        events: the events in order of arrival.
        clusters: every cluster at the end.
        decisions: every identity decision in order.
        quality: how well users match people.
        known_failure: why the flow is expected to fail today, or None.
        headline: one sentence for people: what went wrong; "" when all held.
        explained: why people are split or mixed and ids that a check names are one user or not, as `explain` says it.
        problems: what is wrong with the file; only for status error.
    """

    name: str
    file: str
    id_merge: IdMerge | None
    status: ScenarioStatus
    checks: tuple[CheckResult, ...] = ()
    people: People = People()
    users: int = 0
    accepted: int = 0
    steps: tuple[StepRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    clusters: tuple[ClusterRecord, ...] = ()
    decisions: tuple[Decision, ...] = ()
    quality: Quality = Quality()
    known_failure: str | None = None
    headline: str = ""
    explained: tuple[Explained, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run: every scenario under every system it names, in the order of files."""

    scenarios: tuple[ScenarioResult, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def count(self, status: ScenarioStatus) -> int:
        """Return how many scenarios ended with a status."""
        return sum(result.status == status for result in self.scenarios)

    @property
    def quality(self) -> Quality:
        """How well users match people over the whole run."""
        return sum((result.quality for result in self.scenarios), Quality())

    @property
    def exit_code(self) -> int:
        """0 all held, 1 a scenario failed, 2 a file could not be read."""
        if self.count("error"):
            return 2
        return 1 if self.count("failed") else 0
