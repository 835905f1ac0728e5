"""How far a send is, on a terminal: a bar with the rate and the time that is left, and why it waits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.live.sender import Progress


class Bar:
    """A bar on standard error, where that is a terminal; elsewhere nothing but the notes.

    Args:
        rows: how many rows there are.
        answered: how many of them were answered for before.
        now: gives the time in seconds.
    """

    def __init__(self, rows: int, answered: int, now: Callable[[], float] = monotonic) -> None:
        self._rows = rows
        self._answered = answered
        self._now = now
        self._started = now()
        self._is_terminal = sys.stderr.isatty()
        self._waits = 0

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._is_terminal:
            done = self._answered + progress.rows
            click.echo(f"\r\x1b[K{self.line(progress)}", err=True, nl=done >= self._rows)

    def note(self, sentence: str) -> None:
        """Tell why it waits; without a terminal only now and then, so that a log stays short."""
        self._waits += 1
        if self._is_terminal:
            click.echo(f"\r\x1b[K{sentence}", err=True)
        elif self._waits & (self._waits - 1) == 0:
            more = f" ({self._waits} waits so far)" if self._waits > 1 else ""
            click.echo(f"note: {sentence}{more}", err=True)

    def line(self, progress: Progress) -> str:
        """Return the bar in one line."""
        done = self._answered + progress.rows
        share = done / self._rows if self._rows else 1.0
        seconds = max(self._now() - self._started, 1e-3)
        rate = progress.rows / seconds
        left = (self._rows - done) / rate if rate else 0
        filled = round(share * 30)
        again = f", {progress.retries:,} again" if progress.retries else ""
        return (
            f"[{'#' * filled}{'-' * (30 - filled)}] {share:4.0%} {done:,}/{self._rows:,} "
            f"{rate:,.0f} events/s {_clock(left)} left{again}"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
