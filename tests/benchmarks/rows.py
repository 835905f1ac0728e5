"""What a benchmark hands back: our figure beside that of a peer that was measured in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import NamedTuple

from tabulate import tabulate


class Row(NamedTuple):
    """One comparison.

    Attributes:
        what: what was done.
        ours: how long, or how much a second, ours was.
        peer: who else did the same.
        theirs: the peer's figure.
        ratio: how they compare, `ratio_means` says in which direction.
        target: what the ratio should be, for example `>= 1`; "" where there is no target.
        held: whether the target held; None where there is none.
    """

    what: str
    ours: str
    peer: str
    theirs: str
    ratio: float
    target: str = ""
    held: bool | None = None


def times_as_fast(what: str, ours_s: float, peer: str, theirs_s: float, at_least: float | None = None) -> Row:
    """Compare two durations: the ratio says how many times as fast as the peer ours is."""
    ratio = theirs_s / ours_s
    target = "" if at_least is None else f">= {at_least:g}"
    held = None if at_least is None else ratio >= at_least
    return Row(what, seconds(ours_s), peer, seconds(theirs_s), ratio, target, held)


def times_as_long(what: str, ours_s: float, peer: str, theirs_s: float, at_most: float) -> Row:
    """Compare two durations: the ratio says how many times as long as the peer ours takes."""
    ratio = ours_s / theirs_s
    return Row(what, seconds(ours_s), peer, seconds(theirs_s), ratio, f"<= {at_most:g}", ratio <= at_most)


def seconds(duration_s: float) -> str:
    """Write a duration for people."""
    return f"{duration_s:.2f} s" if duration_s >= 1 else f"{duration_s * 1000:.1f} ms"


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes; what it makes is thrown away outside of the time."""
    start = perf_counter()
    made = work()
    duration_s = perf_counter() - start
    del made
    return duration_s


def table(rows: Iterable[Row]) -> str:
    """Lay out all rows as one table."""
    marks = {True: "held", False: "MISSED", None: ""}
    cells = [
        (row.what, row.ours, row.peer, row.theirs, f"{row.ratio:.2f}", row.target, marks[row.held]) for row in rows
    ]
    return tabulate(
        cells,
        headers=("benchmark", "ours", "peer", "theirs", "ratio", "target", ""),
        disable_numparse=True,
        colalign=("left", "right", "left", "right", "right", "right", "left"),
    )
