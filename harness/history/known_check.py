"""Checks patterns of users before a long reading begins."""

from __future__ import annotations

import re

from harness.problems import InputError, Problem


def check_pattern(pattern: str | None, option: str) -> None:
    """Find out whether a text is a regular expression.

    Raises:
        InputError: when it is none.
    """
    if pattern is None:
        return
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError([Problem("", None, option, f"{pattern!r} is no regular expression: {error}")]) from None
