"""Mixpanel's Node SDK against the local server: single calls, batches, imports, aliases, profiles."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.forwarder.turbine.packages import node_command
from harness.server.background import RunningServer
from tests.clients.sent import NewServer, assert_nothing_lost, counting, decided, people_of, users_of

Play: TypeAlias = Callable[..., list[str | None]]
"""Plays calls of the SDK against a server; returns the error of each, None for a success."""

DRIVER: Final = Path(__file__).parent / "driver.js"
DEVICE: Final = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
LAST_YEAR_S: Final = int(time.time()) - 365 * 86_400
DIFFICULT: Final = "größe+1 & 2/3 👟 ÿÿÿ>>>???"
"""Its base64 has `+` and `/`, which the SDK leaves in a form as they are."""


@pytest.fixture(scope="module")
def play(modules: Path) -> Play:
    node = node_command()

    def played(server: RunningServer, *calls: list[Json], unsealed: bool = False, **config: Json) -> list[str | None]:
        host = server.url.removeprefix("http://")
        whole = {"host": host, "protocol": "https" if unsealed else "http", **config}
        given = {
            "modules": str(modules),
            "token": "a1b2c3",
            "config": whole,
            "unsealed": unsealed,
            "calls": list(calls),
        }
        done = subprocess.run(
            [node, str(DRIVER)], input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        results: list[str | None] = json.loads(done.stdout)
        return results

    return played


def test_single_calls_go_by_get_and_are_stored_once(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    calls = [["track", "Buy", {"distinct_id": "ana", "number": number, "note": DIFFICULT}] for number in range(3)]
    assert play(server, *calls) == [None] * 3
    assert_nothing_lost(server, 3)
    assert users_of(server) == {"ana": 3}
    assert {row["properties"]["note"] for row in counting(server)} == {DIFFICULT}


@pytest.mark.parametrize("verbose", [False, True])
def test_a_batch_loses_nothing(servers: NewServer, play: Play, verbose: bool) -> None:
    server = servers("simplified")
    events = [
        {
            "event": "Buy",
            "properties": {"distinct_id": f"user-{number % 7}", "number": number, "note": DIFFICULT[number % 9 :]},
        }
        for number in range(120)
    ]
    assert play(server, ["track_batch", events, {"max_concurrent_requests": 2}], verbose=verbose) == [None]
    assert_nothing_lost(server, 120)
    assert len(server.users()) == 7
    for row in counting(server):
        assert row["properties"]["note"] == DIFFICULT[row["properties"]["number"] % 9 :]


def test_without_insert_id_a_call_made_twice_counts_twice(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    again = ["track", "Buy", {"distinct_id": "ana", "time": int(time.time()) - 60}]
    assert play(server, again, again) == [None, None]
    assert users_of(server) == {"ana": 2}


def test_with_insert_id_it_counts_once(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    again = ["track", "Buy", {"distinct_id": "ana", "time": int(time.time()) - 60, "$insert_id": "order-1"}]
    assert play(server, again, again) == [None, None]
    assert users_of(server) == {"ana": 1}


@pytest.mark.parametrize("verbose", [False, True])
def test_imports_of_old_events(servers: NewServer, play: Play, verbose: bool) -> None:
    server = servers("simplified")
    events = [
        {"event": "Old", "properties": {"distinct_id": "ana", "time": LAST_YEAR_S + number, "number": number}}
        for number in range(1, 61)
    ]
    calls = [
        ["import", "Old", {"$date": LAST_YEAR_S * 1000}, {"distinct_id": "ana", "number": 0}],
        ["import_batch", events],
    ]
    assert play(server, *calls, unsealed=True, secret="s3cret", verbose=verbose) == [None, None]
    assert_nothing_lost(server, 61)
    assert {row["endpoint"] for row in counting(server)} == {"import"}


def test_an_api_key_alone_imports_nothing(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    errors = play(server, ["import", "Old", LAST_YEAR_S, {"distinct_id": "ana"}], key="key")
    assert errors[0] is not None
    assert "Invalid credentials" in errors[0]
    assert server.events() == []


def test_a_blank_event_is_an_error_for_the_caller(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    errors = play(server, ["track", " ", {"distinct_id": "ana"}], verbose=True)
    assert errors == ["Mixpanel Server Error: 'event' must not be missing or blank"]
    assert server.users() == []


@pytest.mark.parametrize(
    ("id_merge", "users", "decisions"),
    [
        ("simplified", [{"Buy": 1, "View": 1}], [("identify", "ignored", None), ("link", "merged", None)]),
        ("original", [{"Buy": 1, "View": 1}], [("identify", "merged", None)]),
        ("legacy", [{"Buy": 1}, {"View": 1}], [("identify", "ignored", None)]),
    ],
)
def test_a_server_that_passes_device_and_user_id(
    servers: NewServer,
    play: Play,
    id_merge: IdMerge,
    users: list[dict[str, int]],
    decisions: list[tuple[str, str, str | None]],
) -> None:
    server = servers(id_merge)
    device = f"$device:{DEVICE}"
    calls = [
        ["track", "View", {"distinct_id": device, "$device_id": DEVICE, "number": 0}],
        ["track", "$identify", {"distinct_id": "ana", "$anon_distinct_id": device}],
        ["track", "Buy", {"distinct_id": "ana", "$device_id": DEVICE, "$user_id": "ana", "number": 1}],
    ]
    assert play(server, *calls) == [None] * 3
    assert_nothing_lost(server, 2)
    assert people_of(server) == users
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "users", "decisions"),
    [
        # visitor-7 and ana are users both, and users never merge.
        ("simplified", [{"Buy": 1, "Look": 1}, {"View": 1}], [("alias", "ignored", None)]),
        ("original", [{"Buy": 1, "Look": 1, "View": 1}], [("alias", "merged", None)]),
        # What ana did before the alias stays hers alone.
        ("legacy", [{"Buy": 1, "View": 1}, {"Look": 1}], [("alias", "merged", None)]),
    ],
)
def test_an_alias_after_the_user_was_seen(
    servers: NewServer,
    play: Play,
    id_merge: IdMerge,
    users: list[dict[str, int]],
    decisions: list[tuple[str, str, str | None]],
) -> None:
    server = servers(id_merge)
    calls = [
        ["track", "View", {"distinct_id": "visitor-7", "number": 0}],
        ["track", "Look", {"distinct_id": "ana", "number": 1}],
        ["alias", "visitor-7", "ana"],
        ["track", "Buy", {"distinct_id": "ana", "number": 2}],
    ]
    assert play(server, *calls) == [None] * 4
    assert_nothing_lost(server, 3)
    assert people_of(server) == users
    assert decided(server) == decisions


def test_profiles_of_users_and_groups(servers: NewServer, play: Play) -> None:
    server = servers("simplified")
    calls = [
        ["track", "Buy", {"distinct_id": "ana", "number": 0}],
        ["people.set", "ana", {"city": "Zürich", "plan": "gold"}],
        ["people.increment", "ana", "visits", 3],
        ["people.unset", "ana", "plan"],
        ["groups.set", "company", "acme", {"plan": "gold"}],
    ]
    assert play(server, *calls) == [None] * 5
    assert server.users()[0]["profile"] == {"city": "Zürich", "visits": 3}
    assert [group["group_id"] for group in server.get("profiles")["groups"]] == ["acme"]


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_a_batch_with_a_bad_row_keeps_the_good_ones(servers: NewServer, play: Play, id_merge: IdMerge) -> None:
    server = servers(id_merge)
    events = [
        {"event": "Buy", "properties": {"distinct_id": "ana", "number": 0}},
        {"event": "", "properties": {"distinct_id": "ana"}},
        {"event": "Buy", "properties": {"distinct_id": "ana", "number": 1}},
    ]
    assert play(server, ["track_batch", events]) == [None]
    assert users_of(server) == {"ana": 2}
    assert [row["errors"][0]["message"] for row in server.rejected()] == ["'event' must not be missing or blank"]
