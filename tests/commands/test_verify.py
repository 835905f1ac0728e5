"""`harness verify` as its users call it: with files, and against a real local server."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.event import Json
from harness.server.background import RunningServer, running_server
from harness.server.export import ExportOptions
from harness.server.serving import ServerOptions
from tests.commands.shell import Done, Shell
from tests.commands.within import complaint
from tests.live.exports import export_of, line, replay, settings, uuid

SECRETS = {
    "MIXPANEL_TOKEN": "token-of-nobody-1",
    "MIXPANEL_PROJECT_ID": "4711",
    "MIXPANEL_SERVICE_ACCOUNT": "robot.of-nobody-2",
    "MIXPANEL_SERVICE_SECRET": "sesame-of-nobody-3",
}
LINES = [line(0, "Page", distinct_id="ana")] + [
    one
    for at in range(5)
    for one in (
        line(10 + at, "Page", distinct_id=uuid(at)),
        line(30 + at, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(at)),
    )
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ServerOptions(id_merge="original")) as running:
        yield running


def files(shell: Shell, lines: list[Json], **switches: Json) -> tuple[str, str]:
    (shell.folder / "events.jsonl").write_text("\n".join(map(json.dumps, lines)))
    reality = replay(lines).predict("original", settings(**switches))
    (shell.folder / "export.ndjson").write_bytes(b"\n".join(export_of(reality)))
    return "events.jsonl", "export.ndjson"


def document(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_an_export_that_agrees_is_exit_code_0(shell: Shell) -> None:
    events, export = files(shell, LINES)
    done = shell.run("verify", events, "--export", export, "--id-merge", "original", "--json")
    assert done.code == 0, done.err
    found = document(done)
    assert {key: found[key] for key in ("agree", "differ", "missing", "unexpected")} == {
        "agree": 11,
        "differ": [],
        "missing": 0,
        "unexpected": 0,
    }


def test_a_difference_names_event_rule_and_the_switch_that_explains_it(shell: Shell) -> None:
    events, export = files(shell, LINES, cluster_limit=5)
    done = shell.run("verify", events, "--export", export, "--id-merge", "original", "--json")
    assert done.code == 1
    (only,) = document(done)["differ"]
    assert (only["predicted"], only["actual"]) == ("joined", "separate")
    assert set(only["ids"]) == {"ana", uuid(4)}
    assert (only["where"], only["rule"], only["evidence"]) == ("line 11", "original.identify", "docs")
    assert only["reason"] == "errManyIDs"
    assert only["explained_by"] == document(done)["agrees_with"] == [{"cluster_limit": 5}]


def test_people_read_the_same_in_sentences(shell: Shell) -> None:
    events, export = files(shell, LINES, cluster_limit=5)
    done = shell.run("verify", events, "--export", export, "--id-merge", "original")
    assert done.code == 1
    assert f"DIFFERS  {uuid(4)} and ana: predicted joined, found two users" in done.out
    assert "line 11 ($identify): joined them in the model by rule original.identify" in done.out
    assert "Mixpanel says errManyIDs" in done.out
    assert "reality agrees with `cluster_limit: 5`" in done.out
    agreed = shell.run("verify", events, "--export", export, "--id-merge", "original", "--cluster-limit", "5")
    assert agreed.code == 0, agreed.out


def test_missing_and_unexpected_rows_are_counted(shell: Shell) -> None:
    events, export = files(shell, LINES)
    rows = (shell.folder / export).read_bytes().split(b"\n")
    own = rows[0].replace(b'"i0"', b'"second"')
    stranger = b'{"event": "Page", "properties": {"distinct_id": "zoe", "$insert_id": "z"}}'
    (shell.folder / "other.gz").write_bytes(gzip.compress(b"\n".join([*rows[1:], own, stranger])))
    done = shell.run("verify", events, "--export", "other.gz", "--id-merge", "original", "--json")
    assert done.code == 1
    found = document(done)
    assert (found["missing"], found["unexpected"], found["agree"]) == (1, 2, 10)
    assert found["missing_events"] == [{"index": 0, "where": "line 1", "event": "Page", "insert_id": "i0"}]
    said = shell.run("verify", events, "--export", "other.gz", "--id-merge", "original").out
    assert "MISSING  line 1 (Page)" in said
    assert "which nobody sent ($insert_id 'second')" in said


def test_the_system_is_said_to_be_assumed(shell: Shell) -> None:
    events, export = files(shell, LINES)
    done = shell.run("verify", events, "--export", export)
    assert done.code == 1
    assert "taken to be simplified" in done.err
    assert "reality agrees with `id_merge: original`" in done.out


def test_a_scenario_names_its_system(shell: Shell) -> None:
    (shell.folder / "flow.yaml").write_text(
        "name: A flow\nid_merge: [original, simplified]\nsteps:\n  - event: Page\n    properties: {distinct_id: ana}\n"
    )
    (shell.folder / "export.ndjson").write_text("")
    done = shell.run("verify", "flow.yaml", "--export", "export.ndjson")
    assert done.code == 2
    assert "original and simplified" in done.err
    assert shell.run("verify", "flow.yaml", "--export", "export.ndjson", "--id-merge", "original").code == 1


def test_what_was_sent_is_read_back_from_a_server(shell: Shell, server: RunningServer) -> None:
    files(shell, LINES)
    send = ("--to", server.url, "--id-merge", "original", "--live", "--yes", "--project", "4711")
    done = shell.run("send", "events.jsonl", *send, environment=SECRETS)
    assert done.code == 0, done.err
    done = shell.run("verify", "events.jsonl", "--from", server.url, "--json", environment=SECRETS)
    assert "the journal events.jsonl.journal tells original" in done.err
    assert done.code == 0, done.out + done.err
    assert document(done)["agree"] == 11
    assert_no_secret(done)


SCENARIO = f"""
name: A visitor logs in
id_merge: original
steps:
  - {{event: Page, person: ana, properties: {{distinct_id: {uuid(1)}}}}}
  - event: $identify
    person: ana
    properties: {{distinct_id: ana, $anon_distinct_id: {uuid(1)}}}
  - {{event: Page, person: ana, endpoint: import, properties: {{distinct_id: ana}}}}
"""


def test_runs_of_a_scenario_are_read_back_one_by_one(shell: Shell, server: RunningServer) -> None:
    (shell.folder / "flow.yaml").write_text(SCENARIO)
    for run in ("first", "second"):
        done = sent(shell, server, "--run", run, "--journal", f"{run}.journal")
        assert done.code == 0, done.out + done.err
    for name, value in (("--run", "second"), ("--journal", "first.journal")):
        read = ("--from", server.url, name, value, "--json")
        done = shell.run("verify", "flow.yaml", *read, environment=SECRETS)
        assert done.code == 0, done.out + done.err
        found = document(done)
        assert (found["agree"], found["missing"], found["unexpected"]) == (3, 0, 0)
        assert found["other_runs"] >= 3


def test_a_run_that_keeps_its_ids_is_read_back_too(shell: Shell, server: RunningServer) -> None:
    (shell.folder / "flow.yaml").write_text(SCENARIO.replace("ana", "cleo").replace(uuid(1), uuid(9)))
    done = sent(shell, server, "--run", "third", "--no-isolate")
    assert done.code == 0, done.out + done.err
    done = shell.run("verify", "flow.yaml", "--from", server.url, "--no-isolate", environment=SECRETS)
    assert done.code == 0, done.out + done.err
    assert "3 events as predicted" in done.out


def sent(shell: Shell, server: RunningServer, *options: str) -> Done:
    live = ("--to", server.url, "--live", "--yes", "--project", "4711")
    return shell.run("send", "flow.yaml", *live, *options, environment=SECRETS)


def assert_no_secret(done: Done) -> None:
    for secret in (SECRETS["MIXPANEL_TOKEN"], SECRETS["MIXPANEL_SERVICE_ACCOUNT"], SECRETS["MIXPANEL_SERVICE_SECRET"]):
        assert secret not in done.out + done.err


WRONG = {
    "neither file nor project": (["events.jsonl"], "exactly one"),
    "file and project": (["events.jsonl", "--export", "x", "--from", "us"], "exactly one"),
    "standard input twice": (["-", "--export", "-"], "both be standard input"),
    "no such file": (["nowhere.jsonl", "--export", "export.ndjson"], "nowhere.jsonl"),
    "no such export": (["events.jsonl", "--export", "nowhere"], "nowhere"),
    "no region": (["events.jsonl", "--from", "mars"], "no region"),
    "no duration": (["events.jsonl", "--from", "us", "--wait", "long"], "--wait"),
    "a file does not settle": (["events.jsonl", "--export", "export.ndjson", "--wait", "1h"], "--wait"),
    "no day": (["events.jsonl", "--from", "http://127.0.0.1:1", "--from-date", "today"], "--from-date"),
    "no run": (["events.jsonl", "--export", "export.ndjson", "--run", "a b"], "--run"),
    "no journal": (["events.jsonl", "--export", "export.ndjson", "--journal", "none"], "none"),
    "credentials missing": (["events.jsonl", "--from", "us"], "MIXPANEL_SERVICE_ACCOUNT"),
    "plain text": (["events.jsonl", "--from", "http://example.com"], "plain"),
}


@pytest.mark.parametrize(("arguments", "told"), WRONG.values(), ids=list(WRONG))
def test_wrong_usage_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "")
    files(Shell(folder), LINES)
    assert told in complaint("verify", *arguments, "--id-merge", "original")


def test_wrong_usage_is_exit_code_2_and_a_project_that_is_not_there_3(shell: Shell) -> None:
    files(shell, LINES)
    wrong = shell.run("verify", "events.jsonl", "--from", "mars", "--id-merge", "original")
    assert (wrong.code, wrong.out) == (2, "")
    gone = shell.run("verify", "events.jsonl", "--from", "http://127.0.0.1:1", "--id-merge", "original", "--json")
    assert (gone.code, gone.out) == (3, "")
    assert "can't be reached" in gone.err
    assert "Traceback" not in wrong.err + gone.err


@pytest.fixture(scope="module")
def slow() -> Iterator[RunningServer]:
    """A project whose clock stands still and whose exports lag behind merges by an hour."""
    export = ExportOptions(shows_duplicates=True, lag_ms=3_600_000)
    with running_server(ServerOptions(id_merge="original", now_ms=time.time_ns() // 10**6, export=export)) as running:
        yield running


@contextlib.contextmanager
def verifying(shell: Shell, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command and give it once it waits."""
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "verify", *arguments],
        cwd=shell.folder,
        env={**os.environ, **SECRETS, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("reading again" in told for told in process.stderr)
        yield process


def test_it_waits_until_a_project_has_settled(shell: Shell, slow: RunningServer) -> None:
    (shell.folder / "flow.yaml").write_text(SCENARIO)
    assert sent(shell, slow).code == 0
    with verifying(shell, "flow.yaml", "--from", slow.url, "--wait", "100s", "--poll", "1s") as process:
        slow.post("clock", {"advance": "2h"})
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    assert out.startswith("original: 3 events as predicted")


def test_ctrl_c_is_exit_code_130_with_what_is_known(shell: Shell, slow: RunningServer) -> None:
    files(shell, LINES)
    read = ("--from", slow.url, "--id-merge", "original", "--wait", "1h", "--json")
    with verifying(shell, "events.jsonl", *read) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["missing"] == 6
    assert json.loads(out)["stopped"] is True
