"""`harness lint` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.shell import Shell

ECID = "62601815908301661318609139099603082462"
LOGIN = {"event": "$identify", "properties": {"distinct_id": "ana", "$anon_id": ECID, "time": 1767614400}}
LINES = json.dumps({**LOGIN, "properties": {**LOGIN["properties"], "$insert_id": "e1"}})  # type: ignore[dict-item]
PROPERTY = """
property: Shop
data_elements:
  ECID: arc.event.xdm.identityMap.ECID[0].id
  Id: arc.event.xdm._id
  Time: arc.event.data.time
rules:
  - name: Every event
    actions:
      - send_event:
          event: Page
          properties: {token: T, time: "{{Time}}", distinct_id: "{{ECID}}", $insert_id: "{{Id}}"}
"""


def test_findings_have_the_shape_of_the_contract_and_an_error_is_exit_code_1(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text(LINES)
    done = shell.run("lint", tmp_path / "events.jsonl", "--id-merge", "original", "--json")
    assert done.code == 1
    (found,) = json.loads(done.out)
    assert list(found) == ["rule", "severity", "where", "message", "fix"]
    assert found["rule"] == "identified-without-uuid"
    assert found["severity"] == "error"
    assert found["where"] == f"{(tmp_path / 'events.jsonl').as_posix()}:1"
    assert ECID in found["message"]


def test_a_clean_file_is_an_empty_list_and_exit_code_0(shell: Shell) -> None:
    clean = '{"event": "Page", "properties": {"distinct_id": "ana", "time": 1767614400, "$insert_id": "e1"}}'
    done = shell.run("lint", "-", "--id-merge", "original", "--json", stdin=clean)
    assert (done.code, json.loads(done.out), done.err) == (0, [], "")


def test_people_get_a_text_with_what_to_do(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "property.yaml").write_text(PROPERTY)
    done = shell.run("lint", tmp_path / "property.yaml", "--id-merge", "simplified")
    assert done.code == 1
    assert (
        f'error: {(tmp_path / "property.yaml").as_posix()}:10: rules[0] "Every event" actions[0]: distinct_id'
        in done.out
    )
    assert "[ecid-as-user-id]" in done.out
    assert "fix: Send it as $device_id" in done.out
    assert done.out.rstrip().endswith("1 error, 2 notes in 1 file")


def test_without_a_system_it_says_that_rules_were_left_out(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "property.yaml").write_text(PROPERTY)
    done = shell.run("lint", tmp_path / "property.yaml", "--json")
    assert done.code == 0
    assert {found["severity"] for found in json.loads(done.out)} == {"note"}
    assert "--id-merge" in done.err


def test_several_paths_and_folders_are_linted_at_once(shell: Shell) -> None:
    (shell.folder / "flows").mkdir()
    (shell.folder / "flows" / "property.yaml").write_text(PROPERTY)
    (shell.folder / "events.jsonl").write_text(LINES)
    done = shell.run("lint", "flows", "events.jsonl", "--json")
    assert {found["where"].split(":")[0] for found in json.loads(done.out)} == {"flows/property.yaml", "events.jsonl"}


def test_the_project_file_says_the_region(shell: Shell) -> None:
    (shell.folder / "property.yaml").write_text(PROPERTY)
    (shell.folder / "harness.yaml").write_text("region: eu\n")
    done = shell.run("lint", "property.yaml", "--json")
    assert done.code == 1
    assert "region-out-of-reach" in {found["rule"] for found in json.loads(done.out)}


def test_sarif_is_one_document(shell: Shell) -> None:
    (shell.folder / "events.jsonl").write_text(LINES)
    done = shell.run("lint", "events.jsonl", "--id-merge", "original", "--sarif")
    assert done.code == 1
    log = json.loads(done.out)
    assert log["version"] == "2.1.0"
    (result,) = log["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "events.jsonl"


def test_rules_are_listed_and_shown(shell: Shell) -> None:
    listed = shell.run("lint", "--rules")
    assert listed.code == 0
    assert "ecid-as-anonymous-id" in listed.out
    found = json.loads(shell.run("lint", "--rules", "--json").out)
    assert len(found) >= 25
    assert list(found[0])[:3] == ["rule", "subject", "severity"]
    shown = shell.run("lint", "--explain", "ip-missing")
    assert "Found:" in shown.out
    assert "What to do:" in shown.out
    assert shell.run("lint", "--rules", "ip-missing").out == shown.out
    (only,) = json.loads(shell.run("lint", "--rules", "ip-missing", "--json").out)
    assert only["rule"] == "ip-missing"


def test_a_file_that_cannot_be_read_is_exit_code_2_and_the_others_are_linted(shell: Shell) -> None:
    (shell.folder / "events.jsonl").write_text(LINES)
    (shell.folder / "broken.yaml").write_text("name: x\nsteps: 7\n")
    done = shell.run("lint", "events.jsonl", "broken.yaml", "--id-merge", "original", "--json")
    assert done.code == 2
    assert len(json.loads(done.out)) == 1
    assert "broken.yaml:2: steps: needs a list" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "names nothing to lint"),
        (("nowhere.yaml",), "nowhere.yaml: can't be read"),
        ((".",), "holds no property, event file or scenario"),
        (("-", "--id-merge", "modern"), "modern"),
        (("-", "--settings", "nowhere.yaml"), "nowhere.yaml"),
        (("-", "--json", "--sarif"), "are two formats"),
        (("--explain", "ip-mising"), "Did you mean 'ip-missing'?"),
        (("--rules", "ip-missing", "nothing-like-it"), "'nothing-like-it' is no lint rule"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell.run("lint", *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert not done.out
