"""The parts that graphs are drawn from, with whole-number places, and how wide a text is.

A template turns a drawing into SVG; nothing here knows about colours or fonts beyond the width of a character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.report.cast import Person
from harness.report.plain import shorten, shorten_middle, visible

CARD_GAP: Final = 12
CARD_HEAD: Final = 30
CARD_FOOT: Final = 8
ROW: Final = 26
PILL_HEIGHT: Final = 20
LABEL_LINE: Final = 14

_CODE_CELL: Final = 7.3
_PROSE_CELL: Final = 7.2
_DOT: Final = 18
_FULL_TEXT: Final = 300

LinkKind: TypeAlias = Literal["merged", "refused", "ignored"]


@dataclass(frozen=True, slots=True)
class Pill:
    """One id, or the line that stands for the ids left out.

    Attributes:
        x: its left edge.
        y: its upper edge.
        width: its width.
        text: the text in it, cut to the width.
        full: the whole text.
        people: the people who used the id.
        kind: `id`, `canonical` or `more`.
    """

    x: int
    y: int
    width: int
    text: str
    full: str
    people: tuple[Person, ...]
    kind: Literal["id", "canonical", "more"]

    @property
    def text_x(self) -> int:
        """Where its text starts."""
        return self.x + 8 + _DOT * len(self.people)

    @property
    def middle(self) -> int:
        """The height at which links meet it."""
        return self.y + PILL_HEIGHT // 2

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def dots(self) -> list[tuple[int, Person]]:
        """Where the mark of each person is."""
        return [(self.x + 12 + _DOT * place, person) for place, person in enumerate(self.people)]


@dataclass(frozen=True, slots=True)
class Card:
    """A frame around ids that belong together.

    Attributes:
        x: its left edge.
        y: its upper edge.
        width: its width.
        height: its height.
        title: the text on it, cut to the width.
        full: the whole title.
        stripes: y, height and colour of the parts of its left edge, one for each person.
        kind: `mixed` where people share a user by accident, else `plain`.
    """

    x: int
    y: int
    width: int
    height: int
    title: str
    full: str
    stripes: tuple[tuple[int, int, str], ...]
    kind: Literal["plain", "mixed"]


@dataclass(frozen=True, slots=True)
class Link:
    """A line between two ids."""

    path: str
    kind: LinkKind
    full: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a refused or ignored link says, in one or two lines, and the line that leads to it."""

    x: int
    y: int
    lines: tuple[str, ...]
    leader: str
    kind: LinkKind
    full: str

    @property
    def placed(self) -> list[tuple[int, str]]:
        """Each line with its baseline."""
        return [(self.y + 10 + LABEL_LINE * place, line) for place, line in enumerate(self.lines)]

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + LABEL_LINE * len(self.lines)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole graph.

    Attributes:
        width: its width.
        height: its height.
        summary: the graph in words, for those who can't see it.
        cards: the frames.
        pills: the ids.
        links: the lines.
        labels: the texts at lines.
        notes: what was left out.
    """

    width: int
    height: int
    summary: str
    cards: tuple[Card, ...]
    pills: tuple[Pill, ...]
    links: tuple[Link, ...] = ()
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()


def card_height(rows: int) -> int:
    """Return the height of a card with a number of rows."""
    return CARD_HEAD + rows * ROW - (ROW - PILL_HEIGHT) + CARD_FOOT


def id_pill(text: str, x: int, y: int, width: int, people: tuple[Person, ...], *, canonical: bool = False) -> Pill:
    """Return an id as a pill, cut to its width; of many people the first three are marked."""
    seen = visible(text)
    marked = people[:3]
    room = int((width - 16 - _DOT * len(marked)) / _CODE_CELL)
    lead = "★ " if canonical else ""
    full = shorten_middle(seen, _FULL_TEXT)
    return Pill(
        x, y, width, lead + shorten_middle(seen, room - len(lead)), full, marked, "canonical" if canonical else "id"
    )


def more_pill(text: str, x: int, y: int, width: int) -> Pill:
    """Return the pill that stands for ids left out."""
    return Pill(x, y, width, text, text, (), "more")


def card(
    y: int, rows: int, width: int, title: str, people: tuple[Person, ...], kind: Literal["plain", "mixed"]
) -> Card:
    """Return a card at the left edge of a drawing."""
    height = card_height(rows)
    return Card(
        0, y, width, height, shorten(title, int((width - 26) / _PROSE_CELL)), shorten(title, _FULL_TEXT),
        _stripes(y, height, people), kind,
    )  # fmt: skip


def _stripes(y: int, height: int, people: tuple[Person, ...]) -> tuple[tuple[int, int, str], ...]:
    colors = [person.color for person in people[:6]] or ["nobody"]
    edges = [y + height * place // len(colors) for place in range(len(colors) + 1)]
    return tuple((edges[place], edges[place + 1] - edges[place], color) for place, color in enumerate(colors))
