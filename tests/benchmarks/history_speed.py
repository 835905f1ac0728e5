"""Whole histories against named peers, in one run: exact replay of identity edges, and audits of events.

Sizes are arguments: `python -m tests.benchmarks.history_speed --edges 10000000 --events 100000000`. Every job runs in a
process of its own, so that its memory is its own. The peers (scipy, Splink on DuckDB) know no rules, no order and no
limit: they find connected components of the same file and write a table of ids. Where a peer is not installed, its row
is left out: they are no part of any extra.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.benchmarks.rows import Row, table, times_as_fast

EDGES: Final = 300_000
EVENTS: Final = 200_000
DEVICES_A_USER: Final = 16
_AT_ONCE: Final = 1_000_000
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_HYPHENS: Final = (8, 13, 18, 23)

OURS: Final = """
from pathlib import Path
from harness.history.engines import AuditOrder
from harness.history.local import LocalEngine
from harness.ingestion.settings import ProjectSettings
audit = LocalEngine().audit(AuditOrder(
    [source], system, ProjectSettings(), stored=stored, save=Path(out) if out else None))
found = audit.clusters
"""

SCIPY: Final = """
import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
edges = pl.read_parquet(source, columns=["distinct_id", "$anon_distinct_id"])
ids = pl.concat([edges["$anon_distinct_id"].rename("id"), edges["distinct_id"].rename("id")])
_, first, code = np.unique(ids.hash(1).to_numpy(), return_index=True, return_inverse=True)
size, count = len(first), len(edges)
graph = coo_matrix((np.ones(count, np.int8), (code[:count], code[count:])), shape=(size, size))
found, component = connected_components(graph, directed=False)
pl.DataFrame({"id": ids[first], "component": component}).write_parquet(out, compression="uncompressed")
"""

SPLINK: Final = """
import duckdb
from splink import DuckDBAPI
from splink.clustering import cluster_pairwise_predictions_at_threshold
connection = duckdb.connect()
connection.execute(f"create table edges as select \\"$anon_distinct_id\\" as unique_id_l, distinct_id as unique_id_r, "
                   f"1.0 as match_probability from read_parquet('{source}')")
connection.execute("create table nodes as select distinct unique_id_l as unique_id from edges "
                   "union select distinct unique_id_r from edges")
api = DuckDBAPI(connection)
made = cluster_pairwise_predictions_at_threshold(
    "nodes", "edges", api, node_id_column_name="unique_id", threshold_match_probability=0.5)
name = made.physical_name
connection.execute(f"copy (select unique_id, cluster_id from {name}) to '{out}' (format parquet)")
found = connection.execute(f"select count(distinct cluster_id) from {name}").fetchone()[0]
"""

_AROUND: Final = """
import json, resource, sys, time
source, out, system, stored = json.loads(sys.argv[1])
begun = time.perf_counter()
{work}
took = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([took, peak, int(found)]))
"""


def uuids(chance: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Make UUIDs of version 4 as rows of letters."""
    text = np.full((count, 36), ord("-"), np.uint8)
    text[:, [place for place in range(36) if place not in _HYPHENS]] = _HEX[
        chance.integers(0, 16, (count, 32), np.uint8)
    ]
    text[:, 14] = ord("4")
    text[:, 19] = _HEX[8 + chance.integers(0, 4, count)]
    return text


def _arrow(text: NDArray[np.uint8]) -> Any:
    offsets = np.arange(0, text.size + 1, 36, dtype=np.int32)
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)))


def write_edges(path: Path, count: int) -> None:
    """Write `$identify` events as Parquet: users in random turns, each with 16 devices that nobody shares."""
    chance = np.random.default_rng(1)
    users = uuids(chance, max(1, count // DEVICES_A_USER))
    turns = chance.permutation(np.arange(count) % len(users))
    writer: Any = None
    for first in range(0, count, _AT_ONCE):
        some = turns[first : first + _AT_ONCE]
        columns = {
            "event": pa.array(["$identify"] * len(some)).dictionary_encode(),
            "distinct_id": _arrow(users[some]),
            "$anon_distinct_id": _arrow(uuids(chance, len(some))),
        }
        made = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, made.schema, use_dictionary=["event"])
        writer.write_table(made)
    writer.close()
    os.sync()


def run(
    work: str, source: Path, out: Path | None, system: str = "original", *, stored: bool = True
) -> tuple[float, int, int]:
    """Do some work in a process of its own; return its seconds, its peak of memory in bytes, and what it found."""
    if out is not None:
        # To replace a file makes some file systems write the new one to the disk at once, and to cut one off does not.
        out.unlink(missing_ok=True)
    argument = json.dumps([str(source), str(out) if out else None, system, stored])
    code = _AROUND.format(work=work)
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    took, peak, found = json.loads(done.stdout.splitlines()[-1])
    return float(took), int(peak), int(found)


def measure_edges(count: int, folder: Path, rounds: int = 1) -> list[Row]:
    """Replay edges exactly and write who every id is; the peers only connect them."""
    source = folder / "edges.parquet"
    write_edges(source, count)
    run(OURS, source, folder / "warm.parquet")
    ours = [run(OURS, source, folder / "ours.parquet") for _ in range(rounds)]
    fastest, peak = min(took for took, _, _ in ours), max(memory for _, memory, _ in ours)
    what = f"history: {count:,} edges from Parquet, resolved, {peak / 1e9:.1f} GB"
    rows = []
    for name, work, needs, at_least in (
        ("scipy components", SCIPY, ("scipy", "polars"), 1),
        ("Splink on DuckDB", SPLINK, ("splink", "duckdb"), 8),
    ):
        if all(importlib.util.find_spec(need) for need in needs):
            theirs = [run(work, source, folder / "theirs.parquet") for _ in range(rounds)]
            assert {found for _, _, found in (*ours, *theirs)} == {ours[0][2]}, f"{name} found other clusters"
            memory = max(peak for _, peak, _ in theirs)
            peer = f"{name}, {memory / 1e9:.1f} GB"
            rows.append(times_as_fast(what, fastest, peer, min(took for took, _, _ in theirs), at_least))
    source.unlink()
    return rows


def measure_events(count: int, folder: Path) -> list[Row]:
    """Audit generated histories, from lines and from Parquet; the peer is the pace the project promises."""
    rows: list[Row] = []
    for system, ending, pace in (
        ("original", "jsonl", 600_000),
        ("original", "parquet", 2_000_000),
        ("simplified", "parquet", 3_000_000),
    ):
        source = folder / f"history.{ending}"
        _generate(source, count, system)
        if not rows or ending == "parquet":
            run(OURS, source, None, system, stored=False) if count <= 1_000_000 else None
        took, peak, _ = run(OURS, source, None, system, stored=False)
        source.unlink()
        what = f"audit {system}: {count:,} events from {ending}, {peak / 1e9:.1f} GB"
        rows.append(
            times_as_fast(what, took, f"{pace:,} events a second", count / pace, 1 if count >= 10_000_000 else None)
        )
    return rows


def _generate(path: Path, count: int, system: str) -> None:
    command = [sys.executable, "-m", "harness", "generate", str(path), "--events", str(count), "--id-merge", system]
    subprocess.run([*command, "--force"], check=True, capture_output=True)
    os.sync()  # what was written goes to the disk before anything is measured, not while it is


def measure() -> list[Row]:
    """Measure small histories; where starting up is most of it, no target can be asked of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = measure_edges(EDGES, folder) + measure_events(EVENTS, folder)
    return [row._replace(target="", held=None) for row in rows]


def main(arguments: Sequence[str]) -> int:
    """Measure histories of any size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, action="append", default=[], help="how many identity edges")
    parser.add_argument("--events", type=int, action="append", default=[], help="how many events")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; they are removed")
    parser.add_argument("--rounds", type=int, default=1, help="how often edges are measured; the best counts")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        for count in chosen.edges:
            rows += measure_edges(count, Path(name), chosen.rounds)
        for count in chosen.events:
            rows += measure_events(count, Path(name))
    print(table(rows or measure()))
    return 1 if any(row.held is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
