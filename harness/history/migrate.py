"""A migration from beginning to end: census, plan, the new events, and the proof; nothing is left of one that fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.history.migrate_census import take_census
from harness.history.migrate_output import MANIFEST, Shards, association_lines, check_free, folder_beside, write_texts
from harness.history.migrate_plan import padded, plan
from harness.history.migrate_proof import prove, rehearsal
from harness.history.migrate_records import Census, MigrateOrder, Migration, Plan, Proof
from harness.history.migrate_report import as_html, as_markdown, manifest
from harness.history.migrate_rewrite import rewritten_lines
from harness.history.migrate_source import Source
from harness.problems import OutsideError


class _NotHeldError(Exception):
    """The replay of the new events gave other users than planned, so they are not kept."""

    def __init__(self, migration: Migration) -> None:
        super().__init__()
        self.migration = migration


def migrate(order: MigrateOrder) -> Migration:
    """Rewrite a history for another system, or without `order.out` find out what that would give.

    Args:
        order: what is asked for.

    Raises:
        InputError: when the input can't be read, or the output is not free.
        OutsideError: when the machine fails: a full disk.
    """
    try:
        if order.out is not None:
            check_free(order.out)
        source = Source(order)
        census = take_census(order, source)
        planned = plan(order, census, source.ids)
        census = padded(census, len(planned.key))
        untried = _untried(order, census, planned)
        return _rehearsed(untried, source) if order.out is None else _written(untried, source, order.out)
    except _NotHeldError as error:
        return error.migration
    except OSError as error:
        where = error.filename or order.out
        raise OutsideError(f"{where}: {error.strerror or error}; nothing was left behind") from None


def _untried(order: MigrateOrder, census: Census, planned: Plan) -> Migration:
    """Return the migration as it is planned, with a proof that is still open."""
    is_out = planned.is_excluded & ~planned.is_nobody
    ordinary = int(census.events.sum())
    excluded = int(census.events[is_out].sum())
    return Migration(
        order=order,
        census=census,
        plan=planned,
        written=ordinary - excluded + len(planned.devices),
        excluded_events=excluded,
        nobodys_events=int(census.events[planned.is_nobody].sum()),
        renamed=int(census.nameless[~is_out].sum()),
        proof=Proof(0, 0, 0),
    )


def _rehearsed(untried: Migration, source: Source) -> Migration:
    with TemporaryDirectory(prefix="harness-") as folder:
        files = rehearsal(untried.order, untried.census, untried.plan, source.ids, Path(folder))
        proof = prove(untried.order, untried.census, untried.plan, source.ids, files)
    return replace(untried, proof=proof)


def _written(untried: Migration, source: Source, out: Path) -> Migration:
    order, planned = untried.order, untried.plan
    out.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(out) as folder:
        shards = Shards(folder, order.shard_events)
        try:
            for lines, ends in association_lines(order, planned, source.ids):
                shards.write(lines, ends)
            for lines, ends in rewritten_lines(order, planned, source):
                shards.write(lines, ends)
            shards.close()
        finally:
            shards.abandon()
        files = [folder / shard.name for shard in shards.written]
        proof = prove(order, untried.census, planned, source.ids, files)
        written = sum(shard.events for shard in shards.written)
        migration = replace(untried, proof=proof, shards=tuple(shards.written), written=written)
        if not proof.held:
            raise _NotHeldError(migration)
        write_texts(folder, {"report.md": as_markdown(migration), "report.html": as_html(migration)})
        write_texts(folder, {MANIFEST: manifest(migration)})
    return migration
