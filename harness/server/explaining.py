"""Why two ids of a session are one user or not: the same answer as `harness explain --json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.event import Event, Json, from_wire
from harness.scenario.explanation import about_id, about_pair, cluster_json, pair_json
from harness.scenario.history import History
from harness.server.recording import RecordingProject


class UnknownIdError(Exception):
    """No event carried or named an id; the message says so, and names the nearest one."""


def explain(project: RecordingProject, a: str, b: str | None) -> Json:
    """Return why two ids are one user or not, or with one id its cluster.

    Raises:
        UnknownIdError: when no event carried or named one of them.
    """
    history = History(
        project,
        project.model,
        last=len(project.rows) - 1,
        names=_Names(project),
        raw=lambda row: _as_sent(project, row),
    )
    for text in (a, b):
        if text is not None and (message := history.unknown(text)) is not None:
            raise UnknownIdError(message)
    if b is None:
        return cluster_json(history, about_id(history, a))
    return pair_json(history, about_pair(history, a, b))


class _Names(Mapping[int, str]):
    """The names of all rows by index, looked up when they are asked for."""

    def __init__(self, project: RecordingProject) -> None:
        self._project = project

    def __getitem__(self, index: int) -> str:
        stored = self._project.stored(index)
        if stored is not None:
            return stored.event.name
        sent = _as_sent(self._project, index)
        if sent is None:
            raise KeyError(index)
        return sent.name

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._project.rows)))

    def __len__(self) -> int:
        return len(self._project.rows)


def _as_sent(project: RecordingProject, index: int) -> Event | None:
    raw = project.refused.get(index)
    if not isinstance(raw, dict):
        return None
    read = from_wire(raw)
    return read if isinstance(read, Event) else None
