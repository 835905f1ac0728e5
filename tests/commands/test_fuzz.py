"""`harness fuzz` as users run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.shell import Shell

PROPERTIES = Path(__file__).parents[2] / "scenarios" / "properties"
BROKEN = ("fuzz", "--property", PROPERTIES / "retail-without-identity-rule.yaml")
SOUND = ("fuzz", "--property", PROPERTIES / "retail.yaml", "--max-examples", "60")


def test_a_broken_property_is_told_as_a_story_and_written(shell: Shell) -> None:
    done = shell.run(*BROKEN)
    assert done.code == 1
    for text in (
        "device id    event.xdm.identityMap.ECID[0].id (an ECID)",
        "user id      event.data.email (an e-mail address)",
        "broken: nobody-split.",
        "1. ana looks at a page on the laptop",
        "2. ana logs in on the laptop",
        "wrote scenarios/found/nobody-split-simplified-",
        "left out, as no sender can make up for it",
        "explored:",
    ):
        assert text in done.out
    assert done.err == ""


def test_what_is_written_fails_under_run_for_the_same_reason_and_is_in_form(shell: Shell) -> None:
    found = json.loads(shell.run(*BROKEN, "--json").out)["violations"]
    assert [(one["invariant"], one["steps"]) for one in found] == [("nobody-split", 2)]
    ran = shell.run("run", found[0]["scenario"], "--json")
    assert ran.code == 1
    scenario = json.loads(ran.out)["scenarios"][0]
    assert scenario["status"] == "failed"
    assert scenario["people"]["split"] == ["ana"]
    assert shell.run("lint", found[0]["scenario"]).code == 0


def test_a_sound_property_survives_with_exit_code_0(shell: Shell) -> None:
    done = shell.run(*SOUND, "--json")
    assert done.code == 0
    assert json.loads(done.out) == {"examples": 60, "violations": []}
    assert "device id    event.xdm.identityMap.ECID[0].id (an ECID)" in done.err
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ("fuzz", "--twin", "rudderstack", "--id-merge", "original", "--risk", "shared", "--seed", "4"),
        ("fuzz", "--property", PROPERTIES / "retail-original.yaml", "--id-merge", "original", "--seed", "11"),
    ],
    ids=["twin", "property"],
)
def test_the_same_seed_prints_and_writes_the_same_bytes_anywhere_and_once_more(
    tmp_path: Path, command: tuple[str | Path, ...]
) -> None:
    here = {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C", "COLUMNS": "50"}
    there = {"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
    runs = []
    for name, environment in (("here", here), ("there", there), ("here", there)):
        shell = Shell(tmp_path / name)
        shell.folder.mkdir(exist_ok=True)
        done = shell.run(*command, environment=environment)
        files = {path.name: path.read_bytes() for path in (shell.folder / "scenarios/found").iterdir()}
        runs.append((done.code, done.out, files))
    assert runs[0][0] == 1
    assert runs[0] == runs[1] == runs[2]
    assert done.err.startswith("trying")


def test_a_flow_of_an_earlier_search_is_tried_first(shell: Shell) -> None:
    shell.run(*BROKEN, "--seed", "1", "--save", "kept")
    again = shell.run(*BROKEN, "--seed", "2", "--save", "kept", "--json")
    assert again.err.endswith("trying 1 known flow of kept first\n")
    assert json.loads(again.out)["examples"] == 1


def test_a_search_of_another_seed_leaves_what_this_one_prints(shell: Shell) -> None:
    first = shell.run(*BROKEN, "--seed", "1")
    found = next((shell.folder / "scenarios/found").iterdir())
    written = found.read_bytes()
    shell.run(*BROKEN, "--seed", "2")
    assert found.read_bytes() == written
    assert shell.run(*BROKEN, "--seed", "1").out == first.out


def test_only_the_invariants_asked_for_are_judged(shell: Shell) -> None:
    done = shell.run(*BROKEN, "--invariant", "nothing-rejected", "--max-examples", "30", "--json")
    assert done.code == 0


def test_a_template_says_what_the_property_does_not(shell: Shell) -> None:
    (shell.folder / "call.yaml").write_text(
        "xdm: {_id: '{event_id}', eventType: '{event_type}', identityMap: {ECID: [{id: '{ecid}'}]}}\n"
        "data: {email: '{email}', time: '{time}'}\n"
        "event_types: {log in: web.signin}\n"
    )
    done = shell.run(*SOUND, "--template", "call.yaml")
    assert done.code == 1
    assert "Edge calls, from the template:" in done.out
    assert "log in: web.signin" in done.out


def test_the_time_budget_ends_a_search(shell: Shell) -> None:
    done = shell.run(*SOUND[:3], "--max-examples", "1000000", "--time-budget", "1s")
    assert done.code == 0
    assert "the time budget was over after" in done.out


def test_a_terminal_gets_a_progress_bar_and_json_stays_json(shell: Shell) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "fuzz", "--max-examples", "20", "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
        check=False,
    )
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    assert json.loads(done.stdout)["examples"] == 20
    assert "flows  [" in shown
    assert "100%" in shown


def test_everything_that_can_be_chosen_is_listed(shell: Shell) -> None:
    done = shell.run("fuzz", "--list")
    assert done.code == 0
    for text in ("nobody-split", "rudderstack", "long-offline", "{event_type}"):
        assert text in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--property", "nowhere.yaml"), "nowhere.yaml: can't be read"),
        (("--template", "call.yaml"), "--template: has no meaning without --property"),
        (("--property", PROPERTIES / "retail.yaml", "--twin", "browser"), "--twin: has no meaning with --property"),
        (("--twin", "brwser"), "Did you mean 'browser'?"),
        (("--invariant", "nobody-splt"), "Did you mean 'nobody-split'?"),
        (("--risk", "sharing"), "Did you mean 'shared'?"),
        (("--time-budget", "soon"), "--time-budget: 'soon' is no duration"),
        (("--max-examples", "0"), "--max-examples"),
    ],
)
def test_a_wrong_option_is_told_with_what_to_write_instead(
    shell: Shell, options: tuple[str | Path, ...], message: str
) -> None:
    done = shell.run("fuzz", *options)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


PRESS = """
import os, signal, sys
from harness.cli import main
from harness.commands import fuzz
from harness.fuzz.bench import Bench
from harness.fuzz.search import Search

owner, name, count = {place}

def press(*arguments, inner=getattr(owner, name)):
    global count
    result = inner(*arguments)
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGINT)
    return result

setattr(owner, name, press)
main()
"""


def pressed(shell: Shell, place: str, *options: str | Path) -> tuple[str, str]:
    """Run a search in which Ctrl-C comes after the so-many-th call of a function; return what was printed."""
    done = subprocess.run(
        [sys.executable, "-c", PRESS.format(place=place), *map(str, options)],
        capture_output=True,
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("place", "examples"),
    [('fuzz, "_listen", 1', 0), ('fuzz, "_configured", 1', 0), ('Bench, "play", 30', 30)],
    ids=["at once", "after loading", "while it searches"],
)
def test_ctrl_c_leaves_what_was_tried_so_far(shell: Shell, place: str, examples: int) -> None:
    out, err = pressed(shell, place, "fuzz", "--max-examples", "1000000", "--json")
    found = json.loads(out)
    assert found["violations"] == []
    assert examples <= found["examples"] <= 2 * examples
    assert err == "stopped\n"
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    ['Search, "_keep", 1', 'Search, "_tidied", 1', 'fuzz, "_written", 1'],
    ids=["while it shrinks", "while it tidies", "while it writes"],
)
def test_ctrl_c_after_a_finding_leaves_the_finding(shell: Shell, place: str) -> None:
    out, err = pressed(shell, place, *BROKEN, "--max-examples", "1000000")
    assert "broken: nobody-split." in out
    assert "stopped by Ctrl-C after" in out
    assert "explored:" in out
    assert err == "stopped\n"
    found = next((shell.folder / "scenarios/found").iterdir())
    assert f"wrote scenarios/found/{found.name}" in out
    assert shell.run("run", found).code == 1


def test_ctrl_c_from_outside_does_the_same(shell: Shell) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "fuzz", "--max-examples", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=shell.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    try:
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == "stopped\n"
    assert "stopped by Ctrl-C after" in out
