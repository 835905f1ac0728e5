"""Funnels on Spark: counted in parts that hold all events of a user, or all events of a person, and added up."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from harness.history.funnel import Funnel, FunnelEvents, FunnelOrder
from harness.history.records import ABSENT
from harness.history.spark_edges import Nodes
from harness.history.spark_parts import spread
from harness.history.spark_rows import Dictionaries, batch_of, rows_of
from harness.history.spark_scan import ROWS_AT_ONCE, Spread
from harness.problems import did_you_mean

_MOST_NAMES: Final = 200

COUNTED_DDL: Final = "counted binary"


class PartFunnel(NamedTuple):
    """What a part says about a funnel.

    Attributes:
        funnel: how far the users of the part came.
        missing: the steps that no event of the part is.
        names: some event names of the part.
    """

    funnel: Funnel
    missing: tuple[str, ...]
    names: tuple[str, ...]


def part_funnel(kept: FunnelEvents, known: Dictionaries, funnel: Funnel) -> PartFunnel:
    """Return what a part says, once everything of it was added."""
    count = min(len(known.names), _MOST_NAMES)
    return PartFunnel(funnel, kept.missing(), tuple(known.names.text(code) for code in range(3, count)))


def whole_funnel(order: FunnelOrder, parts: Sequence[PartFunnel]) -> Funnel:
    """Return the funnel of all parts."""
    users = [sum(part.funnel.users[step] for part in parts) for step in range(len(order.steps))]
    return Funnel(tuple(users), sum(part.funnel.across for part in parts))


def missing_steps(order: FunnelOrder, parts: Sequence[PartFunnel]) -> tuple[str, ...]:
    """Return a sentence for each step that no event of the history is."""
    names = sorted({name for part in parts for name in part.names} - set(order.steps))[:_MOST_NAMES]
    steps = [step for step in dict.fromkeys(order.steps) if all(step in part.missing for part in parts)]
    return tuple(f"No event is named {step!r}. {did_you_mean(step, names)}" for step in steps)


@dataclass(frozen=True, slots=True)
class ByPerson:
    """Sends the events of a funnel to parts by the person who did them, to be sent to tasks.

    Attributes:
        spread: how slices are read.
        steps: the names of the events that are wanted.
    """

    spread: Spread
    steps: tuple[str, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `ROWS` for slices that come pickled in a column."""
        for piece, reader, events in self.spread.opened(batches):
            known = Dictionaries(reader.ids, reader.names, reader.people)
            wanted = known.names.codes(self.steps)
            numbers = Nodes(reader.people, one_form=False)
            for batch in events:
                parts = self.spread.placed[spread(numbers.of(batch.truth), len(self.spread.placed))]
                index = self.spread.index_of(piece, batch)
                chosen = np.flatnonzero(np.isin(batch.name, wanted) & (batch.truth != ABSENT))
                for at in range(0, len(chosen), ROWS_AT_ONCE):
                    yield rows_of(batch, known, parts, index, chosen[at : at + ROWS_AT_ONCE])


@dataclass(frozen=True, slots=True)
class FunnelOfPeople:
    """Counts how far people came, to be sent to tasks."""

    order: FunnelOrder

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one row with the counts of a partition."""
        known = Dictionaries()
        kept = FunnelEvents(self.order, known.names, truth=True)
        taken = 0
        for rows in batches:
            batch = batch_of(rows, known, taken)
            kept.add(batch, [])
            taken += batch.size
        yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(kept.of_people())], pa.binary())], ["counted"])
