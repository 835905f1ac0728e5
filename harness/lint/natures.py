"""What a data element holds, told from its path and its name: an ECID, another anonymous id, an e-mail address...

Where custom code makes the value nobody can tell, and then nothing is said.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from harness.forwarder.model import DataElement

Nature: TypeAlias = Literal["ecid", "device", "e-mail", "user", "event type", "event id", "time"]

_INDEX: Final = re.compile(r"\[[^\]]*\]")
_LAST_WORDS: Final[tuple[tuple[Nature, re.Pattern[str]], ...]] = (
    ("e-mail", re.compile(r"e?-?mail([-_ ]?(address|id|lc))?", re.IGNORECASE)),
    (
        "device",
        re.compile(
            r"((anonymous|anon|visitor|device|cookie|browser|client|guest|install)[-_ ]?(uu)?id|fpid|idfa|gaid)",
            re.IGNORECASE,
        ),
    ),
    (
        "user",
        re.compile(
            r"((user|customer|account|crm|member|login|profile|subscriber|loyalty|person)[-_ ]?(id|number|no)|crmid)",
            re.IGNORECASE,
        ),
    ),
    ("event type", re.compile(r"event[-_ ]?(type|name)", re.IGNORECASE)),
    ("event id", re.compile(r"_id|(event|hit|message|insert|request|order|transaction)[-_ ]?(uu)?id", re.IGNORECASE)),
    ("time", re.compile(r"(\w*[-_ ])?(time|timestamp|time[-_ ]?stamp|ts)|\w*(Time|Timestamp)", re.ASCII)),
)
_ECID_PARTS: Final = frozenset({"ecid", "mcid"})
_TRAILING: Final = frozenset({"id", "value"})


def path_of(element: DataElement) -> tuple[str, ...]:
    """Return the parts of a Core path, indexes left out; empty for any other data element, or a path with tokens."""
    path = (element.settings or {}).get("path") if element.type == "path" else None
    if not isinstance(path, str) or "{{" in path or "getDataElementValue(" in path:
        return ()
    return tuple(_INDEX.sub("", part) for part in path.split("."))


def nature(element: DataElement) -> Nature | None:
    """Return what a data element holds; None where its path does not say."""
    parts = path_of(element)
    if not parts:
        return None
    if any(part.lower() in _ECID_PARTS for part in parts):
        return "ecid"
    # `identityMap.Email[0].id` is told by the namespace, `order.id` by nothing.
    names = parts[:-1] if len(parts) > 1 and parts[-1].lower() in _TRAILING else parts
    return next((found for found, pattern in _LAST_WORDS if pattern.fullmatch(names[-1])), None)


def is_anonymous(element: DataElement) -> bool:
    """Return whether a data element holds the id of a device or a visitor."""
    return nature(element) in ("ecid", "device")


def is_known(element: DataElement) -> bool:
    """Return whether a data element holds the id of a known user."""
    return nature(element) in ("e-mail", "user")
