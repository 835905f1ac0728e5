"""A migration on Spark: every part is a small history that the local migration rewrites and proves; the rest is put
together.

Events travel to their part as the lines they are and become a file there, which the pieces of the local migration read
as any other: census, plan, new lines, proof. What comes back is the summary of the part and its new lines, each with
its place.

Association events come first, in the order of their times, those of one time in the order of their devices (on one
machine: in the order in which their ids were first seen). All other events keep the order of arrival.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from harness.history.migrate_census import take_census
from harness.history.migrate_lines import LineSource
from harness.history.migrate_output import Shards, association_lines, insert_id
from harness.history.migrate_plan import padded, plan
from harness.history.migrate_proof import prove, rehearsal
from harness.history.migrate_records import Census, Edges, Longs, MigrateOrder, Plan, Proof
from harness.history.migrate_rewrite import Deciding, line_at, new_lines
from harness.history.migrate_source import Source
from harness.history.migrate_splice import DROPPED, INSERT_ID_LETTERS, KEEP_INSERT_ID, REWRITTEN, Lines, Rewriting
from harness.history.native import compiled
from harness.history.spark_scan import ROWS_AT_ONCE, Homes, Spread

LINES: Final = pa.schema([("part", pa.int32()), ("index", pa.int64()), ("line", pa.binary())])
LINES_DDL: Final = "part int, index long, line binary"
"""An event as the line it is, without its line feed."""

NODE_LINES_DDL: Final = LINES_DDL + ", node long"

MADE: Final = pa.schema(
    [("order", pa.int64()), ("device", pa.binary()), ("line", pa.binary()), ("summary", pa.binary())]
)
MADE_DDL: Final = "order long, device binary, line binary, summary binary"
"""A line of the target, or a summary. The order of a line with a device is its time, that of others their index."""


@dataclass(frozen=True, slots=True)
class PartMigration:
    """What a part says about its migration: the census and the plan as counts and lists, without their columns."""

    census: Census
    plan: Plan
    proof: Proof
    events: int
    associations: int
    excluded_events: int
    nobodys_events: int
    renamed: int


@dataclass(frozen=True, slots=True)
class SpreadLines:
    """Sends every line of the history to its part, to be sent to tasks."""

    spread: Spread

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `LINES` for slices that come pickled in a column."""
        spread = self.spread
        lookup = None if spread.lookup is None else spread.lookup()
        for piece, reader, events in spread.opened(batches):
            homes = Homes(spread, reader.ids, lookup)
            with closing(LineSource(reader.files)) as source:
                for batch in events:
                    parts, numbers = homes.of(batch)
                    index = spread.index_of(piece, batch)
                    lines = source.take(batch.file, batch.size)
                    for at in range(0, batch.size, ROWS_AT_ONCE):
                        some = slice(at, at + ROWS_AT_ONCE)
                        columns = [pa.array(parts[some]), pa.array(index[some]), _texts(lines, some)]
                        names = LINES.names
                        if lookup is None:
                            columns, names = [*columns, pa.array(numbers[some])], [*names, "node"]
                        yield pa.RecordBatch.from_arrays(columns, names)


@dataclass(frozen=True, slots=True)
class MigrateParts:
    """Migrates the parts of a partition, to be sent to tasks.

    Attributes:
        order: what is asked for.
        now_ms: Mixpanel's clock at the end of the whole history, milliseconds since 1970.
    """

    order: MigrateOrder
    now_ms: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `MADE` for rows of `LINES`, whose parts come one after the other."""
        folder = Path(tempfile.mkdtemp(prefix="harness-part-"))
        try:
            part = _PartFile(folder)
            for batch in batches:
                for rows in _of_one_part(batch):
                    number = rows.column("part")[0].as_py()
                    if part.number not in (None, number):
                        yield from self._migrated(part)
                        part = _PartFile(folder)
                    part.number = number
                    part.write(rows)
            if part.number is not None:
                yield from self._migrated(part)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _migrated(self, part: _PartFile) -> Iterator[pa.RecordBatch]:
        path, index = part.closed()
        order = replace(self.order, paths=(str(path),), out=None)
        source = _PartSource(order, self.now_ms)
        census = take_census(order, source)
        planned = plan(order, census, source.ids)
        census = padded(census, len(planned.key))
        written = Shards(path.parent, order.shard_events)
        try:
            if self.order.out is None:
                files = rehearsal(order, census, planned, source.ids, path.parent)
            else:
                yield from _associations(order, planned, source, written)
                yield from _rewritten(order, planned, source, index, written)
                written.close()
                files = [path.parent / shard.name for shard in written.written]
            proof = prove(order, census, planned, source.ids, files)
            yield _made(summary=[pickle.dumps(_summary(census, planned, proof))])
        finally:
            written.abandon()
        for file in files:
            file.unlink()


class _PartFile:
    """The lines of a part as a file, and their indexes as another one."""

    def __init__(self, folder: Path) -> None:
        self.number: int | None = None
        self._path = folder / "part.jsonl"
        self._lines = self._path.open("wb")
        self._index = (folder / "part.index").open("wb")

    def write(self, rows: pa.RecordBatch) -> None:
        for line in rows.column("line"):
            self._lines.write(line.as_buffer())
            self._lines.write(b"\n")
        self._index.write(rows.column("index").to_numpy().tobytes())

    def closed(self) -> tuple[Path, Longs]:
        self._lines.close()
        self._index.close()
        return self._path, np.memmap(self._index.name, np.int64, "r")


class _PartSource(Source):
    """A part as the source of a migration; its clock is that of the whole history."""

    def __init__(self, order: MigrateOrder, now_ms: int) -> None:
        super().__init__(order)
        self._clock_ms = now_ms

    @property
    def now_ms(self) -> int:
        return self._clock_ms


def _associations(order: MigrateOrder, planned: Plan, source: Source, written: Shards) -> Iterator[pa.RecordBatch]:
    at = 0
    for lines, ends in association_lines(order, planned, source.ids):
        written.write(lines, ends)
        some = slice(at, at + len(ends))
        at += len(ends)
        devices = source.ids.arrow(planned.devices[some]).cast(pa.large_binary()).cast(pa.binary())
        begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        texts = _texts(Lines(lines, begins, ends), slice(None))
        yield _made(order=planned.time_ms[some], device=devices, line=texts)


def _rewritten(
    order: MigrateOrder, planned: Plan, source: Source, index: Longs, written: Shards
) -> Iterator[pa.RecordBatch]:
    deciding = Deciding(order, planned, source.ids)
    with closing(LineSource(source.files)) as lines_of:
        for batch, is_stored in source.stored():
            lines = lines_of.take(batch.file, batch.size)
            there = index[batch.first_index : batch.first_index + batch.size]
            rewriting = _renamed(deciding.decide(batch, is_stored, lines), lines, there)
            made, ends = new_lines(lines, rewriting, source.ids)
            written.write(made, ends)
            kept = there[rewriting.action != DROPPED]
            begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
            for at in range(0, len(ends), ROWS_AT_ONCE):
                some = slice(at, at + ROWS_AT_ONCE)
                yield _made(order=np.asarray(kept[some]), line=_texts(Lines(made, begins, ends), some))


def _renamed(rewriting: Rewriting, lines: Lines, index: Longs) -> Rewriting:
    """Return what becomes of a batch, with `$insert_id`s made of places in the whole history where they are needed."""
    rows = np.flatnonzero((rewriting.action & (REWRITTEN | KEEP_INSERT_ID)) == REWRITTEN)
    texts = [
        insert_id("event", str(int(index[row])), line_at(lines, int(row)).decode("utf-8", "surrogateescape"))
        for row in rows
    ]
    made = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(rows), INSERT_ID_LETTERS)
    return rewriting._replace(insert_id=made)


def _summary(census: Census, planned: Plan, proof: Proof) -> PartMigration:
    is_out = planned.is_excluded & ~planned.is_nobody
    empty = nothing(census.now_ms)
    counts = ("read", "broken", "rejected", "identity_events", "users")
    lists = ("ambiguous", "unresolved", "junk", "unmatched", "both_forms", "joins_before", "joins_after")
    return PartMigration(
        replace(empty.census, **{name: getattr(census, name) for name in counts}),
        replace(empty.plan, **{name: getattr(planned, name) for name in lists}),
        proof,
        events=int(census.events.sum()),
        associations=len(planned.devices),
        excluded_events=int(census.events[is_out].sum()),
        nobodys_events=int(census.events[planned.is_nobody].sum()),
        renamed=int(census.nameless[~is_out].sum()),
    )


def nothing(now_ms: int) -> PartMigration:
    """Return the migration of no event."""
    codes, flags, longs = np.zeros(0, np.uint32), np.zeros(0, np.bool_), np.zeros(0, np.int64)
    census = Census(flags, longs, longs, longs, longs, longs, Edges(codes, codes, longs), 0, 0, 0, 0, 0, now_ms)
    planned = Plan(codes, flags, flags, flags, codes, codes, codes, codes, flags, longs, (), (), (), (), (), 0, 0)
    return PartMigration(census, planned, Proof(0, 0, 0), 0, 0, 0, 0, 0)


def _texts(lines: Lines, some: slice) -> pa.Array:
    """Return lines as an Arrow array of bytes, a line feed at their end left out."""
    begin, end = lines.start[some], lines.end[some]
    fed = lines.data[np.maximum(end - 1, 0)] == 10 if len(end) else np.zeros(0, np.bool_)
    size = end - begin - fed
    offsets = np.zeros(len(size) + 1, np.int32)
    np.cumsum(size, out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    _copy(lines.data, begin, size, offsets, data)
    return pa.BinaryArray.from_buffers(pa.binary(), len(size), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


@compiled
def _copy(data: Any, begin: Any, size: Any, offsets: Any, into: Any) -> None:
    for row in range(len(begin)):
        at = offsets[row]
        for place in range(size[row]):
            into[at + place] = data[begin[row] + place]


def _made(**columns: Any) -> pa.RecordBatch:
    """Return rows of `MADE` with some columns, all others null."""
    size = len(next(iter(columns.values())))
    arrays = [
        pa.nulls(size, kind) if columns.get(name) is None else pa.array(columns[name], kind)
        for name, kind in zip(MADE.names, MADE.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=MADE)


def _of_one_part(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    numbers = batch.column("part").to_numpy()
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for first, last in pairwise(edges):
        if first < last:
            yield batch.slice(first, last - first)
