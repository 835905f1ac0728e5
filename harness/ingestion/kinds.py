"""What a switch is, and the kinds of value it can have: each reads a value from a file, or says why it can't."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from harness.event import Json, kind_of_json
from harness.problems import nearest

Part: TypeAlias = Literal["identity", "ingestion", "project", "none"]


class Refused(NamedTuple):
    """Why a value is not one of a switch, and what to do about it."""

    message: str
    fix: str = ""


Reading: TypeAlias = Callable[[Json], Any]


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch.

    Attributes:
        name: how it is spelled, for example `original.canonical`.
        part: the settings it belongs to; `none` where there is nothing to set.
        field: the field of those settings.
        values: what it may be, in words; the default first.
        about: what it settles, in one line.
        read: turns a value into a field, or refuses it.
        also: other spellings.
    """

    name: str
    part: Part
    field: str
    values: str
    about: str
    read: Reading
    also: tuple[str, ...] = ()


def choice(
    name: str, part: Part, field: str, values: tuple[str, ...], about: str, also: tuple[str, ...] = ()
) -> Switch:
    """Return a switch that is one of some words, the default first."""

    def read(value: Json) -> str | Refused:
        if isinstance(value, str) and value in values:
            return value
        close = nearest(value, values) if isinstance(value, str) else None
        fix = f"Did you mean {close!r}?" if close else ""
        return Refused(f"needs one of {', '.join(values)}, found {shown(value)}", fix)

    return Switch(name, part, field, " | ".join(values), about, read, also)


def whole(
    name: str, part: Part, field: str, minimum: int, values: str, about: str, also: tuple[str, ...] = ()
) -> Switch:
    """Return a switch that is a whole number of at least `minimum`."""

    def read(value: Json) -> int | Refused:
        if isinstance(value, int) and not isinstance(value, bool) and minimum <= value < 2**63:
            return value
        return Refused(f"needs a whole number of at least {minimum}, found {shown(value)}")

    return Switch(name, part, field, values, about, read, also)


def flag(name: str, part: Part, field: str, values: str, about: str) -> Switch:
    """Return a switch that is on or off."""
    words = {"on": True, "off": False}

    def read(value: Json) -> bool | Refused:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in words:
            return words[value]
        return Refused(f"needs one of {values.replace(' | ', ', ')}, found {shown(value)}")

    return Switch(name, part, field, values, about, read)


def above_zero(value: Json) -> float | Refused:
    """Read a number above 0."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e18:
        return value
    return Refused(f"needs a number above 0, found {shown(value)}")


def time_zone(value: Json) -> str | Refused:
    """Read the IANA name of a time zone."""
    import zoneinfo

    if not isinstance(value, str):
        return Refused(f"needs the IANA name of a time zone, for example Europe/Berlin, found {shown(value)}")
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        close = nearest(value, zoneinfo.available_timezones())
        fix = f"Did you mean {close!r}?" if close else "Write it as in Europe/Berlin or UTC."
        return Refused(f"needs the IANA name of a time zone, found {shown(value)}", fix)
    return value


def seed_or_none(value: Json) -> int | Refused | None:
    """Read the seed of a shuffle; none for no shuffle."""
    if value is None or value == "none":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    return Refused(f"needs none or a whole number of at least 0, found {shown(value)}")


def token(value: Json) -> str | Refused | None:
    """Read a project token; null for any."""
    if value is None:
        return None
    if isinstance(value, str) and value.strip():
        return value
    return Refused(f"needs a text that is not empty, found {shown(value)}", "Put it in quotes.")


def no_delay(value: Json) -> Refused | None:
    """Read a delay, which can only be none."""
    if value is None or value in ("0", "0s", "none") or (value == 0 and not isinstance(value, bool)):
        return None
    return Refused(
        f"can't be {shown(value)}: the model shows the settled state, which a real project reaches within 24 hours",
        "Remove it, or set it to 0.",
    )


def shown(value: Json) -> str:
    """Return a value in words, for a message."""
    if isinstance(value, str):
        return f"the text {value if len(value) <= 40 else value[:37] + '...'!r}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    if isinstance(value, (int, float)) and abs(value) < 1e30:
        return f"the number {value}"
    return kind_of_json(value)
