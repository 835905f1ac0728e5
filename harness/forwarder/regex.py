"""Regular expressions as `new RegExp(pattern, flags).test(text)` runs them, without the flag u."""

from __future__ import annotations

from functools import lru_cache

import regress

from harness.forwarder.jsvalues import JsError


@lru_cache(maxsize=512)
def _compiled(pattern: str, flags: str) -> regress.Regex:
    try:
        return regress.Regex(pattern, flags)
    except regress.RegressError as error:
        raise JsError(f"Invalid regular expression: /{pattern}/{flags}: {error}") from None


def matches(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """Return whether a pattern matches anywhere in a text.

    Args:
        pattern: the source of the expression.
        text: the text to search.
        ignore_case: whether it has the flag i.

    Raises:
        JsError: when the pattern is not a regular expression.
    """
    return _compiled(pattern, "i" if ignore_case else "").find(text) is not None
