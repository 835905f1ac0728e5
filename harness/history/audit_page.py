"""An audit as one HTML page that needs nothing else: no network, no script; plots are inline SVG.

Ids come from the history and may hold anything, so all text is made visible, cut, and escaped by the template.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.clock import format_instant
from harness.history.audit_text import FINDINGS
from harness.history.records import Audit, Sample
from harness.history.whole import whole_or_nothing
from harness.report.plain import shorten, shorten_middle, visible

_ID_CELLS: Final = 90
_LINE_CELLS: Final = 240
_MOST_BROKEN: Final = 20
_WIDTH: Final = 520
_HEIGHT: Final = 220
_LEFT: Final = 52
_BOTTOM: Final = 26
_TOP: Final = 8


class Figure(NamedTuple):
    """One number of the head of the page: its name, the number, what it means, and whether it is bad news."""

    name: str
    value: str
    meaning: str
    bad: bool = False


class Shown(NamedTuple):
    """One finding on the page."""

    name: str
    meaning: str
    number: int
    rows: tuple[Sample, ...]


def write_page(path: Path, audit: Audit, names: Sequence[str]) -> None:
    """Write an audit as HTML.

    Args:
        path: where to; what is there is replaced at the very end.
        audit: the audit.
        names: the paths that were audited.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails.
    """
    with whole_or_nothing(path) as unfinished:
        unfinished.write_text(page(audit, names), encoding="utf-8", newline="\n")


def page(audit: Audit, names: Sequence[str]) -> str:
    """Return an audit as an HTML document."""
    environment = Environment(
        loader=PackageLoader("harness.history", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    shown = shorten(", ".join(visible(name) for name in names), 200)
    text = environment.get_template("audit.html.j2").render(
        audit=audit,
        names=shown,
        clock=format_instant(audit.now_ms),
        figures=list(_figures(audit)),
        sizes=sizes_plot(audit.sizes, audit.limit),
        reasons=list(audit.refused),
        months=months_plot(audit.refused_by_month, list(audit.refused)) if audit.refused_by_month else "",
        findings=list(_findings(audit)),
        broken=[shorten(visible(str(line)), _LINE_CELLS) for line in audit.broken[:_MOST_BROKEN]],
    )
    return text.rstrip("\n") + "\n"


def _figures(audit: Audit) -> Iterator[Figure]:
    yield Figure("events", f"{audit.events:,}", f"{audit.rejected:,} rejected or dropped")
    yield Figure("users", f"{audit.users:,}", "with events that count")
    yield Figure("clusters", f"{audit.clusters:,}", f"of {audit.ids:,} ids, the largest of {audit.largest_cluster:,}")
    if audit.limit is not None:
        yield Figure(
            "near the limit", f"{audit.near_limit:,}", f"80% of {audit.limit:,} ids and more", audit.near_limit > 0
        )
        yield Figure("at the limit", f"{audit.at_limit:,}", "refuse every further id", audit.at_limit > 0)
    refused = audit.decisions["refused"]
    asserted = sum(audit.decisions.values())
    yield Figure("refused", f"{refused:,}", f"of {asserted:,} decisions", refused > 0)
    for key, name, _ in FINDINGS:
        count = getattr(audit, key)
        yield Figure(name, f"{count:,}", "", count > 0)
    yield Figure("duplicates", f"{audit.duplicates:,}", "a later event is the same")
    yield Figure("broken lines", f"{audit.broken_lines:,}", "hold no event", audit.broken_lines > 0)
    if audit.precision is not None and audit.recall is not None:
        yield Figure(
            "precision", f"{audit.precision:.4f}", f"{audit.mixed:,} users of several people", bool(audit.mixed)
        )
        yield Figure("recall", f"{audit.recall:.4f}", f"{audit.split:,} people under several users", bool(audit.split))


def _findings(audit: Audit) -> Iterator[Shown]:
    largest = audit.samples.get("top_clusters", ())
    if largest:
        yield Shown("of the largest clusters", "identity clusters with the most ids", len(largest), _safe(largest))
    for key, name, meaning in FINDINGS:
        count = getattr(audit, key)
        if count:
            yield Shown(name, meaning, count, _safe(audit.samples.get(key, ())))


def _safe(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            _shown(one.canonical), one.size, tuple(_shown(text) for text in one.ids if text != one.canonical), one.note
        )
        for one in samples
    )


def _shown(text: str) -> str:
    return shorten_middle(visible(text), _ID_CELLS)


def sizes_plot(sizes: Mapping[int, int], limit: int | None) -> Markup:
    """Draw how many clusters have how many ids, on logarithmic scales, in steps that double.

    Args:
        sizes: how many clusters have which size.
        limit: where the limit is drawn; None for none.
    """
    bars: dict[int, int] = {}
    for size, count in sizes.items():
        bars[size.bit_length() - 1] = bars.get(size.bit_length() - 1, 0) + count
    if not bars:
        return Markup("")
    steps = max(max(bars) + 1, 2 if limit is None else limit.bit_length())
    tallest = max(bars.values())
    width = (_WIDTH - _LEFT) / steps
    parts = list(_grid(tallest))
    for step in range(steps):
        count = bars.get(step, 0)
        x = _LEFT + step * width
        low, high = 1 << step, (1 << step + 1) - 1
        label = str(low) if low == high else f"{low}–{high}"
        if count:
            top = _y(count, tallest)
            parts.append(
                f'<rect x="{x + 2:.1f}" y="{top:.1f}" width="{width - 4:.1f}" height="{_HEIGHT - _BOTTOM - top:.1f}" '
                f'fill="var(--c0)"><title>{count:,} clusters of {label} ids</title></rect>'
            )
        parts.append(f'<text x="{x + width / 2:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{_short(low)}</text>')
    if limit is not None:
        for share, name in ((0.8, "80%"), (1.0, "limit")):
            x = _LEFT + math.log2(max(1, limit * share)) * width
            parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
            y = _TOP + (10 if share < 1 else 24)
            parts.append(f'<text class="limit" x="{x - 3:.1f}" y="{y}" text-anchor="end">{name}</text>')
    return _svg(parts, "cluster sizes")


def months_plot(months: Mapping[tuple[str, str], int], reasons: Sequence[str]) -> Markup:
    """Draw refused decisions by month, stacked by reason.

    Args:
        months: decisions by (reason, month).
        reasons: the reasons, in the order of their colours.
    """
    names = sorted({month for _, month in months})
    totals = {name: sum(count for (_, month), count in months.items() if month == name) for name in names}
    tallest = max(totals.values())
    width = (_WIDTH - _LEFT) / len(names)
    room = _HEIGHT - _BOTTOM - _TOP
    parts = [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM}"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{_short(tallest)}</text>',
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">0</text>',
    ]
    every = max(1, math.ceil(len(names) / 8))
    for place, name in enumerate(names):
        x = _LEFT + place * width
        bottom = float(_HEIGHT - _BOTTOM)
        for number, reason in enumerate(reasons):
            count = months.get((reason, name), 0)
            if count:
                height = room * count / tallest
                bottom -= height
                left, wide = x + width * 0.08, width * 0.84
                parts.append(
                    f'<rect x="{left:.1f}" y="{bottom:.1f}" width="{wide:.1f}" height="{height:.1f}" '
                    f'fill="var(--c{number % 6})"><title>{name}: {count:,} {reason}</title></rect>'
                )
        if place % every == 0:
            parts.append(f'<text x="{x + width / 2:.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{name}</text>')
    return _svg(parts, "refused decisions by month")


def _grid(tallest: int) -> Iterator[str]:
    yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM}"/>'
    power = 1
    while power <= tallest:
        y = _y(power, tallest)
        yield f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(power)}</text>'
        power *= 10


def _y(count: int, tallest: int) -> float:
    """Return how high a count stands on the logarithmic scale; a single one still shows."""
    room = _HEIGHT - _BOTTOM - _TOP - 12
    share = (math.log10(count) + 0.15) / (math.log10(tallest) + 0.15) if tallest > 1 else 1.0
    return _HEIGHT - _BOTTOM - room * share


def _short(number: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def _svg(parts: Sequence[str], name: str) -> Markup:
    inside = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">{inside}</svg>')  # noqa: S704
