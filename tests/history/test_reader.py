"""The reader: a glance is never wrong, every packing reads the same, and what is wrong is told with file and row."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.event import id_text
from harness.history import lines as lines_module
from harness.history import scan as glance
from harness.history.dictionary import Dictionary
from harness.history.engines import AuditOrder
from harness.history.files import HistoryFile, files_of
from harness.history.local import LocalEngine
from harness.history.marks import COMPAT, DISALLOWED, LOOKS_ANONYMOUS, PHP_LOOSE, PREFIXED, REST_DISALLOWED, STRICT_V4
from harness.history.native import forget_stale_loops
from harness.history.parquet import ROWS_AT_ONCE
from harness.history.reader import HistoryReader, Reading
from harness.history.records import EventBatch, Form, audit_json
from harness.history.scan import ODD, Keys, Scanned, scan
from harness.identity.looks import looks_anonymous
from harness.identity.original import _FORMS
from harness.ingestion.limits import DISALLOWED_IDS
from harness.ingestion.settings import ProjectSettings
from harness.problems import HarnessError, InputError
from tests.history.lines_of_files import BROKEN, random_file
from tests.history.lines_of_files import DISALLOWED as DISALLOWED_VALUES
from tests.history.lines_of_files import ODD as ODD_LINES
from tests.identity.streams import ALL_IDS

UUID: Final = "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab"


def told(reader: HistoryReader) -> list[dict[str, Any]]:
    """Return every row of a history in words."""
    rows = []
    for batch in reader.batches():
        rows += _told(reader, batch)
    return rows


def _told(reader: HistoryReader, batch: EventBatch) -> list[dict[str, Any]]:
    ids = reader.ids
    merges = {
        int(row): ids.texts(batch.merge_ids[batch.merge_offsets[at] : batch.merge_offsets[at + 1]])
        for at, row in enumerate(batch.merge_rows)
    }
    found = []
    for row in range(batch.size):
        if batch.form[row] == Form.BROKEN:
            found.append({"index": batch.first_index + row, "line": int(batch.line[row]), "form": "broken"})
            continue
        begin, size = int(batch.insert_start[row]), int(batch.insert_length[row])
        insert = None if size < 0 else batch.insert_data[begin : begin + size].tobytes()
        columns = ("distinct_id", "device_id", "user_id", "identified_id", "anonymous_id", "alias")
        found.append(
            {
                "index": batch.first_index + row,
                "line": int(batch.line[row]),
                "form": Form(batch.form[row]).name,
                "name": reader.names.text(int(batch.name[row])),
                "time_ms": int(batch.time_ms[row]),
                **{
                    key: (int(getattr(batch, key)[row] == 0), ids.text(int(getattr(batch, key)[row])))
                    for key in columns
                },
                "disallowed": bool(batch.device_disallowed[row]),
                "merge": merges.get(row),
                "insert": insert or None,
                "insert_form": int(batch.insert_form[row]),
                "who": reader.people.text(int(batch.truth[row])),
            }
        )
    return found


def read(*paths: Path | str, **more: Any) -> list[dict[str, Any]]:
    return told(HistoryReader([str(path) for path in paths], Reading(**more)))


def test_a_glance_is_never_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([*(random_file(chance) for _ in range(150)), *BROKEN, *ODD_LINES]))
    glanced = read(path, truth="page")
    ordinary = glance.scan

    def nothing_is_ordinary(*arguments: Any) -> None:
        ordinary(*arguments)
        arguments[-1].form[:] = ODD
        arguments[-1].newest_ms = float("-inf")

    monkeypatch.setattr(glance, "scan", nothing_is_ordinary)
    assert glanced == read(path, truth="page")
    assert len(glanced) > 1500


def test_most_lines_are_ordinary() -> None:
    line = {
        "event": "Page View",
        "properties": {
            "time": 1767225600.25,
            "distinct_id": "é",
            "$user_id": 7,
            "$device_id": None,
            "$insert_id": "a",
            "list": [1, {"a": [True, None, "x\\n"]}],
            "text": 'Grüße 😀 "quoted" \\ \t',
        },
    }
    for ascii_only in (True, False):
        raw = json.dumps(line, ensure_ascii=ascii_only).encode()
        keys = Keys()
        found = Scanned(2, keys)
        scan(np.frombuffer(raw + bytes(64), np.uint8), 0, len(raw), keys, 1e11, found)
        # An escape in an id is for the plain reader; anywhere else it is not.
        assert found.form[0] == (ODD if ascii_only else Form.EVENT)


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 1000])
def test_blocks_of_any_size_give_the_same_rows(
    block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(random_file(random.Random(seed)) for seed in range(4)))
    whole = read(path)
    monkeypatch.setattr(lines_module.read_lines, "__defaults__", (block_bytes,))
    assert read(path) == whole


def test_every_packing_of_lines_reads_the_same(tmp_path: Path) -> None:
    raw = b"\n".join(random_file(random.Random(seed)) for seed in range(6))
    half = len(raw) // 2
    plain = tmp_path / "a.jsonl"
    plain.write_bytes(raw)
    (tmp_path / "b.gz").write_bytes(gzip.compress(raw[:half]) + gzip.compress(raw[half:]))
    (tmp_path / "c.zst").write_bytes(_zstandard(raw[:half]) + _zstandard(raw[half:]))
    (tmp_path / "misnamed.jsonl").write_bytes(gzip.compress(raw))
    expected = read(plain)
    for name in ("b.gz", "c.zst", "misnamed.jsonl"):
        assert read(tmp_path / name) == expected, name


def _zstandard(raw: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(raw)
    return bytes(sink.getvalue())


def test_folders_and_globs_come_in_the_order_of_the_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/2.jsonl", "a/10.jsonl", "_SUCCESS", ".hidden.jsonl", "a/_temporary/x.jsonl", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"event": name}))
    assert [row["name"] for row in read(tmp_path)] == ["a/10.jsonl", "a/2.jsonl", "b.jsonl"]
    assert [row["name"] for row in read(f"{tmp_path}/a/*.jsonl", tmp_path / "b.jsonl", tmp_path)] == [
        "a/10.jsonl",
        "a/2.jsonl",
        "b.jsonl",
    ]
    assert [row["index"] for row in read(tmp_path)] == [0, 1, 2]


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def flat_lines(rows: list[dict[str, Any]], path: Path) -> Path:
    path.write_text(
        "".join(json.dumps({key: value for key, value in row.items() if value is not None}) + "\n" for row in rows)
    )
    return path


ROWS: Final[list[dict[str, Any]]] = [
    {"event": "Page View", "distinct_id": "a", "time": 1767225600, "$insert_id": "i1", "$user_id": 42},
    {"event": "$identify", "distinct_id": "ana", "time": 1767225601, "$insert_id": "i2", "$anon_distinct_id": UUID},
    {"event": "$identify", "$identified_id": "ana", "time": 1767225601, "$insert_id": "i3", "$anon_id": UUID},
    {"event": "$merge", "$distinct_ids": ["ana", "ben"], "time": 1767225602},
    {"event": "$create_alias", "alias": "al", "distinct_id": "ana", "time": 1767225602, "$insert_id": "i4"},
    {"event": "Page View", "$device_id": "$device:D", "time": 1767225603, "$insert_id": "null", "who": "ana"},
    {"event": "Page View", "$device_id": "undefined", "distinct_id": "", "time": 1767225603, "$ignore": True},
    {"event": "Page View", "distinct_id": "u", "$distinct_id_before_identity": "d", "$insert_id": "x:y"},
    {"event": "Page View", "distinct_id": "u", "time": 31535999, "$insert_id": "i5", "who": "ben"},
]


def test_parquet_reads_as_the_flat_lines_of_the_same_rows(tmp_path: Path) -> None:
    lines = flat_lines(ROWS, tmp_path / "rows.jsonl")
    keys = list(dict.fromkeys(key for row in ROWS for key in row))
    columns = {key: [row.get(key) for row in ROWS] for key in keys}
    table = pa.table(columns)
    expected = read(lines, truth="who")
    texts = [name for name in keys if pa.types.is_string(table.schema.field(name).type)]
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()):
        cast = table
        for name in texts:
            cast = cast.set_column(keys.index(name), name, table[name].combine_chunks().cast(kind))
        if kind == pa.string_view():
            cast = cast.cast(pa.schema([pa.field(one.name, one.type) for one in cast.schema]))
        pq.write_table(cast, tmp_path / "rows.parquet", row_group_size=4)
        assert read(tmp_path / "rows.parquet", truth="who") == expected, kind


def test_a_column_of_properties_is_read_as_the_wire_form(tmp_path: Path) -> None:
    rows = [{"event": row["event"], "properties": {key: row[key] for key in row if key != "event"}} for row in ROWS]
    lines = flat_lines(rows, tmp_path / "rows.jsonl")
    expected = read(lines)
    texts = [json.dumps(row["properties"], indent=1) for row in rows]
    names = [row["event"] for row in rows]
    assert read(parquet(tmp_path / "json.parquet", event=names, properties=texts)) == expected
    struct = pa.array([row["properties"] for row in rows])
    pq.write_table(pa.table({"event": names, "properties": struct}), tmp_path / "struct.parquet")
    assert read(tmp_path / "struct.parquet") == expected


def test_numbers_and_timestamps_of_parquet_count_as_their_json(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
    path = parquet(
        tmp_path / "rows.parquet",
        event=["x", "x", "x"],
        distinct_id=pa.array([1.0, 1.5, None]),
        **{"$user_id": pa.array([7, None, -1]), "time": pa.array([moment, None, moment], pa.timestamp("us", "UTC"))},
    )
    rows = read(path)
    assert [row["distinct_id"] for row in rows] == [(0, "1"), (0, "1.5"), (1, "")]
    assert [row["user_id"] for row in rows] == [(0, "7"), (1, ""), (0, "-1")]
    assert [row["time_ms"] for row in rows[::2]] == [1767268800000] * 2


def test_a_large_parquet_file_keeps_the_order_of_its_rows(tmp_path: Path) -> None:
    size = 2 * ROWS_AT_ONCE + 5
    numbers = [f"u{number}" for number in range(size)]
    path = parquet(tmp_path / "rows.parquet", event=["x"] * size, distinct_id=numbers)
    reader = HistoryReader([str(path)])
    found = np.concatenate([batch.distinct_id for batch in reader.batches()])
    assert reader.ids.plain_texts(found) == numbers
    assert reader.share == 1.0


def refused(*paths: Path | str, **more: Any) -> str:
    with pytest.raises(HarnessError) as caught:
        read(*paths, **more)
    return str(caught.value)


def test_what_cannot_be_read_is_told_with_its_file(tmp_path: Path) -> None:
    good = flat_lines(ROWS, tmp_path / "good.jsonl")
    assert "nowhere.jsonl: can't be read" in refused(tmp_path / "nowhere.jsonl", good)
    assert "no file has such a name" in refused(tmp_path / "*.parquet")
    (tmp_path / "empty").mkdir()
    assert "no event file in this folder" in refused(tmp_path / "empty")
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(good.read_bytes() * 50)[:-20])
    assert "cut.gz: ends in the middle of its compressed data" in refused(cut)
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(good.read_bytes() * 50)[:60] + b"nonsense" * 40)
    assert "torn.gz: " in refused(torn)
    zst = tmp_path / "torn.zst"
    zst.write_bytes(_zstandard(good.read_bytes() * 50)[:40] + b"nonsense" * 40)
    assert "torn.zst: can't be read past line" in refused(zst)
    half = tmp_path / "half.parquet"
    parquet(half, event=["x"] * 100)
    half.write_bytes(half.read_bytes()[:-9])
    assert "half.parquet: is no whole Parquet file" in refused(half)
    half.write_text("event")
    assert "half.parquet: is no Parquet file" in refused(half)


def test_a_column_of_another_type_is_told_with_file_row_and_name(tmp_path: Path) -> None:
    first = parquet(tmp_path / "a.parquet", event=["x"], distinct_id=["u"])
    second = parquet(tmp_path / "b.parquet", event=["x", "x"], distinct_id=[None, {"id": "u"}])
    assert "b.parquet:2: distinct_id: is a column of struct<id: string>, expected text or a number" in refused(
        first, second
    )
    third = parquet(tmp_path / "c.parquet", event=["x"], time=["2026-01-01"])
    assert "c.parquet:1: time: is a column of string, expected a number or a timestamp" in refused(third)
    fourth = parquet(tmp_path / "d.parquet", Event=["x"])
    assert "d.parquet:1: event: there is no such column. Did you mean 'Event'?" in refused(fourth)
    fifth = parquet(tmp_path / "e.parquet", event=["x"], properties=[3])
    assert "e.parquet:1: properties: is a column of int64, expected a struct or JSON text" in refused(fifth)


def test_columns_may_differ_from_file_to_file(tmp_path: Path) -> None:
    first = parquet(tmp_path / "a.parquet", event=["x"], distinct_id=[7])
    second = parquet(tmp_path / "b.parquet", event=["x"], distinct_id=["7"], **{"$insert_id": ["i"]})
    assert [row["distinct_id"] for row in read(first, second)] == [(0, "7"), (0, "7")]


def test_broken_lines_are_counted_and_sampled_and_fatal_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"x"}\n\nnothing\n{"event":" "}\n' + b"[]\n" * 300)
    reader = HistoryReader([str(path)])
    assert len(told(reader)) == 303
    assert reader.broken_lines == 302
    assert len(reader.broken) == 100
    assert str(reader.broken[0]) == f"{path}:3: not JSON: Expecting value at column 1"
    assert reader.broken[1].line == 4
    with pytest.raises(InputError, match=rf"{path}:3: not JSON"):
        read(path, strict_lines=True)


def test_nameless_rows_of_parquet_are_broken(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", event=["x", None, " ", "", "\u3000", "y"])
    reader = HistoryReader([str(path)])
    assert [row["form"] for row in told(reader)] == ["EVENT", "broken", "broken", "broken", "broken", "EVENT"]
    assert [broken.line for broken in reader.broken] == [2, 3, 4, 5]
    assert reader.broken_lines == 4


def test_a_line_beyond_all_bounds_is_broken_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 1 << 20)
    path = tmp_path / "events.jsonl"
    with path.open("wb") as file:
        file.write(b'{"event":"a"}\n{"event":"' + b"x" * (40 << 20) + b'"}\n{"event":"b"}\n')
    rows = read(path)
    assert [row.get("name") for row in rows] == ["a", None, "b"]
    assert [row["line"] for row in rows] == [1, 2, 3]


def test_compiled_loops_of_other_sources_are_forgotten(tmp_path: Path) -> None:
    source, cache = tmp_path / "loops.py", tmp_path / "__pycache__"
    cache.mkdir()
    source.write_text("@compiled first")
    assert forget_stale_loops(tmp_path)
    compiled = cache / "loops.f-1.nbc"
    compiled.write_text("machine code")
    assert not forget_stale_loops(tmp_path)
    assert compiled.exists()
    source.write_text("@compiled second")
    assert forget_stale_loops(tmp_path)
    assert not compiled.exists()
    assert not forget_stale_loops(tmp_path / "nowhere")


def test_marks_of_ids_are_those_of_the_rules() -> None:
    chance = random.Random(1)
    texts = [id_text(value) for value in (*ALL_IDS, *DISALLOWED_VALUES)]
    letters = "0123456789abcdefABCDEFxyzXYZ-$:é\u212a"
    texts += ["".join(chance.choices(letters, k=chance.randint(0, 40))) for _ in range(2000)]
    texts += ["-".join("".join(chance.choices("0aFg", k=chance.randint(0, 3))) for _ in range(5)) for _ in range(500)]
    uuid = "01234567-89ab-4cde-8f01-23456789abcd"
    beside = [letter for first, last in ("09", "af", "AF") for letter in (chr(ord(first) - 1), chr(ord(last) + 1))]
    texts += [uuid[:at] + letter + uuid[at + 1 :] for at in range(36) for letter in [*beside, "-", "\x10", "\xe9"]]
    texts += [prefix + text for prefix in ("$device:", "$DEVICE:", "$Device:", "$device;") for text in texts[::3]]
    ids = Dictionary()
    for text, code in zip(texts, ids.codes(texts), strict=True):
        rest = text.removeprefix("$device:")
        expected = {
            DISALLOWED: text.lower() in DISALLOWED_IDS,
            PREFIXED: rest != text,
            REST_DISALLOWED: rest != text and rest.lower() in DISALLOWED_IDS,
            LOOKS_ANONYMOUS: looks_anonymous(text),
            STRICT_V4: bool(_FORMS["strict_v4"](text)),
            COMPAT: bool(_FORMS["compat"](text)),
            PHP_LOOSE: bool(_FORMS["php_loose"](text)),
        }
        found = {mark: bool(ids.marks[code] & mark) for mark in expected}
        assert found == expected, repr(text)


def test_a_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}")
    assert files_of([str(path), str(path)]) == [HistoryFile(str(path), "lines", 2)]


def test_nothing_that_looks_whole_is_left_by_a_job_that_was_killed(tmp_path: Path) -> None:
    source, out = tmp_path / "events.jsonl", tmp_path / "ids.parquet"
    flat_lines(ROWS, source)
    out.write_text("what was there before")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import harness.history.save as save\n"
        "from harness.history.engines import AuditOrder\n"
        "from harness.history.local import LocalEngine\n"
        "from harness.ingestion.settings import ProjectSettings\n"
        "class Killed(save.pq.ParquetWriter):\n"
        "    def write_batch(self, *a, **k):\n"
        "        super().write_batch(*a, **k)\n"
        "        os._exit(9)\n"
        "save.pq.ParquetWriter = Killed\n"
        "LocalEngine().audit(AuditOrder([sys.argv[1]], 'original', ProjectSettings(), save=Path(sys.argv[2])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(out)], env=environment, check=False, timeout=120
    )
    assert done.returncode == 9
    assert out.read_text() == "what was there before"
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".parquet" and path != out]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_and_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "events.jsonl", tmp_path / "ids.parquet"
    flat_lines(ROWS, source)
    out.write_text("before")
    real = pq.ParquetWriter
    monkeypatch.setattr(pq, "ParquetWriter", lambda path, *rest, **more: real("/dev/full", *rest, **more))
    with pytest.raises(HarnessError, match=r"can't be written: .*Nothing was overwritten"):
        LocalEngine().audit(AuditOrder([str(source)], "original", ProjectSettings(), save=out))
    assert out.read_text() == "before"


def test_audits_of_lines_and_parquet_are_the_same(tmp_path: Path) -> None:
    lines = flat_lines(ROWS, tmp_path / "rows.jsonl")
    keys = list(dict.fromkeys(key for row in ROWS for key in row))
    path = parquet(tmp_path / "rows.parquet", **{key: [row.get(key) for row in ROWS] for key in keys})
    for id_merge in ("simplified", "original", "legacy"):
        audits = [
            audit_json(LocalEngine().audit(AuditOrder([str(one)], id_merge, ProjectSettings(), strict=False)))
            for one in (lines, path)
        ]
        assert audits[0] == audits[1]
