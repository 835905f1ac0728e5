"""A history under all three ID-merge systems, side by side: one reading, three views, and a funnel on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.event import ID_MERGE_SYSTEMS, Json
from harness.history.dictionary import Dictionary
from harness.history.engines import AuditOrder
from harness.history.funnel import Funnel, FunnelEvents, FunnelOrder
from harness.history.local import LocalEngine
from harness.history.records import Audit
from harness.problems import did_you_mean

FEW: tuple[tuple[str, str], ...] = (
    ("users", "users"),
    ("clusters", "identity clusters"),
    ("orphans", "orphans"),
    ("mixed_suspects", "mixed suspects"),
    ("phantom_users", "phantom users"),
    ("duplicates", "events duplicate"),
    ("rejected", "events rejected"),
)
"""What is compared, and how it is called."""


@dataclass(frozen=True, slots=True)
class ComparedHistories:
    """A history under all systems.

    Attributes:
        audits: one a system, in the order of `ID_MERGE_SYSTEMS`.
        funnel: the funnel that was asked for; None for none.
        funnels: what came out of it, one a system.
        people: how many people, by the truth, came as far as each step; None without truth.
        missing: a sentence for each step that no event of the history is.
    """

    audits: tuple[Audit, ...]
    funnel: FunnelOrder | None = None
    funnels: tuple[Funnel, ...] = ()
    people: tuple[int, ...] | None = None
    missing: tuple[str, ...] = ()


def compare_histories(order: AuditOrder, funnel: FunnelOrder | None = None) -> ComparedHistories:
    """Read a history once and let all three systems look at it.

    Args:
        order: the history and the reading of the rules; its system is not asked.
        funnel: the funnel to count; None for none.

    Raises:
        InputError: when the input can't be read or the settings can't be honoured.
        OutsideError: when the machine fails.
    """
    engine = LocalEngine()
    reader = engine.reader(order, ID_MERGE_SYSTEMS)
    views = engine.views(order, ID_MERGE_SYSTEMS, reader)
    kept = None if funnel is None else FunnelEvents(funnel, reader.names, truth=order.truth is not None)
    try:
        for batch in reader.batches():
            stored = [view.take(batch).stored for view in views]
            if kept is not None:
                kept.add(batch, stored)
            order.progress(reader.rows, reader.share)
        audits = tuple(view.finish() for view in views)
    finally:
        for view in views:
            view.close()
    if kept is None or funnel is None:
        return ComparedHistories(audits)
    funnels = tuple(kept.funnel(at, view.user_of()) for at, view in enumerate(views))
    people = kept.of_people() if order.truth is not None else None
    return ComparedHistories(audits, funnel, funnels, people, _missing(kept.missing(), reader.names))


def _missing(steps: Sequence[str], names: Dictionary) -> tuple[str, ...]:
    known = [text for text in (names.text(code) for code in range(3, min(len(names), 10_000))) if text not in steps]
    return tuple(f"No event is named {step!r}. {did_you_mean(step, known[:200])}" for step in steps)


def compared_json(compared: ComparedHistories) -> dict[str, Json]:
    """Return the document of `harness compare --json` for a history."""
    document: dict[str, Json] = {
        "systems": [_system(audit) for audit in compared.audits],
        "differences": [
            {"systems": list(systems), "what": what, "index": None, "sentence": sentence}
            for systems, what, sentence in differences(compared)
        ],
    }
    if compared.funnel is not None:
        document["funnel"] = {
            "steps": list(compared.funnel.steps),
            "window_ms": compared.funnel.window_ms,
            "systems": [
                {
                    "id_merge": audit.id_merge,
                    "users": list(one.users),
                    "rate": round(one.rate, 6),
                    "across_login": one.across,
                }
                for audit, one in zip(compared.audits, compared.funnels, strict=True)
            ],
            "people": None if compared.people is None else list(compared.people),
            "missing": list(compared.missing),
        }
    return document


def _system(audit: Audit) -> dict[str, Json]:
    people = None
    if audit.precision is not None:
        people = {
            "split": audit.split,
            "mixed": audit.mixed,
            "precision": round(audit.precision, 6),
            "recall": round(audit.recall or 0.0, 6),
        }
    return {
        "id_merge": audit.id_merge,
        "users": audit.users,
        "clusters": audit.clusters,
        "people": people,
        "orphans": audit.orphans,
        "mixed_suspects": audit.mixed_suspects,
        "phantom_users": audit.phantom_users,
        "decisions": dict(audit.decisions),
        "refused": dict(audit.refused),
        "accepted": audit.events - audit.rejected - audit.duplicates,
        "duplicates": audit.duplicates,
        "rejected": audit.rejected,
        "broken_lines": audit.broken_lines,
    }


def differences(compared: ComparedHistories) -> list[tuple[tuple[str, str], str, str]]:
    """Return what differs between two systems in a sentence each: the systems, what it is, the sentence."""
    found: list[tuple[tuple[str, str], str, str]] = []
    first = compared.audits[0]
    for at, other in enumerate(compared.audits[1:], start=1):
        pair = (other.id_merge, first.id_merge)
        for key, name in FEW:
            gap = getattr(other, key) - getattr(first, key)
            if gap:
                side = "more" if gap > 0 else "fewer"
                found.append((pair, key, f"{pair[0]} has {abs(gap):,} {side} {name} than {pair[1]}"))
        if compared.funnels:
            gap = compared.funnels[at].users[-1] - compared.funnels[0].users[-1]
            if gap:
                side = "more" if gap > 0 else "fewer"
                sentence = f"{pair[0]} shows {abs(gap):,} {side} users at the end of the funnel than {pair[1]}"
                found.append((pair, "funnel", sentence))
    return found


def compared_text(compared: ComparedHistories) -> str:
    """Return the systems side by side as a table, the funnel below it, and a sentence for each difference."""
    from tabulate import tabulate

    audits = compared.audits
    rows = [[name, *(f"{getattr(audit, key):,}" for audit in audits)] for key, name in FEW[:2]]
    rows += [
        [f"decisions {outcome}", *(f"{audit.decisions[outcome]:,}" for audit in audits)]
        for outcome in audits[0].decisions
    ]
    reasons = sorted({reason for audit in audits for reason in audit.refused})
    rows += [[f"refused: {reason}", *(f"{audit.refused.get(reason, 0):,}" for audit in audits)] for reason in reasons]
    rows += [[name, *(f"{getattr(audit, key):,}" for audit in audits)] for key, name in FEW[2:]]
    if audits[0].precision is not None:
        rows.append(["people split", *(f"{audit.split:,}" for audit in audits)])
        rows.append(["users mixed", *(f"{audit.mixed:,}" for audit in audits)])
        rows.append(["precision", *(f"{audit.precision:.4f}" for audit in audits)])
        rows.append(["recall", *(f"{audit.recall:.4f}" for audit in audits)])
    headers = ["", *(audit.id_merge for audit in audits)]
    parts = [tabulate(rows, headers, disable_numparse=True, colalign=("left", "right", "right", "right"))]
    if compared.funnel is not None:
        parts.append(_funnel_text(compared, compared.funnel))
    sentences = [f"- {sentence}" for _, _, sentence in differences(compared)]
    parts.append("\n".join(sentences or ["All three systems agree."]))
    return "\n\n".join(parts)


def _funnel_text(compared: ComparedHistories, funnel: FunnelOrder) -> str:
    from tabulate import tabulate

    from harness.report.plain import shorten, visible

    counts: list[Sequence[int]] = [one.users for one in compared.funnels]
    headers = ["funnel", *(audit.id_merge for audit in compared.audits)]
    if compared.people is not None:
        counts.append(compared.people)
        headers.append("people")
    rows = [
        [f"{place}. {shorten(visible(step), 40)}", *(f"{users[place - 1]:,}" for users in counts)]
        for place, step in enumerate(funnel.steps, start=1)
    ]
    rates = [users[-1] / users[0] if users[0] else 0.0 for users in counts]
    rows.append(["conversion", *(f"{rate:.2%}" for rate in rates)])
    across = [f"{one.across:,}" for one in compared.funnels]
    rows.append(["only as ids were joined", *across, *([""] if compared.people is not None else [])])
    align = ("left", *("right" for _ in counts))
    table = tabulate(rows, headers, disable_numparse=True, colalign=align)
    return "\n".join([table, *(shorten(visible(sentence), 300) for sentence in compared.missing)])
