"""JSON text as nodes that know their lines, the same nodes that YAML text gives.

It reads what `JSON.parse` reads: of repeated keys the last one counts, at the place of the first one.
"""

from __future__ import annotations

import json.decoder
import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from harness.forwarder.jsjson import normal_number
from harness.problems import Problems
from harness.yamltext import MAX_DEPTH, Mapping, Node, Scalar, Sequence

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS: Final = {"true": True, "false": False, "null": None}
_WORD = re.compile("true|false|null")
_scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def parse_json_nodes(text: str, problems: Problems) -> Node | None:
    """Return the document of a JSON text as nodes, or None after noting why there is none."""
    try:
        return _Scanner(text).document()
    except _NotJsonError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        problems.add(line, "", f"is not JSON: {error} at column {column}", error.fix)
    return None


class _NotJsonError(Exception):
    """The text breaks off being JSON at a position."""

    def __init__(self, message: str, position: int, fix: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.fix = fix


@dataclass(slots=True)
class _Open:
    """A list or a map that is still being read."""

    line: int
    closing: str
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    key: str = ""

    def put(self, node: Node) -> None:
        if self.closing == "]":
            self.items.append(node)
        else:
            self.entries[self.key] = node

    def closed(self) -> Node:
        if self.closing == "]":
            return Sequence(self.items, self.line)
        return Mapping(self.entries, self.key_lines, self.line)


class _Scanner:
    """Reads one document from left to right, without recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1
        self._stack: list[_Open] = []

    def document(self) -> Node:
        node = self._value()
        while self._stack:
            node = self._next_in(self._stack[-1], node)
        self._skip()
        if self._position < len(self._text):
            self._refuse("something follows the end of the document")
        assert node is not None
        return node

    def _next_in(self, top: _Open, node: Node | None) -> Node | None:
        """Take a finished value into the container on top, and read on up to the next finished value."""
        if node is not None:
            top.put(node)
        self._skip()
        if self._peek() == top.closing:
            self._position += 1
            return self._stack.pop().closed()
        if node is not None:
            self._expect(",")
        if top.closing == "}":
            self._key(top)
        return self._value()

    def _key(self, top: _Open) -> None:
        self._skip()
        line = self._line
        if self._peek() != '"':
            self._refuse("expected a key in double quotes")
        top.key = self._string()
        top.key_lines[top.key] = line
        self._expect(":")

    def _value(self) -> Node | None:
        """Return a single value, or None after opening a list or a map."""
        self._skip()
        character = self._peek()
        if character in ("[", "{"):
            if len(self._stack) >= MAX_DEPTH:
                self._refuse(f"nested more than {MAX_DEPTH} levels deep", "Flatten it.")
            self._stack.append(_Open(self._line, "]" if character == "[" else "}"))
            self._position += 1
            return None
        line = self._line
        if character == '"':
            return Scalar(self._string(), line)
        match = _NUMBER.match(self._text, self._position)
        if match is not None:
            self._position = match.end()
            return Scalar(normal_number(float(match[0])), line)
        match = _WORD.match(self._text, self._position)
        if match is None:
            self._refuse("expected a value" if character else "the text ends too early")
        self._position = match.end()
        return Scalar(_WORDS[match[0]], line)

    def _string(self) -> str:
        try:
            text, self._position = _scan_string(self._text, self._position + 1, True)  # noqa: FBT003
        except ValueError as error:
            self._position = getattr(error, "pos", self._position)
            self._refuse(getattr(error, "msg", "a broken text").lower())
        return str(text)

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._position)
        if match is not None:
            self._line += self._text.count("\n", self._position, match.end())
            self._position = match.end()

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _expect(self, character: str) -> None:
        self._skip()
        if self._peek() != character:
            self._refuse(f"expected {character!r}", "Check for a missing comma, bracket or quote.")
        self._position += 1

    def _refuse(self, message: str, fix: str = "") -> NoReturn:
        raise _NotJsonError(message, self._position, fix)
