"""Mixpanel's own SDKs from npm, each in one exact version: installed once into a folder of the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from harness.forwarder.turbine.packages import INSTALL, node_command
from harness.problems import OutsideError

_HERE: Final = Path(__file__).parent
_MANIFEST: Final = ("package.json", "package-lock.json")
_INSTALL_SECONDS: Final = 600


def modules_folder() -> Path:
    """Return the `node_modules` that holds the SDKs; they are installed where they are missing.

    Raises:
        OutsideError: when they can't be had.
    """
    node_command()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    lock = (_HERE / "package-lock.json").read_bytes()
    home = cache / "identity-harness" / f"clients-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not (home / "node_modules").is_dir():
        _install(home)
    return home / "node_modules"


def _install(home: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OutsideError("Mixpanel's SDKs are not installed, and there is no `npm` in the PATH")
    home.mkdir(parents=True, exist_ok=True)
    # In a folder beside, moved into place when it is whole: another worker may do the same.
    with tempfile.TemporaryDirectory(dir=home.parent) as name:
        for each in _MANIFEST:
            shutil.copy(_HERE / each, name)
        done = subprocess.run(
            [npm, *INSTALL[1:]], cwd=name, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
        if done.returncode != 0:
            raise OutsideError(f"Mixpanel's SDKs could not be installed: {done.stderr.strip()[-500:]}")
        try:
            (Path(name) / "node_modules").rename(home / "node_modules")
        except OSError:
            if not (home / "node_modules").is_dir():
                raise
