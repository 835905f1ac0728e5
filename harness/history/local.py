"""The engine on one machine: a history is read once, and every system looks at each batch in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from harness.event import IdMerge
from harness.history.audit import SystemView
from harness.history.engines import AuditOrder
from harness.history.files import HistoryFile
from harness.history.reader import HistoryReader, Reading
from harness.history.records import Audit, EventBatch, ResolvedIds
from harness.problems import InputError, Problem

BYTES_AN_ID: Final = 130
"""Memory that one different id takes, with its dictionary entry and the state of one system (measured, rounded up)."""

BYTES_A_SAVED_ID: Final = 60
"""Memory that it takes beside that while who every id is gets written (measured, rounded up)."""

BYTES_AT_REST: Final = 450 << 20
"""Memory that a history of any size takes: libraries, blocks in flight, what is put aside before it goes to disk."""


def memory_needed(files: Sequence[HistoryFile], *, saves: bool = False) -> str:
    """Return in a sentence how much memory files will take, and where who every id is gets written, that as well."""
    whole = sum(file.size for file in files)
    many = 10_000_000
    each = BYTES_AN_ID + (BYTES_A_SAVED_ID if saves else 0)
    most = (BYTES_AT_REST + many * each) / 1e9
    some = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return (
        f"{some}, {whole / 1e6:,.0f} MB; memory: {BYTES_AT_REST / 1e9:.1f} GB and {each} bytes for each "
        f"different id ({most:.1f} GB for {many:,} ids)"
    )


class LocalEngine:
    """Works histories through on this machine."""

    def audit(self, order: AuditOrder) -> Audit:
        """Return the health of a history; see `HistoryEngine.audit`."""
        reader = self.reader(order, [order.id_merge])
        view = self.views(order, [order.id_merge], reader)[0]
        try:
            read(reader, [view], order.progress)
            with ThreadPoolExecutor(1) as pool:
                saving = None if order.save is None else pool.submit(_save, order.save, reader, view.resolved())
                audit = view.finish()
                if saving is not None:
                    saving.result()
        finally:
            view.close()
        return audit

    def reader(self, order: AuditOrder, systems: Sequence[IdMerge]) -> HistoryReader:
        """Return a reader that reads what some systems need; its files are found and can be opened."""
        identity = order.settings.identity
        reading = Reading(
            truth=order.truth,
            stored=order.stored,
            seconds_below=order.settings.ingestion.ms_threshold,
            strip_device_prefix=identity.strip_device_prefix == "one",
            devices="simplified" in systems,
            strict_lines=order.strict_lines,
            encode_ahead=not identity.device_prefix_equivalent,
        )
        reader = HistoryReader(order.paths, reading)
        reader.open()
        return reader

    def views(self, order: AuditOrder, systems: Sequence[IdMerge], reader: HistoryReader) -> list[SystemView]:
        """Return a view of the history for each of some systems."""
        now_ms = order.now_ms
        if now_ms is None and order.endpoint == "track" and not order.stored:
            if "-" in order.paths:
                message = "standard input can be read only once, and /track takes no old events"
                raise InputError([Problem("-", None, "", message, "Say with --now what time it is.")])
            now_ms = newest_ms(order)
        return [
            SystemView(
                system,
                order.settings,
                reader,
                endpoint=order.endpoint,
                strict=order.strict,
                stored=order.stored,
                now_ms=now_ms,
                known_user=order.known_user,
                truth=order.truth is not None,
            )
            for system in systems
        ]


def _save(path: Path, reader: HistoryReader, resolved: ResolvedIds) -> None:
    from harness.history.save import save_resolved

    save_resolved(path, reader.ids, resolved)


def read(
    reader: HistoryReader,
    views: Sequence[SystemView],
    progress: Callable[[int, float], None],
    listen: Callable[[EventBatch], None] | None = None,
) -> None:
    """Read a history once, and let every view see each batch of it.

    Args:
        reader: the history.
        views: who looks at it.
        progress: is told how many rows were read, and the share of the input.
        listen: is given each batch after the views.
    """
    for batch in reader.batches():
        for view in views:
            view.take(batch)
        if listen is not None:
            listen(batch)
        progress(reader.rows, reader.share)


def newest_ms(order: AuditOrder) -> int | None:
    """Return the time of the newest event, which takes a reading of its own; None where none has a time."""
    import math

    from harness.history.audit import NO_TIME_AT_ALL_MS

    reader = HistoryReader(
        order.paths,
        Reading(
            stored=order.stored,
            seconds_below=order.settings.ingestion.ms_threshold,
            devices=False,
            verbs=False,
            inserts=False,
        ),
    )
    for _ in reader.batches():
        pass
    return math.floor(reader.newest_ms) if math.isfinite(reader.newest_ms) else NO_TIME_AT_ALL_MS
