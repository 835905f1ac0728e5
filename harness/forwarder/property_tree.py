"""A property as the tree of files that Adobe's reactor-downloader writes.

Below the folder of the property each kind of object has a folder with one folder an id: `data.json` is the object as
the API gives it, `settings.json` its settings, `settings.source.js` its custom code; the first of them that is there,
read from the right, counts. The links `_Name` beside the ids are for people. Which components a rule has is told by
nothing but the symbolic links under `rules/RL.../rule_components/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.forwarder.model import DataElement, LeftOut, Property, Rule
from harness.forwarder.property_files import entries_of, is_file, is_folder, read_json_file
from harness.forwarder.property_links import Links, check_links, components_of
from harness.forwarder.property_objects import (
    extension_name,
    flat,
    is_edge,
    is_live,
    optional_text,
    quoted,
    read_data_element,
    read_rule,
)
from harness.forwarder.property_settings import with_settings
from harness.problems import Problems
from harness.source import Reader
from harness.yamltext import Mapping, kind_of

DATA: Final = "data.json"
_KINDS: Final = ("rules", "data_elements", "rule_components")


def find_tree(folder: Path, problems: Problems) -> Path | None:
    """Return the folder of the property in a downloaded tree: the given one, or the only `PR...` in it.

    Args:
        folder: where to look.
        problems: where it is noted that there are several.
    """
    if is_file(folder / DATA) or any(is_folder(folder / kind) for kind in _KINDS):
        return folder
    found = [entry for entry in entries_of(folder, problems) if entry.name.startswith("PR") and is_folder(entry)]
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found)
        problems.add(None, "", f"holds {len(found)} properties: {names}", "Name the folder of one of them.")
    return found[0] if len(found) == 1 else None


def read_tree(root: Path, environment: str, problems: Problems) -> Property:
    """Return the property of a downloaded tree; mistakes are noted, and then it is not to be used.

    Args:
        root: the folder of the property, which holds `data.json`.
        environment: the build environment.
        problems: where mistakes are noted.
    """
    described = _object(root, problems)
    name = (optional_text(described, "name") or "") if described is not None else ""
    if described is not None and not is_edge(described):
        return Property(name, environment, (), (), problems.file, "downloaded tree")
    left_out: list[LeftOut] = []
    return Property(
        name,
        environment,
        tuple(_data_elements(root, problems, left_out)),
        tuple(_rules(root, problems, left_out)),
        problems.file,
        "downloaded tree",
        tuple(left_out),
        tuple(_extensions(root, problems)),
    )


def _data_elements(root: Path, problems: Problems, left_out: list[LeftOut]) -> Iterator[DataElement]:
    for folder in _ids(root / "data_elements", problems):
        reader = _object(folder, problems)
        if reader is None or not is_live(reader, "data element", left_out):
            continue
        element = read_data_element(with_settings(reader, folder, problems))
        if element is not None:
            yield element


def _rules(root: Path, problems: Problems, left_out: list[LeftOut]) -> Iterator[Rule]:
    """Yield the rules in the order of their ids, after noting every link that is lost."""
    if not is_folder(root / "rules"):
        message = "is missing, so the property would send nothing"
        problems.of(str(root / "rules")).add(None, "", message, "Download the property again.")
    rules = [(folder, _object(folder, problems)) for folder in _ids(root / "rules", problems)]
    components = {folder.name: folder for folder in _ids(root / "rule_components", problems)}
    links = [Links(folder, components_of(folder, problems)) for folder, _ in rules]
    live = [reader is not None and is_live(reader, "rule", left_out) for _, reader in rules]
    named = {name for one in links for name in one.named}
    orphans = [folder for name, folder in components.items() if name not in named and _is_built(folder, problems)]
    check_links([one for one, is_on in zip(links, live, strict=True) if is_on], orphans, problems)
    for (_, reader), one, is_on in zip(rules, links, live, strict=True):
        if reader is None or not is_on:
            continue
        label = f"rule {quoted(optional_text(reader, 'name') or '')}"
        parts = list(_components([components.get(name, path) for name, path in one.whole.items()], problems, left_out))
        rule = read_rule(reader, parts, label)
        if rule is not None:
            yield rule


def _components(folders: list[Path], problems: Problems, left_out: list[LeftOut]) -> Iterator[Reader]:
    for folder in folders:
        reader = _object(folder, problems)
        if reader is not None and is_live(reader, "rule component", left_out):
            yield with_settings(reader, folder, problems)


def _is_built(folder: Path, problems: Problems) -> bool:
    """Return whether a component would be built if a rule had it."""
    reader = _object(folder, problems)
    return reader is not None and is_live(reader, "rule component", [])


def _extensions(root: Path, problems: Problems) -> Iterator[str]:
    for folder in _ids(root / "extensions", problems):
        reader = _object(folder, problems)
        name = extension_name(reader) if reader is not None else None
        if name is not None:
            yield name


def _ids(folder: Path, problems: Problems) -> list[Path]:
    """Return the folders that are named after ids; links for people begin with `_`, other things with a dot."""
    return [entry for entry in entries_of(folder, problems) if entry.name[0] not in "_." and is_folder(entry)]


def _object(folder: Path, problems: Problems) -> Reader | None:
    """Return the object in a folder as the API gives it, or None after noting why there is none."""
    path = folder / DATA
    inside = problems.of(str(path))
    if not is_file(path):
        inside.add(None, "", "is missing; it says what this object is", "Download the property again.")
        return None
    node = read_json_file(path, problems)
    if node is None:
        return None
    if not isinstance(node, Mapping):
        inside.add(node.line, "", f"needs an object of the API, found {kind_of(node)}", "Download the property again.")
        return None
    return flat(node, "", inside)
