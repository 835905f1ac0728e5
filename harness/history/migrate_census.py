"""The first pass of a migration: the source is replayed, and what it knows about every id is noted, by code.

Memory grows with ids and with what joined them, never with events.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.history.migrate_graph import clusters
from harness.history.migrate_ids import with_bare_forms
from harness.history.migrate_records import NO_TIME, Census, Edges, Longs, MigrateOrder
from harness.history.migrate_source import Source, Taken
from harness.history.native import compiled
from harness.history.records import EMPTY, EventBatch

_LATEST: Final = 2**62


def take_census(order: MigrateOrder, source: Source) -> Census:
    """Replay the source once and return what it knows.

    Args:
        order: what was asked for.
        source: the history.

    Raises:
        InputError: when it can't be read.
    """
    columns = _Columns()
    read = rejected = identity_events = 0
    for batch, taken in source.replayed():
        columns.add(batch, taken, len(source.ids))
        is_ordinary = batch.kind == 0
        read += batch.size
        rejected += int(np.count_nonzero(~taken.is_stored))
        identity_events += int(np.count_nonzero(taken.is_stored & ~is_ordinary))
        order.progress("reading", source.share)
    edges = columns.edges()
    if order.source == "original" and order.settings.identity.device_prefix_equivalent:
        edges = with_bare_forms(source.ids, edges)
    columns.make_room(len(source.ids))
    broken = source.broken_lines
    return Census(
        is_known=columns.is_known[: len(source.ids)],
        events=columns.events[: len(source.ids)],
        first_ms=columns.first_ms[: len(source.ids)],
        last_ms=columns.last_ms[: len(source.ids)],
        links=columns.links[: len(source.ids)],
        nameless=columns.nameless[: len(source.ids)],
        edges=edges,
        read=read - broken,
        broken=broken,
        rejected=rejected - broken,
        identity_events=identity_events,
        users=_users(order, columns.stored_events, edges),
        now_ms=source.now_ms,
    )


class _Columns:
    """What is noted, in columns that grow with the dictionary."""

    def __init__(self) -> None:
        self.is_known = np.zeros(0, np.bool_)
        self.events = np.zeros(0, np.int64)
        self.stored_events = np.zeros(0, np.int64)
        self.nameless = np.zeros(0, np.int64)
        self.first_ms = np.zeros(0, np.int64)
        self.last_ms = np.zeros(0, np.int64)
        self.links = np.zeros(0, np.int64)
        self._edges: list[Edges] = []

    def add(self, batch: EventBatch, taken: Taken, count: int) -> None:
        """Note one batch."""
        self.make_room(count)
        _count(
            taken.is_stored,
            batch.kind,
            batch.distinct_id,
            taken.stored_as,
            batch.time_ms,
            batch.insert_form,
            self.is_known,
            self.events,
            self.stored_events,
            self.nameless,
            self.first_ms,
            self.last_ms,
        )
        times = batch.time_ms[taken.place]
        _link(taken.first, taken.second, times, taken.counts, self.is_known, self.links, self.first_ms, self.last_ms)
        joins = taken.joins
        self._edges.append(Edges(taken.first[joins], taken.second[joins], _plain(times[joins])))

    def make_room(self, count: int) -> None:
        """Make every column long enough for so many codes."""
        if count <= len(self.events):
            return
        size = max(count, 2 * len(self.events), 1 << 12)
        for name, empty in (
            ("is_known", 0),
            ("events", 0),
            ("stored_events", 0),
            ("nameless", 0),
            ("first_ms", _LATEST),
            ("last_ms", NO_TIME),
            ("links", 0),
        ):
            column: NDArray[Any] = getattr(self, name)
            longer = np.full(size, empty, column.dtype)
            longer[: len(column)] = column
            setattr(self, name, longer)

    def edges(self) -> Edges:
        """Return everything that joined two ids; and mark what was never seen with a time."""
        self.first_ms[self.first_ms == _LATEST] = NO_TIME
        if not self._edges:
            return Edges(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.int64))
        return Edges(*(np.concatenate(column) for column in zip(*self._edges, strict=True)))


def _users(order: MigrateOrder, stored_events: Longs, edges: Edges) -> int:
    """Return how many users of the source have ordinary events."""
    active = np.flatnonzero(stored_events)
    active = active[active > EMPTY]
    if order.source == "legacy":
        return len(active)
    return len(np.unique(clusters(len(stored_events), edges, np.zeros(len(stored_events), np.bool_))[active]))


def _plain(times: Longs) -> Longs:
    """Return times with `NO_TIME` in place of those that are none."""
    return np.where((times > 0) & (times < _LATEST), times, NO_TIME)


@compiled
def _count(
    is_stored: Any,
    kind: Any,
    distinct_id: Any,
    stored_as: Any,
    time_ms: Any,
    insert_form: Any,
    is_known: Any,
    events: Any,
    stored_events: Any,
    nameless: Any,
    first_ms: Any,
    last_ms: Any,
) -> None:
    for row in range(len(kind)):
        if not is_stored[row]:
            continue
        code = distinct_id[row]
        is_known[code] = True
        if kind[row] == 0:
            events[code] += 1
            stored_events[stored_as[row]] += 1
            if insert_form[row] != 1:
                nameless[code] += 1
        time = time_ms[row]
        if 0 < time < 4611686018427387904:
            first_ms[code] = min(first_ms[code], time)
            last_ms[code] = max(last_ms[code], time)


@compiled
def _link(
    first: Any, second: Any, times: Any, counts: Any, is_known: Any, links: Any, first_ms: Any, last_ms: Any
) -> None:
    for row in range(len(first)):
        for code in (first[row], second[row]):
            is_known[code] = True
            if counts[row]:
                links[code] += 1
            time = times[row]
            if 0 < time < 4611686018427387904:
                first_ms[code] = min(first_ms[code], time)
                last_ms[code] = max(last_ms[code], time)
