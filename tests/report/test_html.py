from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.report import html
from harness.scenario.results import CheckResult, RunResult, ScenarioResult, StepRecord
from tests.report.samples import START, Step, green, hostile, merge_accident, passing, play, rich, with_hostile

VOID = {"meta", "input"}


class Page(HTMLParser):
    """A page as its parser sees it: every element with its attributes, and whether each one is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.broken: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def body_of(text: str) -> str:
    return text.partition("<body>")[2].rpartition("<script>")[0]


@pytest.mark.parametrize(
    "run", [rich(), with_hostile(), green(2), RunResult()], ids=["rich", "hostile", "green", "empty"]
)
def test_every_element_is_closed_where_it_was_opened(run: RunResult) -> None:
    page = Page(html.render(run))
    assert page.broken == []
    assert page.open == []


def test_no_text_of_a_run_becomes_markup() -> None:
    page = Page(html.render(with_hostile()))
    assert not {"img", "iframe", "object", "link", "a", "base"} & {tag for tag, _ in page.elements}
    assert len(page.named("script")) == 1
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert "style" not in attributes, tag


def test_hostile_texts_are_shown_as_they_are() -> None:
    words = "".join(Page(html.render(RunResult((hostile(),)))).words)
    assert "</script><img src=x onerror=alert(1)>" in words
    assert "{{ 7 * 7 }} {% raw %} ${x}" in words
    assert r"\u202eevil" in words


def test_no_character_acts() -> None:
    text = html.render(with_hostile())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]", text)
    text.encode("utf-8")


def test_the_file_needs_no_network_and_its_policy_allows_none() -> None:
    text = html.render(rich())
    page = Page(text)
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not [name for _, attributes in page.elements for name in attributes if name in ("src", "href")]
    assert not re.search(r"url\(|@import", text)


def test_the_policy_names_exactly_the_style_and_script_of_the_page() -> None:
    text = html.render(rich())
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text


def test_the_page_is_complete_without_its_script() -> None:
    body = body_of(html.render(rich()))
    for result in rich().scenarios:
        assert result.file in body
    assert body.count("<article") == 8
    assert body.count("<details open>") == 4


def test_scenarios_come_worst_first() -> None:
    page = Page(html.render(rich()))
    statuses = [article["data-status"] for article in page.named("article")]
    assert statuses == ["error", *["failed"] * 3, "known_failure", *["passed"] * 3]


def test_every_number_in_the_summary_is_explained() -> None:
    body = body_of(html.render(rich()))
    for name in ("Pairwise precision", "Pairwise recall", "B-cubed precision", "B-cubed recall"):
        assert re.search(rf"<dt>{name}</dt><dd class=\"share[^>]*>[0-9.]+</dd><dd class=\"meaning\">[^<]+</dd>", body)


def test_a_decision_shows_its_reason_rule_and_evidence() -> None:
    body = body_of(html.render(RunResult((merge_accident(),))))
    assert "errAnonDistinctIdNonGUIDForm" in body
    assert "The anonymous id of $identify has the form of a UUID." in body
    assert 'title="$merge joins two whole clusters, whoever they are. (docs: ' in body


def test_graphs_have_a_description_and_tables_have_heads() -> None:
    page = Page(html.render(rich()))
    for svg in page.named("svg"):
        assert svg["role"] == "img"
        assert svg["aria-label"]
    assert {head["scope"] for head in page.named("th")} == {"col", "row"}


def test_ids_of_elements_are_unique() -> None:
    page = Page(html.render(with_hostile()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_three_hundred_scenarios_stay_under_five_megabytes() -> None:
    steps = [Step("Login", f"person {n % 5}", {"$device_id": f"D{n}", "$user_id": f"user-{n}"}) for n in range(60)]
    long = play("A long flow", "simplified", steps)
    text = html.render(RunResult((long,) * 300))
    assert len(text.encode("utf-8")) < 5_000_000
    assert text.count("<article") == 300
    assert "Timeline and graphs are left out here" in text


def test_more_scenarios_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "FULL_UNTIL", 40_000)
    monkeypatch.setattr(html, "BRIEF_UNTIL", 100_000)
    text = html.render(green(200))
    assert len(text.encode("utf-8")) < 130_000
    shown = text.count("<article")
    assert 0 < text.count('class="timeline"') < shown < 200
    assert f"{200 - shown} more scenarios left out here" in text


def test_a_very_long_scenario_says_what_is_left_out() -> None:
    steps = tuple(StepRecord(number, "advance", "advance 1s", None, number, START + number) for number in range(10_000))
    text = html.render(RunResult((replace(passing(), steps=steps, events=()),)))
    assert "9,840 steps left out here; report.json has them all." in text
    assert len(text) < 200_000


def test_huge_texts_are_cut() -> None:
    check = CheckResult("users", "failed", "x" * 1_000_000, "y" * 1_000_000, "z" * 1_000_000)
    huge = replace(passing("n" * 1_000_000), status="failed", checks=(check,) * 100, headline="h" * 1_000_000)
    assert len(html.render(RunResult((huge,)))) < 300_000


def test_a_scenario_without_steps_has_no_timeline() -> None:
    bare = ScenarioResult("bare", "bare.yaml", "legacy", "passed")
    assert "Timeline" not in body_of(html.render(RunResult((bare,))))


def _luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast_in_light_and_dark() -> None:
    style = html.render(RunResult()).partition("<style>")[2].partition("</style>")[0]
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    for root in roots:
        colors: dict[str, str] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root))
        grounds = [colors[name] for name in ("paper", "panel", "soft", "failed-soft")]
        for name in ("ink", "quiet", "passed", "failed", "known", "error"):
            assert min(_contrast(colors[name], ground) for ground in grounds) >= 4.5, (name, colors[name])
        for mark in [f"c{number}" for number in range(8)]:
            assert _contrast(colors["mark-ink"], colors[mark]) >= 4.5, mark
        for status in ("failed", "error"):
            assert _contrast(colors["on-status"], colors[status]) >= 4.5, status
