"""One event rewritten by way of Python's JSON, for lines that are spelled in an unusual way."""

from __future__ import annotations

import json
from typing import Final

from harness.event import DEVICE_PREFIX, Event, Json, from_wire
from harness.history.migrate_splice import (
    KEEP_ID_MEMBERS,
    MOVE_DEVICE,
    MOVE_USER,
    MOVED_DEVICE,
    MOVED_USER,
    SERVER_MEMBERS,
)
from harness.jsontext import parse

_CUT: Final = frozenset({"distinct_id", *SERVER_MEMBERS})


def rewritten(line: bytes, action: int, distinct_id: str, user: str, device: str, insert_id: str) -> bytes:
    """Return a line as `migrate_splice.splice` would write it, member for member.

    Args:
        line: the event, in wire form or flat.
        action: see `migrate_splice`.
        distinct_id: the new distinct_id; "" for nobody's.
        user: the `$user_id`, "" for none.
        device: the distinct_id of the device, "" for none.
        insert_id: the new `$insert_id`, "" where the old one stays.
    """
    event = from_wire(parse(line.decode("utf-8")))
    if not isinstance(event, Event):
        raise TypeError(event.message)
    properties: dict[str, Json] = {"distinct_id": distinct_id}
    if user:
        properties["$user_id"] = user
    if device:
        properties["$device_id"] = device.removeprefix(DEVICE_PREFIX)
    if insert_id:
        properties["$insert_id"] = insert_id
    for name, value in event.properties.items():
        if name in _CUT or (name == "$insert_id" and insert_id):
            continue
        if action & KEEP_ID_MEMBERS or name not in ("$device_id", "$user_id"):
            properties[name] = value
        elif name == "$device_id" and action & MOVE_DEVICE:
            properties[MOVED_DEVICE] = value
        elif name == "$user_id" and action & MOVE_USER:
            properties[MOVED_USER] = value
    row = {"event": event.name, "properties": properties}
    return json.dumps(row, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
