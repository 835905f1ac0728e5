"""Tokens `{{name}}`: how Adobe's build turns the settings of a component into code, and what that code gives.

The build works on text. It replaces every token in the JSON text of the settings by a call with the hex code of its
name, reads the result as JavaScript, and splits each string at those calls into a sum. The oddities of that way of
working are kept, because what is sent depends on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from harness.event import Json
from harness.forwarder import jsjson, jstext
from harness.forwarder.jsvalues import UNDEFINED, Opaque, Value, add, ordered_keys

Values: TypeAlias = Sequence[Value]
"""The values of a component's tokens, in the order of `Template.names`."""

Read: TypeAlias = Callable[[Values], Value]

_TOKEN = re.compile(r"\{\{([^}]+)\}\}")
_LINE = r"[^\n\r\u2028\u2029]"
TOKEN_CALL = re.compile(rf"""getDataElementValue\((?:\\*["'])?({_LINE}*?)(?:\\*["'])?\)""")
_ENCODED = re.compile(rf"reactor({_LINE}*)\Z")
_HEX = re.compile(r"[\t-\r \xa0]*([+-]?)(?:0[xX])?([0-9a-fA-F]+)")
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{1,3})|(\r\n|.)|\Z)", re.DOTALL
)
_ENDS_STRING = re.compile(r"(?<!\\)(?:\\\\)*(['\n\r])")
_SIMPLE_ESCAPES: Final = {
    "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "\n": "", "\r": "", "\r\n": "",
    "\u2028": "", "\u2029": "",
}  # fmt: skip
_FUNCTION: Final = Opaque("context => getDataElementValues", {}, None)


class BuildError(Exception):
    """Adobe's build can't make code of the settings; the text says why."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value without tokens."""

    value: Value


@dataclass(frozen=True, slots=True)
class Token:
    """The value of the token at a position of `Template.names`; None where the code asks for a name nobody resolved."""

    position: int | None


@dataclass(frozen=True, slots=True)
class Sum:
    """The parts of a string with a token and something else, added up from left to right."""

    parts: tuple[Constant | Token, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list with tokens somewhere inside."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with tokens somewhere inside; its keys are in JavaScript's order."""

    items: dict[str, Node]


Node: TypeAlias = Constant | Token | Sum | ListOf | MapOf


@dataclass(frozen=True, slots=True)
class Template:
    """Settings ready to be filled in.

    Attributes:
        names: the data elements that the settings name, each once, in the order in which they are resolved.
        node: what the settings become.
    """

    names: tuple[str, ...]
    node: Node


def sanitized(text: str) -> str:
    """Return a text as it comes out of the build's first step, which replaces tokens wherever they stand."""
    return _TOKEN.sub(lambda match: f"getDataElementValue(reactor{_hex(match[1])})", text)


def built_data(value: Json) -> Value:
    """Return data that is not settings (a default value) as it comes out of the build.

    Raises:
        BuildError: when the build's first step breaks the code apart.
    """
    text = jsjson.write(value) or "null"
    return reader(_constant_node(_loaded(sanitized(text)) if "{{" in text else value))(())


def template(settings: Json) -> Template:
    """Return the template of a component's settings.

    Args:
        settings: the settings as data; None when there are none.

    Raises:
        BuildError: for a token in a key of an object, a name that breaks the code, a `{{` that is never closed.
    """
    text = jsjson.write({} if settings is None else settings) or "{}"
    if "{{" not in text and "getDataElementValue(" not in text:
        return Template((), _constant_node({} if settings is None else settings))
    tokens: dict[str, None] = {}
    settings = _loaded(sanitized(text))
    _collect(settings, tokens)
    if not tokens:
        return Template((), _constant_node(settings))
    names = [_resolved_name(token) for token in tokens]
    positions = {name: position for position, name in enumerate(names)}
    return Template(tuple(names), _node(settings, positions))


def _hex(text: str) -> str:
    return "".join(f"{ord(unit):04x}" for unit in jstext.units(text))


def _loaded(text: str) -> Json:
    try:
        return jsjson.parse(text)
    except ValueError:
        raise BuildError("a `{{` is closed only behind the end of its text") from None


def _collect(value: Json, tokens: dict[str, None]) -> None:
    """Note the decoded token of every call in every string, in the order in which the code lists them."""
    if isinstance(value, str):
        tokens.update(dict.fromkeys(_decoded(match[1]) for match in TOKEN_CALL.finditer(value)))
    elif isinstance(value, list):
        for item in value:
            _collect(item, tokens)
    elif isinstance(value, dict):
        for key in ordered_keys(value):
            if TOKEN_CALL.search(key):
                raise BuildError(f"a token stands in the key {key_text(key)}; only values can hold tokens")
            _collect(value[key], tokens)


def key_text(key: str) -> str:
    """Return a key as people wrote it, its tokens decoded, in quotes."""
    return json.dumps(TOKEN_CALL.sub(lambda match: "{{" + _decoded(match[1]) + "}}", key), ensure_ascii=False)


def _decoded(token: str) -> str:
    match = _ENCODED.match(token)
    if match is None:
        return token
    encoded = match[1]
    chunks = (encoded[start : start + 4] for start in range(0, len(encoded), 4))
    return jstext.joined("".join(_unit(chunk) for chunk in chunks))


def _unit(chunk: str) -> str:
    match = _HEX.match(chunk)
    if match is None:
        return "\0"
    return chr(int(match[1] + match[2], 16) & 0xFFFF)


def _resolved_name(token: str) -> str:
    """Return the name that the code resolves: the token read as a JavaScript string in single quotes."""
    breaking = _ENDS_STRING.search(token)
    if breaking is not None:
        what = "an apostrophe" if breaking[1] == "'" else "a line break"
        raise BuildError(f"the token name {json.dumps(token, ensure_ascii=False)} holds {what}")
    name = jstext.joined(_ESCAPE.sub(lambda match: _unescaped(match, token), token))
    return name.replace("\n", "").replace("\r", "")


def _unescaped(match: re.Match[str], token: str) -> str:
    braced, four, two, octal, simple = match.groups()
    code = braced or four or two
    if code is not None and int(code, 16) <= 0x10FFFF:
        return chr(int(code, 16))
    if octal is not None:
        return chr(int(octal, 8))
    if simple is None or simple in "ux":
        raise BuildError(f"the token name {json.dumps(token, ensure_ascii=False)} breaks off in an escape sequence")
    return _SIMPLE_ESCAPES.get(simple, simple)


def _constant_node(value: Json) -> Node:
    if isinstance(value, dict):
        return MapOf(_entries({key: _constant_node(item) for key, item in value.items()}))
    if isinstance(value, list):
        return ListOf(tuple(_constant_node(item) for item in value))
    return Constant(value)


def _node(value: Json, positions: dict[str, int]) -> Node:
    if isinstance(value, str):
        return _text_node(value, positions)
    if isinstance(value, list):
        return ListOf(tuple(_node(item, positions) for item in value))
    if isinstance(value, dict):
        return MapOf(_entries({_stripped(key): _node(value[key], positions) for key in ordered_keys(value)}))
    return Constant(value)


def _entries(items: dict[str, Node]) -> dict[str, Node]:
    """Return the properties of an object literal in the build's code, in order.

    `__proto__` sets the prototype instead of a property, and an object with `settings` beside `modulePath` or
    `displayName` is taken for a component of its own, whose settings become a function.
    """
    taken = "settings" in items and ("modulePath" in items or "displayName" in items)
    named = {("getSettings" if taken and key == "settings" else key): node for key, node in items.items()}
    if taken:
        named["getSettings"] = Constant(_FUNCTION)
    return {key: named[key] for key in ordered_keys(named) if key != "__proto__"}


def _text_node(text: str, positions: dict[str, int]) -> Node:
    parts: list[Constant | Token] = []
    end = 0
    for match in TOKEN_CALL.finditer(text):
        if match.start() > end:
            parts.append(Constant(_stripped(text[end : match.start()])))
        parts.append(Token(positions.get(_stripped(_decoded(match[1])))))
        end = match.end()
    if end < len(text):
        parts.append(Constant(_stripped(text[end:])))
    if len(parts) == 1:
        return parts[0]
    return Sum(tuple(parts)) if parts else Constant("")


def _stripped(text: str) -> str:
    return text.replace("\n", "").replace("\r", "")


def reader(node: Node) -> Read:
    """Return the function that gives a node's value for given values of its tokens."""
    if isinstance(node, Constant):
        constant = node.value
        return lambda values: constant
    if isinstance(node, Token):
        return _token_reader(node.position)
    if isinstance(node, Sum):
        return _sum_reader([reader(part) for part in node.parts])
    if isinstance(node, ListOf):
        items = [reader(item) for item in node.items]
        return lambda values: [read(values) for read in items]
    entries = [(key, reader(item)) for key, item in node.items.items()]
    return lambda values: {key: read(values) for key, read in entries}


def _token_reader(position: int | None) -> Read:
    if position is None:
        return lambda values: UNDEFINED
    return lambda values: values[position]


def _sum_reader(parts: list[Read]) -> Read:
    first, *others = parts

    def read_sum(values: Values) -> Value:
        total = first(values)
        for part in others:
            total = add(total, part(values))
        return total

    return read_sum
