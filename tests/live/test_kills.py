"""Killed with SIGKILL at random moments, against a server with faults: everything arrives, and counts once.

The same in full, with the waits and batches of a real send, is `python -m tests.benchmarks send_kills`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.live.killing import check, history, kill_again_and_again, served

FAULTS = "429:0.1,502:0.05,drop:0.05,slow:0.05s:0.1"


def test_twelve_kills_lose_nothing_count_nothing_twice_and_change_no_user(tmp_path: Path) -> None:
    raw = history(4_000, users=120, seed=1)
    file = tmp_path / "events.jsonl"
    file.write_bytes(raw)
    with served("--fail", FAULTS, "--seed", "3") as url:
        command = [
            sys.executable, "-m", "tests.live.quick_send", "40", "send", str(file), "--to", url,
            "--id-merge", "original", "--live", "--yes", "--project", "7", "--journal", str(tmp_path / "journal"),
        ]  # fmt: skip
        killed = kill_again_and_again(command, url, tmp_path / "journal", rows=4_000, kills=12, seed=5)
        seen = check(url, raw, "original")
    assert killed.kills >= 8
    assert seen["accepted"] == 4_000
    assert seen["duplicate"] > 0, "no answer was lost, so nothing was tried"
