"""Mixpanel's Python SDK against the local server: consumers, imports, merges, aliases, profiles, retries."""

from __future__ import annotations

import socket
import time
from typing import Any

import mixpanel  # type: ignore[import-untyped]
import pytest

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.server.background import RunningServer
from tests.clients.sent import NewServer, assert_nothing_lost, counting, decided, people_of, users_of

TOKEN = "a1b2c3"
DEVICE = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
LAST_YEAR_S = int(time.time()) - 365 * 86_400


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but this machine can be reached, whatever an SDK takes for its host."""
    look_up = socket.getaddrinfo

    def only_here(host: Any, *others: Any, **more: Any) -> Any:
        assert host == "127.0.0.1", f"a request to {host}"
        return look_up(host, *others, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)


def _urls(server: RunningServer) -> dict[str, str]:
    routes = {"events_url": "track", "people_url": "engage", "groups_url": "groups", "import_url": "import"}
    return {name: f"{server.url}/{route}" for name, route in routes.items()}


def _sdk(server: RunningServer) -> mixpanel.Mixpanel:
    return mixpanel.Mixpanel(TOKEN, mixpanel.Consumer(**_urls(server)))


def test_every_call_of_track_is_stored_once_with_its_properties(servers: NewServer) -> None:
    server = servers("simplified")
    sdk = _sdk(server)
    for number in range(3):
        sdk.track("ana", "Buy", {"number": number, "note": "größe+1 & 2/3 👟", "list": [1, None], "more": {"a": 1.5}})
    assert_nothing_lost(server, 3)
    assert users_of(server) == {"ana": 3}
    sent = counting(server)[0]["properties"]
    assert (sent["note"], sent["list"], sent["more"]) == ("größe+1 & 2/3 👟", [1, None], {"a": 1.5})
    assert sent["mp_lib"] == "python"


def test_a_buffered_consumer_loses_nothing_over_several_batches(servers: NewServer) -> None:
    server = servers("simplified")
    consumer = mixpanel.BufferedConsumer(max_size=50, **_urls(server))
    sdk = mixpanel.Mixpanel(TOKEN, consumer)
    for number in range(120):
        sdk.track(f"user-{number % 7}", "Buy", {"number": number})
        sdk.people_set(f"user-{number % 7}", {"last": number})
    assert len(counting(server)) == 100
    consumer.flush()
    assert_nothing_lost(server, 120)
    assert len(server.users()) == 7
    assert {user["distinct_id"]: user["profile"]["last"] for user in server.users()} == {
        f"user-{rest}": max(number for number in range(120) if number % 7 == rest) for rest in range(7)
    }


@pytest.mark.parametrize(
    ("id_merge", "users", "decisions"),
    [
        # The event with both ids links the device to ana, backwards too; $identify does nothing.
        ("simplified", [{"Buy": 1, "View": 1}], [("identify", "ignored", None), ("link", "merged", None)]),
        # $identify joins the two ids, because the anonymous one is a UUID.
        ("original", [{"Buy": 1, "View": 1}], [("identify", "merged", None)]),
        # Only an alias could have joined them.
        ("legacy", [{"Buy": 1}, {"View": 1}], [("identify", "ignored", None)]),
    ],
)
def test_a_server_that_passes_device_and_user_id(
    servers: NewServer, id_merge: IdMerge, users: list[dict[str, int]], decisions: list[tuple[str, str, str | None]]
) -> None:
    server = servers(id_merge)
    sdk = _sdk(server)
    device = f"$device:{DEVICE}"
    sdk.track(device, "View", {"$device_id": DEVICE, "number": 0})
    sdk.track("ana", "$identify", {"$anon_distinct_id": device})
    sdk.track("ana", "Buy", {"$device_id": DEVICE, "$user_id": "ana", "number": 1})
    assert_nothing_lost(server, 2)
    assert people_of(server) == users
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "users", "decisions"),
    [
        ("simplified", [{"Buy": 1}, {"View": 1}], [("alias", "ignored", None)]),
        ("original", [{"Buy": 1, "View": 1}], [("alias", "merged", None)]),
        # ana's event comes after the alias, so it goes where the alias points.
        ("legacy", [{"Buy": 1, "View": 1}], [("alias", "merged", None)]),
    ],
)
def test_an_alias(
    servers: NewServer,
    monkeypatch: pytest.MonkeyPatch,
    id_merge: IdMerge,
    users: list[dict[str, int]],
    decisions: list[tuple[str, str, str | None]],
) -> None:
    server = servers(id_merge)
    sdk = _sdk(server)
    sdk.track("visitor-7", "View", {"number": 0})
    # `alias` ignores the consumer it was given and makes one for the real host; here that one is ours too.
    monkeypatch.setattr(mixpanel, "Consumer", lambda: sdk._consumer)
    sdk.alias("ana", "visitor-7")
    sdk.track("ana", "Buy", {"number": 1})
    assert_nothing_lost(server, 2)
    assert people_of(server) == users
    assert decided(server) == decisions


def test_alias_takes_no_address_from_the_consumer(servers: NewServer) -> None:
    with pytest.raises(mixpanel.MixpanelException, match=r"a request to api\.mixpanel\.com"):
        _sdk(servers("simplified")).alias("ana", "visitor-7")


def test_an_import_with_the_secret_takes_old_events(servers: NewServer) -> None:
    server = servers("simplified")
    sdk = _sdk(server)
    for number in range(3):
        sdk.import_data(None, "ana", "Old", LAST_YEAR_S, {"number": number}, api_secret="s3cret")
    assert_nothing_lost(server, 3)
    assert {row["endpoint"] for row in counting(server)} == {"import"}


def test_an_import_with_a_service_account(servers: NewServer) -> None:
    server = servers("simplified")
    account = mixpanel.ServiceAccountCredentials("robot", "s3cret", "12345")
    consumer = mixpanel.BufferedConsumer(credentials=account, **_urls(server))
    sdk = mixpanel.Mixpanel(TOKEN, consumer)
    for number in range(60):
        sdk.import_data(None, "ana", "Old", LAST_YEAR_S + number, {"number": number})
    consumer.flush()
    assert_nothing_lost(server, 60)


def test_an_api_key_alone_sends_no_credentials_so_nothing_is_imported(servers: NewServer) -> None:
    server = servers("simplified")
    with pytest.raises(mixpanel.MixpanelException, match="Mixpanel error: "):
        _sdk(server).import_data("key", "ana", "Old", LAST_YEAR_S)
    assert server.events() == []


def test_an_old_event_by_track_raises_and_is_not_stored(servers: NewServer) -> None:
    server = servers("simplified")
    with pytest.raises(mixpanel.MixpanelException, match="must not be more than 5 days ago"):
        _sdk(server).track("ana", "Old", {"time": LAST_YEAR_S})
    assert server.users() == []
    assert [row["status"] for row in server.rejected()] == ["rejected"]


@pytest.mark.parametrize(
    ("id_merge", "users", "decisions"),
    [
        ("simplified", [{"Buy": 1}, {"Buy": 1}], [("merge", "ignored", None)]),
        ("original", [{"Buy": 2}], [("merge", "merged", None)]),
        ("legacy", [{"Buy": 1}, {"Buy": 1}], [("merge", "ignored", None)]),
    ],
)
def test_a_merge_of_two_accounts(
    servers: NewServer, id_merge: IdMerge, users: list[dict[str, int]], decisions: list[tuple[str, str, str | None]]
) -> None:
    server = servers(id_merge)
    sdk = _sdk(server)
    sdk.track("ana", "Buy", {"number": 0})
    sdk.track("ana@example.com", "Buy", {"number": 1})
    sdk.merge(None, "ana", "ana@example.com", api_secret="s3cret")
    assert_nothing_lost(server, 2)
    assert people_of(server) == users
    assert decided(server) == decisions


def test_profiles_of_users_and_groups(servers: NewServer) -> None:
    server = servers("original")
    sdk = _sdk(server)
    sdk.track("ana", "Buy", {"number": 0})
    sdk.people_set("ana", {"$email": "ana@example.com", "city": "Zürich"})
    sdk.people_increment("ana", {"visits": 2})
    sdk.people_increment("ana", {"visits": 1})
    sdk.people_set_once("ana", {"city": "Bern"})
    sdk.people_unset("ana", ["$email"])
    sdk.group_set("company", "acme", {"plan": "gold"})
    assert server.users()[0]["profile"] == {"city": "Zürich", "visits": 3}
    assert server.get("profiles")["groups"] == [
        {"group_key": "company", "group_id": "acme", "properties": {"plan": "gold"}}
    ]


def test_a_server_in_trouble_loses_nothing_and_counts_nothing_twice(servers: NewServer) -> None:
    server = servers("simplified")
    consumer = mixpanel.BufferedConsumer(max_size=5, retry_limit=10, retry_backoff_factor=0.001, **_urls(server))
    # The SDK retries over https only; here over http as well.
    session = consumer._consumer._session
    session.mount("http://", session.get_adapter("https://"))
    sdk = mixpanel.Mixpanel(TOKEN, consumer)
    server.post("faults", {"fail": "502:0.1,503-after:0.1,drop:0.1,drop-before:0.1", "seed": 7})
    for number in range(100):
        sdk.track(f"user-{number % 3}", "Buy", {"number": number})
    injected = server.get("faults")["injected"]
    server.post("faults", {"fail": ""})
    assert set(injected) == {"502", "503-after", "drop", "drop-before"}
    assert_nothing_lost(server, 100)
    assert "duplicate" in {row["status"] for row in server.events()}
    assert sum(users_of(server).values()) == 100


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_the_same_event_sent_again_counts_once(servers: NewServer, id_merge: IdMerge) -> None:
    server = servers(id_merge)
    sdk = _sdk(server)
    again = {"$insert_id": "5d58eb6a4cd04ccaa5fc2d2a2d3bb9b3", "time": int(time.time()) - 60, "number": 0}
    for _ in range(3):
        sdk.track("ana", "Buy", again)
    assert [row["status"] for row in server.events()] == ["duplicate", "duplicate", "accepted"]
    assert_nothing_lost(server, 1)
    assert users_of(server) == {"ana": 1}
