"""Reads a property, in whatever shape it comes, into typed rules.

The shapes are told apart by looking: a JSON document of Reactor objects has `data_elements` and `rules` as lists of
objects with `delegate_descriptor_id`; the YAML shorthand says its name under `property`; a folder with `rules.json`,
`data_elements.json` and `property.json` holds answers of the API; one with a `data.json` beside folders named after
kinds of objects, or the folder around it, is what reactor-downloader writes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from harness.forwarder.json_nodes import parse_json_nodes
from harness.forwarder.model import Action, Condition, DataElement, Property, Rule
from harness.forwarder.property_check import check_property
from harness.forwarder.property_files import is_folder
from harness.forwarder.property_folder import is_answers_folder, read_answers
from harness.forwarder.property_json import read_document
from harness.forwarder.property_tree import find_tree, read_tree
from harness.forwarder.property_yaml import read_shorthand
from harness.problems import InputError, Problems
from harness.source import read_text
from harness.yamltext import Mapping, Node, Scalar, kind_of, parse_yaml

__all__ = ["Action", "Condition", "DataElement", "Property", "Rule", "load_property", "place_of", "read_property"]

_YAML_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_LOST_LINK: Final = re.compile(r"(?:[^\s\0]*/)?PR[0-9a-z]{32}/?\s*")


def load_property(path: Path, environment: str = "production") -> Property:
    """Return the property in a file or folder.

    Args:
        path: a JSON document of Reactor objects, the YAML shorthand, a folder of answers of the API, or the tree that
            reactor-downloader writes.
        environment: the build environment: `development`, `staging`, `production`, or whatever secrets name.

    Raises:
        InputError: with every problem of its files.
    """
    problems = Problems(str(path))
    property_ = (
        _from_folder(path, environment, problems) if is_folder(path) else _from_file(path, environment, problems)
    )
    if problems or property_ is None:
        # A component that several rules share has its mistakes once a rule.
        raise InputError(list(dict.fromkeys(problems.found)))
    return property_


def place_of(path: Path) -> Path:
    """Return where a property is, so that two ways to one property are equal: links and the folder around a tree."""
    root = find_tree(path, Problems("")) if is_folder(path) and not is_answers_folder(path, Problems("")) else None
    return Path(os.path.realpath(root or path))


def _from_file(path: Path, environment: str, problems: Problems) -> Property | None:
    text = read_text(path, problems)
    if text is not None and _LOST_LINK.fullmatch(text):
        message = f"is a plain file where a symbolic link to {text.strip()} was; a zip or a checkout has lost it"
        problems.add(None, "", message, f"Give the folder {text.strip()} itself.")
        return None
    return None if text is None else read_property(text, environment, problems, is_yaml=_is_yaml(path))


def _from_folder(path: Path, environment: str, problems: Problems) -> Property | None:
    property_: Property | None = None
    if is_answers_folder(path, problems):
        property_ = read_answers(path, environment, problems)
    elif (root := find_tree(path, problems)) is not None:
        property_ = read_tree(root, environment, problems)
    elif not problems:
        message = "is a folder that holds no property"
        fix = (
            "It needs property.json, rules.json, data_elements.json and one RL....json a rule, as the API answers; "
            "or the folder PR... that reactor-downloader writes."
        )
        problems.add(None, "", message, fix)
    if property_ is not None and not problems:
        check_property(property_, problems)
    return property_


def read_property(text: str, environment: str, problems: Problems, *, is_yaml: bool) -> Property | None:
    """Return the property that a text holds; mistakes are noted, and then the result is not to be used.

    Args:
        text: the text of a file.
        environment: the build environment.
        problems: where mistakes are noted.
        is_yaml: whether it is YAML; otherwise it is JSON.
    """
    document = parse_yaml(text, problems) if is_yaml else parse_json_nodes(text, problems)
    if problems:
        return None
    property_ = _read(document, environment, problems)
    if property_ is not None and not problems:
        check_property(property_, problems)
    return property_


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in _YAML_SUFFIXES


def _read(document: Node | None, environment: str, problems: Problems) -> Property | None:
    if not isinstance(document, Mapping):
        found = "nothing" if document is None else kind_of(document)
        problems.add(None, "", f"needs an object with data_elements and rules, found {found}", "Export the property.")
        return None
    if isinstance(document.entries.get("property"), Scalar):
        return read_shorthand(document, environment, problems)
    if not {"property", "data_elements", "rules"} & document.entries.keys():
        fix = "Give a JSON document of Reactor objects, or the YAML shorthand that begins with `property: name`."
        if "data" in document.entries:
            fix = "It is one answer of the API: give the folder with property.json, rules.json and data_elements.json."
        problems.add(None, "", "holds neither data_elements nor rules, so it is not a property", fix)
        return None
    return read_document(document, environment, problems)
