"""How long an explanation takes on a history of a million events, once it is loaded."""

from __future__ import annotations

import random
import time
import uuid

from harness.event import Event
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.scenario.explanation import History, cluster_json, pair_json
from tests.benchmarks.rows import Row, times_as_long

_EVENTS = 1_000_000
_LIMIT_SECONDS = 2.0


def measure() -> list[Row]:
    """Return one row: the slowest of four questions, against two seconds."""
    history = _history()
    questions = [("user1", "user2"), ("user3", _uuid(3)), ("user4", None), ("user5", "user500")]
    slowest = 0.0
    for a, b in questions:
        start = time.perf_counter()
        if b is None:
            cluster_json(history, a)
        else:
            pair_json(history, a, b)
        slowest = max(slowest, time.perf_counter() - start)
    return [times_as_long("explain on 1,000,000 events, slowest of four", slowest, "two seconds", _LIMIT_SECONDS, 1.0)]


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))


def _history() -> History:
    project = MixpanelProject("original", ProjectSettings())
    lots = random.Random(7)
    rows = []
    for number in range(_EVENTS):
        user = f"user{lots.randrange(60_000)}" if number >= 60_000 else f"user{number}"
        anonymous = _uuid(number if number < int(_EVENTS * 0.9) else lots.randrange(int(_EVENTS * 0.9)))
        rows.append(Event("$identify", {"distinct_id": user, "$anon_id": anonymous, "time": 1_767_614_400}))
    project.receive(rows, now_ms=1_767_614_400_000, strict=False)
    return History(project, lambda row: row, {}, {})
