"""Where Node and Adobe's packages are: found, or installed once into a folder of the user's cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

from harness.problems import OutsideError

MODULES_VARIABLE: Final = "HARNESS_TURBINE_MODULES"
OLDEST_NODE: Final = 18
INSTALL: Final = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
INSTEAD: Final = "or use --engine python"

_PACKAGES: Final = (
    "@adobe/reactor-turbine-edge",
    "@adobe/reactor-extension-core-edge",
    "@adobe/reactor-babel-plugin-replace-tokens-edge",
    "@adobe/reactor-token-scripts-edge",
    "@babel/core",
)
_GET_NODE: Final = f"install Node {OLDEST_NODE} or newer, for example with `apt-get install nodejs npm`, {INSTEAD}"
_NODE_SECONDS: Final = 30.0
_INSTALL_SECONDS: Final = 600.0
_EMPTY_PACKAGE: Final = '{"name": "empty", "version": "0.0.0", "private": true}\n'
"""Stands for what only Adobe's settings pages need; `package.json` puts it in their place."""


def node_command() -> str:
    """Return the path of a Node that is new enough.

    Raises:
        OutsideError: when there is none; the text says how to get one.
    """
    found = shutil.which("node") or shutil.which("nodejs")
    if found is None:
        raise OutsideError(f"Adobe's engine needs Node, and there is no `node` in the PATH: {_GET_NODE}")
    try:
        asked = subprocess.run(  # noqa: S603 - a program that the user has installed, no shell
            [found, "--version"], capture_output=True, text=True, errors="replace", timeout=_NODE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(f"{found} does not start ({error}): {_GET_NODE}") from None
    version = re.match(r"v(\d+)\.", asked.stdout)
    if asked.returncode != 0 or version is None:
        said = (asked.stderr or asked.stdout).strip().split("\n")[0] or "nothing"
        raise OutsideError(f"`{found} --version` says {said}: {_GET_NODE}")
    if int(version[1]) < OLDEST_NODE:
        raise OutsideError(f"{found} is Node {asked.stdout.strip()}, which is too old: {_GET_NODE}")
    return found


def modules_folder() -> Path:
    """Return the `node_modules` with Adobe's packages; they are installed where they are missing.

    Raises:
        OutsideError: when they can't be had; the text names the command to run.
    """
    named = os.environ.get(MODULES_VARIABLE)
    if named:
        folder = Path(named).absolute()
        missing = [name for name in _PACKAGES if not (folder / name / "package.json").is_file()]
        if missing:
            raise OutsideError(f"{MODULES_VARIABLE} names {folder}, which has no {', '.join(missing)}")
        return folder
    home = _home()
    folder = home / "node_modules"
    if not folder.is_dir():
        _install(home)
    return folder


def _home() -> Path:
    """Return the folder for the packages of this version; another lock file gets another one."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    lock = (resources.files(__package__) / "package-lock.json").read_bytes()
    return Path(cache) / "identity-harness" / f"turbine-{hashlib.sha256(lock).hexdigest()[:16]}"


def _install(home: Path) -> None:
    """Install into a folder beside, and move it into place when it is whole: another process may do the same."""
    by_hand = f"cd {home} && {' '.join(INSTALL)}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _write_manifest(home)
        with tempfile.TemporaryDirectory(dir=home.parent, ignore_cleanup_errors=True) as name:
            workshop = Path(name)
            _write_manifest(workshop)
            _run_npm(workshop, home, by_hand)
            _move(workshop / "node_modules", home / "node_modules")
    except OSError as error:
        message = (
            f"Adobe's packages can't be put into {home}: {error}. Set XDG_CACHE_HOME to a folder that can be written"
        )
        raise OutsideError(f"{message}, {INSTEAD}") from None


def _write_manifest(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((resources.files(__package__) / name).read_bytes())
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "empty" / "package.json").write_text(_EMPTY_PACKAGE, encoding="utf-8")


def _run_npm(workshop: Path, home: Path, by_hand: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OutsideError(
            f"Adobe's packages are not installed, and there is no `npm` in the PATH: install npm, or name a "
            f"node_modules folder that has them in {MODULES_VARIABLE}, {INSTEAD}"
        )
    print(f"harness: installing Adobe's packages into {home} (once)", file=sys.stderr)  # noqa: T201 - it takes a while
    try:
        done = subprocess.run(  # noqa: S603 - npm of the user, no shell
            [npm, *INSTALL[1:]],
            cwd=workshop,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(f"Adobe's packages could not be installed ({error}). Run: {by_hand}") from None
    if done.returncode != 0:
        said = next((line for line in done.stderr.split("\n") if "error" in line.lower()), "npm says nothing more")
        raise OutsideError(f"Adobe's packages could not be installed: {said.strip()}. Run: {by_hand}")


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
