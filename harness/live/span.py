"""Which days of a project's export can hold what was sent."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from harness.live.prediction import Prediction
from harness.problems import InputError, Problem


def spans_of(
    prediction: Prediction, today: date, asked: tuple[date | None, date | None] = (None, None)
) -> list[tuple[date, date]]:
    """Return the days to read, each as a span of one day: those that a stored event has by its time.

    An event without a time of its own has that of its arrival, so for it today and yesterday are read. Days are those
    of the project's time zone, which the switch `project_timezone` names.

    Args:
        prediction: what was sent.
        today: the day it is.
        asked: the first and last day that somebody asked for; None: as the events say.

    Raises:
        InputError: when the last day asked for is before the first.
    """
    first, last = asked
    if first is not None and last is not None and last < first:
        raise InputError([Problem("", None, "--to-date", f"{last} is before {first}", "Swap them.")])
    zone = zoneinfo.ZoneInfo(prediction.project.settings.ingestion.project_timezone)
    days = {today} if first is None and last is None and not prediction.sent else set()
    for sent, predicted in zip(prediction.sent, prediction.events, strict=True):
        if sent.time_s is None:
            days |= {today, today - timedelta(days=1)}
        elif predicted.time_ms is not None:
            days.add(day_of(predicted.time_ms, zone))
    if first is not None or last is not None:
        start, end = first or min(days, default=last), last or max(days, default=first)
        assert start is not None
        assert end is not None
        days = {start + timedelta(days=count) for count in range((end - start).days + 1)}
    return [(day, day) for day in sorted(days)]


def day_of(ms: int, zone: tzinfo = UTC) -> date:
    """Return the day of an instant (milliseconds since 1970) in a time zone."""
    return datetime.fromtimestamp(ms / 1_000, UTC).astimezone(zone).date()


def one_span(days: Sequence[date]) -> list[tuple[date, date]]:
    """Return the span from the earliest to the latest of some days, to be read in one request."""
    return [(min(days), max(days))] if days else []
