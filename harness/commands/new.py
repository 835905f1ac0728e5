"""`harness new`: a commented scenario and property to start from, and what runs them in CI."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

import click

from harness.problems import InputError, Problem

_START: Final = {"first.scenario.yaml": "templates/first.scenario.yaml", "property.yaml": "templates/property.yaml"}
_RECIPES: Final[dict[str, Mapping[str, str]]] = {
    "github": {
        ".github/workflows/identity.yml": "recipes/github-pull-request.yaml",
        ".github/workflows/identity-nightly.yml": "recipes/github-nightly.yaml",
    },
    "gitlab": {".gitlab/identity.yml": "recipes/gitlab.yaml"},
}
_NEXT: Final = {
    "github": "now: put the MIXPANEL_ secrets into the repository's settings, and flows into scenarios/nightly/",
    "gitlab": "now: add `include: {local: .gitlab/identity.yml}` to .gitlab-ci.yml, and the MIXPANEL_ variables",
}


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--ci", type=click.Choice(list(_RECIPES)), help="Write jobs for pull requests and for every night.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def command(folder: Path | None, ci: str | None, force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Write a commented example scenario and property into FOLDER (default: scenarios).

    The scenario is green as it stands; run it, change it, and see what happens. With --ci, what runs scenarios in a CI
    system is written instead; FOLDER is the root of the repository then (default: this folder).

    \b
      harness new demo
      harness run demo
      harness new --ci github
    """
    if ci is None:
        folder = folder or Path("scenarios")
        _write(folder, _START, force=force)
        click.echo(f"now: harness run {folder}")
    else:
        _write(folder or Path(), _RECIPES[ci], force=force)
        click.echo(_NEXT[ci])


def _write(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write shipped files under a folder.

    Args:
        folder: the folder.
        files: where each goes in it, with where it is shipped.
        force: whether files that are there are written over.

    Raises:
        InputError: when one is there already, or can't be written.
    """
    there = [folder / name for name in files if (folder / name).exists()]
    if there and not force:
        fix = "Choose another folder, or add --force to write over it."
        raise InputError([Problem(str(target), None, "", "is there already", fix) for target in there])
    try:
        for name, shipped in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            text = resources.files("harness.commands").joinpath(*shipped.split("/")).read_text("utf-8")
            target.write_text(text, "utf-8", newline="\n")
            click.echo(f"wrote {target}")
    except OSError as error:
        problem = Problem(
            str(folder), None, "", f"can't be written: {error.strerror or error}", "Choose another folder."
        )
        raise InputError([problem]) from None
