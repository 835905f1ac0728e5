"""The sample under `reports/sample` is what a run of the Adobe suite writes today.

After a change that is meant, write it anew: `harness run scenarios/adobe-retail --report-dir reports/sample`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report.write import write_reports
from harness.scenario.project_file import read_project_file
from harness.scenario.runner import run_paths

ROOT = Path(__file__).parents[2]


def test_the_sample_report_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run = run_paths((Path("scenarios/adobe-retail"),), base=read_project_file(None))
    for path in write_reports(run, tmp_path):
        sample = ROOT / "reports" / "sample" / path.name
        assert sample.read_bytes() == path.read_bytes(), f"{sample} is not what a run writes today"
