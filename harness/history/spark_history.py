"""A history on a cluster: scanned, split into parts that never meet, and handed to tasks part by part, in order of
arrival.

Every job works the same way. Tasks scan the slices of the history (`spark_scan.Scan`); the driver learns how many
events there are, when the newest happened and what is broken. The ties become components (`spark_components`), the
components parts (`spark_parts`). Tasks read the slices again and send each event to its part: the one shuffle of a job
that moves events. There a part arrives sorted by its events' index in the history, and is a small history of its own
that the local kernel can replay.
"""

from __future__ import annotations

import math
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from harness.history.audit import NO_TIME_AT_ALL_MS
from harness.history.files import files_of
from harness.history.reader import MOST_BROKEN_KEPT, Reading
from harness.history.records import BrokenLine
from harness.history.spark_components import ONE_TASK_EDGES, components
from harness.history.spark_edges import Ties
from harness.history.spark_parts import (
    LOOKUP_NODES,
    PART_EVENTS,
    Lookup,
    Packing,
    heavy_components,
    heavy_from,
    packed,
    placed,
    spread_column,
)
from harness.history.spark_rows import NODE_ROWS_DDL, ROWS_DDL
from harness.history.spark_scan import SCANNED_DDL, Scan, SliceNote, Spread
from harness.history.spark_slices import SLICE_BYTES, Slice, slices_of
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from harness.history.records import Longs


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the pieces of a job are; tests make them small.

    Attributes:
        slice_bytes: about so many bytes are read by one task.
        part_events: about so many events are replayed by one task.
        one_task_edges: so many ties or fewer are connected in one task.
        lookup_nodes: so many tied ids or fewer are handed to every machine as a table.
    """

    slice_bytes: int = SLICE_BYTES
    part_events: int = PART_EVENTS
    one_task_edges: int = ONE_TASK_EDGES
    lookup_nodes: int = LOOKUP_NODES


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first pass tells of a history.

    Attributes:
        rows: how many rows it has, broken ones too.
        first: int64; the index of the first event of each slice.
        broken_lines: how many rows hold no event.
        broken: the first of them.
        newest_ms: the newest time in milliseconds since 1970, -inf for none.
    """

    rows: int
    first: Longs
    broken_lines: int
    broken: tuple[BrokenLine, ...]
    newest_ms: float

    def clock_ms(self, now_ms: int | None) -> int:
        """Return Mixpanel's clock, milliseconds since 1970: the one that is given, or that of the newest event."""
        if now_ms is not None:
            return now_ms
        return math.floor(self.newest_ms) if math.isfinite(self.newest_ms) else NO_TIME_AT_ALL_MS


class Rows(NamedTuple):
    """What travels to the parts.

    Attributes:
        make: what is sent to tasks to make rows, from what says where they go.
        ddl: the columns of rows that know their part.
        node_ddl: those of rows that know the number of their id instead.
    """

    make: Callable[[Spread], Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]]
    ddl: str
    node_ddl: str


EVENTS: Final = Rows(lambda spread: spread, ROWS_DDL, NODE_ROWS_DDL)


@dataclass(slots=True)
class SparkHistory:
    """A history on a cluster.

    Attributes:
        session: the session.
        paths: files, folders and globs, as the driver and all executors see them.
        reading: how they are read.
        ties: how ids are tied.
        sizes: how large the pieces are.
    """

    session: SparkSession
    paths: Sequence[str]
    reading: Reading
    ties: Ties
    sizes: Sizes = field(default_factory=Sizes)
    packing: Packing | None = None

    @contextmanager
    def parts(self, *, rows: Rows = EVENTS, strict_lines: bool = False) -> Iterator[tuple[Overview, DataFrame]]:
        """Give the overview of the history, and its events in parts: a part a partition, sorted by `index`.

        Args:
            rows: what the events become.
            strict_lines: the first broken line ends it.

        Raises:
            InputError: when files can't be read, every problem at once.
        """
        from pyspark import StorageLevel

        pieces = slices_of(files_of(self.paths), self.sizes.slice_bytes)
        slices = self._distributed(pieces)
        scan = Scan(replace(self.reading, inserts=False, truth=None), self.ties)
        scanned = slices.mapInArrow(scan, SCANNED_DDL).persist(StorageLevel.DISK_ONLY)
        with tempfile.TemporaryDirectory(prefix="harness-parts-") as folder:
            try:
                notes = [
                    pickle.loads(row[0])  # noqa: S301 - of our own tasks
                    for row in scanned.where("note is not null").select("note").collect()
                ]
                overview = overview_of(pieces, notes)
                if strict_lines and overview.broken:
                    first = overview.broken[0]
                    fix = "Without --strict-lines it is counted."
                    raise InputError([Problem(first.file, first.line, "", first.why, fix)])
                with self._spread(slices, scanned, overview, Path(folder), rows) as parts:
                    yield overview, parts
            finally:
                scanned.unpersist()

    def slices(self) -> DataFrame:
        """Return the slices of the history, pickled in a column, a partition each.

        Raises:
            InputError: when a file can't be found or opened.
        """
        return self._distributed(slices_of(files_of(self.paths), self.sizes.slice_bytes))

    def _distributed(self, pieces: Sequence[Slice]) -> DataFrame:
        context = self.session.sparkContext
        pickled = [(bytearray(pickle.dumps(piece)),) for piece in pieces]
        return self.session.createDataFrame(context.parallelize(pickled, max(1, len(pickled))), "slice binary")

    @contextmanager
    def _spread(
        self, slices: DataFrame, scanned: DataFrame, overview: Overview, folder: Path, wanted: Rows
    ) -> Iterator[DataFrame]:
        from pyspark.sql import functions as f

        counted = scanned.where("note is null").drop("note")
        labels = components(counted.where("node != root"), self.sizes.one_task_edges).persist()
        try:
            cores = self.session.sparkContext.defaultParallelism
            least = heavy_from(overview.rows, cores, self.sizes.part_events)
            heavy = heavy_components(counted, labels, least)
            self.packing = packing = packed(overview.rows, cores, heavy, self.sizes.part_events)
            numbers = placed(self.session, packing.parts)
            spread = Spread(self.reading, self.ties, overview.first, numbers)
            if labels.count() <= self.sizes.lookup_nodes:
                spread = replace(spread, lookup=self._lookup(labels, packing, folder))
                rows = slices.mapInArrow(wanted.make(spread), wanted.ddl)
            else:
                made = slices.mapInArrow(wanted.make(spread), wanted.node_ddl)
                rows = self._joined(made, labels, packing, numbers)
            yield rows.repartition(packing.parts, f.col("part")).sortWithinPartitions("part", "index")
        finally:
            labels.unpersist()

    def _lookup(self, labels: DataFrame, packing: Packing, folder: Path) -> SharedLookup:
        table = labels.toArrow()
        nodes, roots = (table.column(name).to_numpy() for name in ("node", "root"))
        order = np.argsort(nodes, kind="stable")
        for name, column in (("nodes", nodes[order]), ("parts", packing.of(roots[order]))):
            np.save(folder / f"{folder.name}-{name}.npy", column)
            self.session.sparkContext.addFile(str(folder / f"{folder.name}-{name}.npy"))
        return SharedLookup(folder.name, packing.spread)

    def _joined(self, rows: DataFrame, labels: DataFrame, packing: Packing, numbers: NDArray[np.int32]) -> DataFrame:
        """Return rows with their part, which Spark joins to them where no machine can hold the table of parts."""
        from pyspark.sql import functions as f

        make = self.session.createDataFrame
        heavy = make(list(packing.heavy.items()), "root long, own int")
        homes = make(list(enumerate(numbers.tolist())), "home int, part int")
        of_root = f.coalesce("own", spread_column(f.col("root"), packing.spread)).alias("tied")
        tied = labels.join(f.broadcast(heavy), "root", "left").select("node", of_root)
        home = f.coalesce("tied", spread_column(f.col("node"), packing.spread))
        columns = [name for name in rows.columns if name != "node"]
        found = rows.drop("part").join(tied, "node", "left").withColumn("home", home)
        return found.join(f.broadcast(homes), "home").select(*columns)


@dataclass(frozen=True, slots=True)
class SharedLookup:
    """Opens the table of parts that Spark laid beside every executor."""

    name: str
    spread: int

    def __call__(self) -> Lookup:
        """Return the table."""
        from pyspark import SparkFiles

        nodes, parts = (Path(SparkFiles.get(f"{self.name}-{column}.npy")) for column in ("nodes", "parts"))
        return Lookup(nodes, parts, self.spread)


def overview_of(pieces: Sequence[Slice], notes: Sequence[SliceNote]) -> Overview:
    """Return what the notes on all slices say together, lines of pieces counted in their files.

    Raises:
        InputError: when slices could not be read.
    """
    by_number = sorted(notes, key=lambda note: note.number)
    lines_before = _lines_before(pieces, by_number)
    problems = [
        Problem(one.file, None if one.line is None else one.line + before, one.key, one.message, one.fix)
        for note, before in zip(by_number, lines_before, strict=True)
        for one in note.problems
    ]
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    broken = [
        BrokenLine(one.file, one.line + before, one.why)
        for note, before in zip(by_number, lines_before, strict=True)
        for one in note.broken
    ]
    rows = np.array([0, *(note.rows for note in by_number)], np.int64)
    return Overview(
        rows=int(rows.sum()),
        first=np.cumsum(rows)[:-1],
        broken_lines=sum(note.broken_lines for note in by_number),
        broken=tuple(broken[:MOST_BROKEN_KEPT]),
        newest_ms=max((note.newest_ms for note in by_number), default=-math.inf),
    )


def _lines_before(pieces: Sequence[Slice], notes: Sequence[SliceNote]) -> list[int]:
    """Return how many lines of its file stand before each slice."""
    found: list[int] = []
    for at, piece in enumerate(pieces):
        follows = at > 0 and pieces[at - 1].file == piece.file
        found.append(found[-1] + notes[at - 1].lines if follows else 0)
    return found
