"""What clients sent, held against what the server has: users, decisions, and that nothing was lost or counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from harness.event import IDENTITY_EVENTS, IdMerge, Json
from harness.server.background import RunningServer

NewServer: TypeAlias = Callable[[IdMerge], RunningServer]
"""Gives the server of an ID-merge system, emptied."""


def counting(server: RunningServer) -> list[Json]:
    """Return the events that count at query time: stored, no duplicates, no identity events."""
    return [row for row in server.events() if row["status"] == "accepted" and row["event"] not in IDENTITY_EVENTS]


def assert_nothing_lost(server: RunningServer, total: int, *, key: str = "number") -> None:
    """Check that events numbered from 0 under a key all count, each exactly once."""
    numbers = Counter(row["properties"].get(key) for row in counting(server))
    assert numbers == Counter(range(total))
    assert server.rejected() == []


def users_of(server: RunningServer) -> dict[str, int]:
    """Return how many counted events each user has, by canonical distinct_id."""
    return {user["distinct_id"]: user["events"] for user in server.users()}


def people_of(server: RunningServer) -> list[dict[str, int]]:
    """Return for each user how many of its counted events have each name; sorted, so without any id."""
    found: dict[str, Counter[str]] = {}
    for row in counting(server):
        found.setdefault(row["distinct_id"], Counter())[row["event"]] += 1
    return sorted((dict(sorted(names.items())) for names in found.values()), key=repr)


def decided(server: RunningServer) -> list[tuple[str, str, str | None]]:
    """Return kind, outcome and reason of every decision but those with nothing to do."""
    return [
        (made["kind"], made["outcome"], made["reason"]) for made in server.decisions() if made["outcome"] != "already"
    ]
