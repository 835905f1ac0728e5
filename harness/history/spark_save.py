"""Writes resolved ids from Spark: as one file through the driver, or into an empty folder as Spark's own parts.

Either way nothing that is half written looks whole: the file gets its name last, and Spark moves parts in place at the
end and lays `_SUCCESS` beside them. Rows are in the order of their ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.history.records import RULE_NAMES
from harness.history.save import SCHEMA
from harness.history.whole import check_writable, whole_or_nothing
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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


def save_resolved(resolved: DataFrame, target: Path) -> None:
    """Write resolved ids.

    Args:
        resolved: columns `id`, `canonical`, `reason`, `event_index`, the first two as bytes.
        target: where to.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails.
    """
    ordered = resolved.orderBy("id")
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
        for batch in _streamed(ordered):
            writer.write_batch(batch)


def _streamed(ordered: DataFrame) -> Any:
    """Yield rows one partition at a time, so that the driver never holds them all."""
    kept = ordered.persist()
    try:
        partitions = kept.rdd.getNumPartitions()
        for number in range(partitions):
            yield from _partition(kept, number)
    finally:
        kept.unpersist()


def _partition(kept: DataFrame, number: int) -> Any:
    from pyspark.sql import functions as f

    table = kept.where(f.spark_partition_id() == number).toArrow()
    rules = pa.array(RULE_NAMES, pa.string())
    for batch in table.to_batches():
        reason = pc.index_in(batch.column("reason"), value_set=rules).cast(pa.int8())
        columns = [
            *(batch.column(name).cast(pa.large_binary()).view(pa.large_string()) for name in ("id", "canonical")),
            pa.DictionaryArray.from_arrays(reason, rules),
            batch.column("event_index"),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
