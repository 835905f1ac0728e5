"""`harness generate`: makes up a labelled history of any size, to try the tool with and to measure it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, OutsideError, Problem

if TYPE_CHECKING:
    from harness.history.generate_files import Form
    from harness.history.generate_settings import GenerateSettings

MOST_EVENTS: Final = 10**11
_TRUTH_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_DAY_MS: Final = 86_400_000


@click.command("generate")
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option(
    "--id-merge",
    type=click.Choice(ID_MERGE_SYSTEMS),
    default="original",
    show_default=True,
    help="The ID-merge system whose senders make the events.",
)
@click.option(
    "--events",
    type=click.IntRange(1, MOST_EVENTS),
    default=100_000,
    show_default=True,
    metavar="N",
    help="How many events, identity events and retries included.",
)
@click.option("--people", type=click.IntRange(1, 10**8), metavar="N", help="How many people.  [default: events / 25]")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same events, on every machine.")
@click.option(
    "--rates", default="", metavar="NAME=SHARE,...", help="How often things happen; see --list. `none`: no mistakes."
)
@click.option("--start", default="2025-01-01", show_default=True, metavar="DAY", help="The first day, in UTC.")
@click.option("--days", type=click.IntRange(1, 10_000), default=365, show_default=True, help="How many days.")
@click.option(
    "--truth", default="person", show_default=True, metavar="NAME", help="The property that says who it really was."
)
@click.option(
    "--form",
    type=click.Choice(["wire", "flat"]),
    default="wire",
    show_default=True,
    help="JSONL as Mixpanel takes it, or flat as in a raw export. Parquet is always flat.",
)
@click.option(
    "--shards",
    "shard_events",
    type=click.IntRange(min=1),
    metavar="N",
    help="OUT becomes a folder of files with at most N events each.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["jsonl", "jsonl.gz", "parquet"]),
    default="jsonl",
    show_default=True,
    help="What the files of a folder are.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--list", "as_list", is_flag=True, help="List the rates with their defaults, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    out: Path | None,
    id_merge: IdMerge,
    events: int,
    people: int | None,
    seed: int,
    rates: str,
    start: str,
    days: int,
    truth: str,
    form: Form,
    shard_events: int | None,
    kind: str,
    force: bool,  # noqa: FBT001 - click passes options by name
    as_list: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Make up a labelled history: people, devices, logins, seasons, retries, and mistakes at given rates.

    OUT is a .jsonl, .jsonl.gz or .parquet file, or with --shards a folder of them. Every event says under --truth which
    person it really was, which Mixpanel takes for no id. User ids match ^user-, those of test accounts ^test-.

    \b
    Examples:
      harness generate history.jsonl --id-merge original --events 1000000
      harness generate clean.parquet --id-merge simplified --rates none,shared=0.3
      harness generate history --shards 1000000 --as parquet --events 100000000 --people 4000000
    """
    if as_list:
        click.echo(_list_of_rates())
        return
    settings = _settings(id_merge, events, people, seed, rates, start, days, truth)
    target = _target(out, shard_events, kind, force=force)
    names = _written(settings, target, form, shard_events, kind)
    _told(settings, target, names, as_json=as_json)


def _settings(
    id_merge: IdMerge, events: int, people: int | None, seed: int, rates: str, start: str, days: int, truth: str
) -> GenerateSettings:
    from harness.clock import parse_instant
    from harness.history.generate_settings import GenerateSettings, default_people, parse_rates

    problems: list[Problem] = []
    found = parse_rates(rates)
    if isinstance(found, list):
        problems += [Problem("", None, "--rates", message) for message in found]
    try:
        start_ms = parse_instant(start)
        if start_ms % _DAY_MS:
            problems.append(Problem("", None, "--start", f"{start!r} is not the start of a day, such as 2025-01-01"))
    except ValueError:
        problems.append(Problem("", None, "--start", f"{start[:60]!r} is no day such as 2025-01-01"))
    if not truth or not set(truth) <= _TRUTH_LETTERS or truth in ("event", "time", "distinct_id", "alias", "page"):
        message = f"{truth[:60]!r} can't name the truth: letters, digits and _, and no name that Mixpanel reads"
        problems.append(Problem("", None, "--truth", message, "Leave it out for `person`."))
    if problems or isinstance(found, list):
        raise InputError(problems)
    return GenerateSettings(
        id_merge=id_merge,
        events=events,
        people=people or default_people(events),
        seed=seed,
        rates=found,
        start_ms=start_ms,
        days=days,
        truth=truth,
    )


def _target(out: Path | None, shard_events: int | None, kind: str, *, force: bool) -> Path:
    """Return where to write, after looking whether that is possible and wanted.

    Raises:
        InputError: when it is not.
    """
    if out is None:
        raise InputError([Problem("", None, "OUT", "is missing", "Name a file such as history.jsonl.")])
    from harness.history.engines import needs_history

    needs_history()
    from harness.history.generate_files import ENDINGS, ending_of, holds_only_shards

    name = str(out)
    ending = ending_of(out)
    if shard_events is None and ending is None:
        fix = "For a folder of files give --shards N too."
        raise InputError([Problem(name, None, "", f"is no {', '.join(ENDINGS)} file", fix)])
    if shard_events is not None and ending is not None:
        raise InputError([Problem(name, None, "", "looks like a file, but --shards makes a folder", "Name a folder.")])
    if not out.parent.is_dir():
        raise InputError([Problem(name, None, "", f"{out.parent} is no folder", "Make it first.")])
    if not out.exists():
        return out
    if not force:
        raise InputError([Problem(name, None, "", "exists, and nothing is overwritten", "Give --force to replace it.")])
    if out.is_dir() != (shard_events is not None):
        what = "a folder" if out.is_dir() else "a file"
        raise InputError([Problem(name, None, "", f"is {what}, so it is not replaced", "Choose another name.")])
    if out.is_dir() and not holds_only_shards(out):
        message = "holds more than files of a history, so it is not replaced"
        raise InputError([Problem(name, None, "", message, "Choose another name.")])
    return out


def _written(settings: GenerateSettings, target: Path, form: Form, shard_events: int | None, kind: str) -> list[str]:
    from harness.history.generate_files import write_file, write_folder

    shown = sys.stderr.isatty()
    try:
        with click.progressbar(length=settings.events, label="events", file=sys.stderr, hidden=not shown) as bar:
            if shard_events is None:
                write_file(settings, target, form, bar.update)
                return [target.name]
            return write_folder(settings, target, f".{kind}", form, shard_events, bar.update)
    except OSError as error:
        message = f"{target}: can't be written: {error.strerror or error}; nothing was left behind"
        raise OutsideError(message) from None


def _told(settings: GenerateSettings, target: Path, names: list[str], *, as_json: bool) -> None:
    from harness.jsontext import dump

    document = {
        "out": target.as_posix(),
        "files": len(names),
        "events": settings.events,
        "people": settings.people,
        "id_merge": settings.id_merge,
        "seed": settings.seed,
        "truth": settings.truth,
        "user_id": "^user-",
        "test_user_id": "^test-",
    }
    if as_json:
        click.echo(dump(document, indent=1))
        return
    files = "" if len(names) == 1 else f" in {len(names)} files"
    click.echo(
        f"wrote {target}{files}: {settings.events:,} events of {settings.people:,} people for a project with "
        f"{settings.id_merge} ID merge; user ids match ^user-, and `{settings.truth}` says who it really was"
    )


def _list_of_rates() -> str:
    from tabulate import tabulate

    from harness.history.generate_settings import about_rates

    rows = [(name, f"{default:g}", about) for name, (default, about) in about_rates().items()]
    return tabulate(rows, ("rate", "default", "share of"), disable_numparse=True, colalign=("left", "right", "left"))
