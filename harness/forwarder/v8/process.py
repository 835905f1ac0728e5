"""The process that runs custom code, as seen from the harness: started when needed, replaced when it is lost."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

Message: TypeAlias = dict[str, Any]

STARTING_SECONDS: Final = 60.0
_IS_WINDOWS: Final = os.name == "nt"  # where nothing but a thread can wait for a pipe
_KEPT_VARIABLES: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
_FIXED_VARIABLES: Final = {"TZ": "UTC", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", "PYTHONIOENCODING": "utf-8"}


class LostError(Exception):
    """The process has ended, or had to be ended; what it was doing is lost."""


class Process:
    """One process with V8. It gets nothing of the environment but what Python needs to start: no secrets.

    Raises:
        LostError: when it does not start.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.loaded: set[str] = set()
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        script = Path(__file__).with_name("worker.py")
        self._process = subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, **_FIXED_VARIABLES},
            encoding="utf-8",
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[str] = self._process.stdin
        self._from: IO[str] = self._process.stdout
        self.close = weakref.finalize(self, _end, self._process, self.owner)
        self.receive(STARTING_SECONDS)

    def ask(self, message: Message, seconds: float) -> Message:
        """Send a message and return what comes back (see `receive`)."""
        try:
            self._to.write(json.dumps(message) + "\n")
            self._to.flush()
        except (OSError, ValueError):
            self.close()
            raise LostError from None
        return self.receive(seconds)

    def receive(self, seconds: float) -> Message:
        """Return the next message.

        Args:
            seconds: how long to wait for it; then the process is ended.

        Raises:
            LostError: when there is none; the process is gone.
        """
        alarm = threading.Timer(seconds, self._process.kill) if _IS_WINDOWS else None
        if alarm is not None:
            alarm.start()
        elif not select.select([self._from], [], [], seconds)[0]:
            self._process.kill()
        try:
            message: Message = json.loads(self._from.readline())
        except ValueError:
            self.close()
            raise LostError from None
        finally:
            if alarm is not None:
                alarm.cancel()
        return message


def _end(process: subprocess.Popen[str], owner: int) -> None:
    if owner != os.getpid():
        return
    process.kill()
    process.communicate()
