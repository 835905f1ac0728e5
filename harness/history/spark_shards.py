"""The new events of a migration as shards, written by tasks: each writes the lines it has, and then each shard is put
together.

All tasks write into the folder beside the output that gets its name last, so the output has to be where every machine
sees it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from harness.history.migrate_records import Shard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_COPY_BYTES: Final = 1 << 20


def write_shards(lines: Sequence[DataFrame], folder: Path, shard_events: int) -> list[Shard]:
    """Write lines as shards of at most so many.

    Args:
        lines: a column `line` each, in the order in which they follow each other; each in its own order already.
        folder: where to, as all machines see it.
        shard_events: most lines of one shard.
    """
    from pyspark import StorageLevel
    from pyspark.sql import functions as f

    before = 0
    for some in lines:
        kept = some.persist(StorageLevel.DISK_ONLY)
        try:
            counts: dict[int, int] = dict(map(tuple, kept.groupBy(f.spark_partition_id()).count().collect()))
            first: dict[int, int] = {}
            for partition in sorted(counts):
                first[partition] = before
                before += counts[partition]
            write = WritePieces(str(folder), first, shard_events)
            kept.select(f.spark_partition_id().alias("partition"), "line").mapInArrow(write, "piece string").collect()
        finally:
            kept.unpersist()
    if not before:
        return []
    session = lines[0].sparkSession
    numbers = session.range(0, -(-before // shard_events), 1, -(-before // shard_events))
    made = numbers.mapInArrow(JoinPieces(str(folder)), "name string, events long, bytes long, sha256 string").collect()
    return sorted((Shard(*row) for row in made), key=lambda shard: shard.name)


@dataclass(frozen=True, slots=True)
class WritePieces:
    """Writes the lines of a partition as pieces of shards, to be sent to tasks.

    Attributes:
        folder: where to.
        first: the place of the first line of each partition among all lines.
        shard_events: most lines of one shard.
    """

    folder: str
    first: dict[int, int]
    shard_events: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the names of the pieces."""
        at = -1
        names: list[str] = []
        piece = _Piece()
        for batch in batches:
            if at < 0 and batch.num_rows:
                at = self.first[batch.column("partition")[0].as_py()]
            for line in batch.column("line"):
                if piece.name == "" or at % self.shard_events == 0:
                    names += piece.closed()
                    piece = _Piece(self.folder, at // self.shard_events, at)
                piece.write(line.as_buffer())
                at += 1
        names += piece.closed()
        yield pa.RecordBatch.from_arrays([pa.array(names, pa.string())], ["piece"])


class _Piece:
    """The lines of one shard that one task has. It gets its name when it is whole; an attempt that dies leaves none."""

    def __init__(self, folder: str = "", shard: int = 0, at: int = 0) -> None:
        self.name = folder and f".{shard:05d}.{at:015d}.piece"
        self._whole = os.path.join(folder, self.name)
        self._unfinished = f"{self._whole}.{os.getpid()}"
        self._file = open(self._unfinished, "wb") if self.name else None  # noqa: SIM115

    def write(self, line: pa.Buffer) -> None:
        assert self._file is not None
        self._file.write(line)
        self._file.write(b"\n")

    def closed(self) -> list[str]:
        if self._file is None:
            return []
        self._file.close()
        os.replace(self._unfinished, self._whole)
        return [self.name]


@dataclass(frozen=True, slots=True)
class JoinPieces:
    """Puts shards together, to be sent to tasks."""

    folder: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield what each shard is."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                shard = self._joined(number)
                columns = [pa.array([value]) for value in (shard.name, shard.events, shard.bytes, shard.sha256)]
                yield pa.RecordBatch.from_arrays(columns, ["name", "events", "bytes", "sha256"])

    def _joined(self, number: int) -> Shard:
        folder = Path(self.folder)
        pieces = sorted(folder.glob(f".{number:05d}.*.piece"))
        name = f"part-{number:05d}.jsonl"
        digest = hashlib.sha256()
        events = size = 0
        with open(folder / f".{name}.unfinished", "wb") as whole:
            for piece in pieces:
                with piece.open("rb") as lines:
                    while chunk := lines.read(_COPY_BYTES):
                        whole.write(chunk)
                        digest.update(chunk)
                        events += chunk.count(b"\n")
                        size += len(chunk)
            whole.flush()
            os.fsync(whole.fileno())
        os.replace(folder / f".{name}.unfinished", folder / name)
        for piece in pieces:
            piece.unlink()
        return Shard(name, events, size, digest.hexdigest())
