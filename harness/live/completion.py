"""What an event lacks to be sent safely: its own `$insert_id`, and where it would be the time of arrival, its own time.

An event that is sent twice, as the answer was lost, is one event only where both are equal (`docs`). What is added
follows from the event, its place and the clock alone, so the same file always gives the same `$insert_id`s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from harness.event import Endpoint, Event, Json
from harness.ingestion.limits import HOUR_MS
from harness.ingestion.rules import milliseconds
from harness.live.marking import Marking

CLOCK_BEHIND_MS: Final = 60_000
"""How far behind now an added time is: a clock ahead of Mixpanel's would have each retry set to another time."""

encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Returns a JSON value as compact text in plain ASCII: the form in which rows are proven, hashed and sent."""


class Completion:
    """Completes the events of one send.

    Args:
        now_ms: the clock, milliseconds since 1970.
        clock_ms: the time that is added where one is missing, milliseconds since 1970.
        seconds_below: a `time` below this is in seconds, else in milliseconds.
        marking: how the events of a test run are marked; None: not at all.
    """

    def __init__(self, now_ms: int, clock_ms: int, seconds_below: float, marking: Marking | None = None) -> None:
        self._now_ms = now_ms
        self._now_s = now_ms / 1_000
        self._clock_s = clock_ms // 1_000
        self._seconds_below = seconds_below
        self._marking = marking
        self.insert_ids_made = 0
        self.times_added = 0
        self.tokens_removed = 0

    @property
    def changes(self) -> int:
        """How often anything was added or left out so far."""
        return self.insert_ids_made + self.times_added + self.tokens_removed

    def row(self, event: Event, place: str, endpoint: Endpoint) -> dict[str, Json]:
        """Return an event as the row that is proven and sent.

        A `token` is left out: the project is chosen by whoever sends, and no credential is kept with the rows.

        Args:
            event: the event.
            place: where it stands, for example `line 7`; equal events at different places are different events.
            endpoint: the route it goes by.
        """
        properties = dict(event.properties)
        if "token" in properties:
            del properties["token"]
            self.tokens_removed += 1
        if properties.get("$insert_id") in (None, ""):
            properties["$insert_id"] = insert_id(event.name, properties, place)
            self.insert_ids_made += 1
        time = properties.get("time")
        if time is None:
            if endpoint == "track" or event.name == "$merge":
                properties["time"] = self._clock_s
                self.times_added += 1
        elif (type(time) is int or type(time) is float) and time > self._now_s:
            self._hold_back(properties, time)
        if self._marking is not None:
            properties = self._marking.properties(properties)
        return {"event": event.name, "properties": properties}

    def _hold_back(self, properties: dict[str, Json], time: float) -> None:
        """Give a time up to one hour ahead the clock's, as Mixpanel would set it to another one at each retry."""
        time_ms = milliseconds(time, self._seconds_below)
        if time_ms is not None and self._now_ms < time_ms <= self._now_ms + HOUR_MS:
            properties["time"] = self._clock_s
            self.times_added += 1


def insert_id(name: str, properties: Mapping[str, Json], place: str) -> str:
    """Return the `$insert_id` of an event that has none: 32 hex digits that follow from the event and its place."""
    content = encode([place, name, {key: properties[key] for key in properties if key != "$insert_id"}])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
