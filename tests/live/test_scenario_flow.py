"""Scenarios on their way out: only what holds is sent, as a run of its own, and its times are of now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.event import Endpoint, IdMerge
from harness.live.marking import Marking
from harness.live.proof import Allowed, Proof
from harness.live.scenario_flow import prove_scenario
from harness.scenario.format import Scenario, parse_scenario
from tests.live.rows import NOW_MS, UUID, Kept

RUN = Marking("r1")
LOGIN = f"""
name: login
id_merge: original
settings: {{now: 2026-01-05T12:00:00Z}}
steps:
  - {{event: Page, person: ana, properties: {{distinct_id: {UUID}}}}}
  - {{advance: 2h}}
  - {{event: $identify, person: ana, properties: {{distinct_id: ana, $anon_distinct_id: {UUID}, token: their-own}}}}
  - {{event: Buy, person: ana, endpoint: import, properties: {{distinct_id: ana, time: 1767614400}}}}
expect: {{users: 1, same_user: [[{UUID}, ana]]}}
"""


def read(text: str) -> Scenario:
    found = parse_scenario(text.encode(), "flow.yaml", Path())
    assert isinstance(found, Scenario), found
    return found


def prove(
    text: str,
    id_merge: IdMerge = "original",
    *,
    endpoint: Endpoint | None = None,
    spool: Any = None,
    marking: Marking = RUN,
    allowed: Allowed | None = None,
) -> Proof:
    return prove_scenario(
        read(text),
        id_merge,
        endpoint=endpoint,
        now_ms=NOW_MS,
        spool=spool or Kept(),
        allowed=allowed or Allowed(),
        marking=marking,
    )


def found(text: str, id_merge: IdMerge = "original", **options: Any) -> list[tuple[str, int | None]]:
    return [(one.kind, one.step) for one in prove(text, id_merge, **options).findings.in_order()]


def test_a_scenario_that_holds_is_sent_with_its_distances_in_time_and_its_last_step_a_minute_ago() -> None:
    kept = Kept()
    proof = prove(LOGIN, spool=kept)
    assert not proof.findings
    assert (proof.rows, proof.users) == (3, 1)
    now_s = NOW_MS // 1000
    assert [row["properties"]["time"] for row in kept.rows] == [now_s - 60 - 7_200, now_s - 60, now_s - 60 - 7_200]
    assert [block.endpoint for block in kept.blocks] == ["track", "import"]
    assert [place for block in kept.blocks for place in block.places] == [0, 2, 3]


def test_every_event_says_which_run_it_is_of_and_has_ids_of_that_run_alone() -> None:
    kept = Kept()
    prove(LOGIN, spool=kept)
    for row in kept.rows:
        assert row["properties"]["harness_run"] == "r1"
        assert "token" not in row["properties"]
        assert len(row["properties"]["$insert_id"]) == 32
    assert kept.rows[1]["properties"]["distinct_id"] == "r1_ana"
    assert kept.rows[1]["properties"]["$anon_distinct_id"] == kept.rows[0]["properties"]["distinct_id"] == RUN.id(UUID)


def test_the_same_run_gives_the_same_bytes_and_another_run_shares_nothing_with_it() -> None:
    once, again, other = Kept(), Kept(), Kept()
    for kept, marking in ((once, RUN), (again, RUN), (other, Marking("r2"))):
        prove(LOGIN, spool=kept, marking=marking)
    assert once.blocks == again.blocks
    for key in ("distinct_id", "$insert_id"):
        shared = {row["properties"][key] for row in once.rows} & {row["properties"][key] for row in other.rows}
        assert not shared


def test_ids_can_be_left_as_they_are() -> None:
    kept = Kept()
    prove(LOGIN, spool=kept, marking=Marking("r1", isolates=False))
    assert kept.rows[2]["properties"]["distinct_id"] == "ana"


STEPS = "name: x\nsteps:\n"
ANON = f"  - {{event: Page, person: ana, properties: {{distinct_id: {UUID}}}}}\n"


def identify(user: str, person: str) -> str:
    ids = f"distinct_id: {user}, $anon_distinct_id: {UUID}"
    return f"  - {{event: $identify, person: {person}, properties: {{{ids}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STEPS + ANON + identify("ana", "ana") + identify("ben", "ben"), [("refused", 2)]),
        (STEPS + ANON + "  - {event: Buy, person: ana, properties: {distinct_id: ana}}\n", [("split", 0)]),
        (STEPS + ANON + "  - {event: Buy, person: ben, properties: {distinct_id: " + UUID + "}}\n", [("mixed", 0)]),
        (STEPS + "  - {event: x, properties: {distinct_id: 'null'}, endpoint: import}\n", [("rejected", 0)]),
        (STEPS + ANON + "expect: {users: 2}\n", [("check", None)]),
        (STEPS + ANON + "expect: {users: 2}\nknown_failure: so it is\n", [("check", None), ("check", None)]),
        (STEPS + "  - {advance: 1h}\n", [("empty", None)]),
        (STEPS + ANON + "  - {advance: 6d}\n  - {event: x, properties: {distinct_id: b}}\n", [("rejected", 0)]),
    ],
)
def test_what_does_not_hold_is_not_sent_and_its_step_is_named(
    text: str, expected: list[tuple[str, int | None]]
) -> None:
    assert found(text) == expected


def test_a_rejection_a_split_and_a_mix_are_not_sent_though_expected() -> None:
    rejected = STEPS + "  - {event: x, properties: {distinct_id: 'null'}, endpoint: import}\n"
    assert found(rejected + "expect: {rejected: [{step: 0}]}\n") == [("rejected", 0)]
    split = STEPS + ANON + "  - {event: Buy, person: ana, properties: {distinct_id: ana}}\n"
    assert found(split + "expect: {split: [ana]}\n") == [("split", 0)]
    mixed = STEPS + ANON + "  - {event: Buy, person: ben, properties: {distinct_id: " + UUID + "}}\n"
    assert ("mixed", 0) in found(mixed + "expect: {mixed: [[ana, ben]]}\n")


def test_an_event_that_its_own_project_would_drop_is_not_sent_with_another_token() -> None:
    wrong = "  - {event: x, properties: {distinct_id: a, token: of-another-project}}\n"
    assert found("settings: {token: ours}\n" + STEPS + ANON + wrong) == [("rejected", 1)]


def test_a_refusal_that_is_expected_is_sent() -> None:
    text = STEPS + ANON + identify("ana", "ana") + identify("ben", "ben")
    assert found(text + "expect: {refused: [{step: 2, reason: errAnonDistinctIdAssignedAlready}]}\n") == []
    assert found(text + "expect: {refused: [{step: 2, reason: errManyIDs}]}\n") != []


def merge(ids: str, more: str = "") -> str:
    first = "  - {event: Page, person: ana, properties: {distinct_id: u1}}\n"
    return f"{STEPS}{first}  - {{event: $merge, endpoint: import, properties: {{$distinct_ids: [{ids}]}}}}\n{more}"


def test_two_users_become_one_only_where_the_scenario_says_that_they_are() -> None:
    assert found(merge("u1, u2")) == [("join", 1)]
    assert found(merge("u1, u2", "expect: {same_user: [[u1, u2]]}\n")) == []
    assert found(merge("u1, u2"), allowed=Allowed(joins=[frozenset({"u1", "u2"})])) == []
    assert found(merge(f"u1, {UUID}")) == []
    own = "  - {event: $merge, endpoint: import, person: ana, properties: {$distinct_ids: [u1, old-number]}}\n"
    assert found(STEPS + "  - {event: Page, person: ana, properties: {distinct_id: u1}}\n" + own) == []


def test_a_blast_radius_names_people() -> None:
    text = (
        STEPS
        + "  - {event: Page, person: ana, properties: {distinct_id: u1}}\n"
        + "  - {event: Page, person: ben, properties: {distinct_id: u2}}\n"
        + "  - {event: $merge, endpoint: import, person: ana, properties: {$distinct_ids: [u1, u2]}}\n"
    )
    messages = [one.message for one in prove(text).findings.kept if one.kind == "join"]
    assert messages
    assert "makes ana and ben one user for good" in messages[0]


def test_a_cluster_near_its_limit_is_not_sent() -> None:
    text = "settings: {cluster_limit: 2}\n" + STEPS + ANON + identify("ana", "ana")
    assert found(text) == [("near_limit", 1)]


def test_one_route_can_be_chosen_for_all() -> None:
    kept = Kept()
    assert found(LOGIN, endpoint="import", spool=kept) == []
    assert {block.endpoint for block in kept.blocks} == {"import"}


def test_a_resend_counts_as_the_scenario_says() -> None:
    with_id = (
        STEPS
        + "  - {event: x, properties: {distinct_id: a, time: 1767614400, $insert_id: i1}}\n"
        + "  - {advance: 1m}\n  - {resend: 0}\nexpect: {accepted: 1}\n"
    )
    kept = Kept()
    proof = prove(with_id, spool=kept)
    assert not proof.findings
    assert proof.duplicates == 1
    assert kept.rows[0] == kept.rows[1]
    without = STEPS + "  - {event: x, properties: {distinct_id: a}}\n  - {resend: 0}\nexpect: {accepted: 2}\n"
    assert found(without) == []


def test_edge_calls_are_sent_as_what_the_property_makes_of_them(tmp_path: Path) -> None:
    flow = Path(__file__).parents[2] / "scenarios" / "adobe-retail" / "browse-then-log-in.yaml"
    loaded = parse_scenario(flow.read_bytes(), "flow.yaml", flow.parent)
    assert isinstance(loaded, Scenario)
    kept = Kept()
    proof = prove_scenario(
        loaded, "simplified", endpoint=None, now_ms=NOW_MS, spool=kept, allowed=Allowed(), marking=RUN
    )
    assert not proof.findings
    devices = {row["properties"].get("$device_id") for row in kept.rows} - {None}
    assert devices
    assert all(device.startswith("r1_") for device in devices)
    assert not any("token" in row["properties"] for row in kept.rows)
    assert json.loads(kept.blocks[0].blob.split(b"\n")[0]) == kept.rows[0]
