"""The engine on Spark: the jobs of the local engine on a cluster, with the same results.

See `harness.history.spark_history` for how a job works, and SPARK.md beside this file for how to run one.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from harness.history.audit import NO_TIME_AT_ALL_MS, SystemView
from harness.history.engines import AuditOrder
from harness.history.funnel import FunnelOrder
from harness.history.local import LocalEngine
from harness.history.reader import HistoryReader
from harness.history.records import Audit
from harness.history.spark_audit import REPLAYED_DDL, PartSummary, ReplayParts, added
from harness.history.spark_edges import Ties
from harness.history.spark_history import Overview, Sizes, SparkHistory
from harness.history.spark_people import matched
from harness.history.spark_problems import told
from harness.history.spark_save import check_target, save_resolved
from harness.history.spark_session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SCANNED: Final = 0.3
"""The share of a job that is done when the history was scanned (measured)."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is wanted beside an audit.

    Attributes:
        funnel: a funnel to count; None for none.
        history: is given the history on Spark and its overview while both are at hand; None for nothing.
    """

    funnel: FunnelOrder | None = None
    history: Callable[[SparkHistory, Overview], None] | None = None


@dataclass(frozen=True, slots=True)
class SparkEngine:
    """Works histories through on a cluster.

    Attributes:
        master: the cluster as Spark spells it; None: as `spark_session` chooses.
        sizes: how large the pieces of a job are.
        session: a session to use and to leave running; None: one is started for each job.
    """

    master: str | None = None
    sizes: Sizes = field(default_factory=Sizes)
    session: SparkSession | None = None

    def audit(self, order: AuditOrder) -> Audit:
        """Return the health of a history; see `HistoryEngine.audit`.

        Resolved ids are saved in the order of their ids: one after the other in a file, or as Spark's parts in a folder
        that is there and empty.
        """
        return self.watched(order, Watched())[0]

    def watched(self, order: AuditOrder, watched: Watched) -> tuple[Audit, list[PartSummary]]:
        """Return the health of a history, and what each of its parts says.

        Args:
            order: what is asked for.
            watched: what else is wanted.
        """
        # The settings are looked at before Spark is started, for that takes seconds.
        empty = _view(order, HistoryReader([]), order.now_ms).finish()
        if order.save is not None:
            check_target(order.save)
        with self.started() as running, told():
            assert running.session is not None
            reading = LocalEngine().reader(order, [order.id_merge]).reading
            ties = Ties.of(order.id_merge, order.settings, stored=order.stored)
            history = SparkHistory(running.session, order.paths, replace(reading, strict_lines=False), ties, self.sizes)
            with history.parts(strict_lines=order.strict_lines) as (overview, parts):
                order.progress(overview.rows, _SCANNED)
                found = _replayed(order, watched, overview, parts, empty)
                if watched.history is not None:
                    watched.history(history, overview)
            order.progress(overview.rows, 1.0)
        return found

    @contextmanager
    def started(self) -> Iterator[SparkEngine]:
        """Give this engine with a session that is running, for several jobs in one."""
        if self.session is not None:
            yield self
            return
        with spark_session(self.master) as session:
            yield replace(self, session=session)


def _replayed(
    order: AuditOrder, watched: Watched, overview: Overview, parts: DataFrame, empty: Audit
) -> tuple[Audit, list[PartSummary]]:
    from pyspark import StorageLevel

    clock = overview.clock_ms(order.now_ms)
    asked = clock if order.endpoint == "track" and not order.stored else order.now_ms
    quiet = replace(order, progress=_silent, paths=(), save=None)
    task = ReplayParts(quiet, asked, overview.newest_ms, keeps_ids=order.save is not None, funnel=watched.funnel)
    replayed = parts.mapInArrow(task, REPLAYED_DDL).persist(StorageLevel.DISK_ONLY)
    try:
        rows = replayed.where("summary is not null").select("summary").collect()
        found: list[PartSummary] = [pickle.loads(row[0]) for row in rows]  # noqa: S301 - of our own tasks
        found.sort(key=lambda part: part.number)
        people = None
        if order.truth is not None:
            people = matched((part.users for part in found), replayed.where("person is not null"))
        audit = added(found, replace(empty, now_ms=clock), people, overview.broken_lines, overview.broken)
        if order.save is not None:
            resolved = replayed.where("id is not null").select("id", "canonical", "reason", "event_index")
            save_resolved(resolved, order.save, audit.ids)
    finally:
        replayed.unpersist()
    return audit, found


def _view(order: AuditOrder, reader: HistoryReader, now_ms: int | None) -> SystemView:
    """Return a view of no history, to find out early what can't be honoured."""
    clock = NO_TIME_AT_ALL_MS if now_ms is None and order.endpoint == "track" else now_ms
    return SystemView(
        order.id_merge,
        order.settings,
        reader,
        endpoint=order.endpoint,
        strict=order.strict,
        stored=order.stored,
        now_ms=clock,
        known_user=order.known_user,
    )


def _silent(events: int, share: float) -> None:
    """Tell nothing: tasks have nobody to tell."""
