"""The Node process, as seen from the harness: one JSON document a line, in both directions."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

Message: TypeAlias = dict[str, Any]

_KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "SYSTEMROOT")
_FIXED_VARIABLES: Final = {"TZ": "UTC", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}


class LostError(Exception):
    """The process has ended, or had to be ended.

    Args:
        said: the last line it wrote about it; "" where it said nothing.
        too_late: whether it was ended because it did not answer in time.
    """

    def __init__(self, said: str = "", *, too_late: bool = False) -> None:
        super().__init__(said)
        self.said = said
        self.too_late = too_late


class NodeProcess:
    """One process of Node. It gets nothing of the environment but what a program needs to start: no secrets.

    Args:
        command: Node, the script and its arguments.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        self.owner = os.getpid()
        self.loaded: set[str] = set()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own script, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**kept, **_FIXED_VARIABLES},
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        self._watch = _Watch(self._process)
        self.close = weakref.finalize(self, _end, self._process, self._errors, self._watch, self.owner)

    @property
    def is_running(self) -> bool:
        """Whether it can be asked."""
        return self.close.alive and self._process.poll() is None

    def ask(self, message: Message, deadline: float) -> Message:
        """Send a message and return what comes back (see `receive`)."""
        with self._watch.until(deadline):
            try:
                self._to.write(json.dumps(message).encode("ascii") + b"\n")
                self._to.flush()
            except (OSError, ValueError):
                raise self._lost() from None
        return self.receive(deadline)

    def receive(self, deadline: float) -> Message:
        """Return the next message.

        Args:
            deadline: until when to wait for it, to its last byte, in `time.monotonic()`; then the process is ended.

        Raises:
            LostError: when there is none; the process is gone.
        """
        with self._watch.until(deadline):
            try:
                message: Message = json.loads(self._from.readline())
            except ValueError:
                raise self._lost() from None
        return message

    def _lost(self) -> LostError:
        """End the process, and tell what it said last about itself."""
        too_late = self._watch.has_expired
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        self.close()
        errors = [line.strip() for line in lines if "error" in line.lower()] or [
            line.strip() for line in lines if line.strip()
        ]
        return LostError(errors[0] if errors else "", too_late=too_late)


class _Watch:
    """Ends a process that is not done in time with what it is asked to do.

    One thread watches over all questions. It sleeps until the deadline that it knows, and is woken for an earlier one
    only: a thread, or a wake-up, for each message would cost more than the answer.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.has_expired = False
        self._process = process
        self._changed = threading.Condition()
        self._deadline = math.inf
        self._wakes = math.inf
        self._is_over = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Watch over what is done here; `deadline` is in `time.monotonic()`."""
        with self._changed:
            self._deadline = deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="watch over Node", daemon=True)
                self._thread.start()
            elif deadline < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._deadline = math.inf

    def close(self) -> None:
        """End the watch."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _look(self) -> None:
        with self._changed:
            while not self._is_over:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.has_expired = self._is_over = True
                    self._process.kill()
                    return
                self._wakes = self._deadline
                self._changed.wait(min(left, threading.TIMEOUT_MAX))


def _end(process: subprocess.Popen[bytes], errors: IO[bytes], watch: _Watch, owner: int) -> None:
    if owner != os.getpid():
        return
    watch.close()
    process.kill()
    process.communicate()
    errors.close()
