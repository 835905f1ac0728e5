"""`harness migrate`: the events of a project rewritten for a project of another ID-merge system, with proof."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from harness.commands.history_progress import HistoryProgress
from harness.event import ID_MERGE_SYSTEMS, IDENTITY_EVENTS, Endpoint, IdMerge
from harness.problems import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    from harness.history.engines import EngineName
    from harness.history.migrate_records import DeviceForms, MigrateOrder, Migration, Policy

_ROUTES: Final = "original to simplified, legacy to simplified, legacy to original"


@click.command("migrate")
@click.argument("events", nargs=-1, required=True)
@click.option("--from", "source", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The system of the events.")
@click.option("--to", "target", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The system to migrate to.")
@click.option(
    "--user-id", required=True, metavar="REGEX", help="What a user id looks like: ^user- or ^[0-9]+$, for example."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the new events here. Without it: a dry run.")
@click.option(
    "--ambiguous",
    type=click.Choice(["drop", "elect", "per-device"]),
    default="drop",
    show_default=True,
    help="Devices of a cluster with several user ids: nobody's, all of the strongest one, each of its nearest.",
)
@click.option(
    "--association-time",
    default="first",
    show_default=True,
    metavar="first|link|ISO",
    help="When a link happens: when the device was first seen, when it was linked, or at an instant.",
)
@click.option(
    "--association-event",
    metavar="NAME",
    default="Identity Association",
    show_default=True,
    help="Name of the events that link.",
)
@click.option("--exclude-user", metavar="REGEX", help="Ids of test accounts: their events are left out.")
@click.option("--exclude-file", type=click.Path(path_type=Path), help="A file with ids of test accounts, one a line.")
@click.option(
    "--device-forms",
    type=click.Choice(["apart", "one"]),
    default="apart",
    show_default=True,
    help="X and $device:X in different clusters: kept apart as they were, or made one device.",
)
@click.option(
    "--shard-events",
    type=click.IntRange(min=1),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Most events of one file.",
)
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="Where.")
@click.option("--master", metavar="URL", help="The Spark cluster.  [default: local[*]]")
@click.option(
    "--endpoint",
    type=click.Choice(["track", "import"]),
    default="import",
    show_default=True,
    help="The route the events came by.",
)
@click.option("--strict/--no-strict", default=False, show_default=True, help="Whether they were validated strictly.")
@click.option("--stored", is_flag=True, help="They are a raw export, accepted long ago: ask no rule of acceptance.")
@click.option("--now", metavar="ISO", help="Mixpanel's clock.  [default: the time of the newest event]")
@click.option("--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original.")
@click.option(
    "--settings", type=click.Path(path_type=Path), help="Settings (YAML). Default: harness.yaml, where there is one."
)
@click.option("--report-dir", type=click.Path(path_type=Path), help="Write report.md and report.html here, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: tuple[str, ...],
    source: IdMerge,
    target: IdMerge,
    user_id: str,
    out: Path | None,
    ambiguous: Policy,
    association_time: str,
    association_event: str,
    exclude_user: str | None,
    exclude_file: Path | None,
    device_forms: DeviceForms,
    shard_events: int,
    engine: EngineName,
    master: str | None,
    endpoint: Endpoint,
    strict: bool,  # noqa: FBT001 - click passes options by name
    stored: bool,  # noqa: FBT001
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    report_dir: Path | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Rewrite the events of a project for a project of another ID-merge system, and prove that nobody is mixed up.

    EVENTS are files, folders or globs of JSONL (.gz, .zst) or Parquet, in the order of ingestion. Identity events are
    replaced by events that link a device to its user; every other event gets the ids that the new system reads. Who is
    who comes of a replay under the old system, refusals included, and what was promised is replayed under the new one.

    \b
    Examples:
      harness migrate export/ --from original --to simplified --user-id '^user-'
      harness migrate export/ --from original --to simplified --user-id '^user-' --out new/
      for part in new/part-*; do harness send $part --to eu --id-merge simplified --live; done

    \b
    --json:
      read, written          events, association events among the latter
      associations           events that link a device to its user
      users_before, _after   users with events, by the replays
      unresolved             clusters that fall apart: ids, events, why
      ambiguous              clusters with several user ids: size, events,
                             candidates with evidence, devices with their user
      joins_before, _after   ids joined with another one
      junk, unmatched, both_forms, left_out, nobodys_events, new_insert_ids,
      proof, files

    \b
    Exit codes:
      0  the new events give the users that were planned
      1  they do not; nothing was kept
      2  a file or an option is wrong
      3  something outside failed: a full disk
    """
    _check_route(source, target)
    problems: list[Problem] = []
    user_pattern = _pattern("--user-id", user_id, problems)
    excluded = None if exclude_user is None else _pattern("--exclude-user", exclude_user, problems)
    when = _association_time(association_time, problems)
    now_ms = None if now is None else _instant("--now", now, problems)
    if not association_event.strip() or association_event in IDENTITY_EVENTS or len(association_event) > 255:
        message = f"{association_event[:60]!r} can't be the name of an event that links"
        problems.append(Problem("", None, "--association-event", message, "Any other name does."))
    if "-" in events:
        message = "standard input can't be read twice, as a migration has to"
        problems.append(Problem("-", None, "", message, "Put the events into a file."))
    excluded_ids = _ids_of(exclude_file, problems)
    if problems:
        raise InputError(problems)
    from harness.history.engines import needs_history

    needs_history()
    from harness.history.migrate_records import MigrateOrder
    from harness.scenario.project_file import read_project_file

    chosen = read_project_file(settings)
    if cluster_limit is not None:
        chosen = replace(chosen, identity=replace(chosen.identity, cluster_limit=cluster_limit))

    if engine == "local":
        HistoryProgress().note_first_run()
    with click.progressbar(length=1_000, file=sys.stderr, hidden=not sys.stderr.isatty(), label="reading") as bar:
        order = MigrateOrder(
            paths=events,
            source=source,
            target=target,
            user_id=user_pattern,
            settings=chosen,
            out=out,
            ambiguous=ambiguous,
            association_time=when,
            association_event=association_event,
            excluded=excluded,
            excluded_ids=excluded_ids,
            device_forms=device_forms,
            shard_events=shard_events,
            endpoint=endpoint,
            strict=strict,
            stored=stored,
            now_ms=now_ms,
            progress=_shown(bar),
        )
        migration = _migrated(order, engine, master)
    if report_dir is not None:
        _report(migration, report_dir)
    _told(migration, as_json=as_json)
    return 0 if migration.proof.held else 1


def _check_route(source: IdMerge, target: IdMerge) -> None:
    if (source, target) not in (("original", "simplified"), ("legacy", "simplified"), ("legacy", "original")):
        message = f"no migration leads from {source} to {target}"
        raise InputError([Problem("", None, "--to", message, f"There are: {_ROUTES}.")])


def _pattern(option: str, text: str, problems: list[Problem]) -> str:
    try:
        re.compile(text)
    except re.error as error:
        problems.append(Problem("", None, option, f"{text[:60]!r} is no regular expression: {error}"))
    return text


def _instant(option: str, text: str, problems: list[Problem]) -> int | None:
    from harness.clock import parse_instant

    try:
        return parse_instant(text)
    except ValueError as error:
        problems.append(Problem("", None, option, str(error)))
        return None


def _association_time(text: str, problems: list[Problem]) -> Literal["first", "link"] | int:
    from harness.clock import parse_instant
    from harness.ingestion.limits import EARLIEST_MS

    if text == "first":
        return "first"
    if text == "link":
        return "link"
    try:
        time_ms = parse_instant(text)
    except ValueError:
        known = did_you_mean(text, ("first", "link"))
        message = f"{text[:60]!r} is neither first nor link nor an instant such as 2026-01-05T12:00:00Z"
        problems.append(Problem("", None, "--association-time", message, known))
        return "first"
    if time_ms < EARLIEST_MS:
        problems.append(Problem("", None, "--association-time", f"{text} is before 1971, and Mixpanel refuses that"))
    return time_ms


def _ids_of(path: Path | None, problems: list[Problem]) -> frozenset[str]:
    if path is None:
        return frozenset()
    from harness.problems import Problems
    from harness.source import read_text

    noted = Problems(str(path))
    text = read_text(path, noted)
    problems += noted.found
    return frozenset(line.strip() for line in (text or "").splitlines() if line.strip())


def _shown(bar: object) -> Callable[[str, float], None]:
    """Return what moves a progress bar on."""

    def show(what: str, share: float) -> None:
        place = round(share * 1_000)
        if bar.label != what:  # type: ignore[attr-defined]
            bar.label, bar.pos = what, 0  # type: ignore[attr-defined]
        bar.update(max(0, place - bar.pos))  # type: ignore[attr-defined]

    return show


def _migrated(order: MigrateOrder, engine: EngineName, master: str | None) -> Migration:
    from harness.history.engines import check_master

    if engine == "spark":
        from harness.history.engines import spark_engine

        chosen = spark_engine(master)
        from harness.history.spark_migration import migrate_on_spark

        return migrate_on_spark(chosen, order)
    check_master(engine, master)
    from harness.history.migrate import migrate

    return migrate(order)


def _report(migration: Migration, folder: Path) -> None:
    from harness.history.migrate_output import write_texts
    from harness.history.migrate_report import as_html, as_markdown

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_texts(folder, {"report.md": as_markdown(migration), "report.html": as_html(migration)})
    except OSError as error:
        message = f"reports can't be written here: {error.strerror or error}"
        raise InputError([Problem(str(folder), None, "--report-dir", message, "Name another folder.")]) from None


def _told(migration: Migration, *, as_json: bool) -> None:
    from harness.history.migrate_report import as_text, document
    from harness.jsontext import dump

    click.echo(dump(document(migration), indent=1) if as_json else as_text(migration))
    if migration.order.out is not None and migration.proof.held:
        click.echo(f"wrote {migration.order.out}; send its part-*.jsonl in the order of their names", err=True)
