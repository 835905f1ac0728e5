"""When people are there: a year has months, a week has days and a day has hours in which more or less happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np

from harness.history.generate_numbers import Integers

DAY_S: Final = 86_400
_MONTHS: Final = (9, 8, 9, 10, 10, 9, 8, 8, 10, 11, 14, 16)
_WEEKDAYS: Final = (10, 10, 10, 10, 11, 14, 13)
_HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 11, 10, 10, 11, 12, 14, 15, 14, 11, 8, 4)
_HOUR_S: Final = 3_600
# What has happened of a day, in parts, when each hour begins; an hour has as many parts a second as it has weight.
_PARTS: Final = np.array([0, *accumulate(weight * _HOUR_S for weight in _HOURS)], np.int64)
PARTS_A_DAY: Final = int(_PARTS[-1])


class Slot(NamedTuple):
    """A stretch of time in which nobody has more than one session.

    Attributes:
        day_s: the start of its day, seconds since 1970.
        first: where it begins, in parts of the day.
        last: where it ends, in parts of the day.
        weight: how much happens in it, compared with others.
    """

    day_s: int
    first: int
    last: int
    weight: int

    @property
    def end_s(self) -> int:
        """When it ends, seconds since 1970."""
        return self.day_s + int(seconds_of(np.array([self.last - 1], np.int64))[0]) + 1


def slots(start_ms: int, days: int, a_day: int) -> Iterator[Slot]:
    """Yield all slots of a history in order.

    Args:
        start_ms: the start of the first day, milliseconds since 1970.
        days: how many days.
        a_day: how many slots a day has; the busier the time, the shorter they are.
    """
    cuts = [PARTS_A_DAY * at // a_day for at in range(a_day + 1)]
    for day in range(days):
        day_s = start_ms // 1_000 + day * DAY_S
        weight = weight_of_day(day_s)
        for first, last in pairwise(cuts):
            yield Slot(day_s, first, last, weight * (last - first))


def weight_of_day(day_s: int) -> int:
    """Return how much happens on a day, compared with others."""
    day = datetime.fromtimestamp(day_s, UTC)
    return _MONTHS[day.month - 1] * _WEEKDAYS[day.weekday()]


def total_weight(start_ms: int, days: int) -> int:
    """Return the weight of all slots together."""
    return sum(weight_of_day(start_ms // 1_000 + day * DAY_S) for day in range(days)) * PARTS_A_DAY


def seconds_of(parts: Integers) -> Integers:
    """Return the seconds of the day at which so many parts of it have happened."""
    hours = np.searchsorted(_PARTS, parts, side="right") - 1
    weights = np.array(_HOURS, np.int64)[hours]
    return hours * _HOUR_S + (parts - _PARTS[hours]) // weights
