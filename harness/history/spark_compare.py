"""The comparison of the three systems on Spark: a pass for each of them, for each ties ids in its own way.

The funnel of a system is counted in its parts, since all events of a user are in one. How far people came is counted in
parts by person, in a pass of its own.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.event import ID_MERGE_SYSTEMS
from harness.history.compare import ComparedHistories
from harness.history.engines import AuditOrder
from harness.history.funnel import FunnelOrder
from harness.history.spark import SparkEngine, Watched
from harness.history.spark_funnel import COUNTED_DDL, ByPerson, FunnelOfPeople, PartFunnel, missing_steps, whole_funnel
from harness.history.spark_parts import packed, placed
from harness.history.spark_rows import ROWS_DDL
from harness.history.spark_scan import Spread

if TYPE_CHECKING:
    from harness.history.spark_history import Overview, SparkHistory


def compare_on_spark(engine: SparkEngine, order: AuditOrder, funnel: FunnelOrder | None = None) -> ComparedHistories:
    """Let all three systems look at a history on Spark; see `compare_histories`.

    Args:
        engine: where.
        order: the history and the reading of the rules; its system is not asked.
        funnel: the funnel to count; None for none.
    """
    audits, funnels = [], []
    told: list[PartFunnel] = []
    people: tuple[int, ...] | None = None
    wants_people = funnel is not None and order.truth is not None
    with engine.started() as running:
        for number, system in enumerate(ID_MERGE_SYSTEMS):
            found: list[tuple[int, ...]] = []

            def watch(history: SparkHistory, overview: Overview, found: list[tuple[int, ...]] = found) -> None:
                if funnel is not None:
                    found.append(_people(history, overview, funnel))

            watched = Watched(funnel, watch if wants_people and number == 0 else None)
            audit, parts = running.watched(replace(order, id_merge=system, save=None), watched)
            audits.append(audit)
            if funnel is not None:
                told = [part.funnel for part in parts if part.funnel is not None]
                funnels.append(whole_funnel(funnel, told))
                people = found[0] if found else people
    missing = () if funnel is None else missing_steps(funnel, told)
    return ComparedHistories(tuple(audits), funnel, tuple(funnels), people, missing)


def _people(history: SparkHistory, overview: Overview, funnel: FunnelOrder) -> tuple[int, ...]:
    """Return how many people came as far as each step."""
    session = history.session
    parts = packed(overview.rows, session.sparkContext.defaultParallelism, [], history.sizes.part_events).spread
    spread = Spread(history.reading, history.ties, overview.first, placed(session, parts))
    rows = history.slices().mapInArrow(ByPerson(spread, funnel.steps), ROWS_DDL)
    by_person = rows.repartition(parts, "part").sortWithinPartitions("index")
    counted = by_person.mapInArrow(FunnelOfPeople(funnel), COUNTED_DDL).collect()
    sums = [pickle.loads(row[0]) for row in counted]  # noqa: S301 - of our own tasks
    return tuple(sum(counts[step] for counts in sums) for step in range(len(funnel.steps)))
