"""Disjoint sets of ids: joining is near constant time, and members are listed without copying on a merge.

Each id has a number in order of first appearance. A root holds the size of its cluster as a negative number. The
members of a cluster form a ring through `_next`, so two clusters are joined by exchanging two entries, whatever
their size.
"""

from __future__ import annotations

from collections.abc import Iterator


class Clusters:
    """Ids in disjoint clusters.

    Attributes:
        numbers: the number of every known id; to be read only.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._above: list[int] = []
        self._next: list[int] = []

    def add(self, text: str) -> int:
        """Return the number of a new id, which is alone at first."""
        number = len(self._ids)
        self.numbers[text] = number
        self._ids.append(text)
        self._above.append(-1)
        self._next.append(number)
        return number

    def find(self, number: int) -> int:
        """Return the root of a cluster; equal roots mean one cluster."""
        above = self._above
        up = above[number]
        if up < 0:
            return number
        while (higher := above[up]) >= 0:
            above[number] = higher
            number, up = up, higher
        return up

    def size(self, root: int) -> int:
        """Return how many ids the cluster of a root has."""
        return -self._above[root]

    def join(self, a: int, b: int) -> int:
        """Make one cluster of the clusters of two different roots; return the root it has then."""
        above = self._above
        if above[a] > above[b]:
            a, b = b, a
        above[a] += above[b]
        above[b] = a
        ring = self._next
        ring[a], ring[b] = ring[b], ring[a]
        return a

    def numbers_of(self, number: int) -> Iterator[int]:
        """Yield the numbers of all ids in the cluster of an id, in no useful order."""
        ring = self._next
        member = number
        while True:
            yield member
            member = ring[member]
            if member == number:
                return

    def text(self, number: int) -> str:
        """Return the id of a number."""
        return self._ids[number]

    def roots(self) -> Iterator[int]:
        """Yield the root of every cluster, in order of their numbers."""
        return (number for number, up in enumerate(self._above) if up < 0)
