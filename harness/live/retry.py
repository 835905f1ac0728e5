"""How long to wait before a request is sent again (`docs`): 2 s, doubling to 60 s, plus 1 to 5 s of jitter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """How a sender waits, in seconds.

    Attributes:
        first_s: before the first retry, without jitter.
        longest_s: before any retry, without jitter.
        least_jitter_s: added at least.
        most_jitter_s: added at most.
        most_asked_s: the longest wait that an answer can ask for.
        attempts: how often a batch is sent before the sender gives up; the journal keeps what is left.
    """

    first_s: float = 2
    longest_s: float = 60
    least_jitter_s: float = 1
    most_jitter_s: float = 5
    most_asked_s: float = 300
    attempts: int = 10

    def delay_s(self, failures: int, lot: float, asked_s: float | None = None) -> float:
        """Return how long to wait.

        Args:
            failures: how often the batch has failed, at least once.
            lot: a number from 0 to 1 that is drawn for this wait.
            asked_s: what the answer asked for in `Retry-After`; None: nothing. It never shortens the wait.
        """
        own: float = min(self.first_s * 2 ** min(failures - 1, 30), self.longest_s)
        jitter = self.least_jitter_s + lot * (self.most_jitter_s - self.least_jitter_s)
        return max(own, min(asked_s or 0, self.most_asked_s)) + jitter


USUAL: Final = Patience()
"""How a sender waits unless it is told otherwise."""


def asked_seconds(header: str | None, now_ms: int) -> float | None:
    """Return what `Retry-After` asks for in seconds; None where it asks for nothing that makes sense.

    Args:
        header: the header: a number of seconds, or a date.
        now_ms: the clock, milliseconds since 1970.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds()
    return seconds if seconds > 0 else None
