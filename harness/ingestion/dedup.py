"""Duplicates: events that were stored and yet don't count, because the same event came again.

At query time events with equal (event, distinct_id, time, `$insert_id`) are one, and the last one counts (`docs`: the
newest is shown). Compaction, which may never run, does the same by (event, distinct_id, `$insert_id`, day). Which
distinct_id is meant, the resolved one or the one sent, and whose day, no source says (`inferred`; both are switches).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime, tzinfo

from harness.ingestion.limits import DAY_MS
from harness.ingestion.settings import IngestionSettings


class Duplicates:
    """The suspects among stored events, found as they arrive; who is a duplicate is decided when it is asked.

    Only events with one `$insert_id` are ever looked at again; nearly every one is alone with its own. A later merge of
    two users can make their events duplicates.

    Args:
        settings: whether compaction has run, and whose day it goes by.
    """

    def __init__(self, settings: IngestionSettings) -> None:
        self._first: dict[str, int] = {}
        self._more: dict[str, list[int]] = {}
        self._by_day = settings.dedup_compaction
        self._zone = _zone(settings) if settings.dedup_day == "project" else None

    def add(self, index: int, insert_id: str) -> None:
        """Take one stored event.

        Args:
            index: its index; rises from event to event.
            insert_id: the `$insert_id` it carried; an event with a made-up one is no duplicate and stays out of this.
        """
        first = self._first.setdefault(insert_id, index)
        if first != index:
            self._more.setdefault(insert_id, [first]).append(index)

    def find(self, moment_of: Callable[[int], tuple[str, int]], id_of: Callable[[int], str]) -> set[int]:
        """Return the indexes of the events that don't count.

        Args:
            moment_of: gives the name of the event with an index, and its time in milliseconds since 1970.
            id_of: gives its distinct_id as of now.
        """
        found: set[int] = set()
        for insert_id in self._more:
            found |= self.find_among(insert_id, moment_of, id_of)
        return found

    def find_among(
        self, insert_id: str, moment_of: Callable[[int], tuple[str, int]], id_of: Callable[[int], str]
    ) -> set[int]:
        """Return the same for the events with one `$insert_id` only."""
        moments = [(index, *moment_of(index), id_of(index)) for index in self._more.get(insert_id, ())]
        found = set(_all_but_the_last((index, (name, time, who)) for index, name, time, who in moments))
        if self._by_day:
            days = ((index, (name, self._day(time), who)) for index, name, time, who in moments)
            found.update(_all_but_the_last(days))
        return found

    def _day(self, time_ms: int) -> int:
        if self._zone is None:
            return time_ms // DAY_MS
        try:
            return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(self._zone).toordinal()
        except (ValueError, OverflowError, OSError):
            # Past the calendar of this machine; there a day of UTC is as good as any.
            return time_ms // DAY_MS


def _all_but_the_last(keys: Iterable[tuple[int, Hashable]]) -> Iterator[int]:
    """Yield the indexes whose key comes again later."""
    last: dict[Hashable, int] = {}
    for index, key in keys:
        if key in last:
            yield last[key]
        last[key] = index


def _zone(settings: IngestionSettings) -> tzinfo:
    import zoneinfo

    return zoneinfo.ZoneInfo(settings.project_timezone)
