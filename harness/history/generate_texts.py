"""The texts of a synthetic history: events as numbers become columns of texts, as senders write them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.history.generate_events import ALIAS, BARE, DOUBLE, HANDOVER, IDENTIFY, LOGIN, MERGE, OTHER_DOMAIN, Events
from harness.history.generate_numbers import Draws, Flags, Integers, Words
from harness.history.generate_settings import GenerateSettings
from harness.history.generate_world import NOBODY

USER_ID: Final = "^user-"
"""What user ids look like, unless they are UUIDs."""

TEST_USER_ID: Final = "^test-"
"""What the ids of test accounts look like."""

COLUMNS: Final = (
    "event",
    "time",
    "distinct_id",
    "$device_id",
    "$user_id",
    "$anon_distinct_id",
    "alias",
    "$distinct_ids",
    "$insert_id",
    "$os",
    "page",
)
"""The columns of every history; the truth comes last, under the name that was chosen for it."""

_JUNK: Final = ("undefined", "null", "anonymous", "unknown", "00000000-0000-0000-0000-000000000000", "None")
_NAMES_BEFORE: Final = ("Page View",) * 11 + ("Product Viewed",) * 5
_NAMES_AFTER: Final = ("Page View",) * 8 + ("Product Viewed",) * 4 + ("Add To Cart",) * 2 + ("Purchase",) * 2
_OS: Final = ("Windows", "Mac OS X", "iOS", "Android", "Linux")
_PAGES: Final = tuple(f"/{part}/{number}" for part in ("products", "help", "account", "search") for number in range(16))
_NAME_OF_KIND: Final = {
    IDENTIFY: "$identify",
    HANDOVER: "$merge",
    ALIAS: "$create_alias",
    MERGE: "$merge",
    LOGIN: "Login",
}
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)

Texts = Any
"""An array of texts of pyarrow, which has no types of its own."""


class Writer:
    """Writes the events of one history as columns.

    Args:
        settings: the history.
    """

    def __init__(self, settings: GenerateSettings) -> None:
        self._settings = settings
        self._draws = Draws(settings.seed)
        self._digits = max(7, len(str(settings.people)))

    def columns(self, events: Events) -> dict[str, Texts]:
        """Return events as columns by name; `time` is in whole seconds, `$distinct_ids` are two columns of texts."""
        is_legacy = self._settings.id_merge == "legacy"
        user = self._users(events.user)
        device = self._devices(events.device_id)
        is_bare = events.writing == BARE
        is_double = events.writing == DOUBLE
        anonymous = device if is_legacy else _where(is_bare, device, _joined("$device:", device))
        anonymous = _where(is_double, _joined("$device:$device:", device), anonymous)
        before = _where(events.user_before != NOBODY, self._users(events.user_before), anonymous)
        distinct_id = _where((events.user != NOBODY) & (events.kind != ALIAS), user, anonymous)
        is_junk = events.junk != NOBODY
        junk = _chosen(_JUNK, np.maximum(events.junk, 0))
        is_handover = events.kind == HANDOVER
        is_merge = (events.kind == MERGE) | is_handover
        first = user
        if is_handover.any():
            first = _where(is_handover, _joined("$device:", self._devices(events.device_id + OTHER_DOMAIN)), user)
        is_anonymous = events.user == NOBODY
        has_device = (events.device_id != NOBODY) & ~is_junk & ~is_merge & ~(is_bare & is_anonymous)
        has_user = ~is_anonymous & ~is_merge
        sent_device = _where(is_double & is_anonymous, _joined("$device:", device), device)
        return {
            "event": self._names(events),
            "time": pa.array(events.time_s),
            "distinct_id": _only(~is_merge, _where(is_junk, junk, distinct_id)),
            "$device_id": _only(has_device & (not is_legacy), sent_device),
            "$user_id": _only(has_user & (not is_legacy), _where(is_junk, junk, user)),
            "$anon_distinct_id": _only(events.kind == IDENTIFY, before),
            "alias": _only(events.kind == ALIAS, user),
            "first": _only(is_merge, first),
            "second": _only(is_merge, anonymous),
            "$insert_id": _only(~events.is_nameless, self._insert_ids(events.number)),
            "$os": _chosen(_OS, events.person * 7),
            "page": _chosen(_PAGES, events.name >> 4),
            "truth": self._people(events.person),
        }

    def _names(self, events: Events) -> Texts:
        names = _where(events.user == NOBODY, _chosen(_NAMES_BEFORE, events.name), _chosen(_NAMES_AFTER, events.name))
        for kind, name in _NAME_OF_KIND.items():
            if (events.kind == kind).any():
                names = _where(events.kind == kind, pa.scalar(name), names)
        return names

    def _users(self, person: Integers) -> Texts:
        """Return user ids; test accounts come after all people, and nobody gets a text that is not used."""
        people = self._settings.people
        plain = _joined("user-", _numbers(np.maximum(person, 0), self._digits))
        is_test = person >= people
        if is_test.any():
            plain = _where(is_test, _joined("test-", _numbers(np.maximum(person - people, 0), 1)), plain)
        is_uuid = ~is_test & self._draws.coins("uuid user", person, self._settings.rates.uuid_users)
        if not is_uuid.any():
            return plain
        return _where(is_uuid, self._uuids("user", person), plain)

    def _devices(self, device_id: Integers) -> Texts:
        uuids = self._uuids("device", device_id)
        is_ecid = self._draws.coins("non uuid", device_id, self._settings.rates.non_uuid)
        if not is_ecid.any():
            return uuids
        first, last = (self._draws.below(f"ecid {end}", device_id, 10**9) for end in ("first", "last"))
        digits = _joined("2678", _numbers(first, 9), _numbers(np.maximum(device_id, 0), 16), _numbers(last, 9))
        return _where(is_ecid, digits, uuids)

    def _uuids(self, purpose: str, counters: Integers) -> Texts:
        words = np.stack([self._draws.words(f"{purpose} high", counters), self._draws.words(purpose, counters)], axis=1)
        digits = _hex_digits(words)
        digits[:, 12] = ord("4")
        digits[:, 16] = _HEX[8 + (words[:, 1] >> np.uint64(62)).astype(np.int64)]
        dashed = np.full((len(digits), 36), ord("-"), np.uint8)
        for to, start, end in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
            dashed[:, to : to + end - start] = digits[:, start:end]
        return _texts(dashed)

    def _insert_ids(self, numbers: Integers) -> Texts:
        return _texts(_hex_digits(self._draws.words("insert id", numbers)[:, np.newaxis]))

    def _people(self, person: Integers) -> Texts:
        return _joined("P", _numbers(person, self._digits))


def _hex_digits(words: Words) -> Any:
    """Return words, a row each, as rows of hex digits."""
    raw = words.astype(">u8").view(np.uint8).reshape(len(words), -1)
    digits = np.empty((len(words), raw.shape[1] * 2), np.uint8)
    digits[:, 0::2] = _HEX[raw >> 4]
    digits[:, 1::2] = _HEX[raw & 15]
    return digits


def _numbers(values: Integers, width: int) -> Texts:
    """Return numbers as texts of one width, with zeros in front."""
    digits = np.empty((len(values), width), np.uint8)
    left = values
    for place in range(width - 1, -1, -1):
        left, rest = np.divmod(left, 10)
        digits[:, place] = rest + ord("0")
    return _texts(digits)


def _texts(letters: Any) -> Texts:
    """Return rows of letters in ASCII as texts, without copying them."""
    count, width = letters.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32) if width else np.zeros(count + 1, np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def _chosen(texts: tuple[str, ...], which: Integers) -> Texts:
    return pa.array(texts).take(pa.array(which % len(texts)))


def _joined(*parts: Texts) -> Texts:
    return pc.binary_join_element_wise(*parts, "")


def _where(flags: Flags, yes: Texts, no: Texts) -> Texts:
    return pc.if_else(pa.array(flags), yes, no)


def _only(flags: Flags, texts: Texts) -> Texts:
    return pc.if_else(pa.array(flags), texts, pa.scalar(None, pa.string()))
