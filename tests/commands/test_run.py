"""`harness run` as its users call it."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from harness.forwarder.turbine.engine import NodeHost
from tests.commands.shell import Shell

STEPS = "steps: [{event: x, properties: {distinct_id: u}}]\n"
GREEN = f"name: Green\nid_merge: [simplified, original]\n{STEPS}expect: {{users: 1}}\n"
RED = f"name: Red\n{STEPS}expect: {{users: 2}}\n"
KNOWN = RED.replace("Red", "Known") + "known_failure: not yet\n"


def write(shell: Shell, **files: str) -> None:
    folder = shell.folder / "scenarios"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_the_default_is_the_folder_scenarios(shell: Shell) -> None:
    write(shell, green=GREEN)
    done = shell.run("run")
    assert done.code == 0, done.err
    assert "2 scenarios: 2 passed" in done.out
    written = {path.name for path in (shell.folder / "reports").iterdir()}
    assert written == {"report.html", "report.md", "junit.xml", "report.json"}


def test_a_failure_is_told_first_and_ends_with_1(shell: Shell) -> None:
    write(shell, green=GREEN, red=RED, known=KNOWN)
    done = shell.run("run", "--report-dir", "out")
    assert done.code == 1
    assert done.out.index("Red") < done.out.index("Known")
    assert "1 user came out, 2 expected" in done.out
    assert "4 scenarios: 2 passed, 1 failed, 1 known failure" in done.out
    suites = ElementTree.parse(shell.folder / "out" / "junit.xml").getroot()
    assert len(list(suites.iter("failure"))) == 1


def test_the_report_has_the_shape_that_scripts_rely_on(shell: Shell) -> None:
    write(shell, red=RED)
    done = shell.run("run", "--json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document == json.loads((shell.folder / "reports" / "report.json").read_text())
    scenario = document["scenarios"][0]
    assert (scenario["name"], scenario["file"], scenario["id_merge"]) == ("Red", "scenarios/red.yaml", "simplified")
    assert scenario["status"] == "failed"
    assert {"check": "users", "status": "failed", "expected": 2, "actual": 1}.items() <= scenario["checks"][0].items()
    assert scenario["people"] == {"joined": 0, "split": [], "mixed": []}


def test_a_file_that_cannot_be_read_ends_with_2_and_the_others_run(shell: Shell) -> None:
    write(shell, green=GREEN, wrong="nam: x\nsteps: []\n")
    done = shell.run("run", "--json")
    assert done.code == 2
    statuses = {scenario["file"]: scenario["status"] for scenario in json.loads(done.out)["scenarios"]}
    assert statuses == {"scenarios/green.yaml": "passed", "scenarios/wrong.yaml": "error"}
    assert "harness: scenarios/wrong.yaml:1: nam: is an unknown key. Did you mean 'name'?" in done.err
    table = shell.run("run")
    assert "scenarios/wrong.yaml:1: nam: is an unknown key. Did you mean 'name'?" in table.out
    assert "Traceback" not in table.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("-k", "green and original"), 0, "1 scenario: 1 passed"),
        (("-k", "not red"), 0, "2 scenarios: 2 passed"),
        (("--id-merge", "legacy", "scenarios/green.yaml"), 0, "1 scenario: 1 passed"),
        (("-k", "blue"), 2, "no scenario matches -k 'blue'"),
        (("-k", "and"), 2, "-k 'and'"),
        (("nowhere",), 2, "nowhere: does not exist"),
        (("--id-merge", "orignal"), 2, "orignal"),
        (("--settings", "nowhere.yaml"), 2, "nowhere.yaml"),
        (("--report-dir", "scenarios/green.yaml"), 2, "scenarios/green.yaml"),
        (("--unknown",), 2, "--unknown"),
    ],
)
def test_options_pick_and_wrong_ones_are_told(shell: Shell, arguments: tuple[str, ...], code: int, says: str) -> None:
    write(shell, green=GREEN, red=RED)
    done = shell.run("run", *arguments)
    assert done.code == code, done.out + done.err
    assert says in done.out + done.err
    assert "Traceback" not in done.err


def test_the_project_file_sets_what_scenarios_do_not(shell: Shell) -> None:
    (shell.folder / "harness.yaml").write_text("token: mine\n")
    write(shell, a="name: a\nsteps: [{event: x, properties: {token: other}}]\nexpect: {accepted: 0}\n")
    assert shell.run("run").code == 0
    (shell.folder / "harness.yaml").write_text("tokn: mine\n")
    done = shell.run("run")
    assert done.code == 2
    assert "Did you mean 'token'?" in done.err


@pytest.mark.parametrize("name", ["report.html", "report.md", "junit.xml", "report.json"])
def test_the_same_input_gives_the_same_bytes_anywhere(shell: Shell, name: str) -> None:
    write(shell, green=GREEN, red=RED, known=KNOWN)
    seen = set()
    for number, environment in enumerate(
        [
            {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
            {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
            {"TZ": "America/St_Johns", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
        ]
    ):
        done = shell.run("run", "--report-dir", f"out{number}", environment=environment)
        assert done.code == 1
        seen.add(((shell.folder / f"out{number}" / name).read_bytes(), done.out))
    assert len(seen) == 1


def test_the_help_has_examples_and_exit_codes(shell: Shell) -> None:
    help_text = shell.run("run", "--help").out
    assert "harness run scenarios/" in help_text
    assert "Exit codes" in help_text


def test_without_node_adobes_own_engine_is_an_error_with_the_way_out(shell: Shell) -> None:
    shell.run("new", "demo")
    done = shell.run("run", "demo", "--engine", "turbine", environment={"PATH": str(shell.folder)})
    assert done.code == 3
    assert "install Node 18 or newer" in done.err
    assert "or use --engine python" in done.err


def test_adobes_own_engine_gives_the_same_report(shell: Shell, turbine: NodeHost) -> None:
    shell.run("new", "demo")
    ours = shell.run("run", "demo", "--json")
    assert ours.code == 0
    assert shell.run("run", "demo", "--json", "--engine", "turbine").out == ours.out
