"""The servers behind the pytest fixtures `mixpanel_server` and `mixpanel_servers`: local Mixpanels for tests of users.

A server takes any token unless it is given one, listens on a free port of 127.0.0.1, and ends with its test. What it
gives is described in ROUTES.md beside this file, part "From Python".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.problems import InputError, Problem, did_you_mean

if TYPE_CHECKING:
    from harness.ingestion.settings import ProjectSettings
    from harness.server.background import RunningServer


class NewServer(Protocol):
    """Starts a local Mixpanel; further options are those of `harness.server.serving.ServerOptions`."""

    def __call__(self, system: IdMerge = "simplified", **options: Any) -> RunningServer:
        """Start one of an ID-merge system."""
        ...


@contextmanager
def servers(base: ProjectSettings) -> Iterator[NewServer]:
    """Start servers for as long as the block runs.

    Args:
        base: the settings that they have unless an option `settings` says otherwise.

    Raises:
        InputError: when a package that they need is not installed.
        ValueError: when asked for a system that there is not.
    """
    with ExitStack() as stack:

        def start(system: IdMerge = "simplified", **options: Any) -> RunningServer:
            if system not in ID_MERGE_SYSTEMS:
                raise ValueError(f"{system!r} is no ID-merge system. {did_you_mean(str(system), ID_MERGE_SYSTEMS)}")
            try:
                from harness.server.background import running_server
                from harness.server.serving import ServerOptions
            except ModuleNotFoundError as error:
                if error.name is None or error.name.startswith("harness"):
                    raise
                message = f"a local Mixpanel needs {error.name}, which is not installed"
                raise InputError(
                    [Problem("", None, "", message, "Run: pip install 'identity-harness[server]'")]
                ) from None
            return stack.enter_context(running_server(ServerOptions(system, **{"settings": base, **options})))

        yield start
