"""`vars:` of a scenario: names for values, put in for `{name}`. Plain replacement, no expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from harness.event import Json, id_text
from harness.source import Reader
from harness.yamltext import plain

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_variables(top: Reader) -> dict[str, Json]:
    """Return the `vars` of a scenario; a name that no placeholder could name is noted."""
    node = top.mapping("vars", "values by name")
    if node is None:
        return {}
    for name in node.entries:
        if not _NAME.fullmatch(name):
            fix = "Use letters, digits and _, not starting with a digit."
            top.problems.add(node.key_lines[name], f"vars.{name}", "is no name for a placeholder", fix)
    values: dict[str, Json] = plain(node)
    return values


def fill(value: Json, variables: Mapping[str, Json]) -> Json:
    """Return a value with every `{name}` of a known name replaced, in texts and keys, at any depth.

    A text that is one placeholder and nothing else becomes the value itself, with its type.
    """
    if not variables:
        return value
    if isinstance(value, str):
        return _fill_text(value, variables)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {str(_fill_text(key, variables)): fill(item, variables) for key, item in value.items()}
    return value


def _fill_text(text: str, variables: Mapping[str, Json]) -> Json:
    whole = _PLACE.fullmatch(text)
    if whole and whole[1] in variables:
        return variables[whole[1]]
    return _PLACE.sub(lambda place: id_text(variables[place[1]]) if place[1] in variables else place[0], text)
