"""Marks what a test run sends: its run id in every event, and all ids of its own, so that runs never join each other.

Ids keep what rules look at: `$device:` in front stays, five groups of hex digits stay five groups of hex digits, a UUID
of version 4 stays one, and what is no id of anyone (`null`, `undefined`) stays what it is. Everything else gets the run
id in front. The same id of the same run always becomes the same id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.event import DEVICE_PREFIX, Json, id_text
from harness.ingestion.limits import DISALLOWED_IDS, INSERT_ID_BYTES
from harness.live.export_row import RUN_PROPERTY

RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", re.ASCII)
"""What a run id looks like."""

_ONE_ID: Final = ("distinct_id", "$user_id", "$device_id", "$identified_id", "$anon_id", "$anon_distinct_id", "alias")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_FIVE_GROUPS: Final = re.compile(r"[0-9a-z]*(?:-[0-9a-z]*){4}", re.IGNORECASE | re.ASCII)
_INSERT_ID: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Marking:
    """How one run marks its events.

    Attributes:
        run_id: the id of the run, in every event as `harness_run`.
        isolates: whether all ids become ids of this run alone.
    """

    run_id: str
    isolates: bool = True

    def properties(self, sent: Mapping[str, Json]) -> dict[str, Json]:
        """Return event properties with the run id, and with the ids of this run where it isolates."""
        marked = dict(sent)
        if self.isolates:
            for key in _ONE_ID:
                if key in marked:
                    marked[key] = self._value(marked[key])
            listed = marked.get("$distinct_ids")
            if isinstance(listed, (list, tuple)):
                marked["$distinct_ids"] = [self._value(value) for value in listed]
        if "$insert_id" in marked:
            marked["$insert_id"] = self._insert_id(marked["$insert_id"])
        marked[RUN_PROPERTY] = self.run_id
        return marked

    def id(self, text: str) -> str:
        """Return the id that stands for an id in this run."""
        if not self.isolates:
            return text
        bare = text
        while bare.startswith(DEVICE_PREFIX):
            bare = bare[len(DEVICE_PREFIX) :]
        if not bare or bare.lower() in DISALLOWED_IDS:
            return text
        return text[: len(text) - len(bare)] + self._bare(bare)

    def _bare(self, text: str) -> str:
        if _UUID.fullmatch(text):
            lot = self._lot(text)
            # The digits of version and variant stay, as the strict form of a UUID asks for them.
            return f"{lot[:8]}-{lot[8:12]}-{text[14]}{lot[12:15]}-{text[19]}{lot[15:18]}-{lot[18:30]}"
        if _FIVE_GROUPS.fullmatch(text):
            return self._lot(text)[:16] + text
        return f"{self.run_id}_{text}"

    def _value(self, value: Json) -> Json:
        return value if value is None or value == "" else self.id(id_text(value))

    def _insert_id(self, value: Json) -> Json:
        """Return an `$insert_id` of this run; a malformed one stays as it is, for the gate to see."""
        text = id_text(value)
        if not _INSERT_ID.fullmatch(text) or len(text) > INSERT_ID_BYTES or text.lower() in DISALLOWED_IDS:
            return value
        return self._lot(text)

    def _lot(self, text: str) -> str:
        key = self.run_id.encode()
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()
