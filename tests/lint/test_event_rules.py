"""What rules about event files find beyond their own examples, and what they leave alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.event import IdMerge
from harness.identity.settings import IdentitySettings
from harness.lint.check import MOST_OF_A_RULE
from tests.lint.linting import events_lint, names, of_rule

LAPTOP = "5f0c7a1e-3b52-4d1f-9c64-2f7a8b1e9d03"
PHONE = "c81d4e2e-bcf2-4b6a-8a2d-7df93e46ba88"
ECID = "62601815908301661318609139099603082462"


def line(number: int = 0, name: str = "Page", **properties: Any) -> str:
    """Return an event line; S_ stands for `$`."""
    ids = {key.replace("S_", "$"): value for key, value in properties.items()}
    usual = {"time": 1_767_614_400 + number, "$insert_id": f"e{number}"}
    return json.dumps({"event": name, "properties": {**usual, **ids}})


def stream(*lines: str) -> str:
    return "\n".join(lines)


FOUND: list[tuple[str, IdMerge, str]] = [
    ("phantom-user", "simplified", line(distinct_id=ECID)),
    ("identified-without-uuid", "original", line(name="$identify", distinct_id="ana", S_anon_distinct_id=ECID)),
    ("word-sent-as-id", "simplified", line(S_device_id="undefined", S_user_id="ana")),
    ("word-sent-as-id", "simplified", line(distinct_id="$device:undefined")),
    ("word-sent-as-id", "original", line(name="$identify", distinct_id="ana", S_anon_id="null")),
    ("insert-id-malformed", "original", line(distinct_id="a", S_insert_id="x" * 37)),
    ("time-in-wrong-unit", "original", line(distinct_id="a", time=123)),
    ("time-is-no-number", "original", line(distinct_id="a", time=True)),
    ("both-forms-of-an-id", "original", stream(line(distinct_id=LAPTOP), line(1, distinct_id=f"$device:{LAPTOP}"))),
    ("device-prefix-sent-twice", "simplified", line(S_device_id="$device:$device:a")),
    ("id-in-two-spellings", "legacy", stream(line(distinct_id="ana"), line(1, distinct_id=" ana "))),
    ("event-is-rejected", "original", line(name="Page")),
    ("verb-is-rejected", "simplified", line(name="$identify", distinct_id="ana", S_anon_id=LAPTOP)),
    (
        "verb-without-effect",
        "legacy",
        stream(line(distinct_id=LAPTOP), line(1, "$identify", distinct_id="ana", S_anon_id=LAPTOP)),
    ),
    (
        "alias-used-twice",
        "legacy",
        stream(*(line(at, "$create_alias", distinct_id=f"b{at}", alias="a") for at in range(2))),
    ),
]  # fmt: skip

LEFT_ALONE: list[tuple[str, IdMerge, str]] = [
    ("phantom-user", "original", line(distinct_id=ECID)),
    ("phantom-user", "simplified", stream(line(distinct_id=LAPTOP), line(1, S_user_id=PHONE))),
    ("device-of-another-user", "simplified", stream(line(S_device_id="d", S_user_id="a"), line(1, S_user_id="b"))),
    (
        "identified-before",
        "original",
        stream(*(line(at, "$identify", distinct_id="ana", S_anon_id=LAPTOP) for at in range(2))),
    ),
    (
        "alias-used-twice",
        "original",
        stream(*(line(at, "$create_alias", distinct_id="ana", alias="a") for at in range(2))),
    ),
    ("merge-on-shared-device", "original", line(name="$merge", S_distinct_ids=["ana", "ana-2"])),
    ("both-forms-of-an-id", "simplified", stream(line(S_device_id="a"), line(1, S_user_id="a"))),
    ("both-forms-of-an-id", "simplified", stream(line(S_device_id=LAPTOP), line(1, distinct_id=f"$device:{LAPTOP}"))),
    ("id-in-two-spellings", "simplified", stream(line(distinct_id="ana"), line(1, distinct_id="anna"))),
    ("insert-id-used-again", "simplified", stream(*[line(S_device_id="a")] * 2)),
    ("insert-id-used-again", "simplified", stream(line(S_user_id="a"), line(1, S_user_id="b", S_insert_id="e0"))),
    ("time-in-wrong-unit", "original", line(distinct_id="a", time=1_767_614_400.5)),
    ("distinct-id-missing", "simplified", line(S_user_id="ana")),
    ("word-sent-as-id", "simplified", line(distinct_id="")),
    ("line-is-no-event", "simplified", json.dumps({"event": "Flat", "distinct_id": "a", "time": 1_767_614_400})),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "id_merge", "lines"), FOUND)
def test_a_rule_finds_this(rule: str, id_merge: IdMerge, lines: str) -> None:
    assert rule in names(events_lint(lines, id_merge))


@pytest.mark.parametrize(("rule", "id_merge", "lines"), LEFT_ALONE)
def test_a_rule_leaves_this_alone(rule: str, id_merge: IdMerge, lines: str) -> None:
    assert rule not in names(events_lint(lines, id_merge))


def test_a_clean_stream_has_no_findings_in_any_system() -> None:
    lines = stream(
        line(distinct_id=LAPTOP),
        line(1, "$identify", distinct_id="ana", S_anon_id=LAPTOP),
        line(2, "Login", distinct_id="ana"),
    )
    assert events_lint(lines, "original") == []
    lines = stream(line(S_device_id=LAPTOP), line(1, "Login", S_device_id=LAPTOP, S_user_id="ana"))
    assert events_lint(lines, "simplified") == []


def test_an_old_event_is_lost_on_track_only() -> None:
    lines = stream(line(distinct_id="a", time=1_767_009_600), line(1, distinct_id="a"))
    assert "too-old-for-track" in names(events_lint(lines, "original", "track"))
    assert names(events_lint(lines, "original", "import")) == set()


def test_a_time_in_microseconds_does_not_set_the_clock() -> None:
    lines = stream(line(distinct_id="a", time=1_767_614_400_000_000), line(1, distinct_id="a"))
    found = events_lint(lines, "original", "track")
    assert names(found) == {"time-in-wrong-unit"}
    assert [finding.message for finding in found] == ["time 1767614400000000 is after 2099; it looks like microseconds"]


def test_the_token_counts_by_track_only() -> None:
    lines = line(distinct_id="a", token="other")
    assert "token-of-another-project" in names(events_lint(lines, "original", "track", token="own"))
    assert "token-of-another-project" not in names(events_lint(lines, "original", "import", token="own"))
    assert "token-of-another-project" not in names(events_lint(lines, "original", "track"))


def test_a_word_beside_an_id_is_a_note_on_track_and_an_error_on_import() -> None:
    lines = line(S_device_id="laptop", S_user_id="undefined")
    assert names(events_lint(lines, "simplified", "track")) == {"word-beside-an-id"}
    assert names(events_lint(lines, "simplified", "import")) == {"word-sent-as-id"}


def test_a_full_cluster_is_found_with_the_limit_of_the_settings() -> None:
    lines = stream(
        *(line(at, "$identify", distinct_id="ana", S_anon_id=uuid) for at, uuid in enumerate((LAPTOP, PHONE)))
    )
    limited = events_lint(lines, "original", identity=IdentitySettings(cluster_limit=2))
    assert {"cluster-is-full", "cluster-near-limit"} <= names(limited)
    assert names(events_lint(lines, "original")) == set()


def test_without_a_system_only_what_holds_under_all_is_found() -> None:
    lines = stream(
        line(distinct_id=ECID),
        line(1, S_user_id="ana"),
        line(2, distinct_id="undefined"),
        line(3, "$identify", distinct_id="ana", S_anon_id=ECID),
    )
    assert names(events_lint(lines, None)) == {"word-sent-as-id", "identified-without-uuid"}


def test_findings_carry_the_line_of_the_file() -> None:
    lines = f"{line(distinct_id='a')}\n\nno json\n"
    (found,) = events_lint(lines, "original")
    assert (found.rule, found.where) == ("line-is-no-event", "-:3")


def test_many_findings_of_one_rule_are_counted() -> None:
    lines = stream(*(line(at, distinct_id="null") for at in range(MOST_OF_A_RULE + 5)))
    found = list(of_rule(events_lint(lines, "original"), "word-sent-as-id"))
    assert len(found) == MOST_OF_A_RULE
    assert found[-1].message.endswith("(and 5 more of this kind)")
