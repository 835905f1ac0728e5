"""What must hold for any stream whatever the model makes of it: the same question asked in another way."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import DEVICE_PREFIX, ID_MERGE_SYSTEMS, Event, IdMerge, Json, id_text
from harness.identity.settings import IdentitySettings
from tests.identity.fast_picture import Replay, fast_picture
from tests.identity.slow_model import Sent, Verdict
from tests.identity.streams import ALL_IDS, ID_PROPERTIES, NO_ID, PLACED_EVENTS, filled, settings, streams

RETROACTIVE: Final[tuple[IdMerge, ...]] = ("original", "simplified")
every_system = pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
retroactive_systems = pytest.mark.parametrize("id_merge", RETROACTIVE)


def prefixes_and_rest(text: str) -> tuple[str, str]:
    """Split an id into all its leading `$device:` and what is behind them."""
    rest = text
    while rest.startswith(DEVICE_PREFIX):
        rest = rest[len(DEVICE_PREFIX) :]
    return text[: len(text) - len(rest)], rest


@every_system
@given(stream=streams(), reading=settings())
def test_sending_every_event_twice_in_a_row_changes_no_cluster(
    id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings
) -> None:
    once = fast_picture(id_merge, reading, stream)
    twice = fast_picture(id_merge, reading, list(chain.from_iterable((sent, sent) for sent in stream)))
    assert twice.clusters == once.clusters
    assert twice.users == once.users
    assert twice.canonical[::2] == twice.canonical[1::2] == once.canonical


# Two pools that share no id in any form; what is nobody's id, and a prefix with nothing behind it, is on the left.
_RESTS: Final = sorted({prefixes_and_rest(id_text(value))[1] for value in ALL_IDS} - {""})
_RIGHT_RESTS: Final = frozenset(_RESTS[::2])
RIGHT: Final[tuple[Json, ...]] = tuple(v for v in ALL_IDS if prefixes_and_rest(id_text(v))[1] in _RIGHT_RESTS)
LEFT: Final[tuple[Json, ...]] = NO_ID + tuple(
    v for v in ALL_IDS if prefixes_and_rest(id_text(v))[1] not in _RIGHT_RESTS
)


@st.composite
def streams_of(draw: st.DrawFn, ids: tuple[Json, ...]) -> list[Sent]:
    """Streams of up to 12 events over a few of the given ids."""
    pool = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=5))
    return [Sent(filled(event, pool)) for event in draw(st.lists(PLACED_EVENTS, max_size=12))]


@retroactive_systems
@given(left=streams_of(LEFT), right=streams_of(RIGHT), reading=settings(), data=st.data())
def test_unrelated_streams_may_be_interleaved_in_any_way(
    id_merge: IdMerge, left: list[Sent], right: list[Sent], reading: IdentitySettings, data: st.DataObject
) -> None:
    turns = data.draw(st.permutations([True] * len(left) + [False] * len(right)))
    sources = {True: iter(left), False: iter(right)}
    mixed = fast_picture(id_merge, reading, [next(sources[turn]) for turn in turns])
    for turn, stream in ((True, left), (False, right)):
        alone = fast_picture(id_merge, reading, stream)
        places = [place for place, whose in enumerate(turns) if whose is turn]
        assert [mixed.canonical[place] for place in places] == list(alone.canonical)
        assert set(alone.clusters) <= set(mixed.clusters)
        in_place = [found._replace(event_index=places[found.event_index]) for found in alone.decisions]
        assert in_place == [found for found in mixed.decisions if found.event_index in set(places)]
    assert len(mixed.clusters) == sum(len(fast_picture(id_merge, reading, stream).clusters) for stream in (left, right))


_OTHER_SIGNS: Final = str.maketrans("012356cdefCDEFlnou", "103265dcfeDCFEnluo")
"""Exchanges signs in pairs: hex digits for hex digits, and none that say version or variant of a UUID."""


def renamed(text: str) -> str:
    """Give every id another name of the same form; no two ids get one name."""
    prefixes, rest = prefixes_and_rest(text)
    return prefixes + rest.translate(_OTHER_SIGNS)


def renamed_event(event: Event) -> Event:
    """Rename every id of an event; an id that is no text becomes the text it counts as."""
    properties = dict(event.properties)
    for key in ID_PROPERTIES:
        if key in properties and properties[key] is not None:
            properties[key] = renamed(id_text(properties[key]))
    if isinstance(listed := properties.get("$distinct_ids"), list):
        properties["$distinct_ids"] = [renamed(id_text(value)) for value in listed]
    return Event(event.name, properties)


@every_system
@given(stream=streams(), reading=settings())
def test_renaming_all_ids_renames_the_result(id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings) -> None:
    before = fast_picture(id_merge, reading, stream)
    after = fast_picture(id_merge, reading, [sent._replace(event=renamed_event(sent.event)) for sent in stream])
    assert {frozenset(ids) for ids in after.clusters} == {frozenset(map(renamed, ids)) for ids in before.clusters}
    assert after.decisions == tuple(
        Verdict(found.kind, tuple(map(renamed, found.ids)), found.outcome, found.reason, found.event_index)
        for found in before.decisions
    )
    assert after.received == tuple(map(renamed, before.received))
    assert after.stored == tuple(map(renamed, before.stored))
    assert len(after.users) == len(before.users)
    if id_merge != "original" or reading.canonical != "seeded_random":  # a lot is drawn by name
        assert after.canonical == tuple(map(renamed, before.canonical))


@given(stream=streams(), reading=settings(), seed=st.integers(-(2**63), 2**63))
def test_the_seed_of_the_canonical_id_changes_names_but_never_who_is_together(
    stream: list[Sent], reading: IdentitySettings, seed: int
) -> None:
    one = fast_picture("original", replace(reading, canonical="seeded_random"), stream)
    other = fast_picture("original", replace(reading, canonical="seeded_random", canonical_seed=seed), stream)
    assert (other.clusters, other.decisions, other.stored) == (one.clusters, one.decisions, one.stored)
    assert len(other.users) == len(one.users)


def test_another_seed_does_pick_another_canonical_id() -> None:
    stream = [Sent(Event("$merge", {"$distinct_ids": ["a", "b"]}))]
    picked = {
        fast_picture("original", IdentitySettings(canonical_seed=seed), stream).canonical[0] for seed in range(50)
    }
    assert picked == {"a", "b"}


@every_system
@given(stream=streams(), reading=settings())
def test_the_canonical_id_is_always_a_member_of_its_cluster(
    id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings
) -> None:
    found = fast_picture(id_merge, reading, stream)
    home = {text: ids for ids in found.clusters for text in ids}
    assert sum(map(len, found.clusters)) == len(home), "an id is in one cluster only"
    for stored, canonical in zip(found.stored, found.canonical, strict=True):
        assert canonical in (home[stored] if stored else ("",))


@every_system
@given(stream=streams(), reading=settings())
def test_one_by_one_and_asked_after_each_equals_all_at_once(
    id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings
) -> None:
    replay = Replay(id_merge, reading)
    for length, sent in enumerate(stream, start=1):
        assert replay.take([sent]).picture() == fast_picture(id_merge, reading, stream[:length])


@retroactive_systems
@given(stream=streams(), reading=settings())
def test_what_is_together_once_stays_together(id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings) -> None:
    replay = Replay(id_merge, reading)
    together: list[frozenset[str]] = []
    for sent in stream:
        now = [frozenset(ids) for ids in replay.take([sent]).picture().clusters]
        assert all(any(former <= current for current in now) for former in together)
        together = now


@given(stream=streams(), reading=settings())
def test_no_cluster_of_original_is_ever_larger_than_the_limit(stream: list[Sent], reading: IdentitySettings) -> None:
    assert all(len(ids) <= reading.max_cluster_ids for ids in fast_picture("original", reading, stream).clusters)


@every_system
@given(stream=streams(), reading=settings(), data=st.data())
def test_the_time_inside_an_event_decides_nothing(
    id_merge: IdMerge, stream: list[Sent], reading: IdentitySettings, data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.integers(0, 2_000_000_000), min_size=len(stream), max_size=len(stream)))
    timed = [
        sent._replace(event=Event(sent.event.name, {**sent.event.properties, "time": time}))
        for sent, time in zip(stream, times, strict=True)
    ]
    assert fast_picture(id_merge, reading, timed) == fast_picture(id_merge, reading, stream)


@given(stream=streams(), reading=settings(), delay=st.integers(1, 1000), shift=st.integers(1, 10**12))
def test_only_legacy_with_a_slow_alias_reads_the_clock(
    stream: list[Sent], reading: IdentitySettings, delay: int, shift: int
) -> None:
    reading = replace(reading, alias_delay_ms=delay)
    shifted = [sent._replace(arrival_ms=sent.arrival_ms * shift) for sent in stream]
    later = [sent._replace(arrival_ms=sent.arrival_ms + shift) for sent in stream]
    for id_merge in RETROACTIVE:
        assert fast_picture(id_merge, reading, shifted) == fast_picture(id_merge, reading, stream)
    # Legacy looks at how far events are apart, so all of them later is the same story.
    assert fast_picture("legacy", reading, later) == fast_picture("legacy", reading, stream)
