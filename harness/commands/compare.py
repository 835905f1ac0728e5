"""`harness compare`: the same input under all three ID-merge systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness.commands.sources import (
    chosen_settings,
    history_of_scenario,
    history_of_stream,
    instant,
    is_scenario,
    scenario_of,
    stream_of,
    stream_options,
)
from harness.event import ID_MERGE_SYSTEMS, Endpoint
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.history.engines import EngineName

_LARGE_BYTES: Final = 64 << 20
"""A file of this size is read as a history: the small way keeps every event and takes some seconds for it."""

_PACKED: Final = (".gz", ".gzip", ".zst", ".zstd", ".parquet", ".pq")


@click.command("compare")
@click.argument("events", nargs=-1, required=True)
@click.option("--funnel", metavar="NAME,NAME,...", help="Count who did these events one after the other.")
@click.option("--funnel-window", metavar="DURATION", help="Most time from its first step to its last, as in 30d.")
@click.option("--truth", metavar="PROPERTY", help="The event property that says who it really was.")
@click.option("--known-user", metavar="REGEX", help="What the id of a known user looks like.")
@click.option("--stored", is_flag=True, help="A raw export: all of it was accepted, so no rule of acceptance is asked.")
@click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where histories are compared: this machine, or Spark.",
)
@click.option("--master", metavar="URL", help="The cluster, for --engine spark.  [default: local[*]]")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: tuple[str, ...],
    funnel: str | None,
    funnel_window: str | None,
    truth: str | None,
    known_user: str | None,
    stored: bool,  # noqa: FBT001 - click passes options by name
    engine_name: EngineName,
    master: str | None,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Run the same input under all three ID-merge systems, side by side.

    EVENTS is a JSONL event file, - for standard input, or a scenario file. The table has users, clusters, split and
    mixed people (of a scenario), decisions by outcome, refused ones by reason, orphans and rejected events. Below it
    stands, for each difference between two systems, the first event that explains it.

    Folders, globs, several files, compressed or Parquet files, and large ones are histories (see `harness audit`): they
    are read once, in columns, and so is any input with --funnel, --truth, --known-user or --stored. The table has
    counts then, and with --truth precision and recall. --funnel shows what a business sees: how many users did one
    event after the other, how many of them only because their ids were joined, and with --truth how many people.

    An orphan is an anonymous id with events whose every attempt to join a user was refused, ignored or rejected.

    \b
    --json:
      systems       for each: id_merge, users, clusters, people (joined, split,
                    mixed; null for an event file), orphans, decisions by
                    outcome, refused by reason, accepted, duplicates, rejected
      differences   systems (the two), what (users, split, mixed, orphans,
                    refused, rejected), index of the event, sentence
    Of a history orphans is a number, people has split, mixed, precision and
    recall, the index is null, and funnel has steps, window_ms, people, and
    systems: id_merge, users by step, rate, across_login.

    \b
    Examples:
      harness compare events.jsonl
      harness compare scenarios/original/sign-up.yaml --json
      harness compare export/ --funnel 'Page View,Sign Up,Purchase' --funnel-window 30d
    """
    asked = any((funnel, truth, known_user, stored, engine_name == "spark", master))
    if asked or is_history(events):
        from harness.commands.compare_history import run

        run(
            events,
            settings=chosen_settings(settings, cluster_limit),
            endpoint=endpoint,
            strict=strict,
            now=now,
            funnel=funnel,
            funnel_window=funnel_window,
            truth=truth,
            known_user=known_user,
            stored=stored,
            engine_name=engine_name,
            master=master,
            as_json=as_json,
        )
        return
    from harness.jsontext import dump
    from harness.scenario.differences import differences
    from harness.scenario.matrix import column, matrix_json, matrix_text

    if funnel_window is not None:
        raise InputError([Problem("", None, "--funnel-window", "needs a --funnel")])
    path = Path(events[0])
    chosen = chosen_settings(settings, cluster_limit)
    if is_scenario(path):
        scenario = scenario_of(path, chosen)
        histories = [history_of_scenario(scenario, system) for system in ID_MERGE_SYSTEMS]
    else:
        lines, now_ms = stream_of(path), instant(now)
        histories = [
            history_of_stream(lines, system, chosen, endpoint=endpoint, strict=strict, now_ms=now_ms)
            for system in ID_MERGE_SYSTEMS
        ]
    columns = [column(history) for history in histories]
    found = differences(histories)
    click.echo(dump(matrix_json(columns, found), indent=1) if as_json else matrix_text(columns, found))


def is_history(events: tuple[str, ...]) -> bool:
    """Return whether some input is one for columns: many files, packed ones, or a large one."""
    if len(events) > 1:
        return True
    path = Path(events[0])
    if events[0] == "-":
        return False
    if path.is_dir() or events[0].lower().endswith(_PACKED):
        return True
    if path.is_file():
        return path.stat().st_size >= _LARGE_BYTES and not is_scenario(path)
    return not path.exists() and bool(set("*?[") & set(events[0]))
