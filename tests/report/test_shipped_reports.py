"""The reports of all shipped scenarios: written without trouble, and valid."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

from jsonschema import Draft202012Validator

from harness.report.write import write_reports
from harness.scenario.runner import run_paths

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_every_report_of_the_shipped_scenarios_is_written_and_valid(tmp_path: Path) -> None:
    run = run_paths([SCENARIOS])
    write_reports(run, tmp_path)
    schema = json.loads(resources.files("harness.report").joinpath("report.schema.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(json.loads((tmp_path / "report.json").read_text("utf-8")))
    cases = list(ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase"))
    assert len(cases) == len(run.scenarios)
    assert len((tmp_path / "report.md").read_bytes()) <= 1_000_000
