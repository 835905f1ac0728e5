"""Sets of UTF-16 units, and which units are one and the same when case is ignored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final, TypeAlias

from harness.forwarder.jstext import NEWER_UPPER_CASES, WHITE_SPACE

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of units, both ends included, in order and apart from each other."""

LAST_UNIT: Final = 0xFFFF


def union(sets: Iterable[Ranges]) -> Ranges:
    """Return the units of all sets."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(item for ranges in sets for item in ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """Return the units that a set does not have."""
    gaps = []
    start = 0
    for low, high in union([ranges]):
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= LAST_UNIT:
        gaps.append((start, LAST_UNIT))
    return tuple(gaps)


_DIGITS: Final[Ranges] = ((48, 57),)
WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final = union(((ord(space), ord(space)),) for space in WHITE_SPACE)

ESCAPES: Final[dict[str, Ranges]] = {
    "d": _DIGITS,
    "D": complement(_DIGITS),
    "s": _SPACE,
    "S": complement(_SPACE),
    "w": WORD,
    "W": complement(WORD),
}
"""The classes that a letter behind a backslash stands for."""


def membership(ranges: Ranges, *, ignore_case: bool = False, negative: bool = False) -> Callable[[int], bool]:
    """Return the function that tells whether a unit is in a set.

    Args:
        ranges: the set.
        ignore_case: whether a unit is in the set when any other case of it is.
        negative: whether the answer is turned round.
    """
    lows = [low for low, _ in ranges]
    highs = [high for _, high in ranges]

    def has(unit: int) -> bool:
        position = bisect_right(lows, unit) - 1
        return position >= 0 and unit <= highs[position]

    if ignore_case:
        return lambda unit: any(has(other) for other in _same_but_case(unit)) is not negative
    return (lambda unit: not has(unit)) if negative else has


@cache
def canonical(unit: int) -> int:
    """Return what a unit is compared by when case is ignored: its upper case, where that is one unit."""
    upper = chr(NEWER_UPPER_CASES.get(unit, unit)).upper()
    if len(upper) != 1 or upper > "\uffff":
        return unit
    return unit if unit >= 128 > ord(upper) else ord(upper)


def _same_but_case(unit: int) -> tuple[int, ...]:
    return _classes().get(canonical(unit), (unit,))


@cache
def _classes() -> dict[int, tuple[int, ...]]:
    """Return, for every canonical unit with more than one case, the units that it stands for."""
    classes: dict[int, list[int]] = {}
    for unit in range(LAST_UNIT + 1):
        classes.setdefault(canonical(unit), []).append(unit)
    return {key: tuple(units) for key, units in classes.items() if len(units) > 1}
