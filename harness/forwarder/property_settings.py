"""The settings of an object in a downloaded tree: custom code from its own file, the rest from `settings.json`, and
what neither has from `data.json`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.property_files import entries_of, is_file, read_json_file
from harness.problems import Problems
from harness.source import Reader, read_text
from harness.yamltext import Mapping, Node, Scalar, kind_of, plain

_SETTINGS: Final = "settings.json"
_CODE_FILE: Final = re.compile(r"settings\.(.+)\.js")
_START: Final = "//==== START TRANSFORM CODE - DO NOT REMOVE ===="
_END: Final = "//==== END TRANSFORM CODE ===="
_WRAPPED: Final = re.compile(
    rf"\s*{re.escape(_START)}\r?\n.*?{re.escape(_END)}(\r?\n)(.*)\1{re.escape(_START)}\r?\n.*?{re.escape(_END)}\s*",
    re.DOTALL,
)


def with_settings(reader: Reader, folder: Path, problems: Problems) -> Reader:
    """Return the reader of an object with the settings that its folder holds.

    Args:
        reader: the object as `data.json` gives it.
        folder: its folder.
        problems: where mistakes are noted, under the names of the files they are in.
    """
    files = [(entry, match[1]) for entry in entries_of(folder, problems) if (match := _CODE_FILE.fullmatch(entry.name))]
    path = folder / _SETTINGS
    if not files and not is_file(path):
        return reader
    known = len(problems.found)
    settings = _from_file(path, problems) if is_file(path) else _from_data(reader)
    for file, key in files:
        code = _code(file, problems)
        if code is not None and settings is not None:
            _put(settings, key.split("."), code, problems.of(str(file)))
    # Where a file is wrong, that is said, and data.json doesn't step in for it.
    if settings is None and len(problems.found) == known:
        return reader
    text = None if settings is None or len(problems.found) > known else jsjson.write(settings)
    return _replaced(reader, text)


def _replaced(reader: Reader, settings: str | None) -> Reader:
    node = reader.node
    lines = {"settings": node.line, **node.key_lines}
    entries: dict[str, Node] = {**node.entries, "settings": Scalar(settings, lines["settings"])}
    return Reader(Mapping(entries, lines, node.line), reader.key, reader.problems)


def _from_file(path: Path, problems: Problems) -> dict[str, Json] | None:
    node = read_json_file(path, problems)
    if node is None or isinstance(node, Mapping):
        return None if node is None else {key: plain(value) for key, value in node.entries.items()}
    if node != Scalar(None, node.line):
        problems.of(str(path)).add(node.line, "", f"needs an object, found {kind_of(node)}", "Download it again.")
    return None


def _from_data(reader: Reader) -> dict[str, Json] | None:
    """Return the settings in `data.json`; None where they can't be read, which is told when the object is."""
    text = reader.data("settings")
    if text is None:
        return {}
    try:
        settings = jsjson.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return settings if isinstance(settings, dict) else None


def _code(path: Path, problems: Problems) -> str | None:
    """Return the custom code of a file, without the marker comments around it and what they enclose."""
    inside = problems.of(str(path))
    text = read_text(path, inside)
    if text is None:
        return None
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None:
        return wrapped[2]
    if _START not in text and _END not in text:
        return text
    fix = "Put back both pairs, START above and END below, as reactor-downloader writes them; the code is between them."
    inside.add(None, "", "has lost a part of its marker comments, so nobody can tell where the code begins", fix)
    return None


def _put(settings: dict[str, Json], keys: list[str], code: str, problems: Problems) -> None:
    """Put code where its file name says: `settings.source.js` is the key `source`."""
    here = settings
    for key in keys[:-1]:
        inner = here.setdefault(key, {})
        if not isinstance(inner, dict):
            problems.add(None, "", f"belongs under {key}, which is not a map in the settings", "Download it again.")
            return
        here = inner
    here[keys[-1]] = code
