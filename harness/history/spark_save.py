"""Writes resolved ids from Spark: as one file through the driver, or into an empty folder as Spark's own parts.

Either way nothing that is half written looks whole: the file gets its name last, and Spark moves parts in place at the
end and lays `_SUCCESS` beside them. Rows are in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.history.records import RULE_NAMES
from harness.history.save import SCHEMA
from harness.history.whole import check_writable, whole_or_nothing
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

IDS_AT_ONCE: Final = 500_000
"""So many ids or fewer travel in one piece, some 50 MB: an executor sorts it, and the driver holds it."""


def check_target(target: Path) -> None:
    """Find out early whether resolved ids can be written: as a file, or into a folder that is there and empty.

    Raises:
        InputError: when they can't.
    """
    if not target.is_dir():
        check_writable(target)
    elif any(target.iterdir()):
        fix = "Name an empty folder, or a file; nothing is written over."
        raise InputError([Problem(str(target), None, "--save", "is a folder that is not empty", fix)])


def save_resolved(resolved: DataFrame, target: Path, ids: int) -> None:
    """Write resolved ids, in the order of the ids.

    Args:
        resolved: columns `id`, `canonical`, `reason`, `event_index`, the first two as bytes.
        target: where to.
        ids: about how many there are; no piece that travels has more than `IDS_AT_ONCE` of them.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails.
    """
    ordered = resolved.repartitionByRange(max(1, -(-ids // IDS_AT_ONCE)), "id").sortWithinPartitions("id")
    if target.is_dir():
        texts = ordered.selectExpr("string(id) id", "string(canonical) canonical", "reason", "event_index")
        texts.write.mode("append").parquet(target.absolute().as_uri())
        return
    with (
        whole_or_nothing(target, failures=(OSError, pa.ArrowException)) as unfinished,
        pq.ParquetWriter(
            unfinished,
            SCHEMA,
            compression="none",
            use_dictionary=["reason"],
            write_statistics=False,
            store_schema=False,
        ) as writer,
    ):
        # Row by row they would be Python objects, all at once they would have to fit into the driver: so, blocks.
        for block in ordered.mapInArrow(_blocks, "block binary").toLocalIterator():
            for batch in pa.ipc.open_stream(pa.py_buffer(block[0])):
                writer.write_batch(_batch(batch))


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield each batch as one row of bytes."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.RecordBatch.from_arrays([pa.array([sink.getvalue().to_pybytes()], pa.binary())], ["block"])


def _batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    reason = pc.index_in(batch.column("reason"), value_set=pa.array(RULE_NAMES, pa.string())).cast(pa.int8())
    columns = [
        *(batch.column(name).cast(pa.large_binary()).view(pa.large_string()) for name in ("id", "canonical")),
        pa.DictionaryArray.from_arrays(reason, pa.array(RULE_NAMES, pa.string())),
        batch.column("event_index"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
