"""The values of JavaScript and its conversions, as ECMAScript defines them.

A JavaScript value is a Python one: null is None, a number is an int or a float, a string is a str (code points;
lone surrogates stay as they are), an array is a list, an object is a dict. What Python lacks has a class here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from harness.forwarder import jstext

Value: TypeAlias = Any
"""A JavaScript value: None, UNDEFINED, bool, int, float, str, list, dict with str keys, or an `Opaque`."""


class _Undefined:
    """The class of UNDEFINED."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = _Undefined()
"""JavaScript's undefined; the only object of its class."""


class Opaque:
    """An object that only the engine can make: a built-in function, a prototype, the answer of a fetch.

    Args:
        text: what String() gives.
        members: its own properties by name.
        json: how JSON writes it; None for a function, which JSON leaves out.
    """

    __slots__ = ("json", "members", "text")

    def __init__(self, text: str, members: dict[str, Value], json: str | None) -> None:
        self.text = text
        self.members = members
        self.json = json

    def __repr__(self) -> str:
        return self.text


class JsError(Exception):
    """A JavaScript exception; its text is the message."""


_MAX_SAFE = 2**53
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX: Final = {"0x": 16, "0o": 8, "0b": 2}
_RADIX_DIGITS: Final = {16: re.compile("[0-9a-fA-F]+"), 8: re.compile("[0-7]+"), 2: re.compile("[01]+")}
_INFINITIES: Final = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_LAST_ARRAY_INDEX = 2**32 - 2


def is_number(value: Value) -> bool:
    """Return whether a value has the type number."""
    kind = type(value)
    return kind is int or kind is float


def is_object(value: Value) -> bool:
    """Return whether a value is an object: an array and a function are, null is not."""
    return isinstance(value, (dict, list, Opaque))


def truthy(value: Value) -> bool:
    """Return Boolean(value): every object is true, even an empty one; NaN is not."""
    if value:
        return not (isinstance(value, float) and math.isnan(value))
    return isinstance(value, (dict, list))


def number_text(number: float) -> str:
    """Return a number as JavaScript writes it: `1e+21`, `1.5e-7`, `123456789012345680000`, `NaN`."""
    if type(number) is int:
        if -_MAX_SAFE <= number <= _MAX_SAFE:
            return str(number)
        number = as_double(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    if number == 0:
        return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if whole == "0":
        point -= len(fraction) + 1 - len(digits)
    digits = digits.rstrip("0")
    return ("-" if number < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Return significant digits with the decimal point after `point` of them, in JavaScript's choice of notation."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = point - 1
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"


def as_double(number: float) -> float:
    """Return a number as the double it is in JavaScript; too large is an infinity."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def to_number(value: Value) -> float:
    """Return Number(value).

    Raises:
        JsError: when an object can't be converted to a primitive value.
    """
    if value is None or value is False:
        return 0
    if value is True:
        return 1
    if value is UNDEFINED:
        return math.nan
    if is_number(value):
        return as_double(value)
    if isinstance(value, str):
        return _number_of_text(value)
    return to_number(to_primitive(value))


def _number_of_text(text: str) -> float:
    text = jstext.trim(text)
    if not text:
        return 0
    radix = _RADIX.get(text[:2].lower())
    if radix is not None:
        digits = text[2:]
        return as_double(int(digits, radix)) if _RADIX_DIGITS[radix].fullmatch(digits) else math.nan
    if _DECIMAL.fullmatch(text):
        return float(text)
    return _INFINITIES.get(text, math.nan)


def to_text(value: Value) -> str:
    """Return String(value).

    Raises:
        JsError: when an object can't be converted to a primitive value.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if is_number(value):
        return number_text(value)
    if value is UNDEFINED:
        return "undefined"
    primitive: str = to_primitive(value)
    return primitive


def to_primitive(value: Value) -> Value:
    """Return the primitive value of an object: its text. A primitive value is returned as it is.

    Raises:
        JsError: where data hides `toString` behind a value that is no function.
    """
    if isinstance(value, list):
        return jstext.joined(",".join("" if item is None or item is UNDEFINED else to_text(item) for item in value))
    if isinstance(value, dict):
        if "toString" in value:
            raise JsError("Cannot convert object to primitive value")
        return "[object Object]"
    if isinstance(value, Opaque):
        return value.text
    return value


def add(left: Value, right: Value) -> Value:
    """Return `left + right`: texts are joined, anything else is added up as numbers.

    Raises:
        JsError: when an object can't be converted to a primitive value.
    """
    left, right = to_primitive(left), to_primitive(right)
    if isinstance(left, str) or isinstance(right, str):
        return jstext.joined(to_text(left) + to_text(right))
    return to_number(left) + to_number(right)


def loose_equals(left: Value, right: Value) -> bool:
    """Return `left == right`, with all the conversions of JavaScript's loose equality.

    Raises:
        JsError: when an object can't be converted to a primitive value.
    """
    if left is None or left is UNDEFINED:
        return right is None or right is UNDEFINED
    if right is None or right is UNDEFINED:
        return False
    if is_object(left):
        if is_object(right):
            return left is right
        left = to_primitive(left)
    elif is_object(right):
        right = to_primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return to_number(left) == to_number(right)


def is_array_index(key: str) -> bool:
    """Return whether a property key is an array index, which objects list before all other keys."""
    return (
        key.isascii()
        and key.isdigit()
        and (key[0] != "0" or key == "0")
        and len(key) <= 10
        and int(key) <= _LAST_ARRAY_INDEX
    )


def ordered_keys(keys: Iterable[str]) -> list[str]:
    """Return keys in the order in which a JavaScript object lists them: array indexes first, by number."""
    names = list(keys)
    if not any("0" <= name[:1] <= "9" for name in names):
        return names
    indexes = [name for name in names if is_array_index(name)]
    if not indexes:
        return names
    return sorted(indexes, key=int) + [name for name in names if not is_array_index(name)]


def own_entries(value: Value) -> Iterator[tuple[str, Value]]:
    """Yield the properties that `{...value}` copies: those of an object, items of an array, characters of a text."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), item) for index, item in enumerate(value))
    elif isinstance(value, str):
        yield from ((str(index), unit) for index, unit in enumerate(jstext.units(value)))
