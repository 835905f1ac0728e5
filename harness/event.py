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
