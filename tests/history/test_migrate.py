"""Migrations held against a slow reference on generated streams, and case by case against what Mixpanel would do."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.event import IDENTITY_EVENTS, Event, IdMerge, id_text
from harness.history.generate_files import write_file
from harness.history.generate_settings import GenerateSettings, Rates
from harness.history.migrate import migrate
from harness.history.migrate_output import MANIFEST
from harness.history.migrate_records import ASSOCIATION, MigrateOrder, Migration
from harness.history.migrate_report import as_html, as_markdown, as_text, document
from harness.identity.model import IdentityModel, build
from harness.identity.settings import IdentitySettings
from harness.ingestion.project import MixpanelProject
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, OutsideError
from tests.history.slow_migration import is_nobody, is_user, slow_migration
from tests.identity import streams
from tests.identity.slow_model import Sent

A = "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab"
B = "9b2e77aa-01c3-4f0d-8e55-fedcba987654"
C = "c0ffee00-1234-4abc-b123-00000000c0de"
START_S = 1_735_689_600


def page(distinct_id: str | None, **more: Any) -> Event:
    return Event("Page View", {} if distinct_id is None else {"distinct_id": distinct_id, **more})


def identify(anonymous: str, user: str) -> Event:
    return Event("$identify", {"distinct_id": user, "$anon_distinct_id": anonymous})


def merge(*ids: str) -> Event:
    return Event("$merge", {"$distinct_ids": list(ids)})


def alias(new: str, old: str) -> Event:
    return Event("$create_alias", {"distinct_id": old, "alias": new})


def rows_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return events as a stored history has them: each with a time and an `$insert_id`, unless it brings its own."""
    return [
        {"event": event.name, "properties": {"time": START_S + at, "$insert_id": f"i-{at}", **event.properties}}
        for at, event in enumerate(events)
    ]


def migrated(
    events: Sequence[Event] | Path,
    folder: Path,
    source: IdMerge = "original",
    target: IdMerge = "simplified",
    *,
    user_id: str = "^u",
    write: bool = True,
    limit: int | None = None,
    **more: Any,
) -> tuple[Migration, list[dict[str, Any]]]:
    """Migrate, and return the new events."""
    path = events if isinstance(events, Path) else folder / "events.jsonl"
    if not isinstance(events, Path):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(events)), encoding="utf-8")
    out = folder / "out" if write else None
    order = MigrateOrder(
        paths=[str(path)],
        source=source,
        target=target,
        user_id=user_id,
        settings=ProjectSettings(identity=IdentitySettings(cluster_limit=limit)),
        out=out,
        **more,
    )
    found = migrate(order)
    texts = [part.read_text(encoding="utf-8") for part in sorted((out or folder).glob("part-*.jsonl"))]
    return found, [json.loads(line) for text in texts for line in text.split("\n") if line]


def users_of(rows: Sequence[dict[str, Any]], target: IdMerge) -> tuple[MixpanelProject, list[str]]:
    """Send rows to a project by strict /import; return it with the canonical distinct_id of each, all accepted."""
    project = MixpanelProject(target)
    newest = max((row["properties"]["time"] for row in rows), default=START_S)
    project.receive(rows, now_ms=int(newest * 1000 if newest < 1e11 else newest), endpoint="import", strict=True)
    assert [row.errors for row in project.rows if row.errors] == []
    return project, [project.distinct_id(at) for at in range(len(rows))]


def partition(keys: Iterable[object]) -> list[int]:
    """Return a partition in a form that can be compared: for each place the first place of its group."""
    first: dict[object, int] = {}
    return [first.setdefault(key, at) for at, key in enumerate(keys)]


# --- against the slow reference -----------------------------------------------------------------------------------

IDS = (A, B, C, A.upper(), f"$device:{A}", f"$device:{B}", f"$device:$device:{A}", "u1", "u2", "u3", "$device:u1")
ODD = (
    "undefined",
    "NULL",
    "$device:",
    "$device:undefined",
    "",
    "anon-7",
    "日本",
    "26783473982374982374982374",
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Streams of stored events over few ids, so that they meet in every way."""
    pool = draw(st.lists(st.sampled_from(IDS + ODD), min_size=2, max_size=7))
    ids = st.sampled_from(pool)
    one = st.one_of(
        st.builds(page, ids),
        st.builds(lambda a, d, u: page(a, **{"$device_id": d, "$user_id": u}), ids, ids, ids),
        st.builds(identify, ids, ids),
        st.builds(merge, ids, ids),
        st.builds(alias, ids, ids),
    )
    return draw(st.lists(one, max_size=14))


def check_against_reference(events: Sequence[Event], source: IdMerge, limit: int | None, **more: Any) -> None:
    with TemporaryDirectory() as name:
        found, rows = migrated(events, Path(name), source, limit=limit, **more)
        expected = slow_migration(events, source, "^u", more.get("excluded_ids", ()), limit)
        assert found.proof.held
        project, canonical = users_of(rows, "simplified")
        links = [row for row in rows if row["event"] == ASSOCIATION]
        assert links == rows[: len(links)]
        ordinary = canonical[len(links) :]

        assert len(ordinary) == len(expected.kept)
        assert partition(ordinary) == partition(expected.groups)
        assert [text == "" for text in ordinary] == [group is None for group in expected.groups]
        assert found.census.users == expected.users_before
        assert found.proof.users == len(project.users())
        assert sorted(sorted(c.id for c in one.candidates) for one in found.plan.ambiguous) == sorted(
            map(sorted, expected.ambiguous)
        )
        assert sorted(sorted(one.ids) for one in found.plan.unresolved) == sorted(map(sorted, expected.unresolved))
        dry, _ = migrated(events, Path(name), source, limit=limit, write=False, **more)
        assert {**document(dry), "dry_run": False, "files": [], "proof": None} == {
            **document(found),
            "files": [],
            "proof": None,
        }


@settings(max_examples=60)
@given(histories(), st.sampled_from(["original", "legacy"]), st.sampled_from([None, 2, 3]))
def test_the_users_of_the_target_are_those_of_the_slow_reference(
    events: list[Event], source: IdMerge, limit: int | None
) -> None:
    check_against_reference(events, source, limit)


@settings(max_examples=20)
@given(histories(), st.frozensets(st.sampled_from(["u1", "u2", f"$device:{A}", B]), min_size=1))
def test_test_accounts_join_nobody_and_leave_no_events(events: list[Event], excluded: frozenset[str]) -> None:
    check_against_reference(events, "original", None, excluded_ids=excluded)


@settings(max_examples=30)
@given(histories())
def test_from_legacy_to_original_every_cluster_of_aliases_is_one_cluster_again(events: list[Event]) -> None:
    with TemporaryDirectory() as name:
        found, rows = migrated(events, Path(name), "legacy", "original", ambiguous="elect")
        assert found.proof.held
        _, canonical = users_of(rows, "original")
        ordinary = [text for text, row in zip(canonical, rows, strict=True) if row["event"] not in IDENTITY_EVENTS]
        expected = slow_migration(events, "legacy", "^u")
        ids = [id_text(events[place].properties.get("distinct_id")) for place in expected.kept]
        joined = _aliases(events)
        whole = [None if is_nobody(text) else frozenset(joined.get(text, {text})) for text in ids]
        if not found.plan.ambiguous:
            assert partition(ordinary) == partition(whole)


def _aliases(events: Sequence[Event]) -> dict[str, set[str]]:
    model = build("legacy")
    cluster: dict[str, set[str]] = {}
    for event in events:
        decision = model.add(event).decision
        if decision is None or decision.outcome != "merged" or any(map(is_nobody, decision.ids)):
            continue
        both = set.union(*(cluster.get(text, {text}) for text in decision.ids))
        cluster.update(dict.fromkeys(both, both))
    return cluster


@settings(max_examples=40)
@given(streams.streams())
def test_no_stream_however_odd_breaks_a_migration_or_its_proof(stream: list[Sent]) -> None:
    with TemporaryDirectory() as name:
        found, rows = migrated([sent.event for sent in stream], Path(name))
        assert found.proof.held
        users_of(rows, "simplified")


@settings(max_examples=25)
@given(histories(), st.sampled_from(["elect", "per-device"]), st.sampled_from(["first", "link", START_S * 1000]))
def test_every_policy_keeps_users_apart_and_gives_each_device_to_one_of_its_candidates(
    events: list[Event], policy: str, time: str | int
) -> None:
    with TemporaryDirectory() as name:
        found, rows = migrated(events, Path(name), ambiguous=policy, association_time=time)
        assert found.proof.held
        project, _ = users_of(rows, "simplified")
        for one in found.plan.ambiguous:
            users = {candidate.id for candidate in one.candidates}
            assert len({project.model.resolve(user) for user in users}) == len(users)
            assert {owner for _, owner in one.devices} <= users


# --- case by case -------------------------------------------------------------------------------------------------


def test_an_anonymous_visit_joins_its_user_by_one_event_with_both_ids(tmp_path: Path) -> None:
    events = [page(f"$device:{A}", city="Oslo"), identify(f"$device:{A}", "u1"), page("u1", **{"$device_id": A})]
    found, rows = migrated(events, tmp_path)
    assert rows == [
        {
            "event": "Identity Association",
            "properties": {
                "distinct_id": "u1",
                "$user_id": "u1",
                "$device_id": A,
                "time": START_S,
                "$insert_id": rows[0]["properties"]["$insert_id"],
            },
        },
        {
            "event": "Page View",
            "properties": {
                "distinct_id": f"$device:{A}",
                "$device_id": A,
                "time": START_S,
                "$insert_id": "i-0",
                "city": "Oslo",
            },
        },
        {
            "event": "Page View",
            "properties": {
                "distinct_id": "u1",
                "$user_id": "u1",
                "$device_id": A,
                "time": START_S + 2,
                "$insert_id": "i-2",
            },
        },
    ]
    assert document(found)["users_before"] == document(found)["users_after"] == 1
    assert (document(found)["read"], document(found)["written"], document(found)["associations"]) == (3, 3, 1)


@pytest.mark.parametrize("sent", [A, f"$device:{A}", f"$device:$device:{A}"])
def test_however_an_anonymous_id_was_sent_the_prefix_is_right_in_the_target(sent: str, tmp_path: Path) -> None:
    _, rows = migrated([page(sent)], tmp_path)
    assert rows[0]["properties"]["$device_id"] == A
    assert rows[0]["properties"]["distinct_id"] == f"$device:{A}"
    assert "$user_id" not in rows[0]["properties"]


def test_a_refused_identify_links_nobody(tmp_path: Path) -> None:
    events = [page("session_1"), identify("session_1", "u1"), page("u1")]
    found, rows = migrated(events, tmp_path)
    _, canonical = users_of(rows, "simplified")
    assert canonical == ["$device:session_1", "u1"]
    assert found.plan.unmatched == (("session_1", 1),)


def test_a_second_user_of_a_device_is_refused_as_before_and_the_device_stays_with_the_first(tmp_path: Path) -> None:
    events = [page(A), identify(A, "u1"), identify(A, "u2"), page("u2"), page(A)]
    found, rows = migrated(events, tmp_path)
    _, canonical = users_of(rows, "simplified")
    assert canonical == ["u1", "u1", "u2", "u1"]
    assert not found.plan.ambiguous


def test_ids_that_only_met_in_a_chain_of_aliases_and_merges_are_followed_to_the_end(tmp_path: Path) -> None:
    events = [page(A), page(B), page(C), merge(A, B), alias("old-name", B), merge("old-name", C), identify(C, "u1")]
    _, rows = migrated(events, tmp_path)
    _, canonical = users_of(rows, "simplified")
    assert set(canonical) == {"u1"}


def test_two_people_that_were_merged_are_told_with_the_evidence_for_each_and_nobody_is_given_the_device(
    tmp_path: Path,
) -> None:
    events = [page(A), identify(A, "u1"), merge("u2", A), page("u1"), page("u2"), page("u2")]
    found, rows = migrated(events, tmp_path)
    (one,) = found.plan.ambiguous
    assert [(c.id, c.devices, c.links, c.events) for c in one.candidates] == [("u2", 1, 1, 2), ("u1", 1, 1, 1)]
    assert one.devices == ((A, None),)
    assert (found.census.users, found.proof.users) == (1, 3)
    _, canonical = users_of(rows, "simplified")
    assert canonical == [f"$device:{A}", "u1", "u2", "u2"]


def test_elect_gives_all_devices_to_the_strongest_and_per_device_each_to_its_nearest(tmp_path: Path) -> None:
    events = [
        *(page(text) for text in (A, B, C)),
        identify(A, "u1"),
        identify(B, "u2"),
        identify(C, "u2"),
        merge("u1", "u2"),
    ]
    elected, _ = migrated(events, tmp_path, ambiguous="elect")
    assert elected.plan.ambiguous[0].devices == ((A, "u2"), (B, "u2"), (C, "u2"))
    (tmp_path / "again").mkdir()
    nearest, rows = migrated(events, tmp_path / "again", ambiguous="per-device")
    assert nearest.plan.ambiguous[0].devices == ((A, "u1"), (B, "u2"), (C, "u2"))
    assert users_of(rows, "simplified")[1][-3:] == ["u1", "u2", "u2"]


def test_of_equally_strong_candidates_whoever_was_seen_last_is_elected(tmp_path: Path) -> None:
    events = [page(A), merge(A, "u1"), merge(A, "u2"), page("u1"), page("u2")]
    found, _ = migrated(events, tmp_path, ambiguous="elect")
    assert [candidate.id for candidate in found.plan.ambiguous[0].candidates] == ["u2", "u1"]
    (tmp_path / "again").mkdir()
    found, _ = migrated([*events, page("u1")], tmp_path / "again", ambiguous="elect")
    assert found.plan.ambiguous[0].devices == ((A, "u1"),)


def test_a_cluster_without_a_user_falls_into_its_devices_and_is_told(tmp_path: Path) -> None:
    found, rows = migrated([page(A), page(B), merge(A, B)], tmp_path)
    assert [(one.ids, one.events) for one in found.plan.unresolved] == [((A, B), 2)]
    assert (found.census.users, found.proof.users) == (1, 2)
    assert not [row for row in rows if row["event"] == ASSOCIATION]


def test_junk_ids_join_nobody_and_their_events_belong_to_nobody(tmp_path: Path) -> None:
    events = [
        page(A),
        page(B),
        page("undefined"),
        identify(A, "u1"),
        identify(B, "u2"),
        merge("undefined", A),
        merge("undefined", B),
        page("$device:NULL", **{"$device_id": "NULL"}),
    ]
    found, rows = migrated(events, tmp_path)
    assert not found.plan.ambiguous
    _, canonical = users_of(rows, "simplified")
    assert canonical == ["u1", "u2", "u1", "u2", "", ""]
    assert found.plan.junk == (("$device:NULL", 1), ("undefined", 1))
    assert found.nobodys_events == 2


def test_test_accounts_are_left_out_and_the_devices_they_borrowed_stay_with_their_people(tmp_path: Path) -> None:
    events = [page(A), identify(A, "u1"), merge("u-test", A), page("u-test"), page(B), identify(B, "u-test")]
    found, rows = migrated(events, tmp_path, excluded="^u-test")
    _, canonical = users_of(rows, "simplified")
    assert canonical == ["u1", "u1", f"$device:{B}"]
    assert found.excluded_events == 1
    assert "u-test" not in json.dumps(rows)


def test_clusters_past_the_limit_of_original_are_one_user_with_any_number_of_devices(tmp_path: Path) -> None:
    devices = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(700)]
    events = [*(page(text) for text in devices), *(identify(text, "u1") for text in devices)]
    found, _ = migrated(events, tmp_path)
    assert found.census.users == 701 - 500 == found.proof.users
    (tmp_path / "wide").mkdir()
    wide, _ = migrated(events, tmp_path / "wide", limit=10_000)
    assert wide.proof.users == 1
    assert len(wide.plan.devices) == 700


def test_x_and_device_x_stay_apart_where_they_were_and_become_one_device_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    events = [page(A), page(f"$device:{A}"), identify(f"$device:{A}", "u1")]
    apart, rows = migrated(events, tmp_path)
    assert apart.plan.both_forms == (A,)
    assert users_of(rows, "simplified")[1] == ["u1", f"$device:{A}-2", "u1"]
    (tmp_path / "one").mkdir()
    one, rows = migrated(events, tmp_path / "one", device_forms="one")
    assert users_of(rows, "simplified")[1] == ["u1", "u1", "u1"]
    assert one.plan.joins_after == 1


def test_a_device_id_beside_another_user_is_kept_under_another_name_so_that_it_links_nobody(tmp_path: Path) -> None:
    events = [page(A), identify(A, "u1"), page("u2", **{"$device_id": A}), page(f"$device:{B}", **{"$user_id": "u2"})]
    found, rows = migrated(events, tmp_path)
    assert rows[2]["properties"]["original_device_id"] == A
    assert "$device_id" not in rows[2]["properties"]
    assert rows[3]["properties"]["original_user_id"] == "u2"
    assert users_of(rows, "simplified")[1] == ["u1", "u1", "u2", f"$device:{B}"]
    assert found.proof.held


def test_events_without_a_good_insert_id_get_one_that_is_the_same_each_time_and_no_two_are_alike(
    tmp_path: Path,
) -> None:
    events = [
        page("u1", **{"$insert_id": value, "time": START_S}) for value in ("", None, "a:b", "x" * 40, "null", "ok")
    ]
    first, rows = migrated([*events, *events], tmp_path)
    (tmp_path / "again").mkdir()
    _, again = migrated([*events, *events], tmp_path / "again")
    ids = [row["properties"]["$insert_id"] for row in rows]
    assert rows == again
    assert ids[5] == ids[11] == "ok"
    assert len(set(ids)) == 11
    assert first.renamed == 10


def test_the_time_of_a_link_is_the_devices_first_event_or_the_linking_one_or_an_instant(tmp_path: Path) -> None:
    events = [page("u1"), page(A), page(A), identify(A, "u1")]
    times = {}
    for policy in ("first", "link", 1_700_000_000_000):
        folder = tmp_path / str(policy)
        folder.mkdir()
        _, rows = migrated(events, folder, association_time=policy)
        times[policy] = rows[0]["properties"]["time"]
    assert times == {"first": START_S + 1, "link": START_S + 3, 1_700_000_000_000: 1_700_000_000}


def test_legacy_events_before_and_after_an_alias_are_one_user_in_simplified(tmp_path: Path) -> None:
    events = [page("u1"), page(A), alias("u1", A), page("u1"), page(A)]
    found, rows = migrated(events, tmp_path, "legacy")
    assert (found.census.users, found.proof.users) == (2, 1)
    assert set(users_of(rows, "simplified")[1]) == {"u1"}


def test_legacy_to_original_identifies_uuids_and_merges_what_identify_would_refuse(tmp_path: Path) -> None:
    events = [page(A), page("cookie-9"), alias("u1", A), alias("u2", "cookie-9"), page("x"), alias("y", "x")]
    found, rows = migrated(events, tmp_path, "legacy", "original")
    assert found.proof.held
    verbs = [row for row in rows if row["event"] in IDENTITY_EVENTS]
    assert sorted(row["event"] for row in verbs) == ["$identify", "$merge", "$merge"]
    project, canonical = users_of(rows, "original")
    assert len(project.users()) == 3
    assert not found.plan.unresolved
    assert len(set(canonical[-3:])) == 3


def test_a_cluster_that_original_can_not_hold_is_told_and_as_much_as_fits_is_joined(tmp_path: Path) -> None:
    devices = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(6)]
    events = [*(page(text) for text in devices), *(alias(f"u{text}", devices[0]) for text in devices[1:2])]
    events += [alias(text, "u1") for text in devices] + [page("u1")]
    found, _ = migrated(events, tmp_path, "legacy", "original", user_id="^u1$", limit=4)
    assert found.proof.held
    assert len(found.plan.devices) == 3
    assert sum(len(one.ids) for one in found.plan.unresolved) == 4


# --- files --------------------------------------------------------------------------------------------------------


def test_a_raw_export_loses_what_mixpanel_added_and_is_read_by_what_was_sent(tmp_path: Path) -> None:
    flat = [
        {
            "event": "Page View",
            "time": START_S,
            "distinct_id": "u1",
            "$distinct_id_before_identity": f"$device:{A}",
            "$is_reshuffled": True,
            "$insert_id": "i1",
            "$import": True,
            "$mp_api_endpoint": "api.mixpanel.com",
            "mp_processing_time_ms": START_S * 1000,
            "kept": [1.50, {"$import": 1}],
        },
        {
            "event": "$identify",
            "time": START_S,
            "distinct_id": "u1",
            "$anon_distinct_id": f"$device:{A}",
            "$insert_id": "i2",
        },
    ]
    path = tmp_path / "export.json.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in flat).encode()))
    _, rows = migrated(path, tmp_path)
    assert rows[1] == {
        "event": "Page View",
        "properties": {
            "distinct_id": f"$device:{A}",
            "$device_id": A,
            "time": START_S,
            "$insert_id": "i1",
            "kept": [1.5, {"$import": 1}],
        },
    }
    assert users_of(rows, "simplified")[1] == ["u1", "u1"]


def test_parquet_gives_what_jsonl_gives(tmp_path: Path) -> None:
    made = []
    for name in ("h.jsonl.gz", "h.parquet"):
        write_file(
            GenerateSettings(id_merge="original", events=3_000, people=100, days=5), tmp_path / name, "wire", print
        )
        folder = tmp_path / f"{name}-new"
        folder.mkdir()
        found, rows = migrated(tmp_path / name, folder, user_id="^user-")
        made.append(rows)
        assert found.proof.held
    # An event without an `$insert_id` gets one that comes of its line, and a row of Parquet is none.
    kept = [[row for row in rows if len(row["properties"]["$insert_id"]) == 16] for rows in made]
    assert kept[0] == kept[1]
    assert [strip(row) for row in made[0]] == [strip(row) for row in made[1]]


def strip(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "properties": {**row["properties"], "$insert_id": ""}}


def test_shards_hold_the_links_first_and_the_manifest_has_their_hashes(tmp_path: Path) -> None:
    events = [page(A), page(B), identify(A, "u1"), identify(B, "u2"), page("u1")]
    found, rows = migrated(events, tmp_path, shard_events=2)
    out = tmp_path / "out"
    manifest = json.loads((out / MANIFEST).read_text())
    assert [shard.events for shard in found.shards] == [2, 2, 1]
    assert [row["event"] for row in rows] == [ASSOCIATION] * 2 + ["Page View"] * 3
    for listed in manifest["files"]:
        raw = (out / listed["name"]).read_bytes()
        assert (len(raw), hashlib.sha256(raw).hexdigest()) == (listed["bytes"], listed["sha256"])
        assert raw.count(b"\n") == listed["events"]
    assert sorted(os.listdir(out)) == [MANIFEST, *(f"part-{n:05d}.jsonl" for n in range(3)), "report.html", "report.md"]


def test_broken_lines_and_events_without_a_time_are_counted_and_left_out(tmp_path: Path) -> None:
    good = [json.dumps(row) for row in rows_of([page(A), identify(A, "u1"), page("u1")])]
    odd = ["{", "[]", '{"event":"x","properties":{"distinct_id":"u1","$insert_id":"b"}}', "", "  "]
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join([good[0], *odd, *good[1:]]))
    found, rows = migrated(path, tmp_path)
    assert (found.census.read, found.census.broken, found.census.rejected) == (4, 2, 1)
    assert len(rows) == found.written == 3


def test_nothing_is_written_over_and_a_failed_job_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(InputError, match="not empty"):
        migrated([page(A)], tmp_path)
    (tmp_path / "out" / "mine").unlink()

    def full(self: object, lines: object, ends: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.history.migrate_output.Shards.write", full)
    with pytest.raises(OutsideError, match="No space left on device; nothing was left behind"):
        migrated([page(A)], tmp_path)
    assert os.listdir(tmp_path / "out") == []
    assert sorted(os.listdir(tmp_path)) == ["events.jsonl", "out"]


def test_a_proof_that_fails_keeps_nothing_and_names_the_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.history.migrate.association_lines", lambda order, plan, ids: iter(()))
    found, rows = migrated([page(A), identify(A, "u1"), page("u1")], tmp_path)
    assert not found.proof.held
    assert found.proof.differing == ((f"$device:{A}", "u1", f"$device:{A}"),)
    assert not (tmp_path / "out").exists()
    assert rows == []
    assert "NOT held" in as_text(found)


@pytest.mark.parametrize(
    "more", [{}, {"stored": True}, {"endpoint": "track", "now_ms": START_S * 1000 + 5}, {"now_ms": START_S * 1000 + 1}]
)
def test_only_events_that_say_when_they_happened_can_be_imported_again(more: dict[str, Any], tmp_path: Path) -> None:
    times = (START_S, None, "soon", 10**18, -5, START_S + 2)
    found, rows = migrated([page("u1", time=time) for time in times], tmp_path, **more)
    assert found.proof.held
    assert [row["properties"]["time"] for row in rows] == [START_S, START_S + 2]
    assert (found.census.rejected, found.census.users) == (4, 1)


def test_where_the_source_takes_both_forms_for_one_id_so_does_the_migration(tmp_path: Path) -> None:
    events = [page(A), page(f"$device:{A}"), identify(f"$device:{A}", "u1"), page("u2"), page("$device:u2")]
    path = tmp_path / "h.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(events)))
    chosen = ProjectSettings(identity=IdentitySettings(device_prefix_equivalent=True))
    found = migrate(
        MigrateOrder(
            paths=[str(path)], source="original", target="simplified", user_id="^u", settings=chosen, out=tmp_path / "o"
        )
    )
    rows = [json.loads(line) for line in (tmp_path / "o" / "part-00000.jsonl").read_text().splitlines()]
    assert found.proof.held
    assert (found.census.users, found.proof.users) == (2, 2)
    links = len(found.plan.devices)
    assert users_of(rows, "simplified")[1][links:] == ["u1", "u1", "u2", "u2"]


def test_a_history_that_grows_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"

    def grows(order: object, plan: object, ids: object) -> Iterable[tuple[object, object]]:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows_of([page(B)])[0]) + "\n")
        return iter(())

    monkeypatch.setattr("harness.history.migrate.association_lines", grows)
    with pytest.raises(InputError, match="changed while it was read"):
        migrated([page(A)], tmp_path)
    assert not (tmp_path / "out").exists()


def test_parquet_in_wire_form_with_instants_and_nested_values_comes_out_as_it_went_in(tmp_path: Path) -> None:
    rows = rows_of([page(f"$device:{A}", nested={"a": [1, None], "b": 'q"\n'}), page("u1", price=1.5)])
    table = pa.table(
        {
            "event": [row["event"] for row in rows],
            "time": pa.array([row["properties"]["time"] * 1_000_000 for row in rows], pa.timestamp("us", "UTC")),
            "distinct_id": pa.array([row["properties"]["distinct_id"] for row in rows]).dictionary_encode(),
            "$insert_id": [row["properties"]["$insert_id"] for row in rows],
            "nested": [row["properties"].get("nested") for row in rows],
            "price": [row["properties"].get("price") for row in rows],
            "is_new": [True, None],
        }
    )
    pq.write_table(table, tmp_path / "h.parquet")
    found, made = migrated(tmp_path / "h.parquet", tmp_path)
    assert found.proof.held
    assert made[0]["properties"] == {
        "distinct_id": f"$device:{A}",
        "$device_id": A,
        "time": START_S * 1000,
        "$insert_id": "i-0",
        "nested": {"a": [1, None], "b": 'q"\n'},
        "is_new": True,
    }
    assert made[1]["properties"]["price"] == 1.5


def test_an_empty_history_is_an_empty_migration(tmp_path: Path) -> None:
    found, rows = migrated([], tmp_path)
    assert rows == []
    assert found.proof.held
    assert document(found)["users_after"] == 0


# --- what it is good for ------------------------------------------------------------------------------------------


def test_following_clusters_recovers_clearly_more_joins_than_rewriting_each_event_alone(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    rates = Rates(login=0.9, other_domain=0.4)
    chosen = GenerateSettings(id_merge="original", events=15_000, people=800, days=20, rates=rates)
    write_file(chosen, path, "wire", lambda count: None)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    followed, _ = migrated(path, tmp_path, user_id="^user-", write=False)

    source, target = build("original"), build("simplified")
    for row in rows:
        source.add(Event(row["event"], row["properties"]))
        for event in stateless(row):
            target.add(event)
    ids = {row["properties"]["distinct_id"] for row in rows if row["event"] not in IDENTITY_EVENTS}
    alone = joins(source, target, {text for text in ids if not is_nobody(text)})

    share = followed.plan.joins_after / followed.plan.joins_before
    assert share > 0.9
    assert alone < 0.8


def stateless(row: dict[str, Any]) -> list[Event]:
    """Rewrite one event knowing nothing of any other: an identity event links the two ids that it names."""
    properties = row["properties"]
    if row["event"] == "$identify":
        both = (properties["$anon_distinct_id"], properties["distinct_id"])
    elif row["event"] == "$merge":
        both = tuple(properties["$distinct_ids"])
    else:
        text = properties["distinct_id"]
        return [Event(row["event"], {"$user_id" if is_user(text, "^user-") else "$device_id": text})]
    users = [text for text in both if is_user(text, "^user-")]
    devices = [text for text in both if text not in users]
    return [Event(ASSOCIATION, {"$user_id": users[0], "$device_id": devices[0]})] if users and devices else []


def joins(source: IdentityModel, target: IdentityModel, ids: set[str]) -> float:
    """Return the share of what the source joined that the target joins too, as the report counts it."""

    def spelled(text: str) -> str:
        return text if is_user(text, "^user-") or text.startswith("$device:") else f"$device:{text}"

    before = {text: source.cluster_key(text) for text in ids}
    after = {(before[text], target.resolve(spelled(text))) for text in ids}
    return (len(ids) - len(after)) / (len(ids) - len(set(before.values())))


def test_the_report_tells_what_happens_in_text_markdown_and_html(tmp_path: Path) -> None:
    events = [
        page("<b>|`u"),
        page(A),
        identify(A, "u1"),
        merge("u2", A),
        page("undefined"),
        page(B),
        page(C),
        merge(B, C),
    ]
    found, _ = migrated(events, tmp_path)
    for text in (as_text(found), as_markdown(found), as_html(found)):
        assert "Several users in one cluster" in text
        assert "What can't be joined" in text or "What can&#39;t be joined" in text
        assert "Held" in text
        assert "undefined" in text
    assert "<b>" not in as_html(found)
    assert "&lt;b&gt;" in as_html(found)
    assert "| \\<b\\>\\|\\`u |" in as_markdown(found)
