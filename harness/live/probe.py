"""A probe: a few events whose fate tells which reading of a rule is true, and what the model says of each reading.

A probe names a switch, or a rule that has none. It is sent as it stands to the project and to the local model, once for
each value of the switch; the value whose model fared as the project did is the answer. So a probe states no outcome of
its own, and can't disagree with the model about what a value means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from harness.event import IDENTITY_EVENTS, Endpoint, IdMerge, Json
from harness.ingestion.limits import DAY_MS
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import settings_from
from harness.live.differences import Joined
from harness.live.export_row import RUN_PROPERTY

PROBE_EVENT: Final = "Harness probe"
RUN_PREFIX: Final = "probe-"
"""What the id of every calibration starts with."""

READ_DAYS: Final = 40
"""How many days back the export is read for probes."""

_SOME_ADDRESS: Final = "203.0.113.7"

Answer: TypeAlias = Literal["taken", "rejected", "unsaid"]
Aspect: TypeAlias = Literal["answers", "there", "users", "names", "nobody", "reasons"]


class ProbeRow(NamedTuple):
    """One row of a probe: its name in the probe, and what is sent."""

    name: str
    event: str
    properties: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a probe.

    Attributes:
        endpoint: the route.
        rows: what it carries, in order.
        is_strict: whether /import validates strictly.
        with_address: whether /track takes the sender's address into account (`ip=1`).
        pause_ms: how long to wait before it, milliseconds.
    """

    endpoint: Endpoint
    rows: tuple[ProbeRow, ...]
    is_strict: bool = True
    with_address: bool = False
    pause_ms: int = 0


class Kit:
    """Makes the ids, times and rows of one probe, so that no run and no probe meets another.

    Args:
        run: the id of the run.
        probe: the name of the probe.
        now_ms: the clock, milliseconds since 1970.
    """

    def __init__(self, run: str, probe: str, now_ms: int) -> None:
        self._run, self._probe = run, probe
        self.now_ms = now_ms

    def id(self, text: str) -> str:
        """Return an id that no person and no device has."""
        return f"{self._run}.{self._probe}.{text}"

    def uuid(self, text: str) -> str:
        """Return an id in the form of a UUID of version 4."""
        lot = self._lot(text)
        return f"{lot[:8]}-{lot[8:12]}-4{lot[13:16]}-a{lot[17:20]}-{lot[20:32]}"

    def groups(self, text: str, alphabet: str = "0123456789abcdef") -> str:
        """Return five groups of letters of an alphabet, joined by hyphens: no UUID of any version."""
        lot = "".join(alphabet[int(digit, 16) % len(alphabet)] for digit in self._lot(text))
        return f"{lot[:13]}-{lot[13:22]}-{lot[22:30]}-{lot[2:8]}-{lot[5:19]}"

    def row(self, name: str, event: str = PROBE_EVENT, **properties: Json) -> ProbeRow:
        """Return a row; `S_` in front of a property stands for `$`, and a time of None for no time.

        Args:
            name: its name in the probe.
            event: the event name.
            properties: the event properties beside time, `$insert_id` and the marks of the run.
        """
        sent: dict[str, Json] = {"time": self.now_ms // 1_000, "$insert_id": self._lot(f"row {name}")}
        sent |= {key.replace("S_", "$", 1): value for key, value in properties.items()}
        sent |= {RUN_PROPERTY: self._run, "harness_probe": f"{self._probe}/{name}"}
        return ProbeRow(name, event, {key: value for key, value in sent.items() if value is not None})

    def _lot(self, text: str) -> str:
        return hashlib.blake2b(f"{self._run} {self._probe} {text}".encode(), digest_size=16).hexdigest()


class RowSeen(NamedTuple):
    """What became of one row.

    Attributes:
        answer: what the request was answered about it.
        is_there: whether it is in the export.
        shown: the distinct_ids it is shown under; empty where it is not there.
        before: the distinct_ids it was shown under before.
        reason: why an identity event was refused, "" for no reason.
    """

    answer: Answer
    is_there: bool
    shown: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    reason: str = ""


Seen: TypeAlias = Mapping[str, RowSeen]
"""What became of a probe, by the name of its row."""

Shape: TypeAlias = Mapping[Aspect, Hashable]
"""What became of a probe in a form that can be compared."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe.

    Attributes:
        name: its name.
        switch: the switch it decides; "" where there is none to set.
        rules: the identity rules it is about.
        systems: the ID-merge systems it can be asked under.
        question: what it asks, in one line.
        values: the values it can tell apart, the default first; (None,) for a rule without a switch.
        asks: makes the requests.
        looks_at: what of the outcome decides.
        more_values: reads further possible values from what became of it.
        judge: reads the value from what became of it, where no model can say; None where nothing fits.
        range_of: says how exactly a value is known; "" for exactly.
        tells: says in words what came back, where what decides is long; None: that is told.
    """

    name: str
    switch: str
    rules: tuple[str, ...]
    systems: tuple[IdMerge, ...]
    question: str
    values: tuple[Json, ...]
    asks: Callable[[Kit], Sequence[Ask]]
    looks_at: tuple[Aspect, ...]
    more_values: Callable[[Seen], Sequence[Json]] = field(default=lambda seen: ())
    judge: Callable[[Seen], Json] | None = None
    range_of: Callable[[Json], str] = field(default=lambda value: "")
    tells: Callable[[Seen], str] | None = None

    def users(self, seen: Seen) -> frozenset[frozenset[str]]:
        """Return which rows are one user; in legacy a row that was stored under another id proves no merge."""
        if self.systems == ("legacy",):
            seen = {name: row._replace(before=()) for name, row in seen.items()}
        return users_of(seen)

    def shape(self, seen: Seen, identity_rows: frozenset[str]) -> Shape:
        """Return what decides.

        Whether an export has identity events is written nowhere, so only their answers and reasons are looked at.

        Args:
            seen: what became of it.
            identity_rows: the names of the rows that are identity events.
        """
        others = {name: row for name, row in seen.items() if name not in identity_rows}
        readers: dict[Aspect, Callable[[Seen], Hashable]] = {**_ASPECTS, "users": self.users}
        return {
            aspect: readers[aspect](seen if aspect in ("answers", "reasons") else others) for aspect in self.looks_at
        }


def users_of(seen: Seen) -> frozenset[frozenset[str]]:
    """Return which rows are one user: ids that any row connects are, whatever the others still say."""
    joined = Joined()
    for row in seen.values():
        for text in (*row.shown[1:], *row.before) if row.shown else ():
            joined.join(row.shown[0], text)
    groups: dict[Hashable, set[str]] = {}
    for name, row in seen.items():
        if row.is_there:
            shown = row.shown[0] if row.shown else ""
            groups.setdefault(joined.find(shown) if shown else (name,), set()).add(name)
    return frozenset(map(frozenset, groups.values()))


_ASPECTS: Final[dict[Aspect, Callable[[Seen], Hashable]]] = {
    "answers": lambda seen: tuple((name, row.answer) for name, row in seen.items()),
    "there": lambda seen: tuple(name for name, row in seen.items() if row.is_there),
    "names": lambda seen: tuple((name, row.shown[-1:]) for name, row in seen.items() if row.is_there),
    "nobody": lambda seen: tuple(name for name, row in seen.items() if row.is_there and not any(row.shown)),
    "reasons": lambda seen: tuple((name, row.is_there, row.reason) for name, row in seen.items()),
}


def identity_rows(asks: Sequence[Ask]) -> frozenset[str]:
    """Return the names of the rows that are identity events."""
    return frozenset(row.name for ask in asks for row in ask.rows if row.event in IDENTITY_EVENTS)


def fare(asks: Sequence[Ask], id_merge: IdMerge, settings: ProjectSettings, now_ms: int) -> Seen:
    """Return what becomes of a probe by the model.

    Args:
        asks: the requests.
        id_merge: the system.
        settings: the reading of the rules.
        now_ms: the clock at the first request, milliseconds since 1970.
    """
    project = MixpanelProject(id_merge, settings)
    answers: dict[str, Answer] = {}
    names: list[str] = []
    for ask in asks:
        now_ms += ask.pause_ms
        rows = [{"event": row.event, "properties": row.properties} for row in ask.rows]
        results = project.receive(
            rows,
            now_ms=now_ms,
            endpoint=ask.endpoint,
            strict=ask.is_strict,
            client_ip=_SOME_ADDRESS if ask.with_address else None,
        )
        for row, result in zip(ask.rows, results, strict=True):
            names.append(row.name)
            is_said = ask.is_strict if ask.endpoint == "import" else len(rows) == 1
            said: Answer = "rejected" if result.status == "rejected" else "taken"
            answers[row.name] = said if is_said else "unsaid"
    return {name: _stored(project, place, answers[name], now_ms) for place, name in enumerate(names)}


def with_value(base: ProjectSettings, switch: str, value: Json) -> ProjectSettings:
    """Return settings with one switch set."""
    settings, mistakes = settings_from({switch: value} if switch else {}, base=base)
    assert not mistakes, mistakes
    return settings


def _stored(project: MixpanelProject, place: int, answer: Answer, now_ms: int) -> RowSeen:
    stored = project.stored(place)
    if stored is None or stored.time_ms < now_ms - READ_DAYS * DAY_MS:
        return RowSeen(answer, is_there=False)
    shown, before = project.distinct_id(place), stored.arrival.received
    reason = (stored.arrival.decision.reason if stored.arrival.decision else None) or ""
    return RowSeen(
        answer,
        is_there=True,
        shown=(shown,) if shown else (),
        before=(before,) if before and before != shown else (),
        reason=reason,
    )
