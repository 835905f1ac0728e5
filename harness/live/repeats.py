"""How many rows are the same event again, counted without keeping one: memory stays flat however long a stream is.

A row leaves a fingerprint of what never changes about it (event, time, `$insert_id`) and the number of the id it was
stored under. Fingerprints go to files by their first byte; at the end one file after the other is looked through.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Iterator
from typing import IO, Final

from harness.live.preparing import FINGERPRINT_BYTES

_RECORD: Final = FINGERPRINT_BYTES + 4
_FILES: Final = 64
_MOST_WAITING_BYTES: Final = 65_536


class Repeats:
    """Fingerprints of the rows so far."""

    def __init__(self) -> None:
        self._waiting = [bytearray() for _ in range(_FILES)]
        self._files: list[IO[bytes] | None] = [None] * _FILES

    def add(self, fingerprint: bytes, number: int) -> None:
        """Take one row.

        Args:
            fingerprint: what equal events have in common, `FINGERPRINT_BYTES` long.
            number: the number of the id it was stored under.
        """
        record = fingerprint + number.to_bytes(4, "little")
        at = record[0] % _FILES
        waiting = self._waiting[at]
        waiting += record
        if len(waiting) >= _MOST_WAITING_BYTES:
            self._spill(at)

    def count(self, user_of: Callable[[int], Hashable]) -> int:
        """Return how many rows don't count, as another one is the same event of the same user.

        Args:
            user_of: gives the canonical distinct_id of an id by its number, as of the end of the stream.
        """
        found = 0
        for at in range(_FILES):
            first: dict[bytes, int] = {}
            users: dict[bytes, set[Hashable]] = {}
            for fingerprint, number in self._records(at):
                if fingerprint not in first:
                    first[fingerprint] = number
                    continue
                seen = users.setdefault(fingerprint, {user_of(first[fingerprint])})
                user = user_of(number)
                if user in seen:
                    found += 1
                else:
                    seen.add(user)
        return found

    def close(self) -> None:
        """Give the files back."""
        for file in self._files:
            if file is not None:
                file.close()

    def _spill(self, at: int) -> None:
        file = self._files[at]
        if file is None:
            file = self._files[at] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        file.write(self._waiting[at])
        self._waiting[at].clear()

    def _records(self, at: int) -> Iterator[tuple[bytes, int]]:
        file = self._files[at]
        blocks = [bytes(self._waiting[at])]
        if file is not None:
            file.seek(0)
            blocks.insert(0, file.read())
        for block in blocks:
            for start in range(0, len(block), _RECORD):
                end = start + FINGERPRINT_BYTES
                yield block[start:end], int.from_bytes(block[end : start + _RECORD], "little")
