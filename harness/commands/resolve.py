"""`harness resolve`: which user every event of a file belongs to, and every identity decision on the way."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.sources import chosen_settings, instant, stream_of, stream_options
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge


@click.command("resolve")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path,
    id_merge: IdMerge,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001 - click passes options by name
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Tell which user every event of a file belongs to.

    EVENTS is a JSONL file, or - for standard input: one Mixpanel event a line, in the order of ingestion, as
    {"event": ..., "properties": {...}} or as a flat line of a raw export. Lines that are no event are reported in their
    place as rejected, and the rest goes on.

    \b
    Examples:
      harness resolve events.jsonl --id-merge original
      harness resolve - --id-merge simplified --endpoint track --json < events.jsonl
    """
    from harness.jsontext import dump
    from harness.scenario.stream import as_json as document
    from harness.scenario.stream import as_text, resolve_stream

    chosen = chosen_settings(settings, cluster_limit)
    resolved = resolve_stream(
        stream_of(events), id_merge, chosen, endpoint=endpoint, strict=strict, now_ms=instant(now)
    )
    click.echo(dump(document(resolved), indent=1) if as_json else as_text(resolved))
