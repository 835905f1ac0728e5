"""Compares what the model predicts with what a raw export shows, again and again until it settles or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.event import IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.live.explaining import Case, Explanation, explain
from harness.live.export_row import ExportRow
from harness.live.matching import Found, Matching
from harness.live.partition import Comparison, compare
from harness.live.prediction import Prediction, Replay

ReadExport: TypeAlias = Callable[[], Iterable[ExportRow]]
"""Reads the export once more, from its first row."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out of a verification.

    Attributes:
        prediction: what the model says.
        found: what the export shows.
        comparison: the two side by side.
        explanations: settings under which the model would agree, the best first.
        readings: how often the export was read.
        is_stopped: whether a person stopped the wait.
    """

    prediction: Prediction
    found: Found
    comparison: Comparison
    explanations: tuple[Explanation, ...] = ()
    readings: int = 1
    is_stopped: bool = False

    @property
    def is_final(self) -> bool:
        """Whether waiting can change nothing: all is there, and what differs are merges, which can't be undone."""
        left = self.comparison
        return not left.missing and not left.renamed and all(one.actual == "joined" for one in left.differ)

    @property
    def holds(self) -> bool:
        """Whether the export is as predicted, nothing of ours beyond it."""
        left = self.comparison
        wrong = left.differ or left.missing or left.renamed or left.rejected_but_there
        return not (wrong or self.found.unexpected_of_ours)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a project to settle, all in seconds.

    Attributes:
        wait_s: how long in all; 0 reads once.
        poll_s: how long between two readings.
        clock: gives the time in seconds; only differences count.
        sleep: waits so many seconds.
    """

    wait_s: float = 0
    poll_s: float = 600
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification.

    Attributes:
        replay: what was sent.
        id_merge: the project's ID-merge system.
        settings: the reading of the rules.
        read: reads the export.
        run: the test run that is looked at alone; None: everything is.
        tell: takes a line of progress.
    """

    replay: Replay
    id_merge: IdMerge
    settings: ProjectSettings
    read: ReadExport
    run: str | None = None
    tell: Callable[[str], None] = lambda line: None

    def verify(self, patience: Patience | None = None) -> Verified:
        """Read and compare until waiting changes nothing more, or time is up; then explain what differs.

        Ctrl-C ends the wait; what is known by then is returned.
        """
        patience = patience or Patience()
        prediction = self.replay.predict(self.id_merge, self.settings)
        deadline = patience.clock() + patience.wait_s
        known: Verified | None = None
        readings = 0
        try:
            while True:
                found = self._match(prediction)
                readings += 1
                known = Verified(prediction, found, compare(prediction, found), readings=readings)
                left = deadline - patience.clock()
                if known.is_final or left <= 0:
                    return self._explained(known)
                pause = min(patience.poll_s, left)
                self.tell(f"{_state(known)}; reading again in {_duration(pause)}, for {_duration(left)} at most")
                patience.sleep(pause)
        except KeyboardInterrupt:
            if known is None:
                raise
            return Verified(known.prediction, known.found, known.comparison, (), readings, is_stopped=True)

    def _match(self, prediction: Prediction) -> Found:
        matching = Matching(prediction, self.run)
        for row in self.read():
            matching.take(row)
        return matching.found()

    def _explained(self, known: Verified) -> Verified:
        case = Case(self.replay, known.prediction, self.settings, known.found, known.comparison)
        found = explain(case, self.tell)
        return Verified(known.prediction, known.found, known.comparison, tuple(found), known.readings)


def _state(known: Verified) -> str:
    left = known.comparison
    return f"{left.agree} agree, {len(left.differ)} differ, {len(left.missing)} missing"


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{whole} s"
    return f"{whole // 60} min" if whole < 7_200 else f"{whole / 3_600:.1f} h"
