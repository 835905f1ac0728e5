"""Names of groups in regular expressions, `(?<name>...)` and `\\k<name>`."""

from __future__ import annotations

import re
from typing import Final

_LAST_CODE_POINT: Final = 0x10FFFF
_ESCAPE = re.compile(
    r"\\u(?:\{([0-9a-fA-F]+)\}|([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|([0-9a-fA-F]{4}))"
)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_JOINERS: Final = "\u200c\u200d"


class RegexSyntaxError(Exception):
    """The pattern is not a regular expression; the text is V8's."""


def read_group_name(source: str, at: int) -> tuple[str, int]:
    """Return the name of a group and the place behind its `>`.

    Args:
        source: the pattern, one character a UTF-16 unit.
        at: where the name begins.

    Raises:
        RegexSyntaxError: when it is no identifier, or never ends.
    """
    name = ""
    while source[at : at + 1] != ">":
        character, at = _character(source, at)
        if not _fits(character, first=not name):
            raise RegexSyntaxError("Invalid capture group name")
        name += character
    if not name:
        raise RegexSyntaxError("Invalid capture group name")
    return name, at + 1


def _character(source: str, at: int) -> tuple[str, int]:
    """Return one character of a name, written out or escaped, and the place behind it; "" at the end."""
    if source[at : at + 2] != "\\u":
        pair = _PAIR.match(source, at)
        if pair is None:
            return source[at : at + 1], at + 1
        return _joined(ord(source[at]), ord(source[at + 1])), at + 2
    match = _ESCAPE.match(source, at)
    if match is None:
        raise RegexSyntaxError("Invalid Unicode escape")
    braced, high, low, four = match.groups()
    if high is not None:
        return _joined(int(high, 16), int(low, 16)), match.end()
    code = int(braced or four, 16)
    if code > _LAST_CODE_POINT:
        raise RegexSyntaxError("Invalid Unicode escape")
    return chr(code), match.end()


def _joined(high: int, low: int) -> str:
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _fits(character: str, *, first: bool) -> bool:
    if character == "$" or (character in _JOINERS and character and not first):
        return True
    return character.isidentifier() if first else f"_{character}".isidentifier() and bool(character)
