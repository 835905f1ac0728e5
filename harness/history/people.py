"""How well the users of a history match the people who were really there, where a column says so.

The measures are those of `harness.scenario.partition`: over stored events that count and name a person; identity events
only where they have an id; an event of nobody is alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.history.duplicates import cells_of
from harness.history.records import EMPTY, EventBatch

_MOST_PENDING: Final = 8_000_000
_LOWER: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)


class Matched(NamedTuple):
    """People against users.

    Attributes:
        precision: share of the pairs of events of one user that are of one person.
        recall: share of the pairs of events of one person that are of one user.
        split: how many people have events under several users.
        mixed: how many users have events of several people.
    """

    precision: float
    recall: float
    split: int
    mixed: int


class People:
    """Counts the events of every id and person as they come."""

    def __init__(self) -> None:
        self._cells = np.empty(0, np.uint64)
        self._counts = np.empty(0, np.int64)
        self._pending: list[NDArray[np.uint64]] = []
        self._size = 0

    def add(self, batch: EventBatch, status: NDArray[np.uint8], stored: NDArray[np.uint32]) -> None:
        """Take a batch: what the door said, and what each event was stored under."""
        named = (status == 0) & (batch.truth != 0) & ((batch.kind == 0) | (stored > EMPTY))
        cells = cells_of(stored[named], batch.truth[named])
        self._pending.append(cells)
        self._size += len(cells)
        if self._size > _MOST_PENDING:
            self._settle()

    def match(self, user_of: NDArray[np.uint32], repeated: NDArray[np.uint64]) -> Matched:
        """Compare people and users.

        Args:
            user_of: uint32, an entry a code: what all ids of one user have in common.
            repeated: the cells of events that don't count.
        """
        self._settle()
        cells, counts = self._cells, self._counts.copy()
        gone, times = np.unique(repeated, return_counts=True)
        there = np.searchsorted(cells, gone)
        known = there < len(cells)
        known[known] = cells[there[known]] == gone[known]
        np.subtract.at(counts, there[known], times[known])
        cells, counts = cells[counts > 0], counts[counts > 0]
        user = user_of[(cells >> _HALF).astype(np.int64)].astype(np.int64)
        person = (cells & _LOWER).astype(np.int64)
        nobody = user == EMPTY
        both, at = np.unique(cells_of(user.astype(np.uint32), person.astype(np.uint32)), return_inverse=True)
        together = np.zeros(len(both), np.int64)
        np.add.at(together, at, counts)
        alone = (both >> _HALF) == EMPTY
        right = _pairs(together[~alone])
        by_user = _sums(user[~nobody], counts[~nobody])
        by_person = _sums(person, counts)
        of_users, of_people = _pairs(by_user), _pairs(by_person)
        users_a_person = np.unique((both & _LOWER).astype(np.int64), return_counts=True)[1]
        people_a_user = np.unique((both >> _HALF).astype(np.int64)[~alone], return_counts=True)[1]
        return Matched(
            right / of_users if of_users else 1.0,
            right / of_people if of_people else 1.0,
            int(np.count_nonzero(users_a_person > 1)),
            int(np.count_nonzero(people_a_user > 1)),
        )

    def _settle(self) -> None:
        if not self._pending:
            return
        fresh, times = np.unique(np.concatenate(self._pending), return_counts=True)
        both, at = np.unique(np.concatenate([self._cells, fresh]), return_inverse=True)
        counts = np.zeros(len(both), np.int64)
        np.add.at(counts, at, np.concatenate([self._counts, times]))
        self._cells, self._counts = both, counts
        self._pending, self._size = [], 0


def _sums(key: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the counts of each key added up."""
    keys, at = np.unique(key, return_inverse=True)
    sums = np.zeros(len(keys), np.int64)
    np.add.at(sums, at, counts)
    return sums


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())
