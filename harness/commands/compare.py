"""`harness compare`: the same input under all three ID-merge systems."""

from __future__ import annotations

from pathlib import Path

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


@click.command("compare")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001 - click passes options by name
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Run the same input under all three ID-merge systems, side by side.

    EVENTS is a JSONL event file, - for standard input, or a scenario file. The table has users, clusters, split and
    mixed people (of a scenario), decisions by outcome, refused ones by reason, orphans and rejected events. Below it
    stands, for each difference between two systems, the first event that explains it.

    An orphan is an anonymous id with events whose every attempt to join a user was refused, ignored or rejected.

    \b
    --json:
      systems       for each: id_merge, users, clusters, people (joined, split,
                    mixed; null for an event file), orphans, decisions by
                    outcome, refused by reason, accepted, duplicates, rejected
      differences   systems (the two), what (users, split, mixed, orphans,
                    refused, rejected), index of the event, sentence

    \b
    Examples:
      harness compare events.jsonl
      harness compare scenarios/original/sign-up.yaml --json
    """
    from harness.jsontext import dump
    from harness.scenario.differences import differences
    from harness.scenario.matrix import column, matrix_json, matrix_text

    chosen = chosen_settings(settings, cluster_limit)
    if is_scenario(events):
        scenario = scenario_of(events, chosen)
        histories = [history_of_scenario(scenario, system) for system in ID_MERGE_SYSTEMS]
    else:
        lines, now_ms = stream_of(events), instant(now)
        histories = [
            history_of_stream(lines, system, chosen, endpoint=endpoint, strict=strict, now_ms=now_ms)
            for system in ID_MERGE_SYSTEMS
        ]
    columns = [column(history) for history in histories]
    found = differences(histories)
    click.echo(dump(matrix_json(columns, found), indent=1) if as_json else matrix_text(columns, found))
