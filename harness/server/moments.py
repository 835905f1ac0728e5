"""The clock of a session: the wall clock, or one that a test sets and moves."""

from __future__ import annotations

import time


class SessionClock:
    """What time it is for one session, in milliseconds since 1970.

    Args:
        fixed_ms: the instant at which it stands still; None: it goes with the wall clock.
    """

    def __init__(self, fixed_ms: int | None = None) -> None:
        self._fixed_ms = fixed_ms
        self._ahead_ms = 0

    @property
    def is_fixed(self) -> bool:
        """Whether it stands still until it is moved."""
        return self._fixed_ms is not None

    def now_ms(self) -> int:
        """Return the time."""
        if self._fixed_ms is not None:
            return self._fixed_ms
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def set(self, fixed_ms: int | None) -> None:
        """Stand still at an instant, or with None go with the wall clock again."""
        self._fixed_ms = fixed_ms
        self._ahead_ms = 0

    def advance(self, by_ms: int) -> None:
        """Move ahead; a clock that goes with the wall clock goes on that much ahead of it."""
        if self._fixed_ms is None:
            self._ahead_ms += by_ms
        else:
            self._fixed_ms += by_ms
