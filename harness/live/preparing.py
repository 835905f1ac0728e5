"""The part of a proof that looks at one event alone: read, complete, validate, and turn into the bytes that are sent.

It takes most of the time, so a large file is prepared in processes beside this one; see `workshop`. What the identity
model needs of an event goes back to the proof as plain tuples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from harness.event import IDENTITY_EVENTS, Endpoint, Event, IdMerge, Json, NotAnEvent, from_wire
from harness.ingestion.rules import RuleContext, check_event
from harness.ingestion.settings import IngestionSettings
from harness.ingestion.verdict import Checked, Dropped
from harness.live.completion import Completion, encode
from harness.live.marking import Marking
from harness.scenario.stream import json_of_line

LONGEST_LINE: Final = 16_000_000
"""Bytes; a longer line is no event, and is not read to its end."""

FINGERPRINT_BYTES: Final = 14
_IDS: Final = (
    "distinct_id",
    "$user_id",
    "$device_id",
    "$identified_id",
    "$anon_id",
    "$anon_distinct_id",
    "alias",
    "$distinct_ids",
)

Row: TypeAlias = tuple[int, str, dict[str, Json], int, bytes, bytes, tuple[tuple[str, str], ...]]
"""One row: its place, the event name, the properties that identity goes by, its time in milliseconds since 1970, the
fingerprint by which a repetition is found (b"" where its `$insert_id` is malformed), the fingerprint of an identity
event as a whole (b"" for other events), and cautions (field, message)."""


class Prepared(NamedTuple):
    """Rows that were looked at one by one.

    Attributes:
        blob: the rows as they are sent, with a line feed between them.
        rows: what the proof needs of each.
        rejected: places that can't be sent, each with the reason.
        counts: how many `$insert_id`s were made, times added, tokens removed.
    """

    blob: bytes
    rows: list[Row]
    rejected: list[tuple[int, str]]
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What rows are prepared for.

    Attributes:
        id_merge: the project's system.
        endpoint: the route they go by.
        settings: the reading of the rules of acceptance.
        now_ms: the clock, milliseconds since 1970.
        clock_ms: the time that is added where one is missing, milliseconds since 1970.
        marking: how the events of a test run are marked; None: not at all.
    """

    id_merge: IdMerge
    endpoint: Endpoint
    settings: IngestionSettings
    now_ms: int
    clock_ms: int
    marking: Marking | None = None


class Preparer:
    """Prepares rows, whichever process it is in.

    Args:
        circumstances: what they are prepared for.
    """

    def __init__(self, circumstances: Circumstances) -> None:
        of = circumstances
        self._endpoint: Endpoint = of.endpoint
        self._context = RuleContext(of.id_merge, of.endpoint, of.now_ms, strict=True, settings=of.settings)
        self._completion = Completion(of.now_ms, of.clock_ms, of.settings.ms_threshold, of.marking)
        self._may_keep = of.endpoint == "import" and of.marking is None
        self._blob: list[bytes] = []
        self._rows: list[Row] = []
        self._rejected: list[tuple[int, str]] = []

    def lines(self, raw: bytes, first: int) -> Prepared:
        """Prepare lines of an event file.

        Args:
            raw: the lines; blank ones are left out.
            first: the number of the first one, counted from 1.
        """
        for number, line in enumerate(raw.split(b"\n"), start=first):
            if line and not line.isspace():
                self._line(line, number)
        return self._handed_over()

    def event(self, event: Event, place: int, words: str) -> Prepared:
        """Prepare one event that is at hand already.

        Args:
            event: the event.
            place: its number, for messages.
            words: where it stands, in words; equal events at different places are different events.
        """
        row = self._completion.row(event, words, self._endpoint)
        self._check(place, row, encode(row).encode())
        return self._handed_over()

    def _line(self, line: bytes, number: int) -> None:
        if len(line) > LONGEST_LINE:
            self._rejected.append((number, f"the line is longer than {LONGEST_LINE:,} bytes"))
            return
        raw = json_of_line(line, number)
        event = raw if isinstance(raw, NotAnEvent) else from_wire(raw)
        if isinstance(event, NotAnEvent):
            self._rejected.append((number, f"{event.field}: {event.message}" if event.field else event.message))
            return
        changes = self._completion.changes
        row = self._completion.row(event, f"line {number}", self._endpoint)
        is_unchanged = self._may_keep and changes == self._completion.changes
        is_wire_form = isinstance(raw, dict) and len(raw) == 2 and "properties" in raw
        if is_unchanged and is_wire_form and _is_unambiguous(line, row["properties"]):
            self._check(number, row, line.strip(b" "))
        else:
            self._check(number, row, encode(row).encode())

    def _check(self, place: int, row: dict[str, Json], body: bytes) -> None:
        verdict = check_event(row, context=self._context)
        if not isinstance(verdict, Checked):
            reasons = (verdict.reason,) if isinstance(verdict, Dropped) else verdict.errors
            message = "; ".join(
                f"{error.field}: {error.message}" if error.field else error.message for error in reasons
            )
            self._rejected.append((place, f"Mixpanel would not store it: {message}"))
            return
        event, time_ms, insert_id, cautions = verdict
        properties = event.properties
        ids = {key: properties[key] for key in _IDS if key in properties}
        whole = identity_fingerprint(event.name, properties) if event.name in IDENTITY_EVENTS else b""
        repeat = repeat_fingerprint(event.name, time_ms, insert_id) if insert_id else b""
        self._blob.append(body)
        told = tuple((caution.field, caution.message) for caution in cautions)
        self._rows.append((place, event.name, ids, time_ms, repeat, whole, told))

    def _handed_over(self) -> Prepared:
        done = self._completion
        counts = (done.insert_ids_made, done.times_added, done.tokens_removed)
        done.insert_ids_made = done.times_added = done.tokens_removed = 0
        prepared = Prepared(b"\n".join(self._blob), self._rows, self._rejected, counts)
        self._blob, self._rows, self._rejected = [], [], []
        return prepared


def repeat_fingerprint(name: str, time_ms: int, insert_id: str) -> bytes:
    """Return what equal events of one user have in common, whatever their user is later."""
    key = f"{time_ms} {insert_id} {name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=FINGERPRINT_BYTES).digest()


def identity_fingerprint(name: str, properties: Mapping[str, Json]) -> bytes:
    """Return what tells an identity event that is in the file twice, as a retry, from another one."""
    return hashlib.blake2b(encode([name, dict(properties)]).encode(), digest_size=12).digest()


def _is_unambiguous(line: bytes, properties: Mapping[str, Json]) -> bool:
    """Return whether a line in wire form can be sent as it is, since every JSON reader understands it alike.

    A key that occurs twice is read by some with its first and by others with its last value. Every key here ends in
    `":`, as nothing stands before a colon; so a line that has as many of them as keys were read has none twice. What
    has more, and what holds objects or lists in its properties, is written anew.
    """
    for value in properties.values():
        if type(value) is dict or type(value) is list:
            return False
    if b" :" in line or b"\t" in line or b"\r" in line:
        return False
    return line.count(b'":') == len(properties) + 2
