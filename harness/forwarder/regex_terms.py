"""The parts of a regular expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from harness.forwarder.regex_classes import Ranges

INFINITY: Final = 2**31 - 1
"""How often a term without an upper limit may repeat."""


@dataclass(slots=True)
class Chars:
    """One UTF-16 unit out of ranges, or out of all others."""

    ranges: Ranges
    negative: bool = False


@dataclass(slots=True)
class Boundary:
    """`^`, `$`, `\\b` or `\\B`."""

    kind: Literal["start", "end", "word", "no word"]


@dataclass(slots=True)
class Reference:
    """What a group captured, by number or by name."""

    group: int
    name: str | None = None


@dataclass(slots=True)
class Group:
    """Alternatives, each a sequence of terms; `capture` is the number of the group, 0 where it has none."""

    alternatives: list[list[Term]] = field(default_factory=lambda: [[]])
    capture: int = 0


@dataclass(slots=True)
class Look:
    """A lookahead or a lookbehind."""

    body: Group
    behind: bool
    negative: bool


@dataclass(slots=True)
class Repeat:
    """A term, `least` to `most` times; `first` to `last` are the groups inside, which every round forgets."""

    body: Term
    least: int
    most: int
    greedy: bool
    first: int
    last: int


Term: TypeAlias = Chars | Boundary | Reference | Group | Look | Repeat


@dataclass(slots=True)
class Pattern:
    """A parsed pattern: its alternatives, how many groups capture, and whether anything refers to them."""

    body: Group
    captures: int
    has_references: bool
