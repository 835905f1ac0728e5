"""The run as Markdown for a CI step summary: failures in full, passed scenarios folded.

GitHub shows at most 1 MiB of summary and nothing at all of a longer one, so the text is cut, worst first, and says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from harness.report.overview import (
    STATUS_NAMES,
    WORST_FIRST,
    checks_text,
    failing,
    measures,
    sentence,
    systems,
    tally,
    verdict,
)
from harness.report.plain import one_line, plural, shorten, value, visible
from harness.scenario.results import CheckResult, RunResult, ScenarioResult, ScenarioStatus

LIMIT: Final = 1_000_000
"""The most bytes of UTF-8 a report has."""

_RESERVE: Final = 1_000
_TEXT_WIDTH: Final = 500
_VALUE_WIDTH: Final = 300
_MOST_CHECKS: Final = 30
_MOST_PROBLEMS: Final = 30
_MOST_NOTES: Final = 20
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "@": "&#64;", ":": "&#58;"}
_MEANING: Final = re.compile(r"[&<>|`@\\*_\[\]#$~]|:(?=//)|^[-+=]")
_NUMBERED: Final = re.compile(r"^([0-9]+)([.)])")


def render(run: RunResult, limit: int = LIMIT) -> str:
    """Return the run as GitHub-flavoured Markdown.

    Args:
        run: the results.
        limit: the most bytes of UTF-8 the text may have.
    """
    page = _Page(limit - _RESERVE)
    for line in _head(run):
        page.add(line)
    left_out: Counter[ScenarioStatus] = Counter()
    for status in WORST_FIRST:
        results = [result for result in run.scenarios if result.status == status]
        if results:
            left_out[status] = len(results) - _add_section(page, status, results)
    if left_out.total():
        page.close(_cut_line(left_out, limit))
    return page.text


class _Page:
    """Lines that together stay under a number of bytes; once something does not fit, nothing more is added."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._parts: list[str] = []
        self._full = False

    def add(self, text: str) -> bool:
        """Add whole lines if they fit, and say whether they did."""
        size = len(text.encode("utf-8")) + 1
        if self._full or size > self._room:
            self._full = True
            return False
        self._room -= size
        self._parts.append(text)
        return True

    def close(self, text: str) -> None:
        """Add lines for which room was reserved."""
        self._parts.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self._parts) + "\n"


def _head(run: RunResult) -> Iterator[str]:
    yield f"# {_escape(verdict(run))}\n"
    yield _escape(tally(run)) + ".\n"
    for note in run.notes[:_MOST_NOTES]:
        yield f"Note: {_text(note)}\n"
    if len(run.notes) > _MOST_NOTES:
        yield f"And {plural(len(run.notes) - _MOST_NOTES, 'more note')}.\n"
    counted = systems(run)
    if counted:
        rows = [[row.id_merge, str(row.passed), str(row.failed), str(row.known_failure)] for row in counted]
        yield _table(("ID merge", "passed", "failed", "known failure"), rows) + "\n"
    if run.quality.events:
        rows = [[measure.name, measure.text, _escape(measure.meaning)] for measure in measures(run)]
        yield _table(("measure", "value", "what it says"), rows) + "\n"


def _add_section(page: _Page, status: ScenarioStatus, results: list[ScenarioResult]) -> int:
    if status in ("passed", "known_failure"):
        return _add_folded(page, status, results)
    title = "Failed" if status == "failed" else "Files that can't be read"
    fitted = page.add(f"## {title}\n")
    shown = 0
    for result in results:
        fitted = fitted and page.add(_failure(result) if status == "failed" else _unreadable(result))
        shown += fitted
    return shown


def _add_folded(page: _Page, status: ScenarioStatus, results: list[ScenarioResult]) -> int:
    count = plural(len(results), "scenario" if status == "passed" else "known failure")
    summary = f"{count} passed" if status == "passed" else count
    last = "users" if status == "passed" else "why"
    headers = ("scenario", "ID merge", "checks", "file", last)
    opening = f"<details><summary>{summary}</summary>\n\n{_table_head(headers)}"
    if not page.add(opening):
        return 0
    shown = 0
    for result in results:
        if not page.add(_table_row(_folded_row(result))):
            break
        shown += 1
    page.close("\n</details>\n")
    return shown


def _folded_row(result: ScenarioResult) -> list[str]:
    last = str(result.users) if result.status == "passed" else _text(sentence(result))
    return [_text(result.name), result.id_merge or "", checks_text(result), _code(result.file), last]


def _failure(result: ScenarioResult) -> str:
    lines = [f"### {_text(result.name)} ({result.id_merge})\n"]
    said = sentence(result)
    if said:
        lines.append(f"{_text(said)}\n")
    lines.append(f"File: {_code(result.file)}\n")
    failed = failing(result)
    if failed:
        rows = (_check_row(check) for check in failed[:_MOST_CHECKS])
        lines.append(_table(("failed check", "expected", "found", "why"), rows) + "\n")
    if len(failed) > _MOST_CHECKS:
        lines.append(f"And {plural(len(failed) - _MOST_CHECKS, 'more failed check')}.\n")
    return "\n".join(lines)


def _check_row(check: CheckResult) -> list[str]:
    return [_code(check.check), _code_value(check.expected), _code_value(check.actual), _text(check.sentence)]


def _unreadable(result: ScenarioResult) -> str:
    lines = [f"### {_code(result.file)}\n"]
    lines += [f"* {_text(str(problem))}" for problem in result.problems[:_MOST_PROBLEMS]]
    if len(result.problems) > _MOST_PROBLEMS:
        lines.append(f"* and {plural(len(result.problems) - _MOST_PROBLEMS, 'more problem')}")
    return "\n".join(lines) + "\n"


def _cut_line(left_out: Counter[ScenarioStatus], limit: int) -> str:
    parts = [f"{left_out[status]:,} {STATUS_NAMES[status]}" for status in WORST_FIRST if left_out[status]]
    room = f"{limit // 1000:,} kB"
    return (
        f"**{plural(left_out.total(), 'scenario')} left out here to stay under {room}: {', '.join(parts)}.** "
        "`report.json` has them all.\n"
    )


def _table(headers: Iterable[str], rows: Iterable[list[str]]) -> str:
    return "\n".join([_table_head(tuple(headers)), *(_table_row(row) for row in rows)])


def _table_head(headers: tuple[str, ...]) -> str:
    return _table_row(list(headers)) + "\n" + _table_row(["---"] * len(headers))


def _table_row(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _text(text: str) -> str:
    return _escape(shorten(one_line(text), _TEXT_WIDTH))


def _code(text: str) -> str:
    return f"<code>{_escape(shorten(visible(text), _VALUE_WIDTH))}</code>"


def _code_value(found: object) -> str:
    return f"<code>{_escape(shorten(value(found), _VALUE_WIDTH))}</code>"


def _escape(text: str) -> str:
    """Return a text in which nothing means anything to Markdown or HTML.

    Entities stand for what HTML and tables read before Markdown does, a backslash for the rest. What means something
    only at the start of a line is left alone elsewhere, so that the source stays readable.
    """
    escaped = _MEANING.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)
    return _NUMBERED.sub(r"\1\\\2", escaped)
