"""Reads a property, in whatever shape it comes, into typed rules.

The shapes are told apart by looking: a JSON document of Reactor objects has `data_elements` and `rules` as lists of
objects with `delegate_descriptor_id`; the YAML shorthand says its name under `property`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.forwarder.json_nodes import parse_json_nodes
from harness.forwarder.model import Action, Condition, DataElement, Property, Rule
from harness.forwarder.property_check import check_property
from harness.forwarder.property_json import read_document
from harness.forwarder.property_yaml import read_shorthand
from harness.problems import InputError, Problems
from harness.source import read_text
from harness.yamltext import Mapping, Node, Scalar, kind_of, parse_yaml

__all__ = ["Action", "Condition", "DataElement", "Property", "Rule", "load_property", "read_property"]

_YAML_SUFFIXES: Final = frozenset({".yaml", ".yml"})


def load_property(path: Path, environment: str = "production") -> Property:
    """Return the property in a file.

    Args:
        path: a JSON document of Reactor objects, or the YAML shorthand.
        environment: the build environment: `development`, `staging`, `production`, or whatever secrets name.

    Raises:
        InputError: with every problem of the file.
    """
    problems = Problems(str(path))
    if path.is_dir():
        problems.add(None, "", "is a folder; only single files can be read so far", "Give one JSON or YAML file.")
        raise InputError(problems.found)
    text = read_text(path, problems)
    property_ = None if text is None else read_property(text, environment, problems, is_yaml=_is_yaml(path))
    if problems or property_ is None:
        raise InputError(problems.found)
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
        problems.add(None, "", "holds neither data_elements nor rules, so it is not a property", fix)
        return None
    return read_document(document, environment, problems)
