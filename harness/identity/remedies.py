"""What may be tried to join two ids: for each way a decision can fail, edits of the stream that answer it.

An edit promises nothing; `harness.identity.whatif` tries it on the model.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from harness.event import DEVICE_PREFIX, Endpoint, Event, Json, id_text
from harness.identity.explain import meant
from harness.identity.model import Decision, IdentityModel

_ID_KEYS: Final = ("distinct_id", "$identified_id", "$anon_id", "$anon_distinct_id", "$device_id", "$user_id", "alias")
_AFTERWARDS: Final = 2**62
_SOMEBODY: Final = "a-user-id"
_MOST_NAMED: Final = 4


class Sent(NamedTuple):
    """One event as it arrived.

    Attributes:
        at: its index in the stream.
        event: the event.
        endpoint: the route it came by.
        arrival_ms: when it arrived, milliseconds since 1970.
        received: the distinct_id it carried or implied.
        decision: what it decided in fact; None when it asserted nothing.
    """

    at: int
    event: Event
    endpoint: Endpoint
    arrival_ms: int
    received: str = ""
    decision: Decision | None = None


Stream: TypeAlias = list[Sent]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the stream.

    Attributes:
        kind: what is done: uuid_here, uuid_everywhere, merge, by_import, not_sent, room, name_both, both_ids,
            without_device, alias_first, one_more, two_more.
        text: the change for people, to be read after "had".
        event_indexes: the events it changes.
        apply: returns the changed stream.
        renamed: ids that are written otherwise then.
        cluster_limit: the largest cluster then; None: as it is.
    """

    kind: str
    text: str
    event_indexes: tuple[int, ...]
    apply: Callable[[Stream], Stream]
    renamed: Mapping[str, str] = field(default_factory=dict)
    cluster_limit: int | None = None


class Remedies(NamedTuple):
    """What remedies are made from.

    Attributes:
        model: the model after the stream.
        events: the events around two ids, in order of arrival.
        pair: the two ids.
        shown: turns the index of an event into the number people know it by, as text.
    """

    model: IdentityModel
    events: Sequence[Sent]
    pair: tuple[str, str]
    shown: Callable[[int], str]

    def event(self, at: int) -> str:
        """Return an event for people."""
        return f"event {self.shown(at)}"

    def sent(self, at: int) -> Sent | None:
        """Return the event with an index; None where it is not around."""
        return next((sent for sent in self.events if sent.at == at), None)

    def joined(self, cluster: frozenset[str]) -> Iterator[Decision]:
        """Yield the merged decisions that made a cluster around the two ids, in order of arrival."""
        for sent in self.events:
            made = sent.decision
            if made is not None and made.outcome == "merged" and made.ids[0] in cluster:
                yield made


def remedies(known: Remedies, made: Decision) -> Iterator[Edit]:
    """Yield what to try for one failed decision, the mildest first."""
    sent = known.sent(made.event_index)
    if sent is None:
        return
    remedy = _BY_REASON.get((known.model.id_merge, made.reason or made.rule))
    if remedy is not None:
        yield from remedy(known, made, sent)


def additions(known: Remedies) -> Iterator[Edit]:
    """Yield further events at the end of the stream."""
    yield from _ADDITIONS[known.model.id_merge](known)


def _changed(kind: str, text: str, events: Mapping[int, Event], endpoint: Endpoint | None = None) -> Edit:
    def apply(stream: Stream) -> Stream:
        return [
            sent._replace(event=events[sent.at], endpoint=endpoint or sent.endpoint) if sent.at in events else sent
            for sent in stream
        ]

    return Edit(kind, text, tuple(sorted(events)), apply)


def _left_out(text: str, at: tuple[int, ...]) -> Edit:
    return Edit("not_sent", text, at, lambda stream: [sent for sent in stream if sent.at not in at])


def _appended(kind: str, text: str, *events: Event) -> Edit:
    def apply(stream: Stream) -> Stream:
        last = stream[-1].arrival_ms if stream else 0
        return [*stream, *(Sent(_AFTERWARDS + place, event, "import", last) for place, event in enumerate(events))]

    return Edit(kind, text, (), apply)


def _uuid_instead(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    old = made.ids[0]
    new = _uuid_for(old)
    key = "$anon_id" if known.model.spelling(id_text(sent.event.properties.get("$anon_id"))) == old else ""
    key = key or "$anon_distinct_id"
    here = Event(sent.event.name, {**sent.event.properties, key: new})
    yield _changed("uuid_here", f"{known.event(made.event_index)} sent a UUID as {key}", {made.event_index: here})
    events = {one.at: _renamed(known.model, one.event, old, new) for one in known.events}
    events = {one.at: events[one.at] for one in known.events if events[one.at] is not one.event}
    others = tuple(at for at in sorted(events) if at != made.event_index)
    also = f", here and in {_listed(known, others)}" if others else ""
    everywhere = _changed("uuid_everywhere", f"{known.event(made.event_index)} sent a UUID as {key}{also}", events)
    yield Edit(everywhere.kind, everywhere.text, everywhere.event_indexes, everywhere.apply, {old: new})


def _merge_or_first(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    merge = Event("$merge", {"$distinct_ids": list(made.ids)})
    text = (
        f"{known.event(made.event_index)} been a $merge of {' and '.join(made.ids)} by /import, which joins both "
        "clusters for good"
    )
    yield _changed("merge", text, {made.event_index: merge}, "import")
    if made.kind != "identify":
        return
    cluster = known.model.ids_of_one_user(made.ids[0])
    first = next((one for one in known.joined(cluster) if one.kind == "identify"), None)
    if first is not None and first.event_index < made.event_index:
        what = f"{known.event(first.event_index)}, which joined {first.ids[0]} and {first.ids[1]}"
        yield _left_out(f"{what}, not been sent", (first.event_index,))


def _alias_taken(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    if known.model.id_merge == "original":
        yield from _merge_or_first(known, made, sent)
    alias = made.ids[0]
    for one in known.joined(known.model.ids_of_one_user(alias)):
        if one.kind == "alias" and one.ids[0] == alias:
            yield _alias_left_out(known, one)


def _no_circle(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    for one in known.joined(known.model.ids_of_one_user(made.ids[0])):
        yield _alias_left_out(known, one)


def _alias_left_out(known: Remedies, one: Decision) -> Edit:
    text = f"{known.event(one.event_index)}, which made {one.ids[0]} an alias of {one.ids[1]}, not been sent"
    return _left_out(text, (one.event_index,))


def _name_both(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    at = made.event_index
    if made.kind == "merge":
        named = Event("$merge", {"$distinct_ids": list(known.pair)})
        text = f"{known.event(at)} named two ids, {known.pair[0]} and {known.pair[1]}, and come by /import"
        yield _changed("name_both", text, {at: named}, "import")
        return
    for first, second in (known.pair, known.pair[::-1]):
        if made.kind == "identify":
            named = Event("$identify", {"$anon_id": first, "$identified_id": second})
            text = f"{known.event(at)} named {first} as $anon_id and {second} as $identified_id"
        else:
            named = Event("$create_alias", {"alias": first, "distinct_id": second})
            text = f"{known.event(at)} named {first} as alias and {second} as distinct_id"
        yield _changed("name_both", text, {at: named})


def _more_room(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    now = known.model.settings.max_cluster_ids
    size = len(set().union(*(known.model.ids_of_one_user(text) for text in made.ids)))
    for limit in (max(size, now + 1), 2 * max(size, now + 1)):
        text = f"there been room in the cluster of {known.event(made.event_index)}: for {limit} ids instead of {now}"
        yield Edit("room", text, (), lambda stream: stream, {}, limit)


def _by_import(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    text = f"{known.event(made.event_index)} come by /import, which alone takes $merge"
    yield _changed("by_import", text, {made.event_index: sent.event}, "import")


def _both_ids_instead(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    ids = [meant(known.model, text) for text in made.ids]
    for device, user in (ids, ids[::-1]) if len(ids) == 2 else ():
        if user.startswith(DEVICE_PREFIX):
            continue
        bare = device.removeprefix(DEVICE_PREFIX)
        carried = Event("event", {"$device_id": bare, "$user_id": user})
        event = known.event(made.event_index)
        text = f"{event} been an ordinary event with {bare} as $device_id and {user} as $user_id"
        yield _changed("both_ids", text, {made.event_index: carried})


def _without_the_first_link(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    device = made.ids[0]
    owner = known.model.resolve(device)
    links = [
        one
        for one in known.events
        if one.decision is not None and one.decision.ids == (device, owner) and one.decision.outcome != "refused"
    ]
    bare = {
        one.at: Event(one.event.name, {key: it for key, it in one.event.properties.items() if key != "$device_id"})
        for one in links
    }
    many = [(links[0].at,), tuple(bare)] if len(bare) > 1 else [tuple(bare)]
    for at in many if bare else ():
        verb = "gave" if len(at) == 1 else "give"
        text = f"{_listed(known, at)}, which {verb} {device} to {owner}, not carried that $device_id"
        yield _changed("without_device", text, {one: bare[one] for one in at})


def _alias_first(known: Remedies, made: Decision, sent: Sent) -> Iterator[Edit]:
    ids = [text for text in made.ids if text]
    for target, alias in (ids, ids[::-1]) if len(ids) == 2 else ():
        event = Event("$create_alias", {"alias": alias, "distinct_id": target})
        first = next((one.at for one in known.events if one.received == alias), made.event_index)

        def apply(stream: Stream, event: Event = event) -> Stream:
            begin = stream[0].arrival_ms - known.model.settings.alias_delay_ms if stream else 0
            return [Sent(-1, event, "track", begin), *stream]

        text = f"a $create_alias of {alias} to {target} come before {known.event(first)}, the first about {alias}"
        yield Edit("alias_first", text, (), apply)


def _simplified_additions(known: Remedies) -> Iterator[Edit]:
    a, b = known.pair
    for device, other in ((a, b), (b, a)):
        user = known.model.resolve(other)
        if device.startswith(DEVICE_PREFIX) and not user.startswith(DEVICE_PREFIX):
            bare = device.removeprefix(DEVICE_PREFIX)
            event = Event("event", {"$device_id": bare, "$user_id": user})
            text = f"one more event come, any with {bare} as $device_id and {user} as $user_id"
            yield _appended("one_more", text, event)
    if a.startswith(DEVICE_PREFIX) and b.startswith(DEVICE_PREFIX):
        devices = [text.removeprefix(DEVICE_PREFIX) for text in known.pair]
        events = [Event("event", {"$device_id": device, "$user_id": _SOMEBODY}) for device in devices]
        text = f"two more events come, with {devices[0]} and {devices[1]} as $device_id and one $user_id on both"
        yield _appended("two_more", text, *events)


def _original_additions(known: Remedies) -> Iterator[Edit]:
    for a, b in (known.pair, known.pair[::-1]):
        event = Event("$identify", {"$anon_id": a, "$identified_id": b})
        yield _appended(
            "one_more", f"one more event come, $identify with {a} as $anon_id and {b} as $identified_id", event
        )
    a, b = known.pair
    text = f"one more event come, $merge of {a} and {b} by /import, which joins both clusters for good"
    yield _appended("one_more", text, Event("$merge", {"$distinct_ids": [a, b]}))


def _legacy_additions(known: Remedies) -> Iterator[Edit]:
    for a, b in (known.pair, known.pair[::-1]):
        event = Event("$create_alias", {"alias": a, "distinct_id": b})
        yield _appended(
            "one_more", f"one more event come, $create_alias of {a} to {b}, for all that arrives later", event
        )


def _uuid_for(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    prefix = DEVICE_PREFIX if text.startswith(DEVICE_PREFIX) else ""
    return prefix + str(uuid.UUID(bytes=digest, version=4))


def _renamed(model: IdentityModel, event: Event, old: str, new: str) -> Event:
    """Return the event with one id for another wherever it stands; the very same event where it stands nowhere."""
    properties = event.properties
    changed: dict[str, Json] = {
        key: new for key in _ID_KEYS if key in properties and model.spelling(id_text(properties[key])) == old
    }
    listed = properties.get("$distinct_ids")
    if isinstance(listed, (list, tuple)) and any(model.spelling(id_text(one)) == old for one in listed):
        changed["$distinct_ids"] = [new if model.spelling(id_text(one)) == old else one for one in listed]
    return Event(event.name, {**properties, **changed}) if changed else event


def _listed(known: Remedies, indexes: Sequence[int]) -> str:
    shown = [known.shown(at) for at in indexes[:_MOST_NAMED]]
    if len(indexes) > _MOST_NAMED:
        shown.append(f"{len(indexes) - _MOST_NAMED:,} more")
    if len(shown) == 1:
        return f"event {shown[0]}"
    return f"events {', '.join(shown[:-1])} and {shown[-1]}"


_Remedy: TypeAlias = Callable[[Remedies, Decision, Sent], Iterator[Edit]]
_BY_REASON: Final[dict[tuple[str, str], _Remedy]] = {
    ("original", "errAnonDistinctIdNonGUIDForm"): _uuid_instead,
    ("original", "errAnonDistinctIdAssignedAlready"): _merge_or_first,
    ("original", "errAliasAlreadyExists"): _alias_taken,
    ("original", "errSameIDs"): _name_both,
    ("original", "errManyIDs"): _more_room,
    ("original", "original.incomplete"): _name_both,
    ("original", "original.merge_by_track"): _by_import,
    ("simplified", "errAnonDistinctIdAssignedAlready"): _without_the_first_link,
    ("simplified", "simplified.verb"): _both_ids_instead,
    ("legacy", "errAliasAlreadyExists"): _alias_taken,
    ("legacy", "alias_circle"): _no_circle,
    ("legacy", "legacy.incomplete"): _name_both,
    ("legacy", "legacy.verb"): _alias_first,
}
_ADDITIONS: Final = {
    "simplified": _simplified_additions,
    "original": _original_additions,
    "legacy": _legacy_additions,
}
