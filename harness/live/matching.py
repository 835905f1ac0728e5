"""Finds the sent events among the rows of a raw export.

By event name and `$insert_id`; where an event had none, by its name, an id it carried and its second. A raw export is
not deduplicated (`docs`), so a sent event may have several rows: they are taken together, never called unexpected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.live.export_row import ExportRow
from harness.live.prediction import Predicted, Prediction, SentEvent


class Shown(NamedTuple):
    """What the export shows of one sent event, in one of its rows; the fields are those of `ExportRow`."""

    distinct_id: str
    before: str | None
    reason: str
    arrived_ms: int | None


@dataclass(slots=True)
class Found:
    """What an export holds of what was sent.

    Attributes:
        shown: the rows of each sent event, by its index; absent where there is none.
        rows: how many rows were read.
        duplicates: rows beyond the first one of an event.
        unexpected: rows that nobody sent.
        unexpected_of_ours: those of them that carry an id of an event that was sent, at most 100.
        others: rows of other test runs, left out.
    """

    shown: dict[int, list[Shown]] = field(default_factory=dict)
    rows: int = 0
    duplicates: int = 0
    unexpected: int = 0
    unexpected_of_ours: list[ExportRow] = field(default_factory=list)
    others: int = 0


_MOST_KEPT = 100


class _Slot:
    """Sent events that no export can tell apart: equal name, `$insert_id`, second and ids."""

    __slots__ = ("filled", "first", "has_insert_id", "indexes")

    def __init__(self, first: SentEvent, predicted: Predicted) -> None:
        self.first = first
        self.indexes = [first.event_index]
        self.has_insert_id = bool(first.insert_id) and not first.made_up and predicted.keeps_insert_id
        self.filled = 0

    def likeness(self, row: ExportRow) -> tuple[bool, bool, int]:
        """Return how well a row fits; the larger, the better."""
        first = self.first
        ids = {first.distinct_id, first.device_id, first.user_id}
        return (row.sent in ids, row.time_s == first.time_s, -self.filled)


class Matching:
    """Takes the rows of an export one by one; memory depends on what was sent, not on the export.

    Args:
        prediction: what was sent, and the ids it implied.
        run: the test run whose rows alone count, beside those that carry one of its ids; None: every row counts.
    """

    def __init__(self, prediction: Prediction, run: str | None = None) -> None:
        self._found = Found()
        self._run = run
        self._known: set[str] = set()
        self._by_insert_id: dict[tuple[str, str], list[_Slot]] = {}
        self._by_second: dict[tuple[str, str, int | None], list[_Slot]] = {}
        self._waiting: list[ExportRow] = []
        slots: dict[tuple[object, ...], _Slot] = {}
        for sent, predicted in zip(prediction.sent, prediction.events, strict=True):
            ids = {sent.distinct_id, sent.device_id, sent.user_id, predicted.received, predicted.distinct_id} - {""}
            self._known |= ids
            key = sent[2:]
            slot = slots.get(key) if sent.insert_id else None
            if slot is not None:
                slot.indexes.append(sent.event_index)
                continue
            slot = slots[key] = _Slot(sent, predicted)
            if sent.insert_id:
                self._by_insert_id.setdefault((sent.event, sent.insert_id), []).append(slot)
            for text in ids or {""}:
                self._by_second.setdefault((sent.event, text, sent.time_s), []).append(slot)

    def take(self, row: ExportRow) -> None:
        """Take one row."""
        self._found.rows += 1
        slots = self._by_insert_id.get((row.event, row.insert_id)) if row.insert_id else None
        if slots:
            self._fill(max(slots, key=lambda slot: slot.likeness(row)), row)
        elif self._slots_of(row):
            self._waiting.append(row)
        else:
            self._nobody_sent(row)

    def found(self) -> Found:
        """Return what was found, after the last row."""
        for row in self._waiting:
            # An event that has an $insert_id of its own is never another row's event.
            slots = [slot for slot in self._slots_of(row) if not (slot.has_insert_id and row.insert_id)]
            free = [slot for slot in slots if not slot.filled]
            if slots:
                self._fill((free or slots)[0], row)
            else:
                self._nobody_sent(row)
        self._waiting.clear()
        return self._found

    def _slots_of(self, row: ExportRow) -> Sequence[_Slot]:
        ids = [row.sent, *sorted(row.ids - {row.sent})]
        for second in (row.time_s, None):
            for text in ids:
                slots = self._by_second.get((row.event, text, second))
                if slots:
                    return slots
        return ()

    def _fill(self, slot: _Slot, row: ExportRow) -> None:
        shown = Shown(row.distinct_id, row.before, row.reason, row.arrived_ms)
        if slot.filled >= len(slot.indexes):
            self._found.duplicates += 1
        slot.filled += 1
        for index in slot.indexes:
            self._found.shown.setdefault(index, []).append(shown)

    def _nobody_sent(self, row: ExportRow) -> None:
        found = self._found
        is_of_ours = not self._known.isdisjoint(row.ids)
        if self._run is not None and row.run != self._run and not is_of_ours:
            found.others += 1
            return
        found.unexpected += 1
        if (is_of_ours or self._run is not None) and len(found.unexpected_of_ours) < _MOST_KEPT:
            found.unexpected_of_ours.append(row)
