"""The rate limit of /import over a rolling minute: 30,000 events a second, 2 GB a minute (`docs`)."""

from __future__ import annotations

from collections import deque
from typing import Final

_MINUTE_MS: Final = 60_000


class RateLimit:
    """Counts what came in the last minute.

    Args:
        events_per_second: average over the minute.
        bytes_per_minute: uncompressed bytes.
    """

    def __init__(self, *, events_per_second: int = 30_000, bytes_per_minute: int = 2_000_000_000) -> None:
        self._most_events = events_per_second * 60
        self._most_bytes = bytes_per_minute
        self._requests: deque[tuple[int, int, int]] = deque()
        self._events = 0
        self._bytes = 0

    def admits(self, now_ms: int, events: int, size: int) -> bool:
        """Return whether a request still fits, and count it if it does.

        Args:
            now_ms: the clock, milliseconds since 1970.
            events: the events of the request.
            size: its size in bytes, uncompressed.
        """
        while self._requests and self._requests[0][0] <= now_ms - _MINUTE_MS:
            _, gone_events, gone_bytes = self._requests.popleft()
            self._events -= gone_events
            self._bytes -= gone_bytes
        if self._events + events > self._most_events or self._bytes + size > self._most_bytes:
            return False
        self._requests.append((now_ms, events, size))
        self._events += events
        self._bytes += size
        return True
