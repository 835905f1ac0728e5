"""A raw export in a file: NDJSON or gzip, in wire form or flat, with every mistake told by its line."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.live.export_file import read_export
from harness.live.export_row import read_row
from harness.problems import InputError

WIRE = '{"event": "Page", "properties": {"time": 1767600000, "distinct_id": "ana", "$insert_id": "i1"}}'
FLAT = '{"event": "Page", "time": 1767600000, "distinct_id": "ana", "$insert_id": "i1"}'


def test_both_forms_of_a_row_are_the_same() -> None:
    assert read_row(WIRE.encode()) == read_row(FLAT.encode())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_is_read_whether_packed_or_not(tmp_path: Path, pack: type) -> None:
    path = tmp_path / "export"
    path.write_bytes(pack(f"\ufeff{WIRE}\r\n\n{FLAT}".encode()))
    assert [row.distinct_id for row in read_export(path)] == ["ana", "ana"]


def test_an_empty_file_is_an_export_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(b"")
    assert list(read_export(path)) == []


def test_a_row_tells_what_it_was_before() -> None:
    row = read_row(
        json.dumps(
            {"event": "Page", "properties": {"distinct_id": "ana", "$distinct_id_before_identity": "D1"}}
        ).encode()
    )
    assert (row.distinct_id, row.before, row.sent, row.time_s) == ("ana", "D1", "D1", None)


@pytest.mark.parametrize(("time", "seconds"), [(1_767_600_000, 1_767_600_000), (1_767_600_000_123, 1_767_600_000)])
def test_times_are_seconds_whatever_the_export_has(time: int, seconds: int) -> None:
    assert read_row(json.dumps({"event": "a", "properties": {"time": time}}).encode()).time_s == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[]", "not an event"),
        ('{"event": 5, "properties": {}}', "not an event"),
        ('{"event": "a", "properties": []}', "'properties' needs an object"),
        ("NaN", "not JSON"),
    ],
)
def test_every_wrong_line_is_told_with_its_number(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text(f"{WIRE}\n{text}\n{WIRE}\n{text}\n")
    with pytest.raises(InputError) as error:
        list(read_export(path))
    assert [problem.line for problem in error.value.problems] == [2, 4]
    assert told in str(error.value)


def test_a_file_of_something_else_is_told_in_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text("no JSON\n" * 1_000)
    with pytest.raises(InputError) as error:
        list(read_export(path))
    assert len(error.value.problems) == 21


def test_broken_gzip_and_no_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "export.gz"
    path.write_bytes(gzip.compress((WIRE + "\n").encode() * 1_000)[:-30])
    with pytest.raises(InputError, match="broken gzip"):
        list(read_export(path))
    with pytest.raises(InputError, match="can't be read"):
        list(read_export(tmp_path / "nowhere"))


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_any_line_is_a_row_or_a_plain_error(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_row(line)


ODD = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers()) | st.text()
KEYS = st.sampled_from(["event", "time", "distinct_id", "$insert_id", "$user_id", "$distinct_id_before_identity"])


@given(st.dictionaries(KEYS, ODD))
def test_odd_values_never_stop_the_reading(properties: dict[str, object]) -> None:
    assert read_row(json.dumps({"event": "a", "properties": properties}).encode()).event == "a"
