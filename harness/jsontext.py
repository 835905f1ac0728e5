"""JSON as files and bodies carry it: strict to read, the same bytes on every machine to write.

Python's reader takes `NaN` and `Infinity`, chokes on very long numbers and overflows its stack on deep nesting;
here each of these is a plain `ValueError` with a message for people.
"""

from __future__ import annotations

import json
import math
from typing import NoReturn

from harness.event import Json

_MAX_DIGITS = 400


def parse(text: str) -> Json:
    """Return the value of one JSON document.

    Repeated keys: the last one counts, as in every JavaScript engine.

    Args:
        text: the document.

    Raises:
        ValueError: when the text is not JSON; the message says what is wrong and where in the text.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno} " if "\n" in text else ""
        raise ValueError(f"not JSON: {error.msg} at {line}column {error.colno}") from None
    except RecursionError:
        raise ValueError("not readable: nested too deeply") from None


def dump(value: Json, *, indent: int | None = None) -> str:
    """Return a value as JSON text in plain ASCII, keys in the order they have.

    Args:
        value: a JSON value.
        indent: spaces a level, or None for the compact form.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, indent=indent, separators=separators, allow_nan=False)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is not a JSON value")


def _whole_number(digits: str) -> int | float:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"not readable: a number of {len(digits)} digits is too large")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"not readable: the number {digits[:40]} is too large")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_whole_number, parse_float=_number)
