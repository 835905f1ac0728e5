"""One system's view of a history as it is read, and the audit of it at the end."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.clock import parse_instant
from harness.event import DEVICE_PREFIX, Endpoint, IdMerge
from harness.history.attempts import AS_USER, BARE, JOINED, SENT_AS_USER, SHARED, TRIED
from harness.history.door import Admitted, Door
from harness.history.duplicates import Repeats, Repetitions
from harness.history.findings import Findings
from harness.history.known import ByPattern, known_users
from harness.history.marks import DISALLOWED, PREFIXED
from harness.history.native import compiled, integer, prefetch
from harness.history.people import Matched, People
from harness.history.reader import HistoryReader
from harness.history.records import (
    OUTCOMES,
    REASONS,
    RULE_NAMES,
    TIME_FAR,
    TIME_MISSING,
    Audit,
    EventBatch,
    Form,
    ResolvedIds,
)
from harness.history.replay import OriginalReplay, SimplifiedReplay, replay
from harness.history.replay_model import Taken
from harness.identity.settings import WARN_SHARE
from harness.ingestion.settings import ProjectSettings

NO_TIME_AT_ALL_MS: Final = parse_instant("2026-01-05T12:00:00Z")
"""Mixpanel's clock where no event of a history has a time; `harness resolve` takes the same."""

_SOON: Final = 16
_REFUSED: Final = OUTCOMES.index("refused")


class SystemView:
    """What one ID-merge system makes of a history.

    Args:
        id_merge: the system.
        settings: the reading of the rules.
        reader: the history; its dictionaries grow as it is read.
        endpoint: the route the events come by.
        strict: whether /import validates strictly; None: as the settings say.
        stored: the events were accepted long ago.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event.
        known_user: what the id of a known user looks like; None: like no device.
        truth: whether the history says who really did what.

    Raises:
        InputError: when the settings or the pattern can't be honoured.
    """

    def __init__(
        self,
        id_merge: IdMerge,
        settings: ProjectSettings,
        reader: HistoryReader,
        *,
        endpoint: Endpoint = "import",
        strict: bool | None = None,
        stored: bool = False,
        now_ms: int | None = None,
        known_user: str | None = None,
        truth: bool = False,
    ) -> None:
        self.id_merge: IdMerge = id_merge
        self.reader = reader
        self._door = Door(id_merge, settings, endpoint=endpoint, strict=strict, now_ms=now_ms, stored=stored)
        self._replay = replay(id_merge, reader.ids, settings.identity)
        self._repetitions = Repetitions(settings.ingestion)
        self._people = People() if truth else None
        self._known = known_users(known_user)
        self._by_track = endpoint == "track"
        self._now_ms = now_ms
        self._limit = settings.identity.max_cluster_ids if id_merge == "original" else None
        self._events = 0
        self._rejected = 0
        self._verbs = 0
        self._events_of = np.zeros(0, np.uint32)
        self._outcomes = np.zeros((len(RULE_NAMES), len(OUTCOMES)), np.int64)
        self._months: Counter[tuple[int, int]] = Counter()
        self._listed: Counter[str] = Counter()
        self._failed: list[NDArray[np.uint32]] = []

    def take(self, batch: EventBatch) -> Taken:
        """Take the next batch of the history; return what became of it."""
        marks = self.reader.ids.marks
        admitted = self._door.admit(batch, marks)
        track = np.ones(batch.size, np.bool_) if self._by_track else None
        taken = self._replay.take(batch, admitted, by_track=track)
        self._count(batch, admitted, taken)
        self._repetitions.add(
            batch, admitted.status, admitted.insert_form, admitted.time_ms, taken.stored, taken.received
        )
        if self._people is not None:
            self._people.add(batch, admitted.status, taken.stored)
        return taken

    def resolved(self) -> ResolvedIds:
        """Return who every id is so far."""
        return self._replay.resolved()

    def canonical(self) -> NDArray[np.uint32]:
        """Return for every code the canonical id of an event that was stored under it."""
        return self._replay.canonical()

    def user_of(self) -> NDArray[np.uint32]:
        """Return for every code what all ids of one user have in common."""
        return self._replay.settled()

    def finish(self) -> Audit:
        """Return the audit of everything that was taken."""
        try:
            return self._finish()
        finally:
            self._repetitions.close()

    def close(self) -> None:
        """Remove what was put aside; nothing can be finished any more."""
        self._repetitions.close()

    def _finish(self) -> Audit:
        ids = self.reader.ids
        newest = self.reader.newest_ms
        now_ms = self._now_ms
        if now_ms is None:
            now_ms = math.floor(newest) if math.isfinite(newest) else NO_TIME_AT_ALL_MS
        user_of = self._replay.settled()
        repeats = self._repetitions.find(user_of, len(user_of), now_ms)
        self._room(len(user_of))
        alive = self._events_of[: len(user_of)] > repeats.of_id
        alive[:2] = False
        known_codes = self._replay.known()
        size_of = np.zeros(len(user_of), np.int32)
        _count_sizes(known_codes, user_of, size_of)
        sizes = size_of[size_of > 0]
        near = max(2, math.ceil(self._limit * WARN_SHARE)) if self._limit else 0
        found = self._findings(known_codes, user_of, size_of, alive)
        matched = self._match(user_of, repeats)
        largest, how_many = np.unique(sizes, return_counts=True)
        return Audit(
            id_merge=self.id_merge,
            events=self._events,
            users=_number_of_users(alive, user_of, np.zeros(len(user_of), np.bool_)),
            clusters=len(sizes),
            ids=len(known_codes),
            largest_cluster=int(sizes.max()) if len(sizes) else 0,
            near_limit=int(np.count_nonzero(sizes >= near)) if self._limit else 0,
            at_limit=int(np.count_nonzero(sizes >= self._limit)) if self._limit else 0,
            refused=self._refused(),
            orphans=len(found.orphans),
            mixed_suspects=len(found.mixed),
            phantom_users=len(found.phantoms),
            disallowed=len(self._listed),
            duplicates=repeats.number,
            broken_lines=self.reader.broken_lines,
            rejected=self._rejected,
            identity_events=self._verbs,
            shared_devices=len(found.shared),
            decisions={outcome: int(self._outcomes[:, at].sum()) for at, outcome in enumerate(OUTCOMES)},
            sizes={int(size): int(count) for size, count in zip(largest, how_many, strict=True)},
            refused_by_month=self._by_month(),
            now_ms=now_ms,
            limit=self._limit,
            precision=matched and matched.precision,
            recall=matched and matched.recall,
            split=matched and matched.split,
            mixed=matched and matched.mixed,
            samples=found.samples(ids, user_of, size_of, known_codes, self._replay, near, self._listed),
            broken=tuple(self.reader.broken),
        )

    def _count(self, batch: EventBatch, admitted: Admitted, taken: Taken) -> None:
        read = batch.form != Form.BROKEN
        events = int(np.count_nonzero(read))
        self._events += events
        self._verbs += (
            int(np.count_nonzero(batch.kind[read])) if events < batch.size else int(np.count_nonzero(batch.kind))
        )
        self._rejected += int(np.count_nonzero(admitted.status)) - (batch.size - events)
        self._room(len(self.reader.ids))
        _tally(admitted.status, batch.kind, taken.stored, self._events_of)
        made = taken.decisions
        np.add.at(self._outcomes, (made.rule, made.outcome), 1)
        refused = made.outcome == _REFUSED
        if refused.any():
            times = admitted.time_ms[made.place[refused]]
            usable = (times != TIME_FAR) & (times != TIME_MISSING)
            months = np.where(usable, times, 0).astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
            months[~usable] = -1
            keys, counts = np.unique(months * 64 + made.rule[refused], return_counts=True)
            for key, count in zip(keys, counts, strict=True):
                self._months[int(key) >> 6, int(key) & 63] += int(count)
        self._note_listed(batch)
        if isinstance(self._known, ByPattern):
            self._note_failed(batch, admitted, taken)

    def _note_listed(self, batch: EventBatch) -> None:
        """Count the events that carry an id on the list of disallowed ones, by id."""
        ids = self.reader.ids
        columns: list[NDArray[np.uint32]] = [batch.distinct_id]
        if self.id_merge == "simplified":
            columns.append(batch.user_id)
        if batch.kind.any():
            columns += [batch.identified_id, batch.anonymous_id, batch.alias, batch.merge_ids]
        found = np.empty(max(len(codes) for codes in columns), np.uint32)
        for codes in columns:
            listed = found[: _find_listed(codes, ids.marks, found)]
            if len(listed):
                for code, count in zip(*np.unique(listed, return_counts=True), strict=True):
                    self._listed[ids.text(int(code))] += int(count)
        if self.id_merge == "simplified" and batch.device_disallowed.any():
            devices = batch.device_id[batch.device_disallowed]
            for code, count in zip(*np.unique(devices, return_counts=True), strict=True):
                self._listed[ids.text(int(code)).removeprefix(DEVICE_PREFIX)] += int(count)

    def _note_failed(self, batch: EventBatch, admitted: Admitted, taken: Taken) -> None:
        """Keep the pairs of ids whose join failed, for it is known only at the end which of them are known users."""
        made = taken.decisions
        rows = made.place[made.outcome >= _REFUSED]
        kinds = batch.kind[rows]
        pairs = np.zeros((len(rows), 2), np.uint32)
        if self.id_merge == "simplified":
            pairs[:, 0], pairs[:, 1] = admitted.device_id[rows], admitted.user_id[rows]
        named = np.where(batch.identified_id > 1, batch.identified_id, admitted.distinct_id)
        for kind, first, second in (
            (1, batch.anonymous_id, named),
            (2, admitted.distinct_id, batch.alias),
        ):
            some = kinds == kind
            pairs[some, 0], pairs[some, 1] = first[rows[some]], second[rows[some]]
        for row in np.flatnonzero(kinds == 3):
            at = int(np.searchsorted(batch.merge_rows, rows[row]))
            if at < len(batch.merge_rows) and batch.merge_rows[at] == rows[row]:
                begin, end = int(batch.merge_offsets[at]), int(batch.merge_offsets[at + 1])
                pairs[row] = batch.merge_ids[begin:end] if end - begin == 2 else 0
        self._failed += [pairs[(pairs > 1).all(axis=1)], taken.vain]

    def _findings(
        self,
        known_codes: NDArray[np.uint32],
        user_of: NDArray[np.uint32],
        size_of: NDArray[np.int32],
        alive: NDArray[np.bool_],
    ) -> Findings:
        ids = self.reader.ids
        tries = self._replay.tries
        several = np.empty(len(known_codes), np.uint32)
        several = several[: _in_clusters(known_codes, user_of, size_of, several)]
        per_cluster = np.zeros(len(user_of), np.int32)
        _count_sizes(several[self._known.among(ids, several)], user_of, per_cluster)
        mixed = np.flatnonzero(per_cluster > 1).astype(np.uint32)
        phantoms = np.empty(0, np.uint32)
        if isinstance(self._replay, SimplifiedReplay):
            bare = np.flatnonzero((tries & BARE != 0) & (tries & SENT_AS_USER == 0)).astype(np.uint32)
            unknown = ~self._known.among(ids, bare)
            phantoms = bare[unknown]
        orphans = self._orphans(tries, alive, user_of, per_cluster)
        shared = np.flatnonzero(tries & SHARED).astype(np.uint32)
        return Findings(orphans, mixed, phantoms, shared, per_cluster)

    def _orphans(
        self,
        tries: NDArray[np.uint8],
        alive: NDArray[np.bool_],
        user_of: NDArray[np.uint32],
        known_in_cluster: NDArray[np.int32],
    ) -> NDArray[np.uint32]:
        ids = self.reader.ids
        if isinstance(self._known, ByPattern):
            pairs = np.unique(np.concatenate([np.empty((0, 2), np.uint32), *self._failed]), axis=0)
            tried = [pairs[:, 0][self._known.among(ids, pairs[:, 1])]]
            merged = self._known.among(ids, pairs[:, 0])
            tried.append(pairs[:, 1][merged])
            codes = self._as_stored(np.unique(np.concatenate(tried)))
            codes = codes[codes < len(alive)]
            codes = codes[alive[codes] & (known_in_cluster[user_of[codes]] == 0)]
            known: NDArray[np.bool_] = self._known.among(ids, codes)
            unknown: NDArray[np.uint32] = codes[~known]
            return unknown
        codes = self._as_stored(np.flatnonzero(tries & TRIED).astype(np.uint32))
        codes = codes[codes < len(alive)]
        orphans: NDArray[np.uint32] = codes[alive[codes] & (tries[codes] & (JOINED | AS_USER) == 0)]
        return orphans

    def _as_stored(self, codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return ids and, in simplified, their spelling as devices."""
        ids = self.reader.ids
        if isinstance(self._replay, OriginalReplay) or self.id_merge != "simplified":
            return codes
        bare = codes[ids.marks[codes] & PREFIXED == 0]
        if not len(bare):
            return codes
        devices = ids.codes([DEVICE_PREFIX + text for text in ids.plain_texts(bare)])
        return np.unique(np.concatenate([codes, devices]))

    def _match(self, user_of: NDArray[np.uint32], repeats: Repeats) -> Matched | None:
        return None if self._people is None else self._people.match(user_of, repeats.cells)

    def _refused(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for at, name in enumerate(RULE_NAMES):
            if self._outcomes[at, _REFUSED]:
                found[REASONS.get(name, name)] += int(self._outcomes[at, _REFUSED])
        return dict(sorted(found.items()))

    def _by_month(self) -> dict[tuple[str, str], int]:
        found: Counter[tuple[str, str]] = Counter()
        for (month, rule), count in self._months.items():
            text = "no time" if month < 0 else str(np.datetime64(month, "M"))
            found[REASONS.get(RULE_NAMES[rule], RULE_NAMES[rule]), text] += count
        return dict(sorted(found.items()))

    def _room(self, codes: int) -> None:
        if codes > len(self._events_of):
            grown = np.zeros(max(codes, len(self._events_of) * 3 // 2), np.uint32)
            grown[: len(self._events_of)] = self._events_of
            self._events_of = grown


@compiled
def _tally(status: Any, kind: Any, stored: Any, events_of: Any) -> None:
    events_at = events_of.ctypes.data
    for row in range(len(status)):
        if row + _SOON < len(status):
            prefetch(events_at + 4 * integer(stored[row + _SOON]))
        if status[row] == 0 and kind[row] == 0:
            events_of[stored[row]] += np.uint32(1)


@compiled
def _find_listed(codes: Any, marks: Any, found: Any) -> int:
    """Find the ids that are on the list of disallowed ones; return how many."""
    count = 0
    for at in range(len(codes)):
        if marks[codes[at]] & DISALLOWED:
            found[count] = codes[at]
            count += 1
    return count


@compiled
def _count_sizes(codes: Any, user_of: Any, size_of: Any) -> None:
    """Count the ids of each user among some."""
    sizes = size_of.ctypes.data
    for at in range(len(codes)):
        if at + _SOON < len(codes):
            prefetch(sizes + 4 * integer(user_of[codes[at + _SOON]]))
        size_of[user_of[codes[at]]] += np.int32(1)


@compiled
def _in_clusters(codes: Any, user_of: Any, size_of: Any, found: Any) -> int:
    """Find which of some ids share their cluster with another; return how many."""
    count = 0
    sizes = size_of.ctypes.data
    for at in range(len(codes)):
        if at + _SOON < len(codes):
            prefetch(sizes + 4 * integer(user_of[codes[at + _SOON]]))
        if size_of[user_of[codes[at]]] > 1:
            found[count] = codes[at]
            count += 1
    return count


@compiled
def _number_of_users(alive: Any, user_of: Any, seen: Any) -> int:
    """Return how many users have an id that events are stored under; nobody has been seen before."""
    count = 0
    for code in range(len(alive)):
        if alive[code] and not seen[user_of[code]]:
            seen[user_of[code]] = True
            count += 1
    return count
