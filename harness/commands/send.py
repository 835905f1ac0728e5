"""`harness send`: what the local model has proven goes to a real project, exactly once as far as Mixpanel allows it."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.commands.send_document import Report
    from harness.live.credentials import Credentials
    from harness.live.destination import Destination
    from harness.live.gate import Parcel
    from harness.live.sender import Means
    from harness.live.sending import Ready


@click.command("send")
@click.argument("events", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--to", "to", metavar="us|eu|in|URL", help="Where the project lives, or the URL of `harness serve`.")
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    help="The project's ID-merge system.  [default: all that the scenario names, else simplified]",
)
@click.option(
    "--endpoint",
    type=click.Choice(["track", "import"]),
    help="The route.  [default: import; for a scenario that of each step]",
)
@click.option("--live", is_flag=True, help="Send it for real. Without it nothing leaves this process.")
@click.option("--yes", is_flag=True, help="Don't ask a person; needs --project.")
@click.option("--project", metavar="ID", help="The project id, which MIXPANEL_PROJECT_ID has to agree with.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where a send notes how far it is.  [default: EVENTS.journal]",
)
@click.option("--status", is_flag=True, help="Show how far the journal is, and send nothing.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="How many requests are on their way at a time; events of one identity cluster never overtake each other.",
)
@click.option(
    "--isolate/--no-isolate",
    default=None,
    help="Give every id a form of this run alone.  [default: scenarios yes, event files no]",
)
@click.option("--run", "run_id", metavar="ID", help="The id of this test run.  [default: made up]")
@click.option(
    "--allow-refused",
    multiple=True,
    metavar="REASON",
    help="Expect decisions to be refused for this reason; same-user: only those of ids that are one user anyway.",
)
@click.option(
    "--allow-join", multiple=True, nargs=2, metavar="USER USER", help="Expect two known users to become one for good."
)
@click.option("--known-user", metavar="REGEX", help="What the id of a known user looks like.")
@click.option("--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original.")
@click.option(
    "--settings", type=click.Path(path_type=Path), help="Settings (YAML). Default: harness.yaml, where there is one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path | None,
    to: str | None,
    id_merge: IdMerge | None,
    endpoint: Endpoint | None,
    live: bool,  # noqa: FBT001 - click passes options by name
    yes: bool,  # noqa: FBT001
    project: str | None,
    journal: Path | None,
    status: bool,  # noqa: FBT001
    concurrency: int,
    isolate: bool | None,  # noqa: FBT001
    run_id: str | None,
    allow_refused: tuple[str, ...],
    allow_join: tuple[tuple[str, str], ...],
    known_user: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Send an event file or a scenario to a real project, if the local model proves that all of it holds.

    EVENTS is a JSONL event file in the order of ingestion, - for standard input, or a scenario. It goes through the
    model first, and nothing is sent unless all of it holds: every event accepted, every expectation met, nobody split
    or mixed, no decision refused, no cluster near its limit, and no two known users joined for good, unless you said
    beforehand that you expect it. What is sent is the very bytes that were proven; their SHA-256 is told.

    Without --live it says what it would send, and nothing leaves this process. With it, you type the project id to
    confirm, or a script says --yes --project ID. Credentials come from the environment: MIXPANEL_TOKEN for /track;
    MIXPANEL_SERVICE_ACCOUNT, MIXPANEL_SERVICE_SECRET and MIXPANEL_PROJECT_ID for /import, or MIXPANEL_TOKEN alone.

    A send that was stopped or killed goes on where it was: start the same command again. No event is sent under a
    second $insert_id; where there is none, it is made of the event and its line.

    Scenarios are test runs: their times are moved so that the last step is one minute ago, every event gets the
    property harness_run, and every id becomes one of this run, so that runs never join each other.

    \b
    --json:
      held            whether the gate lets it through
      findings        kind, line, step, message, fix; findings_total
      would_send      how many events; sent, left: what came of it
      failed          events Mixpanel refused: line or step, field, message
      duplicates      events that are there twice; users: how many come out
      sha256          of the rows that are sent; source_sha256 of the file
      requests, retries, journal, run_id, joins, notes, error

    \b
    Examples:
      harness send events.jsonl --to eu --id-merge original
      harness send events.jsonl --to eu --id-merge original --live
      harness send flow.yaml --to us --live --yes --project 1234567 --run nightly-17
      harness send events.jsonl --status

    \b
    Exit codes:
      0    everything was sent, or would be
      1    the gate refuses, or Mixpanel did not take an event
      2    a file, an option or a credential is wrong
      3    the project can't be reached; the journal has the rest
      130  stopped by Ctrl-C; the journal has the rest
    """
    if status:
        return _status(_journal_path(events, journal), as_json=as_json)
    if events is None or to is None:
        missing = "EVENTS" if events is None else "--to"
        raise _wrong(missing, "is missing", "Write for example: harness send events.jsonl --to eu")
    from harness.commands.send_parcel import allowed_by, parcel_of
    from harness.live.destination import destination_from

    destination = destination_from(to)
    parcel = parcel_of(
        events, destination, id_merge, endpoint, concurrency, isolate, run_id, settings, cluster_limit,
        allowed_by(allow_refused, allow_join, known_user),
    )  # fmt: skip
    # Rows and ids hold no circles; the collector would go through millions of ids again and again.
    gc.disable()
    if id_merge is None and parcel.scenario is None:
        click.echo("note: proven as simplified; --id-merge says which system the project has", err=True)
    if not live:
        return _would_send(parcel, destination, as_json=as_json)
    path = _journal_path(events, journal)
    confirm = _confirmation(project, yes=yes, reads_stdin=str(events) == "-")
    return _send(parcel, destination, path, confirm, as_json=as_json)


def _status(path: Path, *, as_json: bool) -> int:
    from harness.commands.send_document import status_text
    from harness.jsontext import dump
    from harness.live.journal import status_of

    status = status_of(path)
    click.echo(dump(status, indent=1) if as_json else status_text(status))
    return 0


def _would_send(parcel: Parcel, destination: Destination, *, as_json: bool) -> int:
    from harness.commands.send_document import Report
    from harness.live.gate import prove
    from harness.live.proof import Nowhere

    with _opener(parcel)() as stream:
        passed = prove(parcel, stream, _now_ms(), Nowhere())
    proof = passed.proof
    report = Report(parcel, destination, False, proof, proof.rows, proof.sha256, passed.source_sha256)  # noqa: FBT003
    return _show(report, as_json=as_json)


def _send(
    parcel: Parcel,
    destination: Destination,
    path: Path,
    confirm: Callable[[str], str],
    *,
    as_json: bool,
) -> int:
    import os

    from harness.commands.send_document import Report
    from harness.live.credentials import credentials_from
    from harness.live.journal import Journal
    from harness.live.sending import Refused, claim, outcome_of, prepare, send

    credentials = credentials_from(os.environ)
    _check_keys(parcel, credentials)
    with Journal(path) as journal:
        try:
            ready = prepare(journal, parcel, destination, _opener(parcel), _now_ms())
        except BaseException:
            if journal.state in (None, "proving"):
                journal.discard()
            raise
        if isinstance(ready, Refused):
            journal.discard()
            proof = ready.proof
            refusal = Report(ready.parcel, destination, True, proof, proof.rows, proof.sha256, ready.source_sha256)  # noqa: FBT003
            return _show(refusal, as_json=as_json)
        credentials = _of_project(credentials, confirm(_question(ready, destination)))
        claim(journal, ready, credentials)
        if ready.rows > ready.answered:
            means = _means(destination, credentials, ready)
            try:
                outcome = send(journal, ready, means, _now_ms)
            except KeyboardInterrupt:
                done = outcome_of(journal, ready.rows)
                click.echo(
                    f"{done.sent:,} of {ready.rows:,} events sent; the same command goes on from there", err=True
                )
                raise
        else:
            outcome = outcome_of(journal, ready.rows)
    report = Report(
        ready.parcel, destination, True, ready.proof, ready.rows, ready.sha256, ready.source_sha256,  # noqa: FBT003
        str(path), outcome, ready.answered, ready.sent,
    )  # fmt: skip
    return _show(report, as_json=as_json)


def _show(report: Report, *, as_json: bool) -> int:
    from harness.commands.send_document import document, text
    from harness.jsontext import dump

    click.echo(dump(document(report), indent=1) if as_json else text(report))
    if report.outcome is not None and report.outcome.error:
        click.echo(f"harness: {report.outcome.error}", err=True)
    return report.exit_code


def _opener(parcel: Parcel) -> Callable[[], BinaryIO]:
    def open_() -> BinaryIO:
        if parcel.path is None:
            return sys.stdin.buffer
        try:
            return parcel.path.open("rb")
        except OSError as error:
            problem = Problem(parcel.name, None, "", f"can't be read: {error.strerror or error}", "Check the path.")
            raise InputError([problem]) from None

    return open_


def _journal_path(events: Path | None, journal: Path | None) -> Path:
    if journal is not None:
        return journal
    if events is None or str(events) == "-":
        raise _wrong("--journal", "is missing", "Standard input has no name to make one of.")
    return events.with_name(events.name + ".journal")


def _check_keys(parcel: Parcel, credentials: Credentials) -> None:
    """Say early that credentials are missing, before anything is read."""
    from harness.live.sending import lacking

    has_account = bool(credentials.service_account and credentials.service_secret)
    if parcel.endpoint == "track" and not credentials.token:
        raise InputError([lacking("track")])
    if parcel.endpoint != "track" and not credentials.token and not has_account:
        raise InputError([lacking("import")])


def _confirmation(project: str | None, *, yes: bool, reads_stdin: bool) -> Callable[[str], str]:
    """Return what confirms the project, told a question: a person who types its id, or the options of a script."""
    if yes and project is None:
        raise _wrong("--yes", "needs --project", "Write --yes --project ID, so that it can't be the wrong one.")
    if reads_stdin and not yes:
        raise _wrong("--live", "can't ask, as standard input holds the events", "Write --yes --project ID.")

    def confirm(question: str) -> str:
        if yes:
            return project or ""
        click.echo(f"{question}\nType the project id to confirm: ", err=True, nl=False)
        typed = sys.stdin.readline().strip()
        if not typed:
            raise _wrong("", "nobody confirmed, so nothing was sent", "In scripts write --yes --project ID.")
        if project is not None and typed != project:
            raise _wrong("--project", "is not the project id that was typed", "Nothing was sent.")
        return typed

    return confirm


def _question(ready: Ready, destination: Destination) -> str:
    count = ready.rows - ready.answered
    if not count:
        return f"Nothing is left to send to {destination.host}."
    system = " or ".join(ready.parcel.systems)
    return f"{count:,} events go to {destination.host}, to a project with {system} ID merge."


def _of_project(credentials: Credentials, project: str) -> Credentials:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", project):
        raise _wrong("--project", "is no project id", "It is the number in the settings of the project.")
    if credentials.project_id and credentials.project_id != project:
        message = "is not the project of MIXPANEL_PROJECT_ID"
        raise _wrong("--project", message, "Nothing was sent: one of the two is wrong.")
    return replace(credentials, project_id=project)


def _means(destination: Destination, credentials: Credentials, ready: Ready) -> Means:
    import os
    import random

    from harness.commands.send_progress import Bar
    from harness.live.door import MixpanelDoor
    from harness.live.sender import Means

    bar = Bar(ready.rows, ready.answered)
    return Means(
        door=lambda: MixpanelDoor(destination, credentials, os.environ, _now_ms),
        lot=random.SystemRandom().random,
        told=bar.show,
        noted=bar.note,
    )


def _now_ms() -> int:
    import time

    return time.time_ns() // 1_000_000


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
