"""The model against the slow one: over 20,000 random streams, every reading of the rules, all three systems."""

from __future__ import annotations

import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from harness.event import ID_MERGE_SYSTEMS, IdMerge
from harness.identity.settings import IdentitySettings
from tests.identity.fast_picture import Replay, fast_picture
from tests.identity.slow_model import Picture, Sent, picture
from tests.identity.streams import random_settings, random_stream, settings, streams

BATCHES: Final = 36
BATCH_SIZE: Final = 500
EXAMPLES_A_SYSTEM: Final = 850
WANTED: Final = 20_000


def assert_alike(slow: Picture, fast: Picture) -> None:
    """Compare one answer at a time, so that a failure names the one that differs."""
    assert fast.decisions == slow.decisions
    assert fast.received == slow.received
    assert fast.stored == slow.stored
    assert fast.clusters == slow.clusters
    assert fast.canonical == slow.canonical
    assert fast.users == slow.users


def test_the_streams_below_are_more_than_twenty_thousand() -> None:
    assert BATCHES * BATCH_SIZE + len(ID_MERGE_SYSTEMS) * EXAMPLES_A_SYSTEM >= WANTED


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_batch_of_random_streams_gives_one_picture_in_both_models(batch: int) -> None:
    compared = 0
    for seed in range(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE):
        chance = random.Random(seed)
        reading, stream = random_settings(chance), random_stream(chance)
        cut = chance.randint(0, len(stream))
        for id_merge in ID_MERGE_SYSTEMS:
            try:
                # Asking half-way shows whether an answer that was given once is kept for too long.
                replay = Replay(id_merge, reading).take(stream[:cut])
                assert_alike(picture(id_merge, reading, stream[:cut]), replay.picture())
                assert_alike(picture(id_merge, reading, stream), replay.take(stream[cut:]).picture())
            except AssertionError as difference:
                difference.add_note(f"{id_merge}, seed {seed}, asked after {cut} of {len(stream)} events")
                raise
        compared += 1
    assert compared == BATCH_SIZE


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_any_stream_under_any_reading_gives_one_picture_in_both_models(id_merge: IdMerge) -> None:
    compared = 0

    @hypothesis_settings(max_examples=EXAMPLES_A_SYSTEM)
    @given(stream=streams(), reading=settings())
    def compare(stream: list[Sent], reading: IdentitySettings) -> None:
        nonlocal compared
        compared += 1
        assert_alike(picture(id_merge, reading, stream), fast_picture(id_merge, reading, stream))

    compare()
    assert compared >= EXAMPLES_A_SYSTEM


EVERY_OUTCOME: Final[dict[IdMerge, set[tuple[str, str, str | None]]]] = {
    "simplified": {
        ("link", "merged", None),
        ("link", "already", None),
        ("link", "refused", None),
        ("link", "refused", "errAnonDistinctIdAssignedAlready"),
        ("identify", "ignored", None),
        ("alias", "ignored", None),
        ("merge", "ignored", None),
    },
    "original": {
        ("identify", "merged", None),
        ("identify", "already", None),
        ("identify", "refused", None),
        ("identify", "refused", "errSameIDs"),
        ("identify", "refused", "errAnonDistinctIdNonGUIDForm"),
        ("identify", "refused", "errAnonDistinctIdAssignedAlready"),
        ("identify", "refused", "errManyIDs"),
        ("alias", "merged", None),
        ("alias", "already", None),
        ("alias", "refused", None),
        ("alias", "refused", "errAliasAlreadyExists"),
        ("alias", "refused", "errManyIDs"),
        ("merge", "merged", None),
        ("merge", "already", None),
        ("merge", "refused", None),
        ("merge", "refused", "errManyIDs"),
        ("merge", "ignored", None),
    },
    "legacy": {
        ("alias", "merged", None),
        ("alias", "already", None),
        ("alias", "refused", None),
        ("alias", "refused", "errAliasAlreadyExists"),
        ("alias", "refused", "alias_circle"),
        ("identify", "ignored", None),
        ("merge", "ignored", None),
    },
}


@pytest.mark.parametrize("id_merge", ID_MERGE_SYSTEMS)
def test_the_streams_reach_every_outcome_there_is(id_merge: IdMerge) -> None:
    # Agreement on streams in which nothing happens would prove nothing.
    seen: set[tuple[str, str, str | None]] = set()
    for seed in range(BATCH_SIZE):
        chance = random.Random(seed)
        reading, stream = random_settings(chance), random_stream(chance)
        seen |= {(found.kind, found.outcome, found.reason) for found in picture(id_merge, reading, stream).decisions}
    assert seen == EVERY_OUTCOME[id_merge]
