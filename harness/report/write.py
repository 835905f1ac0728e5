"""Writes the reports of a run into a directory: each file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from harness.problems import InputError, Problem
from harness.report import html, jsonreport, junit, markdown
from harness.scenario.results import RunResult


def write_reports(run: RunResult, directory: Path) -> list[Path]:
    """Write `report.html`, `report.md`, `junit.xml` and `report.json`; equal runs give equal bytes.

    Args:
        run: the results.
        directory: where to write; created when missing.

    Returns:
        The files written.

    Raises:
        InputError: when the directory can't be written to.
    """
    texts = {
        "report.html": html.render(run),
        "report.md": markdown.render(run),
        "junit.xml": junit.render(run),
        "report.json": jsonreport.render(run),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return [_replace(directory / name, text) for name, text in texts.items()]
    except OSError as error:
        why = error.strerror or str(error)
        message = f"reports can't be written here: {why}"
        raise InputError([Problem(str(directory), None, "", message, "Name another --report-dir.")]) from error


def _replace(path: Path, text: str) -> Path:
    # A reader, or a run beside this one, never sees half a file.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(text.encode("utf-8"))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path
