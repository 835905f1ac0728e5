"""What arrives in a session, as Server-Sent Events.

A stream remembers how far it has told; nothing is queued for it, so a slow reader costs no memory and holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from harness.event import Json
from harness.server import documents
from harness.server.sessions import Session

_KEEP_ALIVE_S: Final = 15
_BETWEEN_COUNTS_S: Final = 0.25
_ROWS_AT_ONCE: Final = 500


async def told(session: Session, first: int, closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield rows and decisions as they arrive, until the client goes or the server closes.

    Args:
        session: the session.
        first: the index of the first row to tell.
        closing: set when the server closes; whoever waits for the session is woken then.
    """
    resets = session.resets
    yield _message("hello", None, documents.counts(session))
    while not closing.is_set():
        if session.resets != resets:
            resets, first = session.resets, 0
            yield _message("reset", None, documents.counts(session))
        end = min(len(session.project.rows), first + _ROWS_AT_ONCE)
        if end <= first:
            if not await _has_changed(session):
                yield _STILL_HERE
            continue
        for index in range(first, end):
            if session.resets != resets:
                break
            for part in _row(session, index):
                yield part
        first = end


async def counted(session: Session, closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the counts whenever they changed, a few times a second at most, however much arrives."""
    before = None
    while not closing.is_set():
        counts = documents.counts(session)
        if counts != before:
            yield _message("counts", None, counts)
            before = counts
            await asyncio.sleep(_BETWEEN_COUNTS_S)
        elif not await _has_changed(session):
            yield _STILL_HERE


_STILL_HERE: Final = b": still here\n\n"


async def _has_changed(session: Session) -> bool:
    """Wait for something new; return False when nothing came for so long that the reader should hear of us."""
    try:
        async with asyncio.timeout(_KEEP_ALIVE_S):
            await session.changed()
    except TimeoutError:
        return False
    return True


def _row(session: Session, index: int) -> list[bytes]:
    row = documents.row(session, index)
    if row["status"] == "rejected":
        return [_message("rejected", index, row)]
    told_row = [_message("event", index, row)]
    return [*told_row, _message("decision", index, row["decision"])] if row["decision"] else told_row


def _message(kind: str, index: int | None, document: Json) -> bytes:
    number = b"" if index is None else b"id: %d\n" % index
    return b"event: %s\n%sdata: %s\n\n" % (kind.encode(), number, documents.dump(document))
