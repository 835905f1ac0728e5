"""Writes YAML that reads the same everywhere: plain words where they can't be mistaken, else double quotes."""

from __future__ import annotations

import json
import re
from typing import Final

from harness.event import Json

WIDTH: Final = 118

_PLAIN: Final = re.compile(r"[A-Za-z$_][A-Za-z0-9$_@./ -]*(?<! )")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPED: Final = re.compile(r'["\\]|[^ -~]')


def scalar(value: Json) -> str:
    """Return a text, number, truth value or null."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and len(value) <= WIDTH and value.lower() not in _WORDS:
        return value
    return '"' + _ESCAPED.sub(_escape, value) + '"'


def inline(value: Json) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value)


def block(key: str, value: Json, indent: int) -> list[str]:
    """Return a key with its value as lines: one where that fits, else one for each key inside."""
    margin = " " * indent
    line = f"{margin}{scalar(key)}: {inline(value)}"
    if len(line) <= WIDTH or not isinstance(value, dict) or not value:
        return [line]
    return [f"{margin}{scalar(key)}:", *(row for name, item in value.items() for row in block(name, item, indent + 2))]


def comment(text: str) -> str:
    """Return a comment on one line, whatever the text holds."""
    return "# " + "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _escape(found: re.Match[str]) -> str:
    letter = found.group()
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable() and not letter.isspace():
        return letter
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
