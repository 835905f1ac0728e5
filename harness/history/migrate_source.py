"""The source of a migration: its events, which of them were stored, and what they joined, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from harness.clock import parse_instant
from harness.history.dictionary import Dictionary
from harness.history.door import ACCEPTED, Admitted, Door
from harness.history.files import HistoryFile
from harness.history.migrate_records import Codes, Flags, Longs, MigrateOrder
from harness.history.reader import HistoryReader, Reading
from harness.history.records import ABSENT, EMPTY, OUTCOMES, TIME_FAR, DecisionColumns, EventBatch, Kind
from harness.history.replay import replay

_MERGED: Final = OUTCOMES.index("merged")
_ALREADY: Final = OUTCOMES.index("already")
_NO_TIME_AT_ALL_MS: Final = parse_instant("2026-01-05T12:00:00Z")


class Taken(NamedTuple):
    """What the source made of a batch.

    Attributes:
        is_stored: bool, one entry an event; Mixpanel stored it.
        stored_as: uint32, one entry an event; the id it was stored under, `EMPTY` for none.
        place: int64, one entry a pair of ids that an identity event names; the place of its event in the batch.
        first: uint32; the anonymous or newer id of each pair.
        second: uint32; the other one.
        counts: bool; the pair was joined, or was one already.
        joins: bool; the pair was joined by that event.
    """

    is_stored: Flags
    stored_as: Codes
    place: Longs
    first: Codes
    second: Codes
    counts: Flags
    joins: Flags


class Source:
    """The history that is migrated. It is read twice: for who is who, and for the new events.

    Args:
        order: what was asked for.

    Attributes:
        files: its files.
        ids: the dictionary of ids, the same both times.
    """

    def __init__(self, order: MigrateOrder) -> None:
        self._order = order
        # The model enters ids of its own where `$device:` makes no difference; else nobody does meanwhile.
        ahead = not order.settings.identity.device_prefix_equivalent
        reading = Reading(stored=order.stored, seconds_below=_seconds_below(order), devices=False, encode_ahead=ahead)
        self._reader = HistoryReader(order.paths, reading)
        self._reader.open()
        self.files: list[HistoryFile] = self._reader.files
        self.ids: Dictionary = self._reader.ids
        self._door = Door(
            order.source,
            order.settings,
            endpoint=order.endpoint,
            strict=order.strict,
            now_ms=order.now_ms,
            stored=order.stored,
        )

    @property
    def share(self) -> float:
        """How much of the history is behind, 0 to 1."""
        return self._reader.share

    @property
    def broken_lines(self) -> int:
        """How many lines so far hold no event."""
        return self._reader.broken_lines

    @property
    def now_ms(self) -> int:
        """A clock by which no event is from the future, milliseconds since 1970."""
        newest = int(self._reader.newest_ms) if self._reader.newest_ms > 0 else 0
        return max(self._order.now_ms or 0, newest) or _NO_TIME_AT_ALL_MS

    def replayed(self) -> Iterator[tuple[EventBatch, Taken]]:
        """Yield the batches with what the source made of them.

        Raises:
            InputError: when the history can't be read.
        """
        model = replay(self._order.source, self.ids, self._order.settings.identity)
        for batch in self._reader.batches():
            admitted = self._door.admit(batch, self.ids.marks)
            by_track = np.full(batch.size, self._order.endpoint == "track")
            taken = model.take(batch, admitted, by_track=by_track, arrival_ms=admitted.time_ms)
            yield batch, _taken(batch, admitted, taken.stored, taken.decisions)

    def stored(self) -> Iterator[tuple[EventBatch, Flags]]:
        """Read the history once more, and yield the batches with which of their events were stored."""
        reading = Reading(
            stored=self._order.stored, seconds_below=_seconds_below(self._order), verbs=False, encode_ahead=True
        )
        reader = HistoryReader([file.name for file in self.files], reading)
        reader.open()
        reader.ids = self.ids
        self._reader = reader
        for batch in reader.batches():
            yield batch, _has_time(batch) & (self._door.admit(batch, self.ids.marks).status == ACCEPTED)


def _taken(batch: EventBatch, admitted: Admitted, stored: Codes, decisions: DecisionColumns) -> Taken:
    place = decisions.place
    kind = batch.kind[place]
    sent = admitted.distinct_id[place]
    identified = np.where(batch.identified_id[place] > EMPTY, batch.identified_id[place], sent)
    first = np.where(kind == Kind.ALIAS, batch.alias[place], batch.anonymous_id[place])
    second = np.where(kind == Kind.ALIAS, sent, identified)
    merges = np.flatnonzero(kind == Kind.MERGE)
    row = np.searchsorted(batch.merge_rows, place[merges])
    offsets = batch.merge_offsets
    found = np.minimum(row, max(0, len(batch.merge_rows) - 1))
    is_pair = np.zeros(len(merges), np.bool_)
    if len(batch.merge_rows):
        is_pair = (batch.merge_rows[found] == place[merges]) & (offsets[found + 1] - offsets[found] == 2)
    first[merges] = second[merges] = ABSENT
    first[merges[is_pair]] = batch.merge_ids[offsets[found[is_pair]]]
    second[merges[is_pair]] = batch.merge_ids[offsets[found[is_pair]] + 1]
    outcome = decisions.outcome
    named = (first > EMPTY) & (second > EMPTY)
    return Taken(
        (admitted.status == ACCEPTED) & ((batch.kind != Kind.ORDINARY) | _has_time(batch)),
        np.maximum(stored, EMPTY).astype(np.uint32),
        place[named],
        first[named].astype(np.uint32),
        second[named].astype(np.uint32),
        ((outcome == _MERGED) | (outcome == _ALREADY))[named],
        (outcome == _MERGED)[named],
    )


def _has_time(batch: EventBatch) -> Flags:
    """Return which events can be imported again: those that say themselves when they happened.

    /track gave others the time of arrival, and an instant past every clock became one too; neither is in the history.
    """
    has: Flags = (batch.time_ms > 0) & (batch.time_ms < TIME_FAR)
    return has


def _seconds_below(order: MigrateOrder) -> float:
    return order.settings.ingestion.ms_threshold
