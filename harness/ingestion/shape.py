"""The form of an event's properties: how many, how deep, how long, and whether they are readable text at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from harness.event import Json
from harness.ingestion.limits import (
    ANY_LEVELS,
    EVENT_BYTES,
    ITEMS,
    KEYS,
    NUMBER_BITS,
    OBJECT_LEVELS,
    PROPERTIES,
    TEXT_CHARACTERS,
)
from harness.ingestion.verdict import FieldCaution, FieldError

ID_PROPERTIES: Final = frozenset(
    {
        "distinct_id",
        "$user_id",
        "$device_id",
        "$insert_id",
        "$identified_id",
        "$anon_id",
        "$anon_distinct_id",
        "$distinct_ids",
        "alias",
    }
)
"""Properties that hold ids, which are never cut."""

_SMALL: Final = 2**63
_MOST_PLAIN_KEYS: Final = 10_000
_MOST_BYTES_A_CHARACTER: Final = 6


class Cut(NamedTuple):
    """Properties that are stored differently from what was sent: their new values, and a warning for each."""

    changes: dict[str, Json]
    cautions: list[FieldCaution]


def is_plain(properties: Mapping[str, Json], plain_keys: set[str]) -> bool:
    """Return whether a glance is enough: few short texts, ordinary numbers, truth values and nulls.

    Such properties break no limit, the one on size included: 254 of them are shorter than 1 MB.

    Args:
        properties: the event properties.
        plain_keys: keys that were found plain before; new ones are added, for the events of a project share them.
    """
    if len(properties) >= PROPERTIES:
        return False
    if not properties.keys() <= plain_keys and not _have_plain_keys(properties, plain_keys):
        return False
    for value in properties.values():
        kind = type(value)
        if kind is str:
            if len(value) > TEXT_CHARACTERS or not (value.isascii() or _is_utf8(value)):
                return False
        elif kind is int:
            if not -_SMALL < value < _SMALL:
                return False
        elif kind is float:
            if value - value != 0:
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def _have_plain_keys(properties: Mapping[str, Json], plain_keys: set[str]) -> bool:
    for key in properties:
        if type(key) is not str or len(key) > TEXT_CHARACTERS or not _is_utf8(key):
            return False
        if len(plain_keys) < _MOST_PLAIN_KEYS:
            plain_keys.add(key)
    return True


def check_shape(name: str, properties: Mapping[str, Json]) -> Cut | FieldError:
    """Return what has to be cut in an event, or the first limit it breaks.

    Args:
        name: the event name.
        properties: the event properties; their keys and values may be anything.
    """
    if not _is_utf8(name):
        return _not_utf8("event")
    if len(properties) >= PROPERTIES:
        return FieldError("properties", f"'properties' is invalid: must have fewer than {PROPERTIES} properties")
    walk = _Walk()
    for key, value in properties.items():
        error = walk.visit(key, value)
        if error is not None:
            return error
    if _MOST_BYTES_A_CHARACTER * (len(name) + walk.weight) >= EVENT_BYTES and _bytes(name, properties) >= EVENT_BYTES:
        return FieldError("event", "'event' is invalid: must be smaller than 1MB of uncompressed JSON")
    return Cut(walk.changes, walk.cautions)


class _Walk:
    """One pass over the values of an event."""

    def __init__(self) -> None:
        self.changes: dict[str, Json] = {}
        self.cautions: list[FieldCaution] = []
        self.weight = 0
        self._cuts = False

    def visit(self, key: Json, value: Json) -> FieldError | None:
        """Check one property; note what has to be cut."""
        if type(key) is not str:
            return FieldError("properties", "'properties' is invalid: its keys must be texts")
        if not _is_utf8(key):
            return _not_utf8("properties")
        field = f"properties.{key}" if key != "$insert_id" else key
        self.weight += len(key)
        self._cuts = key not in ID_PROPERTIES
        stored = self._value(field, value, 0, 0)
        if isinstance(stored, FieldError):
            return stored
        if stored is not value:
            self.changes[key] = stored
            self.cautions.append(FieldCaution(field, f"is longer than {TEXT_CHARACTERS} characters, so it is cut"))
        elif not self._cuts and type(value) is str and len(value) > TEXT_CHARACTERS:
            message = (
                f"is an id of {len(value)} characters; ids are not cut here, but past {TEXT_CHARACTERS} they may be"
            )
            self.cautions.append(FieldCaution(field, message))
        return None

    def _value(self, field: str, value: Json, objects: int, levels: int) -> Json | FieldError:
        self.weight += 8
        kind = type(value)
        if kind is str:
            return self._text(field, value)
        if value is None or kind is bool:
            return value
        if kind is int or kind is float:
            return self._number(field, value)
        if kind is not list and kind is not dict:
            return FieldError(field, f"'{field}' is invalid: must be a JSON value")
        if levels >= ANY_LEVELS:
            return FieldError(field, f"'{field}' is invalid: must not be nested more than {ANY_LEVELS} levels deep")
        return (
            self._object(field, value, objects, levels) if kind is dict else self._list(field, value, objects, levels)
        )

    def _text(self, field: str, value: str) -> str | FieldError:
        self.weight += len(value)
        if not _is_utf8(value):
            return _not_utf8(field)
        return value[:TEXT_CHARACTERS] if self._cuts and len(value) > TEXT_CHARACTERS else value

    def _number(self, field: str, value: int | float) -> Json | FieldError:
        if isinstance(value, int):
            self.weight += value.bit_length()
            if value.bit_length() > NUMBER_BITS:
                return FieldError(field, f"'{field}' is invalid: the number is too large")
        elif value - value != 0:
            # `time` has a message of its own for numbers that are none.
            return (
                value
                if field == "properties.time"
                else FieldError(field, f"'{field}' is invalid: must be a finite number")
            )
        return value

    def _object(self, field: str, value: dict[Json, Json], objects: int, levels: int) -> Json | FieldError:
        if len(value) >= KEYS:
            return FieldError(field, f"'{field}' is invalid: objects must have fewer than {KEYS} keys")
        if objects >= OBJECT_LEVELS:
            return FieldError(field, f"'{field}' is invalid: must not be nested more than {OBJECT_LEVELS} levels deep")
        stored: dict[str, Json] = {}
        changed = False
        for key, item in value.items():
            if type(key) is not str:
                return FieldError(field, f"'{field}' is invalid: its keys must be texts")
            if not _is_utf8(key):
                return _not_utf8(field)
            self.weight += len(key)
            kept = stored[key] = self._value(field, item, objects + 1, levels + 1)
            if isinstance(kept, FieldError):
                return kept
            changed = changed or kept is not item
        return stored if changed else value

    def _list(self, field: str, value: list[Json], objects: int, levels: int) -> Json | FieldError:
        if len(value) >= ITEMS:
            return FieldError(field, f"'{field}' is invalid: lists must have fewer than {ITEMS} elements")
        stored: list[Json] = []
        changed = False
        for item in value:
            kept = self._value(field, item, objects, levels + 1)
            if isinstance(kept, FieldError):
                return kept
            stored.append(kept)
            changed = changed or kept is not item
        return stored if changed else value


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_utf8(field: str) -> FieldError:
    return FieldError(field, f"{field} is invalid: string should be valid utf8")


def _bytes(name: str, properties: Mapping[str, Json]) -> int:
    return len(
        json.dumps({"event": name, "properties": dict(properties)}, ensure_ascii=False, separators=(",", ":")).encode()
    )
