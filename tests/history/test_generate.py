"""Synthetic histories: equal settings give equal bytes, and every rate does what it says under Mixpanel's rules."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.history.generate_events import event_batches
from harness.history.generate_files import write_file, write_folder
from harness.history.generate_numbers import Draws
from harness.history.generate_seasons import DAY_S, PARTS_A_DAY, seconds_of, slots, total_weight
from harness.history.generate_settings import GenerateSettings, Rates, about_rates, default_people, parse_rates
from harness.identity.model import IdentityModel, build

DIGESTS = {"simplified": "e8dca062d1a3abb3", "original": "6fb0cfff59b554dd", "legacy": "1aee986c788f67ad"}
CLEAN = parse_rates("none")


def wanted(id_merge: IdMerge = "original", events: int = 3_000, rates: str = "", **more: Any) -> GenerateSettings:
    found = parse_rates(rates)
    assert isinstance(found, Rates)
    more = {"people": default_people(events), "days": 30, **more}
    return GenerateSettings(id_merge=id_merge, events=events, rates=found, **more)


def rows_of(chosen: GenerateSettings, folder: Path) -> list[dict[str, Any]]:
    path = folder / "history.jsonl"
    write_file(chosen, path, "wire", lambda count: None)
    return [json.loads(line) for line in path.read_text().splitlines()]


def replayed(rows: Iterable[dict[str, Any]], id_merge: IdMerge) -> tuple[IdentityModel, list[str]]:
    """Return the model after all events, and the id each was stored under."""
    model = build(id_merge)
    return model, [model.add(Event(row["event"], row["properties"])).stored for row in rows]


def users_by_person(
    rows: Sequence[dict[str, Any]], id_merge: IdMerge
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the users of each person, and the people of each user."""
    model, stored = replayed(rows, id_merge)
    users: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {}
    for row, text in zip(rows, stored, strict=True):
        user = model.settled(text)
        users.setdefault(row["properties"]["person"], set()).add(user)
        people.setdefault(user, set()).add(row["properties"]["person"])
    return users, people


def test_the_bytes_of_a_history_are_written_down_here_and_hold_on_every_machine(tmp_path: Path) -> None:
    digests = {}
    for id_merge in ID_MERGE_SYSTEMS:
        path = tmp_path / f"{id_merge}.jsonl"
        write_file(wanted(id_merge, events=5_000, rates="uuid_users=0.1,broken_lines=0.01"), path, "wire", len_of)
        digests[id_merge] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert digests == DIGESTS


def len_of(count: int) -> None:
    assert count > 0


def test_another_seed_is_another_history_of_the_same_size(tmp_path: Path) -> None:
    first, second = (rows_of(wanted(seed=seed), tmp_path) for seed in (1, 2))
    assert len(first) == len(second) == 3_000
    assert first != second


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_the_same_events_come_as_jsonl_as_gzip_as_parquet_and_in_shards(id_merge: IdMerge, tmp_path: Path) -> None:
    chosen = wanted(id_merge, events=2_500)
    lines = rows_of(chosen, tmp_path)
    write_file(chosen, tmp_path / "h.jsonl.gz", "wire", len_of)
    write_file(chosen, tmp_path / "h.parquet", "wire", len_of)
    write_file(chosen, tmp_path / "flat.jsonl", "flat", len_of)
    names = write_folder(chosen, tmp_path / "shards", ".jsonl", "wire", 1_000, len_of)

    unpacked = gzip.decompress((tmp_path / "h.jsonl.gz").read_bytes()).decode().splitlines()
    flat = [json.loads(line) for line in (tmp_path / "flat.jsonl").read_text().splitlines()]
    table = pq.read_table(tmp_path / "h.parquet").to_pylist()
    shards = [(tmp_path / "shards" / name).read_text().splitlines() for name in names]

    assert [json.loads(line) for line in unpacked] == lines
    assert [{"event": row["event"], **row["properties"]} for row in lines] == flat
    assert [{key: value for key, value in row.items() if value is not None} for row in table] == flat
    assert [len(shard) for shard in shards] == [1_000, 1_000, 500]
    assert [json.loads(line) for shard in shards for line in shard] == lines


def test_without_mistakes_every_person_of_an_original_or_simplified_project_is_one_user(tmp_path: Path) -> None:
    for id_merge in ("original", "simplified"):
        rows = rows_of(wanted(id_merge, rates="none,shared=0.5,login=1,logout=1,clear_cookies=0"), tmp_path)
        users, people = users_by_person(rows, id_merge)
        assert max(map(len, people.values())) == 1
        # The history ends in the middle of a few sessions, before their logins.
        assert sum(len(found) > 1 for found in users.values()) <= 3


@pytest.mark.parametrize(
    ("mistake", "id_merge", "splits", "mixes"),
    [
        ("no_reset=1,shared=1,logout=1", "original", False, True),
        ("keep_device=1,shared=1,logout=1", "simplified", False, True),
        ("merge=1,keep_device=1,shared=1,logout=1", "original", False, True),
        ("lost_login=1", "original", True, False),
        ("lost_login=1", "simplified", True, False),
        ("non_uuid=1", "original", True, False),
        ("phantom=1", "simplified", True, False),
        ("double_prefix=1", "original", True, False),
    ],
)
def test_each_mistake_splits_or_mixes_people_as_it_does_in_real_projects(
    mistake: str, id_merge: IdMerge, splits: bool, mixes: bool, tmp_path: Path
) -> None:
    rows = rows_of(wanted(id_merge, rates=f"none,login=1,{mistake}"), tmp_path)
    users, people = users_by_person(rows, id_merge)
    assert any(len(found) > 1 for found in users.values()) >= splits
    assert any(len(found) > 1 for found in people.values()) >= mixes
    clean = rows_of(wanted(id_merge, rates="none,login=1,clear_cookies=0,shared=0"), tmp_path)
    clean_users, clean_people = users_by_person(clean, id_merge)
    assert sum(map(len, users.values())) > sum(map(len, clean_users.values())) or not splits
    assert max(map(len, clean_people.values())) == 1


def test_a_mistake_of_non_uuid_device_ids_is_refused_with_mixpanels_reason(tmp_path: Path) -> None:
    rows = rows_of(wanted(rates="none,non_uuid=1,other_domain=0"), tmp_path)
    model, _ = replayed(rows, "original")
    reasons = {decision.reason for decision in model.decisions}
    assert reasons == {"errAnonDistinctIdNonGUIDForm"}


def test_test_accounts_make_clusters_that_reach_the_limit(tmp_path: Path) -> None:
    rows = rows_of(wanted(events=20_000, rates="none,test_accounts=0.6", people=400), tmp_path)
    model, _ = replayed(rows, "original")
    assert max(len(cluster.ids) for cluster in model.clusters()) == 501
    assert "errManyIDs" in {decision.reason for decision in model.decisions}


def test_retries_are_the_same_event_again_and_no_other_two_share_an_insert_id(tmp_path: Path) -> None:
    rows = rows_of(wanted(rates="retries=0.2,no_insert_id=0"), tmp_path)
    texts = Counter(json.dumps(row, sort_keys=True) for row in rows)
    ids = Counter(row["properties"]["$insert_id"] for row in rows)
    assert sorted(texts.values()) == sorted(ids.values())
    assert 300 < sum(count - 1 for count in ids.values()) < 700


def test_rates_of_single_events_are_kept(tmp_path: Path) -> None:
    rows = rows_of(wanted(events=20_000, rates="no_insert_id=0.1,disallowed=0.05,test_accounts=0"), tmp_path)
    nameless = sum("$insert_id" not in row["properties"] for row in rows)
    junk = sum(row["properties"].get("distinct_id") in ("undefined", "null", "None", "anonymous") for row in rows)
    assert 1_800 < nameless < 2_200
    assert 400 < junk < 1_000


def test_legacy_makes_one_alias_a_person(tmp_path: Path) -> None:
    rows = rows_of(wanted("legacy", rates="none"), tmp_path)
    aliases = Counter(row["properties"]["alias"] for row in rows if row["event"] == "$create_alias")
    assert aliases
    assert max(aliases.values()) == 1
    model, _ = replayed(rows, "legacy")
    assert {decision.outcome for decision in model.decisions} == {"merged"}


def test_broken_lines_are_cut_off_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    write_file(wanted(rates="broken_lines=0.1"), path, "wire", len_of)
    broken = 0
    for line in path.read_text().splitlines():
        try:
            json.loads(line)
        except ValueError:
            broken += 1
    assert 200 < broken < 400


def test_seasons_show_weekends_evenings_and_december_are_busier(tmp_path: Path) -> None:
    rows = rows_of(wanted(events=40_000, rates="none,offline=0", days=365), tmp_path)
    times = np.array([row["properties"]["time"] for row in rows])
    months = np.bincount((times.astype("datetime64[s]").astype("datetime64[M]").astype(int)) % 12, minlength=12)
    hours = np.bincount(times % DAY_S // 3_600, minlength=24)
    assert months[11] > 1.5 * months[1]
    assert hours[19] > 4 * hours[3]


def test_events_arrive_nearly_in_the_order_of_their_time_and_late_ones_do_not(tmp_path: Path) -> None:
    prompt = rows_of(wanted(rates="none,offline=0,retries=0"), tmp_path)
    late = rows_of(wanted(rates="none,offline=0.3,retries=0"), tmp_path)

    def backwards(rows: Sequence[dict[str, Any]]) -> int:
        times = [row["properties"]["time"] for row in rows]
        return sum(later < earlier for earlier, later in pairwise(times))

    assert backwards(prompt) < 20 < backwards(late)


@settings(max_examples=25)
@given(
    events=st.integers(1, 400),
    people=st.integers(1, 300),
    days=st.integers(1, 200),
    seed=st.integers(-(2**70), 2**70),
    id_merge=st.sampled_from(ID_MERGE_SYSTEMS),
)
def test_any_size_has_exactly_as_many_events_as_were_asked_for(
    events: int, people: int, days: int, seed: int, id_merge: IdMerge
) -> None:
    chosen = wanted(id_merge, events=events, people=people, days=days, seed=seed)
    batches = list(event_batches(chosen))
    assert sum(len(batch.number) for batch in batches) == events
    assert all((batch.person >= 0).all() for batch in batches)


@given(st.integers(1, 60))
def test_slots_fill_a_day_without_gaps(a_day: int) -> None:
    found = list(slots(0, 2, a_day))
    assert [slot.first for slot in found[:a_day]] == [0, *(slot.last for slot in found[: a_day - 1])]
    assert found[a_day - 1].last == PARTS_A_DAY
    assert sum(slot.weight for slot in found) == total_weight(0, 2)
    ends = [slot.end_s for slot in found]
    assert ends == sorted(ends)
    assert ends[-1] <= 2 * DAY_S


def test_a_day_has_all_its_seconds() -> None:
    seconds = seconds_of(np.arange(0, PARTS_A_DAY, dtype=np.int64))
    assert (np.diff(seconds) >= 0).all()
    assert seconds[0] == 0
    assert seconds[-1] == DAY_S - 1
    assert len(np.unique(seconds)) == DAY_S


def test_draws_are_spread_evenly_and_unrelated_for_different_purposes() -> None:
    counters = np.arange(100_000, dtype=np.int64)
    draws = Draws(5)
    found = np.bincount(draws.below("a", counters, 10), minlength=10)
    assert found.min() > 9_500
    assert found.max() < 10_500
    assert abs(int(draws.coins("b", counters, 0.25).sum()) - 25_000) < 700
    both = draws.coins("b", counters, 0.5) & draws.coins("c", counters, 0.5)
    assert abs(int(both.sum()) - 25_000) < 700
    assert len(np.unique(draws.words("d", counters))) == len(counters)
    assert not draws.coins("e", counters, 0).any()
    assert draws.coins("e", counters, 1).all()


def test_rates_that_are_wrong_are_all_told_at_once() -> None:
    found = parse_rates("shard=0.1,login=2,merge=x,logout")
    assert found == [
        "'shard' is no rate. Did you mean 'shared'?",
        "login is '2'; a rate is a number from 0 to 1, such as login=0.1",
        "merge is 'x'; a rate is a number from 0 to 1, such as merge=0.1",
        "logout is ''; a rate is a number from 0 to 1, such as logout=0.1",
    ]


def test_none_leaves_life_as_it_is_and_takes_the_mistakes_away() -> None:
    assert isinstance(CLEAN, Rates)
    assert CLEAN.login == about_rates()["login"][0]
    assert CLEAN.no_reset == CLEAN.merge == CLEAN.test_accounts == 0


def test_a_job_that_dies_leaves_nothing_that_looks_like_a_history(tmp_path: Path) -> None:
    def dies(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(wanted(), tmp_path / "h.parquet", "wire", dies)
    with pytest.raises(KeyboardInterrupt):
        write_folder(wanted(), tmp_path / "h", ".jsonl", "wire", 100, dies)
    assert list(tmp_path.iterdir()) == []
