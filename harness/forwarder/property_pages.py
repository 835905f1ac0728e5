"""Whether an answer of the Reactor API is complete: lists come in pages, and a page of rules is not a property."""

from __future__ import annotations

from harness.problems import Problems
from harness.yamltext import Mapping, Node, Scalar


def check_complete(document: Mapping, held: int, problems: Problems) -> None:
    """Note an answer that is only a part of the list: a next page, or a total that is larger than what is there.

    Args:
        document: the answer, `{"data": [...], "meta": {"pagination": ...}}`; without pagination it counts as complete.
        held: how many resources it holds.
        problems: where that is noted.
    """
    pagination = _inner(_inner(document, "meta"), "pagination")
    if not isinstance(pagination, Mapping):
        return
    next_page, total = (_value(pagination, key) for key in ("next_page", "total_count"))
    current, pages = (_number(pagination, key) for key in ("current_page", "total_pages"))
    has_more = next_page is not None or (current is not None and pages is not None and current < pages)
    lacks = isinstance(total, (int, float)) and total > held
    if not has_more and not lacks:
        return
    of = f" of {total:g}" if isinstance(total, (int, float)) else ""
    page = f" (page {current:g} of {pages:g})" if current is not None and pages is not None else ""
    missing = f"; {total - held:g} are missing" if isinstance(total, (int, float)) and total > held else ""
    after = f"; page {next_page} follows" if next_page is not None else ""
    line = pagination.line
    message = f"holds only {held}{of} resources{page}{missing}{after}"
    fix = "Ask for every page (page[number], page[size]=100) and join their `data` in one list."
    problems.add(line, "meta.pagination", message, fix)


def _inner(node: Node | None, key: str) -> Node | None:
    return node.entries.get(key) if isinstance(node, Mapping) else None


def _value(node: Mapping, key: str) -> str | float | bool | None:
    inner = node.entries.get(key)
    return inner.value if isinstance(inner, Scalar) else None


def _number(node: Mapping, key: str) -> float | None:
    value = _value(node, key)
    return value if isinstance(value, (int, float)) else None
