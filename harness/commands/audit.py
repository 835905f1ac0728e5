"""`harness audit`: the health of identity in a whole history of events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.history_progress import HistoryProgress
from harness.commands.sources import chosen_settings, instant, stream_options
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge

if TYPE_CHECKING:
    from harness.history.engines import EngineName


@click.command("audit")
@click.argument("events", nargs=-1, required=True)
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@click.option("--known-user", metavar="REGEX", help="What the id of a known user looks like.")
@click.option("--truth", metavar="PROPERTY", help="The event property that says who it really was.")
@click.option("--stored", is_flag=True, help="A raw export: all of it was accepted, so no rule of acceptance is asked.")
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE.parquet", help="Write who every id is.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a report with plots.")
@click.option("--strict-lines", is_flag=True, help="End at the first broken line, which is only counted otherwise.")
@click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="This machine, or Spark.",
)
@click.option("--master", metavar="URL", help="The cluster, for --engine spark.  [default: local[*]]")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: tuple[str, ...],
    id_merge: IdMerge,
    known_user: str | None,
    truth: str | None,
    stored: bool,  # noqa: FBT001 - click passes options by name
    save: Path | None,
    report: Path | None,
    strict_lines: bool,  # noqa: FBT001
    engine_name: EngineName,
    master: str | None,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Tell how healthy identity is in a history of events: thousands of them, or a hundred million.

    EVENTS are files, folders and globs of JSON lines (plain, .gz or .zst) and Parquet, or - for standard input. They
    arrived in the order of the paths, in a folder in the order of the names. Lines are in the wire form or flat as in a
    raw export; Parquet has a column for each property, or a column `properties`.

    Every event goes through Mixpanel's door first, as in `harness resolve`: --endpoint, --no-strict and --now say how.
    An export of a project holds what was accepted long ago: with --stored nothing is asked again, and what was sent is
    taken from $distinct_id_before_identity.

    \b
    --json, all numbers but refused:
      events           read, stored or not; broken_lines are none, rejected
                       ones were not stored
      users            have at least one event that counts
      clusters, ids    identity clusters, singletons too, and their ids
      largest_cluster  its ids; near_limit: clusters with 80% of the limit
                       and more, at_limit: those at the limit (original)
      refused          refused decisions by reason
      orphans          anonymous ids with events whose every attempt to join
                       a (known) user was refused, ignored or rejected
      mixed_suspects   clusters that hold several known users
      phantom_users    anonymous ids that became users, as they came as a
                       bare distinct_id (simplified)
      disallowed       different ids on Mixpanel's list of disallowed ids
      duplicates       stored events that don't count: a later one is the same
      shared_devices   anonymous ids that a second user tried to take
      precision, recall, split, mixed   with --truth

    Without --known-user every id counts as a known user that looks like no device, UUID or ECID. --save writes the
    columns id, canonical, reason (the rule that joined them) and event_index (the event that did).

    \b
    Examples:
      harness audit history.jsonl.gz --id-merge original
      harness audit export/ --id-merge original --stored --report audit.html
      harness audit 'export/2025-*.parquet' --id-merge simplified --known-user '.+@.+' --save ids.parquet
    """
    from harness.history.engines import AuditOrder, engine, needs_history
    from harness.history.known_check import check_pattern

    needs_history()
    check_pattern(known_user, "--known-user")
    for target in (save if engine_name == "local" else None, report):
        if target is not None:
            from harness.history.whole import check_writable

            check_writable(target)
    progress = HistoryProgress()
    if engine_name == "local":
        from harness.history.files import files_of
        from harness.history.local import memory_needed

        progress.note(memory_needed(files_of(events), saves=save is not None))
        progress.note_first_run()
    order = AuditOrder(
        events,
        id_merge,
        chosen_settings(settings, cluster_limit),
        endpoint=endpoint,
        strict=strict,
        stored=stored,
        now_ms=instant(now),
        known_user=known_user,
        truth=truth,
        save=save,
        strict_lines=strict_lines,
        progress=progress.show,
    )
    try:
        audit = engine(engine_name, master=master).audit(replace(order))
    finally:
        progress.close()
    if report is not None:
        from harness.history.audit_page import write_page

        write_page(report, audit, events)
    if as_json:
        from harness.history.records import audit_json
        from harness.jsontext import dump

        click.echo(dump(audit_json(audit), indent=1))
        return
    from harness.history.audit_text import audit_text

    click.echo(audit_text(audit, known_user))
    for what, path in (("ids", save), ("report", report)):
        if path is not None:
            click.echo(f"wrote {path} ({what})", err=True)
