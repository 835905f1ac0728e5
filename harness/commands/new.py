"""`harness new`: a commented scenario and property to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from harness.problems import InputError, Problem

_FILES = ("first.scenario.yaml", "property.yaml")


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path), default="scenarios")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def command(folder: Path, force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Write a commented example scenario and property into FOLDER (default: scenarios).

    The scenario is green as it stands; run it, change it, and see what happens:

    \b
      harness new demo
      harness run demo
    """
    targets = [folder / name for name in _FILES]
    there = [target for target in targets if target.exists()]
    if there and not force:
        fix = "Choose another folder, or add --force to write over it."
        raise InputError([Problem(str(target), None, "", "is there already", fix) for target in there])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target in targets:
            text = resources.files("harness.commands").joinpath("templates", target.name).read_text("utf-8")
            target.write_text(text, "utf-8", newline="\n")
            click.echo(f"wrote {target}")
    except OSError as error:
        problem = Problem(
            str(folder), None, "", f"can't be written: {error.strerror or error}", "Choose another folder."
        )
        raise InputError([problem]) from None
    click.echo(f"now: harness run {folder}")
