"""Every probe finds the value that a real local server was started with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.clock import format_instant
from harness.event import IdMerge, Json
from harness.live.asking import ProbeSender
from harness.live.calibrate import PROBES, Calibrated, Calibration, probes_of
from harness.live.credentials import Credentials
from harness.live.destination import destination_from
from harness.live.export_reader import ExportReader, Pace
from harness.live.verify import Patience
from harness.server.background import RunningServer, running_server

NOW_MS = 1_795_000_000_000
NOW = format_instant(NOW_MS)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def calibrated(
    server: RunningServer, id_merge: IdMerge, settings: dict[str, Json], *only: str, said: IdMerge | None = None
) -> Calibrated:
    session = server.post("sessions", {"id_merge": id_merge, "now": NOW, "settings": settings})
    token = session["token"]

    def sleep(seconds: float) -> None:
        RunningServer(server.url, token).post("clock", {"advance": f"{seconds:.3f}s"})

    destination = destination_from(server.url)
    credentials = Credentials(token=token)
    pace = Pace(clock=lambda: 0.0, sleep=sleep)
    # A budget of its own for each reading: the limits of exports are tested elsewhere.
    today = datetime.fromtimestamp(NOW_MS / 1_000, UTC).date()
    days = [(today - timedelta(days=40), today + timedelta(days=1))]
    sender = ProbeSender(destination, credentials, {}, pace)
    calibration = Calibration(
        said or id_merge,
        "probe-test",
        NOW_MS,
        sender,
        lambda: ExportReader(destination, credentials, {}, pace).read(days),
        probes_of(said or id_merge, only),
    )
    return calibration.run_probes(Patience())


def answers(found: Calibrated) -> dict[str, Any]:
    return {verdict.probe.switch or verdict.probe.name: (verdict.status, verdict.value) for verdict in found.verdicts}


@pytest.mark.parametrize("id_merge", ["simplified", "original", "legacy"])
def test_a_project_as_the_model_has_it_by_default_is_found_to_be_so(server: RunningServer, id_merge: IdMerge) -> None:
    found = calibrated(server, id_merge, {})
    for v in found.verdicts:
        print(v.probe.name, v.status, v.value, v.why, "|", v.came_back)
    assert found.is_complete
    assert found.is_settled
    for verdict in found.verdicts:
        assert verdict.value in (verdict.probe.values[0], id_merge), verdict


@pytest.mark.parametrize(
    ("id_merge", "switch", "value"),
    [
        (system, probe.switch, value)
        for probe in PROBES
        if probe.switch
        for system in probe.systems[:1]
        for value in probe.values[1:]
    ],
    ids=str,
)
def test_the_value_that_a_project_was_made_with_is_found(
    server: RunningServer, id_merge: IdMerge, switch: str, value: Json
) -> None:
    found = calibrated(server, id_merge, {switch: value}, switch)
    assert answers(found) == {"system": ("decided", id_merge), switch: ("decided", value)}
