"""An event file on its way through the gate: prepared block by block, proven in order, and never held as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO, Final

from harness.event import Endpoint, IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.live.completion import CLOCK_BEHIND_MS
from harness.live.marking import Marking
from harness.live.preparing import Circumstances
from harness.live.proof import Allowed, Proof, Prover, Spool
from harness.live.workshop import prepared_blocks

_BLOCK: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ProvenFile:
    """An event file that went through the gate.

    Attributes:
        proof: what came out.
        source_sha256: the digest of the file itself.
        lanes: for every id number its lane, one byte each.
    """

    proof: Proof
    source_sha256: str
    lanes: bytes


def prove_file(
    stream: BinaryIO,
    id_merge: IdMerge,
    settings: ProjectSettings,
    *,
    endpoint: Endpoint,
    now_ms: int,
    spool: Spool,
    allowed: Allowed,
    marking: Marking | None = None,
    lanes: int = 1,
    workers: int | None = None,
) -> ProvenFile:
    """Prove every line of an event file.

    Args:
        stream: the file: one event a line, in the order of ingestion.
        id_merge: the project's system.
        settings: the reading of the rules.
        endpoint: the route the events go by.
        now_ms: the clock, milliseconds since 1970.
        spool: takes the rows that are sent.
        allowed: what is expected to go wrong, or to join.
        marking: how the events of a test run are marked; None: not at all.
        lanes: how many lanes the rows are sent by.
        workers: how many processes beside this one prepare a large file; None: as the machine has room for.
    """
    digest = hashlib.sha256()
    clock_ms = now_ms - CLOCK_BEHIND_MS
    circumstances = Circumstances(id_merge, endpoint, settings.ingestion, now_ms, clock_ms, marking)
    prover = Prover(id_merge, settings, now_ms, spool, allowed)
    for prepared in prepared_blocks(stream, digest, circumstances, workers):
        prover.take(prepared, endpoint)
    return ProvenFile(prover.finish(), digest.hexdigest(), prover.lanes(lanes))


def file_digest(stream: BinaryIO) -> str:
    """Return the SHA-256 of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
