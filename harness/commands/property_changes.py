"""What a change of a property does, as people read it: what is different, and what that does to identity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.commands.property_document import events_document
from harness.commands.property_text import short, table
from harness.forwarder.model import Property
from harness.forwarder.property_diff import Change, FieldChange
from harness.report.overview import STATUS_NAMES
from harness.report.plain import one_line, plural, value, visible
from harness.scenario.compare import CheckChange, Comparison, partition
from harness.scenario.results import People

_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_INDENT = "    "
_MOST_IDS = 4
_PLAIN_ID = re.compile(r"[^\s=;\"]+")


def changes_text(
    property_: Property, other: Property, changes: Sequence[Change], comparisons: Sequence[Comparison]
) -> str:
    """Return what is different in the other property, and which scenarios end differently with it."""
    # Scenarios where other users come out are what matters most.
    changed = sorted((one for one in comparisons if one.changed), key=lambda one: not one.has_other_users)
    lines = [f"from  {property_.file}", f"to    {other.file}", ""]
    lines += _changes(changes)
    if comparisons:
        lines += ["", *_events(comparisons), *_table(changed)]
        lines += ["", f"{plural(len(comparisons), 'scenario')} compared: {_verdict(changed)}"]
    return "\n".join(lines)


def _verdict(changed: Sequence[Comparison]) -> str:
    if not changed:
        return "the same users come out of all of them"
    moved = sum(one.has_other_users for one in changed)
    same = len(changed) - moved
    parts = [f"other users come out of {moved}"] if moved else []
    parts += [f"{same} {'more ' if moved else ''}with another status and the same users"] if same else []
    return ", ".join(parts)


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "Both do the same: every rule and data element is equal."
    for change in changes:
        where = f'rule "{change.rule}" ' if change.rule is not None else ""
        note = f" ({change.note})" if change.note else ""
        yield visible(f'{_MARKS[change.what]} {where}{change.kind} "{change.name}" {change.what}{note}')
        yield from (f"{_INDENT}{_field(field)}" for field in change.fields)


def _field(field: FieldChange) -> str:
    before = "nothing" if field.what == "added" else short(field.before)
    after = "nothing" if field.what == "removed" else short(field.after)
    return f"{visible(field.field)}: {before} -> {after}"


def _events(comparisons: Sequence[Comparison]) -> Iterator[str]:
    total = events_document(comparisons)
    parts = [f"{field} differs in {count}" for field, count in total["differ"].items() if count]
    parts += [f"{total['gone']} no longer sent"] if total["gone"] else []
    parts += [f"{total['new']} sent only now"] if total["new"] else []
    said = "; ".join(parts) or "all carry the same ids"
    yield f"{plural(total['matched'] + total['gone'], 'event')} of the rules compared: {said}"


def _table(changed: Sequence[Comparison]) -> Iterator[str]:
    if not changed:
        return
    rows = [_row(one) for one in changed]
    drawn = list(table(rows, ("status", "scenario", "ID merge", "users", "file")))
    yield ""
    yield from drawn[:2]
    for line, one in zip(drawn[2:], changed, strict=True):
        yield line
        yield from (f"{_INDENT}{detail}" for detail in _details(one))


def _row(one: Comparison) -> tuple[str, ...]:
    before, after = one.before, one.after
    return (
        _moved(STATUS_NAMES[before.status], STATUS_NAMES[after.status]),
        one_line(before.name),
        before.id_merge or "",
        _moved(str(before.users), str(after.users)),
        visible(before.file),
    )


def _moved(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def _details(one: Comparison) -> Iterator[str]:
    if one.after.status != "passed" and one.after.headline:
        yield one_line(one.after.headline)
    elif one.before.status != "passed" and one.before.headline:
        yield f"no longer so: {one_line(one.before.headline)}"
    yield from _people(one.before.people, one.after.people)
    yield from _clusters(one)
    yield from (_check(check) for check in one.checks if check.check not in ("split", "mixed"))


def _people(before: People, after: People) -> Iterator[str]:
    old_mixed, new_mixed = ({" and ".join(group) for group in people.mixed} for people in (before, after))
    for said, names in (
        ("split now", set(after.split) - set(before.split)),
        ("no longer split", set(before.split) - set(after.split)),
        ("mixed now", new_mixed - old_mixed),
        ("no longer mixed", old_mixed - new_mixed),
    ):
        if names:
            yield visible(f"{said}: {', '.join(sorted(names))}")


def _clusters(one: Comparison) -> Iterator[str]:
    before, after = partition(one.before), partition(one.after)
    for said, clusters in (("users only before", before - after), ("users only now", after - before)):
        if clusters:
            yield visible(f"{said}: {'; '.join(_ids(ids) for ids in sorted(clusters))}")


def _ids(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return " = ".join(one if _PLAIN_ID.fullmatch(one) else value(one) for one in ids[:_MOST_IDS]) + more


def _check(change: CheckChange) -> str:
    said = f"- {change.check}: {change.before or 'not made'} -> {change.after or 'not made'}"
    return one_line(f"{said}: {change.sentence}" if change.sentence else said)
