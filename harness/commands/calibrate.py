"""`harness calibrate`: probes of every rule that no document settles, against a throw-away project."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.clock import format_instant, parse_duration
from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, OutsideError, Problem, did_you_mean

if TYPE_CHECKING:
    from harness.live.calibrate import Calibrated
    from harness.live.credentials import Credentials
    from harness.live.destination import Destination
    from harness.live.export_row import ExportRow
    from harness.live.probe import Probe

_DAYS_THAT_MUST_BE_EMPTY = 90
_MOST_LOOKED_AT = 100_000


@click.command("calibrate")
@click.option("--to", "--from", "destination", metavar="us|eu|in|URL", help="The project: a region, or a URL.")
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@click.option("--only", multiple=True, metavar="NAME", help="Only this probe or switch; may be repeated.")
@click.option("--live", is_flag=True, help="Send the probes. Without it nothing leaves this machine.")
@click.option("--project", metavar="ID", help="The id of the project, as in MIXPANEL_PROJECT_ID.")
@click.option("--yes", is_flag=True, help="Don't ask; needs --project.")
@click.option("--wait", default="24h", show_default=True, metavar="DURATION", help="How long it may take to settle.")
@click.option("--poll", default="10m", show_default=True, metavar="DURATION", help="How often to read meanwhile.")
@click.option(
    "--steady", default="1h", show_default=True, metavar="DURATION", help="How long nothing may change before the end."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("calibrated.yaml"),
    show_default=True,
    help="Where the answers are written, as a settings file.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    destination: str | None,
    id_merge: IdMerge,
    only: tuple[str, ...],
    live: bool,  # noqa: FBT001 - click passes options by name
    project: str | None,
    yes: bool,  # noqa: FBT001
    wait: str,
    poll: str,
    steady: str,
    output: Path,
    force: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Ask a real project which reading of each uncertain rule is true.

    For every switch and every identity rule that rests on what was observed or inferred there is a probe: a few events
    whose fate tells. They are sent to a project that can be thrown away, and the export is read until it has settled.
    An answer is the value with which the model fares as the project did. The answers become a settings file, with the
    date and with what was sent and came back beside each.

    Identity can't be undone, so use a new project with nothing in it: one that holds any other event is refused, as far
    as its last 90 days tell. Nothing is sent without --live and the id of the project.

    Credentials come from the environment: MIXPANEL_TOKEN, MIXPANEL_PROJECT_ID, MIXPANEL_SERVICE_ACCOUNT,
    MIXPANEL_SERVICE_SECRET.

    \b
    --json, with --live: project, id_merge, run, date, settled, readings,
      settings (by switch), not_probed (with why), answers: probe, switch,
      rules, question, status (decided, holds, fails, undecided), value,
      how_exactly, why, sent, came_back
    Without it: id_merge, probes: probe, switch, rules, question, values,
      events

    \b
    Examples:
      harness calibrate --id-merge original
      harness calibrate --id-merge original --to eu --live
      harness calibrate --id-merge simplified --to us --live --yes --project 1234567 --output harness.yaml

    \b
    Exit codes:
      0  every probe was answered, and every rule holds
      1  an answer is missing, or a rule does not hold; the rest is written
      2  an option or the project is wrong; nothing was sent
      3  the project can't be reached
    """
    from harness.live.calibrate import probes_of
    from harness.live.credentials import credentials_from
    from harness.live.destination import destination_from

    probes = probes_of(id_merge, only)
    _check_names(only, id_merge)
    times = tuple(_seconds(text, option) for text, option in ((wait, "--wait"), (poll, "--poll"), (steady, "--steady")))
    if not live:
        _show_plan(probes, id_merge, as_json=as_json)
        return 0
    if destination is None:
        raise _wrong("--to", "is missing", "Write us, eu, in or a URL.")
    where, credentials = destination_from(destination), credentials_from(os.environ)
    if output.exists() and not force:
        raise _wrong("--output", f"{output} is there already", "Name another file, or add --force.")
    _confirm(credentials, where, project, probes, yes=yes)
    found = _calibrate(where, credentials, id_merge, probes, times)
    return _report(found, credentials.project_id, output, as_json=as_json)


def _calibrate(
    where: Destination, credentials: Credentials, id_merge: IdMerge, probes: list[Probe], times: tuple[float, ...]
) -> Calibrated:
    from harness.live.asking import ProbeSender
    from harness.live.calibrate import Calibration, must_be_empty
    from harness.live.export_reader import ExportReader, Pace
    from harness.live.probe import READ_DAYS, RUN_PREFIX
    from harness.live.verify import Patience

    pace = Pace(tell=_tell)
    sender = ProbeSender(where, credentials, os.environ, pace)
    reader = ExportReader(where, credentials, os.environ, pace)

    def rows_of(days: int, limit: int | None = None) -> Iterable[ExportRow]:
        today = datetime.now(UTC).date()
        return reader.read([(today - timedelta(days=days), today)], limit)

    must_be_empty(rows_of(_DAYS_THAT_MUST_BE_EMPTY, _MOST_LOOKED_AT))
    now = datetime.now(UTC)
    calibration = Calibration(
        id_merge=id_merge,
        run=f"{RUN_PREFIX}{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}",
        now_ms=int(now.timestamp() * 1_000),
        sender=sender,
        read=lambda: rows_of(READ_DAYS),
        probes=probes,
        steady_s=times[2],
        tell=_tell,
    )
    return calibration.run_probes(Patience(times[0], times[1]))


def _report(found: Calibrated, project: str, output: Path, *, as_json: bool) -> int:
    from harness.jsontext import dump
    from harness.live.calibration_file import calibrated_json, settings_text, table

    date = format_instant(int(datetime.now(UTC).timestamp()) * 1_000)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(settings_text(found, project, date), "utf-8", newline="\n")
    except OSError as error:
        _tell(settings_text(found, project, date))
        raise OutsideError(f"{output} can't be written ({error.strerror}); the answers are above") from None
    click.echo(dump(calibrated_json(found, project, date), indent=1) if as_json else table(found))
    if not found.is_settled:
        _tell("the project had not settled yet; what is undecided may be answered later")
    _tell(f"wrote {output}")
    if found.is_stopped:
        return 130
    return 0 if found.is_complete else 1


def _confirm(
    credentials: Credentials, where: Destination, project: str | None, probes: list[Probe], *, yes: bool
) -> None:
    """Return when a person, or --yes with --project, names the project that the environment names."""
    expected = credentials.project_id
    if not expected:
        raise _wrong("MIXPANEL_PROJECT_ID", "is not set", "Set it to the id of the throw-away project.")
    if yes:
        if project is None:
            raise _wrong("--project", "is missing", "--yes needs the id of the project: --project ID.")
        named = project
    else:
        if not sys.stdin.isatty():
            raise _wrong("--yes", "is needed where nobody can be asked", "Add --yes --project ID.")
        events = sum(_events(probe) for probe in probes)
        click.echo(
            f"{events:,} probe events go to {where.host}; identities they make in project {expected} stay for good.",
            err=True,
        )
        named = click.prompt("Id of the throw-away project", err=True)
    if named != expected:
        raise _wrong("--project", f"{named[:40]!r} is not the project of MIXPANEL_PROJECT_ID", "Nothing was sent.")


def _show_plan(probes: list[Probe], id_merge: IdMerge, *, as_json: bool) -> None:
    from tabulate import tabulate

    from harness.jsontext import dump

    if as_json:
        listed = [
            {
                "probe": probe.name,
                "switch": probe.switch or None,
                "rules": list(probe.rules),
                "question": probe.question,
                "values": [value for value in probe.values if value is not None],
                "events": _events(probe),
            }
            for probe in probes
        ]
        click.echo(dump({"id_merge": id_merge, "probes": listed}, indent=1))
        return
    rows = [
        [probe.name, probe.switch or ", ".join(probe.rules), str(_events(probe)), probe.question] for probe in probes
    ]
    click.echo(tabulate(rows, ["probe", "switch or rule", "events", "question"], disable_numparse=True))
    total = sum(_events(probe) for probe in probes)
    click.echo(f"\n{total:,} events would be sent; nothing was. Add --to and --live to send them.")


def _events(probe: Probe) -> int:
    from harness.live.probe import Kit

    return sum(len(ask.rows) for ask in probe.asks(Kit("probe", probe.name, 0)))


def _check_names(only: tuple[str, ...], id_merge: IdMerge) -> None:
    from harness.live.calibrate import probes_of

    known = {name for probe in probes_of(id_merge) for name in (probe.name, probe.switch) if name}
    for name in only:
        if name not in known:
            raise _wrong("--only", f"{name!r} is no probe of {id_merge}", did_you_mean(name, known))


def _seconds(text: str, option: str) -> float:
    try:
        return parse_duration(text) / 1_000
    except ValueError as error:
        raise _wrong(option, str(error), "") from None


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
