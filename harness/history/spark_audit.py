"""The audit on Spark: every part is a small history that the local engine's own view looks at, and the parts add up.

Numbers are summed. Three things are known only across parts: which different disallowed ids there are, how the users of
a person are spread over parts, and which examples are the best of all.

A part streams in, so a task holds its dictionary and the state of its ids, some 130 bytes an id, and what the local
engine puts aside before it goes to disk, 256 MB; never its events. That is the bound for a giant component, too.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.history.audit import SystemView
from harness.history.engines import AuditOrder
from harness.history.findings import MOST_SAMPLES
from harness.history.funnel import FunnelEvents, FunnelOrder
from harness.history.people import Matched
from harness.history.reader import HistoryReader
from harness.history.records import NO_RULE, OUTCOMES, RULE_NAMES, Audit, BrokenLine, Sample
from harness.history.spark_funnel import PartFunnel, part_funnel
from harness.history.spark_people import PartPeople, Users
from harness.history.spark_rows import Dictionaries, batch_of

REPLAYED: Final = pa.schema(
    [
        ("id", pa.binary()),
        ("canonical", pa.binary()),
        ("reason", pa.string()),
        ("event_index", pa.int64()),
        ("person", pa.binary()),
        ("events", pa.int64()),
        ("users", pa.int64()),
        ("summary", pa.binary()),
    ]
)
"""What a part gives: rows of resolved ids, rows of people, and one row with its summary; all other columns are null."""

REPLAYED_DDL: Final = (
    "id binary, canonical binary, reason string, event_index long, "
    "person binary, events long, users long, summary binary"
)
_ROWS_AT_ONCE: Final = 1 << 15
_MERGED: Final = OUTCOMES.index("merged")
_FEWEST: Final = -1


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What one part says about itself.

    Attributes:
        number: the number of the part.
        audit: the audit of the part alone.
        listed: events by disallowed id.
        users: what is counted about its users, where people are known.
        funnel: what came out of the funnel, where one is asked for.
    """

    number: int
    audit: Audit
    listed: Mapping[str, int]
    users: Users = field(default_factory=Users)
    funnel: PartFunnel | None = None


class PartView(SystemView):
    """One system's view of one part.

    Args:
        order: what is asked for.
        reader: holds the dictionaries of the part, and what is known about the whole history.
        now_ms: Mixpanel's clock; None: as the newest event of the whole history says.
    """

    def __init__(self, order: AuditOrder, reader: HistoryReader, now_ms: int | None) -> None:
        super().__init__(
            order.id_merge,
            order.settings,
            reader,
            endpoint=order.endpoint,
            strict=order.strict,
            stored=order.stored,
            now_ms=now_ms,
            known_user=order.known_user,
            truth=order.truth is not None,
        )
        self.people = PartPeople()
        if order.truth is not None:
            self._people = self.people

    def summary(self, number: int) -> PartSummary:
        """Return what the part says, once everything of it was taken."""
        return PartSummary(number, self.finish(), dict(self._listed), self.people.users)


@dataclass(frozen=True, slots=True)
class ReplayParts:
    """Replays the parts of a partition, to be sent to tasks.

    Attributes:
        order: what is asked for.
        now_ms: Mixpanel's clock; None: as the newest event says.
        newest_ms: the newest time of the whole history in milliseconds since 1970, -inf for none.
        keeps_ids: whether the resolved ids are wanted.
        funnel: the funnel that is counted; None for none.
    """

    order: AuditOrder
    now_ms: int | None
    newest_ms: float
    keeps_ids: bool
    funnel: FunnelOrder | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `REPLAYED` for rows of parts, which come one part after the other."""
        part: _Part | None = None
        for batch in batches:
            for number, rows in _by_part(batch):
                if part is not None and part.number != number:
                    yield from part.finished()
                    part = None
                part = part or _Part(number, self)
                part.take(rows)
        if part is not None:
            yield from part.finished()


class _Part:
    """One part while it streams in."""

    def __init__(self, number: int, job: ReplayParts) -> None:
        self.number = number
        self._keeps_ids = job.keeps_ids
        self._reader = HistoryReader([])
        self._reader.newest_ms = job.newest_ms
        self._known = Dictionaries(self._reader.ids, self._reader.names, self._reader.people)
        self._view = PartView(job.order, self._reader, job.now_ms)
        self._funnel = None if job.funnel is None else FunnelEvents(job.funnel, self._known.names, truth=False)
        self._taken = 0
        self._here: list[Any] = [np.full(1, _FEWEST, np.int64)]
        self._there: list[Any] = [np.full(1, _FEWEST, np.int64)]

    def take(self, rows: pa.RecordBatch) -> None:
        batch = batch_of(rows, self._known, self._taken)
        taken = self._view.take(batch)
        if self._funnel is not None:
            self._funnel.add(batch, [taken.stored])
        if self._keeps_ids:
            # Only what joins ids is ever named by its index.
            places = taken.decisions.place[taken.decisions.outcome == _MERGED]
            self._here.append(places + self._taken)
            self._there.append(rows.column("index").to_numpy()[places])
        self._taken += batch.size

    def finished(self) -> Iterator[pa.RecordBatch]:
        try:
            summary = self._view.summary(self.number)
            if self._funnel is not None:
                told = part_funnel(self._funnel, self._known, self._funnel.funnel(0, self._view.user_of()))
                summary = replace(summary, funnel=told)
            if self._keeps_ids:
                yield from self._resolved()
            yield from self._people()
            yield rows_with(summary=pa.array([pickle.dumps(summary)], pa.binary()))
        finally:
            self._view.close()

    def _resolved(self) -> Iterator[pa.RecordBatch]:
        found = self._view.resolved()
        here, there = np.concatenate(self._here), np.concatenate(self._there)
        index = there[np.searchsorted(here, found.event_index)]
        names = pa.array(RULE_NAMES, pa.string())
        for first in range(0, len(found.ids), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            rule = pa.DictionaryArray.from_arrays(pa.array(found.rule[part].astype(np.int8)), names)
            alone = pa.array(found.rule[part] == NO_RULE)
            yield rows_with(
                id=self._reader.ids.arrow(found.ids[part]),
                canonical=self._reader.ids.arrow(found.canonical[part]),
                reason=_null_where(rule.cast(pa.string()), alone),
                event_index=pa.array(index[part], mask=found.event_index[part] < 0),
            )

    def _people(self) -> Iterator[pa.RecordBatch]:
        people = self._view.people
        for first in range(0, len(people.person), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            yield rows_with(
                person=self._reader.people.arrow(people.person[part].astype(np.uint32)),
                events=pa.array(people.events[part]),
                users=pa.array(people.users_of[part]),
            )


def rows_with(**columns: Any) -> pa.RecordBatch:
    """Return rows of `REPLAYED` with some columns, all others null."""
    size = len(next(iter(columns.values())))
    arrays = []
    for name, kind in zip(REPLAYED.names, REPLAYED.types, strict=True):
        column = columns.get(name)
        if column is None:
            arrays.append(pa.nulls(size, kind))
        elif pa.types.is_binary(kind) and not pa.types.is_binary(column.type):
            arrays.append(column.cast(pa.large_binary()).cast(kind))
        else:
            arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, schema=REPLAYED)


def _null_where(texts: Any, is_null: Any) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(is_null, pa.scalar(None, pa.string()), texts)


def _by_part(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    numbers = batch.column("part").to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for first, last in pairwise(edges):
        if first < last:
            yield int(numbers[first]), batch.slice(first, last - first)


def added(
    parts: Sequence[PartSummary],
    empty: Audit,
    people: Matched | None,
    broken_lines: int,
    broken: tuple[BrokenLine, ...],
) -> Audit:
    """Return the audit of the whole history.

    Args:
        parts: what all parts say.
        empty: the audit of no event, which knows the clock and the limit.
        people: how well users match people; None where nobody knows.
        broken_lines: how many lines hold no event.
        broken: the first of them.
    """
    audits = [part.audit for part in parts]
    listed: Counter[str] = Counter()
    for part in parts:
        listed.update(part.listed)
    return replace(
        empty,
        **{name: sum(getattr(audit, name) for audit in audits) for name in _SUMS},
        largest_cluster=max((audit.largest_cluster for audit in audits), default=0),
        refused=_sum_of(audit.refused for audit in audits),
        decisions=_sum_of([empty.decisions, *(audit.decisions for audit in audits)], is_sorted=False),
        sizes=_sum_of(audit.sizes for audit in audits),
        refused_by_month=_sum_of(audit.refused_by_month for audit in audits),
        disallowed=len(listed),
        broken_lines=broken_lines,
        broken=broken,
        precision=people and people.precision,
        recall=people and people.recall,
        split=people and people.split,
        mixed=people and people.mixed,
        samples=_samples(audits, listed),
    )


_SUMS: Final = (
    "events",
    "users",
    "clusters",
    "ids",
    "near_limit",
    "at_limit",
    "orphans",
    "mixed_suspects",
    "phantom_users",
    "duplicates",
    "rejected",
    "identity_events",
    "shared_devices",
)


def _sum_of(counts: Any, *, is_sorted: bool = True) -> dict[Any, int]:
    found: Counter[Any] = Counter()
    for one in counts:
        for key, count in one.items():
            found[key] += count
    return dict(sorted(found.items())) if is_sorted else dict(found)


def _samples(audits: Sequence[Audit], listed: Mapping[str, int]) -> dict[str, tuple[Sample, ...]]:
    """Return the best examples of all parts."""
    found: dict[str, list[Sample]] = {}
    for audit in audits:
        for finding, samples in audit.samples.items():
            found.setdefault(finding, []).extend(samples)
    found["disallowed"] = [
        Sample(text, 1, (text,), f"{count:,} event{'' if count == 1 else 's'}") for text, count in listed.items()
    ]
    ranks: dict[str, Any] = {
        "top_clusters": lambda sample: (-sample.size, sample.canonical),
        "mixed_suspects": lambda sample: (-int(sample.note.split(" ", 1)[0]), -sample.size, sample.canonical),
        "disallowed": lambda sample: (-listed[sample.canonical], sample.canonical),
    }
    return {
        finding: tuple(sorted(samples, key=ranks.get(finding, lambda sample: sample.ids))[:MOST_SAMPLES])
        for finding, samples in found.items()
    }
