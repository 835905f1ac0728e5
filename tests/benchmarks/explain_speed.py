"""How long an explanation takes on a history of a million events, once it is loaded.

The history is one that hurts: users with many devices, and a tenth of all logins on a device of somebody else, so that
refused links lead from nearly every user to every other.
"""

from __future__ import annotations

import gc
import random
import uuid
from functools import partial
from typing import Final

from harness.event import Event
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.scenario.explanation import about_id, about_pair, cluster_json, pair_json
from harness.scenario.history import History
from tests.benchmarks.rows import Row, timed, times_as_long

EVENTS: Final = 1_000_000
USERS: Final = 60_000
LONELY: Final = 100
LIMIT_S: Final = 2.0
_TIME: Final = 1_767_614_400


def measure() -> list[Row]:
    """Return a row for each question, against two seconds."""
    history = _history()
    # As the command does once everything is loaded.
    gc.disable()
    questions = [
        ("two ids of one user", "user3", _uuid(3)),
        ("two users, refused links in between", "user1", "user2"),
        ("two users that nothing connected", "user1", "lonely1"),
        ("one id", "user4", None),
    ]
    rows = []
    for what, a, b in questions:
        took_s = timed(partial(_ask, history, a, b))
        rows.append(times_as_long(f"explain, 1,000,000 events: {what}", took_s, "the limit", LIMIT_S, at_most=1))
    gc.enable()
    return rows


def _ask(history: History, a: str, b: str | None) -> object:
    if b is None:
        return cluster_json(history, about_id(history, a))
    return pair_json(history, about_pair(history, a, b))


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))


def _history() -> History:
    project = MixpanelProject("original", ProjectSettings())
    chance = random.Random(7)
    devices = [_uuid(number) for number in range(EVENTS - EVENTS // 10)]

    def events() -> list[Event]:
        found = [Event("Page", {"distinct_id": f"lonely{number}", "time": _TIME}) for number in range(LONELY)]
        for number in range(EVENTS - LONELY):
            user = f"user{number if number < USERS else chance.randrange(USERS)}"
            device = devices[number] if number < len(devices) else chance.choice(devices)
            found.append(Event("$identify", {"distinct_id": user, "$anon_id": device, "time": _TIME}))
        return found

    project.receive(events(), now_ms=_TIME * 1_000, strict=False)
    return History(project, project.model, last=EVENTS - 1)
