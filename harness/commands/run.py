"""`harness run`: scenario files in, a table and reports out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.scenario.runner import MakeEngine


@click.command("run")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), help="Run under this ID-merge system only.")
@click.option(
    "--engine",
    type=click.Choice(["python", "turbine"]),
    default="python",
    show_default=True,
    help="The engine that runs Edge calls: the built-in one, or Adobe's own in Node 18 or newer.",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where report.html, report.md, junit.xml and report.json are written.",
)
@click.option("-k", "expression", metavar="EXPR", help='Pick by name, file or system: -k "login and not legacy".')
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="Settings for all scenarios (YAML, as under `settings:`). Default: harness.yaml, where there is one.",
)
@click.option("-v", "--verbose", is_flag=True, help="List every scenario, those that passed too.")
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of the table.")
def command(
    paths: tuple[Path, ...],
    id_merge: IdMerge | None,
    engine: str,
    report_dir: Path,
    expression: str | None,
    settings: Path | None,
    verbose: bool,  # noqa: FBT001 - click passes options by name
    as_json: bool,  # noqa: FBT001
) -> int:
    """Run scenario files and write reports.

    PATHS are files, or folders that are searched for *.yaml (default: scenarios/).

    \b
    Examples:
      harness run scenarios/
      harness run scenarios/original -k "login and not alias" -v
      harness run --id-merge simplified --json scenarios/ > report.json

    \b
    Exit codes:
      0  every scenario passed, or failed as announced by its known_failure
      1  a scenario failed
      2  a file or an option is wrong; the other files still run
      3  --engine turbine: Adobe's engine can't be had
    """
    from harness.report import jsonreport, terminal, write
    from harness.scenario.project_file import read_project_file
    from harness.scenario.runner import run_paths

    base = read_project_file(settings)
    run = run_paths(paths or (Path("scenarios"),), id_merge, expression, base, _engine_maker(engine))
    if not run.scenarios:
        message = "no scenario matches" + (f" -k {expression!r}" if expression else "")
        raise InputError([Problem("", None, "", message, "Leave the filters out to see what there is.")])
    written = write.write_reports(run, report_dir)
    if as_json:
        click.echo(jsonreport.render(run), nl=False)
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        click.echo(terminal.render(run, color=color, detail="all" if verbose else "failures"))
    for result in run.scenarios:
        for problem in result.problems:
            click.echo(f"harness: {problem}", err=True)
    for path in written:
        click.echo(f"wrote {path}", err=True)
    return run.exit_code


def _engine_maker(engine: str) -> MakeEngine:
    if engine == "turbine":
        from harness.forwarder.turbine.engine import TurbineEngine

        return TurbineEngine
    from harness.scenario.runner import built_in

    return built_in
