"""Where a history is worked through: on this machine, or on Spark. Both answer through one narrow interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from harness.event import Endpoint, IdMerge
from harness.history.records import Audit
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.history.spark import SparkEngine

EngineName: TypeAlias = Literal["local", "spark"]

ENGINES: Final[tuple[EngineName, ...]] = ("local", "spark")


@dataclass(frozen=True, slots=True)
class AuditOrder:
    """What an audit is asked for.

    Attributes:
        paths: files, folders and globs, in the order of arrival.
        id_merge: the project's ID-merge system.
        settings: the reading of the rules.
        endpoint: the route the events came by.
        strict: whether /import validates strictly; None: as the settings say.
        stored: the history is a raw export of events that were accepted already; no rule of acceptance is asked.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event.
        known_user: a regular expression that ids of known users match; None: whatever looks like no device.
        truth: the event property that says who really did it; None: nobody knows.
        save: where the resolved ids go, as Parquet; None: nowhere.
        strict_lines: the first broken line ends it.
        progress: is told how many events were read so far, and the share of the input, 0 to 1.
    """

    paths: Sequence[str]
    id_merge: IdMerge
    settings: ProjectSettings
    endpoint: Endpoint = "import"
    strict: bool | None = None
    stored: bool = False
    now_ms: int | None = None
    known_user: str | None = None
    truth: str | None = None
    save: Path | None = None
    strict_lines: bool = False
    progress: Callable[[int, float], None] = lambda events, share: None


class HistoryEngine(Protocol):
    """Works a history through."""

    def audit(self, order: AuditOrder) -> Audit:
        """Return the health of a history, and save its resolved ids where the order says so.

        Raises:
            InputError: when the input can't be read or the settings can't be honoured.
            OutsideError: when the machine fails: a full disk, an engine that is not installed.
        """
        ...


def engine(name: EngineName, *, master: str | None = None) -> HistoryEngine:
    """Return an engine.

    Args:
        name: local or spark.
        master: the cluster, as Spark spells it; for spark only.

    Raises:
        InputError: when the engine is not there, with the command that installs it; when a master is for no engine.
    """
    check_master(name, master)
    if name == "spark":
        return spark_engine(master)
    from harness.history.local import LocalEngine

    return LocalEngine()


def spark_engine(master: str | None) -> SparkEngine:
    """Return the engine on Spark.

    Raises:
        InputError: when PySpark is not there, with the command that installs it.
    """
    from harness.history.spark_session import check_installed

    check_installed()
    from harness.history.spark import SparkEngine

    return SparkEngine(master)


def check_master(name: EngineName, master: str | None) -> None:
    """Find out whether a master is named for an engine that has none.

    Raises:
        InputError: when it is.
    """
    if master is not None and name != "spark":
        raise InputError([Problem("", None, "--master", "is for --engine spark", "Leave it out, or add --engine.")])


def needs_history() -> None:
    """Find out whether the libraries of histories are there.

    Raises:
        InputError: when they are not, with the command that installs them.
    """
    import importlib.util

    if any(importlib.util.find_spec(name) is None for name in ("numpy", "numba", "pyarrow")):
        fix = "Run: pip install 'identity-harness[history]'"
        raise InputError([Problem("", None, "", "histories need the extra `history`", fix)])
