"""Mixpanel's browser SDK in Chromium, on the pages of a small shop, against the local server.

Who comes out is reasoned from Mixpanel's rules, beside each table; the browser and the server are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import pytest
from playwright.sync_api import Browser

from harness.event import IDENTITY_EVENTS, IdMerge
from harness.server.background import RunningServer
from tests.clients.sent import NewServer, assert_nothing_lost, counting, decided, people_of
from tests.clients.shop import Shop, Visitor

Enter: TypeAlias = Callable[..., Visitor]
People: TypeAlias = list[dict[str, int]]
Decisions: TypeAlias = list[tuple[str, str, str | None]]

ASSIGNED: Final = "errAnonDistinctIdAssignedAlready"
NO_UUID: Final = "errAnonDistinctIdNonGUIDForm"
IGNORED: Final = ("identify", "ignored", None)
IDENTIFIED: Final = ("identify", "merged", None)
LINKED: Final = ("link", "merged", None)


@pytest.fixture
def enter(browser: Browser, shop: Shop) -> Iterator[Enter]:
    """Lets visitors into the shop, each with a browser profile of their own."""
    visitors: list[Visitor] = []

    def entering(server: RunningServer, *page: str, **config: Any) -> Visitor:
        visitors.append(Visitor.entering(browser, shop, server, *page, **config))
        return visitors[-1]

    yield entering
    for visitor in visitors:
        visitor.leave()


def _complete(server: RunningServer, visitor: Visitor) -> None:
    """Check that everything arrived, and nothing else did."""
    visitor.settle()
    assert len(server.events()) == visitor.rows
    assert_nothing_lost(server, visitor.tracked)


@pytest.mark.parametrize(
    ("id_merge", "people", "decisions"),
    [
        # The event after login has both ids, and links the device backwards.
        ("simplified", [{"Buy": 1, "Log Out": 1, "View": 2}, {"View": 1}], [IGNORED, LINKED]),
        ("original", [{"Buy": 1, "Log Out": 1, "View": 2}, {"View": 1}], [IDENTIFIED]),
        # Nothing joins a visit to the account in legacy, but an alias.
        ("legacy", [{"Buy": 1, "Log Out": 1}, {"View": 1}, {"View": 2}], [IGNORED]),
    ],
)
def test_a_visit_a_login_and_a_reset(
    servers: NewServer, enter: Enter, id_merge: IdMerge, people: People, decisions: Decisions
) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    visitor.look(2)
    visitor.settle()
    visitor.log_in("ana")
    visitor.settle()
    visitor.buy()
    visitor.log_out_and_reset()
    visitor.settle()
    visitor.look()
    _complete(server, visitor)
    assert people_of(server) == sorted(people, key=repr)
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "people", "decisions"),
    [
        # The device stays ana's, and so does what is done on it after her logout; ben's own events have his id.
        (
            "simplified",
            [{"Buy": 1}, {"Buy": 1, "Log Out": 1, "View": 2}],
            [IGNORED, LINKED, IGNORED, ("link", "refused", ASSIGNED)],
        ),
        # The SDK names ana's id as the anonymous one of ben's $identify, and that is no UUID.
        (
            "original",
            [{"Buy": 1}, {"Buy": 1, "Log Out": 1, "View": 2}],
            [IDENTIFIED, ("identify", "refused", NO_UUID)],
        ),
        ("legacy", [{"Buy": 1}, {"Buy": 1, "Log Out": 1, "View": 1}, {"View": 1}], [IGNORED, IGNORED]),
    ],
)
def test_a_second_user_on_a_device_that_nobody_resets(
    servers: NewServer, enter: Enter, id_merge: IdMerge, people: People, decisions: Decisions
) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    visitor.look()
    visitor.settle()
    visitor.log_in("ana")
    visitor.settle()
    visitor.buy()
    visitor.log_out()
    visitor.look()
    visitor.settle()
    visitor.log_in("ben")
    visitor.settle()
    visitor.buy()
    _complete(server, visitor)
    assert people_of(server) == sorted(people, key=repr)
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "people", "decisions"),
    [
        ("simplified", [{"Buy": 1, "Log Out": 1, "View": 1}, {"Buy": 1, "View": 1}], [IGNORED, LINKED] * 2),
        ("original", [{"Buy": 1, "Log Out": 1, "View": 1}, {"Buy": 1, "View": 1}], [IDENTIFIED] * 2),
        ("legacy", [{"Buy": 1}, {"Buy": 1, "Log Out": 1}, {"View": 1}, {"View": 1}], [IGNORED] * 2),
    ],
)
def test_a_second_user_after_a_reset(
    servers: NewServer, enter: Enter, id_merge: IdMerge, people: People, decisions: Decisions
) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    for user in ("ana", "ben"):
        visitor.look()
        visitor.settle()
        visitor.log_in(user)
        visitor.settle()
        visitor.buy()
        if user == "ana":
            visitor.log_out_and_reset()
        visitor.settle()
    _complete(server, visitor)
    assert people_of(server) == sorted(people, key=repr)
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "people", "decisions"),
    [
        # The alias does nothing, but the SDK puts the user id beside the device id from then on.
        ("simplified", [{"Buy": 1, "View": 1}], [("alias", "ignored", None), IGNORED, LINKED]),
        # The $identify that the SDK sends after it finds both ids in one cluster.
        ("original", [{"Buy": 1, "View": 1}], [("alias", "merged", None)]),
        # The SDK goes on with the old distinct_id, which is the alias's target.
        ("legacy", [{"Buy": 1, "View": 1}], [("alias", "merged", None), IGNORED]),
    ],
)
def test_an_alias_at_sign_up(
    servers: NewServer, enter: Enter, id_merge: IdMerge, people: People, decisions: Decisions
) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    visitor.look()
    visitor.settle()
    visitor.sign_up("ana")
    visitor.settle()
    visitor.buy()
    _complete(server, visitor)
    assert people_of(server) == sorted(people, key=repr)
    assert decided(server) == decisions


@pytest.mark.parametrize(
    ("id_merge", "people"),
    [
        ("simplified", [{"Buy": 2, "View": 2}]),
        ("original", [{"Buy": 2, "View": 2}]),
        ("legacy", [{"Buy": 2}, {"View": 1}, {"View": 1}]),
    ],
)
def test_one_user_on_two_devices(servers: NewServer, enter: Enter, id_merge: IdMerge, people: People) -> None:
    server = servers(id_merge)
    for _ in range(2):
        visitor = enter(server)
        visitor.rows = len(server.events())
        visitor.look()
        visitor.settle()
        visitor.log_in("ana")
        visitor.settle()
        visitor.buy()
        visitor.settle()
    assert len(counting(server)) == 4
    assert people_of(server) == sorted(people, key=repr)


@pytest.mark.parametrize("payload", ["base64", "json"])
@pytest.mark.parametrize(("batches", "method"), [(True, "POST"), (False, "POST"), (False, "GET")])
def test_every_form_of_request_arrives_whole(
    servers: NewServer, enter: Enter, payload: str, batches: bool, method: str
) -> None:
    server = servers("simplified")
    visitor = enter(
        server, api_payload_format=payload, batch_requests=batches, api_method=method, batch_flush_interval_ms=400
    )
    visitor.look(3)
    visitor.settle()
    visitor.log_in("ana")
    visitor.settle()
    visitor.buy()
    _complete(server, visitor)
    assert people_of(server) == [{"Buy": 1, "View": 3}]
    assert {row["properties"]["product"] for row in counting(server) if row["event"] == "View"} == {
        "shoes 👟 größe+1/2"
    }
    bought = next(row["properties"] for row in counting(server) if row["event"] == "Buy")
    assert (bought["price"], bought["sizes"], bought["gift"]) == (89.9, [41, 42], None)
    asked = [(verb, path) for verb, path, _ in visitor.requests if path == "/track/"]
    assert {verb for verb, _ in asked} == {method}
    assert len(asked) < visitor.rows if batches else len(asked) == visitor.rows


def test_the_snippet_loses_nothing_that_was_tracked_before_the_sdk_was_there(servers: NewServer, enter: Enter) -> None:
    server = servers("original")
    visitor = enter(server, "snippet.html", persistence="cookie")
    visitor.look()
    visitor.settle()
    visitor.log_in("ana")
    visitor.settle()
    visitor.buy()
    _complete(server, visitor)
    assert people_of(server) == [{"Buy": 1, "View": 1}]


@pytest.mark.parametrize("id_merge", ["simplified", "original"])
def test_what_was_done_offline_arrives_when_the_network_is_back(
    servers: NewServer, enter: Enter, id_merge: IdMerge
) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    visitor.look()
    visitor.settle()
    visitor.context.set_offline(True)
    visitor.look(2)
    visitor.log_in("ana")
    visitor.buy()
    visitor.page.wait_for_timeout(150)
    assert len(server.events()) == 1
    visitor.context.set_offline(False)
    _complete(server, visitor)
    assert people_of(server) == [{"Buy": 1, "View": 3}]


def test_a_page_that_closes_sends_what_it_has_by_beacon_and_the_next_one_again(
    servers: NewServer, enter: Enter, shop: Shop
) -> None:
    server = servers("simplified")
    slow = {"batch_flush_interval_ms": 3_600_000}
    visitor = enter(server, **slow)
    visitor.page.evaluate(
        """() => {
            const send = navigator.sendBeacon.bind(navigator);
            navigator.sendBeacon = (url, ...data) => {
                sessionStorage.setItem("beacons", (sessionStorage.getItem("beacons") ?? "") + new URL(url).pathname);
                return send(url, ...data);
            };
        }"""
    )
    visitor.look(3)
    assert server.events() == []
    visitor.page.goto(f"{shop.url}/elsewhere.html")
    visitor.settle()
    assert visitor.page.evaluate("sessionStorage.getItem('beacons')") == "/track/"
    assert_nothing_lost(server, 3)
    # The SDK can't see that the beacon arrived. Two hours later (here: by the hand of the clock in its queue) whichever
    # page comes next sends it once more, and it counts once.
    visitor.page.evaluate(
        """() => {
            for (const key of Object.keys(localStorage).filter((key) => key.startsWith("__mpq_"))) {
                const queue = JSON.parse(localStorage[key]);
                localStorage[key] = JSON.stringify(queue.map((entry) => ({ ...entry, flushAfter: 0 })));
            }
        }"""
    )
    visitor.go(shop.address(server, {"batch_flush_interval_ms": 40}))
    visitor.rows += 3
    visitor.settle()
    assert [row["status"] for row in server.events()] == ["duplicate"] * 3 + ["accepted"] * 3
    assert_nothing_lost(server, 3)


@pytest.mark.parametrize("fault", ["502", "429", "502-after", "drop"])
def test_a_server_in_trouble_loses_nothing_and_counts_nothing_twice(
    servers: NewServer, enter: Enter, fault: str
) -> None:
    server = servers("simplified")
    visitor = enter(server)
    server.post("faults", {"fail": f"{fault}:1"})
    visitor.look(3)
    while not server.get("faults")["injected"]:
        visitor.page.wait_for_timeout(20)
    server.post("faults", {"fail": ""})
    visitor.page.wait_for_timeout(100)
    visitor.look()
    server.wait(rows=4)
    visitor.drain()
    assert visitor.tracked == 4
    assert_nothing_lost(server, 4)


@pytest.mark.parametrize(
    ("id_merge", "owner"), [("simplified", "ana"), ("original", "any of the cluster"), ("legacy", "ana")]
)
def test_a_profile_waits_for_the_login(servers: NewServer, enter: Enter, id_merge: IdMerge, owner: str) -> None:
    server = servers(id_merge)
    visitor = enter(server)
    visitor.save_address()
    visitor.look()
    visitor.settle()
    visitor.log_in("ana")
    visitor.settle()
    visitor.buy()
    _complete(server, visitor)
    visitor.drain()
    kept = [user for user in server.users() if user["profile"] and user["profile"].get("city") == "Zürich"]
    assert len(kept) == 1
    assert "ana" in kept[0]["ids"]
    assert kept[0]["profile"]["plan"] == "gold"
    if id_merge != "original":
        assert kept[0]["distinct_id"] == owner


def test_identity_events_are_sent_once_for_each_change_of_the_id(servers: NewServer, enter: Enter) -> None:
    server = servers("original")
    visitor = enter(server)
    visitor.log_in("ana")
    visitor.settle()
    visitor.log_in("ana")
    visitor.rows -= 1
    visitor.look()
    _complete(server, visitor)
    assert [row["event"] for row in server.events() if row["event"] in IDENTITY_EVENTS] == ["$identify"]
    assert visitor.distinct_id == "ana"
