"""The limits on raw exports: 60 an hour and 3 a second (`docs`)."""

from __future__ import annotations

from collections import deque
from typing import Final

_HOUR_MS: Final = 3_600_000
_AN_HOUR: Final = 60
_A_SECOND: Final = 3


class ExportLimit:
    """Counts the exports of the last hour."""

    def __init__(self) -> None:
        self._at: deque[int] = deque()

    def admits(self, now_ms: int) -> bool:
        """Return whether one more export is allowed, and count it if it is.

        Args:
            now_ms: the clock, milliseconds since 1970.
        """
        while self._at and self._at[0] <= now_ms - _HOUR_MS:
            self._at.popleft()
        last_second = sum(at > now_ms - 1_000 for at in self._at)
        if len(self._at) >= _AN_HOUR or last_second >= _A_SECOND:
            return False
        self._at.append(now_ms)
        return True
