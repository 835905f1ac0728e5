"""What goes wrong inside a task, told as if it had gone wrong here: with the file and the row, and without a trace of
the JVM.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import Final

from harness.history.spark_session import reason_of
from harness.problems import InputError, OutsideError, Problem

_MARK: Final = "harness-problems:"


class TaskProblemError(Exception):
    """What is wrong with the input, on its way out of a task; its text carries the problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        listed = json.dumps([astuple(problem) for problem in problems])
        super().__init__(_MARK + base64.b64encode(listed.encode()).decode() + ".")


@contextmanager
def told() -> Iterator[None]:
    """Turn what Spark raises into what people read.

    Raises:
        InputError: when a task found the input wrong.
        OutsideError: when anything else failed: a full disk, a lost executor.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    try:
        yield
    except ConnectionError as error:
        raise OutsideError(f"Spark could not finish the job: its driver is gone ({error.strerror or error})") from None
    except (PySparkException, Py4JError) as error:
        found = re.search(re.escape(_MARK) + r"([A-Za-z0-9+/=]+)\.", str(error))
        if found is not None:
            raise InputError([Problem(*parts) for parts in json.loads(base64.b64decode(found[1]))]) from None
        raise OutsideError(f"Spark could not finish the job: {reason_of(error)}") from None
