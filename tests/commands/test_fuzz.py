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
    assert list(shell.folder.iterdir()) == []


def test_the_same_seed_prints_and_writes_the_same_bytes(shell: Shell) -> None:
    command = ("fuzz", "--twin", "rudderstack", "--id-merge", "original", "--risk", "shared", "--seed", "4")
    first = shell.run(*command, environment={"PYTHONHASHSEED": "1"})
    files = {path.name: path.read_bytes() for path in (shell.folder / "scenarios/found").iterdir()}
    second = shell.run(*command, environment={"PYTHONHASHSEED": "2"})
    assert first.out == second.out
    assert first.code == second.code == 1
    assert files == {path.name: path.read_bytes() for path in (shell.folder / "scenarios/found").iterdir()}
    assert second.err.startswith("trying")


def test_a_flow_of_an_earlier_search_is_tried_first(shell: Shell) -> None:
    shell.run(*BROKEN, "--seed", "1", "--save", "kept")
    again = shell.run(*BROKEN, "--seed", "2", "--save", "kept", "--json")
    assert again.err == "trying 1 known flow of kept first\n"
    assert json.loads(again.out)["examples"] == 1


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


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_leaves_what_was_found_so_far(shell: Shell, as_json: bool) -> None:
    command = [sys.executable, "-m", "harness", "fuzz", "--max-examples", "1000000", *(["--json"] * as_json)]
    process = subprocess.Popen(
        command,
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
    if as_json:
        assert json.loads(out)["violations"] == []
    else:
        assert "stopped by Ctrl-C after" in out
        assert "explored:" in out
