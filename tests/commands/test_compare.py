"""`harness compare` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import Shell
from tests.commands.test_explain import EVENTS, UUID, line

ROOT = Path(__file__).parents[2]
SHARED_DEVICE = ROOT / "scenarios" / "failures" / "01-cdp-merges-everyone-of-one-device.yaml"


def compare(shell: Shell, *arguments: str | Path, stdin: str = "") -> tuple[dict[str, Any], list[Any]]:
    done = shell.run("compare", *arguments, "--json", stdin=stdin)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    return {one["id_merge"]: one for one in found["systems"]}, found["differences"]


def sentences(differences: list[Any], what: str, *systems: str) -> list[str]:
    return [one["sentence"] for one in differences if one["what"] == what and one["systems"] == list(systems)]


def test_the_three_systems_stand_side_by_side(shell: Shell) -> None:
    systems, _ = compare(shell, "-", "--endpoint", "track", stdin=EVENTS)
    assert [one["users"] for one in systems.values()] == [2, 2, 2]
    assert systems["original"]["decisions"] == {"merged": 1, "already": 0, "refused": 1, "ignored": 0}
    assert systems["original"]["refused"] == {"errAnonDistinctIdAssignedAlready": 1}
    assert [systems[name]["decisions"]["ignored"] for name in ("simplified", "legacy")] == [2, 2]
    assert [systems[name]["orphans"] for name in systems] == [[UUID], [], [UUID]]
    assert [(one["accepted"], one["rejected"]) for one in systems.values()] == [(4, 1)] * 3
    assert all(one["people"] is None for one in systems.values())


def test_fewer_users_are_explained_by_the_event_that_joined_them(shell: Shell) -> None:
    events = EVENTS + "\n" + line("Page", 4, distinct_id="ana")
    _, differences = compare(shell, "-", "--endpoint", "track", stdin=events)
    explained = f"event 2 ($identify): original joined {UUID} and ana"
    assert sentences(differences, "users", "simplified", "original") == [
        f"original has 1 user fewer than simplified: {explained}; simplified ignored it"
    ]
    assert sentences(differences, "users", "original", "legacy") == [
        f"original has 1 user fewer than legacy: {explained}; legacy ignored it"
    ]
    assert [one["index"] for one in differences if one["what"] == "users"] == [2, 2]


def test_as_many_users_may_be_others(shell: Shell) -> None:
    events = "\n".join(
        [
            line("Page", 0, distinct_id=UUID),
            line("Page", 1, distinct_id="ana"),
            line("$identify", 2, distinct_id="ana", S_anon_id=UUID),
            line("Page", 3, S_device_id="D1", S_user_id="ben", distinct_id="ben"),
            line("Page", 4, S_device_id="D1", distinct_id="D1"),
        ]
    )
    _, differences = compare(shell, "-", "--endpoint", "track", stdin=events)
    said = sentences(differences, "users", "simplified", "original")
    assert len(said) == 1
    assert said[0].startswith("simplified and original have 3 users each, but not the same ones: event 2 ($identify)")


def test_a_device_that_only_simplified_links_is_told(shell: Shell) -> None:
    events = "\n".join(
        [
            line("Page", 0, S_device_id="D1", distinct_id="D1"),
            line("Login", 1, S_device_id="D1", S_user_id="ana", distinct_id="ana"),
        ]
    )
    _, differences = compare(shell, "-", "--endpoint", "track", stdin=events)
    assert sentences(differences, "users", "simplified", "original") == [
        "simplified has 1 user fewer than original: event 1 (Login): simplified joined $device:D1 and ana; original "
        "saw nothing about identity in it"
    ]


def test_events_under_one_id_in_one_system_and_under_two_in_the_other_are_told(shell: Shell) -> None:
    events = "\n".join(
        [line("Page", 0, distinct_id="shared", S_user_id="ana"), line("Page", 1, distinct_id="shared", S_user_id="ben")]
    )
    _, differences = compare(shell, "-", stdin=events)
    assert sentences(differences, "users", "simplified", "original") == [
        "original has 1 user fewer than simplified: event 1 (Page): it and event 0 (Page) are under ana and ben in "
        "simplified, and under one user in original"
    ]


def test_legacy_joins_later_events_only(shell: Shell) -> None:
    events = "\n".join(
        [
            line("Page", 0, distinct_id="ana"),
            line("Page", 1, distinct_id="D1"),
            line("$create_alias", 2, distinct_id="D1", alias="ana"),
        ]
    )
    _, differences = compare(shell, "-", stdin=events)
    assert sentences(differences, "users", "original", "legacy") == [
        "original has 1 user fewer than legacy: event 2 ($create_alias): original joined ana and D1, what came before "
        "too; legacy for later events only"
    ]


def test_refused_rejected_and_orphaned_are_explained(shell: Shell) -> None:
    systems, differences = compare(shell, "-", stdin=EVENTS)
    assert systems["simplified"]["rejected"] == 3
    rejected = sentences(differences, "rejected", "simplified", "original")
    assert rejected[0].startswith(
        "simplified rejected 2 events that original took: event 2 ($identify): identity events"
    )
    assert sentences(differences, "refused", "simplified", "original") == [
        "original refused 1 event with errAnonDistinctIdAssignedAlready, simplified none: event 3 ($identify): "
        "simplified rejected it"
    ]
    assert sentences(differences, "orphans", "original", "legacy") == [
        f"{UUID} is an orphan in legacy only: event 2 ($identify): legacy ignored it; original joined {UUID} and ana"
    ]


def test_a_scenario_tells_split_and_mixed_people(shell: Shell) -> None:
    systems, differences = compare(shell, SHARED_DEVICE)
    assert systems["original"]["people"] == {"joined": 0, "split": [], "mixed": [["ana", "ben"]]}
    assert systems["simplified"]["people"]["split"] == ["ana"]
    split = sentences(differences, "split", "simplified", "original")
    assert split[0].startswith(
        "ana is split in simplified and not in original: event 1 (step 1, $merge of ana): original"
    )
    mixed = sentences(differences, "mixed", "simplified", "original")
    assert mixed[0].startswith(
        "ana and ben are mixed in original and not in simplified: event 3 (step 3, $merge of ben)"
    )
    said = shell.run("compare", SHARED_DEVICE).out
    assert ["people", "mixed", "0", "1:", "ana+ben", "0"] in [row.split() for row in said.splitlines()]
    assert f"- {split[0]}" in said


def test_nothing_differs_where_no_system_has_anything_to_decide(shell: Shell) -> None:
    done = shell.run("compare", "-", stdin=line("Page", 1, distinct_id="ana"))
    assert "All three systems agree on every event." in done.out


def test_an_empty_file_is_a_history_of_nobody(shell: Shell) -> None:
    systems, differences = compare(shell, "-")
    assert [one["users"] for one in systems.values()] == [0, 0, 0]
    assert differences == []


SHIPPED = sorted(path for path in (ROOT / "scenarios").rglob("*.yaml") if path.parent.name != "properties")


@pytest.mark.parametrize("scenario", SHIPPED[::7], ids=lambda path: path.stem)
def test_every_difference_of_a_shipped_scenario_is_explained(shell: Shell, scenario: Path) -> None:
    done = shell.run("compare", scenario, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [one["sentence"] for one in found["differences"] if one["index"] is None] == []


@pytest.mark.parametrize("name", ["nowhere.jsonl", "nowhere.yaml"])
def test_a_file_that_is_not_there_is_exit_code_2(shell: Shell, name: str) -> None:
    done = shell.run("compare", name)
    assert (done.code, done.out) == (2, "")
    assert name in done.err
    assert "Traceback" not in done.err
