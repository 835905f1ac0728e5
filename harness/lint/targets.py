"""What is to be linted: paths become files, and what each one is shows in what it holds.

A property is a JSON document, a YAML shorthand or a folder; a scenario is YAML with steps; an event file has one event
a line. In a folder everything that is none of these is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from harness.forwarder.property_files import is_file, is_folder
from harness.forwarder.property_folder import is_answers_folder
from harness.forwarder.property_tree import find_tree
from harness.jsontext import parse
from harness.problems import Problem, Problems
from harness.scenario.format import is_property_file
from harness.yamltext import Mapping, parse_yaml

Kind: TypeAlias = Literal["property", "events", "scenario"]

STDIN: Final = "-"
_YAML: Final = frozenset({".yaml", ".yml"})
_LINES: Final = frozenset({".jsonl", ".ndjson"})
_KNOWN: Final = frozenset({".json", *_YAML, *_LINES})
_ANSWERS: Final = ("property.json", "rules.json", "data_elements.json")
_LARGEST_DOCUMENT: Final = 16_000_000
_LINES_TRIED: Final = 20
_NONE_OF_THEM: Final = "is neither a property, nor an event file, nor a scenario"


class Target(NamedTuple):
    """One thing to lint.

    Attributes:
        path: where it is.
        file: its name in messages.
        kind: what it is.
        is_named: whether it was named itself, and not found in a folder.
        raw: the bytes of an event file; empty for anything else.
    """

    path: Path
    file: str
    kind: Kind
    is_named: bool
    raw: bytes = b""


def find_targets(paths: Sequence[Path], stdin: bytes = b"") -> tuple[list[Target], list[Problem]]:
    """Return everything to lint under some paths, each once, folders in the order of names.

    Args:
        paths: files and folders; `-` stands for standard input.
        stdin: what standard input holds.

    Returns:
        The targets, and a problem for every path that holds nothing to lint.
    """
    found: dict[str, Target] = {}
    problems: list[Problem] = []
    for path in paths:
        try:
            inside = list(_under(path, stdin))
        except (OSError, ValueError) as error:
            text = (error.strerror if isinstance(error, OSError) else None) or str(error)
            problems.append(Problem(str(path), None, "", f"can't be read: {text}", "Check the path."))
            continue
        if not inside:
            what = "holds no property, event file or scenario" if is_folder(path) else _NONE_OF_THEM
            problems.append(Problem(str(path), None, "", what, "`harness lint --help` says what can be linted."))
        for target in inside:
            found.setdefault(os.path.realpath(target.path), target)
    return list(found.values()), problems


def _under(path: Path, stdin: bytes) -> Iterator[Target]:
    if str(path) == STDIN:
        yield Target(path, STDIN, "events", is_named=True, raw=stdin)
    elif not is_folder(path):
        raw = path.read_bytes()
        kind = _kind(path, raw) or _guess(path, raw)
        if kind is not None:
            yield _target(path, kind, raw, is_named=True)
    elif _is_property_folder(path) or find_tree(path, Problems("")) is not None:
        yield Target(path, path.as_posix(), "property", is_named=True)
    else:
        yield from _in_folder(path)


def _in_folder(top: Path) -> Iterator[Target]:
    for name, folders, files in os.walk(top):
        folder = Path(name)
        if _is_property_folder(folder):
            folders.clear()
            yield Target(folder, folder.as_posix(), "property", is_named=False)
            continue
        folders[:] = sorted(inner for inner in folders if not inner.startswith("."))
        for file in sorted(files):
            path = folder / file
            if path.suffix.lower() in _KNOWN and is_file(path):
                raw = path.read_bytes()
                kind = _kind(path, raw)
                if kind is not None:
                    yield _target(path, kind, raw, is_named=False)


def _target(path: Path, kind: Kind, raw: bytes, *, is_named: bool) -> Target:
    return Target(path, path.as_posix(), kind, is_named, raw if kind == "events" else b"")


def _is_property_folder(folder: Path) -> bool:
    """Return whether a folder is a property for certain: answers of the API, or the root of a downloaded tree."""
    if sum(is_file(folder / name) for name in _ANSWERS) > 1:
        return is_answers_folder(folder, Problems(""))
    return is_file(folder / "data.json") and is_folder(folder / "rules")


def _kind(path: Path, raw: bytes) -> Kind | None:
    return _kind_of_yaml(raw) if path.suffix.lower() in _YAML else _kind_of_json(raw)


def _kind_of_yaml(raw: bytes) -> Kind | None:
    """Return what a YAML file is; a broken one that speaks of steps is a scenario, whose reader says what is wrong."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    node = parse_yaml(text, Problems("")) if len(raw) <= _LARGEST_DOCUMENT else None
    if node is None:
        return "scenario" if "\nsteps:" in text else None
    if is_property_file(node):
        return "property"
    is_scenario = isinstance(node, Mapping) and bool({"steps", "expect"} & node.entries.keys())
    return "scenario" if is_scenario else None


def _kind_of_json(raw: bytes) -> Kind | None:
    document = _parsed(raw) if len(raw) <= _LARGEST_DOCUMENT else None
    if isinstance(document, dict):
        if _is_event(document):
            return "events"
        return "property" if {"data_elements", "rules"} & document.keys() else None
    if document is not None:
        return None
    lines = (line for line in raw[:_LARGEST_DOCUMENT].split(b"\n") if line.strip())
    tried = [_parsed(line) for line, _ in zip(lines, range(_LINES_TRIED), strict=False)]
    return "events" if any(isinstance(one, dict) and _is_event(one) for one in tried) else None


def _is_event(document: dict[object, object]) -> bool:
    """Return whether an object is meant as an event; an Edge call has an object under `event`."""
    return isinstance(document.get("event"), str) or isinstance(document.get("properties"), dict)


def _parsed(raw: bytes) -> object:
    try:
        return parse(raw.decode("utf-8-sig"))
    except ValueError:
        return None


def _guess(path: Path, raw: bytes) -> Kind | None:
    """Return what a file that was named is meant to be, so that its reader says what is wrong with it."""
    suffix = path.suffix.lower()
    if suffix in _YAML:
        return "scenario"
    if suffix in _LINES:
        return "events"
    return "property" if suffix == ".json" and not raw.lstrip().startswith(b"[") else None
