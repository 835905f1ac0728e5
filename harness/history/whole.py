"""Files that are whole or not there: written under another name, and renamed when all of it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.problems import InputError, OutsideError, Problem


@contextmanager
def whole_or_nothing(path: Path, *, failures: tuple[type[Exception], ...] = (OSError,)) -> Iterator[Path]:
    """Give a name to write under; the file gets its own name when all of it is written, else it is removed.

    Args:
        path: the file; what is there is replaced at the very end.
        failures: what means that writing failed.

    Raises:
        InputError: when nothing can be written there.
        OutsideError: when the disk is full or fails.
    """
    check_writable(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except failures as error:
        what = getattr(error, "strerror", None) or str(error).split("\n", 1)[0]
        raise OutsideError(f"{path}: can't be written: {what}. Nothing was overwritten.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Find out early whether a file can be written.

    Raises:
        InputError: when it can't.
    """
    folder = path.parent
    if path.is_dir():
        raise InputError([Problem(str(path), None, "", "is a folder", "Name a file.")])
    if not folder.is_dir():
        raise InputError([Problem(str(path), None, "", f"there is no folder {folder}", "Make it first.")])
    if not os.access(folder, os.W_OK):
        raise InputError([Problem(str(path), None, "", f"the folder {folder} can't be written", "Check permissions.")])
