"""What was sent by a probe and what came back, in words: the evidence beside an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.live.probe import PROBE_EVENT, Ask, Aspect, Shape


def sent_text(asks: Sequence[Ask]) -> str:
    """Return what was sent, in words."""
    parts = []
    for ask in asks[:6]:
        names = [row.name if row.event == PROBE_EVENT else f"{row.name} ({row.event})" for row in ask.rows]
        listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        strict = "strict " if ask.endpoint == "import" and ask.is_strict else ""
        parts.append(f"{strict}/{ask.endpoint}: {listed}")
    return "; ".join(parts)


def shape_text(shape: Shape) -> str:
    """Return what came back, in words: of each aspect that decides."""
    return "; ".join(f"{_WORDS[aspect]} {_aspect_text(aspect, value)}" for aspect, value in shape.items())


_WORDS: Final[dict[Aspect, str]] = {
    "answers": "answered:",
    "there": "in the export:",
    "users": "users:",
    "names": "shown as:",
    "nobody": "under no id:",
    "reasons": "stamped:",
}


def _aspect_text(aspect: str, value: object) -> str:
    if aspect == "users" and isinstance(value, frozenset):
        groups = sorted((sorted(group) for group in value), key=lambda group: (-len(group), group))
        listed = [_few(group) for group in groups]
        return " | ".join(listed[:8]) + (f" | and {len(listed) - 8} more" if len(listed) > 8 else "") or "nobody"
    assert isinstance(value, tuple)
    if aspect in ("there", "nobody"):
        return ", ".join(value) or "nothing"
    return ", ".join(" ".join(map(str, _flat(item))) for item in value)


def _flat(item: object) -> list[object]:
    if isinstance(item, tuple):
        return [part for inner in item for part in _flat(inner)]
    return ["there" if item is True else "not there" if item is False else item] if item != "" else []


def _few(group: Sequence[str]) -> str:
    return "{" + (", ".join(group) if len(group) <= 6 else f"{', '.join(group[:3])} and {len(group) - 3} more") + "}"
