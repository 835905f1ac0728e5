"""What `harness send` prints: one JSON document, or a few lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.event import Json
from harness.identity.blast import Blast
from harness.live.destination import Destination
from harness.live.findings import Finding, Findings
from harness.live.gate import Parcel
from harness.live.journal import FailedRow
from harness.live.proof import Proof, told
from harness.live.sending import Outcome, failed_json

_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Report:
    """Everything there is to tell about one call.

    Attributes:
        parcel: what was to be sent.
        destination: where to.
        live: whether it was to be sent for real.
        proof: what was proven; None where an earlier start proved it.
        rows: how many rows there are.
        sha256: the digest of the rows.
        source_sha256: the digest of the file.
        journal: the journal, "" for none.
        outcome: what came of sending; None where nothing was sent.
        before: how many rows earlier starts had been answered for.
        sent_before: how many of those Mixpanel took.
    """

    parcel: Parcel
    destination: Destination
    live: bool
    proof: Proof | None
    rows: int
    sha256: str
    source_sha256: str
    journal: str = ""
    outcome: Outcome | None = None
    before: int = 0
    sent_before: int = 0

    @property
    def findings(self) -> Findings:
        """Why nothing may be sent; empty where it may."""
        return Findings() if self.proof is None else self.proof.findings

    @property
    def exit_code(self) -> int:
        """1 where the gate refuses, or Mixpanel did not take a row; 3 where the rest could not be sent."""
        if self.outcome is not None and self.outcome.error:
            return 3
        return 1 if self.findings or (self.outcome is not None and self.outcome.failed) else 0


def document(report: Report) -> dict[str, Json]:
    """Return the document of `--json`."""
    parcel, outcome, proof = report.parcel, report.outcome, report.proof
    is_step = parcel.scenario is not None
    marking = parcel.marking
    return {
        "file": parcel.name,
        "to": report.destination.host,
        "endpoint": parcel.route,
        "id_merge": parcel.systems[0],
        "id_merge_systems": list(parcel.systems),
        "run_id": None if marking is None else marking.run_id,
        "isolated": marking is not None and marking.isolates,
        "live": report.live,
        "held": not report.findings,
        "findings": [one.as_json() for one in report.findings.in_order()],
        "findings_total": report.findings.total,
        "rows": report.rows,
        "would_send": 0 if report.findings else report.rows - report.before,
        "sent": 0 if outcome is None else outcome.sent - report.sent_before,
        "sent_in_all": 0 if outcome is None else outcome.sent,
        "left": report.rows if outcome is None else outcome.left,
        "failed": [] if outcome is None else [failed_json(row, is_step=is_step) for row in outcome.failed],
        "duplicates": None if proof is None else proof.duplicates,
        "users": None if proof is None else proof.users,
        "bytes": None if proof is None else proof.size,
        "joins": [] if proof is None else [_join_json(one) for one in proof.joins],
        "notes": [] if proof is None else list(proof.notes),
        "sha256": report.sha256,
        "source_sha256": report.source_sha256,
        "requests": 0 if outcome is None else outcome.requests,
        "retries": 0 if outcome is None else outcome.retries,
        "journal": report.journal or None,
        "error": outcome.error if outcome is not None and outcome.error else None,
    }


def text(report: Report) -> str:
    """Return the same for people."""
    if report.findings:
        return _refusal(report)
    if report.outcome is None:
        return "\n".join([*_summary(report, "would send"), "nothing was sent; --live sends it"])
    return _sent(report, report.outcome)


def _refusal(report: Report) -> str:
    findings = report.findings
    reasons = "1 reason" if findings.total == 1 else f"{findings.total:,} reasons"
    lines = [f"{report.parcel.name}: not sent, for {reasons}"]
    lines += [f"  {_finding(one, report.parcel.scenario is not None)}" for one in findings.in_order()[:_MOST_SHOWN]]
    if findings.total > _MOST_SHOWN:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(findings.counts.items()))
        lines.append(f"  ... {findings.total - _MOST_SHOWN:,} more; in all {counts}")
    return "\n".join(lines)


def _finding(one: Finding, is_scenario: bool) -> str:  # noqa: FBT001 - a choice of words
    if one.step is not None:
        where = f"step {one.step} (line {one.line}): "
    elif one.line is not None and not is_scenario:
        where = f"line {one.line}: "
    else:
        where = ""
    return f"{where}{one.message}. {one.fix}".rstrip()


def _summary(report: Report, verb: str) -> list[str]:
    parcel, proof = report.parcel, report.proof
    what = _events(report.rows - report.before)
    size = "" if proof is None or report.before else f" ({_size(proof.size)})"
    by = "by the routes of its steps" if parcel.endpoint is None else f"by /{parcel.endpoint}"
    lines = [f"{verb} {what}{size} to {report.destination.host} {by}, as a project with {_systems(parcel)} ID merge"]
    if proof is not None:
        duplicates = f", {_events(proof.duplicates)} there twice" if proof.duplicates else ""
        users = "1 user comes out" if proof.users == 1 else f"{proof.users:,} users come out"
        lines.append(f"  {users}{duplicates}")
        lines += [f"  allowed: {told(one)}" for one in proof.joins[:_MOST_SHOWN]]
        lines += [f"  note: {note}" for note in proof.notes]
    if parcel.marking is not None:
        ids = "all ids are of this run alone" if parcel.marking.isolates else "ids as they are"
        lines.append(f"  run {parcel.marking.run_id}: every event says harness_run, {ids}")
    lines.append(f"  sha256 of the rows {report.sha256}")
    return lines


def _sent(report: Report, outcome: Outcome) -> str:
    lines = []
    if not report.rows - report.before and report.before:
        lines.append(f"nothing is left: {_events(outcome.sent)} of {report.rows:,} were sent before")
    else:
        lines += _summary(report, "sent" if not outcome.left else "was to send")
        lines.append(f"  {_requests(outcome.requests, outcome.retries)}")
    if report.before and report.rows - report.before:
        lines.append(f"  {_events(report.before)} more had been sent before")
    if outcome.left:
        lines.append(f"  {_events(outcome.left)} left; the same command goes on from there")
    lines += _failures(outcome.failed, "step" if report.parcel.scenario is not None else "line")
    lines.append(f"  journal {report.journal}")
    if not outcome.left and report.destination.region is not None:
        lines.append(
            "  note: a project of another region, and by /track a wrong token, is answered the same and keeps nothing; "
            "`harness verify` tells for sure"
        )
    return "\n".join(lines)


def _failures(failed: Sequence[FailedRow], place: str) -> list[str]:
    if not failed:
        return []
    lines = [f"  {_events(len(failed))} not taken by Mixpanel, and not sent again:"]
    lines += [
        f"    {place} {row.place}: {row.field}{': ' if row.field else ''}{row.message}" for row in failed[:_MOST_SHOWN]
    ]
    if len(failed) > _MOST_SHOWN:
        lines.append(f"    ... and {len(failed) - _MOST_SHOWN:,} more; --json has them all")
    return lines


def status_text(status: dict[str, Json]) -> str:
    """Return what `--status` says, for people."""
    lines = [f"{status['journal']}: {_STATE[status['state']]}"]
    lines.append(f"  {status['file']} to {status['to']}, as {status['id_merge']}")
    if status["rows"] is not None:
        lines.append(f"  {status['sent']:,} of {_events(status['rows'])} sent, {status['left']:,} left")
        lines.append(f"  {_requests(status['requests'], status['retries'])}")
        lines.append(f"  started {status['started']}" + (f", finished {status['finished']}" * bool(status["finished"])))
        lines.append(f"  sha256 of the rows {status['sha256']}")
    if status["run_id"]:
        lines.append(f"  run {status['run_id']}")
    failed = status["failed"][:_MOST_SHOWN]
    lines += [f"  not taken: {row['place']}: {row['field']} {row['message']}" for row in failed]
    return "\n".join(lines)


def _join_json(one: Blast) -> dict[str, Json]:
    return {"users": list(one.known_users), "ids": one.ids, "larger": one.larger, "smaller": one.smaller}


def _systems(parcel: Parcel) -> str:
    return " or ".join(parcel.systems)


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _requests(requests: int, retries: int) -> str:
    return f"{requests:,} request{'' if requests == 1 else 's'}, {retries:,} of them again"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{max(size / 1e3, 0.1):.1f} kB"


_STATE: Final = {
    "proving": "killed before anything was proven or sent",
    "sending": "not finished; the same command goes on from here",
    "finished": "finished",
}
