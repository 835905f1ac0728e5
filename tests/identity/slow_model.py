"""A second, slow model of Mixpanel's identity clusters, to hold the real one against.

Written from the rules alone and never from the code in `harness.identity`: of that room it takes the record types,
the settings and one function, the seeded lot, which is arbitrary by design. Nothing is kept up to date as events
come in: whatever a decision needs (who is joined with whom, which aliases are used, who was identified) is worked
out anew from the list of all earlier decisions, so that each rule reads like its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Endpoint, Event, IdMerge, Json, id_text
from harness.identity.model import KIND_OF_EVENT, Kind, Outcome
from harness.identity.original import _lot as lot  # the one arbitrary thing: any lot would do
from harness.identity.settings import IdentitySettings

ALREADY_ASSIGNED = "errAnonDistinctIdAssignedAlready"


class Sent(NamedTuple):
    """One event of a stream, by which route it came, and when it arrived."""

    event: Event
    endpoint: Endpoint = "import"
    arrival_ms: int = 0


class Verdict(NamedTuple):
    """What became of one event that asserts something about identity."""

    kind: Kind
    ids: tuple[str, ...]
    outcome: Outcome
    reason: str | None
    event_index: int


class Picture(NamedTuple):
    """Everything that can be said about a stream once it has been taken in.

    Attributes:
        decisions: one for each event that asserts something about identity.
        received: the distinct_id each event carried or implied.
        stored: the id each event was stored under.
        canonical: the canonical distinct_id each event has in the end.
        clusters: every cluster, ids sorted and clusters sorted.
        users: the canonical ids with an event that is not an identity event.
    """

    decisions: tuple[Verdict, ...]
    received: tuple[str, ...]
    stored: tuple[str, ...]
    canonical: tuple[str, ...]
    clusters: tuple[tuple[str, ...], ...]
    users: frozenset[str]


def picture(id_merge: IdMerge, settings: IdentitySettings, stream: Sequence[Sent]) -> Picture:
    """Take in a whole stream under one ID-merge system."""
    systems: dict[IdMerge, Callable[[IdentitySettings, Sequence[Sent]], Picture]] = {
        "simplified": simplified,
        "original": original,
        "legacy": legacy,
    }
    return systems[id_merge](settings, stream)


# --- original -----------------------------------------------------------------------------------------------------


def original(settings: IdentitySettings, stream: Sequence[Sent]) -> Picture:
    """Original ID Merge: only the three identity events join ids."""
    decisions: list[Verdict] = []
    received: list[str] = []
    stored: list[str] = []
    seen: list[str] = []

    def an_id(value: Json) -> str:
        return _without_prefixes(id_text(value)) if settings.device_prefix_equivalent else id_text(value)

    for index, sent in enumerate(stream):
        name, properties = sent.event.name, sent.event.properties
        carried = id_text(properties.get("distinct_id"))
        named: tuple[str, ...] = ()
        implied = ""
        if name == "$identify":
            identified, anonymous = _identify_pair(sent.event)
            implied = identified
            named = (an_id(anonymous), an_id(identified))
            outcome, reason = _identify(settings, decisions, *named)
            decisions.append(Verdict("identify", named, outcome, reason, index))
            # The order in which the ids of one event count as seen: who was identified comes first.
            seen += reversed(named)
        elif name == "$create_alias":
            named = (an_id(properties.get("alias")), an_id(carried))
            outcome, reason = _create_alias(settings, decisions, *named)
            decisions.append(Verdict("alias", named, outcome, reason, index))
            seen += named
        elif name == "$merge":
            values = _listed(properties.get("$distinct_ids"))
            implied = id_text(values[0]) if values else ""
            named = tuple(an_id(value) for value in values)
            outcome, reason = _merge(settings, decisions, named, sent.endpoint)
            decisions.append(Verdict("merge", named, outcome, reason, index))
            seen += named
        received.append(carried or implied)
        stored.append(an_id(received[-1]))
        seen.append(an_id(carried))

    ids = [text for text in dict.fromkeys(seen) if text]
    pairs = _joined_pairs(decisions)
    identified_ids = _identified_ids(decisions)

    def canonical(text: str) -> str:
        if not text:
            return ""
        members = cluster_of(text, pairs)
        in_order = [member for member in ids if member in members]
        if settings.canonical == "first_seen":
            return in_order[0]
        if settings.canonical == "user_first":
            return [*(member for member in in_order if member in identified_ids), *in_order][0]
        seed = settings.canonical_seed.to_bytes(16, "big", signed=True)
        return min(in_order, key=lambda member: lot(seed, member))

    return _finish(stream, decisions, received, stored, [canonical(text) for text in stored],
                   {cluster_of(text, pairs) for text in ids})  # fmt: skip


def _identify(
    settings: IdentitySettings, earlier: Sequence[Verdict], anonymous: str, identified: str
) -> tuple[Outcome, str | None]:
    if anonymous == identified:
        return "refused", "errSameIDs"
    if not has_anonymous_form(settings.anon_id_form, anonymous):
        return "refused", "errAnonDistinctIdNonGUIDForm"
    if not identified:
        return "refused", None
    merged = [verdict.ids for verdict in earlier if verdict.kind == "identify" and verdict.outcome == "merged"]
    if settings.assigned_rule == "cluster":
        assigned = bool(cluster_of(anonymous, _joined_pairs(earlier)) & _identified_ids(earlier))
    else:
        assigned = any(ids[0] == anonymous for ids in merged)
    if assigned:
        if settings.reidentify_same_pair == "noop" and (anonymous, identified) in merged:
            return "already", None
        return "refused", ALREADY_ASSIGNED
    return _join(settings, earlier, anonymous, identified)


def _create_alias(
    settings: IdentitySettings, earlier: Sequence[Verdict], alias: str, target: str
) -> tuple[Outcome, str | None]:
    if not alias or not target:
        return "refused", None
    if any(verdict.kind == "alias" and verdict.outcome != "refused" and verdict.ids[0] == alias for verdict in earlier):
        return "refused", "errAliasAlreadyExists"
    return _join(settings, earlier, alias, target)


def _merge(
    settings: IdentitySettings, earlier: Sequence[Verdict], ids: tuple[str, ...], endpoint: Endpoint
) -> tuple[Outcome, str | None]:
    if endpoint == "track":
        return "ignored", None
    if len(ids) != 2 or "" in ids:
        return "refused", None
    return _join(settings, earlier, *ids)


def _join(settings: IdentitySettings, earlier: Sequence[Verdict], one: str, other: str) -> tuple[Outcome, str | None]:
    pairs = _joined_pairs(earlier)
    mine, theirs = cluster_of(one, pairs), cluster_of(other, pairs)
    if mine == theirs:
        return "already", None
    if len(mine | theirs) > settings.max_cluster_ids:
        return "refused", "errManyIDs"
    return "merged", None


def _joined_pairs(decisions: Iterable[Verdict]) -> list[frozenset[str]]:
    return [frozenset(verdict.ids) for verdict in decisions if verdict.outcome == "merged"]


def _identified_ids(decisions: Iterable[Verdict]) -> frozenset[str]:
    return frozenset(
        verdict.ids[1] for verdict in decisions if verdict.kind == "identify" and verdict.outcome == "merged"
    )


def cluster_of(text: str, pairs: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return everything that can be reached from an id over pairs of joined ids."""
    members = frozenset((text,))
    while True:
        wider = members.union(*(pair for pair in pairs if pair & members))
        if wider == members:
            return members
        members = wider


def has_anonymous_form(form: str, text: str) -> bool:
    """Return whether `$identify` takes a text as an anonymous id."""
    groups = text.removeprefix(DEVICE_PREFIX).split("-")
    if len(groups) != 5:
        return False
    if form == "php_loose":
        return all(sign in _LETTERS_AND_DIGITS for group in groups for sign in group)
    if not all(group and all(sign in _HEX_DIGITS for sign in group) for group in groups):
        return False
    if form == "compat":
        return True
    lengths = [len(group) for group in groups]
    return lengths == [8, 4, 4, 4, 12] and groups[2][0] == "4" and groups[3][0] in "89abAB"


_HEX_DIGITS = "0123456789abcdefABCDEF"
_LETTERS_AND_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _without_prefixes(text: str) -> str:
    # `$device:X` is X whatever X is, so of two prefixes both go.
    while text.startswith(DEVICE_PREFIX):
        text = text[len(DEVICE_PREFIX) :]
    return text


# --- simplified ---------------------------------------------------------------------------------------------------


def simplified(settings: IdentitySettings, stream: Sequence[Sent]) -> Picture:
    """Simplified ID Merge: a device belongs to the first user it is seen with."""
    decisions: list[Verdict] = []
    received: list[str] = []
    stored: list[str] = []
    ids: set[str] = set()

    for index, sent in enumerate(stream):
        carried = id_text(sent.event.properties.get("distinct_id"))
        # A device id without anything behind its prefix is no id.
        alone = "" if carried == DEVICE_PREFIX else carried
        if sent.event.name in IDENTITY_EVENTS:
            decisions.append(_ignored(sent.event, index))
            received.append(carried)
            stored.append(alone)
            ids.add(alone)
            continue
        device, user = _device_and_user(settings, sent.event)
        if device is not None:
            ids.add(device)
        if device and user:
            outcome, reason = _link(decisions, device, user)
            decisions.append(Verdict("link", (device, user), outcome, reason, index))
        if user is not None:
            own = user
        elif device is not None:
            own = device
        else:
            own = alone
        ids.add(own)
        received.append(own)
        stored.append(own)

    ids.discard("")

    def canonical(text: str) -> str:
        return _owner(decisions, text) or text

    clusters = {frozenset(other for other in ids if canonical(other) == canonical(text)) for text in ids}
    return _finish(stream, decisions, received, stored, [canonical(text) for text in stored], clusters)


def _device_and_user(settings: IdentitySettings, event: Event) -> tuple[str | None, str | None]:
    """Return the device, as a distinct_id, and the user an event gives; None where it gives none."""
    sent_device, sent_user = event.properties.get("$device_id"), event.properties.get("$user_id")
    device_id, user_id = id_text(sent_device), id_text(sent_user)
    if settings.strip_device_prefix == "one":
        device_id = device_id.removeprefix(DEVICE_PREFIX)
    if settings.empty_id == "literal":
        gives_device, gives_user = sent_device is not None, sent_user is not None
    else:
        gives_device, gives_user = device_id != "", user_id != ""
    return DEVICE_PREFIX + device_id if gives_device else None, user_id if gives_user else None


def _link(earlier: Sequence[Verdict], device: str, user: str) -> tuple[Outcome, str | None]:
    if user.startswith(DEVICE_PREFIX):
        return "refused", None
    owner = _owner(earlier, device)
    if owner is None:
        return "merged", None
    if owner == user:
        return "already", None
    return "refused", ALREADY_ASSIGNED


def _owner(decisions: Iterable[Verdict], device: str) -> str | None:
    for verdict in decisions:
        if verdict.kind == "link" and verdict.outcome == "merged" and verdict.ids[0] == device:
            return verdict.ids[1]
    return None


# --- legacy -------------------------------------------------------------------------------------------------------


def legacy(settings: IdentitySettings, stream: Sequence[Sent]) -> Picture:
    """Legacy: an alias rewrites the ids of events that arrive after it."""
    decisions: list[Verdict] = []
    received: list[str] = []
    stored: list[str] = []

    for index, sent in enumerate(stream):
        carried = id_text(sent.event.properties.get("distinct_id"))
        working = [
            verdict
            for verdict in decisions
            if sent.arrival_ms >= stream[verdict.event_index].arrival_ms + settings.alias_delay_ms
        ]
        received.append(carried)
        stored.append(_end_of_chain(working, carried)[-1])
        if sent.event.name == "$create_alias":
            alias = id_text(sent.event.properties.get("alias"))
            outcome, reason = _point(decisions, alias, carried)
            decisions.append(Verdict("alias", (alias, carried), outcome, reason, index))
        elif sent.event.name in IDENTITY_EVENTS:
            decisions.append(_ignored(sent.event, index))

    return _finish(stream, decisions, received, stored, stored, {frozenset((text,)) for text in stored if text})


def _point(earlier: Sequence[Verdict], alias: str, target: str) -> tuple[Outcome, str | None]:
    if not alias or not target:
        return "refused", None
    if _target(earlier, alias) is not None:
        return "refused", "errAliasAlreadyExists"
    if alias == target:
        return "already", None
    if alias in _end_of_chain(earlier, target):
        return "refused", "alias_circle"
    return "merged", None


def _target(decisions: Iterable[Verdict], alias: str) -> str | None:
    for verdict in decisions:
        if verdict.kind == "alias" and verdict.outcome == "merged" and verdict.ids[0] == alias:
            return verdict.ids[1]
    return None


def _end_of_chain(decisions: Sequence[Verdict], text: str) -> list[str]:
    chain = [text]
    while (target := _target(decisions, chain[-1])) is not None:
        chain.append(target)
    return chain


# --- what they share ----------------------------------------------------------------------------------------------


def _identify_pair(event: Event) -> tuple[str, str]:
    """Return the identified and the anonymous id of an `$identify`, as sent."""
    get = event.properties.get
    identified = id_text(get("$identified_id")) or id_text(get("distinct_id"))
    anonymous = id_text(get("$anon_id")) or id_text(get("$anon_distinct_id"))
    return identified, anonymous


def _listed(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []


def _ignored(event: Event, index: int) -> Verdict:
    """Return the decision on an identity event that the system does not have."""
    if event.name == "$identify":
        identified, anonymous = _identify_pair(event)
        named = [anonymous, identified]
    elif event.name == "$create_alias":
        named = [id_text(event.properties.get("alias")), id_text(event.properties.get("distinct_id"))]
    else:
        named = [id_text(value) for value in _listed(event.properties.get("$distinct_ids"))]
    return Verdict(KIND_OF_EVENT[event.name], tuple(text for text in named if text), "ignored", None, index)


def _finish(
    stream: Sequence[Sent],
    decisions: Sequence[Verdict],
    received: Sequence[str],
    stored: Sequence[str],
    canonical: Sequence[str],
    clusters: Iterable[frozenset[str]],
) -> Picture:
    users = {text for sent, text in zip(stream, canonical, strict=True) if sent.event.name not in IDENTITY_EVENTS}
    return Picture(
        decisions=tuple(decisions),
        received=tuple(received),
        stored=tuple(stored),
        canonical=tuple(canonical),
        clusters=tuple(sorted(tuple(sorted(members)) for members in clusters)),
        users=frozenset(users - {""}),
    )
