"""The server's page in Chromium: live, by keyboard alone, in both colour schemes, and with a great many events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from playwright.sync_api import Browser, expect

from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.server.background import RunningServer
from tests.clients.looking import Looking, Sent, load, send
from tests.clients.sent import NewServer
from tests.commands.shell import Shell

Look: TypeAlias = Callable[..., Looking]

D1: Final = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
D2: Final = "0b9f1d3c-51a4-4c8e-9d5e-6a1f0c2b7e88"


def view(device: str) -> Sent:
    return ("View", {"distinct_id": f"$device:{device}", "$device_id": device})


def buy(device: str, user: str) -> Sent:
    return ("Buy", {"distinct_id": user, "$device_id": device, "$user_id": user, "price": 89.9})


def identify(device: str, user: str, before: str | None = None) -> Sent:
    ids = {"distinct_id": user, "$anon_distinct_id": before or f"$device:{device}"}
    return ("$identify", {**ids, "$device_id": device, "$user_id": user})


SHARED_DEVICE: Final = (
    view(D1),
    identify(D1, "ana"),
    buy(D1, "ana"),
    identify(D1, "ben", "ana"),
    buy(D1, "ben"),
    view(D2),
)
"""Two users on one device that nobody resets, and a visit on another one."""

REJECTED: Final[Sent] = ("Broken", {"distinct_id": "ana", "time": "yesterday"})


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens the page; whatever it must not do fails the test at its end."""
    opened: list[Looking] = []

    def looking(server: RunningServer, **how: Any) -> Looking:
        opened.append(Looking.at(browser, server, **how))
        return opened[-1]

    yield looking
    for each in opened:
        each.leave()


def test_what_arrives_is_shown_without_a_reload(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    page = look(server).page
    expect(page.get_by_text("Nobody here yet")).to_be_visible()
    expect(page.locator("#welcome")).to_contain_text(server.url)
    send(server, view(D1))
    expect(page.get_by_text("Nobody here yet")).to_be_hidden()
    expect(page.locator(".card")).to_have_count(1)
    send(server, buy(D1, "ana"), view(D2))
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator("[data-count=users]")).to_have_text("2")
    expect(page.locator("[data-count=events]")).to_have_text("3")
    expect(page.locator("#rows .row")).to_have_count(3)
    expect(page.locator(".card", has_text="2 ids · 2 events")).to_contain_text("ana")
    expect(page.locator(".card path.link.merged")).to_have_count(1)


@pytest.mark.parametrize(
    ("id_merge", "reason"),
    [("simplified", "errAnonDistinctIdAssignedAlready"), ("original", "errAnonDistinctIdNonGUIDForm")],
)
def test_a_refused_link_is_dashed_and_says_why(servers: NewServer, look: Look, id_merge: IdMerge, reason: str) -> None:
    server = servers(id_merge)
    send(server, *SHARED_DEVICE)
    page = look(server).page
    refused = page.locator(".link.refused path").first
    assert refused.evaluate("line => getComputedStyle(line).strokeDasharray") not in ("none", "")
    expect(page.locator(".words.refused .reason")).to_have_text(reason)
    # The same in words, for who can't see it.
    told = page.locator("svg.drawing").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert any(reason in one for one in told)


def test_legacy_draws_an_alias_as_a_way_that_leads_on(servers: NewServer, look: Look) -> None:
    server = servers("legacy")
    send(server, ("View", {"distinct_id": "visitor"}), ("View", {"distinct_id": "ana"}))
    send(server, ("$create_alias", {"distinct_id": "visitor", "alias": "ana"}), ("Buy", {"distinct_id": "ana"}))
    page = look(server).page
    expect(page.locator(".words.merged")).to_contain_text("$create_alias leads here from then on")
    expect(page.locator(".link.merged .arrow")).to_have_count(1)
    expect(page.locator("[data-count=users]")).to_have_text("2")


def test_everything_can_be_done_by_keyboard_alone(servers: NewServer, look: Look) -> None:
    server = servers("original")
    send(server, *SHARED_DEVICE, REJECTED)
    page = look(server).page
    press = page.keyboard.press

    def tab_to(selector: str) -> None:
        for _ in range(40):
            press("Tab")
            if page.locator(f"{selector}:focus").count():
                return
        raise AssertionError(f"Tab never comes to {selector}")

    press("Tab")
    expect(page.locator(".skip:focus")).to_be_in_viewport()
    press("Enter")
    # Search.
    tab_to("#search-text")
    page.keyboard.type("BEN")
    expect(page.locator("#people-count")).to_have_text("1 cluster found")
    press("Control+a")
    press("Delete")
    expect(page.locator("#people-count")).to_have_text("3 clusters")
    # Explain: the picture is one stop, arrows move in it.
    tab_to(".node")
    press("Home")
    for name in ("ana", "ben"):
        press("Home")
        for _ in range(8):
            if str(page.locator(".node:focus").get_attribute("aria-label")).startswith(f"{name},"):
                break
            press("ArrowDown")
        press("Enter")
        expect(page.locator(".node:focus")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#answer")).to_contain_text("ana and ben are two users.")
    expect(page.locator("#answer")).to_contain_text("errAnonDistinctIdNonGUIDForm")
    expect(page.locator("#answer")).to_contain_text("They would be one user")
    # The event behind it.
    tab_to("#answer .event-link")
    press("Enter")
    expect(page.locator("#rows summary:focus")).to_contain_text("$identify")
    # Rejected rows: radio buttons, so arrows choose.
    press("Shift+Tab")
    while not page.locator("#feed-kinds input:focus").count():
        press("Shift+Tab")
    press("ArrowRight")
    expect(page.locator("#feed-count")).to_have_text("2 decisions")
    press("ArrowRight")
    expect(page.locator("#rows")).to_contain_text("must be specified as seconds since epoch")
    tab_to("#rows summary")
    press("Enter")
    expect(page.locator("#rows details[open] pre")).to_contain_text('"time": "yesterday"')
    # Reset asks first, and No is what Enter does.
    page.locator("#pause").focus()
    tab_to("#reset")
    press("Enter")
    expect(page.locator("#reset-dialog")).to_be_visible()
    press("Enter")
    expect(page.locator("#reset-dialog")).to_be_hidden()
    assert len(server.events()) == 7
    press("Enter")
    press("Shift+Tab")
    expect(page.locator("#reset-yes:focus")).to_be_visible()
    press("Enter")
    expect(page.get_by_text("Nobody here yet")).to_be_visible()
    assert server.events() == []
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#said")).to_have_text("Everything was forgotten.")


def test_the_answer_is_that_of_the_server(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    send(server, *SHARED_DEVICE)
    looking = look(server)
    page = looking.page
    page.fill("#first-id", f"$device:{D1}")
    page.fill("#second-id", "ana")
    page.click("#question button[type=submit]")
    expect(page.locator("#answer .verdict")).to_have_text(f"$device:{D1} and ana are one user.")
    expect(page.locator("#answer ol li")).to_have_count(len(server.explain(f"$device:{D1}", "ana")["path"]))
    page.fill("#second-id", "")
    page.press("#first-id", "Enter")
    expect(page.locator("#answer .verdict")).to_contain_text("is in a cluster of 2 ids")
    page.fill("#first-id", "nobody at all")
    page.press("#first-id", "Enter")
    expect(page.locator("#answer")).to_contain_text("nobody at all")
    expect(page.locator("#answer .verdict.no")).to_be_visible()
    looking.wrong[:] = [said for said in looking.wrong if "404" not in said]


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_what_was_recorded_passes_as_a_scenario(
    servers: NewServer, look: Look, tmp_path: Path, id_merge: IdMerge
) -> None:
    server = servers(id_merge)
    send(server, *SHARED_DEVICE, REJECTED)
    send(server, ("$create_alias", {"distinct_id": "ben", "alias": "benny"}), ("Buy", {"distinct_id": "benny"}))
    page = look(server).page
    page.click("#save")
    page.fill("#save-name", "Two people on one tablet")
    page.press("#save-name", "Tab")
    expect(page.locator("#save-text")).to_contain_text("name: Two people on one tablet")
    with page.expect_download() as download:
        page.click("#save-file")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    page.keyboard.press("Escape")
    done = Shell(tmp_path).run("run", path, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert [(one["name"], one["id_merge"], one["status"]) for one in report["scenarios"]] == [
        ("Two people on one tablet", id_merge, "passed")
    ]
    assert len(report["scenarios"][0]["checks"]) >= 4


def test_focus_stays_on_an_id_while_its_cluster_grows(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    send(server, view(D1), view(D2))
    looking = look(server)
    page = looking.page
    page.locator(looking.node(f"$device:{D1}")).focus()
    send(server, buy(D1, "ana"))
    expect(page.locator(".card", has_text="ana")).to_be_visible()
    expect(page.locator(looking.node(f"$device:{D1}"))).to_be_focused()
    assert page.locator(".node[tabindex='0']").count() == 1


def test_paused_it_stands_still(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    send(server, view(D1))
    page = look(server).page
    page.click("#pause")
    expect(page.locator("#connection")).to_have_text("paused")
    send(server, view(D2))
    page.wait_for_timeout(700)
    expect(page.locator(".card")).to_have_count(1)
    page.click("#pause")
    expect(page.locator(".card")).to_have_count(2)


def test_another_session_can_be_chosen(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    with server.session(id_merge="legacy", token="parallel-test") as session:
        send(server, view(D1))
        page = look(server).page
        page.select_option("#session-choice", "parallel-test")
        expect(page.locator("#system")).to_have_text("legacy")
        expect(page.get_by_text("Nobody here yet")).to_be_visible()
        assert session.events() == []


def test_fifty_thousand_events_leave_the_page_small_and_quick(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    send(server, view(D1))
    page = look(server).page
    rows: list[Json] = []
    for number in range(50_000):
        device = number // 3
        ids = {"$device_id": f"D{device}", **({"$user_id": f"user{device // 3}"} if number % 3 == 2 else {})}
        rows.append(
            {"event": "View", "properties": {**ids, "time": 1_767_614_400 + number, "$insert_id": f"n{number}"}}
        )
    load(server, rows)
    expect(page.locator("[data-count=events]")).to_have_text("50,001")
    expect(page.locator("[data-count=users]")).to_have_text("5,558")
    expect(page.locator("#people-count")).to_have_text("24 of 5,558 clusters")
    assert page.evaluate("document.querySelectorAll('*').length") < 3_000
    page.fill("#search-text", "user4999")
    expect(page.locator("#people-count")).to_have_text("1 cluster found", timeout=5_000)
    page.click("#older")
    expect(page.locator("#rows .number").first).to_have_text("49960")
    page.click("#newer")
    expect(page.locator("#rows .number").first).to_have_text("50000")
