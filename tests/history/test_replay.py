"""The replay against the plain model: every stream, every reading of the rules, all three systems."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from harness.event import ID_MERGE_SYSTEMS, Event, IdMerge
from harness.history.dictionary import Dictionary
from harness.history.records import REASONS, RULE_NAMES
from harness.history.replay import replay
from harness.identity.explain import explain_cluster
from harness.identity.model import IdentityModel, build
from harness.identity.rules import RULES
from harness.identity.settings import IdentitySettings
from tests.history.streamed import Replayed, admitted, batch_of, replayed
from tests.identity.slow_model import Sent
from tests.identity.streams import random_settings, random_stream, settings, streams

SEEDS: Final = 400


def assert_alike(id_merge: IdMerge, reading: IdentitySettings, stream: list[Sent], cuts: list[int]) -> IdentityModel:
    """Compare every answer of the replay with that of the plain model."""
    model = build(id_merge, reading)
    arrivals = [model.add(sent.event, endpoint=sent.endpoint, arrival_ms=sent.arrival_ms) for sent in stream]
    found = replayed(id_merge, reading, stream, cuts)
    assert found.decisions == [
        (made.kind, made.outcome, made.reason, made.rule, made.event_index) for made in model.decisions
    ]
    assert found.stored == [arrival.stored for arrival in arrivals]
    assert found.received == [arrival.received for arrival in arrivals]
    assert found.clusters == [(cluster.canonical, cluster.ids) for cluster in model.clusters()]
    assert found.settled == [model.settled(arrival.stored) for arrival in arrivals]
    assert_joined_alike(id_merge, found, model)
    return model


def assert_joined_alike(id_merge: IdMerge, found: Replayed, model: IdentityModel) -> None:
    """Compare since which event each id is one user with its canonical id."""
    resolved = found.model.resolved()
    ids = found.model.ids
    if id_merge == "legacy":
        for text, canonical in zip(ids.texts(resolved.ids), ids.texts(resolved.canonical), strict=True):
            assert model.members(text) == (canonical,)
        return
    since: dict[str, dict[str, int]] = {}
    for row, text in enumerate(ids.texts(resolved.ids)):
        canonical = ids.text(int(resolved.canonical[row]))
        assert canonical == model.resolve(text)
        if canonical not in since:
            members = explain_cluster(model, canonical)
            since[canonical] = {one.id: one.since.event_index if one.since else -1 for one in members}
        assert since[canonical][text] == resolved.event_index[row]
        rule = RULE_NAMES[resolved.rule[row]]
        by_index = {made.event_index: made.rule for made in model.decisions}
        assert rule == by_index.get(int(resolved.event_index[row]), "")


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_random_streams_are_replayed_as_the_plain_model_decides(id_merge: IdMerge) -> None:
    seen = set()
    for seed in range(SEEDS):
        chance = random.Random(seed)
        reading, stream = random_settings(chance), random_stream(chance)
        cuts = sorted(chance.randint(0, len(stream)) for _ in range(chance.randint(0, 2)))
        try:
            model = assert_alike(id_merge, reading, stream, cuts)
        except AssertionError as difference:
            difference.add_note(f"{id_merge}, seed {seed}, cut at {cuts}")
            raise
        seen |= {(made.rule, made.outcome) for made in model.decisions}
    rules = {name for name in RULE_NAMES if name.startswith(id_merge)}
    assert rules == {rule for rule, _ in seen}


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_any_stream_is_replayed_as_the_plain_model_decides(id_merge: IdMerge) -> None:
    @hypothesis_settings(max_examples=80)
    @given(stream=streams(), reading=settings())
    def compare(stream: list[Sent], reading: IdentitySettings) -> None:
        assert_alike(id_merge, reading, stream, [])

    compare()


def test_every_rule_that_decides_has_a_place_and_the_reason_of_the_plain_model() -> None:
    cautions = {
        "simplified.phantom_user",
        "original.anon_not_v4",
        "original.near_limit",
        "original.device_prefix",
    }
    assert set(RULE_NAMES) - {""} == set(RULES) - cautions
    assert set(REASONS) <= set(RULES)


@pytest.mark.parametrize("hash_bits", [0, 3, 0xFF00000000000000])
def test_ids_whose_hashes_collide_stay_apart(hash_bits: int) -> None:
    texts = [f"{number:x}" for number in range(500)] + ["$device:1", "", "$device:", "é", "1\x00", "1\x00\x00"]
    weak, strong = Dictionary(4, hash_bits), Dictionary(4)
    codes = weak.codes(texts)
    assert len(set(codes.tolist())) == len(texts)
    assert weak.texts(codes) == texts
    assert codes.tolist() == strong.codes(texts).tolist()
    assert weak.codes(texts[::-1]).tolist() == codes[::-1].tolist()


def test_a_replay_over_colliding_hashes_decides_the_same() -> None:
    for seed in range(60):
        chance = random.Random(seed)
        stream = random_stream(chance)
        outcomes = []
        for bits in (0, 0xFFFFFFFFFFFFFFFF):
            ids = Dictionary(4, bits)
            batch = batch_of(stream, ids)
            made = replay("original", ids).take(batch, admitted(batch)).decisions
            outcomes.append((made.outcome.tolist(), made.rule.tolist()))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 36, 127, 128, 129, 500])
@pytest.mark.parametrize("seed", [0, 7, -3])
def test_the_canonical_id_is_drawn_as_in_the_plain_model_whatever_the_length(size: int, seed: int) -> None:
    reading = IdentitySettings(canonical_seed=seed)
    stream = [
        Sent(Event("$create_alias", {"distinct_id": "é" * size + f"{number}", "alias": f"{number + 1}" * (size + 1)}))
        for number in range(9)
    ]
    model = build("original", reading)
    for sent in stream:
        model.add(sent.event)
    found = replayed("original", reading, stream)
    assert found.clusters == [(cluster.canonical, cluster.ids) for cluster in model.clusters()]


def test_a_long_chain_of_aliases_is_followed_in_little_time() -> None:
    size = 200_000
    ids = Dictionary()
    codes = ids.codes([f"a{number}" for number in range(size + 1)])
    stream = [Sent(Event("$create_alias", {}))] * 2
    batch = batch_of(stream, ids)
    model = replay("legacy", ids)
    fields = {name: np.resize(getattr(batch, name), size) for name in ("form", "insert_form", "truth", "device_id")}
    long = type(batch)(
        **{
            **{name: getattr(batch, name) for name in batch.__slots__},
            **fields,
            "size": size,
            "kind": np.full(size, 2, np.uint8),
            "distinct_id": codes[1:],
            "alias": codes[:-1],
            "user_id": np.zeros(size, np.uint32),
            "identified_id": np.zeros(size, np.uint32),
            "anonymous_id": np.zeros(size, np.uint32),
            "time_ms": np.zeros(size, np.int64),
        }
    )
    taken = model.take(long, admitted(long))
    assert (taken.decisions.outcome == 0).all()
    resolved = model.resolved()
    last = {int(code): int(end) for code, end in zip(resolved.ids, resolved.canonical, strict=True)}
    assert last[int(codes[0])] == codes[-1]
