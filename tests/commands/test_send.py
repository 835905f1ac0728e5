"""`harness send` as its users call it: nothing leaves without --live, and with it only what was proven."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.ingestion.project import MixpanelProject
from harness.ingestion.wire import WireRequest, WireResponse
from tests.commands.shell import Done
from tests.live.loopback import Answerer, loopback, of_project, text

UUID = "13bbf794-3e58-4084-8885-c2531aaaaaaa"
SECRETS = {
    "MIXPANEL_TOKEN": "tok-SECRET-0123456789",
    "MIXPANEL_PROJECT_ID": "80771234",
    "MIXPANEL_SERVICE_ACCOUNT": "robot-SECRET.mp-service-account",
    "MIXPANEL_SERVICE_SECRET": "pass-SECRET-word/1",
}
LIVE = ("--live", "--yes", "--project", "80771234")


def line(name: str, **properties: Any) -> str:
    named = {key.replace("S_", "$"): value for key, value in properties.items()}
    return json.dumps({"event": name, "properties": {"time": 1_790_000_000, **named}})


GOOD = "\n".join(
    [
        line("Page", distinct_id=UUID),
        line("$identify", distinct_id="ana", S_anon_distinct_id=UUID),
        line("Buy", distinct_id="ana"),
    ]
)
BAD = GOOD + "\n" + line("$merge", S_distinct_ids=["ana", "ben"])
FLOW = """
name: login
id_merge: simplified
steps:
  - {event: Page, person: ana, properties: {$device_id: D1}}
  - {event: Login, person: ana, properties: {$device_id: D1, $user_id: ana}}
expect: {users: 1}
"""


@dataclass(frozen=True)
class Inside:
    """The command line in this process and in a folder of its own, which is quicker than a shell."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str | Path, stdin: str = "", environment: Mapping[str, str] | None = None) -> Done:
        with self.monkeypatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["harness", "send", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name in SECRETS:
                patch.delenv(name, raising=False)
            for name, value in (SECRETS if environment is None else environment).items():
                patch.setenv(name, value)
            self.capsys.readouterr()
            code = cli._run()
        gc.enable()
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        for value in SECRETS.values():
            assert value not in out + err
        return Done(code, out, err)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    folder = tmp_path / "work"
    folder.mkdir()
    return Inside(folder, monkeypatch, capsys)


@pytest.fixture
def events(shell: Inside) -> Path:
    path = shell.folder / "events.jsonl"
    path.write_text(GOOD)
    return path


def send(shell: Inside, *arguments: str | Path, stdin: str = "", environment: dict[str, str] | None = None) -> Done:
    return shell.run(*arguments, stdin=stdin, environment=environment)


def test_without_live_it_says_what_it_would_send(shell: Inside, events: Path) -> None:
    done = send(shell, events, "--to", "us", "--id-merge", "original", environment={})
    assert done.code == 0
    assert "would send 3 events" in done.out
    assert "api.mixpanel.com by /import" in done.out
    assert "nothing was sent; --live sends it" in done.out
    assert [path.name for path in shell.folder.iterdir()] == ["events.jsonl"]
    document = json.loads(send(shell, events, "--to", "eu", "--id-merge", "original", "--json").out)
    assert (document["would_send"], document["sent"], document["held"], document["live"]) == (3, 0, True, False)
    assert document["sha256"] in done.out


def test_without_live_no_socket_is_even_made(shell: Inside, events: Path) -> None:
    (shell.folder / "flow.yaml").write_text(FLOW)
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise SystemExit('a socket was made')\n"
        "socket.socket.__init__ = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from harness.cli import command_line\n"
        "command_line.main(sys.argv[1:], standalone_mode=False)\n"
        "assert 'requests' not in sys.modules and 'urllib3' not in sys.modules\n"
    )
    for file, system in (("events.jsonl", "original"), ("flow.yaml", "simplified")):
        done = subprocess.run(
            [sys.executable, "-c", code, "send", file, "--to", "us", "--id-merge", system],
            capture_output=True, text=True, cwd=shell.folder, check=False,
            env={**os.environ, **SECRETS, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        assert "would send" in done.stdout


def test_the_gate_refuses_with_1_and_names_the_line(shell: Inside) -> None:
    path = shell.folder / "events.jsonl"
    path.write_text(BAD)
    with loopback(lambda request: text(200, '{"code": 200}')) as server:
        done = send(shell, path, "--to", server.url, "--id-merge", "original", *LIVE)
        assert done.code == 1
        assert "line 4: $merge makes ana and ben one user for good; blast radius" in done.out
        assert server.requests == []
        assert [found.name for found in shell.folder.iterdir()] == ["events.jsonl"]
        document = json.loads(send(shell, path, "--to", server.url, "--id-merge", "original", *LIVE, "--json").out)
        assert document["held"] is False
        assert document["findings"][0]["line"] == 4
        allowed = send(
            shell, path, "--to", server.url, "--id-merge", "original", "--allow-join", "ana", "ben", "--json"
        )
        assert allowed.code == 0
        assert json.loads(allowed.out)["joins"][0]["users"] == ["ana", "ben"]


def test_what_was_proven_arrives_and_is_one_user(shell: Inside, events: Path) -> None:
    project = MixpanelProject("original")
    with loopback(of_project(project)) as server:
        done = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE, "--json")
        document = json.loads(done.out)
        assert done.code == 0
        assert (document["sent"], document["left"], document["failed"], document["error"]) == (3, 0, [], None)
        assert len(project.events) == 3
        assert len(project.users()) == 1
        again = json.loads(send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE, "--json").out)
        assert (again["would_send"], again["sent"], again["sent_in_all"]) == (0, 0, 3)
        assert len(server.requests) == 1
    status = send(shell, events, "--status")
    assert sorted(path.name for path in shell.folder.iterdir()) == ["events.jsonl", "events.jsonl.journal"]
    assert "finished" in status.out
    assert "3 of 3 events sent, 0 left" in status.out


def test_a_person_confirms_by_typing_the_project_id(shell: Inside, events: Path) -> None:
    with loopback(lambda request: text(200, '{"code": 200}')) as server:
        to = ("--to", server.url, "--id-merge", "original", "--live")
        refused = send(shell, events, *to, stdin="12\n")
        assert refused.code == 2
        assert "is not the project of MIXPANEL_PROJECT_ID" in refused.err
        nobody = send(shell, events, *to)
        assert nobody.code == 2
        assert "nobody confirmed" in nobody.err
        assert server.requests == []
        events.write_text(GOOD + "\n" + line("Buy", distinct_id="ana"))
        done = shell.run(events, *to, stdin="80771234\n", environment=SECRETS)
        assert done.code == 0
        assert "4 events go to" in done.err
        assert "original ID merge" in done.err
        assert len(server.requests) == 1


def test_track_is_a_route_too(shell: Inside) -> None:
    path = shell.folder / "events.jsonl"
    path.write_text(json.dumps({"event": "x", "properties": {"$user_id": "ana"}}))
    project = MixpanelProject("simplified")
    with loopback(of_project(project)) as server:
        done = send(shell, path, "--to", server.url, "--id-merge", "simplified", "--endpoint", "track", *LIVE)
        assert done.code == 0, done.err
        assert server.requests[0].path == "/track"
    assert project.events[0].event.properties["token"] == SECRETS["MIXPANEL_TOKEN"]
    assert project.events[0].time_ms == project.events[0].event.properties["time"] * 1000


def test_a_scenario_is_a_run_of_its_own(shell: Inside) -> None:
    path = shell.folder / "flow.yaml"
    path.write_text(FLOW)
    project = MixpanelProject("simplified")
    with loopback(of_project(project)) as server:
        for run in ("one", "two"):
            done = send(shell, path, "--to", server.url, *LIVE, "--run", run, "--json")
            assert done.code == 0, done.err
            assert json.loads(done.out)["run_id"] == run
        assert len(project.events) == 4
        assert project.users() == ["one_ana", "two_ana"]
        assert {event.event.properties["harness_run"] for event in project.events} == {"one", "two"}


def flaky(project: MixpanelProject, fails: int) -> Answerer:
    """Return what answers as a project, but for some requests, which it answers 500."""
    answer, count = of_project(project), 0

    def answered(request: WireRequest) -> WireResponse | None:
        nonlocal count
        count += 1
        return text(500, "out of order") if count <= fails else answer(request)

    return answered


def test_what_a_server_refuses_to_do_is_exit_code_3_and_the_same_command_goes_on(shell: Inside, events: Path) -> None:
    project = MixpanelProject("original")
    with loopback(flaky(project, 1)) as server:
        broken = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE, "--json")
        assert broken.code == 3
        assert json.loads(broken.out)["left"] == 3
        assert "answers 500: out of order" in broken.err
        assert "not finished" in send(shell, events, "--status").out
        done = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE)
        assert done.code == 0
    assert len(project.events) == 3


def test_rows_that_mixpanel_refuses_are_told_by_line_with_1(shell: Inside, events: Path) -> None:
    body = {"code": 400, "failed_records": [{"index": 1, "insert_id": "i", "field": "event", "message": "not here"}]}
    with loopback(lambda request: text(400, json.dumps(body))) as server:
        done = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE)
        assert done.code == 1
        assert "line 2: event: not here" in done.out
        again = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE, "--json")
        assert again.code == 1
        assert json.loads(again.out)["failed"][0]["line"] == 2
        assert len(server.requests) == 1


def test_a_finished_journal_says_nothing_about_another_project(shell: Inside, events: Path) -> None:
    with loopback(lambda request: text(200, '{"code": 200}')) as server:
        to = ("--to", server.url, "--id-merge", "original", "--live", "--yes", "--project")
        assert send(shell, events, *to, "80771234").code == 0
        other = send(shell, events, *to, "5551234", environment={**SECRETS, "MIXPANEL_PROJECT_ID": "5551234"})
    assert other.code == 2
    assert "belongs to another project" in other.err


def test_a_file_that_cant_be_read_leaves_no_journal(shell: Inside) -> None:
    assert send(shell, "nowhere.jsonl", "--to", "http://127.0.0.1:9", *LIVE).code == 2
    assert list(shell.folder.iterdir()) == []


def test_credentials_that_were_refused_can_be_mended(shell: Inside, events: Path) -> None:
    project = MixpanelProject("original", secret="right-token-1")
    with loopback(of_project(project)) as server:
        to = ("--to", server.url, "--id-merge", "original", *LIVE)
        wrong = send(shell, events, *to, environment={"MIXPANEL_TOKEN": "wrong-token-1"})
        assert wrong.code == 2
        assert "MIXPANEL_TOKEN: were refused" in wrong.err
        assert send(shell, events, *to, environment={"MIXPANEL_TOKEN": "right-token-1"}).code == 0
    assert len(project.events) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("file", "belongs to another file, or the file was changed since"),
        ("to", "sends to http://127.0.0.1"),
        ("project", "belongs to another project"),
        ("system", "was begun with another --id-merge"),
        ("run", "was begun with another --id-merge"),
    ],
)
def test_a_journal_of_another_errand_is_refused(shell: Inside, events: Path, change: str, says: str) -> None:
    with loopback(lambda request: text(500)) as server, loopback(lambda request: text(200, '{"code": 200}')) as other:
        assert send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE).code == 3
        environment = dict(SECRETS)
        arguments = ["--to", server.url, "--id-merge", "original", *LIVE]
        if change == "file":
            events.write_text(GOOD + "\n")
        elif change == "to":
            arguments[1] = other.url
        elif change == "project":
            environment["MIXPANEL_PROJECT_ID"] = arguments[-1] = "5551234"
        elif change == "system":
            arguments[3] = "legacy"
        else:
            arguments += ["--run", "another"]
        done = send(shell, events, *arguments, environment=environment)
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert says in done.err
        assert other.requests == []


def test_no_secret_is_anywhere(shell: Inside, events: Path) -> None:
    """Not in output, journal, or process list; whatever a server sends back."""

    def echo(request: WireRequest) -> WireResponse:
        seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout)
        told = f"{SECRETS} {dict(request.headers)} {request.query}"
        return text(
            400, json.dumps({"code": 400, "error": told, "failed_records": [told, {"index": 0, "message": told}]})
        )

    seen: list[str] = []
    journal = shell.folder / "journal"
    with loopback(echo) as server:
        own = [
            sys.executable,
            "-m",
            "harness",
            "send",
            str(events),
            "--to",
            server.url,
            "--id-merge",
            "original",
            *LIVE,
        ]
        environment = {**os.environ, **SECRETS, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(own, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        seen.append(done.stdout + done.stderr)
        for arguments in ((), ("--json",)):
            send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE, "--journal", journal, *arguments)
        send(shell, "--status", "--journal", journal, "--json")
    held = journal.read_bytes() + "".join(seen).replace("--project 80771234", "").encode()
    assert b"harness send" in held
    for name, value in SECRETS.items():
        assert value.encode() not in held, name


def test_ctrl_c_is_130_and_nothing_is_lost(shell: Inside, events: Path) -> None:
    import signal

    with loopback(lambda request: text(503, Retry_After="60")) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "send", str(events), "--to", server.url, "--id-merge", "original", *LIVE],
            env={**os.environ, **SECRETS, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 60
        while not server.requests and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "0 of 3 events sent; the same command goes on from there" in told
    assert "Traceback" not in told
    with loopback(of_project(MixpanelProject("original"))) as server:
        done = send(shell, events, "--to", server.url, "--id-merge", "original", *LIVE)
    assert done.code == 2  # another address is another errand


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        ((), {}, "EVENTS"),
        (("events.jsonl",), {}, "--to"),
        (("nowhere.jsonl", "--to", "us"), {}, "nowhere.jsonl: can't be read"),
        (("nowhere.yaml", "--to", "us"), {}, "nowhere.yaml: can't be read"),
        (("events.jsonl", "--to", "mars"), {}, "no region"),
        (("events.jsonl", "--to", "http://example.com", *LIVE), SECRETS, "plain text"),
        (("events.jsonl", "--to", "us", "--live"), {}, "MIXPANEL_SERVICE_ACCOUNT"),
        (("events.jsonl", "--to", "us", "--live", "--endpoint", "track"), {}, "MIXPANEL_TOKEN"),
        (("events.jsonl", "--to", "us", "--live", "--yes"), SECRETS, "needs --project"),
        (("-", "--to", "us", "--live"), SECRETS, "--journal"),
        (("-", "--to", "us", "--live", "--journal", "j"), SECRETS, "standard input holds the events"),
        (("events.jsonl", "--to", "us", "--run", "a b"), {}, "no run id"),
        (("events.jsonl", "--to", "us", "--known-user", "("), {}, "no regular expression"),
        (("events.jsonl", "--to", "us", "--allow-refused", "errManyID"), {}, "Did you mean 'errManyIDs'?"),
        (("events.jsonl", "--to", "us", "--force"), {}, "No such option"),
        (("events.jsonl", "--status"), {}, "is not there"),
        (("--status",), {}, "--journal"),
        (("events.jsonl", "--to", "eu", "--settings", "india.yaml"), {}, "the project lives in in"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(
    shell: Inside, events: Path, arguments: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    (shell.folder / "india.yaml").write_text("region: in\n")
    done = send(shell, *arguments, environment=environment)
    assert done.code == 2
    assert says in done.err
    assert not done.out


def test_standard_input_is_sent_with_a_journal_of_its_own(shell: Inside) -> None:
    project = MixpanelProject("original")
    with loopback(of_project(project)) as server:
        arguments = ("-", "--to", server.url, "--id-merge", "original", *LIVE, "--journal", "j")
        assert send(shell, *arguments, stdin=GOOD).code == 0
        assert "nothing is left" in send(shell, *arguments, stdin=GOOD).out
        assert "another file" in send(shell, *arguments, stdin=GOOD + "\n").err
    assert len(project.events) == 3
