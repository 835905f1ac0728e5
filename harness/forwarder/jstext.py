"""Texts as JavaScript sees them: sequences of UTF-16 units with its own idea of white space and case.

A text is kept as a Python str of code points, with a surrogate only where it stands alone, so that equal texts are
equal strs. Whatever joins or cuts texts restores that form with `joined`.
"""

from __future__ import annotations

import re
from typing import Final

WHITE_SPACE: Final = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_NEWER_CASES: Final = {
    0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5, 0xA7DA: 0xA7DB,
    0xA7DC: 0x19B,
    **{0x10D50 + offset: 0x10D70 + offset for offset in range(22)},
    **{0x16EA0 + offset: 0x16EBB + offset for offset in range(25)},
}  # fmt: skip
"""Lower case of letters that Unicode added after the version that the oldest supported Python knows."""

NEWER_UPPER_CASES: Final = {lower: upper for upper, lower in _NEWER_CASES.items()}
"""The same letters the other way round."""

_SPACES = re.compile(f"[{WHITE_SPACE}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def has_surrogates(text: str) -> bool:
    """Return whether a text holds a surrogate that stands alone."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def joined(text: str) -> str:
    """Return a text in which surrogates that form a pair have become one character."""
    if not has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def units(text: str) -> str:
    """Return a text with one character for each of its UTF-16 units; other functions don't take this form."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return text
    return "".join(_pair(character) if character > "\uffff" else character for character in text)


def _pair(character: str) -> str:
    offset = ord(character) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def length(text: str) -> int:
    """Return `text.length`, in UTF-16 units."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def trim(text: str) -> str:
    """Return `text.trim()`."""
    return text.strip(WHITE_SPACE)


def clean(text: str) -> str:
    """Return a text with every run of white space collapsed to one space, and trimmed."""
    return _SPACES.sub(" ", text).strip(WHITE_SPACE)


def lower(text: str) -> str:
    """Return `text.toLowerCase()`."""
    return text.lower() if text.isascii() else text.lower().translate(_NEWER_CASES)


def contains(text: str, part: str) -> bool:
    """Return `text.indexOf(part) !== -1`."""
    return part in text if not has_surrogates(part) else units(part) in units(text)


def starts_with(text: str, part: str) -> bool:
    """Return `text.indexOf(part) === 0`."""
    return text.startswith(part) if not has_surrogates(part) else units(text).startswith(units(part))


def ends_with(text: str, part: str) -> bool:
    """Return whether the last units of a text are those of `part`."""
    return text.endswith(part) if not has_surrogates(part) else units(text).endswith(units(part))
