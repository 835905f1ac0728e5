from __future__ import annotations

import re
from dataclasses import replace

from harness.report import markdown
from harness.scenario.results import CheckResult, RunResult
from tests.report.samples import green, hostile, passing, rich, shared_device, with_hostile

OWN_TAGS = {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}


def test_failures_are_tables_and_passed_scenarios_are_folded() -> None:
    text = markdown.render(rich())
    assert "## Failed" in text
    assert "| failed check | expected | found | why |" in text
    assert "<details><summary>3 scenarios passed</summary>" in text
    assert text.index("## Files that can't be read") < text.index("## Failed") < text.index("<details>")


def test_no_html_comes_from_a_name() -> None:
    text = markdown.render(with_hostile())
    assert set(re.findall(r"<[^>]*>", text)) == OWN_TAGS
    assert text.count("<code>") == text.count("</code>")
    assert text.count("<details>") == text.count("</details>")


def test_nothing_in_a_name_means_anything_to_markdown() -> None:
    text = markdown.render(RunResult((hostile(),)))
    for active in ("**b**", "[link](", "![i](", "~~s~~", "`c`", " @team", "$x$", "\n# heading", "://"):
        assert active not in text.partition("## Failed")[2], active


def test_every_row_of_a_table_has_the_columns_of_its_head() -> None:
    for block in markdown.render(with_hostile()).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


def test_a_text_that_starts_like_a_list_is_no_list() -> None:
    for start in ("1. first", "- first", "+ first", "= first", "# first", "> first"):
        text = markdown.render(RunResult((replace(shared_device(), headline=start),)))
        assert f"\n{start}" not in text


def test_a_huge_run_is_cut_worst_first_and_says_what_is_missing() -> None:
    many = tuple(replace(shared_device(), name=f"Failure {number}") for number in range(3000))
    run = RunResult((*green(5000).scenarios, *many))
    text = markdown.render(run)
    assert len(text.encode("utf-8")) <= markdown.LIMIT
    assert "### Failure 0 (simplified)" in text
    left_out = re.search(
        r"\*\*([0-9,]+) scenarios left out here to stay under 1,000 kB: ([0-9,]+) failed, 5,000 passed", text
    )
    assert left_out is not None
    shown = len(re.findall(r"^### Failure", text, re.MULTILINE))
    assert int(left_out[2].replace(",", "")) == 3000 - shown
    assert text.rstrip().endswith("`report.json` has them all.")


def test_a_run_cut_among_passed_scenarios_still_closes_its_block() -> None:
    text = markdown.render(green(2000), limit=20_000)
    assert len(text.encode("utf-8")) <= 20_000
    assert text.count("<details>") == text.count("</details>") == 1
    assert "scenarios left out here to stay under 20 kB" in text


def test_long_values_are_cut() -> None:
    check = CheckResult("users", "failed", ["x" * 100_000], 1, "y" * 100_000)
    text = markdown.render(RunResult((replace(passing(), status="failed", checks=(check,) * 100),)))
    assert len(text) < 80_000
    assert "And 70 more failed checks" in text


def test_an_empty_run_is_a_title() -> None:
    assert markdown.render(RunResult()).startswith("# No scenarios")
