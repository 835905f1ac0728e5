"""What can be wrong with a property whose parts are well-formed: names, tags tokens, what the build can't take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from harness.event import Json
from harness.forwarder.javascript import code_host
from harness.forwarder.model import Action, Condition, DataElement, Property
from harness.forwarder.tokens import BuildError, built_data, template
from harness.problems import Problems

MAX_CHAIN: Final = 100
_WHOLE_TAG = re.compile(r"%[^%\s{}](?:[^%{}]*[^%\s{}])?%")
_TAG = re.compile(r"%([^%]+)%")


def check_property(property_: Property, problems: Problems) -> None:
    """Note every mistake that shows only when the parts are looked at together, or as Adobe's build looks at them."""
    _check_names(property_.data_elements, problems)
    _check_depth(property_, problems)
    names = {element.name for element in property_.data_elements}
    for element in property_.data_elements:
        _check_default(element, problems)
    parts: list[DataElement | Condition | Action] = list(property_.data_elements)
    for rule in property_.rules:
        parts += [*rule.conditions, *rule.actions]
    for part in parts:
        if part.type == "custom-code":
            _check_code(part, problems)
        elif not _is_tags(part, names, problems):
            _check_build(part, problems)


def _at(part: DataElement | Condition | Action, problems: Problems) -> Problems:
    """Return what notes the mistakes of the file that a part stands in."""
    return problems.of(part.file) if part.file else problems


def _check_names(elements: tuple[DataElement, ...], problems: Problems) -> None:
    first: dict[str, DataElement] = {}
    for element in elements:
        other = first.setdefault(element.name, element)
        if other is not element:
            message = f"has the name of another data element ({_place(other, element)})"
            _at(element, problems).add(element.line, element.where, message, "Rename one of them.")


def _place(part: DataElement, seen_from: DataElement) -> str:
    if part.file != seen_from.file:
        return part.file
    return part.where if part.line is None else f"line {part.line}"


def _check_depth(property_: Property, problems: Problems) -> None:
    """Note data elements that are made of others through more than `MAX_CHAIN` of them."""
    elements = {element.name: element for element in property_.data_elements}
    waiting = {name: set(_inner_names(element)) & elements.keys() for name, element in elements.items()}
    for _ in range(MAX_CHAIN):
        ready = {name for name, inner in waiting.items() if not inner}
        if not ready:
            return
        waiting = {name: inner - ready for name, inner in waiting.items() if inner}
    for element in (elements[name] for name, inner in waiting.items() if not inner):
        message = f"is made of other data elements through more than {MAX_CHAIN} steps"
        _at(element, problems).add(element.line, element.where, message, "Make the chain shorter.")


def _inner_names(element: DataElement) -> tuple[str, ...]:
    try:
        return template(element.settings).names
    except BuildError:
        return ()


def _check_default(element: DataElement, problems: Problems) -> None:
    try:
        built_data(element.default_value)
    except BuildError as error:
        message = f"default_value can't be built: {error}"
        _at(element, problems).add(element.line, element.where, message, "Close the braces.")


def _check_build(part: DataElement | Condition | Action, problems: Problems) -> None:
    try:
        template(part.settings)
    except BuildError as error:
        fix = "Rename it, here and wherever it is used."
        _at(part, problems).add(part.line, part.where, f"can't be built: {error}", fix)


def _check_code(part: DataElement | Condition | Action, problems: Problems) -> None:
    """Note custom code that can't be built; without a JavaScript engine nobody can tell."""
    host = code_host()
    problem = None if host is None else host.problem(part)
    if problem is not None:
        _at(part, problems).add(part.line, part.where, f"can't be built: {problem}", "Correct its source.")


def _is_tags(part: DataElement | Condition | Action, names: set[str], problems: Problems) -> bool:
    """Return whether settings hold `%name%`, the tokens of a tags property, after noting it.

    A percent sign is common in texts, so only a text that is one such token counts, or the name of a data element.
    """
    for text in _texts(part.settings):
        whole = _WHOLE_TAG.fullmatch(text)
        found = whole[0] if whole else next((f"%{name}%" for name in _TAG.findall(text) if name in names), None)
        if found is not None:
            _at(part, problems).add(
                part.line,
                part.where,
                f"holds the token {found}, so this is a tags property",
                "Export an event forwarding property; its tokens look like {{name}}.",
            )
            return True
    return False


def _texts(value: Json) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            pending.extend(reversed(item))
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
