"""Probes of Mixpanel's door: which events are let in, and what becomes of an absent or wrong id and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.event import ID_MERGE_SYSTEMS, Json
from harness.ingestion.limits import DAY_MS
from harness.live.probe import Ask, Kit, Probe

_THREE_HOURS_S: Final = 3 * 3_600
_THRESHOLDS: Final[dict[float, tuple[str, str]]] = {
    5e10: ("4e10", "7e10"),
    1e11: ("7e10", "1.5e11"),
    2e11: ("1.5e11", "5e11"),
    1e12: ("5e11", "the time of today in milliseconds"),
}
_TIMES: Final = (4e10, 7e10, 1.5e11, 5e11)
_AGES_DAYS: Final = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 9.0, 12.0, 20.0, 35.0)
_WINDOWS: Final = (5, 1, 2, 3, 4, 6, 7, 8, 10, 14, 30)


def _future(kit: Kit) -> Sequence[Ask]:
    ahead = kit.now_ms // 1_000 + _THREE_HOURS_S
    return (
        Ask("import", (kit.row("strict", distinct_id=kit.id("a"), time=ahead),)),
        Ask("import", (kit.row("loose", distinct_id=kit.id("b"), time=ahead),), is_strict=False),
        Ask("import", (kit.row("now", distinct_id=kit.id("c")),)),
    )


def _threshold(kit: Kit) -> Sequence[Ask]:
    rows = [kit.row(f"{time:g}", distinct_id=kit.id("a"), time=int(time)) for time in _TIMES]
    return (Ask("import", (*rows, kit.row("now", distinct_id=kit.id("a")))),)


def _window(kit: Kit) -> Sequence[Ask]:
    rows = [
        kit.row(f"{age:g} days", distinct_id=kit.id("a"), time=(kit.now_ms - int(age * DAY_MS)) // 1_000)
        for age in _AGES_DAYS
    ]
    return (Ask("track", tuple(rows)),)


def _missing_id(kit: Kit) -> Sequence[Ask]:
    return (
        Ask("import", (kit.row("strict"),)),
        Ask("track", (kit.row("track"),), with_address=True),
        Ask("import", (kit.row("with id", distinct_id=kit.id("a")),)),
    )


def _bad_id(kit: Kit) -> Sequence[Ask]:
    rows = (kit.row("bad", distinct_id="undefined"), kit.row("good", distinct_id=kit.id("a")))
    return (Ask("import", rows, is_strict=False),)


def _between(value: Json) -> str:
    low, high = _THRESHOLDS[float(value)]
    return f"between {low} and {high}"


def _days_between(value: Json) -> str:
    low = max(age for age in _AGES_DAYS if age < value)
    high = min(age for age in _AGES_DAYS if age > value)
    return f"between {low:g} and {high:g} days"


PROBES: Final = (
    Probe(
        name="future",
        switch="time.future",
        rules=(),
        systems=ID_MERGE_SYSTEMS,
        question="What becomes of an event three hours ahead, with and without strict?",
        values=("strict_reject_else_clamp", "always_clamp", "always_reject"),
        asks=_future,
        looks_at=("answers", "there"),
    ),
    Probe(
        name="threshold",
        switch="time.ms_threshold",
        rules=(),
        systems=ID_MERGE_SYSTEMS,
        question="From which number on is a time in milliseconds?",
        values=(1e11, 5e10, 2e11, 1e12),
        asks=_threshold,
        looks_at=("answers", "there"),
        range_of=_between,
    ),
    Probe(
        name="window",
        switch="track_window_days",
        rules=(),
        systems=ID_MERGE_SYSTEMS,
        question="How old may an event on /track be?",
        values=_WINDOWS,
        asks=_window,
        looks_at=("there",),
        range_of=_days_between,
    ),
    Probe(
        name="missing-id",
        switch="ingest.missing_distinct_id",
        rules=(),
        systems=ID_MERGE_SYSTEMS,
        question="What becomes of an event without any id, by strict /import and by /track with ip=1?",
        values=("strict400_else_iphash", "reject", "empty"),
        asks=_missing_id,
        looks_at=("answers", "there", "nobody"),
    ),
    Probe(
        name="bad-id",
        switch="ingest.bad_ids_nonstrict",
        rules=(),
        systems=ID_MERGE_SYSTEMS,
        question="What becomes of the distinct_id `undefined` where validation is not strict?",
        values=("blank", "accept", "drop"),
        asks=_bad_id,
        looks_at=("there", "nobody"),
    ),
)
