"""Runs the command line within this process, where a shell would only cost time."""

from __future__ import annotations

import click
import pytest

from harness.cli import command_line
from harness.problems import InputError


def complaint(*arguments: str) -> str:
    """Return what the command line complains about."""
    with pytest.raises((InputError, click.UsageError)) as told:
        command_line.main(list(arguments), standalone_mode=False)
    return told.value.format_message() if isinstance(told.value, click.UsageError) else str(told.value)
