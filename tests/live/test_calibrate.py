"""Every probe finds the value that a real local server was started with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.clock import format_instant
from harness.event import IdMerge, Json
from harness.identity.rules import RULES
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import SWITCHES, settings_from
from harness.jsontext import dump
from harness.live.asking import ProbeSender
from harness.live.calibrate import NOT_PROBED, PROBES, Calibrated, Calibration, must_be_empty, probes_of
from harness.live.calibration_file import settings_text
from harness.live.credentials import Credentials
from harness.live.destination import destination_from
from harness.live.export_reader import ExportReader, Pace
from harness.live.export_row import ExportRow, read_row
from harness.live.probe import Answer, Ask
from harness.live.verify import Patience
from harness.problems import InputError
from harness.scenario.project_file import read_project_file
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


@pytest.mark.parametrize("limit", [1, 2, 510])
def test_a_limit_that_nobody_thought_of_is_counted(server: RunningServer, limit: int) -> None:
    found = answers(calibrated(server, "original", {"cluster_limit": limit}, "cluster_limit"))
    expected = ("undecided", None) if limit == 1 else ("decided", limit)
    assert found["cluster_limit"] == expected


def test_a_limit_beyond_what_is_asked_is_undecided(server: RunningServer) -> None:
    found = calibrated(server, "original", {"cluster_limit": 600}, "cluster_limit")
    assert answers(found)["cluster_limit"] == ("undecided", None)
    assert found.verdicts[1].came_back == "511 of 511 ids are one user, 0 are apart"
    assert not found.is_complete


TOGETHER: list[tuple[IdMerge, dict[str, Json]]] = [
    (
        "original",
        {
            "cluster_limit": 42,
            "original.anon_id_form": "php_loose",
            "original.assigned_rule": "anon_only",
            "original.reidentify_same_pair": "noop",
            "original.device_prefix_equivalent": True,
            "original.canonical": "user_first",
            "time.future": "always_clamp",
            "time.ms_threshold": 5e10,
            "track_window_days": 3,
            "ingest.missing_distinct_id": "empty",
            "ingest.bad_ids_nonstrict": "drop",
        },
    ),
    (
        "simplified",
        {
            "simplified.strip_device_prefix": "none",
            "simplified.empty_id": "literal",
            "simplified.verbs_on_import": "reject_batch",
            "simplified.verbs_on_track": "reject",
            "time.future": "always_reject",
            "track_window_days": 14,
            "ingest.missing_distinct_id": "reject",
            "ingest.bad_ids_nonstrict": "accept",
        },
    ),
]


def test_a_project_of_another_system_is_recognised_and_nothing_is_believed(server: RunningServer) -> None:
    found = calibrated(server, "original", {}, said="simplified")
    system, *others = found.verdicts
    assert (system.status, system.value) == ("fails", "original")
    assert {verdict.status for verdict in others} == {"undecided"}
    assert {verdict.why for verdict in others} == {"the project is original, not simplified"}
    assert settings_text(found, "77", "2026-01-05").count("\n#") > 10
    assert read_back(found) == ProjectSettings()


def read_back(found: Calibrated) -> ProjectSettings:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calibrated.yaml"
        path.write_text(settings_text(found, "77", "2026-01-05T12:00:00Z"), "utf-8")
        return read_project_file(path)


@pytest.mark.parametrize(("id_merge", "values"), TOGETHER, ids=["original", "simplified"])
def test_every_switch_turned_at_once_is_found_and_written_with_date_and_evidence(
    server: RunningServer, id_merge: IdMerge, values: dict[str, Json]
) -> None:
    found = calibrated(server, id_merge, values)
    told = answers(found)
    assert {switch: told[switch] for switch in values} == {
        switch: ("decided", value) for switch, value in values.items()
    }
    expected, mistakes = settings_from(values)
    assert not mistakes
    assert read_back(found) == expected
    text = settings_text(found, "77", "2026-01-05T12:00:00Z")
    assert "# project 77 · " in text
    assert "2026-01-05T12:00:00Z" in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert text.count("came back ") == text.count("sent       ") == len(found.verdicts)
    for verdict in found.verdicts:
        assert verdict.probe.question[:60] in text


def test_every_switch_and_every_uncertain_rule_is_asked_or_said_not_to_be() -> None:
    asked = {probe.switch for probe in PROBES} | set(NOT_PROBED)
    no_rules = {
        "profile",
        "canonical_seed",
        "arrival.shuffle_seed",
        "propagation_delay",
        "token",
        "region",
        "strict",
    }
    assert set(SWITCHES) - no_rules == asked & set(SWITCHES)
    uncertain = {rule.name for rule in RULES.values() if rule.evidence != "docs"}
    assert uncertain <= {rule for probe in PROBES for rule in probe.rules} | set(NOT_PROBED)


class Lagging:
    """A project whose export shows identities as they were sent until so many seconds have passed."""

    def __init__(self, settles_after_s: float, id_merge: IdMerge = "original") -> None:
        self.project = MixpanelProject(id_merge)
        self.settles_after_s = settles_after_s
        self.now = 0.0
        self.rows: list[tuple[str, dict[str, Json]]] = []
        self.told: list[str] = []

    def send(self, ask: Ask) -> dict[str, Answer]:
        rows = [{"event": one.event, "properties": one.properties} for one in ask.rows]
        results = self.project.receive(rows, now_ms=NOW_MS, endpoint=ask.endpoint, strict=ask.is_strict)
        said: dict[str, Answer] = {}
        for one, result in zip(ask.rows, results, strict=True):
            said[one.name] = "rejected" if result.status == "rejected" else "taken"
        return said

    def read(self) -> list[ExportRow]:
        lines = []
        for stored in self.project.events:
            settled = self.now >= self.settles_after_s
            received = stored.arrival.received
            shown = self.project.distinct_id(stored.event_index) if settled else received
            properties = {**stored.event.properties, "distinct_id": shown}
            if shown != received:
                properties["$distinct_id_before_identity"] = received
            lines.append(read_row(dump({"event": stored.event.name, "properties": properties}).encode()))
        return lines

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def calibrated(self, wait_s: float, steady_s: float, *only: str) -> Calibrated:
        probes = probes_of("original", only)
        calibration = Calibration("original", "probe-test", NOW_MS, self, self.read, probes, steady_s, self.told.append)
        return calibration.run_probes(Patience(wait_s, 600, lambda: self.now, self.sleep))


def test_it_waits_until_the_project_has_settled_and_stays_so() -> None:
    project = Lagging(7_000)
    found = project.calibrated(86_400, 3_600, "prefix")
    assert answers(found)["original.device_prefix_equivalent"] == ("decided", False)
    assert found.is_settled
    assert 7_000 + 3_600 <= project.now <= 7_000 + 3_600 + 1_200
    assert any("waiting for" in line for line in project.told)


def test_what_has_not_settled_in_time_is_said_to_be_unsettled() -> None:
    found = Lagging(7_000).calibrated(3_000, 0, "prefix")
    assert not found.is_settled
    assert [verdict.is_settled for verdict in found.verdicts] == [True, False]
    assert "UNSETTLED" in settings_text(found, "77", "2026-01-05")


def test_ctrl_c_ends_the_wait_and_what_is_known_is_kept() -> None:
    project = Lagging(7_000)

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    project.sleep = stop  # type: ignore[method-assign]
    found = project.calibrated(86_400, 0, "prefix")
    assert found.is_stopped
    assert not found.is_settled


def test_a_project_with_events_of_others_is_not_one_to_throw_away() -> None:
    probe = read_row(b'{"event": "Harness probe", "properties": {"harness_run": "probe-1"}}')
    must_be_empty([])
    must_be_empty([probe])
    for other in (b'{"event": "Page", "properties": {}}', b'{"event": "Page", "properties": {"harness_run": "run-1"}}'):
        with pytest.raises(InputError, match="holds other events"):
            must_be_empty([probe, read_row(other)])
