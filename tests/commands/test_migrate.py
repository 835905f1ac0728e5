"""`harness migrate` as users call it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.commands.shell import Done, Shell

DEVICE = "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab"
ROUTE = ("--from", "original", "--to", "simplified", "--user-id", "^u")


def stream(shell: Shell, *more: dict[str, object]) -> Path:
    rows: list[dict[str, object]] = [
        {"event": "Page View", "properties": {"distinct_id": f"$device:{DEVICE}"}},
        {"event": "$identify", "properties": {"distinct_id": "u1", "$anon_distinct_id": f"$device:{DEVICE}"}},
        {"event": "Page View", "properties": {"distinct_id": "u1"}},
        *more,
    ]
    for at, row in enumerate(rows):
        properties = row["properties"]
        assert isinstance(properties, dict)
        properties.update({"time": 1_735_689_600 + at, "$insert_id": f"i{at}"})
    path = shell.folder / "events.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_without_out_it_is_a_dry_run_that_says_what_would_come(shell: Shell) -> None:
    stream(shell)
    done = shell.run("migrate", "events.jsonl", *ROUTE, "--report-dir", "said")
    assert done.code == 0
    assert "a dry run" in done.out
    assert "Held" in done.out
    assert sorted(os.listdir(shell.folder)) == ["events.jsonl", "said"]
    assert sorted(os.listdir(shell.folder / "said")) == ["report.html", "report.md"]


def test_the_json_document_has_what_scripts_count_on(shell: Shell) -> None:
    stream(
        shell,
        {"event": "$merge", "properties": {"$distinct_ids": ["u1", "u2"]}},
        {"event": "Page View", "properties": {"distinct_id": "u-test"}},
    )
    (shell.folder / "tests.txt").write_text("u-test\n\n")
    done = shell.run("migrate", "events.jsonl", *ROUTE, "--exclude-file", "tests.txt", "--json")
    document = json.loads(done.out)
    assert {key: document[key] for key in ("read", "written", "associations", "users_before", "users_after")} == {
        "read": 5,
        "written": 2,
        "associations": 0,
        "users_before": 2,
        "users_after": 2,
    }
    assert document["unresolved"] == []
    (ambiguous,) = document["ambiguous"]
    assert [candidate["id"] for candidate in ambiguous["candidates"]] == ["u1", "u2"]
    assert document["proof"]["held"] is True
    assert document["left_out"]["test_accounts"] == 1


def test_the_output_resolves_to_the_users_that_were_promised(shell: Shell) -> None:
    stream(shell)
    done = shell.run("migrate", "events.jsonl", *ROUTE, "--out", "new", "--json")
    assert done.code == 0
    resolved = shell.run("resolve", "new/part-00000.jsonl", "--id-merge", "simplified", "--json")
    document = json.loads(resolved.out)
    assert document["users"] == json.loads(done.out)["users_after"] == 1
    assert [event["status"] for event in document["events"]] == ["accepted"] * 3
    assert document["clusters"] == [[f"$device:{DEVICE}", "u1"]]


def test_the_same_history_gives_the_same_bytes(shell: Shell) -> None:
    assert shell.run("generate", "h.jsonl", "--events", "2000", "--days", "5").code == 0
    route = ("--from", "original", "--to", "simplified", "--user-id", "^user-", "--ambiguous", "elect")
    for name, environment in (("a", {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}), ("b", {"PYTHONHASHSEED": "2"})):
        assert shell.run("migrate", "h.jsonl", *route, "--out", name, environment=environment).code == 0
    for name in os.listdir(shell.folder / "a"):
        assert (shell.folder / "a" / name).read_bytes() == (shell.folder / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--from", "simplified", "--to", "original", "--user-id", "u"),
            "no migration leads from simplified to original",
        ),
        (("--from", "original", "--to", "original", "--user-id", "u"), "no migration leads from original to original"),
        ((*ROUTE[:4], "--user-id", "("), "--user-id: '(' is no regular expression"),
        ((*ROUTE, "--exclude-user", "["), "--exclude-user: '[' is no regular expression"),
        ((*ROUTE, "--association-time", "frist"), "'frist' is neither first nor link nor an instant"),
        ((*ROUTE, "--association-time", "1970-01-01"), "is before 1971"),
        ((*ROUTE, "--association-event", "$identify"), "can't be the name of an event that links"),
        ((*ROUTE, "--exclude-file", "none.txt"), "none.txt: can't be read"),
        ((*ROUTE, "--out", "events.jsonl"), "--out: is a file"),
        ((*ROUTE, "--out", "."), "--out: is a folder that is not empty"),
        ((*ROUTE, "--ambiguous", "guess"), "'guess' is not one of"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments: tuple[str, ...], said: str, shell: Shell) -> None:
    stream(shell)
    done = shell.run("migrate", "events.jsonl", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_history_that_is_not_there_or_comes_by_standard_input_is_said_so(shell: Shell) -> None:
    missing = shell.run("migrate", "nowhere.jsonl", *ROUTE)
    assert (missing.code, "nowhere.jsonl: can't be read" in missing.err) == (2, True)
    piped = shell.run("migrate", "-", *ROUTE, stdin="{}")
    assert piped.code == 2
    assert "standard input can't be read twice" in piped.err


def test_a_job_that_is_killed_leaves_no_folder_that_looks_whole(shell: Shell) -> None:
    stream(shell)
    killed = _with_hook(
        shell,
        "import harness.history.migrate as m, os, signal\n"
        "m.prove = lambda *given: os.kill(os.getpid(), signal.SIGKILL)\n",
        "--out",
        "new",
    )
    assert killed.code != 0
    assert not (shell.folder / "new").exists()


def test_a_proof_that_fails_is_exit_1_and_keeps_nothing(shell: Shell) -> None:
    stream(shell)
    failed = _with_hook(
        shell,
        "import harness.history.migrate as m\nm.association_lines = lambda *given: iter(())\n",
        "--out",
        "new",
        "--json",
    )
    assert failed.code == 1
    assert json.loads(failed.out)["proof"]["differing"] == [
        {"id": f"$device:{DEVICE}", "promised": "u1", "came_out": f"$device:{DEVICE}"}
    ]
    assert not (shell.folder / "new").exists()


def _with_hook(shell: Shell, hook: str, *arguments: str) -> Done:
    """Run a migration in a process where something was tampered with first."""
    import subprocess

    script = shell.folder / "hook.py"
    call = ["harness", "migrate", "events.jsonl", *ROUTE, *arguments]
    script.write_text(f"import sys\n{hook}from harness.cli import main\nsys.argv = {call!r}\nmain()\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, cwd=shell.folder, env=environment, timeout=120, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
