"""Calibration: probes are sent to a throw-away project, and what comes back says which reading of each rule is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeAlias

from harness.event import IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.live.export_row import ExportRow
from harness.live.probe import (
    RUN_PREFIX,
    Answer,
    Ask,
    Kit,
    Probe,
    RowSeen,
    Seen,
    Shape,
    fare,
    identity_rows,
    with_value,
)
from harness.live.probe_text import sent_text, shape_text
from harness.live.probes_door import PROBES as DOOR
from harness.live.probes_identity import PROBES as IDENTITY
from harness.live.probes_identity import SYSTEM
from harness.live.probes_original import PROBES as ORIGINAL
from harness.live.verify import Patience, ReadExport
from harness.problems import InputError, Problem

Status: TypeAlias = Literal["decided", "holds", "fails", "undecided"]

PROBES: Final[tuple[Probe, ...]] = (SYSTEM, *DOOR, *IDENTITY, *ORIGINAL)
"""Every probe, in the order in which they are sent and judged: an answer is the base of those after it."""

NOT_PROBED: Final[dict[str, str]] = {
    "project_timezone": "an export shows no zone by name; read it in the project's settings",
    "dedup.id": "an export is not deduplicated, so it does not show what a report counts",
    "dedup.day": "an export is not deduplicated, so it does not show what a report counts",
    "dedup.compaction": "it may run up to 20 days later, or never, so nothing shows that it will not",
    "original.near_limit": "a margin of our own, from which the model warns",
}
"""What no probe can ask, and why."""


class Sends(Protocol):
    """Sends a request and says what its rows were answered."""

    def send(self, ask: Ask) -> dict[str, Answer]:
        """Send one request; see `ProbeSender.send`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one probe.

    Attributes:
        probe: the probe.
        status: decided (a value of its switch), holds or fails (a rule without one), or undecided.
        value: the value; None where there is none.
        how_exactly: how exactly a number is known; "" for exactly.
        sent: what was sent, in words.
        came_back: what came back, in words.
        why: why it is undecided, or what does not hold; "" otherwise.
        is_settled: whether all had come back that every reading lets expect.
    """

    probe: Probe
    status: Status
    value: Json
    how_exactly: str
    sent: str
    came_back: str
    why: str = ""
    is_settled: bool = True


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came out of a calibration.

    Attributes:
        id_merge: the system the project was said to have.
        run: the id of the run.
        verdicts: the answers, the system first.
        is_settled: whether everything that any reading lets expect had come back.
        readings: how often the export was read.
        is_stopped: whether a person stopped the wait.
    """

    id_merge: IdMerge
    run: str
    verdicts: tuple[Verdict, ...]
    is_settled: bool
    readings: int
    is_stopped: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every probe was answered, and every rule without a switch holds."""
        return all(verdict.status in ("decided", "holds") for verdict in self.verdicts)


@dataclass(slots=True)
class _Sent:
    """One probe on its way: its requests and what they were answered."""

    probe: Probe
    asks: Sequence[Ask]
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class _Watch:
    """What is known while a project settles: times are in seconds of the clock that is passed in."""

    sent: Sequence[_Sent]
    deadline: float
    steady_since: float
    seen: dict[str, Seen] = field(default_factory=dict)
    waiting: Sequence[str] = ()
    readings: int = 0


def probes_of(id_merge: IdMerge, only: Sequence[str] = ()) -> list[Probe]:
    """Return the probes of a system; with names only these, and the one that asks for the system itself."""
    return [
        probe
        for probe in PROBES
        if id_merge in probe.systems and (not only or probe.name in only or probe.switch in only or probe is SYSTEM)
    ]


def must_be_empty(rows: Iterable[ExportRow]) -> None:
    """Pass a project that holds nothing but probes of earlier calibrations.

    Raises:
        InputError: at the first other event.
    """
    for row in rows:
        if not row.run.startswith(RUN_PREFIX):
            message = f"the project holds other events ({row.event[:40]!r}), so it is not one to throw away"
            raise InputError([Problem("", None, "", message, "Make a new project for probes; nothing was sent.")])


@dataclass(frozen=True, slots=True)
class Calibration:
    """One calibration.

    Attributes:
        id_merge: the project's system.
        run: the id of the run; starts with `probe-`.
        now_ms: the clock, milliseconds since 1970.
        sender: sends requests.
        read: reads the export.
        probes: the probes.
        steady_s: how long everything has to stay as it is before it is believed, in seconds.
        tell: takes a line of progress.
    """

    id_merge: IdMerge
    run: str
    now_ms: int
    sender: Sends
    read: ReadExport
    probes: Sequence[Probe]
    steady_s: float = 0
    tell: Callable[[str], None] = lambda line: None

    def run_probes(self, patience: Patience) -> Calibrated:
        """Send every probe, wait until the project has settled, and judge.

        A project has settled when every row is there that all readings let expect, all pairs are one user that all
        readings join, and nothing has changed for `steady_s`; or when time is up. Ctrl-C ends the wait; what is known
        by then is judged.

        Raises:
            OutsideError: when the project can't be reached.
        """
        sent = [self._send(probe) for probe in self.probes]
        watch = _Watch(sent, patience.clock() + patience.wait_s, patience.clock())
        try:
            while True:
                self._look(watch, patience.clock())
                now = patience.clock()
                if (not watch.waiting and now - watch.steady_since >= self.steady_s) or now >= watch.deadline:
                    return self._result(watch)
                pause = min(patience.poll_s, watch.deadline - now)
                first = ", ".join(watch.waiting[:5])
                what = f"waiting for {first}" if watch.waiting else "settled; waiting whether it stays so"
                self.tell(f"{what}; reading again in {pause:.0f} s")
                patience.sleep(pause)
        except KeyboardInterrupt:
            if not watch.readings:
                raise
            return self._result(watch, is_stopped=True)

    def _look(self, watch: _Watch, now: float) -> None:
        seen = self._collect(watch.sent)
        if seen != watch.seen:
            watch.seen, watch.steady_since = seen, now
        watch.readings += 1
        watch.waiting = [one.probe.name for one in watch.sent if not self._is_settled(one, seen)]

    def _result(self, watch: _Watch, *, is_stopped: bool = False) -> Calibrated:
        verdicts = tuple(self._judge(watch.sent, watch.seen))
        is_settled = not (watch.waiting or is_stopped)
        return Calibrated(self.id_merge, self.run, verdicts, is_settled, watch.readings, is_stopped)

    def _send(self, probe: Probe) -> _Sent:
        self.tell(f"sending {probe.name}: {probe.question}")
        sent = _Sent(probe, list(probe.asks(Kit(self.run, probe.name, self.now_ms))))
        for ask in sent.asks:
            sent.answers.update(self.sender.send(ask))
        return sent

    def _collect(self, sent: Sequence[_Sent]) -> dict[str, Seen]:
        """Read the export and return what became of each probe, by its name."""
        by_row: dict[tuple[str, str], tuple[_Sent, str]] = {}
        for one in sent:
            for ask in one.asks:
                for row in ask.rows:
                    by_row[(row.event, str(row.properties["$insert_id"]))] = (one, row.name)
        shown: dict[tuple[str, str], list[ExportRow]] = {}
        for line in self.read():
            found = by_row.get((line.event, line.insert_id))
            if found is not None and line.run == self.run:
                shown.setdefault((found[0].probe.name, found[1]), []).append(line)
        return {
            one.probe.name: {
                name: _row_seen(answer, shown.get((one.probe.name, name), ())) for name, answer in one.answers.items()
            }
            for one in sent
        }

    def _is_settled(self, one: _Sent, seen: Mapping[str, Seen]) -> bool:
        probe, mine = one.probe, seen[one.probe.name]
        verbs = identity_rows(one.asks)
        expected = [self._fare(one, value, ProjectSettings()) for value in probe.values]
        there = {name for name in mine if all(model[name].is_there for model in expected)} - verbs
        if any(not mine[name].is_there for name in there):
            return False
        user_of = _user_of(probe.users(mine))
        blocks: dict[tuple[int, ...], set[int]] = {}
        users = [_user_of(probe.users(model)) for model in expected]
        for name in there:
            blocks.setdefault(tuple(of[name] for of in users), set()).add(user_of[name])
        return all(len(actual) == 1 for actual in blocks.values())

    def _judge(self, sent: Sequence[_Sent], seen: Mapping[str, Seen]) -> Iterable[Verdict]:
        base = ProjectSettings()
        why = ""
        for one in sent:
            verdict = self._verdict(one, seen[one.probe.name], base)
            if one.probe is SYSTEM and verdict.status == "fails":
                why = verdict.why
            elif why:
                verdict = replace(verdict, status="undecided", value=None, how_exactly="", why=why)
            if verdict.status == "decided" and one.probe.switch:
                base = with_value(base, one.probe.switch, verdict.value)
            yield replace(verdict, is_settled=self._is_settled(one, seen))

    def _verdict(self, one: _Sent, seen: Seen, base: ProjectSettings) -> Verdict:
        probe, verbs = one.probe, identity_rows(one.asks)
        actual = probe.shape(seen, verbs)
        fitting: list[Json]
        if probe.judge is not None:
            read = probe.judge(seen)
            fitting = [] if read is None else [read]
        else:
            values = [*probe.values, *(value for value in probe.more_values(seen) if value not in probe.values)]
            fitting = [value for value in values if self._shape(one, value, base, verbs) == actual]
        came_back = shape_text(actual) if probe.tells is None else probe.tells(seen)
        verdict = Verdict(probe, "undecided", None, "", sent_text(one.asks), came_back)
        if len(fitting) != 1:
            status: Status = "fails" if probe.values == (None,) else "undecided"
            return replace(verdict, status=status, why=_why(one, seen, fitting))
        value = fitting[0]
        if value is None:
            return replace(verdict, status="holds")
        if probe is SYSTEM and value != self.id_merge:
            return replace(verdict, status="fails", value=value, why=f"the project is {value}, not {self.id_merge}")
        return replace(verdict, status="decided", value=value, how_exactly=probe.range_of(value))

    def _shape(self, one: _Sent, value: Json, base: ProjectSettings, verbs: frozenset[str]) -> Shape:
        return one.probe.shape(self._fare(one, value, base), verbs)

    def _fare(self, one: _Sent, value: Json, base: ProjectSettings) -> Seen:
        if one.probe is SYSTEM:
            return fare(one.asks, value, base, self.now_ms)
        return fare(one.asks, self.id_merge, with_value(base, one.probe.switch, value), self.now_ms)


def _user_of(users: frozenset[frozenset[str]]) -> dict[str, int]:
    """Return for each row a number that rows of one user have in common."""
    return {name: number for number, group in enumerate(users) for name in group}


def _row_seen(answer: Answer, rows: Sequence[ExportRow]) -> RowSeen:
    return RowSeen(
        answer,
        is_there=bool(rows),
        shown=tuple(dict.fromkeys(row.distinct_id for row in rows if row.distinct_id)),
        before=tuple(dict.fromkeys(row.before for row in rows if row.before and row.before != row.distinct_id)),
        reason=next((row.reason for row in rows if row.reason), ""),
    )


def _why(one: _Sent, seen: Seen, fitting: Sequence[Json]) -> str:
    if fitting:
        return f"what came back fits several values: {', '.join(map(str, fitting))}"
    if "reasons" in one.probe.looks_at and not any(seen[name].is_there for name in identity_rows(one.asks)):
        return "the export does not show identity events, and only they tell"
    if one.probe.values == (None,):
        return "the project fares otherwise than the model says"
    return "what came back fits none of the known values"
