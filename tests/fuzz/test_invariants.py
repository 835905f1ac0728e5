"""Every invariant: a flow that breaks it, a near miss that does not, and a scenario that fails for the same reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.event import DEVICE_PREFIX
from harness.fuzz.bench import Bench
from harness.fuzz.flow import Flow
from harness.fuzz.invariants import INVARIANTS
from harness.fuzz.scenario_file import write
from harness.fuzz.search import Finding, Search
from harness.fuzz.sender import START_MS, Origin, Sending
from harness.ingestion.settings import ProjectSettings
from harness.scenario.format import EventStep, Scenario, load_scenario
from harness.scenario.runner import run_scenario
from tests.fuzz.benches import changed, flow, shipped, twin
from tests.fuzz.mistakes import AliasForNewEmail, KeepsDeviceId


class Case(NamedTuple):
    """One invariant: a configuration with a flow that breaks it, and one with a flow that nearly does."""

    invariant: str
    make: Callable[[Path], Bench]
    breaks: Flow
    near: Flow
    make_near: Callable[[Path], Bench] | None = None


CASES = [
    Case(
        "nobody-mixed",
        lambda folder: twin("browser", "simplified", "shared"),
        flow("ana: log in, laptop", "ben: browse, laptop"),
        flow("ana: log in, laptop", "ana: log out, laptop", "ben: browse, laptop"),
    ),
    Case(
        "nobody-split",
        lambda folder: shipped("retail-without-identity-rule.yaml", "simplified"),
        flow("ana: browse, laptop", "ana: log in, laptop"),
        flow("ana: browse, laptop", "ana: log in, phone"),
    ),
    Case(
        "nothing-rejected",
        lambda folder: twin("browser", "simplified", "long-offline"),
        flow("go offline, laptop", "ana: browse, laptop", "come online, laptop, 3"),
        flow("go offline, laptop", "ana: browse, laptop", "come online, laptop, 2"),
    ),
    Case(
        "nothing-lost",
        changed(
            "retail-one-rule.yaml", "simplified", ('time: "{{Time}}", $insert_id: "{{Event id}}"', "$insert_id: x")
        ),
        flow("ana: browse, laptop", "ana: browse, laptop"),
        flow("ana: browse, laptop", "ana: browse, phone"),
    ),
    Case(
        "retry-counts-once",
        lambda folder: shipped("retail-without-insert-id.yaml", "simplified"),
        flow("ana: browse, laptop", "retry, laptop"),
        flow("ana: browse, laptop", "ana: browse, laptop"),
    ),
    Case(
        "nothing-refused",
        lambda folder: twin(KeepsDeviceId, "simplified"),
        flow("ana: log in, laptop", "ana: log out, laptop", "ben: log in, laptop"),
        flow("ana: log in, laptop", "ana: log out, laptop", "ana: log in, laptop"),
    ),
    Case(
        "room-left",
        lambda folder: twin("browser", "original", limit=5),
        flow("ana: log in, laptop", "ana: log in, phone", "ana: log in, tablet"),
        flow("ana: log in, laptop", "ana: log in, phone"),
    ),
    Case(
        "order-is-free",
        changed("retail-one-rule.yaml", "simplified", ('$device_id: "{{ECID}}"', "$device_id: web-shop")),
        flow("ana: browse, laptop", "ana: log in, laptop", "ben: log in, phone"),
        flow("ana: log in, laptop", "ben: log in, phone"),
    ),
    Case(
        "any-canonical-id",
        lambda folder: Copies("original", twin("browser", "original").new_sender, asks=True),
        flow("ana: browse, laptop", "ana: log in, laptop"),
        flow("ana: log in, laptop", kind="plain"),
        lambda folder: CopiesWell("original", twin("browser", "original").new_sender, asks=True),
    ),
    Case(
        "migrates",
        lambda folder: twin(AliasForNewEmail, "original"),
        flow("ana: log in, laptop", "ana: change e-mail, laptop"),
        flow("ana: log in, laptop", "ana: browse, laptop"),
    ),
]
every_case = pytest.mark.parametrize("case", CASES, ids=[case.invariant for case in CASES])


class Copies(Bench):
    """Failure 8: somebody copies the id that Mixpanel's page shows, without its prefix, into a newsletter tool."""

    def sending(self, flow: Flow, settings: ProjectSettings) -> Sending:
        sending = Bench.sending(self, flow, settings)
        shown = self.shown(self.result(sending.steps, settings).events[-1].distinct_id)
        number = len(sending.steps)
        sent = {"distinct_id": shown, "time": START_MS // 1_000, "$insert_id": "newsletter"}
        step = EventStep(number, 0, "ana", "Newsletter", "track", sent)
        origins = {**sending.origins, number: Origin(len(flow.actions), "ana", None)}
        return Sending((*sending.steps, step), origins, sending.world)

    def shown(self, canonical: str) -> str:
        return canonical.removeprefix(DEVICE_PREFIX)


class CopiesWell(Copies):
    """The same tool with the id as it stands, which is an id of the same user whichever one it is."""

    def shown(self, canonical: str) -> str:
        return canonical


def test_every_invariant_has_a_case() -> None:
    assert [case.invariant for case in CASES] == list(INVARIANTS)


@every_case
def test_it_breaks_and_the_scenario_fails_too(case: Case, tmp_path: Path) -> None:
    played = case.make(tmp_path).play(case.breaks)
    broken = INVARIANTS[case.invariant].check(played)
    assert broken is not None
    assert broken.invariant == case.invariant
    assert broken.sentence
    written = write(Finding(played, broken), tmp_path, "harness fuzz", 0)
    path = tmp_path / written.file_name
    path.write_text(written.text, encoding="utf-8")
    scenario = load_scenario(path, written.file_name)
    assert isinstance(scenario, Scenario), scenario
    assert run_scenario(scenario, scenario.id_merge[0]).status == "failed"


@every_case
def test_a_near_miss_holds(case: Case, tmp_path: Path) -> None:
    played = (case.make_near or case.make)(tmp_path).play(case.near)
    assert INVARIANTS[case.invariant].check(played) is None


@pytest.mark.parametrize("name", INVARIANTS)
def test_it_says_in_one_line_what_holds(name: str) -> None:
    assert INVARIANTS[name].holds.endswith(".")
    assert len(INVARIANTS[name].holds) < 120


def test_a_visit_that_never_came_to_a_login_is_no_split() -> None:
    bench = twin("browser", "simplified")
    played = bench.play(flow("ana: browse, laptop", "clear cookies, laptop", "ana: log in, laptop"))
    assert played.result.people.split == ("ana",)
    assert INVARIANTS["nobody-split"].check(played) is None


def test_a_refusal_of_ids_that_are_one_user_anyway_is_harmless() -> None:
    played = twin("segment", "original").play(
        flow("ana: log in, laptop", "ana: log out, laptop, 1", "ana: log in, laptop")
    )
    assert any(decision.outcome == "refused" for decision in played.result.decisions)
    assert INVARIANTS["nothing-refused"].check(played) is None


def test_a_retried_identity_event_may_be_stored_twice() -> None:
    played = shipped("retail-original-uuid.yaml", "original").play(flow("ana: log in, laptop", "retry, laptop"))
    stored = [event for event in played.result.events if event.name == "$identify" and event.status == "accepted"]
    assert len(stored) == 2
    assert INVARIANTS["retry-counts-once"].check(played) is None


def test_only_the_invariants_that_were_chosen_are_judged() -> None:
    bench = twin("mobile-plain", "simplified")
    assert Search(bench, [INVARIANTS["nobody-split"]]).run(examples=50, seed=0).findings == ()
