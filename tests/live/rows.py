"""Event files and journals to test with."""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.event import Endpoint, IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.live.event_file import ProvenFile, prove_file
from harness.live.journal import Journal
from harness.live.marking import Marking
from harness.live.proof import Allowed, Nowhere, ProvenRows, Spool

NOW_MS = 1_795_521_600_000
UUID = "13bbf794-3e58-4084-8885-c2531aaaaaaa"
OTHER_UUID = "24ccf794-3e58-4084-8885-c2531bbbbbbb"


def event(name: str, **properties: Any) -> dict[str, Any]:
    """Return an event; `S_` in a name stands for `$`."""
    named = {key.replace("S_", "$"): value for key, value in properties.items()}
    return {"event": name, "properties": {"time": NOW_MS // 1000 - 3600, **named}}


def lines(*events: dict[str, Any] | str) -> bytes:
    """Return an event file."""
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in events).encode()


class Kept:
    """A spool that keeps what it gets."""

    def __init__(self) -> None:
        self.blocks: list[ProvenRows] = []

    def take(self, rows: ProvenRows) -> None:
        self.blocks.append(rows)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(row) for block in self.blocks for row in block.blob.split(b"\n")]


def prove(
    raw: bytes,
    id_merge: IdMerge = "original",
    *,
    endpoint: Endpoint = "import",
    spool: Spool | None = None,
    allowed: Allowed | None = None,
    marking: Marking | None = None,
    settings: ProjectSettings | None = None,
    lanes: int = 1,
    workers: int = 0,
    now_ms: int = NOW_MS,
) -> ProvenFile:
    """Prove an event file."""
    return prove_file(
        io.BytesIO(raw),
        id_merge,
        settings or ProjectSettings(),
        endpoint=endpoint,
        now_ms=now_ms,
        spool=spool or Nowhere(),
        allowed=allowed or Allowed(),
        marking=marking,
        lanes=lanes,
        workers=workers,
    )


def begun(
    path: Path, raw: bytes, id_merge: IdMerge = "original", lanes: int = 1, endpoint: Endpoint = "import"
) -> Journal:
    """Return a journal whose rows are proven and may be sent."""
    journal = Journal(path)
    journal.begin({})
    proven = prove(raw, id_merge, spool=journal, lanes=lanes, endpoint=endpoint)
    assert not proven.proof.findings, proven.proof.findings.kept
    journal.start_sending(lanes, proven.lanes, {"rows": str(proven.proof.rows)})
    return journal


def proven_rows(rows: Sequence[bytes], endpoint: Endpoint = "import", numbers: Sequence[int] = ()) -> ProvenRows:
    """Return rows as a proof hands them on."""
    places = array("Q", range(1, len(rows) + 1))
    return ProvenRows(endpoint, b"\n".join(rows), places, array("I", numbers or [0] * len(rows)), 0)
