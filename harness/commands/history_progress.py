"""How far the reading of a history is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import Final

import click

_EVERY_SECONDS: Final = 0.2


class HistoryProgress:
    """One line on standard error, where that is a terminal; elsewhere nothing.

    Args:
        now: gives the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._started = now()
        self._shown = self._started
        self._is_terminal = sys.stderr.isatty()
        self._any = False

    def show(self, events: int, share: float) -> None:
        """Show how many events were read, and the share of the input, 0 to 1."""
        now = self._now()
        if not self._is_terminal or now - self._shown < _EVERY_SECONDS:
            return
        self._shown = now
        self._any = True
        click.echo(f"\r\x1b[K{self.line(events, share, now - self._started)}", err=True, nl=False)

    def line(self, events: int, share: float, seconds: float) -> str:
        """Return the progress in one line."""
        rate = events / max(seconds, 1e-3)
        text = f"{events:,} events, {rate:,.0f} a second"
        if not share:
            return text
        left = seconds / share - seconds
        return f"{share:4.0%} {text}, {left // 60:.0f}:{left % 60:02.0f} left"

    def note(self, sentence: str) -> None:
        """Tell something beforehand."""
        if self._is_terminal:
            click.echo(sentence, err=True)

    def note_first_run(self) -> None:
        """Tell whoever runs this version for the first time why nothing happens at first."""
        from harness.history.native import LOOPS_ARE_NEW

        if LOOPS_ARE_NEW:
            self.note("the first run compiles what the next ones find compiled; that takes up to half a minute")

    def close(self) -> None:
        """Clear the line."""
        if self._any:
            click.echo("\r\x1b[K", err=True, nl=False)
