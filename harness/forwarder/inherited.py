"""What a JavaScript value offers beside its own data: `length`, the units of a text, the built-in prototypes.

A path such as `arc.event.data.name.length` reads it, and so does `arc.event.data.constructor`, by accident.
"""

from __future__ import annotations

from typing import Final

from harness.forwarder import jstext
from harness.forwarder.jsvalues import UNDEFINED, JsError, Opaque, Value, is_array_index, to_text

_OBJECT: Final = {
    "__defineGetter__": 2, "__defineSetter__": 2, "hasOwnProperty": 1, "__lookupGetter__": 1, "__lookupSetter__": 1,
    "isPrototypeOf": 1, "propertyIsEnumerable": 1, "toString": 0, "valueOf": 0, "toLocaleString": 0,
}  # fmt: skip
_ARRAY: Final = {
    "at": 1, "concat": 1, "copyWithin": 2, "fill": 1, "find": 1, "findIndex": 1, "findLast": 1, "findLastIndex": 1,
    "lastIndexOf": 1, "pop": 0, "push": 1, "reverse": 0, "shift": 0, "unshift": 1, "slice": 2, "sort": 1, "splice": 2,
    "includes": 1, "indexOf": 1, "join": 1, "keys": 0, "entries": 0, "values": 0, "forEach": 1, "filter": 1, "flat": 0,
    "flatMap": 1, "map": 1, "every": 1, "some": 1, "reduce": 1, "reduceRight": 1, "toLocaleString": 0, "toString": 0,
    "toReversed": 0, "toSorted": 1, "toSpliced": 2, "with": 2,
}  # fmt: skip
_STRING: Final = {
    "anchor": 1, "at": 1, "big": 0, "blink": 0, "bold": 0, "charAt": 1, "charCodeAt": 1, "codePointAt": 1, "concat": 1,
    "endsWith": 1, "fontcolor": 1, "fontsize": 1, "fixed": 0, "includes": 1, "indexOf": 1, "italics": 0,
    "lastIndexOf": 1, "link": 1, "localeCompare": 1, "match": 1, "matchAll": 1, "normalize": 0, "padEnd": 1,
    "padStart": 1, "repeat": 1, "replace": 2, "replaceAll": 2, "search": 1, "slice": 2, "small": 0, "split": 2,
    "strike": 0, "sub": 0, "substr": 2, "substring": 2, "sup": 0, "startsWith": 1, "toString": 0, "trim": 0,
    "trimStart": 0, "trimLeft": 0, "trimEnd": 0, "trimRight": 0, "toLocaleLowerCase": 0, "toLocaleUpperCase": 0,
    "toLowerCase": 0, "toUpperCase": 0, "valueOf": 0, "isWellFormed": 0, "toWellFormed": 0,
}  # fmt: skip
_NUMBER: Final = {
    "toExponential": 1, "toFixed": 1, "toPrecision": 1, "toString": 1, "valueOf": 0, "toLocaleString": 0,
}  # fmt: skip
_BOOLEAN: Final = {"toString": 0, "valueOf": 0}
_FUNCTION: Final = {"apply": 2, "bind": 1, "call": 1, "toString": 0}
_FORBIDDEN: Final = frozenset({"caller", "arguments"})
_SPELT_OTHERWISE: Final = {"trimLeft": "trimStart", "trimRight": "trimEnd"}


def _function(name: str, arity: int) -> Opaque:
    name = _SPELT_OTHERWISE.get(name, name)
    return Opaque(f"function {name}() {{ [native code] }}", {"name": name, "length": arity}, None)


def _prototype(class_name: str, methods: dict[str, int], text: str, json: str | None) -> Opaque:
    members: dict[str, Value] = {name: _function(name, arity) for name, arity in methods.items()}
    prototype = Opaque(text, members, json)
    constructor = _function(class_name, 1)
    constructor.members["prototype"] = prototype
    members["constructor"] = constructor
    return prototype


OBJECT_PROTOTYPE: Final = _prototype("Object", _OBJECT, "[object Object]", "{}")
_FUNCTION_PROTOTYPE: Final = _prototype("Function", _FUNCTION, "function () { [native code] }", None)
_FUNCTION_PROTOTYPE.members.update({"name": "", "length": 0})
_PROTOTYPES: Final[dict[type, Opaque]] = {
    dict: OBJECT_PROTOTYPE,
    list: _prototype("Array", _ARRAY, "", "[]"),
    str: _prototype("String", _STRING, "", '""'),
    int: _prototype("Number", _NUMBER, "0", "0"),
    bool: _prototype("Boolean", _BOOLEAN, "false", "false"),
    Opaque: _FUNCTION_PROTOTYPE,
}
_PROTOTYPES[float] = _PROTOTYPES[int]

OBJECT_MEMBERS: Final = frozenset(OBJECT_PROTOTYPE.members) | {"__proto__"}
"""The names that every object has without holding them as data."""


def read(value: Value, key: str) -> Value:
    """Return `value[key]`.

    Args:
        value: any JavaScript value.
        key: the name of the property.

    Raises:
        JsError: when the value is null or undefined.
    """
    if isinstance(value, dict):
        return value[key] if key in value else _inherited(OBJECT_PROTOTYPE, key)
    if value is None or value is UNDEFINED:
        raise JsError(f"Cannot read properties of {to_text(value)} (reading '{key}')")
    if isinstance(value, list):
        return _item(value, key, len(value))
    if isinstance(value, str):
        return _item(jstext.units(value), key, jstext.length(value))
    if isinstance(value, Opaque):
        return _member(value, key)
    return _inherited(_PROTOTYPES[type(value)], key)


def _item(items: list[Value] | str, key: str, length: int) -> Value:
    if key == "length":
        return length
    if is_array_index(key):
        index = int(key)
        return items[index] if index < length else UNDEFINED
    return _inherited(_PROTOTYPES[type(items)], key)


def _member(value: Opaque, key: str) -> Value:
    if key in value.members:
        return value.members[key]
    if value is OBJECT_PROTOTYPE and key == "__proto__":
        return None
    if value.json is not None:
        return _inherited(OBJECT_PROTOTYPE, key)
    if key in _FORBIDDEN:
        raise JsError(
            "'caller', 'callee', and 'arguments' properties may not be accessed on strict mode functions or the "
            "arguments objects for calls to them"
        )
    return _inherited(_FUNCTION_PROTOTYPE, key)


def _inherited(prototype: Opaque, key: str) -> Value:
    if key == "__proto__":
        return prototype
    if key in prototype.members:
        return prototype.members[key]
    return OBJECT_PROTOTYPE.members.get(key, UNDEFINED)
