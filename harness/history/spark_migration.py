"""`harness migrate --engine spark`: the parts migrated by tasks, their summaries added up, their lines put in order."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.history.migrate_output import MANIFEST, check_free, folder_beside, write_texts
from harness.history.migrate_records import MigrateOrder, Migration, Proof
from harness.history.migrate_report import as_html, as_markdown, manifest
from harness.history.migrate_source import Source
from harness.history.reader import Reading
from harness.history.spark import SparkEngine
from harness.history.spark_edges import Ties
from harness.history.spark_history import Rows, SparkHistory
from harness.history.spark_migrate import (
    LINES_DDL,
    MADE_DDL,
    NODE_LINES_DDL,
    MigrateParts,
    PartMigration,
    SpreadLines,
    nothing,
)
from harness.history.spark_problems import told
from harness.history.spark_shards import write_shards
from harness.problems import OutsideError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_DIFFERING = 1_000


def migrate_on_spark(engine: SparkEngine, order: MigrateOrder) -> Migration:
    """Rewrite a history for another system on Spark; see `harness.history.migrate.migrate`.

    Args:
        engine: where.
        order: what is asked for; its output has to lie where every machine sees it.

    Raises:
        InputError: when the input can't be read, or the output is not free.
        OutsideError: when a machine fails.
    """
    from pyspark import StorageLevel

    if order.out is not None:
        check_free(order.out)
    # Whatever is wrong with the settings is told before Spark is started, for that takes seconds.
    Source(order)
    with engine.started() as running, told():
        assert running.session is not None
        settings = order.settings
        ties = replace(Ties.of(order.source, settings, stored=order.stored), one_form=True)
        reading = Reading(stored=order.stored, seconds_below=settings.ingestion.ms_threshold, devices=False)
        history = SparkHistory(running.session, order.paths, reading, ties, engine.sizes)
        rows = Rows(SpreadLines, LINES_DDL, NODE_LINES_DDL)
        with history.parts(rows=rows) as (overview, lines):
            order.progress("reading", 0.5)
            now_ms = overview.clock_ms(order.now_ms)
            quiet = replace(order, progress=_silent, paths=())
            made = lines.mapInArrow(MigrateParts(quiet, now_ms), MADE_DDL).persist(StorageLevel.DISK_ONLY)
            try:
                said = made.where("summary is not null").select("summary").collect()
                parts = [pickle.loads(row[0]) for row in said]  # noqa: S301 - of our own tasks
                migration = added(order, parts, now_ms)
                order.progress("replaying", 1.0)
                if order.out is None or not migration.proof.held:
                    return migration
                return _written(migration, made, order.out)
            finally:
                made.unpersist()


def _written(migration: Migration, made: DataFrame, out: Path) -> Migration:
    links = made.where("device is not null").orderBy("order", "device").select("line")
    events = made.where("device is null and summary is null").orderBy("order").select("line")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with folder_beside(out.absolute()) as folder:
            shards = write_shards([links, events], folder, migration.order.shard_events)
            done = replace(migration, shards=tuple(shards), written=sum(shard.events for shard in shards))
            write_texts(folder, {"report.md": as_markdown(done), "report.html": as_html(done)})
            write_texts(folder, {MANIFEST: manifest(done)})
    except OSError as error:
        where = error.filename or out
        raise OutsideError(f"{where}: {error.strerror or error}; nothing was left behind") from None
    return done


def added(order: MigrateOrder, parts: Sequence[PartMigration], now_ms: int) -> Migration:
    """Return the migration of the whole history from those of its parts."""
    counts = ("read", "broken", "rejected", "identity_events", "users")
    first = parts[0] if parts else nothing(now_ms)
    census = replace(first.census, **{name: sum(getattr(part.census, name) for part in parts) for name in counts})
    links = sum(part.associations for part in parts)
    plans = [part.plan for part in parts]
    ambiguous = [one for plan in plans for one in plan.ambiguous]
    unresolved = [one for plan in plans for one in plan.unresolved]
    planned = replace(
        first.plan,
        devices=np.zeros(links, np.uint32),
        ambiguous=tuple(sorted(ambiguous, key=lambda one: (-one.events, one.candidates[0].id))),
        unresolved=tuple(sorted(unresolved, key=lambda one: (-one.events, one.ids))),
        junk=_counted(pair for plan in plans for pair in plan.junk),
        unmatched=_counted(pair for plan in plans for pair in plan.unmatched),
        both_forms=tuple(sorted(text for plan in plans for text in plan.both_forms)),
        joins_before=sum(plan.joins_before for plan in plans),
        joins_after=sum(plan.joins_after for plan in plans),
    )
    proofs = [part.proof for part in parts]
    differing = sorted(row for proof in proofs for row in proof.differing)[:_MOST_DIFFERING]
    excluded = sum(part.excluded_events for part in parts)
    return Migration(
        order=order,
        census=census,
        plan=planned,
        written=sum(part.events for part in parts) - excluded + links,
        excluded_events=excluded,
        nobodys_events=sum(part.nobodys_events for part in parts),
        renamed=sum(part.renamed for part in parts),
        proof=Proof(
            sum(proof.users for proof in proofs),
            sum(proof.rejected for proof in proofs),
            sum(proof.ids for proof in proofs),
            tuple(differing),
        ),
    )


def _counted(pairs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for text, events in pairs:
        found[text] += events
    return tuple(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _silent(what: str, share: float) -> None:
    """Tell nothing: tasks have nobody to tell."""
