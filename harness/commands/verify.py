"""`harness verify`: the users that the model predicts beside those of a raw export."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from click.core import ParameterSource

from harness.clock import parse_duration, parse_instant
from harness.commands.sources import chosen_settings, instant, is_scenario, scenario_of, stream_of, stream_options
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.ingestion.settings import ProjectSettings
    from harness.live.export_row import ExportRow
    from harness.live.marking import Marking
    from harness.live.prediction import Prediction, SentRow
    from harness.live.verify import ReadExport


@click.command("verify")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--export", type=click.Path(path_type=Path, allow_dash=True), help="A raw export: NDJSON or gzip of it.")
@click.option("--from", "source", metavar="us|eu|in|URL", help="Read the export from this project.")
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    help="The project's ID-merge system.  [default: the journal's, the scenario's, else simplified]",
)
@click.option("--run", "run_id", metavar="ID", help="Only the run with this id, as `harness send` told it.")
@click.option(
    "--isolate/--no-isolate", default=None, help="Whether that run gave ids a form of its own, as in `harness send`."
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The journal of `harness send`: tells run, system and days.  [default: EVENTS.journal, where there is one]",
)
@click.option("--from-date", metavar="DATE", help="First day to read.  [default: that of the earliest event]")
@click.option("--to-date", metavar="DATE", help="Last day to read.  [default: that of the latest event]")
@click.option("--wait", default="0s", show_default=True, metavar="DURATION", help="How long it may take to settle.")
@click.option("--poll", default="10m", show_default=True, metavar="DURATION", help="How often to read meanwhile.")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path,
    export: Path | None,
    source: str | None,
    id_merge: IdMerge | None,
    run_id: str | None,
    isolate: bool | None,  # noqa: FBT001 - click passes options by name
    journal: Path | None,
    from_date: str | None,
    to_date: str | None,
    wait: str,
    poll: str,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Compare the users that the model predicts with those of a raw export.

    EVENTS is what was sent: a JSONL event file, - for standard input, or a scenario. What came out is read from a file,
    or from the project: one request a day, within Mixpanel's limits for exports. Credentials come from the environment:
    MIXPANEL_SERVICE_ACCOUNT, MIXPANEL_SERVICE_SECRET and MIXPANEL_PROJECT_ID.

    Compared is who is one user, never the name of a canonical id in original. A project takes up to 24 hours to
    settle: with --wait it is read again until everything agrees and nothing is missing. Rows that are there twice are
    retries. Events whose own row is not there are missing, identity events aside. Rows that nobody sent are unexpected.

    Each difference names the event and the rule by which the model had it otherwise. Then every switch of the model is
    set to its other values, and those are told with which the model would agree with reality.

    \b
    --json:
      agree       how many events belong to exactly the user predicted
      differ      ids (two), predicted and actual (joined or separate), and of
                  the event behind it: index, where, kind, outcome, rule,
                  evidence, Mixpanel's reason; explained_by: settings
      missing, unexpected   how many events are not there; how many rows
                  nobody sent, or that the model has rejected
      agrees_with, nearer_with   settings that explain all, or part of it
      missing_events, rejected_but_there, renamed, duplicates, other_runs,
      settling, readings, stopped, id_merge

    \b
    Examples:
      harness verify events.jsonl --export export.ndjson.gz --id-merge original
      harness verify events.jsonl --from eu --id-merge simplified --wait 24h
      harness verify flow.yaml --from us --run nightly-17 --wait 2h --poll 5m

    \b
    Exit codes:
      0  every event is there, and its user is the predicted one
      1  something differs, is missing, or is there that nobody sent for our ids
      2  a file or an option is wrong
      3  the project can't be read
    """
    from harness.jsontext import dump
    from harness.live.prediction import Replay
    from harness.live.verify import Patience, Verification

    if (export is None) == (source is None):
        raise _wrong("--export, --from", "needs exactly one of the two", "Name a file, or a region or URL.")
    if str(events) == str(export) == "-":
        raise _wrong("--export", "and EVENTS can't both be standard input", "Name a file for one of them.")
    patience = Patience(_seconds(wait, "--wait"), _seconds(poll, "--poll"))
    if export is not None and patience.wait_s:
        raise _wrong("--wait", "is for --from: a file does not change", "Leave it out.")
    journaled = _journaled(events, journal)
    run_id = run_id or journaled.run_id
    marking = _marking(run_id, isolates=is_scenario(events) if isolate is None else isolate)
    chosen = chosen_settings(settings, cluster_limit)
    system, rows, base = _sent(events, id_merge or journaled.id_merge, chosen, endpoint, instant(now), marking)
    replay = Replay(rows, strict)
    read: ReadExport
    if export is not None:
        read = _reading_file(export)
    else:
        days = (_date(from_date, "--from-date"), _date(to_date, "--to-date"))
        read = _reading_project(str(source), replay.predict(system, base), journaled.first_day, days)
    verification = Verification(replay, system, base, read, run=None if marking is None else run_id, tell=_tell)
    verified = verification.verify(patience)
    from harness.commands.verify_text import verified_json, verified_text

    click.echo(dump(verified_json(verified), indent=1) if as_json else verified_text(verified))
    if verified.is_stopped:
        click.echo("stopped; what was known by then is above", err=True)
        return 130
    return 0 if verified.holds else 1


def _sent(
    path: Path,
    id_merge: IdMerge | None,
    settings: ProjectSettings,
    endpoint: Endpoint,
    now_ms: int | None,
    marking: Marking | None,
) -> tuple[IdMerge, list[SentRow], ProjectSettings]:
    """Return the system, what was sent, and the settings to predict with."""
    from harness.live.sent_rows import played, rows_of_scenario, rows_of_stream
    from harness.scenario.runner import DEFAULT_SYSTEM
    from harness.scenario.stream import newest_ms

    if is_scenario(path):
        scenario = scenario_of(path, settings)
        if id_merge is None and len(scenario.id_merge) > 1:
            systems = " and ".join(scenario.id_merge)
            raise _wrong("--id-merge", f"is needed: {path} is for {systems}", "Say which one the project has.")
        system = id_merge or (scenario.id_merge[0] if scenario.id_merge else DEFAULT_SYSTEM)
        is_asked = click.get_current_context().get_parameter_source("endpoint") is not ParameterSource.DEFAULT
        run = played(scenario, system, endpoint if is_asked else None)
        return system, rows_of_scenario(run, scenario.settings.ingestion.ms_threshold, marking), scenario.settings
    lines = stream_of(path)
    clock = newest_ms(lines, settings) if now_ms is None else now_ms
    if id_merge is None:
        _tell(f"note: --id-merge is not given, so the project is taken to be {DEFAULT_SYSTEM}")
    rows = rows_of_stream(lines, endpoint, clock, settings.ingestion.ms_threshold, marking)
    return id_merge or DEFAULT_SYSTEM, rows, settings


def _reading_file(path: Path) -> ReadExport:
    from harness.live.export_file import read_export

    return lambda: read_export(path)


def _reading_project(
    source: str, prediction: Prediction, first_day: date | None, asked: tuple[date | None, date | None]
) -> ReadExport:
    from harness.live.credentials import credentials_from
    from harness.live.destination import destination_from
    from harness.live.export_reader import ExportReader, Pace
    from harness.live.span import spans_of

    destination = destination_from(source, "--from")
    reader = ExportReader(destination, credentials_from(os.environ), os.environ, Pace(tell=_tell))

    def read() -> Iterable[ExportRow]:
        today = datetime.now(UTC).date()
        arrived = (min(first_day or today - timedelta(days=1), today), today)
        return reader.read(spans_of(prediction, arrived, asked))

    return read


class _Journaled(NamedTuple):
    """What a journal tells of a send: its run, its system, and the day it began; None where it tells nothing."""

    run_id: str | None = None
    id_merge: IdMerge | None = None
    first_day: date | None = None


def _journaled(events: Path, journal: Path | None) -> _Journaled:
    usual = events.with_name(f"{events.name}.journal")
    path = journal or (usual if str(events) != "-" and usual.exists() else None)
    if path is None:
        return _Journaled()
    from harness.live.journal import status_of
    from harness.live.span import day_of

    status = status_of(path)
    run_id, started = status["run_id"], status["started"]
    told = [str(part) for part in (run_id and f"the run {run_id}", status["id_merge"]) if part]
    _tell(f"note: the journal {path} tells {' and '.join(told) or 'when it was sent'}")
    system = next((known for known in ID_MERGE_SYSTEMS if known == status["id_merge"]), None)
    return _Journaled(run_id, system, None if started is None else day_of(parse_instant(started)))


def _marking(run_id: str | None, *, isolates: bool) -> Marking | None:
    from harness.live.marking import RUN_ID, Marking

    if run_id is None:
        return None
    if not RUN_ID.fullmatch(run_id):
        raise _wrong("--run", f"{run_id[:60]!r} is no run id", "Copy it from the output of `harness send`.")
    return Marking(run_id, isolates)


def _seconds(text: str, option: str) -> float:
    try:
        return parse_duration(text) / 1_000
    except ValueError as error:
        raise _wrong(option, str(error), "") from None


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _wrong(option, f"{text[:40]!r} is no day such as 2026-01-05", "") from None


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
