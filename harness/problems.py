"""What can go wrong outside our code, as data and as one small tree of errors.

HarnessError            anything a user can cause; its text is meant for people
├── InputError          the input or the usage is wrong: exit code 2, carries every problem found
└── OutsideError        something outside failed (network, an engine that is not installed): exit code 3
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in something a user wrote.

    Attributes:
        file: the file as the user named it; "-" for standard input, "" where there is no file.
        line: the line, counted from 1; None where the mistake has no line.
        key: the dotted key, for example `steps[3].properties`; "" for the whole file.
        message: what was found and what was expected.
        fix: what to do about it; "" when the message already says so.
    """

    file: str
    line: int | None
    key: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [part for part in (where, self.key, self.message) if part]
        text = ": ".join(parts)
        return f"{text}. {self.fix}" if self.fix else text


class Problems:
    """The mistakes found in one file so far.

    Args:
        file: the file as the user named it.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Problem] = []

    def add(self, line: int | None, key: str, message: str, fix: str = "") -> None:
        """Note one more mistake (see `Problem` for the parts)."""
        self.found.append(Problem(self.file, line, key, message, fix))

    def of(self, file: str) -> Problems:
        """Return what notes the mistakes of another file into the same list."""
        other = Problems(file)
        other.found = self.found
        return other

    def __bool__(self) -> bool:
        return bool(self.found)


class HarnessError(Exception):
    """Anything that a user can cause; its text is a message for people."""


class InputError(HarnessError):
    """The input or the usage is wrong.

    Args:
        problems: every problem found, not only the first one; at least one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems: tuple[Problem, ...] = tuple(problems)


class OutsideError(HarnessError):
    """Something outside this process failed: the network, or an engine that is not there."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to a mistyped one, or None when none is close."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a fix that names the nearest known name, or all of them when none is near."""
    names = sorted(known)
    close = nearest(name, names)
    if close is not None:
        return f"Did you mean {close!r}?"
    return "Known: " + ", ".join(names) + "."
