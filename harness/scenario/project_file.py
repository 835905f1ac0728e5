"""The project file: settings for all scenarios and streams, `harness.yaml` in the working folder or named with
`--settings`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import read_settings
from harness.problems import InputError, Problems
from harness.source import Reader, read_text
from harness.yamltext import Mapping, kind_of, parse_yaml

DEFAULT: Final = Path("harness.yaml")


def read_project_file(path: Path | None) -> ProjectSettings:
    """Return the settings of a project file.

    Args:
        path: the file; None: `harness.yaml` where there is one, else the defaults.

    Raises:
        InputError: when the file can't be read or a setting is wrong; all mistakes at once.
    """
    if path is None and not DEFAULT.exists():
        return ProjectSettings()
    path = path or DEFAULT
    problems = Problems(str(path))
    text = read_text(path, problems)
    node = parse_yaml(text, problems) if text is not None else None
    settings = ProjectSettings()
    if isinstance(node, Mapping):
        settings = read_settings(Reader(node, "", problems))
    elif node is not None:
        problems.add(node.line, "", f"needs a map of settings, found {kind_of(node)}")
    if problems:
        raise InputError(problems.found)
    return settings
