"""Whoever does not use the plugin does not pay for it."""

from __future__ import annotations

import subprocess
import sys


def test_loading_the_plugin_imports_nothing_of_the_harness_but_itself() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before})); "
        "print(*sorted(name for name in sys.modules if name.startswith('harness')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    fresh, own = (line.split() for line in done.stdout.splitlines())
    assert own == ["harness", "harness.pytest_plugin"]
    assert {"click", "hypothesis", "networkx", "requests", "tabulate", "yaml"}.isdisjoint(fresh)
