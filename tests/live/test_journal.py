"""The journal: what it keeps, what it never keeps, and what it says of files that are none."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from harness.live.journal import FailedRow, Journal, status_of
from harness.problems import HarnessError, InputError
from tests.live.rows import begun, event, lines

RAW = lines(*(event("x", distinct_id=f"u{at}") for at in range(10)))


def test_rows_come_out_as_they_went_in_from_any_row_on(tmp_path: Path) -> None:
    with begun(tmp_path / "j", RAW, "simplified", lanes=2) as journal:
        chunk = next(iter(journal.chunks(5)))
        assert (chunk.first_row, len(chunk.rows), list(chunk.places)) == (0, 10, list(range(1, 11)))
        assert journal.done_rows() == [-1, -1]
        assert set(journal.lanes_of_ids()) == {0, 1}


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    with begun(tmp_path / "j", RAW, "simplified") as journal:
        journal.move_on(0, 6, 6, 3, 1, [FailedRow(7, "event", "no", "i7")])
    with Journal(tmp_path / "j") as again:
        assert again.state == "sending"
        assert again.done_rows() == [6]
        assert again.counts() == {"sent": 6, "failed": 1, "requests": 3, "retries": 1}
        assert again.failed() == [FailedRow(7, "event", "no", "i7")]
        again.finish("2026-01-05T12:00:00Z")
    with Journal(tmp_path / "j") as again:
        assert again.state == "finished"
        assert list(again.chunks(0)) == []


def test_a_proof_that_was_killed_leaves_nothing_to_send(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.begin({})
    copy = tmp_path / "copy"
    shutil.copy(tmp_path / "j", copy)
    shutil.copy(tmp_path / "j-wal", tmp_path / "copy-wal")
    journal.close()
    assert status_of(copy)["state"] == "proving"
    with Journal(copy) as killed:
        assert killed.state == "proving"
        killed.begin({"file": "x"})
        assert killed.fact("file") == "x"


def test_rows_that_were_changed_are_not_sent(tmp_path: Path) -> None:
    begun(tmp_path / "j", RAW, "simplified").close()
    with sqlite3.connect(tmp_path / "j") as database:
        database.execute("update chunk set body = (select body from lanes_of_ids)")
    database.close()
    with Journal(tmp_path / "j") as journal, pytest.raises(InputError, match="other rows than those that were proven"):
        list(journal.chunks(0))


def test_two_sends_cant_have_it_at_a_time_but_anyone_can_ask(tmp_path: Path) -> None:
    with begun(tmp_path / "j", RAW, "simplified"):
        with pytest.raises(InputError, match="is in use: another `harness send`"):
            Journal(tmp_path / "j")
        assert status_of(tmp_path / "j")["left"] == 10
    with Journal(tmp_path / "j"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j"]


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    with begun(tmp_path / "j", RAW, "simplified"):
        for name in ("j", "j-lock"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"x" * 200, b"\0" * 5000])
def test_a_file_that_is_no_journal_is_told_in_a_sentence_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    for use in (Journal, status_of):
        with pytest.raises(InputError, match="is no journal of `harness send`"):
            use(path)
    assert path.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == ["j"]


def test_another_database_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    database = sqlite3.connect(path)
    database.execute("create table fact (name, value)")
    database.close()
    for use in (Journal, status_of):
        with pytest.raises(InputError, match="is no journal"):
            use(path)


def test_what_the_disk_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"is no journal|open database"):
        Journal(tmp_path)
    with pytest.raises(HarnessError, match="No such file"):
        Journal(tmp_path / "nowhere" / "j")
    with pytest.raises(InputError, match="is not there"):
        status_of(tmp_path / "j")
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match=r"is no journal|is empty"):
        status_of(tmp_path / "empty")


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_nothing_is_left_of_a_journal_that_is_discarded(tmp_path: Path) -> None:
    begun(tmp_path / "j", RAW, "simplified").discard()
    assert list(tmp_path.iterdir()) == []
