"""What would have to change for two ids to be one user: changes of the stream, each tried on a fresh model.

Nothing is guessed: a change is told only when the stream, changed in that way and replayed, makes the two ids one user.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from harness.event import DEVICE_PREFIX, Endpoint, Event, Json
from harness.identity.model import Decision, IdentityModel, build
from harness.identity.settings import IdentitySettings

MOST_TRIES: Final = 60
_ID_KEYS: Final = ("distinct_id", "$identified_id", "$anon_id", "$anon_distinct_id", "$device_id", "$user_id", "alias")


class Sent(NamedTuple):
    """One event as it arrived.

    Attributes:
        at: its index in the stream.
        event: the event.
        endpoint: the route it came by.
        arrival_ms: when it arrived, milliseconds since 1970.
    """

    at: int
    event: Event
    endpoint: Endpoint
    arrival_ms: int


class Change(NamedTuple):
    """A change that makes two ids one user.

    Attributes:
        text: the change for people, beginning with "had".
        event_index: the event it changes; None where it adds one or changes a setting.
        ids: how many ids would be one user then.
    """

    text: str
    event_index: int | None
    ids: int


@dataclass(frozen=True, slots=True)
class _Try:
    """One way to change the stream, with the names the two ids have then."""

    text: str
    event_index: int | None
    stream: Sequence[Sent]
    pair: tuple[str, str]
    settings: IdentitySettings


@dataclass(frozen=True, slots=True)
class _Case:
    """The stream around two ids that are apart."""

    model: IdentityModel
    stream: Sequence[Sent]
    pair: tuple[str, str]

    def changed(self, text: str, at: int | None, stream: Sequence[Sent], pair: tuple[str, str] | None = None) -> _Try:
        return _Try(text, at, stream, pair or self.pair, self.model.settings)

    def with_event(self, text: str, at: int, event: Event, endpoint: Endpoint | None = None) -> _Try:
        stream = [
            sent._replace(event=event, endpoint=endpoint or sent.endpoint) if sent.at == at else sent
            for sent in self.stream
        ]
        return self.changed(text, at, stream)

    def event(self, at: int) -> Event | None:
        return next((sent.event for sent in self.stream if sent.at == at), None)


_Remedy: TypeAlias = Callable[[_Case, Decision, Event], Iterator[_Try]]


def changes_that_join(
    model: IdentityModel, stream: Sequence[Sent], a: str, b: str, failed: Sequence[Decision]
) -> list[Change]:
    """Return changes that would have made two ids one user, in the order of the events they change.

    Args:
        model: the model after the stream; it is only read.
        stream: the events around the two ids, at least those that decided anything about them.
        a: an id.
        b: another id, not one user with the first.
        failed: the refused and ignored decisions between them.
    """
    case = _Case(model, stream, (a, b))
    changes: dict[str, Change] = {}
    for number, attempt in enumerate(_tries(case, failed)):
        if number >= MOST_TRIES:
            break
        ids = _ids_when_joined(attempt, model)
        if ids:
            changes.setdefault(attempt.text, Change(attempt.text, attempt.event_index, ids))
    return list(changes.values())


def _ids_when_joined(attempt: _Try, model: IdentityModel) -> int:
    fresh = build(model.id_merge, attempt.settings)
    for sent in attempt.stream:
        fresh.add(sent.event, index=sent.at, endpoint=sent.endpoint, arrival_ms=sent.arrival_ms)
    a, b = attempt.pair
    joined = fresh.knows(a) and fresh.knows(b) and fresh.resolve(a) == fresh.resolve(b)
    return max(len(fresh.members(a)), 2) if joined else 0


def _tries(case: _Case, failed: Sequence[Decision]) -> Iterator[_Try]:
    for decision in failed:
        event = case.event(decision.event_index)
        remedy = _REMEDIES.get(decision.reason or f"{case.model.id_merge} {decision.kind} {decision.outcome}")
        if event is not None and remedy is not None:
            yield from remedy(case, decision, event)
    yield from _one_event_more(case)


def _uuid_for(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def _renamed(event: Event, old: str, new: str) -> Event:
    changed: dict[str, Json] = {key: new for key in _ID_KEYS if event.properties.get(key) == old}
    return Event(event.name, {**event.properties, **changed}) if changed else event


def _uuid_instead(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    anonymous, at = decision.ids[0], decision.event_index
    new = _uuid_for(anonymous)
    yield case.with_event(f"had event {at} sent a UUID in place of {anonymous!r}", at, _renamed(event, anonymous, new))
    stream = [sent._replace(event=_renamed(sent.event, anonymous, new)) for sent in case.stream]
    a, b = (new if text == anonymous else text for text in case.pair)
    yield case.changed(f"had {anonymous!r} been a UUID wherever it was sent, event {at} included", at, stream, (a, b))


def _merge_instead(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    at = decision.event_index
    merge = Event("$merge", {"$distinct_ids": list(decision.ids)})
    text = (
        f"had event {at} been a $merge of {' and '.join(decision.ids)} by /import, which joins both clusters for good"
    )
    yield case.with_event(text, at, merge, "import")


def _name_both(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    at = decision.event_index
    for anonymous, identified in (case.pair, case.pair[::-1]):
        named = Event("$identify", {"$identified_id": identified, "$anon_id": anonymous})
        yield case.with_event(f"had event {at} named {anonymous!r} as $anon_id and {identified!r} beside it", at, named)


def _more_room(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    limit = len(case.model.members(decision.ids[0])) + len(case.model.members(decision.ids[-1]))
    settings = replace(case.model.settings, cluster_limit=max(limit, case.model.settings.max_cluster_ids + 1))
    text = f"had there been room for the ids of event {decision.event_index}: a cluster of {limit} in place of {{}}"
    shown = text.format(case.model.settings.max_cluster_ids)
    yield _Try(shown, decision.event_index, case.stream, case.pair, settings)


def _both_ids_instead(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    if len(decision.ids) != 2:
        return
    at = decision.event_index
    for device, user in (decision.ids, decision.ids[::-1]):
        carried = Event("event", {"$device_id": device.removeprefix(DEVICE_PREFIX), "$user_id": user})
        yield case.with_event(
            f"had event {at} been an ordinary event with {device!r} as $device_id and {user!r} as $user_id", at, carried
        )


def _without_the_first_link(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    device = decision.ids[0]
    first = next(
        (made for made in case.model.decisions if made.outcome == "merged" and made.ids[:1] == (device,)), None
    )
    earlier = case.event(first.event_index) if first is not None else None
    if first is None or earlier is None:
        return
    bare = {key: value for key, value in earlier.properties.items() if key != "$device_id"}
    text = f"had event {first.event_index}, which gave {device} to {first.ids[1]}, not carried that $device_id"
    yield case.with_event(text, first.event_index, Event(earlier.name, bare))


def _by_import(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    at = decision.event_index
    yield case.with_event(f"had event {at} come by /import, which alone takes $merge", at, event, "import")


def _alias_first(case: _Case, decision: Decision, event: Event) -> Iterator[_Try]:
    if len(decision.ids) != 2:
        return
    old, new = decision.ids
    alias = Event("$create_alias", {"alias": new, "distinct_id": old})
    first = case.stream[0].arrival_ms - case.model.settings.alias_delay_ms if case.stream else 0
    stream = [Sent(-1, alias, "track", first), *case.stream]
    yield case.changed(f"had a $create_alias of {new!r} to {old!r} come before all events under {new!r}", None, stream)


def _one_event_more(case: _Case) -> Iterator[_Try]:
    last = case.stream[-1].arrival_ms if case.stream else 0
    for a, b in (case.pair, case.pair[::-1]):
        for text, event in _EXTRA[case.model.id_merge](a, b):
            stream = [*case.stream, Sent(_AFTERWARDS, event, "import", last)]
            yield case.changed(f"had one more event come: {text}", None, stream)


def _simplified_extra(a: str, b: str) -> Iterator[tuple[str, Event]]:
    if a.startswith(DEVICE_PREFIX):
        device = a.removeprefix(DEVICE_PREFIX)
        yield (
            f"any event with $device_id {device!r} and $user_id {b!r}",
            Event("event", {"$device_id": device, "$user_id": b}),
        )


def _original_extra(a: str, b: str) -> Iterator[tuple[str, Event]]:
    yield (
        f"$identify with $anon_id {a!r} and $identified_id {b!r}",
        Event("$identify", {"$anon_id": a, "$identified_id": b}),
    )
    yield (
        f"$merge of {min(a, b)!r} and {max(a, b)!r} by /import, which can't be undone",
        Event("$merge", {"$distinct_ids": [a, b]}),
    )


def _legacy_extra(a: str, b: str) -> Iterator[tuple[str, Event]]:
    yield (
        f"$create_alias of {a!r} to {b!r}, for all events after it",
        Event("$create_alias", {"alias": a, "distinct_id": b}),
    )


_AFTERWARDS: Final = 2**62
_EXTRA: Final = {"simplified": _simplified_extra, "original": _original_extra, "legacy": _legacy_extra}
_REMEDIES: Final[dict[str, _Remedy]] = {
    "errAnonDistinctIdNonGUIDForm": _uuid_instead,
    "errSameIDs": _name_both,
    "errManyIDs": _more_room,
    "errAnonDistinctIdAssignedAlready": lambda case, decision, event: (
        _without_the_first_link(case, decision, event)
        if case.model.id_merge == "simplified"
        else _merge_instead(case, decision, event)
    ),
    "original merge ignored": _by_import,
    "simplified identify ignored": _both_ids_instead,
    "simplified alias ignored": _both_ids_instead,
    "legacy identify ignored": _alias_first,
}
