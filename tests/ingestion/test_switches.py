from __future__ import annotations

from typing import Any

import pytest

from harness.identity.settings import IdentitySettings
from harness.ingestion.settings import IngestionSettings, ProjectSettings
from harness.ingestion.switches import SWITCHES, Mistake, read_settings, settings_from
from harness.problems import Problems
from harness.source import Reader
from harness.yamltext import Mapping, parse_yaml

ANOTHER_VALUE: dict[str, tuple[Any, Any]] = {
    "profile": ("docs", "docs"),
    "cluster_limit": (7, 7),
    "original.canonical": ("first_seen", "first_seen"),
    "canonical_seed": (3, 3),
    "original.anon_id_form": ("php_loose", "php_loose"),
    "original.assigned_rule": ("anon_only", "anon_only"),
    "original.reidentify_same_pair": ("noop", "noop"),
    "original.device_prefix_equivalent": (True, True),
    "simplified.strip_device_prefix": ("none", "none"),
    "simplified.empty_id": ("literal", "literal"),
    "simplified.verbs_on_import": ("reject_batch", "reject_batch"),
    "simplified.verbs_on_track": ("reject", "reject"),
    "legacy.alias_delay_ms": (1000, 1000),
    "time.future": ("always_clamp", "always_clamp"),
    "time.ms_threshold": (1e12, 1e12),
    "track_window_days": (7, 7),
    "project_timezone": ("Europe/Berlin", "Europe/Berlin"),
    "ingest.missing_distinct_id": ("empty", "empty"),
    "ingest.bad_ids_nonstrict": ("drop", "drop"),
    "dedup.id": ("raw", "raw"),
    "dedup.day": ("project", "project"),
    "dedup.compaction": ("on", True),
    "arrival.shuffle_seed": (5, 5),
    "token": ("abc", "abc"),
    "region": ("eu", "eu"),
    "strict": (False, False),
}


def settings(values: dict[str, Any], **more: Any) -> ProjectSettings:
    found, mistakes = settings_from(values, **more)
    assert mistakes == []
    return found


def mistakes(values: dict[str, Any], **more: Any) -> list[Mistake]:
    return settings_from(values, **more)[1]


def test_without_switches_everything_is_at_its_default() -> None:
    assert settings({}) == ProjectSettings(IdentitySettings(), IngestionSettings(), None, "us", True, None)


def test_every_switch_sets_its_field_and_no_other() -> None:
    assert {*ANOTHER_VALUE, "propagation_delay"} == set(SWITCHES)
    for name, (written, read) in ANOTHER_VALUE.items():
        found = settings({name: written, **({"simplified.verbs_on_import": "reject_row"} if name == "profile" else {})})
        switch = SWITCHES[name]
        part = found if switch.part == "project" else getattr(found, switch.part)
        default = ProjectSettings() if switch.part == "project" else getattr(ProjectSettings(), switch.part)
        changed = {
            field: getattr(part, field) for field in part.__slots__ if getattr(part, field) != getattr(default, field)
        }
        assert changed == {switch.field: read}, name


def test_dotted_and_nested_spellings_mean_the_same() -> None:
    dotted = settings({"original.canonical": "first_seen", "time.future": "always_reject", "dedup.id": "raw"})
    nested = settings(
        {"original": {"canonical": "first_seen"}, "time": {"future": "always_reject"}, "dedup": {"id": "raw"}}
    )
    assert dotted == nested != ProjectSettings()


def test_the_profile_of_the_docs_picks_their_side() -> None:
    found = settings({"profile": "docs"})
    assert (found.identity.max_cluster_ids, found.ingestion.verbs_on_import) == (500, "ignore")
    assert settings({}).identity.max_cluster_ids == 501
    assert settings({}).ingestion.verbs_on_import == "reject_row"


def test_a_single_switch_overrides_the_profile() -> None:
    values = {"profile": "docs", "cluster_limit": 501, "simplified.verbs_on_import": "reject_row"}
    found = settings(values)
    assert (found.identity.max_cluster_ids, found.ingestion.verbs_on_import) == (501, "reject_row")


def test_the_cluster_limit_has_two_names() -> None:
    assert settings({"original.max_cluster_ids": 499}).identity.cluster_limit == 499
    assert settings({"original.max_cluster_ids": 499, "cluster_limit": 499}).identity.cluster_limit == 499
    (found,) = mistakes({"original.max_cluster_ids": 499, "cluster_limit": 500})
    assert (found.key, found.fix) == ("cluster_limit", "Keep one of the two.")


def test_a_delay_is_refused_because_the_settled_state_is_shown() -> None:
    for none in (0, "0", "0s", None, "none"):
        assert settings({"propagation_delay": none}) == ProjectSettings()
    (found,) = mistakes({"propagation_delay": "2h"})
    assert "settled state" in found.message


def test_no_shuffle_and_no_token_can_be_said_outright() -> None:
    assert settings({"arrival": {"shuffle_seed": "none"}, "token": None}) == ProjectSettings()


@pytest.mark.parametrize(
    ("values", "key", "message", "fix"),
    [
        ({"regoin": "eu"}, "regoin", "is an unknown switch", "Did you mean 'region'?"),
        ({"original.canonicl": "x"}, "original.canonicl", "is an unknown switch", "Did you mean 'original.canonical'?"),
        ({"canonical": "x"}, "canonical", "is an unknown switch", "Did you mean 'original.canonical'?"),
        ({"dedup": {"dya": "utc"}}, "dedup.dya", "is an unknown switch", "Did you mean 'dedup.day'?"),
        ({"region": "uk"}, "region", "needs one of us, eu, in, found the text 'uk'", ""),
        (
            {"original.canonical": "first_sen"},
            "original.canonical",
            "needs one of seeded_random, user_first, first_seen, found the text 'first_sen'",
            "Did you mean 'first_seen'?",
        ),
        ({"cluster_limit": 0}, "cluster_limit", "needs a whole number of at least 1, found the number 0", ""),
        ({"cluster_limit": True}, "cluster_limit", "needs a whole number of at least 1, found true", ""),
        ({"cluster_limit": 10**400}, "cluster_limit", "needs a whole number of at least 1, found a number", ""),
        ({"strict": "yes"}, "strict", "needs one of true, false, found the text 'yes'", ""),
        ({"dedup.compaction": 1}, "dedup.compaction", "needs one of off, on, found the number 1", ""),
        ({"time.ms_threshold": 0}, "time.ms_threshold", "needs a number above 0, found the number 0", ""),
        ({"original": 5}, "original", "needs a map of switches, found the number 5", None),
        (
            {"project_timezone": "Europe/Berln"},
            "project_timezone",
            "needs the IANA name of a time zone, found the text 'Europe/Berln'",
            "Did you mean 'Europe/Berlin'?",
        ),
        ({"token": 5}, "token", "needs a text that is not empty, found the number 5", "Put it in quotes."),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_to_do(
    values: dict[str, Any], key: str, message: str, fix: str | None
) -> None:
    (found,) = mistakes(values)
    assert (found.key, found.message) == (key, message)
    if fix is not None:
        assert found.fix == fix


@pytest.mark.parametrize("value", ["", "/etc/passwd", "../UTC", "Europe", "a\0b", "x" * 5000, 5, None, []])
def test_no_name_of_a_time_zone_is_worse_than_a_mistake(value: Any) -> None:
    assert [found.key for found in mistakes({"project_timezone": value})] == ["project_timezone"]


def test_all_mistakes_are_told_at_once_and_the_rest_holds() -> None:
    found, wrong = settings_from({"region": "uk", "foo": 1, "cluster_limit": -1, "token": "t"})
    assert [one.key for one in wrong] == ["region", "foo", "cluster_limit"]
    assert found == ProjectSettings(token="t")


def test_names_of_the_caller_are_passed_over() -> None:
    assert settings({"now": "2026-01-05T12:00:00Z"}, other=["now"]) == ProjectSettings()
    (found,) = mistakes({"noww": 1}, other=["now"])
    assert found.fix == "Did you mean 'now'?"


def test_switches_start_from_a_base() -> None:
    base = settings({"region": "eu", "original.canonical": "first_seen"})
    assert settings({"cluster_limit": 9}, base=base).region == "eu"
    assert settings({"cluster_limit": 9}, base=base).identity == IdentitySettings(
        canonical="first_seen", cluster_limit=9
    )


def test_in_a_file_each_mistake_has_its_line() -> None:
    text = "now: 1\nregion: uk\noriginal:\n  anon_id_form: compat\n  canonical: newest\ndedup.dya: utc\n"
    problems = Problems("a.yaml")
    node = parse_yaml(text, problems)
    assert isinstance(node, Mapping)
    reader = Reader(node, "settings", problems)
    read_settings(reader, other=["now"])
    reader.finish()
    assert [(found.line, found.key) for found in problems.found] == [
        (2, "settings.region"),
        (5, "settings.original.canonical"),
        (6, "settings.dedup.dya"),
    ]
