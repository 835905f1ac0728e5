"""Text that is safe to show: names and ids come from scenario files, and an id may hold anything.

Characters that act instead of being seen (terminal escapes, line breaks, direction overrides, lone surrogates) are
spelled out, so what a reader sees is what is there, in a terminal as in XML or HTML.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final

from harness.event import Json

ELLIPSIS: Final = "…"

_ACTING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def visible(text: str) -> str:
    """Return a text with every character that acts spelled out, on one line.

    Args:
        text: any text, lone surrogates included.
    """
    return _ACTING.sub(lambda found: _spelled(found[0]), text)


def one_line(text: str) -> str:
    """Return a sentence on one line: runs of white space become one space, the rest as in `visible`."""
    return visible(_SPACES.sub(" ", text).strip())


def cells(text: str) -> int:
    """Return how many columns a text takes in a fixed-width font."""
    return sum(_cells_of(character) for character in text)


def shorten(text: str, limit: int) -> str:
    """Return a text cut at its end to a number of columns, with an ellipsis where something is missing."""
    if _fits(text, limit):
        return text
    return _head(text, limit - 1) + ELLIPSIS


def shorten_middle(text: str, limit: int) -> str:
    """Return an id cut in its middle to a number of columns: ids differ at both ends."""
    if _fits(text, limit):
        return text
    tail = (limit - 1) // 3
    return _head(text, limit - 1 - tail) + ELLIPSIS + _head(text[: -limit - 1 : -1], tail)[::-1]


def value(found: Json) -> str:
    """Return an expected or actual value as people read it: compact JSON, `none` for null."""
    if found is None:
        return "none"
    return visible(json.dumps(found, ensure_ascii=False, separators=(", ", ": ")))


def instant(milliseconds: int) -> str:
    """Return a time in UTC, for example `2026-01-05T12:00:00Z`; milliseconds only where there are any.

    Args:
        milliseconds: since 1970.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return f"{milliseconds} ms since 1970"
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def ratio(share: float) -> str:
    """Return a share from 0 to 1 with three decimals, rounded down: only a perfect share reads 1.000."""
    return f"{math.floor(share * 1000 + 1e-9) / 1000:.3f}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, for example `1 scenario` or `1,200 scenarios`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _spelled(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cells_of(character: str) -> int:
    if character < "\x7f":
        return 1
    if character == "\u200d" or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fits(text: str, limit: int) -> bool:
    return len(_head(text, limit)) == len(text)


def _head(text: str, limit: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _cells_of(character)
        if taken > limit:
            return text[:index]
    return text
