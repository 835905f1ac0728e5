"""The side of `harness compare` that takes whole histories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.clock import parse_duration
from harness.commands.history_progress import HistoryProgress
from harness.commands.sources import instant, is_scenario
from harness.event import Endpoint
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem

if TYPE_CHECKING:
    from harness.history.engines import EngineName


def run(
    events: tuple[str, ...],
    *,
    settings: ProjectSettings,
    endpoint: Endpoint,
    strict: bool | None,
    now: str | None,
    funnel: str | None,
    funnel_window: str | None,
    truth: str | None,
    known_user: str | None,
    stored: bool,
    engine_name: EngineName,
    master: str | None,
    as_json: bool,
) -> None:
    """Read a history once and print what the three systems make of it; for the options see `harness compare`."""
    from harness.history.engines import AuditOrder, check_master, needs_history, spark_engine
    from harness.history.known_check import check_pattern

    for path in events:
        if is_scenario(Path(path)):
            message = "is a scenario, which names its people itself and is compared alone"
            raise InputError([Problem(path, None, "", message, "Leave out the options for histories.")])
    window_ms = _window(funnel_window, funnel)
    needs_history()
    check_master(engine_name, master)
    check_pattern(known_user, "--known-user")
    from harness.history.compare import compare_histories, compared_json, compared_text
    from harness.history.funnel import parse_funnel

    progress = HistoryProgress()
    if engine_name == "local":
        progress.note_first_run()
    order = AuditOrder(
        events,
        "simplified",
        settings,
        endpoint=endpoint,
        strict=strict,
        stored=stored,
        now_ms=instant(now),
        known_user=known_user,
        truth=truth,
        progress=progress.show,
    )
    try:
        wanted = None if funnel is None else parse_funnel(funnel, window_ms)
        if engine_name == "spark":
            from harness.history.spark_compare import compare_on_spark

            compared = compare_on_spark(spark_engine(master), order, wanted)
        else:
            compared = compare_histories(order, wanted)
    finally:
        progress.close()
    if as_json:
        from harness.jsontext import dump

        click.echo(dump(compared_json(compared), indent=1))
    else:
        click.echo(compared_text(compared))


def _window(text: str | None, funnel: str | None) -> int | None:
    if text is None:
        return None
    if funnel is None:
        raise InputError([Problem("", None, "--funnel-window", "needs a --funnel")])
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError([Problem("", None, "--funnel-window", str(error))]) from None
