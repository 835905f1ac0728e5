"""Migration as slowly and as plainly as it can be said: events as dictionaries, clusters as sets, one pass a question.

It knows nothing of columns, codes or bytes, and is written from the sentences of the README alone. It answers what the
users of the source are, and which of them have to be users of the target, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.event import IDENTITY_EVENTS, Event, IdMerge, id_text
from harness.identity.looks import looks_anonymous
from harness.identity.model import IdentityModel, build
from harness.identity.settings import IdentitySettings
from harness.ingestion.limits import DISALLOWED_IDS


@dataclass
class SlowMigration:
    """What has to come of a stream.

    Attributes:
        kept: the places of the events that have to be written.
        groups: for each of them whose it is: a set of ids of the source that stay one user, or None for nobody.
        users_before: users of the source with ordinary events.
        ambiguous: the user ids of each cluster with several.
        unresolved: the ids of each cluster with none and more than one device.
    """

    kept: list[int] = field(default_factory=list)
    groups: list[frozenset[str] | None] = field(default_factory=list)
    users_before: int = 0
    ambiguous: list[set[str]] = field(default_factory=list)
    unresolved: list[set[str]] = field(default_factory=list)


def bare(text: str) -> str:
    while text.startswith("$device:"):
        text = text[8:]
    return text


def is_nobody(text: str) -> bool:
    return text.lower() in DISALLOWED_IDS or bare(text).lower() in DISALLOWED_IDS or not bare(text)


def is_user(text: str, pattern: str) -> bool:
    if text.startswith("$device:"):
        return False
    if looks_anonymous(text):
        return re.fullmatch(pattern, text) is not None
    return re.search(pattern, text) is not None


def slow_migration(
    events: Sequence[Event], source: IdMerge, pattern: str, excluded: Iterable[str] = (), limit: int | None = None
) -> SlowMigration:
    """Return what has to come of a stream of stored events in simplified; devices of several users are nobody's."""
    model = build(source, IdentitySettings(cluster_limit=limit))
    out = set(excluded)
    sent, stored, joined = _replayed(events, model)
    ordinary = [place for place, event in enumerate(events) if event.name not in IDENTITY_EVENTS]

    def fine(text: str) -> bool:
        return not is_nobody(text) and text not in out

    cluster = _clusters(
        [*sent, *(text for pair in joined for text in pair)], filter(lambda p: all(map(fine, p)), joined)
    )
    found = SlowMigration(users_before=len({model.settled(stored[place]) for place in ordinary if stored[place]}))
    for place in ordinary:
        if sent[place] not in out or is_nobody(sent[place]):
            found.kept.append(place)
            found.groups.append(_group(cluster, sent[place], pattern) if fine(sent[place]) else None)
    active = {sent[place] for place in ordinary}
    for members in {id(members): members for members in cluster.values() if members & active}.values():
        users = {text for text in members if is_user(text, pattern) and fine(text)}
        if len(users) > 1:
            found.ambiguous.append(users)
        if not users and len({bare(text) for text in members}) > 1:
            found.unresolved.append(set(members))
    return found


def _replayed(events: Sequence[Event], model: IdentityModel) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Return what each event was sent and stored under, and what was joined."""
    sent, stored, joined = [], [], []
    for event in events:
        properties = dict(event.properties)
        if id_text(properties.get("distinct_id")).lower() in DISALLOWED_IDS:
            properties["distinct_id"] = ""
        arrival = model.add(Event(event.name, properties))
        sent.append(id_text(event.properties.get("distinct_id")))
        stored.append(arrival.stored)
        if arrival.decision is not None and arrival.decision.outcome == "merged":
            joined.append((arrival.decision.ids[0], arrival.decision.ids[1]))
    return sent, stored, joined


def _clusters(texts: Iterable[str], joined: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    cluster = {text: {text} for text in texts}
    for a, b in joined:
        if cluster[a] is not cluster[b]:
            cluster[a] |= cluster[b]
            for text in cluster[b]:
                cluster[text] = cluster[a]
    return cluster


def _group(cluster: dict[str, set[str]], text: str, pattern: str) -> frozenset[str]:
    """Return the ids that stay together with one: its cluster where that has one user id, else what spells the same."""
    members = cluster[text]
    users = [one for one in members if is_user(one, pattern)]
    if len(users) == 1:
        return frozenset(members)
    if text in users:
        return frozenset([text])
    return frozenset(one for one in members if one not in users and bare(one) == bare(text))
