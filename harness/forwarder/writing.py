"""Settings written straight as JSON: what does not depend on a call is written once, beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from harness.forwarder import jsjson
from harness.forwarder.jsvalues import ordered_keys
from harness.forwarder.tokens import Constant, ListOf, MapOf, Node, Token, Values, reader

Write: TypeAlias = Callable[[Values], str | None]
"""Writes a value as JSON for given values of the tokens; None for what JSON leaves out."""


def writer(node: Node) -> Write:
    """Return the function that writes the value of a node as `JSON.stringify` does."""
    if isinstance(node, MapOf):
        return _map_writer(node)
    if isinstance(node, ListOf):
        return _list_writer(node)
    if isinstance(node, Constant):
        written = jsjson.write(node.value)
        return lambda values: written
    if isinstance(node, Token) and node.position is not None:
        position = node.position
        return lambda values: jsjson.write(values[position])
    read = reader(node)
    return lambda values: jsjson.write(read(values))


def _map_writer(node: MapOf) -> Write:
    entries = [(f"{jsjson.write(key)}:", node.items[key]) for key in ordered_keys(node.items)]
    if all(isinstance(item, Constant) for _, item in entries):
        return _constant(entries)
    writers = [(key, writer(item)) for key, item in entries]

    def write(values: Values) -> str:
        parts = []
        for key, write_item in writers:
            text = write_item(values)
            if text is not None:
                parts.append(key + text)
        return "{" + ",".join(parts) + "}"

    return write


def _constant(entries: list[tuple[str, Node]]) -> Write:
    writers = [(key, writer(item)(())) for key, item in entries]
    written = "{" + ",".join(key + text for key, text in writers if text is not None) + "}"
    return lambda values: written


def _list_writer(node: ListOf) -> Write:
    writers = [writer(item) for item in node.items]
    return lambda values: "[" + ",".join([write(values) or "null" for write in writers]) + "]"
