"""The event record that every room speaks, and its wire forms.

An event is a name and its event properties, as Mixpanel's `/track` and `/import` take them. Nothing here knows
about identity, rules of acceptance or files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with str keys."""

Endpoint: TypeAlias = Literal["track", "import"]
IdMerge: TypeAlias = Literal["simplified", "original", "legacy"]

ID_MERGE_SYSTEMS: Final[tuple[IdMerge, ...]] = ("simplified", "original", "legacy")
IDENTITY_EVENTS: Final = frozenset({"$identify", "$create_alias", "$merge"})
DEVICE_PREFIX: Final = "$device:"


@dataclass(frozen=True, slots=True)
class Event:
    """One Mixpanel event in the order of its arrival.

    Attributes:
        name: the event name, for example `Page View` or `$identify`.
        properties: the event properties as sent (`distinct_id`, `$device_id`, `time`...); never changed in place.
    """

    name: str
    properties: Mapping[str, Json]

    def to_wire(self) -> dict[str, Json]:
        """Return the form that `/track` and `/import` take: `{"event": ..., "properties": {...}}`."""
        return {"event": self.name, "properties": dict(self.properties)}


@dataclass(frozen=True, slots=True)
class NotAnEvent:
    """A row that can't be read as an event, in the place where the event would have been.

    Attributes:
        field: the field that is wrong, as Mixpanel names it (`event`, `properties`); "" for the row as a whole.
        message: what is wrong with it.
    """

    field: str
    message: str


MISSING_NAME: Final = NotAnEvent("event", "'event' must not be missing or blank")


def from_wire(raw: Json) -> Event | NotAnEvent:
    """Return one row of an event file as an event; what the event holds is not checked.

    Two forms are read: the wire form `{"event": ..., "properties": {...}}`, and a flat line of a raw export, where
    every key but `event` is an event property. There `distinct_id` is what Mixpanel resolved it to, and
    `$distinct_id_before_identity`, where present, is what was sent (`docs`), so the latter is taken.

    Args:
        raw: any JSON value.

    Returns:
        The event, or what is wrong with the row.
    """
    if not isinstance(raw, dict):
        return NotAnEvent("", f"an event must be a JSON object, found {kind_of_json(raw)}")
    name = raw.get("event")
    if not isinstance(name, str) or not name.strip():
        return MISSING_NAME
    if "properties" not in raw:
        return Event(name, _sent_properties(raw))
    properties = raw["properties"]
    if not isinstance(properties, dict):
        return NotAnEvent("properties", f"'properties' must be an object, found {kind_of_json(properties)}")
    return Event(name, properties)


def _sent_properties(line: dict[str, Json]) -> dict[str, Json]:
    properties = {key: value for key, value in line.items() if key != "event"}
    if "$distinct_id_before_identity" in properties:
        properties["distinct_id"] = properties.pop("$distinct_id_before_identity")
    return properties


def kind_of_json(value: Json) -> str:
    """Return what a JSON value is, in words: `a list`, `a number`..."""
    return _KINDS.get(type(value), "something that is not JSON")


_KINDS: Final[dict[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def id_text(value: Json) -> str:
    """Return an id as the string Mixpanel compares; absent (None) gives "".

    Ids are opaque, case-sensitive strings; a number or a structure that was sent as an id counts as its JSON text
    (`docs`: "will be treated as a string").
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def device_key(device_id: str) -> str:
    """Return the distinct_id of a device id in simplified: `$device:<id>`."""
    return DEVICE_PREFIX + device_id
