"""The limits of Mixpanel's door, each with where the knowledge comes from."""

from __future__ import annotations

from typing import Final

MAX_ROWS: Final = 2_000
"""Events of one request, on both routes (`docs`)."""

MAX_IMPORT_BYTES: Final = 10_000_000
"""Bytes of one /import request, uncompressed: "10MB" (`docs`), read in decimal, the narrower way (`inferred`)."""

MAX_TRACK_BYTES: Final = 64_000_000
"""Bytes of one request on the other routes, uncompressed; no source, it only keeps a gzip bomb small (`inferred`)."""

EVENT_BYTES: Final = 1_000_000
"""An event is smaller than this as JSON in UTF-8: "1MB" (`docs`), read in decimal, the narrower way (`inferred`)."""

PROPERTIES: Final = 255
"""An event has fewer properties than this (`docs`; another page says up to)."""

KEYS: Final = 255
"""A nested object has fewer keys than this (`docs`)."""

OBJECT_LEVELS: Final = 3
"""Objects within objects within a property; lists between them don't count (`docs` for 3, `inferred` for lists)."""

ITEMS: Final = 255
"""A list has fewer items than this (`docs`)."""

ANY_LEVELS: Final = 64
"""Lists and objects within each other; no source, it only keeps the check itself shallow (`inferred`)."""

TEXT_CHARACTERS: Final = 255
"""Longer texts are cut to this; ids are not (`docs`; another page says bytes)."""

INSERT_ID_BYTES: Final = 36
"""Longest `$insert_id` (`docs`)."""

NUMBER_BITS: Final = 1_100
"""Longest whole number that is read, in bits; past it no JSON reader keeps the value (`inferred`)."""

EARLIEST_MS: Final = 31_536_000_000
"""1971-01-01, in milliseconds since 1970; earlier events are rejected (`docs`)."""

HOUR_MS: Final = 3_600_000
"""How far ahead of Mixpanel's clock a time may be, in milliseconds (`docs`)."""

DAY_MS: Final = 86_400_000
"""One day in milliseconds."""

DISALLOWED_IDS: Final = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
        "lmy47d",
    }
)
"""Values that are no id, in lower case (`docs`; `lmy47d` and that letter case is ignored: `observed`)."""
