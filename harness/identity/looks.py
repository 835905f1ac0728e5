"""What ids look like. No rule decides by it: warnings, sentences and counts guess with it whose an id is.

UUIDs are what SDKs make for devices, an ECID is what Adobe makes (`observed`); a `$device:` in front changes neither.
"""

from __future__ import annotations

import re
from typing import Final

from harness.event import DEVICE_PREFIX

UUID: Final = re.compile(r"(?:\$device:)?[0-9a-f]+(?:-[0-9a-f]+){4}", re.IGNORECASE | re.ASCII)
"""Five groups of hex digits, of any version."""

ECID: Final = re.compile(r"(?:\$device:)?[0-9]{38}", re.ASCII)
"""38 decimal digits."""


def looks_anonymous(text: str) -> bool:
    """Return whether an id looks like one that no person chose: a device, a UUID or an ECID."""
    return text.startswith(DEVICE_PREFIX) or bool(UUID.fullmatch(text) or ECID.fullmatch(text))
