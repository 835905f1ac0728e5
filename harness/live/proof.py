"""Proves rows in order on the local model, and says why they may not be sent.

Rows go through one by one and none is kept: what stays in memory is what the identity model knows of ids. Each proven
row is handed on as the very bytes that are sent later.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from harness.event import Endpoint, Event, IdMerge, device_key
from harness.identity.blast import Blast
from harness.identity.clusters import Clusters
from harness.identity.model import Decision, DecisionLog, DecisionRow, build
from harness.ingestion.settings import ProjectSettings
from harness.live.findings import Finding, Findings
from harness.live.joins import Joins, Label, guessed, is_allowed
from harness.live.preparing import Prepared, Row
from harness.live.repeats import Repeats

SAME_USER: Final = "same-user"
"""Stands for every refusal of ids that are one user anyway."""

_MOST_NOTES: Final = 20


class Spool(Protocol):
    """Takes proven rows, in order."""

    def take(self, rows: ProvenRows) -> None:
        """Take some more rows."""


class ProvenRows(NamedTuple):
    """Rows that follow each other and go by one route.

    Attributes:
        endpoint: the route.
        blob: the rows as they are sent, with a line feed between them.
        places: of each its line in the event file, or its step in the scenario.
        numbers: of each the number of an id it is about.
        oldest_ms: the time of the oldest, milliseconds since 1970.
    """

    endpoint: Endpoint
    blob: bytes
    places: array[int]
    numbers: array[int]
    oldest_ms: int


class Nowhere:
    """A spool that keeps nothing, for a proof without sending."""

    def take(self, rows: ProvenRows) -> None:
        """Take some more rows."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody expects that nobody could know otherwise.

    Attributes:
        refused: reasons of refused decisions that are expected; `same-user` stands for ids that are one user anyway.
        joins: pairs of users that may become one for good.
        is_known: says what the id of a known user looks like; None: guessed.
    """

    refused: frozenset[str] = frozenset()
    joins: Collection[frozenset[str]] = ()
    is_known: Callable[[str], object] | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out of proving rows.

    Attributes:
        rows: how many there are.
        size: their bytes.
        sha256: the digest of the rows that are sent, each with a line feed.
        users: how many users come out.
        duplicates: how many rows are the same event again and don't count.
        findings: why they may not be sent; empty where they may.
        joins: joins of known users that were allowed.
        notes: what is worth knowing.
    """

    rows: int
    size: int
    sha256: str
    users: int
    duplicates: int
    findings: Findings
    joins: tuple[Blast, ...]
    notes: tuple[str, ...]


class _Forgetting(DecisionLog):
    """A log that keeps nothing: every decision is looked at as it is made."""

    def record(self, row: DecisionRow) -> None:
        """Take one decision."""

    def keep(self, decision: Decision) -> None:
        """Take one decision."""


class Prover:
    """Proves rows that were prepared, in order.

    Args:
        id_merge: the project's system.
        settings: the reading of the rules.
        now_ms: the clock, milliseconds since 1970.
        spool: takes the rows.
        allowed: what is expected.
    """

    def __init__(
        self, id_merge: IdMerge, settings: ProjectSettings, now_ms: int, spool: Spool, allowed: Allowed
    ) -> None:
        self.findings = Findings()
        self._now_ms = now_ms
        self._model = build(id_merge, settings.identity)
        self._model.decisions = _Forgetting()
        self._spool = spool
        self._allowed = allowed
        label: Label = guessed(allowed.is_known)
        self._joins = Joins(self._model, label, by_role=allowed.is_known is None)
        self._ids = Clusters()
        self._ids.add("")
        self._with_events: set[int] = set()
        self._repeats = Repeats()
        self._identity_rows: set[bytes] = set()
        self._ignored: dict[tuple[str, ...], tuple[int, str]] = {}
        self._hash = hashlib.sha256()
        self._rows = 0
        self._size = 0
        self._changes = [0, 0, 0]
        self._found_joins: list[Blast] = []
        self._notes: dict[str, str] = {}

    def take(self, prepared: Prepared, endpoint: Endpoint) -> None:
        """Prove rows and hand them on.

        Args:
            prepared: the rows.
            endpoint: the route they go by.
        """
        for line, message in prepared.rejected:
            self.findings.add(Finding("rejected", message, "Mend or remove it.", line))
        self._changes = [before + more for before, more in zip(self._changes, prepared.counts, strict=True)]
        rows = prepared.rows
        if not rows:
            return
        numbers = array("I", [self._row(row, endpoint) for row in rows])
        self._hash.update(prepared.blob)
        self._hash.update(b"\n")
        self._rows += len(rows)
        self._size += len(prepared.blob) - len(rows) + 1
        oldest_ms = min(row[3] for row in rows)
        places = array("Q", [row[0] for row in rows])
        self._spool.take(ProvenRows(endpoint, prepared.blob, places, numbers, oldest_ms))

    def _row(self, row: Row, endpoint: Endpoint) -> int:
        """Prove one row; return the number of the id it is stored under."""
        line, name, ids, _, repeat, whole, cautions = row
        number = self._arrive(line, Event(name, ids), whole, endpoint)
        if repeat:
            self._repeats.add(repeat, number)
        else:
            message = "its $insert_id is malformed, so a retry of it would count twice"
            fix = "Use at most 36 letters, digits and hyphens, or leave it out."
            self.findings.add(Finding("insert_id", message, fix, line))
        for field, message in cautions:
            self._note(field, f"line {line}: {field} {message}")
        return number

    def finish(self) -> Proof:
        """Return the proof once all rows are in."""
        self._find_splits()
        if not self._rows and not self.findings:
            self.findings.add(Finding("empty", "there is no event in it", "Nothing can be sent."))
        text, settled = self._ids.text, self._model.settled
        users = {settled(text(number)) for number in self._with_events} - {""}
        duplicates = self._repeats.count(lambda number: settled(text(number)))
        self._repeats.close()
        notes = (*told_changes(self._changes), *self._notes.values())
        return Proof(
            self._rows,
            self._size,
            self._hash.hexdigest(),
            len(users),
            duplicates,
            self.findings,
            tuple(self._found_joins),
            notes,
        )

    def lanes(self, count: int) -> bytes:
        """Return for every id number the lane that events about it go by, one byte each.

        Ids that any event ever named together are in one lane, whether they were joined or refused: which of two events
        is refused depends on their order too.

        Args:
            count: how many lanes there are, at most 256.
        """
        find = self._ids.find
        return bytes(find(number) % count for number in range(len(self._ids.numbers)))

    def _arrive(self, line: int, event: Event, whole: bytes, endpoint: Endpoint) -> int:
        """Give an event to the model, look at what it decided, and return the number of the id it is stored under."""
        model = self._model
        if whole:
            self._joins.before(event)
        received, stored, decision = model.add(event, endpoint=endpoint, arrival_ms=self._now_ms)
        number = self._ids.numbers.get(stored)
        if number is None:
            number = self._ids.add(stored)
        if received != stored:
            self._together(number, received)
        if not whole:
            self._with_events.add(number)
        if decision is not None:
            for text in decision.ids:
                self._together(number, text)
            if decision.outcome != "already":
                self._judge(line, event, decision, whole)
        if model.cautions:
            self._hear_cautions(line)
        return number

    def _judge(self, line: int, event: Event, decision: Decision, whole: bytes) -> None:
        if decision.outcome == "refused":
            self._judge_refusal(line, event, decision, whole)
        elif decision.outcome == "ignored":
            if len(decision.ids) == 2:
                self._ignored.setdefault(decision.ids, (line, event.name))
        elif decision.kind != "link":
            self._judge_join(line, event, decision)
        if whole:
            self._identity_rows.add(whole)

    def _judge_refusal(self, line: int, event: Event, decision: Decision, whole: bytes) -> None:
        reason = decision.reason or decision.rule
        if reason in self._allowed.refused or whole in self._identity_rows:
            return
        ids = " and ".join(decision.ids) or "its ids"
        same = len({self._model.cluster_key(text) for text in decision.ids}) == 1 and len(decision.ids) > 1
        if same and SAME_USER in self._allowed.refused:
            return
        if same:
            fix = f"They are one user anyway: leave it out, or allow it with --allow-refused {SAME_USER}."
        else:
            fix = f"`harness explain` says what would join them; expect it with --allow-refused {reason}."
        message = f"{event.name} of {ids} would be refused ({reason})"
        self.findings.add(Finding("refused", message, fix, line))

    def _judge_join(self, line: int, event: Event, decision: Decision) -> None:
        blast = self._joins.after(decision)
        if blast is None:
            return
        if is_allowed(blast, self._allowed.joins):
            self._found_joins.append(blast)
            return
        pair = " ".join(blast.known_users[:2])
        fix = f"Remove it, or, if they really are one person, allow it with --allow-join {pair}."
        self.findings.add(Finding("join", f"{event.name} {told(blast)}", fix, line))

    def _hear_cautions(self, line: int) -> None:
        for caution in self._model.cautions:
            if caution.rule == "original.near_limit":
                fix = "Find out why one user has so many ids; `harness explain` with the id lists them."
                self.findings.add(Finding("near_limit", caution.message, fix, line))
            else:
                self._note(caution.rule, f"line {line}: {caution.message}")
        self._model.cautions.clear()

    def _find_splits(self) -> None:
        """Find ids that an ignored identity event meant to join, and that are two users at the end."""
        for ids, (line, name) in self._ignored.items():
            if self._are_apart(*ids):
                message = (
                    f"{name} of {' and '.join(ids)} is ignored by {self._model.id_merge} and nothing else joins them, "
                    "so they stay two users"
                )
                self.findings.add(Finding("split", message, _SPLIT_FIX[self._model.id_merge], line))

    def _are_apart(self, first: str, second: str) -> bool:
        """Return whether two ids that both have events are two users; simplified may know them as devices."""
        model = self._model
        spellings = [
            (text, device_key(text)) if model.id_merge == "simplified" else (text,) for text in (first, second)
        ]
        known = [{model.resolve(text) for text in texts if model.knows(text)} for texts in spellings]
        return bool(known[0]) and bool(known[1]) and known[0].isdisjoint(known[1])

    def _together(self, number: int, text: str) -> None:
        if not text:
            return
        ids = self._ids
        other = ids.numbers.get(text)
        first, second = ids.find(number), ids.find(ids.add(text) if other is None else other)
        if first != second and first and second:
            ids.join(first, second)

    def _note(self, kind: str, text: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.setdefault(kind, text)


def told(blast: Blast) -> str:
    """Return what a join does, in words: its users and its blast radius."""
    users = " and ".join(blast.known_users[:5])
    more = f" and {len(blast.known_users) - 5} more" if len(blast.known_users) > 5 else ""
    return (
        f"makes {users}{more} one user for good; blast radius: {blast.larger} and {blast.smaller} ids become "
        f"one cluster of {blast.ids}"
    )


def told_changes(changes: Sequence[int]) -> list[str]:
    """Return what was added to events and left out of them, in words."""
    what = (
        "got an $insert_id made of their place and content, so that a retry is found",
        "got a fixed time, one minute before now, so that a retry is found",
        "carried a token, which is left out: MIXPANEL_TOKEN says which project it is",
    )
    pairs = zip(changes, what, strict=True)
    return [f"{count:,} event{'' if count == 1 else 's'} {words}" for count, words in pairs if count]


_SPLIT_FIX: Final[dict[IdMerge, str]] = {
    "simplified": "Send one event with both $device_id and $user_id.",
    "original": "Send $identify, or a $merge by /import.",
    "legacy": "Send $create_alias before the events that it is about.",
}
