"""What Spark's tasks and driver do without Spark: ties, forests, packing, slices and rows, each against something
simpler.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.history.files import files_of
from harness.history.reader import HistoryReader, Reading
from harness.history.records import BrokenLine, EventBatch
from harness.history.spark_edges import Nodes, Ties, tie
from harness.history.spark_forest import forest
from harness.history.spark_history import overview_of
from harness.history.spark_parts import Heavy, Packing, heavy_from, packed, spread
from harness.history.spark_rows import Dictionaries, batch_of, rows_of
from harness.history.spark_scan import SliceNote
from harness.history.spark_slices import Slice, as_file, at_home, slices_of
from harness.identity.model import build
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem

Row = dict[str, Any]


def written(folder: Path, rows: list[Row], name: str = "events.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def event(name: str, **properties: Any) -> Row:
    return {"event": name, "properties": {key.replace("_S_", "$"): value for key, value in properties.items()}}


class TestForest:
    @given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5)), max_size=60))
    def test_it_gives_every_node_the_smallest_of_its_component_as_networkx_finds_them(
        self, edges: list[tuple[int, int]]
    ) -> None:
        sides = np.array(edges, np.int64).reshape(-1, 2)
        nodes, roots = forest(sides[:, 0], sides[:, 1])
        graph: nx.Graph[int] = nx.Graph(edges)
        assert dict(zip(nodes.tolist(), roots.tolist(), strict=True)) == {
            node: min(component) for component in nx.connected_components(graph) for node in component
        }

    def test_a_chain_of_a_hundred_thousand_is_one_component(self) -> None:
        chain = np.arange(100_000, dtype=np.int64)
        _, roots = forest(chain[1:], chain[:-1])
        assert (roots == 0).all()


IDS = st.sampled_from(["", "a", "b", "c", "null", "$device:a", "$device:", "$device:$device:b", "0-0-0-0-0", "é", "x"])
NAMES = st.sampled_from(["Page", "$identify", "$create_alias", "$merge"])
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "distinct_id": IDS,
        "$device_id": IDS,
        "$user_id": IDS,
        "$identified_id": IDS,
        "$anon_id": IDS,
        "$anon_distinct_id": IDS,
        "alias": IDS,
        "$distinct_ids": st.lists(IDS, max_size=3),
        "$insert_id": st.sampled_from(["i1", "i2"]),
        "time": st.just(1_700_000_000),
    },
)
ROWS = st.lists(st.builds(lambda name, sent: {"event": name, "properties": sent}, NAMES, PROPERTIES), max_size=25)


def parts_of(
    path: Path, id_merge: IdMerge, settings: ProjectSettings
) -> tuple[list[int], EventBatch | None, HistoryReader]:
    """Return which part each event of a small history goes to, parts being components."""
    reader = HistoryReader([str(path)], Reading(strip_device_prefix=settings.identity.strip_device_prefix == "one"))
    ties = Ties.of(id_merge, settings)
    batches = list(reader.batches())
    if not batches:
        return [], None, reader
    (batch,) = batches
    tied = tie(batch, ties, reader.ids.marks)
    numbers = Nodes(reader.ids, one_form=ties.one_form)
    nodes, roots = forest(numbers.of(tied.left), numbers.of(tied.right))
    root_of = dict(zip(nodes.tolist(), roots.tolist(), strict=True))
    return [root_of.get(node, node) for node in numbers.of(tied.keys).tolist()], batch, reader


class TestTies:
    @pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
    @given(rows=ROWS)
    def test_the_parts_of_a_stream_replayed_apart_decide_as_the_whole_stream_does(
        self, tmp_path_factory: pytest.TempPathFactory, id_merge: IdMerge, rows: list[Row]
    ) -> None:
        path = written(tmp_path_factory.mktemp("ties"), rows)
        parts, _, _ = parts_of(path, id_merge, ProjectSettings())
        whole = build(id_merge)
        apart = {part: build(id_merge) for part in parts}
        for index, (row, part) in enumerate(zip(rows, parts, strict=True)):
            # Ids that strict /import refuses tie nothing, so events with one are not in the model either.
            if any(row["properties"].get(key) == "null" for key in ("distinct_id", "$device_id", "$user_id")):
                continue
            sent = Event(row["event"], row["properties"])
            assert apart[part].add(sent, index=index) == whole.add(sent, index=index)
        of_parts = sorted(cluster for model in apart.values() for cluster in model.clusters())
        assert of_parts == sorted(whole.clusters())

    def test_the_prefix_alone_is_no_device_but_a_user_like_any_other(self, tmp_path: Path) -> None:
        rows = [event("Page", _S_user_id="$device:"), event("Page", _S_user_id="$device:", _S_device_id="d")]
        parts, _, _ = parts_of(
            written(tmp_path, [*rows, event("Page", _S_device_id="$device:")]), "simplified", ProjectSettings()
        )
        assert len(set(parts)) == 1

    def test_a_device_without_prefix_is_tied_where_both_forms_are_one_id(self, tmp_path: Path) -> None:
        rows = [event("Page", distinct_id="x"), event("Page", distinct_id="$device:x")]
        path = written(tmp_path, rows)
        apart, _, _ = parts_of(path, "original", ProjectSettings())
        assert len(set(apart)) == 2
        settings = ProjectSettings()
        object.__setattr__(settings.identity, "device_prefix_equivalent", True)
        together, _, _ = parts_of(path, "original", settings)
        assert len(set(together)) == 1


class TestRows:
    @given(rows=ROWS)
    def test_a_batch_comes_back_from_rows_as_it_went(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
    ) -> None:
        path = written(tmp_path_factory.mktemp("rows"), rows)
        parts, batch, reader = parts_of(path, "original", ProjectSettings())
        if batch is None:
            return
        known = Dictionaries(reader.ids, reader.names, reader.people)
        chosen = np.flatnonzero(np.arange(batch.size) % 3 != 1).astype(np.int64)
        index = np.arange(batch.size, dtype=np.int64) + 7
        sent = rows_of(batch, known, np.zeros(len(parts), np.int32), index, chosen)
        there = Dictionaries()
        got = batch_of(sent, there, 0)
        assert sent.column("index").to_pylist() == index[chosen].tolist()
        for name in ("form", "kind", "time_ms", "device_disallowed", "insert_form"):
            assert getattr(got, name).tolist() == getattr(batch, name)[chosen].tolist(), name
        for name in ("distinct_id", "device_id", "user_id", "identified_id", "anonymous_id", "alias"):
            codes, ours = getattr(batch, name)[chosen], getattr(got, name)
            assert there.ids.texts(ours) == reader.ids.texts(codes), name
            assert (ours[codes <= 2] == codes[codes <= 2]).all(), name
        assert _merges(got, there) == {
            int(np.searchsorted(chosen, row)): ids for row, ids in _merges(batch, known).items() if row in chosen
        }
        assert _insert_ids(got) == [_insert_ids(batch)[place] for place in chosen]


def _merges(batch: EventBatch, known: Dictionaries) -> dict[int, list[str]]:
    bounds = zip(batch.merge_rows, batch.merge_offsets, batch.merge_offsets[1:], strict=False)
    return {int(row): known.ids.texts(batch.merge_ids[begin:end]) for row, begin, end in bounds}


def _insert_ids(batch: EventBatch) -> list[bytes | None]:
    pairs = zip(batch.insert_start, batch.insert_length, strict=True)
    return [None if size < 0 else batch.insert_data[begin : begin + size].tobytes() for begin, size in pairs]


class TestPacking:
    def test_heavy_components_fill_parts_up_to_their_size_and_a_giant_one_is_alone(self) -> None:
        packing = packed(10_000, 2, [Heavy(5, 900), Heavy(-3, 4_000), Heavy(7, 100), Heavy(9, 800)], part_events=1_000)
        assert packing.spread == 5
        loads: dict[int, int] = {}
        for root, events in ((5, 900), (-3, 4_000), (7, 100), (9, 800)):
            loads[packing.heavy[root]] = loads.get(packing.heavy[root], 0) + events
        assert sorted(loads.values()) == [800, 1_000, 4_000]
        assert packing.parts == 8

    def test_roots_go_where_they_are_packed_and_all_others_where_their_number_says(self) -> None:
        packing = Packing(4, 6, {10: 4, -20: 5})
        roots = np.array([10, -20, 11, 2**62, -1], np.int64)
        assert packing.of(roots).tolist() == [4, 5, *spread(roots[2:], 4).tolist()]
        assert all(0 <= part < 4 for part in spread(roots, 4))

    def test_a_small_history_has_few_parts(self) -> None:
        assert packed(10, 8, []).parts == 1
        assert heavy_from(10, 8) == 1_000


class TestSlices:
    def test_pieces_of_plain_lines_give_every_line_once_and_in_order(self, tmp_path: Path) -> None:
        path = written(tmp_path, [event("Page", distinct_id=f"u{number}") for number in range(500)])
        pieces = slices_of(files_of([str(path)]), 1_000)
        assert len(pieces) > 20
        read = b""
        for piece in pieces:
            with as_file(piece) as file:
                read += Path(file.name).read_bytes()
        assert read == path.read_bytes()
        assert [piece.number for piece in pieces] == list(range(len(pieces)))

    def test_pieces_of_parquet_are_row_groups_and_know_the_rows_before_them(self, tmp_path: Path) -> None:
        path = tmp_path / "events.parquet"
        pq.write_table(pa.table({"event": [f"e{number}" for number in range(100)]}), path, row_group_size=7)
        pieces = slices_of(files_of([str(path)]), path.stat().st_size // 4)
        names: list[str] = []
        for piece in pieces:
            assert piece.rows_before == len(names)
            with as_file(piece) as file:
                names += pq.read_table(file.name).column("event").to_pylist()
        assert len(pieces) > 2
        assert names == [f"e{number}" for number in range(100)]

    def test_compressed_lines_are_one_slice_and_standard_input_is_none(self, tmp_path: Path) -> None:
        import gzip

        path = tmp_path / "events.jsonl.gz"
        path.write_bytes(gzip.compress(b'{"event":"a"}\n' * 1_000, 0))
        (piece,) = slices_of(files_of([str(path)]), 10)
        assert piece.end is None
        with pytest.raises(InputError, match="standard input can't be read by several processes"):
            slices_of(files_of(["-"]), 10)

    def test_a_problem_of_a_piece_is_told_with_the_row_of_its_file(self, tmp_path: Path) -> None:
        path = tmp_path / "events.parquet"
        pq.write_table(pa.table({"event": ["a"] * 10}), path, row_group_size=5)
        pieces = slices_of(files_of([str(path)]), 1)
        with as_file(pieces[1]) as file:
            told = at_home(Problem(file.name, 3, "time", "is wrong"), pieces[1], file)
        assert (told.file, told.line) == (str(path), 8)


class TestOverview:
    def test_lines_of_pieces_count_on_and_indexes_follow_the_rows(self, tmp_path: Path) -> None:
        one = files_of([str(written(tmp_path, [], "a.jsonl"))])[0]
        two = files_of([str(written(tmp_path, [], "b.jsonl"))])[0]
        pieces = [Slice(0, one, 0, 10), Slice(1, one, 10, 20), Slice(2, two)]
        notes = [
            SliceNote(2, 1, 0, 1, (BrokenLine("b", 1, "y"),), 5.0),
            SliceNote(1, 3, 4, 1, (BrokenLine("a", 2, "x"),), 9.0),
            SliceNote(0, 5, 6),
        ]
        found = overview_of(pieces, notes)
        assert found.rows == 9
        assert found.first.tolist() == [0, 5, 8]
        assert [(broken.file, broken.line) for broken in found.broken] == [("a", 8), ("b", 1)]
        assert found.newest_ms == 9.0
        assert overview_of([], []).newest_ms == -math.inf

    def test_every_unreadable_slice_is_told_at_once(self, tmp_path: Path) -> None:
        one = files_of([str(written(tmp_path, [], "a.jsonl"))])[0]
        two = files_of([str(written(tmp_path, [], "b.jsonl"))])[0]
        notes = [
            SliceNote(0, problems=(Problem("a", 1, "", "x"),)),
            SliceNote(1, problems=(Problem("b", None, "", "y"),)),
        ]
        with pytest.raises(InputError) as caught:
            overview_of([Slice(0, one), Slice(1, two)], notes)
        assert [problem.file for problem in caught.value.problems] == ["a", "b"]
