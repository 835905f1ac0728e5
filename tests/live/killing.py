"""Kills a send again and again while a server with faults takes what it can, and looks at what came out.

Used small by the tests and in full by a benchmark.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from harness.event import IdMerge
from harness.live.journal import status_of
from harness.problems import InputError
from harness.scenario.stream import read_stream, resolve_stream

ROOT = Path(__file__).parents[2]
TOKEN = "token-of-the-kill-test"
_DEAD_S = 300
_FAR_AHEAD = 3
_SHARE = 0.9
"""Of the file, that is sent between kills; the last start sends the rest."""


@dataclass(frozen=True)
class Killed:
    """What killing came to: kills, how many before that start had sent anything, starts in all, seconds."""

    kills: int
    before_any_row: int
    starts: int
    seconds: float


def history(events: int, users: int, seed: int = 0) -> bytes:
    """Return a file in original: visits before login, logins, visits after, of people whose events are interleaved.

    Every tenth event lacks an `$insert_id`. Each device logs in once, so that nothing is refused.
    """
    lots = Random(seed)
    logged_in: set[int] = set()
    rows = []
    for at in range(events):
        user = lots.randrange(users)
        device = f"{user:08x}-0000-4000-8000-{lots.randrange(3):012x}"
        properties: dict[str, Any] = {"time": 1_790_000_000 + at, "n": at, "page": "/shoes", "referrer": "example.com"}
        if at % 10:
            properties["$insert_id"] = f"row-{at}"
        key = user * 3 + int(device[-12:], 16)
        name = "Page View"
        if lots.random() < 0.2 and key not in logged_in:
            logged_in.add(key)
            name = "$identify"
            properties |= {"distinct_id": f"user-{user}", "$anon_distinct_id": device}
        elif key in logged_in and lots.random() < 0.5:
            properties["distinct_id"] = f"user-{user}"
        else:
            properties["distinct_id"] = device
        rows.append(json.dumps({"event": name, "properties": properties}))
    return "\n".join(rows).encode()


@contextmanager
def served(*options: str, id_merge: IdMerge = "original") -> Iterator[str]:
    """Run `harness serve` on a free port; yields its URL."""
    command = [sys.executable, "-m", "harness", "serve", "--port", "0", "--id-merge", id_merge, *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.removeprefix("listening on ").strip()
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if server.stdout is not None:
            server.stdout.close()


def asked(url: str, path: str) -> Any:
    """Return what a route of the server says."""
    with urllib.request.urlopen(f"{url}/harness/{path}", timeout=60) as response:
        return json.load(response)


def kill_again_and_again(
    command: Sequence[str], url: str, journal: Path, rows: int, kills: int, seed: int = 0
) -> Killed:
    """Start a send, kill it at a random moment, and so on; the last start is left to end by itself.

    Where the send is behind the kills, the moment is any in the tenth of a second after the journal of this start moved
    on. Where it is ahead, it is as soon as rows have arrived, or any in the first second of the process. So kills are
    spread over the whole file, and over all that a send does.
    """
    lots = Random(seed)
    environment = {**os.environ, "MIXPANEL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = early = starts = 0
    while done < kills:
        starts += 1
        arrived = asked(url, "health")["events"]
        sent = _sent(journal)
        pace = _SHARE * rows / kills
        is_ahead = sent > pace * done
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            if not is_ahead:
                _wait_until(partial(_has_moved_on, journal, sent), process)
                time.sleep(lots.random() / 10)
            elif sent > pace * (done + _FAR_AHEAD) or lots.random() < 0.4:
                time.sleep(lots.random())
            else:
                _wait_until(partial(_has_arrived, url, arrived), process)
            if process.poll() is not None:
                break
        finally:
            process.kill()
            _, said = process.communicate()
        assert b"Traceback" not in said, said.decode()
        done += 1
        early += asked(url, "health")["events"] == arrived
    last = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_DEAD_S, check=False)
    assert last.returncode == 0, last.stderr
    return Killed(done, early, starts + 1, time.monotonic() - began)


def _sent(journal: Path) -> int:
    try:
        return int(status_of(journal)["sent"])
    except InputError:
        return 0


def _has_moved_on(journal: Path, sent: int) -> bool:
    return _sent(journal) > sent


def _has_arrived(url: str, events: int) -> bool:
    return bool(asked(url, "health")["events"] > events)


def _wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _DEAD_S
    while process.poll() is None and time.monotonic() < until and not holds():
        time.sleep(0.005)


def check(url: str, raw: bytes, id_merge: IdMerge) -> Counter[str]:
    """Check that every event of a file is stored, counts once, and is the predicted user's; return what was counted."""
    lines = read_stream(raw)
    seen: Counter[str] = Counter()
    counted: Counter[int] = Counter()
    insert_ids: dict[int, set[str]] = {}
    since = 0
    while True:
        page = asked(url, f"events?since={since}&limit=5000")
        for one in page["events"]:
            number = one["properties"]["n"]
            insert_ids.setdefault(number, set()).add(one["properties"]["$insert_id"])
            seen[one["status"]] += 1
            counted[number] += one["status"] == "accepted"
        since = page["next"]
        if since >= page["total"]:
            break
    assert sorted(counted) == list(range(len(lines))), "an event is missing"
    assert set(counted.values()) == {1}, "an event counts twice, or not at all"
    assert all(len(ids) == 1 for ids in insert_ids.values()), "an event was sent under two insert ids"
    predicted = resolve_stream(lines, id_merge, now_ms=time.time_ns() // 1_000_000, strict=False).project
    expected = sorted(list(cluster.ids) for cluster in predicted.model.clusters())
    actual = sorted(asked(url, "clusters")["clusters"])
    assert actual == expected, "identity is not the predicted one"
    assert seen["rejected"] == 0
    return seen
