"""Exports for tests: written by hand row by row, or made of what the model keeps under any settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from harness.event import Endpoint, IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import settings_from
from harness.live.export_row import ExportRow, read_row
from harness.live.prediction import Prediction, Replay
from harness.live.sent_rows import rows_of_stream
from harness.live.verify import Verification, Verified
from harness.scenario.stream import read_stream

NOW_MS = 1_767_700_000_000
UUID = "13bbf794-3e58-4084-8885-c2531aaaaa"


def uuid(number: int) -> str:
    return f"{UUID}{number:02x}"


def line(at: int, name: str, /, **properties: Json) -> dict[str, Json]:
    """Return one sent event; `S_` in a property stands for `$`, and None leaves one out."""
    sent = {"time": 1_767_600_000 + at, "$insert_id": f"i{at}"}
    sent |= {key.replace("S_", "$", 1): value for key, value in properties.items()}
    return {"event": name, "properties": {key: value for key, value in sent.items() if value is not None}}


def row(sent: dict[str, Json], distinct_id: str, before: str | None = None, **more: Json) -> bytes:
    """Return an export row of a sent event, as a real export has it."""
    properties = {**sent["properties"], "distinct_id": distinct_id}
    if before is not None:
        properties["$distinct_id_before_identity"] = before
    properties |= {key.replace("S_", "$", 1): value for key, value in more.items()}
    return json.dumps({"event": sent["event"], "properties": properties}).encode()


def settings(**switches: Json) -> ProjectSettings:
    read, mistakes = settings_from(switches)
    assert not mistakes, mistakes
    return read


def replay(lines: Sequence[Json], endpoint: Endpoint = "import", strict: bool | None = None) -> Replay:
    raw = "\n".join(map(json.dumps, lines)).encode()
    return Replay(rows_of_stream(read_stream(raw), endpoint, NOW_MS, 1e11), strict)


def export_of(prediction: Prediction) -> list[bytes]:
    """Return the export of a project that has settled."""
    rows = []
    for stored in prediction.project.events:
        arrival = stored.arrival
        shown = prediction.project.distinct_id(stored.event_index)
        before = arrival.received if arrival.received != shown else None
        sent = {"event": stored.event.name, "properties": dict(stored.event.properties)}
        more = {} if stored.made_up else {"S_insert_id": stored.insert_id}
        reason = arrival.decision.reason if arrival.decision is not None else None
        more |= {} if reason is None else {"S_failure_reason": reason}
        rows.append(row(sent, shown, before, **more))
    return rows


def verified(
    sent: Replay, export: Iterable[bytes], id_merge: IdMerge = "original", run: str | None = None, **switches: Json
) -> Verified:
    rows: list[ExportRow] = [read_row(one) for one in export]
    return Verification(sent, id_merge, settings(**switches), lambda: rows, run).verify()


def differences(found: Verified) -> list[tuple[set[str], str, str]]:
    return [(set(one.ids), one.predicted, one.actual) for one in found.comparison.differ]
