from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.problems import InputError
from harness.report import html
from harness.report.write import write_reports
from harness.scenario.results import RunResult
from tests.report.samples import passing, rich, with_hostile

NAMES = ["junit.xml", "report.html", "report.json", "report.md"]
ROOT = Path(__file__).parents[2]


def test_four_reports_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "reports"
    written = write_reports(rich(), directory)
    assert [path.name for path in written] == ["report.html", "report.md", "junit.xml", "report.json"]
    assert sorted(path.name for path in directory.iterdir()) == NAMES


def test_reports_are_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    for path in write_reports(with_hostile(), tmp_path):
        content = path.read_bytes()
        content.decode("utf-8")
        assert b"\r" not in content
        assert content.endswith(b"\n")
        assert not content.endswith(b"\n\n\n")


def test_reports_of_before_are_replaced(tmp_path: Path) -> None:
    write_reports(with_hostile(), tmp_path)
    write_reports(RunResult((passing(),)), tmp_path)
    assert "kiosk" not in (tmp_path / "report.html").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES


def test_a_file_where_the_directory_should_be_is_a_clear_mistake(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("not a directory")
    with pytest.raises(InputError, match=r"reports can't be written here: .*--report-dir"):
        write_reports(rich(), tmp_path / "reports")


def test_a_directory_where_a_report_should_be_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError):
        write_reports(rich(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_can_not_be_rendered_leaves_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reports(rich(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fails(run: RunResult) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(html, "render", fails)
    with pytest.raises(ZeroDivisionError):
        write_reports(with_hostile(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_equal_runs_give_equal_bytes_in_any_locale_time_zone_and_hash_seed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from harness.report.write import write_reports\n"
        "from tests.report.samples import with_hostile\n"
        "write_reports(with_hostile(), pathlib.Path(sys.argv[1]))\n"
    )
    digests = set()
    for number, (zone, locale) in enumerate([("UTC", "C"), ("Asia/Kolkata", "C.UTF-8"), ("America/Adak", "POSIX")]):
        directory = tmp_path / str(number)
        surroundings = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(number), "PYTHONUTF8": "0"}
        subprocess.run([sys.executable, "-c", script, str(directory)], check=True, cwd=ROOT, env=surroundings)
        content = b"".join(path.read_bytes() for path in sorted(directory.iterdir()))
        digests.add(hashlib.sha256(content).hexdigest())
    assert len(digests) == 1
