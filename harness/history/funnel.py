"""A funnel over a history: how many users did one event after the other, as a business sees it in a report.

Steps are event names in order. A user converts with events of all steps in the order of their times, the last one at
most a window after the first; the user is whoever the canonical distinct_id stands for. Two events of one name, user
and time count as one, as duplicates do; those of different names at one time may have come in either order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.history.dictionary import Dictionary
from harness.history.native import compiled
from harness.history.records import EMPTY, TIME_FAR, TIME_MISSING, EventBatch
from harness.problems import InputError, Problem

MOST_STEPS: Final = 20
_NEVER: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class FunnelOrder:
    """Which funnel.

    Attributes:
        steps: the event names, in order.
        window_ms: most milliseconds from the first step to the last; None: any.
    """

    steps: tuple[str, ...]
    window_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Funnel:
    """What came out.

    Attributes:
        users: for each step how many users came as far.
        across: how many users converted who would not have if each of their ids was a user of its own.
    """

    users: tuple[int, ...]
    across: int

    @property
    def rate(self) -> float:
        """The share of those who began that went to the end; 0 where nobody began."""
        return self.users[-1] / self.users[0] if self.users[0] else 0.0


def parse_funnel(text: str, window_ms: int | None) -> FunnelOrder:
    """Return a funnel from event names with commas between them.

    Raises:
        InputError: when there are fewer than two steps, or too many.
    """
    steps = tuple(step.strip() for step in text.split(","))
    if not 2 <= len(steps) <= MOST_STEPS or not all(steps):
        message = f"needs 2 to {MOST_STEPS} event names with commas between them, found {text[:80]!r}"
        raise InputError([Problem("", None, "--funnel", message, "For example 'Page View,Sign Up,Purchase'.")])
    return FunnelOrder(steps, window_ms)


class FunnelEvents:
    """Keeps the events of a funnel as they come.

    Args:
        order: the funnel.
        names: the dictionary of event names of the history.
        truth: whether the history says who really did what.
    """

    def __init__(self, order: FunnelOrder, names: Dictionary, *, truth: bool) -> None:
        self.order = order
        self._codes = names.codes(list(dict.fromkeys(order.steps)))
        self._truth = truth
        self._rows: list[NDArray[np.int64]] = []
        self._names: list[NDArray[np.uint8]] = []
        self._times: list[NDArray[np.int64]] = []
        self._people: list[NDArray[np.uint32]] = []
        self._stored: list[list[NDArray[np.uint32]]] = []

    def add(self, batch: EventBatch, stored: Sequence[NDArray[np.uint32]]) -> None:
        """Take a batch: for each system what every event is stored under, 0 where it is not stored."""
        step = np.zeros(len(self._codes) and int(max(self._codes.max(), batch.name.max(initial=0))) + 1, np.uint8)
        step[self._codes] = np.arange(1, len(self._codes) + 1, dtype=np.uint8)
        found = step[batch.name]
        usable = (batch.time_ms != TIME_MISSING) & (batch.time_ms != TIME_FAR)
        rows = np.flatnonzero((found != 0) & usable & (batch.form == 0))
        if not len(rows):
            return
        self._names.append(found[rows])
        self._times.append(batch.time_ms[rows])
        self._stored.append([codes[rows] for codes in stored])
        if self._truth:
            self._people.append(batch.truth[rows])

    def funnel(self, system: int, user_of: NDArray[np.uint32]) -> Funnel:
        """Return the funnel of one system.

        Args:
            system: its place among those that events were stored under.
            user_of: an entry a code: what all ids of one user have in common.
        """
        stored = self._column([parts[system] for parts in self._stored])
        users = self._counted(user_of[stored] if len(stored) else stored)
        alone = self._counted(stored)
        return Funnel(users, users[-1] - alone[-1])

    def missing(self) -> tuple[str, ...]:
        """Return the steps that no event of the history is."""
        seen = np.zeros(len(self._codes) + 1, np.bool_)
        for names in self._names:
            seen[names] = True
        steps = dict.fromkeys(self.order.steps)
        return tuple(step for place, step in enumerate(steps, start=1) if not seen[place])

    def of_people(self) -> tuple[int, ...]:
        """Return how many people, by the truth, came as far as each step."""
        return self._counted(np.where(self._column(self._people) == 0, 0, self._column(self._people) + EMPTY))

    def _column(self, parts: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
        return np.concatenate([np.empty(0, np.uint32), *parts])

    def _counted(self, user: NDArray[Any]) -> tuple[int, ...]:
        steps = len(self.order.steps)
        if not len(user):
            return (0,) * steps
        times = np.concatenate(self._times)
        names = np.concatenate(self._names)
        order = np.lexsort((times, user))
        order = order[np.searchsorted(user[order], EMPTY, side="right") :]
        position = {step: place for place, step in enumerate(dict.fromkeys(self.order.steps))}
        wanted = np.array([position[step] + 1 for step in self.order.steps], np.uint8)
        counts = np.zeros(steps, np.int64)
        window = 2**62 if self.order.window_ms is None else self.order.window_ms
        begun, fresh, used = np.full(steps, _NEVER, np.int64), np.empty(steps, np.int64), np.empty(steps, np.int64)
        _count(order, user.astype(np.uint32), times, names, wanted, window, begun, fresh, used, counts)
        return tuple(int(count) for count in counts)


@compiled
def _count(
    order: Any,
    user: Any,
    times: Any,
    names: Any,
    wanted: Any,
    window: int,
    begun: Any,
    fresh: Any,
    used: Any,
    counts: Any,
) -> None:
    """Go through the events of each user in order of time, all of one instant together."""
    steps = len(wanted)
    reached = 0
    at = 0
    while at < len(order):
        row = order[at]
        who, now = user[row], times[row]
        present = 0
        while at < len(order) and user[order[at]] == who and times[order[at]] == now:
            present |= 1 << names[order[at]]
            at += 1
        reached = max(reached, _instant(present, now, wanted, window, begun, fresh, used))
        if at == len(order) or user[order[at]] != who:
            for step in range(reached):
                counts[step] += 1
            reached = 0
            for step in range(steps):
                begun[step] = _NEVER


@compiled
def _instant(present: int, now: int, wanted: Any, window: int, begun: Any, fresh: Any, used: Any) -> int:
    """Let the events of one instant happen in whatever order helps, each once; return how many steps were reached.

    `begun` holds for each step the latest beginning of a way that came as far; a later one is never worse.
    """
    reached = 0
    for step in range(len(wanted)):
        name = 1 << wanted[step]
        fresh[step] = begun[step]
        used[step] = 0
        if present & name == 0:
            continue
        best = _NEVER
        way = name
        if step == 0:
            best = now
        else:
            if begun[step - 1] != _NEVER and now - begun[step - 1] <= window:
                best = begun[step - 1]
            if used[step - 1] != 0 and used[step - 1] & name == 0 and fresh[step - 1] > best:
                best = fresh[step - 1]
                way = used[step - 1] | name
        if best != _NEVER:
            reached = step + 1
            if best >= begun[step]:
                fresh[step] = best
                used[step] = way
    for step in range(len(wanted)):
        begun[step] = fresh[step]
    return reached
