"""`harness serve` as a process: it says where it listens, ends when it is told, and explains what is wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from harness.cli import command_line
from harness.problems import InputError
from tests.commands.shell import Shell
from tests.server.client import basic, event, get, post


@contextmanager
def serving(*options: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `harness serve` on a free port; yield its address and the process."""
    command = [sys.executable, "-m", "harness", "serve", "--port", "0", *map(str, options)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), (line, process.stderr and process.stderr.read())
        yield line.removeprefix("listening on ").strip(), process
    finally:
        process.kill()
        process.communicate()


def users(url: str, query: str = "") -> list[str]:
    found: Any = get(url, f"/harness/users{query}").json()
    return [user["distinct_id"] for user in found["users"]]


def test_it_serves_and_ends_with_0_when_it_is_told_to() -> None:
    with serving("--id-merge", "original", "--token", "T") as (url, process):
        assert url.startswith("http://127.0.0.1:")
        assert post(url, "/track", [event(token="T", time=...), event(token="other", time=...)]).body == b"1"
        assert users(url) == ["u1"]
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    with serving("--store", tmp_path / "s.db") as (url, process):
        assert post(url, "/track", [event(time=...)]).body == b"1"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err.strip()) == (130, "stopped")
    with serving("--store", tmp_path / "s.db") as (url, _):
        assert users(url) == ["u1"]


def test_every_option_does_what_it_says(tmp_path: Path, shell: Shell) -> None:
    assert shell.run("new", "demo").code == 0
    (tmp_path / "secrets.json").write_text('{"S": "x"}', encoding="utf-8")
    options = (
        "--now", "2026-01-05T12:00:00Z", "--secret", "s", "--fail", "502:1", "--seed", "3", "--rate-limit", "5",
        "--export-duplicates", "--export-lag", "1h", "--cluster-limit", "7", "--secrets", tmp_path / "secrets.json",
        "--property", shell.folder / "demo" / "property.yaml", "--environment", "staging",
    )  # fmt: skip
    with serving(*options) as (url, _):
        assert get(url, "/harness/health").json()["now"] == "2026-01-05T12:00:00Z"
        assert post(url, "/track", [event()]).status == 502
        assert get(url, "/harness/faults").json()["seed"] == 3
        post(url, "/harness/faults", {"fail": ""})
        assert post(url, "/import", [event()], authorization=basic("no")).status == 401
        assert [post(url, "/import", [event()] * 301, authorization=basic("s")).status] == [429]
        assert post(url, "/import", [event()] * 2, authorization=basic("s")).status == 200
        path = "/api/2.0/export?from_date=2026-01-05&to_date=2026-01-05"
        assert len(get(url, path, authorization=basic("s")).body.splitlines()) == 2
        assert post(url, "/edge", {"event": {"xdm": {"eventType": "A"}}}).status == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--fail", "429"], "--fail"),
        (["--fail", "drop:2"], "--fail"),
        (["--now", "noon"], "--now"),
        (["--export-lag", "long"], "--export-lag"),
        (["--token", " "], "--token"),
        (["--property", "missing.yaml"], "missing.yaml"),
        (["--secrets", "missing.json"], "missing.json"),
        (["--settings", "missing.yaml"], "missing.yaml"),
        (["--store", "."], "can't be opened"),
        (["--id-merge", "simple"], "--id-merge"),
        (["--port", "70000"], "--port"),
        (["--rate-limit", "0"], "--rate-limit"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(options: list[str], said: str) -> None:
    with pytest.raises((InputError, click.UsageError)) as caught:
        command_line.main(["serve", "--port", "0", *options], standalone_mode=False)
    error = caught.value
    told = error.format_message() if isinstance(error, click.UsageError) else str(error)
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_wrong_option_ends_with_2(shell: Shell) -> None:
    done = shell.run("serve", "--host", "0.0.0.0")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("harness: --host: 0.0.0.0 can be reached from other machines")


def test_a_port_in_use_ends_with_3_and_a_sentence(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shell.run("serve", "--port", str(port))
    assert done.code == 3
    assert done.err.startswith(f"harness: can't listen on 127.0.0.1 port {port}: ")
    assert len(done.err.splitlines()) == 1


def test_without_the_extra_it_says_how_to_get_it(shell: Shell) -> None:
    # A folder before all others, whose uvicorn can't be imported, stands for a place where there is none.
    (shell.folder / "uvicorn.py").write_text("raise ModuleNotFoundError('no', name='uvicorn')\n", encoding="utf-8")
    root = str(Path(__file__).parents[2])
    done = shell.run("serve", environment={"PYTHONPATH": f"{shell.folder}{os.pathsep}{root}"})
    assert done.code == 2
    assert done.err.strip().endswith("Run: pip install 'identity-harness[server]'")
    assert "Traceback" not in done.err


def test_help_tells_the_kinds_of_faults(shell: Shell) -> None:
    done = shell.run("serve", "--help")
    assert done.code == 0
    for word in ("drop-before", "X-Harness-Fail", "--store", "--property", "ROUTES.md"):
        assert word in done.out


def test_events_by_the_documented_five_days_window_use_the_clock_of_the_server() -> None:
    with serving("--now", "2020-01-01T00:00:00Z") as (url, _):
        old = event(time=1_577_836_800 - 6 * 86_400)
        assert post(url, "/track", [old]).body == b"0"
        assert post(url, "/track", [event(time=1_577_836_800 - 60)]).body == b"1"
