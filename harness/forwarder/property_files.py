"""The files of a property that is a folder: each one is read as JSON, and its mistakes carry its own name."""

from __future__ import annotations

import os
from pathlib import Path

from harness.forwarder.json_nodes import parse_json_nodes
from harness.problems import Problems
from harness.source import read_text
from harness.yamltext import Node


def read_json_file(path: Path, problems: Problems) -> Node | None:
    """Return the document of a JSON file, or None after noting why there is none.

    Args:
        path: the file.
        problems: where mistakes are noted, under the name of this file.
    """
    inside = problems.of(str(path))
    text = read_text(path, inside)
    return None if text is None else parse_json_nodes(text, inside)


def entries_of(folder: Path, problems: Problems) -> list[Path]:
    """Return what a folder holds, in the order of names; a folder that is not there holds nothing."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.of(str(folder)).add(None, "", f"can't be read: {error.strerror or error}", "Check the permissions.")
        return []


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; one that leads nowhere, or in a circle, does not."""
    return os.path.isdir(path)


def is_file(path: Path) -> bool:
    """Return whether a path leads to a file; one that leads nowhere, or in a circle, does not."""
    return os.path.isfile(path)
