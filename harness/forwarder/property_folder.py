"""A property as a folder of raw API answers: `property.json`, `rules.json`, `data_elements.json`, and one file of rule
components a rule, named after the rule's id. Each holds an answer `{"data": ..., "meta": ...}`, or bare resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.forwarder.model import LeftOut, Property, Rule
from harness.forwarder.property_files import entries_of, is_file, read_json_file
from harness.forwarder.property_objects import (
    extension_name,
    flat,
    is_edge,
    is_live,
    is_null,
    optional_text,
    quoted,
    read_data_element,
    read_rule,
)
from harness.forwarder.property_pages import check_complete
from harness.problems import Problems
from harness.source import Reader
from harness.yamltext import Mapping, Node, Scalar, Sequence, kind_of, plain

_PROPERTY: Final = "property.json"
_RULES: Final = "rules.json"
_ELEMENTS: Final = "data_elements.json"
_EXTENSIONS: Final = "extensions.json"
_NEEDED: Final = {
    _PROPERTY: "/properties/PR...",
    _RULES: "/properties/PR.../rules",
    _ELEMENTS: "/properties/PR.../data_elements",
}
_COMPONENTS_FILE: Final = re.compile(r"RL[0-9A-Za-z]*\.json")
_ID: Final = re.compile(r"[0-9A-Za-z_-]+")
_TYPES: Final = frozenset({"properties", "rules", "data_elements", "rule_components", "extensions"})


def is_answers_folder(folder: Path, problems: Problems) -> bool:
    """Return whether a folder looks like one of raw API answers."""
    names = {entry.name for entry in entries_of(folder, problems)}
    return bool(names & _NEEDED.keys()) or any(_COMPONENTS_FILE.fullmatch(name) for name in names)


def read_answers(folder: Path, environment: str, problems: Problems) -> Property:
    """Return the property of a folder of API answers; mistakes are noted, and then it is not to be used.

    Args:
        folder: the folder.
        environment: the build environment.
        problems: where mistakes are noted.
    """
    described = _resources(folder, _PROPERTY, "properties", problems)
    name = (optional_text(described[0], "name") or "") if described else ""
    if len(described) > 1:
        message = f"holds {len(described)} properties; a folder is one property"
        problems.of(str(folder / _PROPERTY)).add(None, "", message, "Keep the one that the rules belong to.")
    if described and not is_edge(described[0]):
        return Property(name, environment, (), (), problems.file, "API answers")
    left_out: list[LeftOut] = []
    elements = [
        read_data_element(reader)
        for reader in _resources(folder, _ELEMENTS, "data_elements", problems)
        if is_live(reader, "data element", left_out)
    ]
    return Property(
        name,
        environment,
        tuple(element for element in elements if element is not None),
        tuple(_rules(folder, problems, left_out)),
        problems.file,
        "API answers",
        tuple(left_out),
        tuple(_extensions(folder, problems)),
    )


def _rules(folder: Path, problems: Problems, left_out: list[LeftOut]) -> Iterator[Rule]:
    resources = _resources(folder, _RULES, "rules", problems)
    ids = {optional_text(resource, "id") or "" for resource in resources}
    if is_file(folder / _RULES):
        _refuse_strangers(folder, ids, problems)
    for resource in resources:
        if not is_live(resource, "rule", left_out):
            continue
        label = f"rule {quoted(optional_text(resource, 'name') or '')}"
        components = [
            component
            for component in _components(folder, resource, label, problems)
            if is_live(component, "rule component", left_out)
        ]
        rule = read_rule(resource, components, label)
        if rule is not None:
            yield rule


def _components(folder: Path, rule: Reader, label: str, problems: Problems) -> list[Reader]:
    """Return the components of a rule, from the file named after its id, or from the rule itself."""
    if not is_null(rule, "rule_components"):
        inside = rule.items("rule_components", "rule components") or []
        return _each(_by_key(inside, rule.path("rule_components")), rule.problems)
    rule_id = optional_text(rule, "id") or ""
    if not _ID.fullmatch(rule_id):
        message = "is no id, so nothing says which file holds the components of the rule" if rule_id else "is missing"
        rule.wrong("id", message, "The file of its components is named after it: RL... .json.")
        return []
    name = f"{rule_id}.json"
    if is_file(folder / name):
        return _resources(folder, name, "rule_components", problems)
    message = f"is missing; it holds the components of the {label}"
    fix = f"Save there what GET /rules/{rule_id}/rule_components answers."
    problems.of(str(folder / name)).add(None, "", message, fix)
    return []


def _refuse_strangers(folder: Path, ids: set[str], problems: Problems) -> None:
    """Note files of components whose rule is not in the folder: either the rule or the file is out of date."""
    for entry in entries_of(folder, problems):
        if _COMPONENTS_FILE.fullmatch(entry.name) and entry.stem not in ids:
            message = f"holds the components of a rule that {_RULES} does not have"
            problems.of(str(entry)).add(None, "", message, "Fetch the rules again, or remove this file.")


def _extensions(folder: Path, problems: Problems) -> Iterator[str]:
    if not is_file(folder / _EXTENSIONS):
        return
    for reader in _resources(folder, _EXTENSIONS, "extensions", problems):
        name = extension_name(reader)
        if name is not None:
            yield name


def _resources(folder: Path, name: str, type_: str, problems: Problems) -> list[Reader]:
    """Return the resources of a file; what is wrong with it, or missing in it, is noted."""
    path = folder / name
    inside = problems.of(str(path))
    if name in _NEEDED and not is_file(path):
        inside.add(None, "", "is missing", f"Save there what GET {_NEEDED[name]} answers.")
        return []
    document = read_json_file(path, problems)
    if document is None:
        return []
    nodes = _data(document, inside)
    readers = _each(nodes, inside)
    for reader in readers:
        _check_type(reader, type_)
    _refuse_repeats(readers)
    if isinstance(document, Mapping):
        check_complete(document, len(nodes), inside)
    return readers


def _data(document: Node, problems: Problems) -> dict[str, Node]:
    """Return the resources of an answer, or of a list, or the only one, by the keys they stand under."""
    if isinstance(document, Sequence):
        return _by_key(document.items, "")
    if not isinstance(document, Mapping):
        message = f"needs an answer of the API or its resources, found {kind_of(document)}"
        problems.add(document.line, "", message, "Save the answer as it comes.")
        return {}
    if "errors" in document.entries and "data" not in document.entries:
        text = str(plain(document.entries["errors"]))[:200]
        problems.add(document.line, "errors", f"is what the API answers to a request that failed: {text}", "Ask again.")
        return {}
    data = document.entries.get("data")
    if data is None:
        return {"": document}
    if isinstance(data, Sequence):
        return _by_key(data.items, "data")
    if isinstance(data, Mapping):
        return {"data": data}
    problems.add(data.line, "data", f"needs a list of resources, found {kind_of(data)}", "Save the answer as it comes.")
    return {}


def _by_key(nodes: list[Node], key: str) -> dict[str, Node]:
    return {f"{key}[{index}]": node for index, node in enumerate(nodes)}


def _each(nodes: dict[str, Node], problems: Problems) -> list[Reader]:
    readers = []
    for where, node in nodes.items():
        if isinstance(node, Mapping):
            readers.append(flat(node, where, problems))
        else:
            problems.add(node.line, where, f"needs an object, found {kind_of(node)}")
    return readers


def _check_type(reader: Reader, type_: str) -> None:
    node = reader.get("type")
    found = node.value if isinstance(node, Scalar) else None
    if found != type_ and found in _TYPES:
        reader.wrong("type", f"is {found!r}; this file is for {type_}", "Save the right answer under this name.")


def _refuse_repeats(readers: list[Reader]) -> None:
    first: dict[str, Reader] = {}
    for reader in readers:
        own_id = reader.data("id")
        if isinstance(own_id, str) and first.setdefault(own_id, reader) is not reader:
            message = f"is here twice: {own_id} is also at line {first[own_id].line('id')}"
            reader.wrong("id", message, "Join each page of the answer once.")
