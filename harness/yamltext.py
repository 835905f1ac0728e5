"""YAML text as nodes that know their lines, read by the core schema of YAML 1.2, the one editors use.

`no`, `on` and `2026-01-05` are texts. Nothing is ever executed, aliases can't blow up, nesting has a limit, and
repeated keys are noted as problems, not surprises.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from harness.event import Json
from harness.problems import Problems

MAX_DEPTH = 100
_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
MAX_NODES = 2_000_000

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES = frozenset({"true", "True", "TRUE"})
_FALSES = frozenset({"false", "False", "FALSE"})
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MERGE = "<<"
_PLAIN_TAGS = frozenset({"!", *(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str"))})


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value and its line."""

    value: str | int | float | bool | None
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list and its line; `weight` is how many nodes it has when every alias is written out."""

    items: list[Node]
    line: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map and its line; `key_lines` has the line of each key."""

    entries: dict[str, Node]
    key_lines: dict[str, int]
    line: int
    weight: int = 1


Node: TypeAlias = Scalar | Sequence | Mapping


def parse_yaml(text: str, problems: Problems) -> Node | None:
    """Return the one document of a YAML text, or None after noting why there is none."""
    try:
        return _Composer(problems).compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Newer releases of libyaml have a limit of their own, and look far enough ahead to meet it before ours.
        if error.problem and "nesting depth" in error.problem:
            problems.add(mark.line + 1 if mark else None, "", _TOO_DEEP, "Flatten it.")
            return None
        what = " ".join(part for part in (error.context, error.problem) if part)
        problems.add(mark.line + 1 if mark else None, "", f"is not valid YAML: {what}", "Check indentation and quotes.")
    except yaml.YAMLError as error:
        problems.add(None, "", f"is not valid YAML: {str(error).splitlines()[0]}", "Check for odd characters.")
    except _GivenUpError:
        pass
    return None


def plain(node: Node) -> Json:
    """Return a node as plain JSON data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items()}


def kind_of(node: Node) -> str:
    """Return what a node is, in words: `a map`, `a list`, `the text 'x'`, `the number 3`..."""
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value if len(value) <= 40 else value[:37] + '...'!r}"
    return f"the number {value}"


class _GivenUpError(Exception):
    """The problem is noted; there is no document."""


@dataclass(slots=True)
class _Open:
    """A list or a map that is still being read."""

    line: int
    anchor: str | None
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    merges: list[tuple[Node, int]] = field(default_factory=list)
    key: str | None = None
    key_line: int = 0
    weight: int = 1


class _Composer:
    """Builds nodes from YAML events, without recursion."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._give_up(line, "holds a second document; one file is one document", "Split the file.")
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event, line)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._open(event, line)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor, line)
        return self._root

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_map and top.key is None:
            self._key(top, event.value, line)
            return
        quoted = not event.implicit[0] or event.tag == "tag:yaml.org,2002:str"
        value = event.value if quoted else self._resolve(event.value, line)
        self._put(Scalar(value, line), event.anchor)

    def _refuse_tag(self, tag: str | None, line: int) -> None:
        if tag is not None and tag not in _PLAIN_TAGS:
            self._give_up(line, f"uses the tag {tag}; tags are not read", "Remove the tag.")

    def _key(self, top: _Open, text: str, line: int) -> None:
        top.key, top.key_line = text, line
        if text in top.entries:
            first = top.key_lines[text]
            self._problems.add(line, text, f"is here twice; the first one is in line {first}", "Remove one of them.")

    def _resolve(self, text: str, line: int) -> str | int | float | bool | None:
        if text in _NULLS:
            return None
        if text in _TRUES:
            return True
        if text in _FALSES:
            return False
        if _NOT_FINITE.fullmatch(text):
            self._problems.add(line, "", f"{text} is not a JSON number", "Write a finite number, or quote it.")
            return None
        if text[0] in "0123456789-+." and len(text) <= 400:
            return self._number(text, line)
        return text

    def _number(self, text: str, line: int) -> str | int | float | None:
        if _INT.fullmatch(text):
            return int(text)
        if _OCTAL.fullmatch(text):
            return int(text[2:], 8)
        if _HEX.fullmatch(text):
            return int(text, 16)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
            self._problems.add(line, "", f"the number {text} is too large", "Quote it if it is a text.")
            return None
        return text

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        if len(self._stack) >= MAX_DEPTH:
            self._give_up(line, _TOO_DEEP, "Flatten it.")
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_map and top.key is None:
            self._give_up(line, "uses a list or a map as a key; keys are texts", "Quote the key.")
        self._stack.append(_Open(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        done = self._stack.pop()
        if not done.is_map:
            self._put(Sequence(done.items, done.line, done.weight), done.anchor)
            return
        for node, line in done.merges:
            self._merge(done, node, line)
        self._put(Mapping(done.entries, done.key_lines, done.line, done.weight), done.anchor)

    def _merge(self, into: _Open, node: Node, line: int) -> None:
        for part in node.items if isinstance(node, Sequence) else [node]:
            if not isinstance(part, Mapping):
                self._problems.add(line, _MERGE, f"needs a map, found {kind_of(part)}", "Write `<<: *name_of_a_map`.")
                continue
            for key, value in part.entries.items():
                if key not in into.entries:
                    into.entries[key] = value
                    into.key_lines[key] = line

    def _alias(self, anchor: str | None, line: int) -> None:
        node = self._anchors.get(anchor or "")
        if node is None:
            self._give_up(line, f"the alias *{anchor} names nothing above it", f"Write &{anchor} where it is defined.")
            return
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_map and top.key is None:
            if not isinstance(node, Scalar):
                self._give_up(line, "uses a list or a map as a key; keys are texts", "Write the key out.")
                return
            self._key(top, str(node.value), line)
            return
        self._put(node, None)

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.weight += 1 if isinstance(node, Scalar) else node.weight
        if top.weight > MAX_NODES:
            self._give_up(top.line, f"grows to more than {MAX_NODES:,} values", "Use fewer aliases, or split the file.")
        if not top.is_map:
            top.items.append(node)
            return
        key = top.key
        top.key = None
        if key is None:
            return
        if key == _MERGE:
            top.merges.append((node, top.key_line))
        elif key not in top.entries:
            top.entries[key] = node
            top.key_lines[key] = top.key_line

    def _give_up(self, line: int, message: str, fix: str) -> None:
        self._problems.add(line, "", message, fix)
        raise _GivenUpError
