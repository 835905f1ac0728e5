"""`harness calibrate` as its users call it, against a real local server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.cli import command_line
from harness.problems import OutsideError
from harness.server.background import RunningServer, running_server
from harness.server.serving import ServerOptions
from tests.commands.shell import Shell
from tests.commands.test_verify import SECRETS, assert_no_secret
from tests.commands.within import complaint
from tests.live.exports import settings

PROJECT = ("--live", "--yes", "--project", "4711")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    reality = settings(**{"cluster_limit": 9, "original.assigned_rule": "anon_only"})
    with running_server(ServerOptions(id_merge="original", settings=reality)) as running:
        yield running


def test_without_live_it_says_what_it_would_send(shell: Shell) -> None:
    done = shell.run("calibrate", "--id-merge", "original")
    assert done.code == 0
    assert "cluster_limit" in done.out
    assert "nothing was" in done.out
    listed = json.loads(shell.run("calibrate", "--id-merge", "legacy", "--json").out)
    assert "legacy.alias_delay_ms" in [probe["switch"] for probe in listed["probes"]]
    assert list(shell.folder.iterdir()) == []


def test_the_answers_of_a_project_become_its_settings_file(shell: Shell, server: RunningServer) -> None:
    server.reset()
    names = ("cluster_limit", "original.assigned_rule", "prefix")
    only = [part for name in names for part in ("--only", name)]
    options = ("--id-merge", "original", "--to", server.url, "--wait", "0s", "--output", "reality.yaml", *only)
    done = shell.run("calibrate", *options, *PROJECT, "--json", environment=SECRETS)
    assert done.code == 0, done.out + done.err
    assert_no_secret(done)
    found = json.loads(done.out)
    expected = {
        "cluster_limit": 9,
        "original.assigned_rule": "anon_only",
        "original.device_prefix_equivalent": False,
    }
    assert found["settings"] == expected
    text = (shell.folder / "reality.yaml").read_text()
    assert yaml.safe_load(text) == expected
    assert found["run"] in text
    assert found["date"] in text
    for secret in SECRETS.values():
        assert secret not in text or secret == SECRETS["MIXPANEL_PROJECT_ID"]
    again = shell.run("calibrate", *options, *PROJECT, environment=SECRETS)
    assert again.code == 2
    assert "is there already" in again.err


def test_a_project_that_holds_other_events_is_refused_and_gets_nothing(shell: Shell, server: RunningServer) -> None:
    server.reset()
    (shell.folder / "e.jsonl").write_text('{"event": "Page", "properties": {"distinct_id": "ana"}}\n')
    send = ("send", "e.jsonl", "--to", server.url, "--id-merge", "original", "--endpoint", "track", *PROJECT)
    assert shell.run(*send, environment=SECRETS).code == 0
    before = server.get("health")["rows"]
    options = ("--id-merge", "original", "--to", server.url, "--wait", "0s", "--output", "other.yaml")
    done = shell.run("calibrate", *options, *PROJECT, environment=SECRETS)
    assert done.code == 2
    assert "holds other events" in done.err
    assert server.get("health")["rows"] == before
    assert not (shell.folder / "other.yaml").exists()


ORIGINAL = ["--id-merge", "original"]
LIVE = [*ORIGINAL, "--to", "us", "--live"]
WRONG = {
    "no system": ([], {}, "--id-merge"),
    "no destination": ([*ORIGINAL, *PROJECT], SECRETS, "--to"),
    "no such probe": ([*ORIGINAL, "--only", "cluster_limt"], {}, "Did you mean 'cluster_limit'?"),
    "another system's probe": (["--id-merge", "legacy", "--only", "cluster_limit"], {}, "no probe of legacy"),
    "another project": ([*LIVE, "--yes", "--project", "1"], SECRETS, "is not the project of MIXPANEL_PROJECT_ID"),
    "nobody to ask": (LIVE, SECRETS, "--yes"),
    "no project named": ([*LIVE, "--yes"], SECRETS, "--project"),
    "no credentials": (LIVE, {}, "MIXPANEL_PROJECT_ID"),
    "no duration": ([*ORIGINAL, "--steady", "x"], {}, "--steady"),
}


@pytest.mark.parametrize(("arguments", "environment", "told"), WRONG.values(), ids=list(WRONG))
def test_wrong_usage_is_told_and_nothing_is_written(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: dict[str, str],
    told: str,
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, environment.get(name, ""))
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert told in complaint("calibrate", *arguments)
    assert list(folder.iterdir()) == []


def test_a_wrong_option_is_exit_code_2(shell: Shell) -> None:
    done = shell.run("calibrate", *ORIGINAL, "--only", "nothing")
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_a_project_that_is_not_there_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OutsideError, match="can't be reached"):
        command_line.main(["calibrate", *ORIGINAL, "--to", "http://127.0.0.1:1", *PROJECT], standalone_mode=False)
