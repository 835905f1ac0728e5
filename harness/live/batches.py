"""Rows on their way into requests: each lane in its order, in batches that Mixpanel takes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.event import Endpoint, IdMerge
from harness.ingestion.limits import MAX_IMPORT_BYTES, MAX_ROWS
from harness.live.journal import Chunk

_ALIAS: Final = b'"$create_alias"'
_TOKEN_ROOM: Final = 200
"""Bytes that a token takes in a row of /track, at most."""


@dataclass(slots=True)
class Batch:
    """Rows of one lane that go in one request.

    Attributes:
        lane: the lane.
        endpoint: the route.
        rows: the rows as they were proven.
        places: of each its line in the event file, or its step in the scenario.
        last_row: the index of the last one among all rows.
        size: bytes of the body, uncompressed.
    """

    lane: int
    endpoint: Endpoint
    rows: list[bytes] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    last_row: int = -1
    size: int = 2

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches of half the rows each, in order; both end where this one ends."""
        middle = len(self.rows) // 2
        parts = (slice(0, middle), slice(middle, None))
        first, second = (
            Batch(self.lane, self.endpoint, self.rows[part], self.places[part], self.last_row) for part in parts
        )
        return first, second

    def body(self, token: str) -> bytes:
        """Return the body of the request, compressed.

        Args:
            token: the project token, which every event of /track carries; it is put in here and kept nowhere.
        """
        rows: Iterable[bytes] = self.rows
        if self.endpoint == "track":
            rows = (_with_token(row, token) for row in self.rows)
        return gzip.compress(b"[" + b",".join(rows) + b"]", 1, mtime=0)


def batches(
    chunks: Iterable[Chunk], lanes_of_ids: Sequence[int], done: Sequence[int], id_merge: IdMerge
) -> Iterator[Batch]:
    """Yield the rows that are left in batches; each lane's in its order.

    Args:
        chunks: the rows in order.
        lanes_of_ids: for every id number its lane.
        done: for each lane the index of its last row that needs no sending.
        id_merge: the project's system.
    """
    open_: dict[int, Batch] = {}
    for chunk in chunks:
        endpoint = chunk.endpoint
        room = _TOKEN_ROOM if endpoint == "track" else 0
        for at, row in enumerate(chunk.rows):
            lane = lanes_of_ids[chunk.numbers[at]]
            index = chunk.first_row + at
            if index <= done[lane]:
                continue
            batch = open_.get(lane)
            size = len(row) + 1 + room
            if batch is not None and (
                len(batch.rows) == MAX_ROWS
                or batch.size + size > MAX_IMPORT_BYTES
                or batch.endpoint != endpoint
                or (id_merge == "legacy" and _rewrites(row))
            ):
                yield batch
                batch = None
            if batch is None:
                batch = open_[lane] = Batch(lane, endpoint)
            batch.rows.append(row)
            batch.places.append(chunk.places[at])
            batch.last_row = index
            batch.size += size
    yield from (batch for _, batch in sorted(open_.items()))


def _rewrites(row: bytes) -> bool:
    """Return whether a row is an alias, which in legacy rewrites the ids of what comes after it.

    It begins a batch of its own. A batch that is sent twice, as its answer was lost, must not have its events rewritten
    by its own alias the second time: they would be other events then, and count twice.
    """
    return _ALIAS in row and json.loads(row)["event"] == "$create_alias"


def _with_token(row: bytes, token: str) -> bytes:
    """Return a row of /track with the token among its properties; such rows are always written by `encode`."""
    head, mark, rest = row.partition(_PROPERTIES)
    separator = b"" if rest.startswith(b"}") else b","
    return b"".join((head, mark, b'"token":', token_text(token), separator, rest))


def token_text(token: str) -> bytes:
    """Return a token as JSON text; tokens are printable ASCII."""
    return b'"' + token.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


_PROPERTIES: Final = b',"properties":{'
