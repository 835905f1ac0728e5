"""Random streams of events and random readings of the rules, made to collide.

Two sources of the same kind of streams: `random_stream` makes many in little time from a seed, and the Hypothesis
strategies make streams that shrink to the smallest one that fails. Each stream draws its ids from a handful, so that
the same id keeps coming back in every role and every form.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from harness.event import Endpoint, Event, Json
from harness.identity.settings import CanonicalPolicy, IdentitySettings
from tests.identity.slow_model import Sent

UUID_A: Final = "3f0c1d5e-7a44-4b6e-9d2a-0123456789ab"
UUID_B: Final = "9b2e77aa-01c3-4f0d-8e55-fedcba987654"
UUID_C: Final = "c0ffee00-1234-4abc-b123-00000000c0de"

GOOD_ANONYMOUS_IDS: Final[tuple[Json, ...]] = (
    UUID_A,
    UUID_B,
    UUID_C,
    UUID_A.upper(),
    "$device:" + UUID_A,
    "$device:" + UUID_B,
    "$device:" + UUID_A.upper(),
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",  # version 1
    "01890a5d-ac96-774b-bcce-b302099a8057",  # version 7
    "$device:01890a5d-ac96-774b-bcce-b302099a8057",
    "3f0c1d5e-7a44-4b6e-7d2a-0123456789ab",  # version 4, but of another variant
    "13bbf7943e584-0885c2531-5c793977-3e8000-13bbf7943e64cf",  # what the browser SDK made until 2025
    "1-2-3-4-5",
)

ODD_IDS: Final[tuple[Json, ...]] = (
    "3f0c1d5e7a444b6e9d2a0123456789ab",  # a UUID without hyphens
    "$device:$device:" + UUID_A,
    "$DEVICE:" + UUID_A,
    UUID_A + "\n",
    " " + UUID_A,
    "３f0c1d5e-7a44-4b6e-9d2a-0123456789ab",  # begins with a full-width digit
    "gf0c1d5e-7a44-4b6e-9d2a-0123456789ab",
    "----",
    "3f0c1d5e-7a44-4b6e-9d2a-0123-456789ab",
    "$device:",
    "$device:$device:",
    "$device",
    "08953821562340987654321098765432109876",  # an ECID
    "$device:08953821562340987654321098765432109876",
    8953821562340987654321098765432109876,
    42,
    42.0,
    "42",
    "$device:42",
    -0.0,
    0,
    1.5,
    True,
    False,
    "false",
    [],
    {"a": 1},
    "日本語",
    "é",
    "e\u0301",  # the same letter in two code points
    "\ud83d",  # half of a pair, as a cut emoji leaves it
)

USER_IDS: Final[tuple[Json, ...]] = (
    "ann@example.com",
    "Ann@example.com",
    "bob@example.com",
    "$device:ann@example.com",
    "u1",
    "u2",
    "$device:u1",
)

ALL_IDS: Final[tuple[Json, ...]] = GOOD_ANONYMOUS_IDS + ODD_IDS + USER_IDS
NO_ID: Final[tuple[Json, ...]] = ("", None)

EVENT_NAMES: Final = ("$identify", "$create_alias", "$merge", "Page View", "Signed In")
ID_PROPERTIES: Final = (
    "distinct_id",
    "$user_id",
    "$device_id",
    "$identified_id",
    "$anon_id",
    "$anon_distinct_id",
    "alias",
)
USUAL_PROPERTIES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "$identify": (
        ("distinct_id", "$anon_distinct_id"),
        ("$identified_id", "$anon_id"),
        ("distinct_id", "$anon_distinct_id", "$device_id", "$user_id"),
        ("distinct_id", "$identified_id", "$anon_id", "$anon_distinct_id"),
    ),
    "$create_alias": (("distinct_id", "alias"), ("distinct_id", "alias", "$device_id")),
    "$merge": ((), ("distinct_id",)),
    "Page View": (("distinct_id",), ("distinct_id", "$device_id"), ("$device_id", "$user_id"), ("$user_id",)),
    "Signed In": (("distinct_id", "$device_id", "$user_id"), ("$device_id", "$user_id"), ("distinct_id",)),
}
"""What SDKs and servers put on each event; any other mix is tried as well."""

ARRIVAL_STEPS: Final = (0, 0, 1, 10, 1000)
NOT_LISTS: Final[tuple[Json, ...]] = (None, "ab", 7, {"a": "b"}, [])


# --- by seed, in bulk ---------------------------------------------------------------------------------------------


def random_settings(chance: random.Random) -> IdentitySettings:
    """Draw a reading of the rules; in half of them most switches keep their default."""
    pick = chance.choice
    if chance.random() < 0.5:
        return IdentitySettings(cluster_limit=pick((None, 2, 3, 4, 5, 6)), canonical_seed=chance.randrange(100))
    return IdentitySettings(
        profile=pick(("observed", "docs")),
        cluster_limit=pick((None, 2, 3, 4, 5, 6)),
        canonical=pick(_POLICIES),
        canonical_seed=chance.randrange(-100, 100),
        anon_id_form=pick(("compat", "strict_v4", "php_loose")),
        assigned_rule=pick(("cluster", "anon_only")),
        reidentify_same_pair=pick(("error", "noop")),
        device_prefix_equivalent=pick((False, True)),
        strip_device_prefix=pick(("one", "none")),
        empty_id=pick(("absent", "literal")),
        alias_delay_ms=pick((0, 0, 1, 10, 1000)),
    )


def random_stream(chance: random.Random, longest: int = 25) -> list[Sent]:
    """Draw a stream of up to `longest` events."""
    pool = chance.sample(GOOD_ANONYMOUS_IDS, chance.randint(1, 4)) + chance.sample(USER_IDS, chance.randint(1, 3))
    pool += chance.sample(ODD_IDS, chance.randint(0, 3)) + list(NO_ID[: chance.randint(0, 2)])
    stream: list[Sent] = []
    now = 0
    for _ in range(chance.randint(1, longest)):
        now += chance.choice(ARRIVAL_STEPS)
        endpoint: Endpoint = "import" if chance.random() < 0.75 else "track"
        stream.append(Sent(_random_event(chance, pool), endpoint, now))
    return stream


def _random_event(chance: random.Random, pool: Sequence[Json]) -> Event:
    name = chance.choice(EVENT_NAMES)
    if chance.random() < 0.85:
        keys = chance.choice(USUAL_PROPERTIES[name])
    else:
        keys = tuple(chance.sample(ID_PROPERTIES, chance.randint(0, len(ID_PROPERTIES))))
    properties: dict[str, Json] = {key: chance.choice(pool) for key in keys}
    if name == "$merge":
        properties["$distinct_ids"] = (
            [chance.choice(pool) for _ in range(2 if chance.random() < 0.85 else chance.randint(0, 4))]
            if chance.random() < 0.95
            else chance.choice(NOT_LISTS)
        )
    return Event(name, properties)


# --- by Hypothesis, to shrink -------------------------------------------------------------------------------------

_POLICIES: Final[tuple[CanonicalPolicy, ...]] = ("seeded_random", "user_first", "first_seen")


def settings() -> st.SearchStrategy[IdentitySettings]:
    """Every reading of the rules, with limits small enough to be hit."""
    return st.builds(
        IdentitySettings,
        profile=st.sampled_from(("observed", "docs")),
        cluster_limit=st.sampled_from((None, 2, 3, 4, 5, 6)),
        canonical=st.sampled_from(_POLICIES),
        canonical_seed=st.integers(-100, 100),
        anon_id_form=st.sampled_from(("compat", "strict_v4", "php_loose")),
        assigned_rule=st.sampled_from(("cluster", "anon_only")),
        reidentify_same_pair=st.sampled_from(("error", "noop")),
        device_prefix_equivalent=st.booleans(),
        strip_device_prefix=st.sampled_from(("one", "none")),
        empty_id=st.sampled_from(("absent", "literal")),
        alias_delay_ms=st.sampled_from((0, 1, 10, 1000)),
    )


def ids() -> st.SearchStrategy[Json]:
    """Any id of any form, the empty ones included."""
    return st.sampled_from(ALL_IDS + NO_ID)


def events(pool: Sequence[Json]) -> st.SearchStrategy[Event]:
    """Events of every kind whose ids come from a pool."""
    return st.one_of([_events_named(name, pool) for name in EVENT_NAMES])


def _events_named(name: str, pool: Sequence[Json]) -> st.SearchStrategy[Event]:
    from_pool = st.sampled_from(list(pool))
    mixes: list[st.SearchStrategy[dict[str, Json]]] = [
        st.fixed_dictionaries(dict.fromkeys(keys, from_pool)) for keys in USUAL_PROPERTIES[name]
    ]
    mixes.append(st.fixed_dictionaries({}, optional=dict.fromkeys(ID_PROPERTIES, from_pool)))
    properties = st.one_of(mixes)
    if name == "$merge":
        named = st.one_of(
            st.lists(from_pool, min_size=2, max_size=2), st.lists(from_pool, max_size=4), st.sampled_from(NOT_LISTS)
        )
        properties = st.builds(lambda some, listed: {**some, "$distinct_ids": listed}, properties, named)
    return st.builds(Event, st.just(name), properties)


MOST_IDS: Final = 8

# Made once, over places in a pool: strategies over the ids of each pool would take longer to make than to draw from.
PLACED_EVENTS: Final = events(range(MOST_IDS))
_ARRIVALS: Final = st.tuples(PLACED_EVENTS, st.sampled_from(("import", "track")), st.sampled_from((0, 1, 10, 1000)))


@st.composite
def streams(draw: st.DrawFn, longest: int = 25) -> list[Sent]:
    """Streams of up to `longest` events over a pool of up to eight ids."""
    pool = draw(st.lists(ids(), min_size=1, max_size=MOST_IDS))
    stream: list[Sent] = []
    now = 0
    for event, endpoint, step in draw(st.lists(_ARRIVALS, min_size=1, max_size=longest)):
        now += step
        stream.append(Sent(filled(event, pool), "track" if endpoint == "track" else "import", now))
    return stream


def filled(event: Event, pool: Sequence[Json]) -> Event:
    """Return one of `PLACED_EVENTS` with the ids of a pool at its places, round and round where the pool is small."""
    return Event(event.name, {key: _at(place, key, pool) for key, place in event.properties.items()})


def _at(place: Json, key: str, pool: Sequence[Json]) -> Json:
    """Return the id at a place; `$distinct_ids` holds several places, or something that is no list and stays."""
    if key != "$distinct_ids":
        return pool[place % len(pool)]
    return [pool[one % len(pool)] for one in place] if isinstance(place, list) else place
