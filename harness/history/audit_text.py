"""An audit for a terminal: what was found, what it means, and a few examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tabulate import tabulate

from harness.clock import format_instant
from harness.history.records import Audit, Sample
from harness.report.plain import shorten_middle, visible

_MOST_EXAMPLES: Final = 3
_MOST_BROKEN: Final = 5
_ID_CELLS: Final = 44

FINDINGS: Final = (
    ("mixed_suspects", "mixed suspects", "clusters that hold several known users: two people may be one user"),
    ("orphans", "orphans", "anonymous ids with events whose every attempt to join a user failed"),
    ("phantom_users", "phantom users", "anonymous ids that became users, as they came without $device:"),
    ("shared_devices", "shared devices", "anonymous ids that a second user tried to take"),
    ("disallowed", "disallowed ids", "ids on Mixpanel's list, which stand for nobody"),
)
"""The findings about ids: key, name, meaning."""


def audit_text(audit: Audit, known_user: str | None = None) -> str:
    """Return an audit as text for people.

    Args:
        audit: the audit.
        known_user: the pattern of known users, None for their look.
    """
    parts = [tabulate(list(_rows(audit)), disable_numparse=True, tablefmt="plain")]
    if audit.refused:
        rows = [(reason, f"{count:,}", _months(audit, reason)) for reason, count in audit.refused.items()]
        parts.append(tabulate(rows, ["refused because of", "decisions", "most in"], disable_numparse=True))
    for key, name, meaning in FINDINGS:
        count = getattr(audit, key)
        if count:
            parts.append("\n".join([f"{count:,} {name}: {meaning}", *_examples(audit.samples.get(key, ()), count)]))
    largest = [sample for sample in audit.samples.get("top_clusters", ()) if sample.size > 2]
    if largest:
        parts.append("\n".join(["the largest clusters", *_examples(largest, len(largest))]))
    if audit.broken:
        lines = [f"  {visible(str(line))[:160]}" for line in audit.broken[:_MOST_BROKEN]]
        more = audit.broken_lines - len(lines)
        parts.append(
            "\n".join([f"{audit.broken_lines:,} broken lines", *lines, *([f"  ... {more:,} more"] if more else [])])
        )
    if known_user is None and (audit.mixed_suspects or audit.orphans):
        parts.append("A known user is here whatever looks like no device, UUID or ECID; --known-user says it better.")
    return "\n\n".join(parts)


def _rows(audit: Audit) -> Iterator[tuple[str, str, str]]:
    limit = audit.limit
    yield "ID merge", audit.id_merge, f"Mixpanel's clock at {format_instant(audit.now_ms)}"
    stored = audit.events - audit.rejected
    yield "events", f"{audit.events:,}", f"{stored:,} stored, {audit.rejected:,} rejected or dropped"
    yield "duplicates", f"{audit.duplicates:,}", "stored, but a later event is the same"
    yield (
        "identity events",
        f"{audit.identity_events:,}",
        ", ".join(f"{count:,} {outcome}" for outcome, count in audit.decisions.items() if count) or "no decisions",
    )
    yield "users", f"{audit.users:,}", ""
    yield "clusters", f"{audit.clusters:,}", f"of {audit.ids:,} ids, the largest of {audit.largest_cluster:,}"
    if limit is not None:
        yield "near the limit", f"{audit.near_limit:,}", f"clusters with 80% of {limit:,} ids and more"
        yield "at the limit", f"{audit.at_limit:,}", "they refuse every further id"
    if audit.precision is not None and audit.recall is not None:
        yield "precision", f"{audit.precision:.4f}", f"{audit.mixed:,} users have events of several people"
        yield "recall", f"{audit.recall:.4f}", f"{audit.split:,} people have events under several users"


def _months(audit: Audit, reason: str) -> str:
    months = {month: count for (why, month), count in audit.refused_by_month.items() if why == reason}
    if not months:
        return ""
    most = max(months, key=lambda month: (months[month], month))
    return f"{most} ({months[most]:,})"


def _examples(samples: tuple[Sample, ...] | list[Sample], count: int) -> Iterator[str]:
    for sample in samples[:_MOST_EXAMPLES]:
        others = [text for text in sample.ids if text != sample.canonical]
        name = _shown(sample.canonical) or '""'
        if sample.size > 1:
            some = ", ".join(_shown(text) for text in others[:3])
            rest = sample.size - 1 - min(3, len(others))
            more = f" and {rest:,} more" if rest > 0 else ""
            name = f"{name} with {some}{more} ({sample.size:,} ids)"
        yield f"  {name}{f': {sample.note}' if sample.note else ''}"
    if count > _MOST_EXAMPLES:
        yield f"  ... {count - _MOST_EXAMPLES:,} more"


def _shown(text: str) -> str:
    return shorten_middle(visible(text), _ID_CELLS)
