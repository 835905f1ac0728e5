"""`harness explain` as its users call it."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.commands.sources import history_of_stream
from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.ingestion.settings import ProjectSettings
from harness.scenario.explanation import about_id, about_pair, cluster_json, pair_json
from harness.scenario.history import History
from harness.scenario.stream import Line
from tests.commands.shell import Shell
from tests.identity.test_explain import EVENTS as EVENT_LISTS

UUID = "13bbf794-3e58-4084-8885-c2531aaaaaaa"
ROOT = Path(__file__).parents[2]
NOW_MS = 1_767_614_400_000


def line(name: str, number: int, **properties: Any) -> str:
    ids = {key.replace("S_", "$"): value for key, value in properties.items()}
    return json.dumps({"event": name, "properties": {"time": 1_767_614_400, "$insert_id": f"i{number}", **ids}})


EVENTS = "\n".join(
    [
        line("Page", 0, distinct_id=UUID),
        "no json",
        line("$identify", 1, distinct_id="ana", S_anon_id=UUID),
        line("$identify", 2, distinct_id="ben", S_anon_id=UUID),
        line("Page", 3, distinct_id="ben"),
    ]
)


def explain(shell: Shell, *arguments: str | Path, stdin: str = EVENTS, id_merge: str = "original") -> Any:
    done = shell.run("explain", "-", "--id-merge", id_merge, "--json", *arguments, stdin=stdin)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_two_ids_of_one_user_have_a_chain(shell: Shell) -> None:
    found = explain(shell, "ana", UUID)
    assert found["same_user"] is True
    assert found["path"] == [{"index": 2, "kind": "identify", "ids": ["ana", UUID]}]
    assert (found["refused"], found["changes"]) == ([], [])
    blast = {"index": 2, "kind": "identify", "ids": 2, "sides": [1, 1], "people": [], "known_users": [], "mixes": False}
    assert found["blast"] == [blast]


def test_two_users_have_the_refusals_between_them_and_what_would_have_to_change(shell: Shell) -> None:
    found = explain(shell, "ana", "ben")
    assert found["same_user"] is False
    assert found["path"] == []
    refused = found["refused"][0]
    assert (refused["index"], refused["kind"], refused["ids"]) == (3, "identify", [UUID, "ben"])
    assert refused["reason"] == "errAnonDistinctIdAssignedAlready"
    assert (len(found["refused"]), found["nearest"]) == (1, [3])
    merge = next(change for change in found["changes"] if change["kind"] == "merge")
    assert merge["change"].startswith("had event 3 been a $merge")
    assert (merge["events"], merge["ids"], merge["also_joins"], merge["leaves"]) == ([3], 3, [], [])
    assert found["all_changes_tried"] is True


def test_one_id_has_its_cluster_and_the_decision_that_joined_most(shell: Shell) -> None:
    found = explain(shell, "ana", "--known-user", "ana|ben")
    members = [{"id": "ana", "index": None, "kind": None}, {"id": UUID, "index": 2, "kind": "identify"}]
    assert found["cluster"]["members"] == members
    assert found["cluster"]["canonical"] in ("ana", UUID)
    assert [refused["index"] for refused in found["refused"]] == [3]
    assert (found["blast"]["index"], found["blast"]["known_users"]) == (2, ["ana"])


def test_the_answer_as_it_was_earlier(shell: Shell) -> None:
    before = explain(shell, "--at", "1", UUID)
    assert before["cluster"]["members"] == [{"id": UUID, "index": None, "kind": None}]
    assert before["blast"] is None
    after = explain(shell, "--at", "2", "ana")
    assert [member["id"] for member in after["cluster"]["members"]] == ["ana", UUID]
    assert explain(shell, "--at", "99", "ana", "ben") == explain(shell, "ana", "ben")


def test_an_id_that_comes_later_is_not_known_yet(shell: Shell) -> None:
    done = shell.run("explain", "-", "ben", "--id-merge", "original", "--at", "2", stdin=EVENTS)
    assert done.code == 2
    assert "no event up to event 2 carried the id 'ben'; later ones do" in done.err


def test_shuffled_events_keep_their_index_in_the_file(shell: Shell) -> None:
    project = shell.folder / "shuffled.yaml"
    for seed in range(4):
        project.write_text(f"arrival.shuffle_seed: {seed}\n")
        found = explain(shell, "ana", "ben", "--settings", project)
        joined, refused = {"ana": 2, "ben": 3}, found["refused"][0]
        assert refused["index"] == joined[refused["ids"][1]]


def test_people_read_sentences(shell: Shell) -> None:
    said = shell.run("explain", "-", "--id-merge", "original", "ana", "ben", stdin=EVENTS).out
    assert said.startswith("ana and ben are two users.\n")
    refused = f"Event 3 ($identify) named {UUID} and ben, but was refused (errAnonDistinctIdAssignedAlready)"
    assert f"{refused}; it would have joined them." in said
    assert "Rule: An anonymous id that was identified before is never identified again. (docs: " in said
    assert "They would be one user:\n  had event 3 been a $merge" in said
    chain = shell.run("explain", "-", "--id-merge", "original", "ana", UUID, stdin=EVENTS).out
    assert f"Event 2 ($identify) joined ana and {UUID}." in chain
    alone = shell.run("explain", "-", "--id-merge", "original", "ana", "--known-user", "ana", stdin=EVENTS).out
    assert "ana is one user with 2 ids" in alone
    assert "event 2 ($identify) joined 1 known user (ana) and 2 ids, and that can't be undone." in alone


def test_two_ids_that_nothing_connected(shell: Shell) -> None:
    events = "\n".join([line("Page", 0, S_user_id="ana"), line("Page", 1, S_user_id="ben")])
    said = shell.run("explain", "-", "--id-merge", "simplified", "ana", "ben", stdin=events).out
    assert "Nothing ever connected them." in said
    assert "ana and ben are both users, and users never merge in simplified." in said


def test_an_identity_event_that_was_rejected_is_told(shell: Shell) -> None:
    events = "\n".join(
        [
            line("Page", 0, S_device_id=UUID),
            line("Page", 1, S_user_id="ana"),
            line("$identify", 2, distinct_id="ana", S_anon_id=UUID),
        ]
    )
    found = explain(shell, f"$device:{UUID}", "ana", stdin=events, id_merge="simplified")
    assert [(one["index"], one["kind"], one["ids"]) for one in found["rejected"]] == [(2, "identify", [UUID, "ana"])]
    assert found["refused"] == found["ignored"] == []
    track = explain(shell, f"$device:{UUID}", "ana", "--endpoint", "track", stdin=events, id_merge="simplified")
    assert [one["index"] for one in track["ignored"]] == [2]
    said = shell.run("explain", "-", "--id-merge", "simplified", f"$device:{UUID}", "ana", stdin=events).out
    assert "Event 2 ($identify) names both, but was rejected: identity events are not allowed" in said


def test_legacy_says_that_an_alias_works_for_later_events_only(shell: Shell) -> None:
    events = "\n".join([line("Page", 0, distinct_id="D1"), line("$create_alias", 1, distinct_id="D1", alias="ana")])
    said = shell.run("explain", "-", "--id-merge", "legacy", "ana", "D1", stdin=events).out
    assert "Event 1 ($create_alias) made ana an alias of D1." in said
    assert "What arrived under an alias before that event stays another user." in said


def test_an_id_that_would_break_the_line_is_shown_on_one(shell: Shell) -> None:
    said = shell.run("explain", "-", "--id-merge", "original", "a\nb", stdin=line("Page", 0, distinct_id="a\nb")).out
    assert said == "a\N{REPLACEMENT CHARACTER}b is alone.\n"


def test_a_scenario_knows_its_people_and_steps(shell: Shell) -> None:
    scenario = ROOT / "scenarios" / "failures" / "01-cdp-merges-everyone-of-one-device.yaml"
    done = shell.run("explain", scenario, "--id-merge", "original", "user-ana", "user-ben", "--json")
    found = json.loads(done.out)
    assert found["same_user"] is True
    assert found["blast"][-1]["people"] == ["ana", "ben"]
    assert found["blast"][-1]["mixes"] is True
    said = shell.run("explain", scenario, "--id-merge", "original", "user-ana", "user-ben").out
    assert "(step 3, $merge of ben) joined 2 people (ana, ben) and 3 ids, and that can't be undone" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.jsonl", "a", "--id-merge", "original"), "can't be read"),
        (("-", "annna", "--id-merge", "original"), "did you mean 'ana'?"),
        (("-", "", "--id-merge", "original"), "no accepted event carried the id ''"),
        (("-", "--id-merge", "original"), "Missing argument"),
        (("-", "ana"), "--id-merge"),
        (("-", "ana", "--id-merge", "original", "--at", "-1"), "--at"),
        (("-", "ana", "--id-merge", "original", "--known-user", "("), "--known-user: '(' is no regular expression"),
        (("nowhere.yaml", "a", "--id-merge", "original"), "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell.run("explain", *arguments, stdin=EVENTS)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_device_id_of_simplified_is_found_without_its_prefix(shell: Shell) -> None:
    done = shell.run("explain", "-", "D1", "--id-merge", "simplified", stdin=line("Page", 0, S_device_id="D1"))
    assert done.code == 2
    assert "did you mean '$device:D1'?" in done.err


@settings(max_examples=30)
@given(EVENT_LISTS, st.sampled_from(ID_MERGE_SYSTEMS), st.integers(min_value=0, max_value=14), st.booleans())
def test_an_answer_as_of_an_event_is_that_of_the_stream_cut_there(
    events: list[Event], id_merge: IdMerge, at: int, strict: bool
) -> None:
    full, cut = (history(part, id_merge, strict) for part in (events, events[: at + 1]))
    earlier = full.up_to(at)
    known = sorted({text for cluster in cut.model.clusters() for text in cluster.ids})
    assert [cluster.ids for cluster in earlier.model.clusters()] == [cluster.ids for cluster in cut.model.clusters()]
    for a, b in list(combinations(known, 2))[:4]:
        assert pair_json(earlier, about_pair(earlier, a, b)) == pair_json(cut, about_pair(cut, a, b))
    for text in known[:4]:
        assert cluster_json(earlier, about_id(earlier, text)) == cluster_json(cut, about_id(cut, text))


def history(events: list[Event], id_merge: IdMerge, strict: bool) -> History:
    timed = [Event(event.name, {"time": 1_767_614_400, **event.properties}) for event in events]
    lines = [Line(number, event) for number, event in enumerate(timed, start=1)]
    return history_of_stream(lines, id_merge, ProjectSettings(), endpoint="import", strict=strict, now_ms=NOW_MS)
