"""Core paths such as `arc.event.xdm.identityMap.ECID[0].id`, walked with all the leniency of Adobe's own walk."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from harness.forwarder import inherited
from harness.forwarder.jsvalues import JsError, Value, to_text, truthy

Walk: TypeAlias = Callable[[Value], Value]
"""Gives the value at a path of the request context; null for anything falsy."""

_ARRAY_PART = re.compile(r"[\[0-9]\]")
_INDEX = re.compile(r"\[([0-9]+)\]\Z")
_ROOT: Final = "arc"


class _ArrayPart(NamedTuple):
    """A part such as `ECID[0]`: where the property is missing or falsy, the walk stays where it is."""

    name: str
    at: str


def compile_path(path: Value) -> Walk:
    """Return the walk of a path.

    Args:
        path: what the settings give as path; it should be a text.

    Raises:
        JsError: when it is none.
    """
    if path is None or not isinstance(path, (str, int, float, list, dict)):
        raise JsError(f"Cannot read properties of {to_text(path)} (reading 'split')")
    if not isinstance(path, str):
        raise JsError("sourcePath.split is not a function")
    parts = path.split(".")
    if parts[0] != _ROOT or any(_is_special(part) for part in parts):
        steps = [_part(part) for part in parts]
        return lambda arc: _careful_walk({_ROOT: arc}, steps)
    return _plain_walk(parts[1:])


def _is_special(part: str) -> bool:
    return part in inherited.OBJECT_MEMBERS or _ARRAY_PART.search(part) is not None


def _part(part: str) -> str | _ArrayPart:
    if _ARRAY_PART.search(part) is None:
        return part
    opening = part.find("[")
    index = _INDEX.search(part)
    return _ArrayPart(part[:opening] if opening > 0 else "", index[1] if index else "null")


def _plain_walk(keys: list[str]) -> Walk:
    def walk(arc: Value) -> Value:
        here = arc
        for key in keys:
            if type(here) is dict:
                here = here.get(key)
            elif truthy(here):
                here = inherited.read(here, key)
            else:
                return None
        return here if truthy(here) else None

    return walk


def _careful_walk(container: Value, steps: list[str | _ArrayPart]) -> Value:
    here = container
    for step in steps:
        if not truthy(here):
            return None
        if isinstance(step, str):
            here = inherited.read(here, step)
            continue
        inner = inherited.read(here, step.name)
        if truthy(inner):
            here = inherited.read(inner, step.at)
    return here if truthy(here) else None
