"""Which days of a project's export can hold what was sent."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo

from harness.live.prediction import Prediction
from harness.problems import InputError, Problem


def spans_of(
    prediction: Prediction, arrived: tuple[date, date], asked: tuple[date | None, date | None] = (None, None)
) -> list[tuple[date, date]]:
    """Return the days to read, each as a span of one day: those that a stored event has by its time.

    An event without a time of its own has that of its arrival. Days are those of the project's time zone, which the
    switch `project_timezone` names.

    Args:
        prediction: what was sent.
        arrived: the first and the last day on which it can have arrived.
        asked: the first and last day that somebody asked for; None: as the events say.

    Raises:
        InputError: when the last day asked for is before the first.
    """
    first, last = asked
    if first is not None and last is not None and last < first:
        raise InputError([Problem("", None, "--to-date", f"{last} is before {first}", "Swap them.")])
    zone = zoneinfo.ZoneInfo(prediction.project.settings.ingestion.project_timezone)
    days: set[date] = set() if prediction.sent else {arrived[1]}
    for sent, predicted in zip(prediction.sent, prediction.events, strict=True):
        if sent.time_s is None:
            days.update(_days(*arrived))
        elif predicted.time_ms is not None:
            days.add(day_of(predicted.time_ms, zone))
    if first is not None or last is not None:
        days = set(_days(first or min(*days, last or arrived[1]), last or max(*days, first or arrived[0])))
    return [(day, day) for day in sorted(days)]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def day_of(ms: int, zone: tzinfo = UTC) -> date:
    """Return the day of an instant (milliseconds since 1970) in a time zone."""
    return datetime.fromtimestamp(ms / 1_000, UTC).astimezone(zone).date()
