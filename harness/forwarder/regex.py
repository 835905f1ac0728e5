"""Regular expressions as `new RegExp(pattern, flags).test(text)` runs them, without the flag u.

Plain ASCII goes to the engine of `regress`, which is fast. It sees code points where JavaScript sees UTF-16 units, and
some patterns keep it busy for ever; those, and whatever is not ASCII, run on our own machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import regress

from harness.forwarder import jstext
from harness.forwarder.jsvalues import JsError
from harness.forwarder.regex_machine import Program, TooManyStepsError, compile_program, search
from harness.forwarder.regex_names import RegexSyntaxError
from harness.forwarder.regex_syntax import parse
from harness.forwarder.regex_terms import Group, Look, Pattern, Reference, Repeat, Term

Test: TypeAlias = Callable[[str], bool]

_PLAIN = re.compile(r"(?:[\x00-[\]-\x7f]|\\[dDwsSbB!-/:-@[-`{-~])*")
"""Patterns in ASCII whose every escape means the same to both engines; `\\W` differs where case is ignored."""

_MAX_FAST_STEPS = 10_000_000


def matches(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """Return whether a pattern matches anywhere in a text.

    Args:
        pattern: the source of the expression.
        text: the text to search.
        ignore_case: whether it has the flag i.

    Raises:
        JsError: when the pattern is not a regular expression, or takes too long.
    """
    return _compiled(pattern, ignore_case)(text)


@lru_cache(maxsize=512)
def _compiled(source: str, ignore_case: bool) -> Test:  # noqa: FBT001
    try:
        pattern = parse(source or "(?:)")
    except RegexSyntaxError as error:
        flags = "i" if ignore_case else ""
        raise JsError(f"Invalid regular expression: /{source}/{flags}: {error}") from None
    program: list[Program] = []

    def careful(text: str) -> bool:
        if not program:
            program.append(compile_program(pattern, ignore_case=ignore_case))
        try:
            return search(program[0], [ord(unit) for unit in jstext.units(text)])
        except TooManyStepsError:
            raise JsError(f"the regular expression /{source}/ takes too long on this text") from None

    degree = _degree(pattern) if _PLAIN.fullmatch(source) else None
    if degree is None:
        return careful
    try:
        fast = regress.Regex(source or "(?:)", "i" if ignore_case else "")
    except regress.RegressError:
        return careful

    def test(text: str) -> bool:
        if text.isascii() and (len(text) + 1) ** degree <= _MAX_FAST_STEPS:
            return fast.find(text) is not None
        return careful(text)

    return test


def _degree(pattern: Pattern) -> int | None:
    """Return the power of the text's length that limits the work of plain backtracking; None where nothing does."""
    degree = 1
    pending: list[Term] = [pattern.body]
    while pending:
        term = pending.pop()
        if isinstance(term, (Look, Reference)):
            return None
        if isinstance(term, Group):
            pending += [inner for terms in term.alternatives for inner in terms]
        elif isinstance(term, Repeat):
            if isinstance(term.body, Group):
                return None
            degree += term.most > 1
    return degree
