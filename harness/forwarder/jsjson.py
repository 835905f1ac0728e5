"""JSON as a JavaScript engine reads and writes it: every number is a double, array indexes come first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

from harness.event import Json
from harness.forwarder import jstext
from harness.forwarder.jsvalues import UNDEFINED, Opaque, Value, as_double, number_text, ordered_keys

MAX_DEPTH: Final = 250
_MAX_SAFE = 2**53
_encode: Callable[[str], str] = encode_basestring


def parse(text: str) -> Json:
    """Return the value of one JSON document as `JSON.parse` reads it and `JSON.stringify` passes it on.

    Whole numbers beyond 2**53 lose precision; numbers too large for a double become null.

    Args:
        text: the document.

    Raises:
        ValueError: when the text is not JSON, or nested more than 250 levels deep; the message says where.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_whole, parse_float=_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and is_deep(value):
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    return value


def is_deep(value: Json) -> bool:
    """Return whether a value is nested more than `MAX_DEPTH` levels deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, (dict, list))]
        if not containers:
            return False
        level = []
        for container in containers:
            level.extend(container.values() if isinstance(container, dict) else container)
    return True


def normal_number(number: float) -> float | None:
    """Return a number as a call carries it: a small whole one as an int, any other as a float, none too large."""
    double = as_double(number)
    if not math.isfinite(double):
        return None
    return int(double) if double.is_integer() and abs(double) <= _MAX_SAFE else double


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is not a JSON value")


def _whole(digits: str) -> float | None:
    if len(digits) < 16:
        return int(digits)
    return normal_number(float(digits))


def _number(digits: str) -> float | None:
    return normal_number(float(digits))


def write(value: Value) -> str | None:
    """Return `JSON.stringify(value)`; None where that is undefined (for undefined itself and for functions)."""
    writer = _WRITERS.get(type(value))
    return writer(value) if writer is not None else None


def _write_text(text: str) -> str:
    written = _encode(text)
    if not jstext.has_surrogates(written):
        return written
    return "".join(f"\\u{ord(unit):04x}" if "\ud800" <= unit <= "\udfff" else unit for unit in written)


def _write_number(number: float) -> str:
    text = number_text(number)
    return "null" if text[-1] in "yN" else text


def _write_list(items: list[Value]) -> str:
    return "[" + ",".join([write(item) or "null" for item in items]) + "]"


def _write_dict(items: dict[str, Value]) -> str:
    parts = []
    for key in ordered_keys(items):
        text = write(items[key])
        if text is not None:
            parts.append(f"{_write_text(key)}:{text}")
    return "{" + ",".join(parts) + "}"


_WRITERS: Final[dict[type, Callable[[Any], str | None]]] = {
    str: _write_text,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
    int: _write_number,
    float: _write_number,
    list: _write_list,
    dict: _write_dict,
    Opaque: lambda value: value.json,
    type(UNDEFINED): lambda _: None,
}
