"""Which part of a history an id belongs to: components packed into parts of bounded size, so that no task gets too
much.

Small components, and ids that nothing ties to another, are spread by their number; that needs no table. Components with
many events are counted out: they are packed into parts of their own, largest first, each where there is room. One that
is larger than a part has one for itself: a cluster of ids can't be torn apart, for each decision may depend on the one
before. It is replayed event by event as it streams in, so it costs time, but no more memory than its ids do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame, SparkSession

    from harness.history.records import Longs

PART_EVENTS: Final = 2_000_000
"""About so many events are one part."""

LOOKUP_NODES: Final = 16_000_000
"""So many tied ids are handed to every machine as a table; more are joined by Spark, in a second shuffle."""

_FEWEST_PARTS_A_CORE: Final = 2


class Heavy(NamedTuple):
    """A component with many events: its smallest node, and how many."""

    root: int
    events: int


@dataclass(frozen=True, slots=True)
class Packing:
    """How components are packed.

    Attributes:
        spread: so many parts, the first ones, take whatever is spread by number.
        parts: how many there are in all.
        heavy: the part of each component that was packed, by its smallest node.
    """

    spread: int
    parts: int
    heavy: Mapping[int, int]

    def of(self, roots: Longs) -> NDArray[np.int32]:
        """Return the parts of components by their smallest nodes."""
        found = spread(roots, self.spread)
        if self.heavy:
            known = np.array(sorted(self.heavy), np.int64)
            parts = np.array([self.heavy[int(root)] for root in known], np.int32)
            places = np.minimum(np.searchsorted(known, roots), len(known) - 1)
            found = np.where(known[places] == roots, parts[places], found).astype(np.int32)
        return found


def packed(events: int, cores: int, heavy: Sequence[Heavy], part_events: int = PART_EVENTS) -> Packing:
    """Return how to pack a history.

    Args:
        events: how many events it has in all.
        cores: how many tasks run at once.
        heavy: the components with more than `heavy_from` events.
        part_events: about so many events are one part.
    """
    rest = max(0, events - sum(one.events for one in heavy))
    count = max(1, min(cores * _FEWEST_PARTS_A_CORE, events // 1000 + 1), -(-rest // part_events))
    loads: list[int] = []
    found: dict[int, int] = {}
    for one in sorted(heavy, key=lambda one: (-one.events, one.root)):
        place = next((at for at, load in enumerate(loads) if load + one.events <= part_events), len(loads))
        if place == len(loads):
            loads.append(0)
        loads[place] += one.events
        found[one.root] = count + place
    return Packing(count, count + len(loads), found)


def heavy_from(events: int, cores: int, part_events: int = PART_EVENTS) -> int:
    """Return from how many events on a component is packed: half of what a part of this history has."""
    return max(1000, min(part_events, events // max(1, cores * _FEWEST_PARTS_A_CORE)) // 2)


def spread(nodes: Longs, parts: int) -> NDArray[np.int32]:
    """Return the part of nodes that are spread by their number alone."""
    return ((nodes.view(np.uint64) >> np.uint64(1)) % np.uint64(parts)).astype(np.int32)


def spread_column(node: Column, parts: int) -> Column:
    """Return `spread` as Spark computes it."""
    from pyspark.sql import functions as f

    return f.pmod(f.shiftrightunsigned(node, 1), f.lit(parts)).cast("int")


class Lookup:
    """The parts of tied ids as a table on disk that all tasks of a machine share.

    Args:
        nodes: a file of int64, ascending.
        parts: a file of int32, beside them.
        spread: how many parts take the rest.
    """

    def __init__(self, nodes: Path, parts: Path, spread: int) -> None:
        self._nodes = np.load(nodes, mmap_mode="r")
        self._parts = np.load(parts, mmap_mode="r")
        self._spread = spread

    def of(self, nodes: Longs) -> NDArray[np.int32]:
        """Return the parts of some nodes."""
        found = spread(nodes, self._spread)
        if len(self._nodes):
            places = np.minimum(np.searchsorted(self._nodes, nodes), len(self._nodes) - 1)
            found = np.where(self._nodes[places] == nodes, self._parts[places], found).astype(np.int32)
        return found


def placed(session: SparkSession, parts: int) -> NDArray[np.int32]:
    """Return a number for each part that Spark's hash partitioning sends to the partition of the part's number.

    Without them two parts would meet in one partition and another partition stay empty.
    """
    from pyspark.sql import functions as f

    wanted = np.full(parts, -1, np.int32)
    first, step = 0, max(64, parts * 16)
    while (wanted < 0).any():
        numbers = session.range(first, first + step).select(f.col("id").cast("int").alias("number"))
        for number, part in numbers.select("number", f.pmod(f.hash("number"), f.lit(parts))).collect():
            if wanted[part] < 0:
                wanted[part] = number
        first += step
    return wanted


def heavy_components(counted: DataFrame, labels: DataFrame, least: int) -> list[Heavy]:
    """Return the components with at least so many events.

    Args:
        counted: columns `node`, `root`, `events`, as slices count them.
        labels: columns `node`, `root`, as `spark_components` makes them.
        least: how many events make a component heavy.
    """
    from pyspark.sql import functions as f

    found = labels.withColumnRenamed("root", "smallest")
    sums = (
        counted.join(found, "node", "left")
        .groupBy(f.coalesce("smallest", "node").alias("root"))
        .agg(f.sum("events").alias("events"))
        .where(f.col("events") >= least)
    )
    return [Heavy(root, events) for root, events in sums.collect()]
