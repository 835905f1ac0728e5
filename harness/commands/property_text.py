"""A property, and what changes between two, as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tabulate import tabulate

from harness.event import Json
from harness.forwarder.model import DEFAULT_TIMEOUT, Action, Condition, DataElement, Property, Rule
from harness.forwarder.property_uses import Secret, Undefined, Use, secrets, undefined, unused, users
from harness.forwarder.property_words import code_words, condition_words, element_words, value_words
from harness.report.plain import plural, shorten, visible

_SHAPES: Final = {
    "one document": "one JSON document",
    "API answers": "a folder of API answers",
    "downloaded tree": "a tree of reactor-downloader",
    "shorthand": "YAML shorthand",
}
_STANDARD: Final = frozenset({"token", "time", "distinct_id", "$insert_id"})
_WIDTH: Final = 100
_INDENT: Final = "  "


def property_text(property_: Property) -> str:
    """Return everything that was understood of a property."""
    parts = [
        "\n".join(_head(property_)),
        *("\n".join(_rule(number, rule)) for number, rule in enumerate(property_.rules, 1)),
        "\n".join(_elements(property_)),
        "\n".join(_secrets(secrets(property_))),
        "\n".join(_undefined(undefined(property_))),
        "\n".join(_left_out(property_)),
    ]
    return "\n\n".join(part for part in parts if part)


def table(rows: Sequence[Sequence[str]], headers: Sequence[str] = (), indent: str = "") -> Iterator[str]:
    """Yield the lines of a table."""
    form = "simple" if headers else "plain"
    drawn = tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True)
    yield from (f"{indent}{line}".rstrip() for line in drawn.split("\n"))


def short(value: Json) -> str:
    """Return a value of settings on one line, cut where it is long."""
    return shorten(visible(value_words(value)), _WIDTH)


def _head(property_: Property) -> Iterator[str]:
    yield f"{visible(property_.name) or 'a property without a name'}, {_SHAPES[property_.shape]}: {property_.file}"
    counts = [
        f"environment {visible(property_.environment)}",
        plural(len(property_.rules), "rule"),
        plural(len(property_.data_elements), "data element"),
    ]
    if property_.extensions:
        counts.append(f"extensions {visible(', '.join(property_.extensions))}")
    yield " · ".join(counts)


def _rule(number: int, rule: Rule) -> Iterator[str]:
    yield f"Rule {number}: {visible(rule.name)}"
    for position, condition in enumerate(rule.conditions):
        yield f"{_INDENT}{'and' if position else 'if '} {_one_condition(condition)}"
    if not rule.conditions:
        yield f"{_INDENT}always"
    if not rule.actions:
        yield f"{_INDENT}does nothing: it has no action"
    for action in rule.actions:
        yield from _action(action)


def _one_condition(condition: Condition) -> str:
    return shorten(visible(condition_words(condition)), _WIDTH) + _timeout(condition)


def _action(action: Action) -> Iterator[str]:
    settings = action.settings or {}
    if action.type == "custom-code":
        key = settings.get("keyName")
        kept = f", kept as {short(key)}" if key else ""
        yield f"{_INDENT}run {shorten(visible(code_words(settings)), _WIDTH)}{kept}{_timeout(action)}"
        return
    yield f"{_INDENT}send the event {short(settings.get('event'))}{_timeout(action)}"
    rows = list(_sent(settings))
    if rows:
        yield from table(rows, indent=_INDENT * 3)


def _sent(settings: dict[str, Json]) -> Iterator[tuple[str, str, str]]:
    """Yield the event properties of an action, and for custom ones what they do to the standard ones."""
    standard, custom = settings.get("properties"), settings.get("custom_properties")
    known = standard if isinstance(standard, dict) else {}
    more = custom if isinstance(custom, dict) else {}
    for key, value in known.items():
        yield visible(key), short(value), "overridden below" if key in more else ""
    for key, value in more.items():
        note = "custom, wins over the one above" if key in known else "custom"
        yield visible(key), short(value), f"{note}; a standard one" if key in _STANDARD - known.keys() else note
    if isinstance(custom, str):
        yield "(custom)", short(custom), "all properties of this value"


def _timeout(part: Condition | Action) -> str:
    return "" if part.timeout == DEFAULT_TIMEOUT else f"  (timeout {part.timeout:g} ms)"


def _elements(property_: Property) -> Iterator[str]:
    if not property_.data_elements:
        return
    used_by, idle = users(property_), set(unused(property_))
    rows = []
    for element in property_.data_elements:
        by = shorten(visible(_by(used_by.get(element.name, []))), _WIDTH)
        if element.name in idle:
            by = f"{by}, but no rule asks for it: unused" if by else "nobody: unused"
        rows.append((*_element(element), by))
    yield "Data elements"
    yield from table(rows, ("name", "type", "reads", "then", "used by"))


def _element(element: DataElement) -> tuple[str, str, str, str]:
    changes = [f"default {short(_as_json_text(element.default_value))}"] if element.default_value is not None else []
    changes += ["clean"] if element.clean_text else []
    changes += ["lower case"] if element.force_lower_case else []
    reads = shorten(visible(element_words(element)), _WIDTH // 2)
    return visible(element.name), element.type, reads, ", ".join(changes)


def _as_json_text(value: Json) -> str:
    return f'"{value}"' if isinstance(value, str) else value_words(value)


def _by(uses: list[Use]) -> str:
    """Return who names a data element: rules by their numbers, other data elements by their names."""
    numbers = list(dict.fromkeys(str(use.number) for use in uses if use.number is not None))
    names = [use.name for use in uses if use.number is None]
    parts = [f"rule{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"] if numbers else []
    return "; ".join(parts + names)


def _secrets(found: list[Secret]) -> Iterator[str]:
    if not found:
        return
    yield f"Secrets in the environment {visible(found[0].environment)} (their values are in no property)"
    rows = []
    for one in found:
        own_id = visible(one.id) if one.id is not None else "none: every rule that asks for it fails"
        rows.append((visible(one.element), own_id, visible(one.name or ""), "" if one.is_needed else "unused"))
    yield from table(rows, ("data element", "secret id", "secret name", ""))


def _undefined(found: list[Undefined]) -> Iterator[str]:
    if not found:
        return
    yield "Undefined data elements: whatever names one fails"
    for one in found:
        why = "was never there" if one.reason == "unknown" else f"is {one.reason}"
        hint = f"; did you mean {visible(one.nearest)}?" if one.nearest is not None else ""
        yield f"{_INDENT}{visible(one.name)} {why}, and is named by {visible('; '.join(map(str, one.used_by)))}{hint}"


def _left_out(property_: Property) -> Iterator[str]:
    if not property_.left_out:
        return
    yield "Left out, because a build has no such things"
    rows = []
    for one in property_.left_out:
        place = one.file or property_.file
        rows.append((one.reason, one.kind, visible(one.name), place if one.line is None else f"{place}:{one.line}"))
    yield from table(rows, indent=_INDENT)
