"""The engine on Spark gives what the engine on this machine gives, number by number and row by row.

One session serves the whole module, with little memory. Small streams, which find what large histories never hold, are
put into one history under ids of their own: starting a job takes longer than working through all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import networkx as nx
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.clock import parse_instant
from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.history.compare import compare_histories, compared_json
from harness.history.engines import AuditOrder, engine
from harness.history.funnel import FunnelOrder
from harness.history.generate_files import write_file, write_folder
from harness.history.generate_settings import GenerateSettings, parse_rates
from harness.history.local import LocalEngine
from harness.history.migrate import migrate
from harness.history.migrate_records import MigrateOrder
from harness.history.migrate_report import document
from harness.history.records import Audit
from harness.history.spark import SparkEngine
from harness.history.spark_compare import compare_on_spark
from harness.history.spark_components import components
from harness.history.spark_history import Sizes, SparkHistory
from harness.history.spark_migration import migrate_on_spark
from harness.history.spark_session import reason_of, spark_session
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, OutsideError
from tests.commands.shell import Shell

Row = dict[str, Any]
SMALL = Sizes(slice_bytes=300_000, part_events=2_000, one_task_edges=10, lookup_nodes=10)
BY_ROWS = replace(SMALL, one_task_edges=10**6)
BY_TABLE = replace(SMALL, one_task_edges=10**6, lookup_nodes=10**6)
QUICK = {
    "spark.driver.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Spark. Without Java its tests are skipped on a desk, and fail in CI."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ and not os.environ.get("CI"):
        pytest.skip("no java")
    with spark_session("local[2]", QUICK) as started:
        yield started


def settings_of(id_merge: IdMerge, events: int, rates: str = "") -> GenerateSettings:
    found = parse_rates(rates)
    assert not isinstance(found, list)
    return GenerateSettings(
        id_merge=id_merge,
        events=events,
        people=events // 25,
        seed=7,
        rates=found,
        start_ms=parse_instant("2025-01-01"),
        days=90,
        truth="person",
    )


def same(session: Any, order: AuditOrder, folder: Path, sizes: Sizes) -> Audit:
    """Audit on Spark and here, and hold everything equal but the examples, which may be others among equals."""
    spark, local = folder / "spark.parquet", folder / "local.parquet"
    got = SparkEngine(sizes=sizes, session=session).audit(replace(order, save=spark))
    want = LocalEngine().audit(replace(order, save=local))
    for field in fields(Audit):
        if field.name != "samples":
            assert getattr(got, field.name) == getattr(want, field.name), field.name
    assert {name: len(samples) for name, samples in got.samples.items()} == {
        name: len(samples) for name, samples in want.samples.items()
    }
    assert pq.read_schema(spark) == pq.read_schema(local)
    tables = [pl.read_parquet(path).with_columns(pl.col("reason").cast(pl.String)) for path in (spark, local)]
    assert tables[0].equals(tables[1].sort(pl.col("id").cast(pl.Binary)))
    return got


class TestComponents:
    @pytest.mark.parametrize("one_task_edges", [10**6, 0])
    def test_they_are_those_of_networkx_finished_in_one_task_or_by_rounds(
        self, session: Any, one_task_edges: int
    ) -> None:
        chance = random.Random(3)
        edges = [(chance.randrange(-500, 500), chance.randrange(-500, 500)) for _ in range(400)]
        edges += [(1_000 + at, 1_001 + at) for at in range(40)] + [(5_000, 5_001 + at) for at in range(50)]
        made = session.createDataFrame(edges, "node long, root long").persist()
        found = components(made, one_task_edges).collect()
        graph: nx.Graph[int] = nx.Graph(edges)
        assert len(found) == len(graph)
        assert dict(tuple(row) for row in found) == {
            node: min(component) for component in nx.connected_components(graph) for node in component
        }


class TestAudit:
    def test_original_from_pieces_of_plain_lines_by_rounds_and_joins(self, session: Any, tmp_path: Path) -> None:
        write_file(settings_of("original", 8_000), tmp_path / "history.jsonl", "wire", lambda count: None)
        order = AuditOrder([str(tmp_path / "history.jsonl")], "original", ProjectSettings(), truth="person")
        audit = same(session, order, tmp_path, SMALL)
        assert audit.refused
        assert audit.duplicates
        assert audit.recall is not None

    def test_simplified_from_a_folder_of_parquet_by_a_table_of_parts(self, session: Any, tmp_path: Path) -> None:
        write_folder(
            settings_of("simplified", 12_000), tmp_path / "history", ".parquet", "flat", 3_000, lambda count: None
        )
        order = AuditOrder(
            [str(tmp_path / "history")],
            "simplified",
            ProjectSettings(strict=False),
            truth="person",
            known_user="(user|test)-.*",
        )
        audit = same(session, order, tmp_path, BY_TABLE)
        assert audit.refused
        assert audit.duplicates

    def test_legacy_from_compressed_lines_with_broken_ones(self, session: Any, tmp_path: Path) -> None:
        write_file(settings_of("legacy", 6_000), tmp_path / "history.jsonl", "flat", lambda count: None)
        lines = (tmp_path / "history.jsonl").read_bytes().splitlines(keepends=True)
        lines[4_000:4_000] = [b"{broken\n", b"\n", b'{"event": ""}\n']
        (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress(b"".join(lines)))
        order = AuditOrder([str(tmp_path / "history.jsonl.gz")], "legacy", ProjectSettings(), truth="person")
        assert same(session, order, tmp_path, BY_TABLE).broken_lines >= 2

    @pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
    def test_hundreds_of_small_streams_in_one_history(self, session: Any, tmp_path: Path, id_merge: IdMerge) -> None:
        path = tmp_path / "streams.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in streams(400)), "utf-8")
        settings = ProjectSettings(strict=False)
        same(session, AuditOrder([str(path)], id_merge, settings, truth="who"), tmp_path, BY_TABLE)

    def test_a_giant_component_has_a_part_of_its_own_in_little_memory(self, session: Any, tmp_path: Path) -> None:
        path = tmp_path / "giant.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in giant(16_000)), "utf-8")
        order = AuditOrder([str(path)], "simplified", ProjectSettings())
        sizes = replace(SMALL, part_events=3_000, one_task_edges=10**6, lookup_nodes=10**6)
        assert same(session, order, tmp_path, sizes).refused == {"errAnonDistinctIdAssignedAlready": 7_998}
        reading = LocalEngine().reader(order, ["simplified"]).reading
        from harness.history.spark_edges import Ties

        history = SparkHistory(session, order.paths, reading, Ties.of("simplified", order.settings), sizes)
        with history.parts() as (_, parts):
            sizes_of = [row[0] for row in parts.groupBy("part").count().select("count").collect()]
        assert history.packing is not None
        assert len(history.packing.heavy) == 1
        assert max(sizes_of) == 8_000
        assert sorted(sizes_of)[-2] <= 2 * 3_000


class TestCompare:
    def test_three_systems_and_a_funnel_are_those_of_this_machine(self, session: Any, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        write_file(settings_of("original", 4_000), path, "wire", lambda count: None)
        names = list(
            dict.fromkeys(json.loads(line)["event"] for line in path.read_text().splitlines()[:500] if line[-1] == "}")
        )
        steps = tuple(name for name in names if not name.startswith("$"))[:2]
        order = AuditOrder([str(path)], "original", ProjectSettings(strict=False), truth="person")
        funnel = FunnelOrder((*steps, steps[0]), 30 * 86_400_000)
        sizes = BY_TABLE
        got = compare_on_spark(SparkEngine(sizes=sizes, session=session), order, funnel)
        assert compared_json(got) == compared_json(compare_histories(order, funnel))
        assert got.people is not None
        assert got.people[0] > 0


class TestMigrate:
    def test_it_plans_writes_and_proves_what_this_machine_does(self, session: Any, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        write_file(settings_of("original", 4_000, "no_insert_id=0.05"), path, "wire", lambda count: None)
        order = MigrateOrder(
            paths=[str(path)],
            source="original",
            target="simplified",
            user_id="(user|test)-.*",
            settings=ProjectSettings(),
            out=tmp_path / "spark",
            shard_events=700,
            ambiguous="elect",
        )
        got = migrate_on_spark(SparkEngine(sizes=BY_ROWS, session=session), order)
        want = migrate(replace(order, out=tmp_path / "local"))
        told, expected = document(got), document(want)
        assert {key: told[key] for key in expected if key != "files"} == {
            key: expected[key] for key in expected if key != "files"
        }
        ours, theirs = lines_of(tmp_path / "spark"), lines_of(tmp_path / "local")
        links = expected["associations"]
        assert links > 100
        assert ours[links:] == theirs[links:]
        assert sorted(ours[:links]) == sorted(theirs[:links])
        times = [json.loads(line)["properties"]["time"] for line in ours[:links]]
        assert times == sorted(times)
        assert [(one.name, one.events) for one in got.shards] == [(one.name, one.events) for one in want.shards]
        assert sorted(file.name for file in (tmp_path / "spark").iterdir()) == sorted(
            file.name for file in (tmp_path / "local").iterdir()
        )
        for one in got.shards:
            whole = (tmp_path / "spark" / one.name).read_bytes()
            assert (len(whole), hashlib.sha256(whole).hexdigest()) == (one.bytes, one.sha256)

    def test_a_dry_run_from_parquet_writes_nothing_and_says_the_same(self, session: Any, tmp_path: Path) -> None:
        write_file(settings_of("legacy", 2_000), tmp_path / "history.parquet", "flat", lambda count: None)
        order = MigrateOrder(
            paths=[str(tmp_path / "history.parquet")],
            source="legacy",
            target="simplified",
            user_id="(user|test)-.*",
            settings=ProjectSettings(),
        )
        got = migrate_on_spark(SparkEngine(sizes=BY_TABLE, session=session), order)
        assert document(got) == document(migrate(order))
        assert [file.name for file in tmp_path.iterdir()] == ["history.parquet"]


def lines_of(folder: Path) -> list[bytes]:
    return [line for part in sorted(folder.glob("part-*")) for line in part.read_bytes().splitlines()]


class TestWhatGoesWrong:
    def test_a_column_of_another_type_is_told_with_file_and_row(self, session: Any, tmp_path: Path) -> None:
        good = {"event": ["a"], "distinct_id": ["x"], "time": [1.0]}
        pq.write_table(pa.table(good), tmp_path / "a.parquet")
        pq.write_table(pa.table({**good, "time": ["soon"]}), tmp_path / "b.parquet")
        pq.write_table(pa.table({"name": ["a"]}), tmp_path / "c.parquet")
        order = AuditOrder([str(tmp_path)], "original", ProjectSettings())
        with pytest.raises(InputError) as caught:
            SparkEngine(session=session).audit(order)
        told = [(problem.file, problem.line, problem.key) for problem in caught.value.problems]
        assert told == [(str(tmp_path / "b.parquet"), 1, "time"), (str(tmp_path / "c.parquet"), 1, "event")]

    def test_the_first_broken_line_of_all_pieces_is_told_when_asked(self, session: Any, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        lines = [json.dumps({"event": "a", "properties": {"distinct_id": "x", "time": 1}})] * 300
        lines[200] = lines[280] = "{broken"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        order = AuditOrder([str(path)], "original", ProjectSettings(), strict_lines=True)
        with pytest.raises(InputError, match=r"history\.jsonl:201: "):
            SparkEngine(session=session, sizes=replace(SMALL, slice_bytes=2_000)).audit(order)

    def test_a_disk_that_fails_leaves_what_was_there(
        self, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: pq.ParquetWriter, batch: pa.RecordBatch) -> None:
            raise OSError(28, "No space left on device")

        path = tmp_path / "history.jsonl"
        path.write_text(json.dumps({"event": "a", "properties": {"distinct_id": "x", "time": 1_700_000_000}}) + "\n")
        (tmp_path / "ids.parquet").write_bytes(b"before")
        monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
        order = AuditOrder([str(path)], "legacy", ProjectSettings(strict=False), save=tmp_path / "ids.parquet")
        with pytest.raises(OutsideError, match="No space left on device"):
            SparkEngine(session=session).audit(order)
        assert (tmp_path / "ids.parquet").read_bytes() == b"before"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["history.jsonl", "ids.parquet"]

    def test_ids_that_travel_in_many_pieces_are_the_same_in_the_same_order(
        self, session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "history.jsonl"
        write_file(settings_of("original", 2000), path, "wire", lambda count: None)
        monkeypatch.setattr("harness.history.spark_save.IDS_AT_ONCE", 30)
        audit = same(session, AuditOrder([str(path)], "original", ProjectSettings()), tmp_path, Sizes())
        assert audit.ids > 4 * 30

    def test_an_empty_folder_gets_parts_and_a_mark_that_they_are_whole(self, session: Any, tmp_path: Path) -> None:
        path = tmp_path / "history.jsonl"
        path.write_text(json.dumps({"event": "a", "properties": {"distinct_id": "x", "time": 1_700_000_000}}) + "\n")
        (tmp_path / "ids").mkdir()
        order = AuditOrder([str(path)], "legacy", ProjectSettings(strict=False), save=tmp_path / "ids")
        SparkEngine(session=session).audit(order)
        assert (tmp_path / "ids" / "_SUCCESS").exists()
        assert pl.read_parquet(tmp_path / "ids" / "*.parquet").rows() == [("x", "x", None, None)]
        with pytest.raises(InputError, match="is a folder that is not empty"):
            SparkEngine(session=session).audit(order)

    def test_a_master_that_is_none_and_a_missing_java_are_told_in_a_sentence(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(InputError, match="'spork' is no master that Spark knows"), spark_session("spork"):
            pass
        monkeypatch.setenv("JAVA_HOME", "/nowhere")
        with pytest.raises(OutsideError, match="Spark needs Java 17 or newer"), spark_session("local[2]"):
            pass
        with pytest.raises(InputError, match="--master: is for --engine spark"):
            engine("local", master="local[2]")

    def test_a_missing_pyspark_is_told_with_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pyspark", None)
        with pytest.raises(InputError, match=r"pip install 'identity-harness\[spark\]'"):
            engine("spark")

    def test_the_reason_of_an_error_is_its_innermost_line(self) -> None:
        text = "Job aborted\n\tat org.apache.spark\nCaused by: java.io.IOException: No space left on device\n\tat x"
        assert reason_of(RuntimeError(text)) == "java.io.IOException: No space left on device"
        text = "wrapped\nTraceback (most recent call last):\n  File x\n    y\nValueError: odd\n\n\tat org"
        assert reason_of(RuntimeError(text)) == "ValueError: odd"

    def test_the_reason_that_spark_keeps_out_of_its_message_is_told(self) -> None:
        error = RuntimeError("Exception thrown in awaitResult: ")
        error._stackTrace = "x: wrapped\n\tat y\nCaused by: java.lang.OutOfMemoryError: Java heap space\n\tat z"  # type: ignore[attr-defined]
        assert reason_of(error) == "java.lang.OutOfMemoryError: Java heap space"


class TestCommand:
    def test_it_prints_one_document_and_none_of_sparks_noise(self, tmp_path: Path) -> None:
        write_file(settings_of("original", 500), tmp_path / "history.jsonl", "wire", lambda count: None)
        arguments = ["audit", "history.jsonl", "--id-merge", "original", "--json"]
        shell = Shell(tmp_path)
        spark = shell.run(*arguments, "--engine", "spark", "--master", "local[2]")
        assert spark.code == 0, spark.err
        assert json.loads(spark.out) == json.loads(shell.run(*arguments).out)
        assert "WARN" not in spark.err
        assert "spark" not in spark.err.lower()


def streams(count: int) -> Iterator[Row]:
    """Yield the events of many small streams as they would arrive; each has ids of its own, and junk is shared."""
    chance = random.Random(11)
    shapes = ["u", "v", "11111111-2222-4333-8444-55555555555", "$device:d", "d", "$device:$device:d"]
    junk = ["", "null", "$device:", "0"]
    waiting = [[number] * chance.randrange(1, 12) for number in range(count)]
    order = [number for stream in waiting for number in stream]
    chance.shuffle(order)

    def some(number: int) -> str:
        return chance.choice(junk) if chance.random() < 0.08 else f"{chance.choice(shapes)}{number:x}"

    for at, number in enumerate(order):
        name = chance.choice(["Page", "Page", "Sign Up", "$identify", "$create_alias", "$merge"])
        keys = {
            "$identify": ["$identified_id", "$anon_id", "$anon_distinct_id"],
            "$create_alias": ["alias"],
        }.get(name, ["$user_id", "$device_id"])
        sent: Row = {key: some(number) for key in keys if chance.random() < 0.7}
        if name == "$merge":
            sent = {"$distinct_ids": [some(number) for _ in range(chance.choice([2, 2, 2, 3, 1, 0]))]}
        if chance.random() < 0.8:
            sent["distinct_id"] = some(number)
        if chance.random() < 0.9:
            sent["time"] = 1_700_000_000 + (at // 7) * 40_000
        if chance.random() < 0.7:
            sent["$insert_id"] = f"i{number}-{chance.randrange(3)}"
            sent["time"] = 1_700_000_000
        if chance.random() < 0.8:
            sent["who"] = f"p{number % 50}"
        yield {"event": name, "properties": sent}


def giant(events: int) -> Iterator[Row]:
    """Yield events half of which belong to one component: every other one ties the same device to one of many users."""
    for at in range(events):
        device = "shared" if at % 2 else f"d{at % 4_000}"
        user = f"u{at // 2 % 4_000}" if at % 2 else f"w{at % 4_000}"
        time = 1_700_000_000 + at
        sent = {"$device_id": device, "$user_id": user, "distinct_id": user, "time": time, "$insert_id": f"i{at}"}
        yield {"event": "Page", "properties": sent}
