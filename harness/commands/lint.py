"""`harness lint`: what is wrong with a property, an event file or a scenario before anything is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.problems import InputError, Problem, did_you_mean


@click.command("lint")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), help="The project's ID-merge system, where a file does not say."
)
@click.option(
    "--endpoint",
    type=click.Choice(["import", "track"]),
    default="import",
    show_default=True,
    help="The route by which event files are sent.",
)
@click.option(
    "--environment",
    metavar="NAME",
    default="production",
    show_default=True,
    help="The build environment of properties, for secrets.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="Settings of the project (YAML): token, region... Default: harness.yaml, where there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print SARIF 2.1.0, for code scanning.")
@click.option("--rules", "lists_rules", is_flag=True, help="List all rules; with names, show these.")
@click.option("--explain", metavar="RULE", help="Show one rule with an example and what to do.")
def command(
    paths: tuple[Path, ...],
    id_merge: IdMerge | None,
    endpoint: Endpoint,
    environment: str,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
    as_sarif: bool,  # noqa: FBT001
    lists_rules: bool,  # noqa: FBT001
    explain: str | None,
) -> int:
    """Find what is wrong with properties, event files and scenarios, without sending anything.

    PATHS are files, or folders that are searched. What a file is shows in what it holds: a property (JSON, YAML
    shorthand, or a folder of API answers or of reactor-downloader), an event file (one event a line; - for standard
    input) or a scenario.

    A scenario names its ID-merge systems; its property is linted for them too, and what it expects to go wrong
    (rejected, refused, split, mixed) is no finding. For anything else --id-merge says the system. Without it, only
    those findings are shown that hold under every system, or that are about something with a meaning in one system
    alone, such as $identify.

    An error is wrong for sure, a warning is likely to hurt, a note is worth knowing.

    \b
    Examples:
      harness lint properties/retail.yaml --id-merge simplified
      harness lint scenarios/ --sarif > lint.sarif
      harness lint events.jsonl --id-merge original --json
      harness lint --rules
      harness lint --explain ecid-as-anonymous-id

    \b
    Exit codes:
      0  no error was found; warnings and notes don't count
      1  an error was found
      2  a file or an option is wrong; the other files are still linted
    """
    if as_json and as_sarif:
        raise _wrong("--sarif", "and --json are two formats", "Choose one of them.")
    if lists_rules or explain is not None:
        names = [explain] if explain is not None else [str(path) for path in paths]
        _show_rules(names, as_json=as_json)
        return 0
    if not paths:
        raise _wrong("", "names nothing to lint", "Write for example: harness lint scenarios/")
    return _lint(paths, id_merge, endpoint, environment, settings, as_json=as_json, as_sarif=as_sarif)


def _lint(
    paths: tuple[Path, ...],
    id_merge: IdMerge | None,
    endpoint: Endpoint,
    environment: str,
    settings: Path | None,
    *,
    as_json: bool,
    as_sarif: bool,
) -> int:
    from harness.jsontext import dump
    from harness.lint.check import Options, lint_paths
    from harness.lint.show import findings_document, findings_text
    from harness.scenario.project_file import read_project_file

    options = Options(id_merge, endpoint, environment, read_project_file(settings))
    stdin = sys.stdin.buffer.read() if any(str(path) == "-" for path in paths) else b""
    result = lint_paths(paths, options, stdin)
    if not result.files and not as_sarif:
        raise InputError(result.problems)
    if as_sarif:
        from harness.lint.sarif import sarif

        click.echo(dump(sarif(result.findings, result.problems), indent=2))
    elif as_json:
        click.echo(dump(findings_document(result.findings), indent=1))
    else:
        click.echo(findings_text(result.findings, result.files))
    if result.lacks_system:
        click.echo(
            "note: rules about one ID-merge system were left out; --id-merge says which the project has", err=True
        )
    for problem in result.problems:
        click.echo(f"harness: {problem}", err=True)
    return result.exit_code


def _show_rules(names: list[str], *, as_json: bool) -> None:
    from harness.jsontext import dump
    from harness.lint.rules import RULES
    from harness.lint.show import rule_document, rule_text, rules_text

    for name in names:
        if name not in RULES:
            raise _wrong("", f"{name!r} is no lint rule", did_you_mean(name, RULES))
    if as_json:
        shown = [RULES[name] for name in names] or list(RULES.values())
        click.echo(dump([rule_document(rule) for rule in shown], indent=1))
    elif names:
        click.echo("\n\n\n".join(rule_text(RULES[name]) for name in names))
    else:
        click.echo(rules_text())


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
