"""The audit on Spark at growing sizes: what a million events cost, what is shuffled, and components against Splink's.

Everything runs on `local[2]`. Shuffled bytes, stages and spilled bytes are Spark's own, from its event log. How many
events is said by `SPARK_SCALE`, for example `SPARK_SCALE=1000000,10000000,100000000` (100 million take some 20 GB of
disk while they are measured). Splink is compared where it is installed. GraphFrames can't be: `graphframes-py` holds no
JVM part, and its jar is on no package index but Maven's.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from harness.clock import parse_instant
from harness.history.engines import AuditOrder
from harness.history.generate_files import write_folder
from harness.history.generate_settings import GenerateSettings, default_people, parse_rates
from harness.history.local import LocalEngine
from harness.history.spark import SparkEngine
from harness.history.spark_components import components
from harness.history.spark_session import spark_session
from harness.ingestion.settings import ProjectSettings
from tests.benchmarks.rows import Row, times_as_fast, times_as_long

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCALES: Final = "1000000,10000000"
MASTER: Final = "local[2]"
FLAT: Final = 1.5
SHARD_EVENTS: Final = 1_000_000
EDGES: Final = 400_000


@dataclass(frozen=True)
class Cost:
    """What a job cost: seconds, seconds of processors, stages, tasks, and bytes that were shuffled and spilled."""

    events: int
    duration_s: float
    processor_s: float
    stages: int
    tasks: int
    shuffled: int
    spilled: int

    def __str__(self) -> str:
        million = self.events / 1e6
        return (
            f"{self.events:,} events: {self.duration_s:.1f} s, {self.duration_s / million:.2f} s a million, "
            f"{self.processor_s / million:.2f} s of processors a million, "
            f"{self.stages} stages, {self.tasks} tasks, "
            f"{self.shuffled / self.events:.0f} bytes shuffled an event, {self.spilled / self.events:.0f} spilled"
        )


def measure() -> list[Row]:
    """Measure every size in turn, the smallest first, and the components."""
    scales = [int(text) for text in os.environ.get("SPARK_SCALE", SCALES).split(",")]
    rows: list[Row] = []
    costs: list[Cost] = []
    for events in scales:
        cost, local_s = _audited(events)
        costs.append(cost)
        print(f"  {cost}; this machine's engine {local_s:.1f} s", file=sys.stderr)
        first = costs[0]
        rows.append(
            times_as_long(
                f"Spark: processor time of a million of {events:,} events audited",
                cost.processor_s / (events / 1e6),
                f"the same of {first.events:,}",
                first.processor_s / (first.events / 1e6),
                at_most=FLAT,
            )
        )
        rows.append(times_as_fast(f"Spark: {events:,} events audited", cost.duration_s, "local engine", local_s))
    return rows + _components()


def _audited(events: int) -> tuple[Cost, float]:
    folder = Path(tempfile.mkdtemp(prefix="spark-scale-"))
    try:
        history = folder / "history"
        rates = parse_rates("")
        assert not isinstance(rates, list)
        settings = GenerateSettings(
            id_merge="original",
            events=events,
            people=default_people(events),
            seed=0,
            rates=rates,
            start_ms=parse_instant("2025-01-01"),
            days=365,
            truth="person",
        )
        write_folder(settings, history, ".parquet", "flat", SHARD_EVENTS, lambda count: None)
        order = AuditOrder([str(history)], "original", ProjectSettings(), save=folder / "spark.parquet")
        with _logged(folder) as (session, log):
            _warm(session, folder)
            before = _read(log)
            start, used_s = perf_counter(), _processor_s()
            audit = SparkEngine(session=session).audit(order)
            duration_s, used_s = perf_counter() - start, _processor_s() - used_s
        after = _read(log)
        assert audit.events + audit.broken_lines == events
        start = perf_counter()
        same = LocalEngine().audit(replace(order, save=folder / "local.parquet"))
        local_s = perf_counter() - start
        assert (same.users, same.refused, same.duplicates) == (audit.users, audit.refused, audit.duplicates)
        return Cost(events, duration_s, used_s, *(now - then for now, then in zip(after, before, strict=True))), local_s
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _warm(session: SparkSession, folder: Path) -> None:
    """Let every loop be compiled and every class be loaded before anything is measured."""
    small = folder / "small.jsonl"
    lines = [
        {"event": "Page", "properties": {"distinct_id": f"u{at}", "time": 1, "$insert_id": f"i{at}"}}
        for at in range(99)
    ]
    small.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    SparkEngine(session=session).audit(
        AuditOrder([str(small)], "original", ProjectSettings(), save=folder / "small.parquet")
    )


@contextmanager
def _logged(folder: Path) -> Iterator[tuple[SparkSession, Path]]:
    log = folder / "log"
    log.mkdir()
    options = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": log.as_uri(),
        "spark.local.dir": str(folder / "blocks"),
    }
    with spark_session(MASTER, options) as session:
        yield session, log


def _processor_s() -> float:
    """Return the processor time of this process and all below it so far: of Java, of its daemon, of its workers."""
    above: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        number = int(stat.parent.name)
        above[number] = int(fields[1])
        ticks[number] = sum(map(int, fields[11:15]))
    mine = {os.getpid()}
    while more := {number for number, parent in above.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks[number] for number in mine) / os.sysconf("SC_CLK_TCK")


def _read(log: Path) -> tuple[int, int, int, int]:
    """Return the stages, tasks, bytes shuffled and bytes spilled that Spark has told of so far."""
    stages = tasks = shuffled = spilled = 0
    for file in log.iterdir():
        for line in file.read_text("utf-8").splitlines():
            try:
                told: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # the line that is being written
            if told["Event"] == "SparkListenerStageCompleted":
                stages += 1
            elif told["Event"] == "SparkListenerTaskEnd":
                metrics = told.get("Task Metrics") or {}
                tasks += 1
                shuffled += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
                spilled += metrics.get("Disk Bytes Spilled", 0)
    return stages, tasks, shuffled, spilled


def _components() -> list[Row]:
    if importlib.util.find_spec("splink") is None:
        print("  Splink is not installed (pip install splink), so components have no peer", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="spark-scale-") as folder, spark_session(MASTER) as session:
        _connected(session, 1_000, folder)
        return _connected(session, EDGES, folder)


def _connected(session: SparkSession, count: int, folder: str) -> list[Row]:
    chance = np.random.default_rng(1)
    table = pa.table({"node": chance.permutation(count) + 10**9, "root": chance.integers(0, count // 4, count)})
    edges = session.createDataFrame(table).repartition(4).persist()
    edges.count()
    one_task, groups = _timed(lambda: components(edges).select("root"))
    by_rounds, same = _timed(lambda: components(edges, 0).select("root"))
    theirs, also = _timed(lambda: _splink(session, edges, folder).select("cluster_id"))
    assert groups == same == also
    what = f"Spark: components of {count:,} ties"
    return [
        times_as_fast(f"{what}, finished in one task", one_task, "Splink on Spark", theirs),
        times_as_fast(f"{what}, by rounds", by_rounds, "Splink on Spark", theirs),
    ]


def _timed(work: Callable[[], DataFrame]) -> tuple[float, int]:
    start = perf_counter()
    groups = work().distinct().count()
    return perf_counter() - start, groups


def _splink(session: SparkSession, edges: DataFrame, folder: str) -> DataFrame:
    splink: Any = importlib.import_module("splink")
    clustering: Any = importlib.import_module("splink.clustering")
    session.sparkContext.setCheckpointDir(folder)
    api = splink.SparkAPI(spark_session=session, register_udfs_automatically=False)
    nodes = edges.selectExpr("node as unique_id").union(edges.selectExpr("root")).distinct()
    pairs = edges.selectExpr("node as unique_id_l", "root as unique_id_r")
    if hasattr(api, "register"):
        nodes, pairs = api.register(nodes), api.register(pairs)
    found: DataFrame = clustering.cluster_pairwise_predictions_at_threshold(
        nodes, pairs, api, "unique_id"
    ).as_spark_dataframe()
    return found
