"""A whole migration against the public Node import tool on the same file.

The peer is `mixpanel-import` from npm in its newest release there, 3.1.43, writing to a file, offline. That release has
no identity replay: its `v2_compat` reads each event, checks and rewrites it by itself, and writes it. That is the least
a replay in that tool can cost, so the ratio is a lower bound. Ours reads the history twice, follows the clusters,
writes the new events, and replays what was written as proof. Both are measured as processes, start-up included.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.benchmarks.rows import Row, timed, times_as_fast

EVENTS: Final = 1_000_000
PACKAGE: Final = "mixpanel-import@3.1.43"
MODULES: Final = "HARNESS_MIXPANEL_IMPORT"
"""Environment variable that names a `node_modules` folder with the peer in it; without it npm installs one."""

_ROUTE: Final = ("--from", "original", "--to", "simplified", "--user-id", "^user-", "--out")
_SCRIPT: Final = """
const load = require(process.argv[1] + '/mixpanel-import');
const options = {recordType: 'event', streamFormat: 'jsonl', writeToFile: true, outputFilePath: process.argv[3],
  v2_compat: true, verbose: false, showProgress: false, logs: false};
load({token: 'none'}, process.argv[2], options).then(() => process.exit(0));
"""


def measure() -> list[Row]:
    """Migrate with both; ours once before, for its loops are compiled on first use."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return []
    with TemporaryDirectory() as name:
        folder = Path(name)
        modules = _modules(folder)
        if modules is None:
            return []
        history, small = folder / "history.jsonl", folder / "small.jsonl"
        _harness("generate", history, "--events", str(EVENTS))
        _harness("generate", small, "--events", "1000")
        _harness("migrate", small, *_ROUTE, folder / "warm")
        theirs = _spent(lambda: _peer(modules, history, folder / "peer.jsonl"))
        ours = _spent(lambda: _harness("migrate", history, *_ROUTE, folder / "ours"))
        assert _lines(folder / "peer.jsonl") > 0.9 * EVENTS
        assert sum(_lines(part) for part in (folder / "ours").glob("part-*")) > 0.9 * EVENTS
    what = f"migrate: {EVENTS:,} events, read, rewritten, proven"
    peer = "mixpanel-import: read, written, no replay"
    return [
        times_as_fast(what, ours[0], peer, theirs[0], at_least=3),
        times_as_fast("the same, in time of all processors", ours[1], peer, theirs[1]),
    ]


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a child process takes: on the clock, and of all processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock_s = timed(work)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _modules(folder: Path) -> Path | None:
    """Return the folder with the peer; None where it can't be had."""
    chosen = os.environ.get(MODULES)
    if chosen:
        return Path(chosen)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), PACKAGE]
    done = subprocess.run(install, capture_output=True, timeout=600, check=False)
    if done.returncode:
        print(f"{PACKAGE} can't be installed: {done.stderr.decode()[-300:]}", file=sys.stderr)
        return None
    return folder / "node_modules"


def _peer(modules: Path, history: Path, out: Path) -> None:
    command = ["node", "-e", _SCRIPT, str(modules), str(history), str(out)]
    subprocess.run(command, capture_output=True, timeout=900, check=True)


def _harness(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    subprocess.run(command, capture_output=True, timeout=900, check=True)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
