"""How much of a fuzz run is our own code: playing flows and judging them, beside Hypothesis choosing them."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Final

from harness.event import IdMerge
from harness.fuzz.bench import Bench
from harness.fuzz.configure import property_bench, twin_bench
from harness.fuzz.flow import Action, Flow
from harness.fuzz.machine import FlowMachine
from harness.fuzz.search import Search
from harness.ingestion.settings import ProjectSettings
from tests.benchmarks.rows import Row, seconds

EXAMPLES: Final = 1_000
MOST: Final = 0.4
_PROPERTIES: Final = Path(__file__).parents[2] / "scenarios" / "properties"


def measure() -> list[Row]:
    """Return a row for each kind of sender and system, against 40% of the run."""
    plain = ProjectSettings()
    benches = [
        ("browser twin, simplified", twin_bench("browser", "simplified", plain, frozenset()).bench),
        ("browser twin, original", twin_bench("browser", "original", plain, frozenset()).bench),
        ("property, simplified", _property("retail.yaml", "simplified")),
        ("property, original", _property("retail-original-uuid.yaml", "original")),
    ]
    return [_row(what, bench) for what, bench in benches]


def _property(name: str, id_merge: IdMerge) -> Bench:
    return property_bench(_PROPERTIES / name, None, id_merge, ProjectSettings(), frozenset()).bench


def _row(what: str, bench: Bench) -> Row:
    Search(bench).run(examples=50, seed=1)
    search = _Timed(bench)
    wish = FlowMachine.wish

    def timed_wish(machine: FlowMachine, action: Action) -> None:
        start = perf_counter()
        wish(machine, action)
        search.own_s += perf_counter() - start

    FlowMachine.wish = timed_wish  # type: ignore[method-assign, assignment]
    try:
        start = perf_counter()
        search.run(examples=EXAMPLES, seed=0)
        whole_s = perf_counter() - start
    finally:
        FlowMachine.wish = wish  # type: ignore[method-assign]
    share = search.own_s / whole_s
    label = f"fuzz, {EXAMPLES:,} flows: {what}"
    return Row(label, seconds(search.own_s), "the whole run", seconds(whole_s), share, f"<= {MOST:g}", share <= MOST)


class _Timed(Search):
    """A search that knows how long its own code took, in seconds."""

    own_s = 0.0

    def _judge(self, flow: Flow) -> None:
        start = perf_counter()
        try:
            super()._judge(flow)
        finally:
            self.own_s += perf_counter() - start
