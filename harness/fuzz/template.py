"""Edge calls from an XDM template: which path holds the device id, the user id, the event type, and so on.

A template is a call with placeholders. A placeholder that has no value at some moment (`{email}` before login) leaves
its key out, and every object and list that becomes empty by that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from harness.clock import format_instant
from harness.event import Json
from harness.fuzz import ids
from harness.fuzz.flow import VERBS, Verb
from harness.fuzz.sender import At
from harness.problems import InputError, Problems, did_you_mean
from harness.source import read_text
from harness.yamltext import Mapping as MapNode
from harness.yamltext import kind_of, parse_yaml, plain

PLACEHOLDERS: Final[dict[str, str]] = {
    "ecid": "the ECID of the device, 38 digits",
    "device_id": "a UUID of the device",
    "user_id": "the account id of whoever is logged in",
    "email": "the e-mail address of whoever is logged in, as typed at login",
    "event_type": "the event type",
    "event_id": "the id of this event",
    "time": "the time in seconds since 1970",
    "time_ms": "the time in milliseconds since 1970",
    "timestamp": "the time in ISO 8601",
}
"""Every placeholder with what it stands for."""

DEVICE_IDS: Final = ("ecid", "device_id")
USER_IDS: Final = ("user_id", "email")
STANDARD_TYPES: Final[dict[Verb, str]] = {
    "browse": "web.webpagedetails.pageViews",
    "log in": "userAccount.login",
    "log out": "userAccount.logout",
    "change e-mail": "userAccount.updateProfile",
}
"""The event types of XDM for what people do."""

Values: TypeAlias = Mapping[str, Json]
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """An Edge call with placeholders.

    Attributes:
        event: `{"xdm": ..., "data": ...}`.
        request: what the call carries beside its event; None for nothing.
        types: the event type for each verb.
    """

    event: dict[str, Json]
    request: Json = None
    types: Mapping[Verb, str] = field(default_factory=lambda: dict(STANDARD_TYPES))

    def places(self) -> dict[str, list[str]]:
        """Return the dotted paths of every placeholder, in order of appearance."""
        found: dict[str, list[str]] = {}
        _collect(self.event, "event", found)
        _collect(self.request, "request", found)
        return found

    def call(self, values: Values) -> tuple[dict[str, Json], Json]:
        """Return the event and the request of a call with the values of the placeholders filled in."""
        event = _filled(self.event, values)
        request = _filled(self.request, values)
        return (event if isinstance(event, dict) else {}), (None if request is _ABSENT else request)


def values_at(at: At, *, logged_in: bool, typed: str, event_type: str, event_id: str) -> dict[str, Json]:
    """Return the values of all placeholders at one moment; None for those that have none.

    Args:
        at: the action.
        logged_in: whether the call knows the user.
        typed: the e-mail address as it was typed at login.
        event_type: the event type.
        event_id: the id of the event.
    """
    return {
        "ecid": ids.ecid_of(at.jar),
        "device_id": ids.uuid_of(at.jar),
        "user_id": at.user_id if logged_in else None,
        "email": typed if logged_in else None,
        "event_type": event_type,
        "event_id": event_id,
        "time": at.time_s,
        "time_ms": at.time_s * 1_000,
        "timestamp": format_instant(at.time_s * 1_000),
    }


_ABSENT: Final = object()


def _filled(part: Json, values: Values) -> Json:
    if isinstance(part, str):
        return _filled_text(part, values)
    if isinstance(part, dict):
        entries = {key: _filled(item, values) for key, item in part.items()}
        kept = {key: item for key, item in entries.items() if item is not _ABSENT}
        return kept if kept or not entries else _ABSENT
    if isinstance(part, list):
        items = [_filled(item, values) for item in part]
        left = [item for item in items if item is not _ABSENT]
        return left if left or not items else _ABSENT
    return part


def _filled_text(text: str, values: Values) -> Json:
    if "{" not in text:
        return text
    whole = _PLACE.fullmatch(text)
    if whole and whole[1] in values:
        value = values[whole[1]]
        return _ABSENT if value is None else value
    named = [name for name in _PLACE.findall(text) if name in values]
    if any(values[name] is None for name in named):
        return _ABSENT
    return _PLACE.sub(lambda place: str(values[place[1]]) if place[1] in values else place[0], text)


def _collect(part: Json, path: str, found: dict[str, list[str]]) -> None:
    if isinstance(part, str):
        for name in _PLACE.findall(part):
            if name in PLACEHOLDERS:
                found.setdefault(name, []).append(path)
    elif isinstance(part, dict):
        for key, item in part.items():
            _collect(item, f"{path}.{key}", found)
    elif isinstance(part, list):
        for position, item in enumerate(part):
            _collect(item, f"{path}[{position}]", found)


def load_template(path: Path) -> Template:
    """Return the template in a YAML or JSON file: `xdm`, `data`, `request` and `event_types`.

    Args:
        path: the file. `event_types` is a map from `browse`, `log in`, `log out` and `change e-mail` to event types.

    Raises:
        InputError: with everything that is wrong with the file.
    """
    problems = Problems(str(path))
    text = read_text(path, problems)
    node = parse_yaml(text, problems) if text is not None else None
    template = None
    if isinstance(node, MapNode):
        template = _read(node, problems)
    elif not problems:
        found = "nothing" if node is None else kind_of(node)
        problems.add(1, "", f"needs a map with xdm and data, found {found}", "Write the Edge call with placeholders.")
    if problems or template is None:
        raise InputError(problems.found)
    return template


_KEYS: Final = ("xdm", "data", "request", "event_types")


def _read(node: MapNode, problems: Problems) -> Template:
    for key in node.entries:
        if key not in _KEYS:
            problems.add(node.key_lines[key], key, "is no key of a template", did_you_mean(key, _KEYS))
    types = dict(STANDARD_TYPES)
    named = node.entries.get("event_types")
    if isinstance(named, MapNode):
        types |= _types(named, problems)
    elif named is not None:
        problems.add(named.line, "event_types", f"needs a map, found {kind_of(named)}")
    event: dict[str, Json] = {key: plain(node.entries[key]) for key in ("xdm", "data") if key in node.entries}
    request = plain(node.entries["request"]) if "request" in node.entries else None
    template = Template(event, request, types)
    places = template.places()
    for names, what in ((DEVICE_IDS, "device id"), (USER_IDS, "user id")):
        if not any(name in places for name in names):
            wanted = " or ".join(f"{{{name}}}" for name in names)
            problems.add(node.line, "", f"says nowhere which path is the {what}", f"Put {wanted} there.")
    return template


def _types(node: MapNode, problems: Problems) -> dict[Verb, str]:
    known: dict[str, Verb] = {verb: verb for verb in VERBS if verb in STANDARD_TYPES}
    found: dict[Verb, str] = {}
    for key, value in node.entries.items():
        text = plain(value)
        if key not in known:
            problems.add(node.key_lines[key], f"event_types.{key}", "is nothing people do", did_you_mean(key, known))
        elif not isinstance(text, str) or not text:
            problems.add(value.line, f"event_types.{key}", f"needs an event type, found {kind_of(value)}")
        else:
            found[known[key]] = text
    return found
