"""Connected components on Spark: which ids could ever become one user, so that no decision looks beyond its part.

Nodes are 64-bit hashes of ids. Two ids with one hash only put two components into one part, which changes no result:
the exact rules work on the ids themselves. So no dictionary has to be agreed upon between machines.

Why these rounds are our own. GraphFrames, the usual answer, is a Scala library: its package on PyPI (`graphframes-py`)
says itself that it brings no JVM part, which a cluster without a way to Maven can't fetch. GraphX lies in every Spark,
but is deprecated, and its propagation takes as many rounds as the longest chain has ids. Splink's clustering is plain
SQL and was tried: it is right, but brings DuckDB and sqlglot along, does five statements and a materialisation a round,
and takes a round for each id of a chain that is sorted; the benchmark `spark_scale` runs it beside this.

So: every slice of the input shrinks its own edges to one a node first (`harness.history.spark_forest`). What is left is
finished in one task when it fits there, and nearly always it does. Before that, rounds of large star and small star
(Kiveris and others, "Connected components in MapReduce and beyond", 2014) shrink it further, log-many in practice, each
with two joins whose skew Spark's adaptive execution splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from harness.history.spark_forest import forest

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

ONE_TASK_EDGES: Final = 24_000_000
"""So many edges are finished in one task, which takes some 80 bytes for each."""

LABELS: Final = "node long, root long"


def components(edges: DataFrame, one_task_edges: int = ONE_TASK_EDGES) -> DataFrame:
    """Return every node of a graph once with the smallest node of its component, as columns `node`, `root`.

    Args:
        edges: columns `node`, `root`, both long; each row is an edge. It is read more than once, so it should be kept.
        one_task_edges: so many edges or fewer are finished in one task.
    """
    from pyspark.sql import functions as f

    edges = edges.select("node", "root")
    seen: tuple[int, int] | None = None
    while True:
        count, mark = edges.agg(
            f.count("*"), f.coalesce(f.sum(f.hash("node", "root").cast("long")), f.lit(0))
        ).first() or (0, 0)
        if count <= one_task_edges:
            return edges.repartition(1).mapInArrow(_finished, LABELS)
        if (count, mark) == seen:
            # A forest of stars that nothing changes any more; the centres lack rows of their own.
            return edges.union(edges.select("root", "root")).distinct()
        seen = (count, mark)
        rounded = _kept(_small_star(_large_star(edges)))
        edges = rounded


def _finished(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    table = pa.Table.from_batches(list(batches), pa.schema([("node", pa.int64()), ("root", pa.int64())]))
    nodes, roots = forest(table.column("node").to_numpy(), table.column("root").to_numpy())
    del table
    step = 1 << 20
    for at in range(0, len(nodes), step):
        part = slice(at, at + step)
        yield pa.RecordBatch.from_arrays([pa.array(nodes[part]), pa.array(roots[part])], ["node", "root"])


def _large_star(edges: DataFrame) -> DataFrame:
    """Tie every larger neighbour of a node to the smallest of the node and its neighbours."""
    from pyspark.sql import functions as f

    both = edges.union(edges.select(f.col("root").alias("node"), f.col("node").alias("root")))
    least = both.groupBy("node").agg(f.min("root").alias("other"))
    joined = both.join(least, "node").where("root > node")
    return joined.select(f.col("root").alias("node"), f.least("node", "other").alias("root")).distinct()


def _small_star(edges: DataFrame) -> DataFrame:
    """Tie a node and all its smaller neighbours to the smallest of them."""
    from pyspark.sql import functions as f

    down = edges.select(f.greatest("node", "root").alias("node"), f.least("node", "root").alias("root"))
    least = down.groupBy("node").agg(f.min("root").alias("other"))
    neighbours = (
        down.join(least, "node").where("root > other").select(f.col("root").alias("node"), f.col("other").alias("root"))
    )
    return neighbours.union(least.select("node", f.col("other").alias("root"))).distinct()


def _kept(edges: DataFrame) -> DataFrame:
    """Cut the plan, which would double with every round: on its own disks, or in its checkpoint folder.

    Executors that come and go need that folder (`spark.checkpoint.dir`): what lies on their own disks goes with them.
    """
    from pyspark import StorageLevel

    context = edges.sparkSession.sparkContext
    if context.getCheckpointDir() is not None:
        return edges.checkpoint()
    return edges.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)
