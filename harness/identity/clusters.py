"""Disjoint sets of ids: joining is near constant time, and members are listed without copying on a merge.

Each id has a number in order of first appearance. The members of a cluster form a ring through `_next`, so two
clusters are joined by exchanging two entries, whatever their size.
"""

from __future__ import annotations

from collections.abc import Iterator


class Clusters:
    """Ids in disjoint clusters."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._parent: list[int] = []
        self._size: list[int] = []
        self._next: list[int] = []

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def __len__(self) -> int:
        return len(self._ids)

    def number(self, text: str) -> int | None:
        """Return the number of a known id."""
        return self._numbers.get(text)

    def add(self, text: str) -> int:
        """Return the number of an id, which is alone at first."""
        number = self._numbers.get(text)
        if number is not None:
            return number
        number = len(self._ids)
        self._numbers[text] = number
        self._ids.append(text)
        self._parent.append(number)
        self._size.append(1)
        self._next.append(number)
        return number

    def find(self, number: int) -> int:
        """Return the root of a cluster; equal roots mean one cluster."""
        parent = self._parent
        above = parent[number]
        while above != number:
            higher = parent[above]
            parent[number] = higher
            number, above = higher, parent[higher]
        return number

    def size(self, root: int) -> int:
        """Return how many ids the cluster of a root has."""
        return self._size[root]

    def join(self, a: int, b: int) -> int:
        """Make one cluster of the clusters of two different roots; return the root it has then."""
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]
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
        return (number for number, above in enumerate(self._parent) if number == above)
