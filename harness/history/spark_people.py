"""How well users match people, where the people of one user are all in one part but the users of a person are not.

The measures are those of `harness.history.people`. What is about users is counted in the part; what is about people is
handed on as one row a person, and added up by Spark.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.history.people import Matched, People
from harness.history.records import EMPTY

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame


class Users(NamedTuple):
    """What is counted about the users of a part, or of all parts.

    Attributes:
        right: pairs of events of one user that are of one person.
        pairs: pairs of events of one user.
        mixed: users with events of several people.
    """

    right: int = 0
    pairs: int = 0
    mixed: int = 0


class PartPeople(People):
    """Counts the events of every id and person of a part.

    Attributes:
        users: what is counted about its users, once it was matched.
        person: int64; the people of the part, as codes.
        events: int64; how many events that count each of them has here.
        users_of: int64; how many users each of them has here.
    """

    users = Users()
    person: NDArray[np.int64] = np.empty(0, np.int64)
    events: NDArray[np.int64] = np.empty(0, np.int64)
    users_of: NDArray[np.int64] = np.empty(0, np.int64)

    def match(self, user_of: NDArray[np.uint32], repeated: NDArray[np.uint64]) -> Matched:
        """Compare the people and users of the part; see `People.match`."""
        found = super().match(user_of, repeated)
        cells, counts = self._cells, self._counts.copy()
        gone, times = np.unique(repeated, return_counts=True)
        np.subtract.at(counts, np.searchsorted(cells, gone), times)
        cells, counts = cells[counts > 0], counts[counts > 0]
        user = user_of[(cells >> np.uint64(32)).astype(np.int64)].astype(np.uint64)
        both, at = np.unique((user << np.uint64(32)) | (cells & np.uint64(0xFFFFFFFF)), return_inverse=True)
        together = _sums(at, counts, len(both))
        owner = (both >> np.uint64(32)).astype(np.int64)
        owners, by_owner = np.unique(owner[owner != EMPTY], return_inverse=True)
        right = _pairs(together[owner != EMPTY])
        pairs = _pairs(_sums(by_owner, together[owner != EMPTY], len(owners)))
        self.users = Users(right, pairs, found.mixed)
        self.person, places = np.unique((both & np.uint64(0xFFFFFFFF)).astype(np.int64), return_inverse=True)
        self.events = _sums(places, together, len(self.person))
        self.users_of = np.bincount(places, minlength=len(self.person)).astype(np.int64)
        return found


def matched(users: Iterable[Users], people: DataFrame) -> Matched:
    """Return how well all users match all people.

    Args:
        users: what every part counted.
        people: columns `person`, `events`, `users`: what every part has of each person.
    """
    from pyspark.sql import functions as f

    right, of_users, mixed = (sum(column) for column in zip(*users, Users(), strict=True))
    whole = people.groupBy("person").agg(f.sum("events").alias("events"), f.sum("users").alias("users"))
    events = f.col("events").cast("decimal(19,0)")
    pairs = f.sum(events * (events - 1) / 2).cast("decimal(38,0)")
    row = whole.agg(pairs.alias("pairs"), f.sum((f.col("users") > 1).cast("long")).alias("split")).first()
    of_people, split = (0, 0) if row is None else (int(row["pairs"] or 0), int(row["split"] or 0))
    return Matched(
        right / of_users if of_users else 1.0,
        right / of_people if of_people else 1.0,
        split,
        mixed,
    )


def _sums(places: NDArray[np.int64], counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, places, counts)
    return sums


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())
