"""A search: known flows first, then new ones, until an invariant breaks, time is over or enough was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hypothesis import Phase
from hypothesis.errors import Flaky

from harness.event import IDENTITY_EVENTS
from harness.fuzz.bench import Bench, Played
from harness.fuzz.flow import DEVICES, PEOPLE, VERBS, Action, Flow, fitted, people_of
from harness.fuzz.invariants import INVARIANTS, Broken, Invariant, first_broken
from harness.fuzz.machine import explore, machine_for

Stopped: TypeAlias = Literal["", "interrupted", "time"]


@dataclass(slots=True)
class Explored:
    """What a search has seen, so that nobody trusts an empty one.

    Attributes:
        examples: how many flows were tried, those of shrinking aside.
        different: how many of them had not been tried before; the rest of the counts is about these.
        shrinking: how many more were tried to make a found one smaller.
        actions: how often each verb happened.
        events: how many events came out, by what became of them: `accepted`, `duplicate`, `rejected`, `dropped`.
        decisions: how many identity decisions there were, by kind and outcome.
        people: flows by how many people are in them.
        handed_over: flows in which a device had two people.
        resets: how often the storage of a device was emptied.
        largest_cluster: most ids in one cluster.
    """

    examples: int = 0
    different: int = 0
    shrinking: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    people: Counter[int] = field(default_factory=Counter)
    handed_over: int = 0
    resets: int = 0
    largest_cluster: int = 0

    def note(self, played: Played) -> None:
        """Take note of a flow that was not tried before."""
        actions = played.flow.actions
        self.different += 1
        self.actions.update([action.verb for action in actions])
        self.people[len(people_of(actions))] += 1
        spots = {(action.device, action.person) for action in actions if action.device and action.person}
        self.handed_over += len(spots) > len({device for device, _ in spots})
        self.resets += sum(seat.jar.number for seat in played.sending.world.seats.values())
        self.events.update([event.status for event in played.result.events if event.name not in IDENTITY_EVENTS])
        self.decisions.update([f"{one.kind} {one.outcome}" for one in played.result.decisions])
        self.largest_cluster = max([self.largest_cluster, *(len(one.ids) for one in played.result.clusters)])


@dataclass(frozen=True, slots=True)
class Finding:
    """The smallest flow that was found to break an invariant, as it was played, and how it breaks."""

    played: Played
    broken: Broken


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search came to.

    Attributes:
        findings: one for each invariant that broke, in the order of the registry.
        explored: what was tried.
        stopped: why it ended before its time; "" when it did not.
    """

    findings: tuple[Finding, ...]
    explored: Explored
    stopped: Stopped = ""


class InvariantBroken(Exception):  # noqa: N818 - what Hypothesis looks for is a failure, not a mistake of ours
    """An invariant does not hold for a flow; each invariant has its own kind, so that each is shrunk by itself."""


class _StopError(BaseException):
    """Leaves Hypothesis, which would take an ordinary exception for a finding."""

    def __init__(self, why: Stopped) -> None:
        super().__init__(why)
        self.why = why


def _holds_others(error: BaseException) -> bool:
    """Return whether an exception has others in it than those by which the judge tells of a broken invariant."""
    return isinstance(error, BaseExceptionGroup) and error.split((InvariantBroken, Flaky))[1] is not None


_KINDS: Final[dict[str, type[InvariantBroken]]] = {}


def _kind(name: str) -> type[InvariantBroken]:
    if name not in _KINDS:
        _KINDS[name] = type(name.title().replace("-", ""), (InvariantBroken,), {})
    return _KINDS[name]


class Search:
    """Looks for flows that break an invariant.

    Args:
        bench: the configuration.
        invariants: what has to hold; None: all of them.
        on_example: is told how many flows were tried, after each.
        stop: tells why the search has to end now, "" for not at all; the wall clock and signals stay outside.
    """

    def __init__(
        self,
        bench: Bench,
        invariants: Sequence[Invariant] | None = None,
        on_example: Callable[[int], None] = lambda examples: None,
        stop: Callable[[], Stopped] = lambda: "",
    ) -> None:
        self.bench = bench
        self.invariants = tuple(INVARIANTS.values()) if invariants is None else tuple(invariants)
        self.on_example = on_example
        self.stop = stop
        self.explored = Explored()
        self.best: dict[str, Finding] = {}
        self.judged: dict[Flow, Broken | None] = {}
        self.most = 0

    def run(self, *, examples: int, seed: int) -> SearchResult:
        """Search, and return the smallest flow for each invariant that broke.

        Args:
            examples: most flows to try.
            seed: equal seeds give equal results.
        """
        stopped: Stopped = ""
        self.most = examples
        machine = machine_for(self.bench, self._judge)
        try:
            explore(machine, examples=examples, start=seed, phases=(Phase.generate, Phase.shrink))
        except KeyboardInterrupt:
            stopped = "interrupted"
        except _StopError as stop:
            stopped = stop.why
        except (InvariantBroken, Flaky, BaseExceptionGroup) as error:
            if not self.best or _holds_others(error):
                raise
        self.best = {name: self._tidied(found) for name, found in self.best.items()}
        return self._result(stopped)

    def replay(self, flows: Iterable[Flow]) -> SearchResult:
        """Try flows that are known from earlier searches; what can't happen any more is left out of them."""
        for known in flows:
            if self.stop():
                break
            flow = fitted(known.actions, self.bench.risks, self.bench.verbs, known.id_kind)
            self._try(flow)
        self.best = {name: self._tidied(found) for name, found in self.best.items()}
        return self._result(self.stop())

    def _result(self, stopped: Stopped) -> SearchResult:
        found = [self.best[name] for name in INVARIANTS if name in self.best]
        return SearchResult(tuple(found), self.explored, stopped)

    def _judge(self, flow: Flow) -> None:
        why = self.stop()
        if why:
            raise _StopError(why)
        if not self.best and self.explored.examples >= self.most:
            # Hypothesis starts some flows more than it counts.
            return
        broken = self._try(flow)
        if broken is not None:
            raise _kind(broken.invariant)

    def _try(self, flow: Flow) -> Broken | None:
        if self.best:
            self.explored.shrinking += 1
        else:
            self.explored.examples += 1
            self.on_example(self.explored.examples)
        if flow in self.judged:
            # Different draws often come to the same flow, and equal flows come out equal.
            return self.judged[flow]
        played = self.bench.play(flow)
        if not self.best:
            self.explored.note(played)
        broken = self.judged[flow] = first_broken(played, self.invariants)
        if broken is not None:
            self._keep(Finding(played, broken))
        return broken

    def _keep(self, found: Finding) -> None:
        name = found.broken.invariant
        best = self.best.get(name)
        if best is None or _size(found.played.flow) < _size(best.played.flow):
            self.best[name] = found

    def _tidied(self, found: Finding) -> Finding:
        """Return a finding without anything that it does not need: actions, details, people and devices.

        Ctrl-C leaves it as it is by then. A time budget that is over does not, since this takes moments.
        """
        check = [one for one in self.invariants if one.name == found.broken.invariant]
        best = found
        changed = True
        while changed:
            changed = False
            for flow in _simpler(best.played.flow):
                if self.stop() == "interrupted":
                    return best
                played = self.bench.play(fitted(flow.actions, self.bench.risks, self.bench.verbs, flow.id_kind))
                broken = first_broken(played, check) if _size(played.flow) < _size(best.played.flow) else None
                if broken is not None:
                    best, changed = Finding(played, broken), True
                    break
        return best


def combined(result: SearchResult, known: SearchResult) -> SearchResult:
    """Return the result of a search with what known flows break beside it; of two flows the smaller one counts."""
    best = {found.broken.invariant: found for found in known.findings}
    for found in result.findings:
        other = best.get(found.broken.invariant)
        if other is None or _size(found.played.flow) <= _size(other.played.flow):
            best[found.broken.invariant] = found
    findings = tuple(best[name] for name in INVARIANTS if name in best)
    return SearchResult(findings, result.explored, result.stopped)


def _size(flow: Flow) -> tuple[object, ...]:
    places = [
        (
            action.detail,
            VERBS.index(action.verb),
            PEOPLE.index(action.person) if action.person else 0,
            _place(action.device),
        )
        for action in flow.actions
    ]
    return len(flow.actions), flow.id_kind != "plain", sum(map(sum, places)), places


def _place(device: str) -> int:
    return DEVICES.index(device) if device else 0


def _simpler(flow: Flow) -> Iterable[Flow]:
    actions = flow.actions
    for position in range(len(actions)):
        yield Flow((*actions[:position], *actions[position + 1 :]), flow.id_kind)
    if flow.id_kind != "plain":
        yield Flow(actions)
    yield Flow(_renamed(actions), flow.id_kind)
    for position, action in enumerate(actions):
        plain = action._replace(detail=0)
        if plain != action:
            yield Flow((*actions[:position], plain, *actions[position + 1 :]), flow.id_kind)
        if action.verb != "browse" and action.person and action.device:
            plain = action._replace(detail=0, verb="browse")
            yield Flow((*actions[:position], plain, *actions[position + 1 :]), flow.id_kind)


def _renamed(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the same flow with people and devices named in the order of their appearance."""
    people = dict(zip(people_of(actions), PEOPLE, strict=False))
    used = dict.fromkeys(action.device for action in actions if action.device)
    devices = dict(zip(used, DEVICES, strict=False))
    return tuple(
        action._replace(person=people.get(action.person, ""), device=devices.get(action.device, ""))
        for action in actions
    )
