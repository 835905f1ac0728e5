"""A million `$identify` against networkx on the same edges.

networkx only finds connected components. The model takes each edge as an event in its order, checks the form of the
ids, the guards and the limit, and keeps every decision.
"""

from __future__ import annotations

import gc
import random
import uuid
from typing import Final, TypeAlias

import networkx as nx

from harness.event import Event
from harness.identity.model import IdentityModel, build
from tests.benchmarks.rows import Row, timed, times_as_fast

USERS: Final = 62_500
DEVICES_A_USER: Final = 16
ROUNDS: Final = 3

Edge: TypeAlias = tuple[str, str]


def edges() -> list[Edge]:
    """Make 1,000,000 edges (anonymous id, user id) over 1,062,500 ids, all UUIDs, users in random turns."""
    chance = random.Random(1)

    def version_4() -> str:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))

    made = [(version_4(), user) for user in (version_4() for _ in range(USERS)) for _ in range(DEVICES_A_USER)]
    chance.shuffle(made)
    return made


def resolve_all(events: list[Event]) -> IdentityModel:
    """Let the model decide on every event."""
    model = build("original")
    add = model.add
    for event in events:
        add(event)
    return model


def connect_all(pairs: list[Edge]) -> list[set[str]]:
    """Let networkx build the graph and find its components."""
    graph: nx.Graph[str] = nx.Graph()
    for anonymous, user in pairs:
        graph.add_edge(anonymous, user)
    return list(nx.connected_components(graph))


def measure() -> list[Row]:
    """Run both in turns and compare the best of each."""
    pairs = edges()
    events = [Event("$identify", {"distinct_id": user, "$anon_distinct_id": anonymous}) for anonymous, user in pairs]
    model = resolve_all(events)
    _check(model, connect_all(pairs))

    deciding: list[float] = []
    listing: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        # What one leaves behind must not be collected in the other's time.
        gc.collect()
        theirs.append(timed(lambda: connect_all(pairs)))
        gc.collect()
        deciding.append(timed(lambda: resolve_all(events)))
        gc.collect()
        listing.append(timed(resolve_all(events).clusters))
    peer = "networkx: build, components"
    return [
        times_as_fast("identity: 1,000,000 edges, decisions kept", min(deciding), peer, min(theirs), at_least=1),
        times_as_fast(
            "the same, and all clusters listed, sorted, named", min(deciding) + min(listing), peer, min(theirs)
        ),
    ]


def _check(model: IdentityModel, components: list[set[str]]) -> None:
    assert len(model.decisions) == USERS * DEVICES_A_USER
    assert {frozenset(cluster.ids) for cluster in model.clusters()} == set(map(frozenset, components))
