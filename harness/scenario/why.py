"""One sentence for people about what went wrong: who ended up where, which decision did it, and what to do instead.

Only events, decisions and clusters are read; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, IdMerge
from harness.identity.looks import ECID, UUID, looks_anonymous
from harness.identity.model import Decision, IdentityModel
from harness.scenario.partition import NOBODY, compared
from harness.scenario.results import EventRecord

_VERB: Final = {"identify": "$identify", "alias": "$create_alias", "merge": "$merge", "link": "link"}


def why_split(person: str, events: Sequence[EventRecord], model: IdentityModel) -> str:
    """Return why the events of a person are under several users."""
    own = [event for event in compared(events) if event.person == person]
    home = own[-1].distinct_id
    if home == NOBODY:
        home = next(event.distinct_id for event in reversed(own) if event.distinct_id != NOBODY)
    strays = [event for event in own if event.distinct_id != home]
    away = strays[0].distinct_id
    group = [event for event in strays if event.distinct_id == away]
    what = f"{person}'s {_count(group)}{_when(group, own, home)} ({_steps(group)})"
    if away == NOBODY:
        belong = "it belongs" if len(group) == 1 else "they belong"
        return f"{what} carried no id, so {belong} to nobody; send {_id_advice(model.id_merge)}"
    at_home = [event for event in own if event.distinct_id == home]
    where = f"{_shown(group[0], model)}, apart from {_shown(at_home[-1], model)}"
    return f"{what} stayed with {where}: {_reason(away, home, events, model)}"


def why_apart(ids: Sequence[str], events: Sequence[EventRecord], model: IdentityModel) -> str:
    """Return why ids that should be one user are not."""
    first = ids[0]
    other = next((text for text in ids if model.resolve(text) != model.resolve(first)), first)
    return f"{first} and {other} are two users: {_reason(first, other, events, model)}"


def why_mixed(group: Sequence[str], events: Sequence[EventRecord], model: IdentityModel) -> str:
    """Return what brought the people of a group under one user."""
    shared = _shared_user(group, events)
    own = [event for event in compared(events) if event.distinct_id == shared and event.person in group]
    people = _listed(group)
    common = _common_id([event for event in own if event.name not in IDENTITY_EVENTS])
    culprit = _joining_decision(own, events) if common is None else None
    if culprit is not None:
        event, decision = culprit
        guest = next((one for one in own if one.received_distinct_id in decision.ids[:1]), None)
        if decision.kind == "link" and guest is not None:
            return (
                f"{people} share the user {shared}: {guest.person} (step {guest.step}) sent {decision.ids[0]}, which "
                f"belongs to {shared} since step {event.step}; {_share_advice(decision.ids[0], model.id_merge)}"
            )
        return (
            f"{people} share the user {shared} since {_named(decision)} of step {event.step} joined "
            f"{' and '.join(decision.ids)}, which can't be undone; {_join_advice(decision)}"
        )
    common = common or _common_id(own)
    if common is None:
        return f"{people} share the user {shared}"
    text, first, second = common
    return (
        f"{people} share the user {shared}: {first.person} (step {first.step}) and {second.person} "
        f"(step {second.step}) both sent {text}; {_share_advice(text, model.id_merge)}"
    )


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _shown(event: EventRecord, model: IdentityModel) -> str:
    """Return the id that tells people most: in original the canonical one is anybody's guess."""
    return event.received_distinct_id if model.id_merge == "original" else event.distinct_id


def _count(group: Sequence[EventRecord]) -> str:
    return f"{len(group)} {'event' if len(group) == 1 else 'events'}"


def _steps(group: Sequence[EventRecord]) -> str:
    steps = sorted({event.step for event in group})
    if len(steps) == 1:
        return f"step {steps[0]}"
    more = f" and {len(steps) - 4} more" if len(steps) > 4 else ""
    return f"steps {', '.join(map(str, steps[:4]))}{more}"


def _when(group: Sequence[EventRecord], own: Sequence[EventRecord], home: str) -> str:
    at_home = [event.index for event in own if event.distinct_id == home]
    if not at_home or max(event.index for event in group) > min(at_home):
        return ""
    sent = {event.received_distinct_id for event in group}
    return " before login" if any(text == NOBODY or looks_anonymous(text) for text in sent) else ""


def _reason(a: str, b: str, events: Sequence[EventRecord], model: IdentityModel) -> str:
    left, right = ({text, *model.members(text)} for text in (a, b))
    attempts = [(event, event.decision) for event in events if event.decision is not None]
    failed = [(event, made) for event, made in attempts if made.outcome in ("refused", "ignored")]
    rejected = [event for event in events if event.status == "rejected" and event.name in IDENTITY_EVENTS]
    spelled = [ids | {text.removeprefix(DEVICE_PREFIX) for text in ids} for ids in (left, right)]
    for touches in _touching(*(spelled if model.id_merge == "simplified" else (left, right))):
        for event, decision in failed:
            if touches(set(decision.ids), decision.outcome):
                return _failure(event, decision, events, model)
        for event in rejected:
            if touches(set(event.ids), event.status):
                return f"the {event.name} of step {event.step} was rejected: {event.errors[0][1]}"
    twins = _twins(left, right, model.id_merge)
    if twins is not None:
        return twins
    if model.id_merge == "legacy":
        return "legacy never joins what came earlier; send $create_alias before the first event under the alias"
    return _never_connected(a, b, left | right, model)


def _touching(left: set[str], right: set[str]) -> tuple[Callable[[set[str], str], bool], ...]:
    """Return what may explain a split, the best first; what was ignored explains nothing about other ids."""
    return (
        lambda ids, _: bool(ids & left and ids & right),
        lambda ids, _: bool(ids & left),
        lambda ids, outcome: bool(ids & right) and outcome != "ignored",
    )


def _twins(left: set[str], right: set[str], id_merge: IdMerge) -> str | None:
    """Return what sets two ids apart that people take for one; None where no two are alike."""
    folded = {text.strip().casefold(): text for text in sorted(right)}
    bare = {text.removeprefix(DEVICE_PREFIX): text for text in sorted(right)}
    for text in sorted(left):
        other = folded.get(text.strip().casefold())
        if other is not None:
            return (
                f"{text!r} and {other!r} differ in letter case or spaces only, and ids are compared letter by letter; "
                "trim them and make them lower case before they are sent"
            )
        if text.startswith(DEVICE_PREFIX * 2) and text.removeprefix(DEVICE_PREFIX) in right:
            return f"{text} has $device: in front twice, which makes it another device; send device ids without it"
        other = bare.get(text.removeprefix(DEVICE_PREFIX))
        if other is not None and id_merge != "simplified":
            return f"{text} and {other} are two different ids; send the id in one form everywhere"
    return None


def _never_connected(a: str, b: str, ids: set[str], model: IdentityModel) -> str:
    if model.id_merge == "simplified" and not a.startswith(DEVICE_PREFIX) and not b.startswith(DEVICE_PREFIX):
        phantom = next((text for text in (a, b) if looks_anonymous(text)), None)
        if phantom is None:
            return "both are user ids, and users never merge in simplified; keep one user id for a person"
        return (
            f"{phantom} came as a distinct_id without $device: in front, so it is a user of its own (a phantom user), "
            "and users never merge in simplified; send it as $device_id"
        )
    if model.id_merge == "original" and not any(UUID.fullmatch(text) for text in ids):
        return "nothing ever connected them; send $create_alias, or $merge by /import: $identify takes a UUID only"
    return f"nothing ever connected them; {_connect_advice(model.id_merge)}"


def _failure(event: EventRecord, decision: Decision, events: Sequence[EventRecord], model: IdentityModel) -> str:
    what = f"{_named(decision)} of step {event.step} was {decision.outcome}"
    if decision.reason is not None:
        what += f", {decision.reason}"
    return f"{what}: {_advice(decision, events, model)}"


def _named(decision: Decision) -> str:
    return f"the {_VERB[decision.kind]}"


def _advice(decision: Decision, events: Sequence[EventRecord], model: IdentityModel) -> str:
    anonymous = decision.ids[0] if decision.ids else ""
    if decision.outcome == "ignored":
        return _IGNORED.get((model.id_merge, decision.kind), "this system has no such event")
    if decision.reason == "errAnonDistinctIdNonGUIDForm":
        kind = "an ECID" if ECID.fullmatch(anonymous) else f"{anonymous!r}"
        return f"{kind} is not a UUID; use a UUID (version 4) as the anonymous id, before login and as $anon_id"
    if decision.reason == "errAnonDistinctIdAssignedAlready":
        owner = _owner(anonymous, events, model)
        return f"{anonymous} {owner}; call reset() at logout so that the next person gets a new id"
    return _REFUSED.get(decision.reason or decision.rule, "an id is missing on it")


def _owner(text: str, events: Sequence[EventRecord], model: IdentityModel) -> str:
    for event in events:
        made = event.decision
        if made is not None and made.outcome == "merged" and made.kind in ("identify", "link") and text in made.ids:
            others = [other for other in made.ids if other != text]
            return f"belongs to {others[0] if others else text} since step {event.step}"
    return f"belongs to {model.resolve(text)} already"


_IGNORED: Final[dict[tuple[IdMerge, str], str]] = {
    ("simplified", "identify"): "identity events do nothing in simplified; send one event with $device_id and $user_id",
    ("simplified", "alias"): "identity events do nothing in simplified; send one event with $device_id and $user_id",
    ("simplified", "merge"): "simplified never merges two users; keep one user id for a person",
    ("original", "merge"): "$merge counts by /import only; send it there",
    ("legacy", "identify"): "legacy knows aliases only; send $create_alias once, at sign-up",
    ("legacy", "merge"): "legacy knows aliases only; it can't merge",
}
_REFUSED: Final[dict[str, str]] = {
    "errSameIDs": "it names one id twice; send the id from before login as $anon_id and the user id beside it",
    "errManyIDs": "the cluster is full, and every further id stays alone; make fewer anonymous ids",
    "errAliasAlreadyExists": "this alias points at another id already, and an alias is used once",
    "alias_circle": "the aliases would point at each other in a circle",
    "simplified.user_id_is_device": "a $user_id that starts with $device: never links; send the real user id",
}


def _connect_advice(id_merge: IdMerge) -> str:
    if id_merge == "simplified":
        return "send one event with both $device_id and $user_id after login"
    return "send $identify with $anon_id and $identified_id at login"


def _id_advice(id_merge: IdMerge) -> str:
    return "$device_id or $user_id on every event" if id_merge == "simplified" else "distinct_id on every event"


def _share_advice(text: str, id_merge: IdMerge) -> str:
    if text.startswith(DEVICE_PREFIX) or id_merge != "simplified":
        return "call reset() at logout, so that each person has an id of their own"
    return "give each person a user id of their own"


def _join_advice(decision: Decision) -> str:
    if decision.kind == "merge":
        return "$merge has no guard; use it only for ids of one person"
    return "send identity events only for ids of one person"


def _shared_user(group: Sequence[str], events: Iterable[EventRecord]) -> str:
    people: dict[str, set[str]] = {}
    for event in compared(events):
        people.setdefault(event.distinct_id, set()).add(event.person or "")
    return next(user for user, who in people.items() if user != NOBODY and who >= set(group))


def _common_id(own: Sequence[EventRecord]) -> tuple[str, EventRecord, EventRecord] | None:
    first_by_id: dict[str, EventRecord] = {}
    for event in own:
        first = first_by_id.setdefault(event.received_distinct_id, event)
        if first.person != event.person:
            return event.received_distinct_id, first, event
    return None


def _joining_decision(own: Sequence[EventRecord], events: Sequence[EventRecord]) -> tuple[EventRecord, Decision] | None:
    people_of: dict[str, set[str]] = {}
    for event in own:
        if event.name not in IDENTITY_EVENTS:
            people_of.setdefault(event.received_distinct_id, set()).add(event.person or "")
    group_of: dict[str, set[str]] = {}
    for event in events:
        decision = event.decision
        if decision is None or decision.outcome != "merged":
            continue
        parts = [group_of.setdefault(text, {text}) for text in decision.ids]
        people = [set().union(*(people_of.get(text, set()) for text in part)) for part in parts]
        if len(people) == 2 and people[0] and people[1] and len(people[0] | people[1]) > 1:
            return event, decision
        union = set().union(*parts)
        for text in union:
            group_of[text] = union
    return None
