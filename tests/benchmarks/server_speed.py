"""The server on one core, the load generator on the other: /import against Mixpanel's own limit, /track against bare.

/import takes gzipped batches of 2,000 events with strict validation, deduplication, identity and storage in memory; its
peer is twice the limit that Mixpanel sets a project (30,000 events a second). /track takes one event a request; its
peer is a handler of the same framework that only decodes the body and answers. Rates are those of one core: a second is
a second of processor time of the server, so that whatever else runs on the machine takes nothing from either side.

What a kept event costs is the growth of the process over the JSON of the events.
"""

from __future__ import annotations

import gzip
import os
from typing import Final, NamedTuple

from tests.benchmarks.rows import Row
from tests.benchmarks.server_load import (
    BATCH,
    cpu_seconds,
    import_requests,
    on_core,
    resident_bytes,
    send_all,
    serving,
    track_requests,
)

BATCHES: Final = 40
TRACKED: Final = 6_000
ROUNDS: Final = 2
MIXPANELS_LIMIT: Final = 30_000
MOST_BYTES_BESIDE: Final = 1_000


class Rates(NamedTuple):
    """Events by /import and requests to /track a second, and how the process grew for an event by /import, in bytes."""

    imported: float
    tracked: float
    grown: float


def measure() -> list[Row]:
    """Run ours and the bare handler in turns and compare the best of each."""
    imports, tracks = import_requests(BATCHES, 1), track_requests(TRACKED, 2)
    sent = sum(len(gzip.decompress(request.partition(b"\r\n\r\n")[2])) for request in imports) / (BATCHES * BATCH)
    simplified, original, bare = [], [], []
    for _ in range(ROUNDS):
        simplified.append(_rates(("harness", "serve", "--port", "0"), imports, tracks))
        original.append(_rates(("harness", "serve", "--port", "0", "--id-merge", "original"), imports, tracks))
        bare.append(_rates(("tests.benchmarks.bare_server",), imports, tracks))
    peer = max(rates.tracked for rates in bare)
    rows = []
    for name, ours in (("simplified", simplified), ("original", original)):
        imported = max(rates.imported for rates in ours)
        tracked = max(rates.tracked for rates in ours)
        beside = min(rates.grown for rates in ours) - sent
        rows += [
            _more(f"server, {name}: /import, events/s", imported, "twice Mixpanel's limit", 2 * MIXPANELS_LIMIT, 1),
            _more(f"server, {name}: /track, requests/s", tracked, "bare Starlette handler", peer, 0.4),
            Row(
                f"server, {name}: memory beside an event of {sent:.0f} bytes", f"{beside:.0f} B", "1 kB",
                f"{MOST_BYTES_BESIDE} B", beside / MOST_BYTES_BESIDE, "<= 1", beside <= MOST_BYTES_BESIDE,
            ),
        ]  # fmt: skip
    return rows


def _more(what: str, ours: float, peer: str, theirs: float, at_least: float) -> Row:
    ratio = ours / theirs
    return Row(what, f"{ours:,.0f}", peer, f"{theirs:,.0f}", ratio, f">= {at_least:g}", ratio >= at_least)


def _rates(command: tuple[str, ...], imports: list[bytes], tracks: list[bytes]) -> Rates:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    server_core, own_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    with serving(*command, core=server_core) as (url, process_id), on_core(own_core):
        send_all(url, tracks[:200], 1)
        before = resident_bytes(process_id)
        begun_s = cpu_seconds(process_id)
        send_all(url, imports, 4)
        imported_s = cpu_seconds(process_id)
        grown = (resident_bytes(process_id) - before) / (BATCHES * BATCH)
        send_all(url, tracks, 16)
        tracked_s = cpu_seconds(process_id)
        return Rates(BATCHES * BATCH / (imported_s - begun_s), TRACKED / (tracked_s - imported_s), grown)
