"""`harness property`: what was understood of a property, and what a change of it does to identity."""

from __future__ import annotations

from pathlib import Path

import click

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.forwarder.property import Property, load_property
from harness.problems import InputError, Problem

_DEFAULT_SCENARIOS = Path("scenarios")


@click.command("property")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--environment", metavar="NAME", default="production", show_default=True, help="The build environment, for secrets."
)
@click.option(
    "--diff",
    "other",
    metavar="OTHER",
    type=click.Path(path_type=Path),
    help="Compare with another property, and run the scenarios of PATH with both.",
)
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), help="With --diff: run under this system only.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="With --diff: settings for all scenarios (YAML). Default: harness.yaml, where there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    path: Path,
    scenarios: tuple[Path, ...],
    environment: str,
    other: Path | None,
    id_merge: IdMerge | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> int:
    """Show what was understood of an event forwarding property, or what a change of it does to identity.

    PATH is a JSON document of Reactor objects, a YAML shorthand, a folder of answers of the Reactor API, or the folder
    that reactor-downloader writes. It is shown as a build has it: rules with their conditions in words, tokens, data
    elements with who uses them, unused and undefined ones, secrets by id and name, what is disabled or deleted.

    With --diff, every scenario under SCENARIOS (default: scenarios/) whose `property:` is PATH runs with PATH and with
    OTHER, and those are shown whose outcome differs: status, users, who is split or mixed, which ids are one user.

    \b
    Examples:
      harness property properties/retail.yaml
      harness property exports/PR0123 --environment staging --json
      harness property properties/retail.yaml --diff properties/retail-new.yaml scenarios/ --id-merge simplified

    \b
    Exit codes:
      0  the property can be read; with --diff, every scenario comes out the same
      1  with --diff: a scenario ends with another status, or with other users, for better or worse
      2  a file or an option is wrong; with --diff the other scenarios still run
    """
    if other is not None:
        return _compare(path, other, environment, scenarios, id_merge, settings, as_json=as_json)
    if scenarios or id_merge or settings:
        message = "scenarios, --id-merge and --settings only have a meaning with --diff"
        raise InputError([Problem("", None, "", message, "Add --diff OTHER, or leave them out.")])
    _show(load_property(path, environment), as_json=as_json)
    return 0


def _show(property_: Property, *, as_json: bool) -> None:
    from harness.commands.property_document import property_document
    from harness.commands.property_text import property_text
    from harness.jsontext import dump

    click.echo(dump(property_document(property_), indent=1) if as_json else property_text(property_))


def _compare(
    path: Path,
    other: Path,
    environment: str,
    paths: tuple[Path, ...],
    id_merge: IdMerge | None,
    settings: Path | None,
    *,
    as_json: bool,
) -> int:
    from harness.commands.property_changes import changes_text
    from harness.commands.property_document import diff_document
    from harness.forwarder.property_diff import differences
    from harness.jsontext import dump
    from harness.scenario.compare import Pair, compare, find_pairs
    from harness.scenario.project_file import read_project_file

    before, after = _both(path, other, environment)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    if not paths and not _DEFAULT_SCENARIOS.exists():
        click.echo("note: there is no folder scenarios/ here, so only the properties are compared", err=True)
    else:
        base = read_project_file(settings)
        pairs, problems = find_pairs(paths or (_DEFAULT_SCENARIOS,), (path, other), id_merge, base)
        if not pairs:
            click.echo(f"note: no scenario sends anything through {path}, so nothing is known of identity", err=True)
    comparisons = compare(pairs)
    changes = differences(before, after)
    if as_json:
        click.echo(dump(diff_document(before, after, changes, comparisons), indent=1))
    else:
        click.echo(changes_text(before, after, changes, comparisons))
    for problem in problems:
        click.echo(f"harness: {problem}", err=True)
    if problems:
        return 2
    return 1 if any(one.changed for one in comparisons) else 0


def _both(path: Path, other: Path, environment: str) -> tuple[Property, Property]:
    """Return both properties; the problems of both are reported together."""
    found: list[Property] = []
    problems: list[Problem] = []
    for one in (path, other):
        try:
            found.append(load_property(one, environment))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found[0], found[1]
