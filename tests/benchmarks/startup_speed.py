"""How long `harness --version` takes, in times of a Python that starts and imports argparse."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.benchmarks.rows import Row, timed, times_as_long

RUNS: Final = 21


def measure() -> list[Row]:
    """Run both commands in turns and compare the medians; no row where the command is not installed."""
    beside_python = Path(sys.executable).parent
    command = shutil.which("harness", path=str(beside_python)) or shutil.which("harness")
    if command is None or not _works([command, "--version"]):
        print("startup_speed: no working `harness` command here, skipped", file=sys.stderr)
        return []
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        ours.append(timed(lambda: _run([command, "--version"])))
        theirs.append(timed(lambda: _run([sys.executable, "-c", "import argparse"])))
    peer = 'python -c "import argparse"'
    return [times_as_long("harness --version", statistics.median(ours), peer, statistics.median(theirs), at_most=4)]


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True)
