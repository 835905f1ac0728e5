"""What ids look like. No rule decides by it: warnings, sentences and counts guess with it whose an id is.

UUIDs are what SDKs make for devices, an ECID is what Adobe makes (`observed`); a `$device:` in front changes neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from harness.event import DEVICE_PREFIX

UUID: Final = re.compile(r"(?:\$device:)?[0-9a-f]+(?:-[0-9a-f]+){4}", re.IGNORECASE | re.ASCII)
"""Five groups of hex digits, of any version."""

ECID: Final = re.compile(r"(?:\$device:)?[0-9]{38}", re.ASCII)
"""38 decimal digits."""


def looks_anonymous(text: str) -> bool:
    """Return whether an id looks like one that no person chose: a device, a UUID or an ECID."""
    return text.startswith(DEVICE_PREFIX) or bool(UUID.fullmatch(text) or ECID.fullmatch(text))


def known_user(pattern: str) -> Callable[[str], bool]:
    """Return what says of an id whether it is a known user's, by a regular expression of the user's.

    It may match anywhere in an id, so that `^user-` does; write `^` and `$` for the whole. Since a UUID or an ECID
    holds nearly everything, an id that looks like a device's has to match as a whole, and one with `$device:` in front
    is a device whatever the expression says.

    Raises:
        re.error: when it is no regular expression.
    """
    expression = re.compile(pattern)

    def matches(text: str) -> bool:
        if text.startswith(DEVICE_PREFIX):
            return False
        return (expression.fullmatch if looks_anonymous(text) else expression.search)(text) is not None

    return matches
