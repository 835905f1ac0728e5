"""`harness resolve`: which user every event of a file belongs to, and every identity decision on the way."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.problems import InputError, Problem


@click.command("resolve")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@click.option(
    "--endpoint",
    type=click.Choice(["track", "import"]),
    default="import",
    show_default=True,
    help="The route the events come by.",
)
@click.option("--strict/--no-strict", default=None, help="Whether /import validates strictly.  [default: strict]")
@click.option("--now", metavar="ISO", help="Mixpanel's clock.  [default: the time of the newest event]")
@click.option("--cluster-limit", type=click.IntRange(min=1), metavar="N", help="Most ids in one cluster in original.")
@click.option(
    "--settings", type=click.Path(path_type=Path), help="Settings (YAML). Default: harness.yaml, where there is one."
)
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
    from harness.clock import parse_instant
    from harness.jsontext import dump
    from harness.scenario.project_file import read_project_file
    from harness.scenario.stream import as_json as document
    from harness.scenario.stream import as_text, read_stream, resolve_stream

    chosen = read_project_file(settings)
    if cluster_limit is not None:
        chosen = replace(chosen, identity=replace(chosen.identity, cluster_limit=cluster_limit))
    try:
        now_ms = None if now is None else parse_instant(now)
    except ValueError as error:
        raise InputError([Problem("", None, "--now", str(error))]) from None
    stream = read_stream(_read(events))
    resolved = resolve_stream(stream, id_merge, chosen, endpoint=endpoint, strict=strict, now_ms=now_ms)
    click.echo(dump(document(resolved), indent=1) if as_json else as_text(resolved))


def _read(path: Path) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read()
        return path.read_bytes()
    except OSError as error:
        problem = Problem(str(path), None, "", f"can't be read: {error.strerror or error}", "Check the path.")
        raise InputError([problem]) from None
