"""The gate: what is to be sent, under which system, and whether all of it holds. Nothing here touches the network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from harness.event import Endpoint, IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.live.event_file import file_digest, prove_file
from harness.live.findings import Finding, Findings
from harness.live.marking import Marking
from harness.live.proof import Allowed, Nowhere, Proof, Spool
from harness.live.scenario_flow import prove_scenario
from harness.scenario.format import Scenario


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent.

    Attributes:
        name: the file as the user named it.
        path: where it is; None for standard input.
        scenario: the scenario it holds; None for an event file.
        systems: the ID-merge systems under which all of it has to hold.
        settings: the reading of the rules.
        endpoint: the route; None for a scenario whose steps say so themselves.
        allowed: what is expected.
        marking: how the events of a test run are marked; None: not at all.
        lanes: how many lanes an event file is sent by.
        asked_run: the run id that was asked for; None: any.
    """

    name: str
    path: Path | None
    scenario: Scenario | None
    systems: tuple[IdMerge, ...]
    settings: ProjectSettings
    endpoint: Endpoint | None
    allowed: Allowed
    marking: Marking | None
    lanes: int
    asked_run: str | None = None

    @property
    def route(self) -> str:
        """The route in words: track, import, or scenario."""
        return self.endpoint or "scenario"

    @property
    def batching(self) -> IdMerge:
        """The system whose rules batches follow: legacy asks for more than the others."""
        return "legacy" if "legacy" in self.systems else self.systems[0]

    def run(self, run_id: str) -> Parcel:
        """Return the same of another run."""
        return self if self.marking is None else replace(self, marking=replace(self.marking, run_id=run_id))

    def circumstances(self) -> str:
        """Return a digest of everything that makes other rows of the same file, or judges them otherwise."""
        marks = None if self.marking is None else (self.marking.isolates, self.marking.run_id)
        told = repr((self.settings, self.endpoint, self.systems, marks))
        return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Passed:
    """What the gate says of a parcel.

    Attributes:
        proof: what came out; its findings are why it may not be sent.
        source_sha256: the digest of the file.
        lanes: for every id number its lane, one byte each.
    """

    proof: Proof
    source_sha256: str
    lanes: bytes


def prove(parcel: Parcel, stream: BinaryIO, now_ms: int, spool: Spool) -> Passed:
    """Prove a parcel.

    Args:
        parcel: what is to be sent.
        stream: its file, at its beginning; read to the end.
        now_ms: the clock, milliseconds since 1970.
        spool: takes the rows that are sent.

    Raises:
        InputError: when the property of a scenario can't be read.
    """
    scenario = parcel.scenario
    if scenario is None:
        return _prove_events(parcel, stream, now_ms, spool)
    assert parcel.marking is not None, "scenarios are always marked"
    proofs = [
        prove_scenario(
            scenario,
            system,
            endpoint=parcel.endpoint,
            now_ms=now_ms,
            spool=spool if system == parcel.systems[0] else Nowhere(),
            allowed=parcel.allowed,
            marking=parcel.marking,
        )
        for system in parcel.systems
    ]
    return Passed(_together(parcel.systems, proofs), file_digest(stream), _ONE_LANE)


def _prove_events(parcel: Parcel, stream: BinaryIO, now_ms: int, spool: Spool) -> Passed:
    proven = prove_file(
        stream,
        parcel.systems[0],
        parcel.settings,
        endpoint=parcel.endpoint or "import",
        now_ms=now_ms,
        spool=spool,
        allowed=parcel.allowed,
        marking=parcel.marking,
        lanes=parcel.lanes,
    )
    return Passed(proven.proof, proven.source_sha256, proven.lanes)


def _together(systems: Sequence[IdMerge], proofs: Sequence[Proof]) -> Proof:
    """Return the proof of the first system with the findings of all."""
    if len(proofs) == 1:
        return proofs[0]
    findings = Findings()
    for system, proof in zip(systems, proofs, strict=True):
        for one in proof.findings.kept:
            findings.add(Finding(one.kind, f"under {system}: {one.message}", one.fix, one.line, one.step))
    return replace(proofs[0], findings=findings)


_ONE_LANE: Final = b"\0"
