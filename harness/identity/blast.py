"""Blast radius: what one event joined for good, in ids, in people where they are known, and in known users."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from harness.identity.model import Decision


class Use(NamedTuple):
    """A person used an id: the event was stored under it.

    Attributes:
        event_index: the index of the event in its stream.
        id: the id it was stored under.
        person: who really did it.
    """

    event_index: int
    id: str
    person: str


class Blast(NamedTuple):
    """What one decision joined for good.

    Attributes:
        decision: the merged decision.
        larger: how many ids the larger side had.
        smaller: how many ids the smaller side had.
        people: who had used any of these ids up to this event, sorted; empty where nobody knows.
        known_users: which of these ids are known users, sorted; empty where nobody said what one looks like.
        mixes: whether more people, or more known users, share these ids since then than either side had before.
    """

    decision: Decision
    larger: int
    smaller: int
    people: tuple[str, ...] = ()
    known_users: tuple[str, ...] = ()
    mixes: bool = False

    @property
    def ids(self) -> int:
        """How many ids are one user since then."""
        return self.larger + self.smaller

    @property
    def harm(self) -> tuple[bool, int, int]:
        """What to compare decisions by: first whether they mix, then how many ids changed hands."""
        return self.mixes, self.smaller, self.larger


def blast_radius(
    decisions: Iterable[Decision], uses: Iterable[Use] = (), is_known: Callable[[str], object] | None = None
) -> list[Blast]:
    """Return for every merged decision what it joined for good, in order of arrival.

    Args:
        decisions: decisions in order of arrival; with any merged one, all earlier ones that built the two sides.
        uses: who used which id, in order of arrival.
        is_known: says of an id whether it is a known user's, for example `re.compile(...).fullmatch`.
    """
    waiting = iter(uses)
    use = next(waiting, None)
    sides = _Sides(is_known)
    found = []
    for made in decisions:
        if made.outcome != "merged":
            continue
        while use is not None and use.event_index < made.event_index:
            sides.of(use.id).people.add(use.person)
            use = next(waiting, None)
        own: set[str] = set()
        while use is not None and use.event_index == made.event_index:
            own.add(use.person)
            use = next(waiting, None)
        found.append(sides.join(made, own))
    return found


class _Side:
    """One cluster so far: how many ids it has, who used them, and which are known users."""

    __slots__ = ("known", "people", "size")

    def __init__(self, known: set[str]) -> None:
        self.size = 1
        self.people: set[str] = set()
        self.known = known


class _Sides:
    """Clusters as they grow."""

    def __init__(self, is_known: Callable[[str], object] | None) -> None:
        self._is_known = is_known
        self._above: dict[str, str] = {}
        self._sides: dict[str, _Side] = {}

    def of(self, text: str) -> _Side:
        root = self._root(text)
        side = self._sides.get(root)
        if side is None:
            known = self._is_known is not None and self._is_known(root)
            side = self._sides[root] = _Side({root} if known else set())
        return side

    def join(self, made: Decision, own: set[str]) -> Blast:
        ends = made.ids[0], made.ids[-1]
        large, small = self.of(ends[0]), self.of(ends[1])
        top, below = map(self._root, ends)
        if large.size < small.size:
            large, small, top, below = small, large, below, top
        mixes = _more(large.people, small.people, own) or _more(large.known, small.known)
        sizes = large.size, small.size
        self._above[below] = top
        del self._sides[below]
        large.size += small.size
        large.people |= small.people | own
        large.known |= small.known
        return Blast(made, *sizes, tuple(sorted(large.people)), tuple(sorted(large.known)), mixes)

    def _root(self, text: str) -> str:
        above = self._above
        while (up := above.get(text)) is not None:
            further = above.get(up)
            if further is not None:
                above[text] = further
            text = up
        return text


def _more(large: set[str], small: set[str], own: Collection[str] = ()) -> bool:
    together = large.union(small, own)
    return len(together) > max(len(large), len(small), 1)
