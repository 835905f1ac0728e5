"""100 kills with SIGKILL over 100,000 events, against a server with faults: what arrived, and what counts.

The command is the one that people use, with its waits of seconds and its batches of 2,000. It takes ten minutes or so.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks.rows import Row, seconds
from tests.live.killing import check, history, kill_again_and_again, served

EVENTS: Final = 100_000
KILLS: Final = 100
FAULTS: Final = "429:0.1,502:0.05,drop:0.05,slow:0.5s:0.1"


def measure() -> list[Row]:
    """Kill, start again, and check that every event is stored, counts once, and is the predicted user's."""
    raw = history(EVENTS, users=4_000)
    with tempfile.TemporaryDirectory() as folder, served("--fail", FAULTS, "--seed", "1") as url:
        file = Path(folder) / "events.jsonl"
        file.write_bytes(raw)
        command = [
            sys.executable, "-m", "harness", "send", str(file), "--to", url, "--id-merge", "original",
            "--live", "--yes", "--project", "7", "--concurrency", "2",
        ]  # fmt: skip
        killed = kill_again_and_again(command, url, Path(f"{file}.journal"), rows=EVENTS, kills=KILLS)
        seen = check(url, raw, "original")
    early = f"{killed.before_any_row} of them before it sent a row"
    what = f"send of {EVENTS:,} events, killed {killed.kills} times, {early}"
    ours = f"{seen['accepted']:,} count once, {seen['duplicate']:,} came again, {seconds(killed.seconds)}"
    share = seen["accepted"] / EVENTS
    return [Row(what, ours, "the model's prediction", f"{EVENTS:,}, same users", share, "= 1", share == 1)]
