"""One send as its journal sees it: a new one is proven and begun, an old one goes on, a finished one is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from harness.clock import format_instant
from harness.event import Endpoint, Json
from harness.ingestion.limits import DAY_MS
from harness.live.credentials import Credentials
from harness.live.destination import Destination
from harness.live.event_file import file_digest
from harness.live.gate import Parcel, prove
from harness.live.journal import FailedRow, Journal
from harness.live.proof import Proof
from harness.live.sender import Means, Sender
from harness.problems import InputError, OutsideError, Problem


@dataclass(frozen=True, slots=True)
class Ready:
    """A send that may begin or go on.

    Attributes:
        parcel: what is sent.
        proof: what was proven by this start; None where an earlier one did.
        rows: how many rows there are.
        answered: how many of them are answered for already.
        sent: how many of those Mixpanel took.
        sha256: the digest of the rows.
        source_sha256: the digest of the file.
    """

    parcel: Parcel
    proof: Proof | None
    rows: int
    answered: int
    sent: int
    sha256: str
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A send that the gate refuses: its proof with the reasons, and the digest of the file."""

    parcel: Parcel
    proof: Proof
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a send has come to, all starts together.

    Attributes:
        sent: rows that Mixpanel took.
        left: rows that are not answered for.
        failed: rows that it did not take.
        requests: how many requests that took.
        retries: how many of them were repeated.
        error: why the rest was not sent; "" where all is answered for.
    """

    sent: int
    left: int
    failed: tuple[FailedRow, ...]
    requests: int
    retries: int
    error: str = ""


def prepare(
    journal: Journal, parcel: Parcel, destination: Destination, open_stream: Callable[[], BinaryIO], now_ms: int
) -> Ready | Refused:
    """Return what may be sent: proven now, or by the start that began the journal.

    Args:
        journal: the journal.
        parcel: what is to be sent.
        destination: where to.
        open_stream: opens the file.
        now_ms: the clock, milliseconds since 1970.

    Raises:
        InputError: when the journal is one of another errand.
    """
    state = journal.state
    # Until a journal is tied to a project nothing has left, so another file may take its place.
    is_new = state in (None, "proving") or journal.fact("project") is None
    if is_new or (state == "finished" and parcel.scenario is not None):
        return _begun(journal, parcel, destination, open_stream, now_ms)
    run_id = journal.fact("run_id") or ""
    if parcel.asked_run in (None, run_id):
        parcel = parcel.run(run_id)
    with open_stream() as stream:
        _compare(journal, "source_sha256", file_digest(stream), _OTHER_FILE)
    there = journal.fact("destination")
    _compare(journal, "destination", destination.api, f"sends to {there}, not to {destination.api}")
    _compare(journal, "circumstances", parcel.circumstances(), _OTHER_CIRCUMSTANCES)
    counts = journal.counts()
    _check_age(journal, parcel, now_ms)
    rows = int(journal.fact("rows") or 0)
    sha256, source = journal.fact("sha256") or "", journal.fact("source_sha256") or ""
    return Ready(parcel, None, rows, counts["sent"] + counts["failed"], counts["sent"], sha256, source)


def claim(journal: Journal, ready: Ready, credentials: Credentials) -> None:
    """Tie a journal to a project, or check that it is tied to this one.

    Raises:
        InputError: when it is tied to another project, or a route lacks its credentials.
    """
    missing = [endpoint for endpoint in journal.endpoints() if not _has_key(credentials, endpoint)]
    if missing:
        raise InputError([lacking(endpoint) for endpoint in missing])
    project = "+".join(credentials.fingerprint(endpoint) for endpoint in _ROUTES_OF[ready.parcel.route])
    if journal.fact("project") is None:
        journal.note("project", project)
    _compare(journal, "project", project, "belongs to another project, or was begun with other credentials")


def send(journal: Journal, ready: Ready, means: Means, now: Callable[[], int]) -> Outcome:
    """Send what is left; return what came of it.

    Raises:
        InputError: when the credentials are refused.
    """
    error = ""
    if journal.state == "sending":
        try:
            Sender(journal, ready.parcel.batching, means).run()
            journal.finish(format_instant(now()))
        except OutsideError as failure:
            error = str(failure)
        except InputError:
            if not journal.counts()["requests"]:
                # Refused credentials have taken nothing anywhere, so others may take their place.
                journal.forget("project")
            raise
    return outcome_of(journal, ready.rows, error)


def outcome_of(journal: Journal, rows: int, error: str = "") -> Outcome:
    """Return what a send has come to."""
    counts = journal.counts()
    left = rows - counts["sent"] - counts["failed"]
    failed = tuple(journal.failed())
    return Outcome(counts["sent"], left, failed, counts["requests"], counts["retries"], error)


def lacking(endpoint: Endpoint) -> Problem:
    """Return the problem that a route lacks its credentials."""
    if endpoint == "track":
        return Problem("", None, "MIXPANEL_TOKEN", "is not set, and every event of /track carries it", _WHERE)
    names = "MIXPANEL_SERVICE_ACCOUNT, MIXPANEL_SERVICE_SECRET"
    return Problem("", None, names, "are not set (nor MIXPANEL_TOKEN), and /import asks for them", _WHERE)


def _has_key(credentials: Credentials, endpoint: Endpoint) -> bool:
    return bool(credentials.token if endpoint == "track" else credentials.basic())


def _begun(
    journal: Journal, parcel: Parcel, destination: Destination, open_stream: Callable[[], BinaryIO], now_ms: int
) -> Ready | Refused:
    journal.begin({})
    with open_stream() as stream:
        passed = prove(parcel, stream, now_ms, journal)
    proof = passed.proof
    if proof.findings:
        journal.begin({})
        return Refused(parcel, proof, passed.source_sha256)
    facts = {
        "file": parcel.name,
        "source_sha256": passed.source_sha256,
        "destination": destination.api,
        "circumstances": parcel.circumstances(),
        "id_merge": ", ".join(parcel.systems),
        "sha256": proof.sha256,
        "rows": str(proof.rows),
        "started": format_instant(now_ms),
        "run_id": "" if parcel.marking is None else parcel.marking.run_id,
    }
    lanes = parcel.lanes if parcel.scenario is None else 1
    journal.start_sending(lanes, passed.lanes, facts)
    return Ready(parcel, proof, proof.rows, 0, 0, proof.sha256, passed.source_sha256)


def _check_age(journal: Journal, parcel: Parcel, now_ms: int) -> None:
    """Refuse to go on with events that /track would drop by now."""
    done = journal.done_rows() if journal.state == "sending" else []
    oldest_ms = journal.oldest_ms(min(done) + 1) if done else None
    window_ms = int(parcel.settings.ingestion.track_window_days * DAY_MS)
    if oldest_ms is not None and oldest_ms < now_ms - window_ms:
        message = "holds events that are too old for /track by now, and would be dropped"
        raise InputError([Problem(str(journal.path), None, "", message, "Send the rest of the file by /import.")])


def _compare(journal: Journal, name: str, now: str, message: str) -> None:
    if journal.fact(name) != now:
        fix = "Name another journal with --journal."
        raise InputError([Problem(str(journal.path), None, "", message, fix)])


def failed_json(row: FailedRow, *, is_step: bool) -> dict[str, Json]:
    """Return a row that was not taken for `--json`."""
    where: dict[str, Json] = {"step": row.place} if is_step else {"line": row.place}
    return {**where, "insert_id": row.insert_id, "field": row.field, "message": row.message}


_OTHER_FILE: Final = "belongs to another file, or the file was changed since"
_OTHER_CIRCUMSTANCES: Final = (
    "was begun with another --id-merge, --endpoint, --isolate, --run, --cluster-limit or other settings"
)
_WHERE: Final = "Credentials come from the environment; for `harness serve` any text does."
_ROUTES_OF: Final[dict[str, tuple[Endpoint, ...]]] = {
    "import": ("import",),
    "track": ("track",),
    "scenario": ("track", "import"),
}
