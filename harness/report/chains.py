"""Why two ids are, or are not, one user, as a chain: an id, the event behind each link, the next id.

Solid where a decision joined them, dashed where one was refused, dotted where it was ignored or nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.report.cast import Cast
from harness.report.drawing import PILL_HEIGHT, Pill, id_pill
from harness.report.plain import shorten, visible
from harness.scenario.results import Explained, ExplainedLink

MOST_LINKS: Final = 8
_WIDTH: Final = 400
_GAP: Final = 44
_LINE_X: Final = 16
_TEXT_X: Final = 32
_TEXT_CELLS: Final = 56
_SIGNS: Final = {"merged": "●", "same": "=", "refused": "✗", "ignored": "∅", "nothing": "∅"}


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One link as it is drawn: its line, and one or two lines of text beside it with their baselines."""

    kind: str
    path: str
    lines: tuple[tuple[int, str], ...]
    full: str


@dataclass(frozen=True, slots=True)
class Chain:
    """One explanation as it is drawn.

    Attributes:
        title: the question and its answer in one sentence.
        width: the drawing's width.
        height: its height.
        pills: the ids.
        links: what is between them.
        text_x: where the texts of links begin.
        summary: the drawing in words.
        sentences: the rules, what would have to change, and what was joined for good.
        left_out: how many links of a long chain are not drawn.
    """

    title: str
    width: int
    height: int
    pills: tuple[Pill, ...]
    links: tuple[ChainLink, ...]
    text_x: int
    summary: str
    sentences: tuple[str, ...]
    left_out: int


def chains_of(explained: tuple[Explained, ...], cast: Cast) -> list[Chain]:
    """Return the explanations of a scenario as drawings, in order."""
    return [_chain(each, cast) for each in explained]


def _chain(each: Explained, cast: Cast) -> Chain:
    drawn, left_out = _shortened(each.chain)
    ids = [each.ids[0], *(link.ids[1] for link in drawn)] if drawn else [each.ids[0]]
    step = PILL_HEIGHT + _GAP
    pills = tuple(id_pill(text, 0, place * step, _WIDTH, ()) for place, text in enumerate(ids))
    links = tuple(_link(link, place * step + PILL_HEIGHT) for place, link in enumerate(drawn))
    said = "; ".join(f"{visible(link.text)}{f', {link.reason}' if link.reason else ''}" for link in drawn)
    return Chain(
        title=_title(each, cast),
        width=_WIDTH,
        height=(len(pills) - 1) * step + PILL_HEIGHT,
        pills=pills,
        links=links,
        text_x=_TEXT_X,
        summary=f"From {visible(each.ids[0])} to {visible(each.ids[1])}: {said}",
        sentences=each.sentences,
        left_out=left_out,
    )


def _shortened(chain: tuple[ExplainedLink, ...]) -> tuple[tuple[ExplainedLink, ...], int]:
    """Return the chain, of a long one both ends with one link that stands for its middle."""
    if len(chain) <= MOST_LINKS:
        return chain, 0
    head, tail = chain[: MOST_LINKS // 2], chain[-(MOST_LINKS // 2) :]
    hidden = len(chain) - len(head) - len(tail)
    middle = ExplainedLink("same", (head[-1].ids[1], tail[0].ids[0]), None, f"{hidden:,} more links")
    return (*head, middle, *tail), hidden


def _link(link: ExplainedLink, top: int) -> ChainLink:
    said = f"{_SIGNS[link.kind]} {visible(link.text)}"
    texts = [shorten(said, _TEXT_CELLS), *([visible(link.reason)] if link.reason else [])]
    first = top + _GAP // 2 + (4 if len(texts) == 1 else -3)
    lines = tuple((first + 15 * place, text) for place, text in enumerate(texts))
    kind = "ignored" if link.kind == "nothing" else link.kind
    return ChainLink(kind, f"M{_LINE_X} {top}V{top + _GAP}", lines, said)


def _title(each: Explained, cast: Cast) -> str:
    names = [cast.people[name].name if name in cast.people else visible(name) for name in each.people]
    if each.about == "mixed":
        return f"Why {' and '.join(names)} are one user"
    if each.about == "split":
        return f"Why {names[0]} is two users"
    return "Why two ids of a check are one user" if each.same_user else "Why two ids of a check are two users"
