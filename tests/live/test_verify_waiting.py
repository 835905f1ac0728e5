"""Waiting for a project to settle: until everything agrees, or time is up, or a person has had enough."""

from __future__ import annotations

from collections.abc import Sequence

from harness.event import Json
from harness.live.export_row import read_row
from harness.live.verify import Patience, Verification, Verified
from tests.live.exports import line, replay, row, settings, uuid

A = line(0, "Page", distinct_id=uuid(1))
IDENTIFY = line(1, "$identify", distinct_id="ana", S_anon_distinct_id=uuid(1))
B = line(2, "Page", distinct_id="ana")
EARLY = [row(A, uuid(1))]
LATER = [row(A, uuid(1)), row(B, "ana")]
SETTLED = [row(A, "ana", uuid(1)), row(B, "ana")]


class Project:
    """A project whose export changes from one reading to the next, in time that only passes in a sleep."""

    def __init__(
        self, *exports: Sequence[bytes], stops_at: int | None = None, lines: Sequence[Json] = (A, IDENTIFY, B)
    ) -> None:
        self.lines = lines
        self.exports = list(exports)
        self.now = 100.0
        self.slept: list[float] = []
        self.told: list[str] = []
        self.stops_at = stops_at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self.stops_at:
            raise KeyboardInterrupt
        self.now += seconds

    def verified(self, wait_s: float, poll_s: float = 600) -> Verified:
        def read() -> list[object]:
            export = self.exports.pop(0) if len(self.exports) > 1 else self.exports[0]
            return [read_row(one) for one in export]

        verification = Verification(
            replay(self.lines),
            "original",
            settings(),
            read,  # type: ignore[arg-type]
            tell=self.told.append,
        )
        return verification.verify(Patience(wait_s, poll_s, lambda: self.now, self.sleep))


def test_it_stops_as_soon_as_everything_agrees() -> None:
    project = Project(EARLY, LATER, SETTLED)
    found = project.verified(86_400)
    assert found.holds
    assert found.readings == 3
    assert project.slept == [600, 600]
    assert project.told[0] == "1 agree, 0 differ, 1 missing; reading again in 10 min, for 24.0 h at most"
    assert "1 differ" in project.told[1]


def test_it_does_not_wait_where_all_is_there_at_once() -> None:
    project = Project(SETTLED)
    assert project.verified(86_400).readings == 1
    assert project.slept == []


def test_the_deadline_holds_and_the_last_reading_is_made_at_it() -> None:
    project = Project(LATER)
    found = project.verified(1_500)
    assert not found.holds
    assert project.slept == [600, 600, 300]
    assert found.readings == 4
    assert found.comparison.differ


def test_it_does_not_wait_for_a_merge_to_be_undone() -> None:
    other = line(3, "Page", distinct_id="ben")
    joined = [*SETTLED, row(other, "ana", "ben")]
    project = Project(joined, lines=[A, IDENTIFY, B, other])
    found = project.verified(86_400)
    assert [one.actual for one in found.comparison.differ] == ["joined"]
    assert project.slept == []


def test_without_patience_it_reads_once() -> None:
    project = Project(LATER)
    assert project.verified(0).readings == 1


def test_a_person_who_stops_the_wait_gets_what_is_known() -> None:
    found = Project(EARLY, LATER, stops_at=2).verified(86_400)
    assert found.is_stopped
    assert found.readings == 2
    assert [set(one.ids) for one in found.comparison.differ] == [{uuid(1), "ana"}]


def test_no_setting_is_looked_for_before_the_wait_is_over() -> None:
    project = Project(LATER, SETTLED)
    assert project.verified(86_400).explanations == ()
