"""The lines between ids: solid where a decision merged them, dashed and labelled where it was refused or ignored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.identity.model import Decision
from harness.report.drawing import LABEL_LINE, Label, Link, LinkKind, Pill
from harness.report.plain import shorten_middle, visible

_MOST_FAILED: Final = 8
_MANY_ALIKE: Final = 3
_LABEL_X: Final = 344
_LABEL_CELLS: Final = 17
_LABEL_GAP: Final = 6
_BULGE: Final = 14
_MOST_BULGE: Final = 72
_OUTER_BULGE: Final = 96
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z]+")


@dataclass(slots=True)
class _Failed:
    """One refused or ignored link, however often it was tried."""

    kind: LinkKind
    reason: str
    ends: tuple[Pill, ...]
    ids: tuple[str, ...]
    times: int = 1

    @property
    def height(self) -> int:
        return sum(pill.middle for pill in self.ends) // len(self.ends)

    @property
    def full(self) -> str:
        return f"{self.kind}: {', '.join(_short(each) for each in self.ids)} ({visible(self.reason)})"


def drawn_links(
    decisions: Iterable[Decision], pills: Mapping[str, Pill]
) -> tuple[tuple[Link, ...], tuple[Label, ...], int, int]:
    """Return the lines between ids, and the labels of those that joined nothing.

    Args:
        decisions: every identity decision in order.
        pills: where each id is drawn.

    Returns:
        The links, the labels, how many failed links were left out, and the lower edge of the labels.
    """
    merged: dict[tuple[Pill, Pill], Link] = {}
    failed: dict[tuple[object, ...], _Failed] = {}
    left_out = 0
    for decision in decisions:
        ends = tuple(dict.fromkeys(pills[each] for each in decision.ids if each in pills))
        if decision.outcome == "merged" and len(ends) == 2:
            pair = (ends[0], ends[1])
            merged.setdefault(pair, Link(_arc(pair, _bulge(pair)), "merged", _said(decision)))
        elif decision.outcome in ("refused", "ignored") and ends:
            key = (decision.outcome, decision.reason, decision.kind, ends)
            left_out += _noted(failed, key, decision, ends)
        elif decision.outcome in ("refused", "ignored"):
            left_out += 1
    labels, lines, bottom = _labelled(list(failed.values()))
    return (*merged.values(), *lines), labels, left_out, bottom


def _noted(
    failed: dict[tuple[object, ...], _Failed], key: tuple[object, ...], decision: Decision, ends: tuple[Pill, ...]
) -> bool:
    if key in failed:
        failed[key].times += 1
        return False
    if len(failed) >= _MOST_FAILED:
        return True
    kind: LinkKind = "refused" if decision.outcome == "refused" else "ignored"
    reason = decision.reason or decision.rule.partition(".")[2]
    failed[key] = _Failed(kind, f"{decision.kind} {kind}" if kind == "ignored" else reason, ends, decision.ids)
    return False


def _labelled(failed: list[_Failed]) -> tuple[tuple[Label, ...], tuple[Link, ...], int]:
    labels: list[Label] = []
    links: list[Link] = []
    bottom = 0
    for place, group in enumerate(_grouped(failed)):
        bulge = _OUTER_BULGE - 4 * (place % 4)
        labels.append(_label(group, bulge, bottom + _LABEL_GAP if labels else 0))
        bottom = labels[-1].bottom
        links += [
            Link(_arc((each.ends[0], each.ends[1]), bulge), each.kind, each.full)
            for each in group
            if len(each.ends) > 1
        ]
    return tuple(labels), tuple(links), bottom


def _grouped(failed: list[_Failed]) -> list[list[_Failed]]:
    """Links that failed for one reason share a label once there are many of them."""
    by_reason: dict[tuple[str, str], list[_Failed]] = {}
    for each in sorted(failed, key=lambda one: one.height):
        by_reason.setdefault((each.kind, each.reason), []).append(each)
    groups: list[list[_Failed]] = []
    for found in by_reason.values():
        groups += [found] if len(found) > _MANY_ALIKE else [[each] for each in found]
    return sorted(groups, key=lambda group: group[0].height)


def _label(group: list[_Failed], bulge: int, highest: int) -> Label:
    first = group[0]
    times = sum(each.times for each in group)
    lines = _broken(f"{_sign(first.kind)} {visible(first.reason)}" + (f" ×{times}" if times > 1 else ""))
    size = LABEL_LINE * len(lines)
    y = max(first.height - size // 2, highest, 0)
    start = first.ends[0].right + (bulge * 3 // 4 if len(first.ends) > 1 else 0)
    leader = f"M{start} {first.height}L{_LABEL_X - 5} {y + size // 2}"
    return Label(_LABEL_X, y, lines, leader, first.kind, "; ".join(each.full for each in group))


def _arc(ends: tuple[Pill, Pill], bulge: int) -> str:
    one, other = ends
    out = max(one.right, other.right) + bulge
    return f"M{one.right} {one.middle}C{out} {one.middle} {out} {other.middle} {other.right} {other.middle}"


def _bulge(ends: tuple[Pill, Pill]) -> int:
    return min(_BULGE + abs(ends[0].middle - ends[1].middle) // 5, _MOST_BULGE)


def _sign(kind: LinkKind) -> str:
    return "✗" if kind == "refused" else "∅"


def _said(decision: Decision) -> str:
    return f"{decision.kind}: " + " + ".join(_short(each) for each in decision.ids)


def _short(text: str) -> str:
    return shorten_middle(visible(text), 60)


def _broken(text: str) -> tuple[str, ...]:
    """Break a reason such as errAnonDistinctIdAssignedAlready into lines, between its words."""
    lines = [""]
    for word in _WORDS.findall(text):
        if lines[-1] and len(lines[-1]) + len(word) > _LABEL_CELLS:
            lines.append("")
        lines[-1] += word
    return tuple(line.strip() for line in lines[:3] if line.strip())
