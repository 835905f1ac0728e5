"""How many events a second a send proves and delivers to `harness serve` on this machine, and how its memory grows.

The peer is the least that anybody could do: a loop that posts the lines of the same file, unread and unproven, in
gzipped batches of 2,000 over one connection.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from itertools import islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import requests

from tests.benchmarks.rows import Row
from tests.live.killing import ROOT, TOKEN, served

EVENTS: Final = 200_000
USERS: Final = 20_000
RUNS: Final = 2


def measure() -> list[Row]:
    """Send a file with and without us, and files of two sizes with as many users."""
    with tempfile.TemporaryDirectory() as name, served(id_merge="simplified") as url:
        folder = Path(name)
        file, large = folder / "events.jsonl", folder / "large.jsonl"
        _write(file, EVENTS // 5)
        _write(large, EVENTS)
        theirs = max(_posted(large, url) for _ in range(RUNS))
        ours, large_mb = max(_sent(large, url, EVENTS) for _ in range(RUNS))
        _, small_mb = _sent(file, url, EVENTS // 5)
    rate = Row(
        f"send {EVENTS:,} events of a JSONL file to harness serve, start and proof included",
        f"{ours:,.0f} events/s", "posting its lines unread", f"{theirs:,.0f} events/s", ours / theirs,
        "20,000 events/s", ours >= 20_000,
    )  # fmt: skip
    growth = large_mb / small_mb
    memory = Row(
        f"memory of a send of {EVENTS:,} events ({USERS:,} users)",
        f"{large_mb:.0f} MB", f"a fifth of them ({USERS:,} users)", f"{small_mb:.0f} MB", growth,
        "<= 1.15", growth <= 1.15,
    )  # fmt: skip
    return [rate, memory]


def _write(path: Path, events: int) -> None:
    lots = Random(0)
    with path.open("w") as file:
        for at in range(events):
            user = at if at < USERS else lots.randrange(USERS)
            properties = {
                "time": 1_790_000_000 + at, "$insert_id": f"row-{at}", "distinct_id": f"user{user}@example.com",
                "$device_id": f"{user:032d}", "$user_id": f"user{user}@example.com", "page": "/products/shoes",
                "referrer": "https://www.example.com/a/long/path?x=1", "$os": "Linux", "$browser": "Chrome",
                "price": 12.5, "title": "A page whose title is long enough for an event of the usual size",
            }  # fmt: skip
            file.write(json.dumps({"event": "Page View", "properties": properties}) + "\n")


def _reset(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{url}/harness/reset", method="POST")).close()


def _posted(path: Path, url: str) -> float:
    _reset(url)
    header = {"Authorization": "Basic " + b64encode(f"{TOKEN}:".encode()).decode(), "Content-Encoding": "gzip"}
    count, start = 0, perf_counter()
    with requests.Session() as session, path.open("rb") as file:
        while rows := list(islice(file, 2_000)):
            answer = session.post(f"{url}/import?strict=1", data=gzip.compress(b"".join(rows), 1), headers=header)
            assert answer.status_code == 200, answer.text
            count += len(rows)
    return count / (perf_counter() - start)


def _sent(path: Path, url: str, events: int) -> tuple[float, float]:
    """Return events a second, and the most memory of the command in MB, its helpers not counted (Linux)."""
    _reset(url)
    path.with_name(path.name + ".journal").unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "tests.benchmarks.send_speed", "send", str(path), "--to", url, "--id-merge", "simplified",
        "--live", "--yes", "--project", "7", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "MIXPANEL_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    start = perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    duration_s = perf_counter() - start
    assert json.loads(done.stdout)["sent"] == events, done.stdout
    return events / duration_s, float(done.stderr.split()[-1])


if __name__ == "__main__":
    from harness.cli import main

    try:
        main()
    finally:
        # Not `ru_maxrss`: that begins with what the process had before it became another program.
        most_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
        print(int(most_kb[1]) / 1024 if most_kb else 0, file=sys.stderr)
