"""The server's page with hostile events in it, and for eyes and hands of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from harness.event import IdMerge
from harness.server.background import RunningServer
from tests.clients.looking import Looking, Scheme, send
from tests.clients.sent import NewServer

Look: TypeAlias = Callable[..., Looking]

HOSTILE: Final = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "</pre></title></textarea><iframe srcdoc='<script>alert(1)</script>'>",
    "<style>*{display:none}</style>",
    '" autofocus onfocus=alert(1) x="',
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<a href=javascript:alert(1)>",
    "]]><foreignObject><script>alert(1)</script>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "\u202egnp.exe \u200b\ufeff",
    "a\x00b\x1b[31m\r\nc",
    "\ud800 alone",
    "__proto__",
    "constructor",
    "$device:$device:x",
    "👩‍👩‍👧‍👦" * 20,
    "x" * 3_000,
)
OURS: Final = {"IMG": 0, "IFRAME": 0, "STYLE": 0, "SCRIPT": 1, "FOREIGNOBJECT": 0, "OBJECT": 0, "EMBED": 0}
"""How many elements of a kind the page has of its own."""


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


def _send_hostile(server: RunningServer) -> None:
    for place, text in enumerate(HOSTILE):
        other = HOSTILE[(place + 1) % len(HOSTILE)]
        send(
            server,
            (text, {text: text, "distinct_id": text, "$device_id": text, "$user_id": other, "onclick": "alert(1)"}),
        )
        send(server, ("$identify", {"distinct_id": other, "$anon_distinct_id": text}))
        send(server, ("$create_alias", {"distinct_id": text, "alias": other}))
        send(server, (text, {"distinct_id": text, "time": text, text: [text, {text: text}]}))


def _open_rows(page: Page) -> None:
    page.evaluate("document.querySelectorAll('#rows summary').forEach((summary) => summary.click())")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def _assert_only_ours(page: Page) -> None:
    names = page.evaluate("[...document.querySelectorAll('*')].map((each) => each.tagName.toUpperCase())")
    assert {name: names.count(name) for name in OURS} == OURS
    assert (
        page.evaluate(
            """[...document.querySelectorAll('*')].flatMap((each) => [...each.attributes]
            .filter(({name, value}) => name.startsWith('on') || name === 'style' && each.id !== 'graph'
                || (name === 'href' || name === 'src') && !/^(\\/|#|blob:http)/.test(value))
            .map(({name, value}) => `${each.tagName} ${name}=${value}`))"""
        )
        == []
    )


@pytest.mark.parametrize("id_merge", ["simplified", "legacy"])
def test_nothing_in_an_event_becomes_markup_or_script(servers: NewServer, look: Look, id_merge: IdMerge) -> None:
    server = servers(id_merge)
    _send_hostile(server)
    looking = look(server)
    page = looking.page
    expect(page.locator("#rows .row")).to_have_count(40)
    _open_rows(page)
    _assert_only_ours(page)
    for kind in ("decisions", "rejected"):
        page.check(f"#feed-kinds input[value={kind}]", force=True)
        expect(page.locator("#feed-count")).to_contain_text("decision" if kind == "decisions" else "rejected row")
        _open_rows(page)
        _assert_only_ours(page)
    for text in HOSTILE[:4]:
        page.fill("#first-id", text)
        page.fill("#second-id", HOSTILE[0])
        page.press("#second-id", "Enter")
        expect(page.locator("#answer .verdict")).to_contain_text("user")
        page.fill("#search-text", text[:20])
    _assert_only_ours(page)
    page.fill("#search-text", "onerror")
    expect(page.locator("#people-count")).to_contain_text("found")
    expect(page.locator(looking.node("<img src=x onerror=alert(1)>"))).to_be_visible()
    page.click("#save")
    expect(page.locator("#save-text")).to_contain_text("onerror=alert(1)")
    _assert_only_ours(page)


def test_letters_that_hide_or_turn_text_are_spelled_out(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    send(server, ("\u202egnp.exe", {"$user_id": "ana\u200b"}), ("Buy", {"$user_id": "ana"}))
    page = look(server).page
    expect(page.locator("#rows .event").last).to_have_text("\\u202egnp.exe")
    expect(page.locator(".node .name", has_text="ana\\u200b")).to_be_visible()
    expect(page.locator(".card")).to_have_count(2)


def test_what_a_route_answers_is_never_a_page(servers: NewServer, browser: Browser) -> None:
    server = servers("simplified")
    _send_hostile(server)
    page = browser.new_page()
    wrong: list[str] = []

    def note(dialog: Dialog) -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    payload = "%3Cscript%3Ealert(1)%3C/script%3E"
    for route in ("events", "decisions", "rejected", "users", "clusters", "picture", f"explain?a={payload}", payload):
        page.goto(f"{server.url}/harness/{route}")
        assert page.evaluate("document.contentType") == "application/json", route
    for route in (f"track?callback={payload}", f"track?data={payload}&verbose=1", f"{payload}", f"page/{payload}"):
        page.goto(f"{server.url}/{route}")
        assert page.evaluate("document.contentType") in ("application/json", "text/plain", "text/javascript"), route
        assert page.evaluate("document.querySelectorAll('script, img').length") == 0
    assert wrong == []
    page.close()


def test_another_site_can_neither_read_nor_reset(servers: NewServer, browser: Browser) -> None:
    server = servers("simplified")
    send(server, ("View", {"$user_id": "ana"}))
    page = browser.new_page()
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body="<title>Elsewhere</title>"))
    page.goto("http://elsewhere.test/")
    asked = """async (url) => {
        try { return await (await fetch(url + '/harness/users')).text(); } catch { return 'refused'; }
    }"""
    assert "ana" not in page.evaluate(asked, server.url)
    page.evaluate(
        "async (url) => { try { await fetch(url + '/harness/reset', {method: 'POST', mode: 'no-cors'}); } catch {} }",
        server.url,
    )
    assert len(server.events()) == 1
    page.close()


_CONTRAST: Final = """() => {
    const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((value, at) => value * a + under[at] * (1 - a)).concat(1);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const behind = (node) => {
        if (node === null) return rgba(getComputedStyle(document.documentElement).backgroundColor);
        const card = node.closest?.('svg') && node.closest('.card')?.querySelector('.frame');
        if (card) return rgba(getComputedStyle(card).fill);
        return over(rgba(getComputedStyle(node).backgroundColor), behind(node.parentElement));
    };
    const weak = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility({checkOpacity: true})) continue;
        if (element.closest('.hidden, script, :disabled, title, datalist, option')) continue;
        const style = getComputedStyle(element);
        const under = behind(element);
        const ink = over(rgba(element.closest('svg') ? style.fill : style.color), under);
        const [dark, bright] = [light(ink), light(under)].sort((a, b) => a - b);
        const ratio = (bright + 0.05) / (dark + 0.05);
        if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${element.getAttribute('class')}: ${walker.currentNode.data}`);
    }
    return weak;
}"""


def _fill(server: RunningServer) -> None:
    device = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    send(server, ("View", {"$device_id": device}), ("Buy", {"$device_id": device, "$user_id": "ana"}))
    send(server, ("Buy", {"$device_id": device, "$user_id": "ben"}), ("Buy", {"distinct_id": device}))
    send(server, ("$create_alias", {"distinct_id": "cleo", "alias": "clara"}), ("Bad", {"time": "yesterday"}))
    again = {"$user_id": "ana", "$insert_id": "a-1", "time": 1_000 * 1_000_000_000_000}
    send(server, *(("Buy", {"$user_id": f"user-{number}"}) for number in range(12)), ("Late", again))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(servers: NewServer, look: Look, scheme: Scheme) -> None:
    server = servers("simplified")
    page = look(server, scheme=scheme).page
    assert page.evaluate(_CONTRAST) == []
    _fill(server)
    expect(page.locator(".words.refused")).to_have_count(1)
    page.locator("#rows summary").nth(0).click()
    page.fill("#first-id", "ana")
    page.fill("#second-id", "ben")
    page.press("#second-id", "Enter")
    expect(page.locator("#answer .verdict")).to_be_visible()
    for kind in ("events", "decisions", "rejected"):
        page.check(f"#feed-kinds input[value={kind}]", force=True)
        expect(page.locator("#rows .row").first).to_be_visible()
        assert page.evaluate(_CONTRAST) == []
    page.click("#reset")
    assert page.evaluate(_CONTRAST) == []
    # The measure itself can fail.
    page.evaluate("document.querySelector('#reset-text').style.color = getComputedStyle(document.body).backgroundColor")
    assert len(page.evaluate(_CONTRAST)) == 1
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(20, 23, 26)") == (scheme == "dark")


def test_whatever_takes_the_focus_shows_it_and_has_a_name(servers: NewServer, look: Look) -> None:
    server = servers("simplified")
    _fill(server)
    page = look(server).page
    expect(page.locator(".words.refused")).to_have_count(1)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const held = document.activeElement;
                if (held === document.body) return null;
                const shows = held.classList.contains('node') ? held.querySelector('.hit')
                    : held.type === 'radio' ? held.nextElementSibling : held;
                const style = getComputedStyle(shows);
                const name = held.getAttribute('aria-label') || held.labels?.[0]?.textContent || held.textContent;
                const line = held.classList.contains('node') ? style.stroke !== 'none' : style.outlineStyle !== 'none';
                return [held.id || held.getAttribute('class') || held.tagName, name.trim() !== '', line];
            }"""
        )
        if found is None:
            break
        seen.append(found)
    assert [each for each in seen if not (each[1] and each[2])] == []
    order = [each[0].partition(" ")[0] for each in seen]
    wanted = ["skip", "pause", "save", "reset", "search-text", "order", "node", "first-id", "second-id"]
    assert [name for name in order if name in wanted] == wanted


@pytest.mark.parametrize("width", [320, 390, 800])
def test_a_narrow_page_never_scrolls_sideways(servers: NewServer, look: Look, width: int) -> None:
    server = servers("simplified")
    _fill(server)
    _send_hostile(server)
    page = look(server, width=width).page
    expect(page.locator(".card").first).to_be_visible()
    _open_rows(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
