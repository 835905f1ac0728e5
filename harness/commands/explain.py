"""`harness explain`: why two ids are one user, or why they are not."""

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
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.problems import InputError, Problem


@click.command("explain")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("id_")
@click.argument("id2", required=False)
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@click.option("--at", type=click.IntRange(min=0), metavar="N", help="The answer as it was after event N (or step N).")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path,
    id_: str,
    id2: str | None,
    id_merge: IdMerge,
    at: int | None,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001 - click passes options by name
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Tell why two ids are one user, or why they are not.

    EVENTS is a JSONL event file, - for standard input, or a scenario file. With two ids: the chain of events that
    joined them, in order; or the decisions that would have joined them but were refused, and what would have to change,
    each change tried on the model. With one id: its cluster, and since which event each member is in it. Events are
    numbered from 0, as `harness resolve` numbers them.

    \b
    Examples:
      harness explain events.jsonl --id-merge original ana '$device:D1'
      harness explain events.jsonl --id-merge simplified ana --at 120 --json
    """
    from harness.jsontext import dump
    from harness.scenario.explanation import cluster_json, cluster_text, pair_json, pair_text

    chosen = chosen_settings(settings, cluster_limit)
    if is_scenario(events):
        history = history_of_scenario(scenario_of(events, chosen), id_merge, at)
    else:
        lines = stream_of(events)
        history = history_of_stream(
            lines, id_merge, chosen, endpoint=endpoint, strict=strict, now_ms=instant(now), at=at
        )
    unknown = [message for text in (id_, id2) if text is not None and (message := history.unknown(text))]
    if unknown:
        raise InputError([Problem(str(events), None, "", message) for message in unknown])
    if id2 is None:
        click.echo(dump(cluster_json(history, id_), indent=1) if as_json else cluster_text(history, id_))
    else:
        click.echo(dump(pair_json(history, id_, id2), indent=1) if as_json else pair_text(history, id_, id2))
