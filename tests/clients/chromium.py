"""The system's Chromium, as a browser that reaches this machine only."""

from __future__ import annotations

import shutil
from typing import Final

from playwright.sync_api import Browser, Playwright

from harness.problems import OutsideError

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def launched(playwright: Playwright) -> Browser:
    """Start it.

    Raises:
        OutsideError: when there is none.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise OutsideError(
            "there is no `chromium` in the PATH: install it, for example with `apt-get install chromium`"
        )
    return playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
