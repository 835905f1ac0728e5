"""A project that remembers besides what Mixpanel keeps: the rows it turned away, as they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from harness.event import Endpoint, IdMerge, Json
from harness.ingestion.project import MixpanelProject, RowResult
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.traffic import RateLimit

MOST_REFUSED: Final = 10_000
"""How many refused rows are kept as they came, the newest; what became of older ones is kept all the same."""


class RecordingProject(MixpanelProject):
    """A project for people to look into.

    Attributes:
        refused: rejected and dropped rows as they came, by index, the newest.
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
        self._lax_from: list[tuple[int, bool]] = []

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
        if endpoint == "import":
            self._note_strictness(self.settings.strict if strict is None else strict)
        results = super().receive(
            rows, now_ms=now_ms, endpoint=endpoint, strict=strict, client_ip=client_ip, check_token=check_token
        )
        if len(self.events) - stored_before != len(results):
            for raw, result in zip(rows, results, strict=True):
                if result.status != "accepted":
                    self.refused[result.event_index] = raw
            while len(self.refused) > MOST_REFUSED:
                del self.refused[next(iter(self.refused))]
        return results

    def was_strict(self, index: int) -> bool:
        """Return whether the row with an index, if it came by /import, was validated strictly."""
        strict = self.settings.strict
        for first, value in self._lax_from:
            if first > index:
                break
            strict = value
        return strict

    def refused_rows(self) -> Iterator[RowResult]:
        """Yield what became of the refused rows that are kept, in order of arrival."""
        return (self.rows[index] for index in self.refused)

    def _note_strictness(self, strict: bool) -> None:  # noqa: FBT001 - a value that is noted, not a switch
        known = self._lax_from[-1][1] if self._lax_from else None
        if known != strict:
            self._lax_from.append((len(self.rows), strict))
