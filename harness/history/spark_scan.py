"""The two passes over the slices of a history: what it ties together, and then its events, each with its part.

Both read with the reader of the house. The first one hands on a few numbers an id and a note a slice; what is wrong
with a file comes back as a note too, since an error inside a task would reach the user as a trace of the JVM.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from harness.history.reader import HistoryReader, Reading
from harness.history.records import BrokenLine
from harness.history.spark_edges import Nodes, Tied, Ties, tie
from harness.history.spark_forest import forest
from harness.history.spark_problems import TaskProblemError
from harness.history.spark_rows import ROWS, Dictionaries, rows_of
from harness.history.spark_slices import Slice, as_file, at_home
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.history.dictionary import Dictionary
    from harness.history.files import HistoryFile
    from harness.history.records import EventBatch, Longs
    from harness.history.spark_parts import Lookup

SCANNED: Final = pa.schema([("node", pa.int64()), ("root", pa.int64()), ("events", pa.int64()), ("note", pa.binary())])
SCANNED_DDL: Final = "node long, root long, events long, note binary"
"""A tie of a slice, with the events that go by its node; or a note, which has no node."""

ROWS_AT_ONCE: Final = 1 << 15
_COMMON: Final = 64
_FEWEST_COMMON: Final = 500


@dataclass(frozen=True, slots=True)
class SliceNote:
    """What a slice is.

    Attributes:
        number: its place in the order of arrival.
        rows: how many rows it has, broken ones too.
        lines: how many lines it has, blank ones too; 0 where no other slice of its file follows.
        broken_lines: how many rows hold no event.
        broken: the first of them, lines counted within the slice.
        newest_ms: the newest time in milliseconds since 1970, -inf for none.
        problems: why it can't be read; lines counted in the file, or for pieces of JSONL within the slice.
    """

    number: int
    rows: int = 0
    lines: int = 0
    broken_lines: int = 0
    broken: tuple[BrokenLine, ...] = ()
    newest_ms: float = float("-inf")
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """The first pass, to be sent to tasks."""

    reading: Reading
    ties: Ties

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `SCANNED` for slices that come pickled in a column."""
        for piece in _slices(batches):
            yield from self._scan(piece)

    def _scan(self, piece: Slice) -> Iterator[pa.RecordBatch]:
        try:
            with as_file(piece) as file:
                reader = HistoryReader([file.name], self.reading)
                ties = _TiesOfSlice(reader, self.ties)
                try:
                    for batch in reader.batches():
                        ties.add(batch)
                except InputError as error:
                    problems = tuple(at_home(problem, piece, file) for problem in error.problems)
                    yield _note(SliceNote(piece.number, problems=problems))
                    return
                lines = _lines(file.name) if piece.end is not None and file.packing == "lines" else 0
                broken = tuple(
                    BrokenLine(piece.file.name, one.line + piece.rows_before, one.why) for one in reader.broken
                )
        except OSError as error:
            message = f"can't be read: {error.strerror or error}"
            yield _note(SliceNote(piece.number, problems=(Problem(piece.file.name, None, "", message),)))
            return
        yield from ties.rows()
        yield _note(SliceNote(piece.number, reader.rows, lines, reader.broken_lines, broken, reader.newest_ms))


@dataclass(frozen=True, slots=True)
class Spread:
    """The second pass, to be sent to tasks: the events as rows, each with where it goes.

    Attributes:
        reading: how slices are read.
        ties: how ids are tied.
        first: int64; the index of the first event of each slice in the history.
        placed: int32; what Spark takes to the partition of each part.
        lookup: gives the table of parts; None: each row gets the number of its id, and no part yet.
    """

    reading: Reading
    ties: Ties
    first: Longs
    placed: NDArray[np.int32]
    lookup: Callable[[], Lookup] | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `ROWS` for slices that come pickled in a column."""
        lookup = None if self.lookup is None else self.lookup()
        for piece, reader, events in self.opened(batches):
            known = Dictionaries(reader.ids, reader.names, reader.people)
            homes = Homes(self, reader.ids, lookup)
            for batch in events:
                parts, numbers = homes.of(batch)
                index = self.index_of(piece, batch)
                for at in range(0, batch.size, ROWS_AT_ONCE):
                    chosen = np.arange(at, min(at + ROWS_AT_ONCE, batch.size), dtype=np.int64)
                    rows = rows_of(batch, known, parts, index, chosen)
                    yield rows if lookup is not None else _with_nodes(rows, numbers[chosen])

    def opened(self, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[Slice, HistoryReader, Iterator[EventBatch]]]:
        """Yield slices that come pickled in a column, each with a reader that has it open, and its events.

        Raises:
            TaskProblemError: when one can't be read.
        """
        for piece in _slices(batches):
            with as_file(piece) as file:
                reader = HistoryReader([file.name], self.reading)
                with _at_home(piece, file):
                    reader.open()
                yield piece, reader, _batches(piece, file, reader)

    def index_of(self, piece: Slice, batch: EventBatch) -> Longs:
        """Return the index in the history of every event of a batch."""
        first = int(self.first[piece.number]) + batch.first_index
        return np.arange(first, first + batch.size, dtype=np.int64)


class Homes:
    """Says where the events of a slice go, looking up each id once.

    Args:
        spread: how ids are tied, and what Spark takes to the partition of each part.
        ids: the dictionary of the slice.
        lookup: the table of parts; None: nobody knows them yet.
    """

    def __init__(self, spread: Spread, ids: Dictionary, lookup: Lookup | None) -> None:
        self._spread = spread
        self._ids = ids
        self._lookup = lookup
        self._nodes = Nodes(ids, one_form=spread.ties.one_form)
        self._parts = np.zeros(0, np.int32)

    def of(self, batch: EventBatch) -> tuple[NDArray[np.int32], Longs]:
        """Return for every event of a batch what takes it to its part, and the number of the id it goes by."""
        keys = tie(batch, self._spread.ties, self._ids.marks).keys
        numbers = self._nodes.all()
        if self._lookup is None:
            return np.zeros(batch.size, np.int32), numbers[keys]
        if len(self._parts) < len(numbers):
            more = self._spread.placed[self._lookup.of(numbers[len(self._parts) :])]
            self._parts = np.concatenate([self._parts, more])
        return self._parts[keys], numbers[keys]


@contextmanager
def _at_home(piece: Slice, file: HistoryFile) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise TaskProblemError([at_home(problem, piece, file) for problem in error.problems]) from None


def _batches(piece: Slice, file: HistoryFile, reader: HistoryReader) -> Iterator[EventBatch]:
    with _at_home(piece, file):
        yield from reader.batches()


def _with_nodes(rows: pa.RecordBatch, nodes: Longs) -> pa.RecordBatch:
    schema = ROWS.append(pa.field("node", pa.int64()))
    return pa.RecordBatch.from_arrays([*rows.columns, pa.array(nodes)], schema=schema)


class _TiesOfSlice:
    """The ties of a slice, each once."""

    def __init__(self, reader: HistoryReader, ties: Ties) -> None:
        self._reader = reader
        self._ties = ties
        self._pairs: list[NDArray[np.uint64]] = []
        self._size = 0
        self._events = np.zeros(0, np.int64)

    def add(self, batch: EventBatch) -> None:
        """Take one batch."""
        ids = self._reader.ids
        tied = tie(batch, self._ties, ids.marks)
        self._pairs.append(np.unique(_pairs_of(tied)))
        self._size += len(self._pairs[-1])
        if self._size > 4_000_000 and len(self._pairs) > 1:
            self._pairs = [np.unique(np.concatenate(self._pairs))]
            self._size = len(self._pairs[0]) // 2
        events = np.bincount(tied.keys, minlength=len(ids))
        events[: len(self._events)] += self._events
        self._events = events

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield every tied id under the smallest of those it is tied to, and every common id under itself."""
        numbers = Nodes(self._reader.ids, one_form=self._ties.one_form).all()
        pairs = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._pairs]))
        left = numbers[(pairs >> np.uint64(32)).astype(np.int64)]
        right = numbers[(pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        events = np.zeros(len(numbers), np.int64)
        events[: len(self._events)] = self._events
        common = numbers[events > max(_FEWEST_COMMON, self._reader.rows // _COMMON)]
        nodes, roots = forest(np.concatenate([left, common]), np.concatenate([right, common]))
        by_number = np.argsort(numbers, kind="stable")
        sums = np.zeros(len(nodes), np.int64)
        places = np.minimum(np.searchsorted(nodes, numbers[by_number]), max(0, len(nodes) - 1))
        if len(nodes):
            same = nodes[places] == numbers[by_number]
            np.add.at(sums, places[same], events[by_number][same])
        for at in range(0, len(nodes), ROWS_AT_ONCE):
            part = slice(at, at + ROWS_AT_ONCE)
            columns = [pa.array(nodes[part]), pa.array(roots[part]), pa.array(sums[part])]
            yield pa.RecordBatch.from_arrays([*columns, pa.nulls(len(columns[0]), pa.binary())], schema=SCANNED)


def _pairs_of(tied: Tied) -> NDArray[np.uint64]:
    return (tied.left.astype(np.uint64) << np.uint64(32)) | tied.right.astype(np.uint64)


def _slices(batches: Iterator[pa.RecordBatch]) -> Iterator[Slice]:
    for batch in batches:
        for pickled in batch.column(0).to_pylist():
            piece: Slice = pickle.loads(pickled)  # noqa: S301 - of our own driver
            yield piece


def _note(note: SliceNote) -> pa.RecordBatch:
    none = pa.nulls(1, pa.int64())
    return pa.RecordBatch.from_arrays([none, none, none, pa.array([pickle.dumps(note)], pa.binary())], schema=SCANNED)


def _lines(name: str) -> int:
    with open(name, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
