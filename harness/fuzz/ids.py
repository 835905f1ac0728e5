"""Ids that read well in a story: of people, and of what a device calls itself between two resets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.fuzz.flow import DEVICES, PEOPLE, IdKind, Jar

_SCRIPTS: Final = {"ana": "ана", "ben": "בן", "cleo": "κλειώ"}


def user_id(person: str, kind: IdKind = "plain") -> str:
    """Return the id of a person's account, which never changes."""
    number = PEOPLE.index(person) + 1
    if kind == "number":
        return f"{4000 + number}"
    if kind == "e-mail":
        return email(person)
    if kind == "uuid":
        return f"ace00000-0000-4000-9000-{number:012d}"
    if kind == "unicode":
        return f"{_SCRIPTS[person]}-{number}"
    return f"user-{person}"


def email(person: str, changes: int = 0) -> str:
    """Return the e-mail address of a person after some changes of it."""
    return f"{person}{changes + 1 if changes else ''}@example.com"


def typed(address: str, spelling: int) -> str:
    """Return an e-mail address as somebody types it: 0 plainly, 1 with a capital, 2 with a space behind it."""
    if spelling == 1:
        return address[0].upper() + address[1:]
    return f"{address} " if spelling == 2 else address


def uuid_of(jar: Jar) -> str:
    """Return the UUID (version 4) by which a device is known between two resets."""
    return f"{DEVICES.index(jar.device) + 1}0000000-0000-4000-8000-{jar.number:012d}"


def ecid_of(jar: Jar) -> str:
    """Return the ECID, 38 decimal digits, of a device between two resets."""
    return f"{DEVICES.index(jar.device) + 1}{jar.number:037d}"


def jar_name(jar: Jar) -> str:
    """Return a name for the id of a jar: `laptop`, and `laptop_2` after the first reset."""
    return f"{jar.device}_{jar.number + 1}" if jar.number else jar.device


def every_jar(most_resets: int = 60) -> Iterator[Jar]:
    """Yield the jars that flows can have: devices in order, each after up to `most_resets` resets."""
    for device in DEVICES:
        for number in range(most_resets + 1):
            yield Jar(device, number)
