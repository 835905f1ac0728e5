"""Instants and durations as people write them. Nothing here reads the wall clock: every instant is passed in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+", re.ASCII)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_LONGEST_MS: Final = 100 * 366 * 86_400_000


def parse_instant(text: str) -> int:
    """Return an ISO 8601 instant as milliseconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: when the text is no instant; the message says what one looks like.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 9990:
        raise ValueError(f"{text[:60]!r} is no instant such as 2026-01-05T12:00:00Z")
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def format_instant(ms: int) -> str:
    """Return milliseconds since 1970 as ISO 8601 in UTC, with milliseconds only where there are any."""
    try:
        moment = datetime.fromtimestamp(ms // 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms since 1970"
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms % 1_000:03d}Z" if ms % 1_000 else f"{text}Z"


def parse_duration(text: str) -> int:
    """Return a duration such as `90s`, `5m`, `2h`, `1d` or `1h30m` in milliseconds.

    Raises:
        ValueError: when the text is no duration; the message says what one looks like.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no duration such as 90s, 5m, 2h or 1d")
    total = sum(round(float(amount) * _UNITS_MS[unit]) for amount, unit in _PART.findall(text[:200]))
    if total > _LONGEST_MS:
        raise ValueError(f"{text[:60]!r} is more than 100 years")
    return total
