"""Writes files into an empty folder and runs pytest there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

JOINED: Final = """\
name: A visit joins the account
id_merge: [simplified, original]
steps:
  - {event: Page View, person: ana, properties: {distinct_id: "$device:D1", $device_id: D1}}
  - {event: Log In, person: ana, properties: {distinct_id: "$device:D1", $device_id: D1, $user_id: ana}}
"""
SPLIT: Final = """\
name: A visit stays apart
steps:
  - {event: Page View, person: ana, properties: {$device_id: D1}}
  - {event: Log In, person: ana, properties: {$device_id: D2, $user_id: ana}}
"""
KNOWN: Final = SPLIT + "known_failure: the site makes a new device id at login\n"
MENDED: Final = KNOWN.replace("D2", "D1")
BROKEN: Final = "name: A slip of the pen\nstepz: []\n"
PROPERTY: Final = """\
property: Shop
data_elements: {ECID: arc.event.xdm.ecid, User: arc.event.data.user}
rules:
  - name: Everything
    actions:
      - send_event:
          event: Page
          properties: {token: T}
          custom_properties: {$device_id: "{{ECID}}", $user_id: "{{User}}"}
"""
THROUGH_PROPERTY: Final = """\
name: Through a property
property: shop.yaml
steps:
  - {edge: {xdm: {ecid: D1}, data: {}}, person: ana}
  - {edge: {xdm: {ecid: D1}, data: {user: ana}}, person: ana}
expect: {users: 1, accepted: 2}
"""


@dataclass(frozen=True)
class Runs:
    """An empty folder, and pytest in it."""

    pytester: pytest.Pytester

    @property
    def folder(self) -> Path:
        return self.pytester.path

    def write(self, **files: str) -> None:
        """Write files; `__` in a name stands for a slash, `_` for a dot."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """Run in a process of its own: for tests that change which modules there are."""
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)
