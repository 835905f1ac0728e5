"""A project that remembers besides what Mixpanel keeps: the rows it turned away, as they came."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.event import Endpoint, IdMerge, Json, NotAnEvent
from harness.ingestion.project import MixpanelProject, RowResult
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.traffic import RateLimit

MOST_REFUSED: Final = 10_000
"""How many refused rows are kept as they came, the newest; what became of older ones is kept all the same."""

_MOST_CHARACTERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Shortened:
    """A refused row that is too large to be kept: its event name, at most 255 characters of it, or None."""

    name: str | None


class RecordingProject(MixpanelProject):
    """A project for people to look into.

    Attributes:
        refused: rejected and dropped rows as they came, by index, the newest; large ones are `Shortened`.
    """

    def __init__(
        self,
        id_merge: IdMerge,
        settings: ProjectSettings | None = None,
        *,
        secret: str | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        super().__init__(id_merge, settings, secret=secret, rate_limit=rate_limit)
        self.refused: dict[int, Json] = {}
        self._first_rows: list[int] = []
        self._ways: list[tuple[Endpoint, bool]] = []

    def receive(
        self,
        rows: Iterable[Json],
        *,
        now_ms: int,
        endpoint: Endpoint = "import",
        strict: bool | None = None,
        client_ip: str | None = None,
        check_token: bool = False,
    ) -> list[RowResult]:
        """Take rows; see `MixpanelProject.receive`."""
        rows = list(rows)
        stored_before = len(self.events)
        way = (endpoint, endpoint == "import" and (self.settings.strict if strict is None else strict))
        if not self._ways or self._ways[-1] != way:
            self._first_rows.append(len(self.rows))
            self._ways.append(way)
        results = super().receive(
            rows, now_ms=now_ms, endpoint=endpoint, strict=strict, client_ip=client_ip, check_token=check_token
        )
        if len(self.events) - stored_before != len(results):
            for raw, result in zip(rows, results, strict=True):
                if result.status != "accepted":
                    self.refused[result.event_index] = _kept(raw)
            while len(self.refused) > MOST_REFUSED:
                del self.refused[next(iter(self.refused))]
        return results

    def way_of(self, index: int) -> tuple[Endpoint, bool]:
        """Return the route by which the row with an index came, and whether it was validated strictly."""
        return self._ways[bisect_right(self._first_rows, index) - 1]

    def refused_rows(self) -> Iterator[RowResult]:
        """Yield what became of the refused rows that are kept, in order of arrival."""
        return (self.rows[index] for index in self.refused)


def _kept(raw: Json) -> Json | Shortened:
    try:
        is_small = len(json.dumps(raw)) <= _MOST_CHARACTERS
    except (TypeError, ValueError, RecursionError):
        is_small = isinstance(raw, NotAnEvent)
    if is_small:
        return raw
    name = raw.get("event") if isinstance(raw, dict) else None
    return Shortened(name[:255] if isinstance(name, str) else None)
