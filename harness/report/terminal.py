"""The run as a terminal shows it: one table, worst first, and under each failure what went wrong."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from tabulate import tabulate

from harness.report.overview import (
    STATUS_NAMES,
    checks_text,
    failing,
    quality_text,
    sentence,
    tally,
    worst_first,
)
from harness.report.plain import one_line, plural, shorten, shorten_middle, value, visible
from harness.scenario.results import CheckResult, RunResult, ScenarioResult, ScenarioStatus

Detail: TypeAlias = Literal["failures", "all"]
"""Whether many scenarios that ended as they should are only counted, by folder, or all listed."""

_HEADERS: Final = ("status", "scenario", "ID merge", "users", "checks", "file")
_FEW: Final = 20
_AS_IT_SHOULD: Final[tuple[ScenarioStatus, ...]] = ("known_failure", "passed")
_FIXED_WIDTH: Final = 48
_INDENT: Final = "    "
_VALUE_WIDTH: Final = 200
_MOST_CHECKS: Final = 20
_COLORS: Final[dict[ScenarioStatus, str]] = {
    "error": "\x1b[35m",
    "failed": "\x1b[31m",
    "known_failure": "\x1b[33m",
    "passed": "\x1b[32m",
}
_RESET: Final = "\x1b[0m"

_Row: TypeAlias = tuple[str, ...]


def render(run: RunResult, *, color: bool = False, width: int | None = None, detail: Detail = "failures") -> str:
    """Return the run as text for a terminal; the last line sums it up.

    Args:
        run: the results.
        color: whether the status is coloured with ANSI escapes.
        width: columns of the terminal; None: nothing is cut or wrapped.
        detail: whether many passed scenarios and known failures are only counted, by folder, or all listed.
    """
    lines = [*_table(run, color=color, width=width, detail=detail)]
    if lines:
        lines.append("")
    lines += [f"note: {one_line(note)}" for note in run.notes]
    measured = quality_text(run)
    lines.append(tally(run) + (f" · {measured}" if measured else ""))
    return "\n".join(lines)


def _table(run: RunResult, *, color: bool, width: int | None, detail: Detail) -> Iterator[str]:
    results = worst_first(run)
    fold = {status for status in _AS_IT_SHOULD if detail == "failures" and run.count(status) > _FEW}
    listed = [result for result in results if result.status not in fold]
    folded = _by_folder([result for result in results if result.status in fold], color=color, width=width)
    rows = [_row(result, color=color, width=width) for result in listed]
    if not rows and not folded:
        return
    drawn = tabulate(rows + folded, headers=_HEADERS, tablefmt="simple", disable_numparse=True).split("\n")
    yield from (line.rstrip() for line in drawn[:2])
    for place, line in enumerate(drawn[2:]):
        yield line.rstrip()
        if place < len(listed):
            yield from details(listed[place], width)


def _row(result: ScenarioResult, *, color: bool, width: int | None) -> _Row:
    name, file = _fitted(one_line(result.name), visible(result.file), width)
    status = _status(result.status, color=color)
    if result.status == "error":
        return (status, name, result.id_merge or "", "", "", file)
    return (status, name, result.id_merge or "", str(result.users), checks_text(result), file)


def _by_folder(results: list[ScenarioResult], *, color: bool, width: int | None) -> list[_Row]:
    scenarios = Counter((result.status, _folder(result.file)) for result in results)
    files = Counter((status, _folder(file)) for status, file in {(result.status, result.file) for result in results})
    rows: list[_Row] = []
    for (status, folder), count in scenarios.items():
        text = plural(count, "scenario")
        if files[status, folder] != count:
            text += f" in {plural(files[status, folder], 'file')}"
        name, where = _fitted(text, visible(folder), width)
        rows.append((_status(status, color=color), name, "", "", "", where))
    return rows


def _folder(file: str) -> str:
    return file.rpartition("/")[0] + "/" if "/" in file else "./"


def _status(status: ScenarioStatus, *, color: bool) -> str:
    name = STATUS_NAMES[status]
    return f"{_COLORS[status]}{name}{_RESET}" if color else name


def _fitted(name: str, file: str, width: int | None) -> tuple[str, str]:
    if width is None:
        return name, file
    left = max(width - _FIXED_WIDTH, 36)
    return shorten(name, left * 3 // 5), shorten_middle(file, left * 2 // 5)


def details(result: ScenarioResult, width: int | None = None) -> Iterator[str]:
    """Yield what stands under a scenario that did not pass: what went wrong in one sentence, then each failed check."""
    if result.status == "passed":
        return
    if result.status == "error":
        for problem in result.problems:
            yield from _wrapped(f"- {one_line(str(problem))}", _INDENT, width)
        return
    yield from _wrapped(sentence(result), _INDENT, width)
    if result.status == "failed":
        yield from _failed_checks(result, width)


def _failed_checks(result: ScenarioResult, width: int | None) -> Iterator[str]:
    failed = failing(result)
    said = sentence(result)
    for check in failed[:_MOST_CHECKS]:
        yield from _wrapped(f"- {_expected_and_found(check)}", _INDENT, width)
        why = one_line(check.sentence)
        if why and why != said:
            yield from _wrapped(why, _INDENT + "  ", width)
    if len(failed) > _MOST_CHECKS:
        yield f"{_INDENT}- and {plural(len(failed) - _MOST_CHECKS, 'more failed check')}; report.json has them all"


def _expected_and_found(check: CheckResult) -> str:
    expected = shorten(value(check.expected), _VALUE_WIDTH)
    actual = shorten(value(check.actual), _VALUE_WIDTH)
    return f"{visible(check.check)}: expected {expected}, found {actual}"


def _wrapped(text: str, indent: str, width: int | None) -> list[str]:
    if not text:
        return []
    if width is None:
        return [indent + text]
    further = indent + "  " if text.startswith("- ") else indent
    return textwrap.wrap(text, max(width, 40), initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
