"""Duplicates: events that were stored and yet don't count, because the same event came again.

At query time events with equal (event, distinct_id, time, `$insert_id`) are one, and the last one counts (`docs`: the
newest is shown). Compaction, which may never run, does the same by (event, distinct_id, `$insert_id`, day). Which
distinct_id is meant, the resolved one or the one sent, and whose day, no source says (`inferred`; both are switches).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime, tzinfo

from harness.ingestion.limits import DAY_MS
from harness.ingestion.settings import IngestionSettings


class Duplicates:
    """The suspects among stored events, found as they arrive; who is a duplicate is decided when it is asked.

    Everything of the keys but the distinct_id never changes, so only events that agree in all of that are ever looked
    at again, and a later merge of two users can make their events duplicates.

    Args:
        settings: whether compaction has run, and whose day it goes by.
    """

    def __init__(self, settings: IngestionSettings) -> None:
        self._groups = _Groups()
        self._by_day = _Groups() if settings.dedup_compaction else None
        self._zone = _zone(settings) if settings.dedup_day == "project" else None

    def add(self, index: int, name: str, time_ms: int, insert_id: str) -> None:
        """Take one stored event.

        Args:
            index: its index; rises from event to event.
            name: the event name.
            time_ms: its time, milliseconds since 1970.
            insert_id: the `$insert_id` it carried; an event with a made-up one is no duplicate and stays out of this.
        """
        self._groups.add((name, time_ms, insert_id), index)
        if self._by_day is not None:
            self._by_day.add((name, self._day(time_ms), insert_id), index)

    def find(self, id_of: Callable[[int], str]) -> set[int]:
        """Return the indexes of the events that don't count.

        Args:
            id_of: gives the distinct_id of the event with an index, as of now.
        """
        found: set[int] = set()
        for groups in (self._groups, self._by_day):
            if groups is not None:
                for group in groups.suspects():
                    found.update(_all_but_the_last(group, id_of))
        return found

    def _day(self, time_ms: int) -> int:
        if self._zone is None:
            return time_ms // DAY_MS
        try:
            return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(self._zone).toordinal()
        except (ValueError, OverflowError, OSError):
            # Past the calendar of this machine; there a day of UTC is as good as any.
            return time_ms // DAY_MS


class _Groups:
    """Indexes by key; keys that occur once, nearly all of them, cost one entry."""

    def __init__(self) -> None:
        self._first: dict[Hashable, int] = {}
        self._more: dict[Hashable, list[int]] = {}

    def add(self, key: Hashable, index: int) -> None:
        first = self._first.setdefault(key, index)
        if first != index:
            self._more.setdefault(key, [first]).append(index)

    def suspects(self) -> Iterable[list[int]]:
        return self._more.values()


def _all_but_the_last(group: list[int], id_of: Callable[[int], str]) -> Iterable[int]:
    last = {id_of(index): index for index in group}
    kept = set(last.values())
    return (index for index in group if index not in kept)


def _zone(settings: IngestionSettings) -> tzinfo:
    import zoneinfo

    return zoneinfo.ZoneInfo(settings.project_timezone)
