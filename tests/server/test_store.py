"""The store: nothing that was answered is lost, whenever the process dies; what is no store is told in a sentence."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.problems import InputError, OutsideError
from harness.server.background import RunningServer, running_server
from harness.server.serving import LocalServer, ServerOptions
from tests.server.client import NOW_MS, PROPERTY, basic, event, get, post

STATE = ("users", "clusters", "events", "decisions", "rejected", "profiles")


def state(server: RunningServer) -> dict[str, Any]:
    """Return everything that a session shows, but how often it was reset."""
    return {name: {**server.get(name), "resets": 0} for name in STATE}


def test_everything_is_the_same_after_opening_again(tmp_path: Path) -> None:
    options = ServerOptions(now_ms=NOW_MS, store=tmp_path / "s.db", token="t", secret="s", events_per_second=1)
    with running_server(options) as server:
        rows = [event(S_device_id="d"), event(S_device_id="d", S_user_id="u", S_insert_id="2"), event(time="x")]
        post(server.url, "/import?strict=1", rows, authorization=basic("s"))
        post(server.url, "/track?ip=1", [event(token="other"), event(distinct_id=...)])
        post(server.url, "/engage", [{"$token": "t", "$distinct_id": "u", "$add": {"n": 1}}])
        post(server.url, "/import", [event()] * 99, authorization=basic("no"))
        assert post(server.url, "/import", [event()] * 99, authorization=basic("s")).status == 429
        server.post("clock", {"advance": "1h"})
        post(server.url, "/track", [event(time=...)])
        opened = server.post("sessions", {"token": "one", "id_merge": "original", "settings": {"cluster_limit": 3}})
        session = RunningServer(server.url, opened["token"])
        session.post("clock", {"now": "2026-03-01T00:00:00Z"})
        post(server.url, "/track", [event(token="one", time=...)])
        before = state(server), state(session), session.get("health")
        session.close()
    with running_server(options) as server:
        session = RunningServer(server.url, "one")
        assert (state(server), state(session), session.get("health")) == before
        server.reset()
        session.close()
    with running_server(options) as server:
        assert server.events() == []
        session = RunningServer(server.url, "one")
        assert len(session.events()) == 1
        server._ask("DELETE", "sessions/one", {})
        session.close()
    with running_server(options) as server:
        assert len(server.get("sessions")["sessions"]) == 1


def test_calls_by_edge_are_kept_for_a_recorded_scenario(tmp_path: Path) -> None:
    options = ServerOptions(now_ms=NOW_MS, store=tmp_path / "s.db", property_path=property_file(tmp_path))
    with running_server(options) as server:
        post(server.url, "/edge", {"event": {"xdm": {"eventType": "view"}}})
        before = scenario_of(server)
    with running_server(options) as server:
        assert scenario_of(server) == before
        assert b"- edge:" in before


def property_file(folder: Path) -> Path:
    path = folder / "property.yaml"
    path.write_text(PROPERTY, encoding="utf-8")
    return path


def scenario_of(server: RunningServer) -> bytes:
    return get(server.url, "/harness/scenario").body


def start(store: Path) -> tuple[subprocess.Popen[str], str]:
    """Start `harness serve` in a process of its own; return it and its address."""
    command = [sys.executable, "-m", "harness", "serve", "--port", "0", "--store", str(store)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on "), line
    return process, line.removeprefix("listening on ").strip()


def test_no_answered_event_is_lost_by_kill_9(tmp_path: Path) -> None:
    chance = random.Random(5)
    answered: set[str] = set()
    sent = 0
    for _ in range(3):
        process, url = start(tmp_path / "s.db")
        wait_s = chance.uniform(0.05, 0.35)
        killer = threading.Timer(wait_s, os.kill, [process.pid, signal.SIGKILL])
        killer.start()
        alive = True
        while alive:
            name = f"e{sent}"
            sent += 1
            try:
                if post(url, "/track", [event(name, time=...)]).body == b"1":
                    answered.add(name)
            except OSError:
                alive = False
        killer.join()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
    assert len(answered) > 10
    with running_server(ServerOptions(store=tmp_path / "s.db")) as server:
        kept = [row["event"] for row in server.events()]
        assert answered <= set(kept)
        # The one that was being answered when the process died may be there as well.
        assert len(kept) == len(set(kept)) <= len(answered) + 3


def refused(store: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        LocalServer(ServerOptions(store=store, **options), lambda _: None)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_another_system_or_token_is_refused(tmp_path: Path) -> None:
    with running_server(ServerOptions(store=tmp_path / "s.db", token="t")):
        pass
    assert "id_merge simplified, not original" in refused(tmp_path / "s.db", token="t", id_merge="original")
    assert "token t, not any" in refused(tmp_path / "s.db")


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough " * 40, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)
    assert "no store of harness serve" in refused(path)
    assert path.read_bytes() == content


def test_a_database_of_someone_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE entry (x)")
    other.close()
    before = path.read_bytes()
    assert "is no store of harness serve" in refused(path)
    assert path.read_bytes() == before


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with running_server(ServerOptions(store=path)) as server:
        for number in range(50):
            post(server.url, "/track", [event("a-name-to-be-damaged", plan="x" * 200, S_insert_id=str(number))])
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"a-name-to-be-damaged", b"a-name-to-be-DAMAGED", 1))
    assert "is damaged" in refused(path)
    path.write_bytes(raw[: len(raw) // 2])
    assert "is damaged" in refused(path)


def test_a_folder_or_a_missing_one_is_told(tmp_path: Path) -> None:
    assert "can't be opened" in refused(tmp_path)
    assert "can't be opened" in refused(tmp_path / "missing" / "s.db")


def test_one_file_belongs_to_one_process(tmp_path: Path) -> None:
    with (
        running_server(ServerOptions(store=tmp_path / "s.db")),
        pytest.raises(OutsideError, match="open in another process"),
    ):
        LocalServer(ServerOptions(store=tmp_path / "s.db"), lambda _: None)


def test_a_file_that_was_killed_while_it_was_made_is_begun_again(tmp_path: Path) -> None:
    empty = sqlite3.connect(tmp_path / "s.db")
    empty.execute("PRAGMA journal_mode = WAL")
    empty.close()
    with running_server(ServerOptions(store=tmp_path / "s.db")) as server:
        assert server.events() == []


def test_what_cant_be_written_is_not_answered_as_stored(
    serve: Callable[..., RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.server.store import Store, StoreError

    server = serve(store=tmp_path / "s.db")

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "keep", full)
    answer = post(server.url, "/track", [event()])
    assert answer.status == 503
    monkeypatch.undo()
    assert post(server.url, "/track", [event()]).body == b"1"


def test_no_credentials_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with running_server(ServerOptions(store=path, secret="very-secret")) as server:
        post(server.url, "/import", [event()], authorization=basic("very-secret"))
        post(server.url, "/import", [event()], authorization=basic("account", "pass-word"))
    raw = path.read_bytes()
    for secret in (b"very-secret", b"pass-word", basic("very-secret").encode()):
        assert secret not in raw
    assert path.stat().st_mode & 0o077 == 0


def test_opening_is_about_as_fast_as_importing(tmp_path: Path) -> None:
    options = ServerOptions(now_ms=NOW_MS, store=tmp_path / "s.db")
    with running_server(options) as server:
        begun = time.perf_counter()
        for batch in range(5):
            rows = [event(S_insert_id=f"{batch}-{number}") for number in range(2_000)]
            assert post(server.url, "/import", rows, authorization=basic("t")).status == 200
        imported_s = time.perf_counter() - begun
    begun = time.perf_counter()
    with running_server(options) as server:
        assert server.get("health")["events"] == 10_000
        assert time.perf_counter() - begun < 5 * imported_s + 5
