"""A run over many files: order, doubles, systems, exit codes."""

from __future__ import annotations

from pathlib import Path

from harness.ingestion.settings import ProjectSettings
from harness.lint.check import Options, lint_paths
from harness.lint.examples import property_text
from harness.lint.registry import Finding
from tests.lint.linting import names

BARE_ECID = property_text('send_event: {event: Page, properties: {token: "{{Token}}", distinct_id: "{{ECID}}"}}')
SCENARIO = "name: x\nid_merge: original\nproperty: ../properties/a.yaml\nsteps: [{edge: {}, person: ana}]\n"


def folder_with_a_scenario(tmp_path: Path) -> Path:
    for name in ("properties", "flows"):
        (tmp_path / name).mkdir()
    (tmp_path / "properties" / "a.yaml").write_text(BARE_ECID)
    (tmp_path / "flows" / "a.yaml").write_text(SCENARIO)
    return tmp_path


def test_a_property_found_in_a_folder_is_linted_as_its_scenarios_say(tmp_path: Path) -> None:
    folder = folder_with_a_scenario(tmp_path)
    result = lint_paths([folder], Options("simplified"))
    assert "ecid-as-user-id" not in names(list(result.findings))
    assert result.lacks_system is False
    assert {finding.file for finding in result.findings} == {
        (folder / "properties" / "a.yaml").as_posix(),
        (folder / "flows" / "a.yaml").as_posix(),
    }


def test_a_property_that_is_named_itself_is_linted_as_asked(tmp_path: Path) -> None:
    folder = folder_with_a_scenario(tmp_path)
    result = lint_paths([folder, folder / "properties" / "a.yaml"], Options("simplified"))
    alone = lint_paths([folder / "properties" / "a.yaml"], Options("simplified"))
    assert "ecid-as-user-id" in names(list(alone.findings))
    assert len(set(result.findings)) == len(result.findings)


def test_the_system_of_a_scenario_that_names_none_is_the_one_given(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: x\nsteps: [{event: A, person: ana, properties: {$user_id: ana}}]\n")
    assert "distinct-id-missing" in names(list(lint_paths([path], Options("original")).findings))
    assert "distinct-id-missing" not in names(list(lint_paths([path]).findings))


def test_findings_stand_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    result = lint_paths([folder_with_a_scenario(tmp_path)])
    places = [(finding.file, finding.line or 0) for finding in result.findings]
    assert places == sorted(places)


def test_one_run_gives_what_the_next_one_gives(tmp_path: Path) -> None:
    folder = folder_with_a_scenario(tmp_path)
    assert lint_paths([folder]) == lint_paths([folder])


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    folder = folder_with_a_scenario(tmp_path)
    (folder / "flows" / "b.yaml").write_text("name: x\nsteps: 7\n")
    (folder / "c.json").write_text('{"rules": [], "platform": "web"}')
    result = lint_paths([folder])
    assert result.exit_code == 2
    assert {Path(problem.file).name for problem in result.problems} == {"b.yaml", "c.json"}
    assert result.findings


def test_only_an_error_is_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"event": "A", "properties": {"distinct_id": "$device:$device:a", "time": 1767614400, "$insert_id": "e"}}'
    )
    assert [finding.severity for finding in lint_paths([path]).findings] == ["warning"]
    assert lint_paths([path]).exit_code == 0
    path.write_text("no json")
    assert lint_paths([path]).exit_code == 1


def test_the_settings_of_the_project_say_its_region(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(BARE_ECID)
    found = lint_paths([path], Options(settings=ProjectSettings(region="eu"))).findings
    assert "region-out-of-reach" in names(list(found))


def test_where_is_file_line_and_key() -> None:
    parts = ("rule", "note", "a.yaml")
    assert Finding(*parts, 3, "steps[0]", "m", "f").where == "a.yaml:3: steps[0]"  # type: ignore[arg-type]
    assert Finding(*parts, 3, "", "m", "f").where == "a.yaml:3"  # type: ignore[arg-type]
    assert Finding(*parts, None, "", "m", "f").where == "a.yaml"  # type: ignore[arg-type]
