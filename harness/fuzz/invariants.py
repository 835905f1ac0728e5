"""Invariants: what has to hold after every flow, each a named function over what came out.

A broken one is data: a sentence, and a counterexample that a scenario file can hold, so that `harness run` fails for
the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, IdMerge, Json
from harness.fuzz import ids
from harness.fuzz.bench import Played, partition
from harness.fuzz.migration import migrated
from harness.identity.looks import looks_anonymous
from harness.identity.settings import WARN_SHARE
from harness.scenario.format import ResendStep, Step
from harness.scenario.partition import compared, match_people
from harness.scenario.results import EventRecord, ScenarioResult

SEEDS: Final = (1, 2)
"""Other seeds of the canonical pick that every flow in original is played under."""

_HARMLESS: Final = frozenset({"errAnonDistinctIdAssignedAlready", "errAliasAlreadyExists"})


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that a flow breaks.

    Attributes:
        invariant: its name.
        sentence: what happened, for people.
        steps: the steps that show it; None: those of the flow.
        expect: what a scenario has to expect so that it fails for this reason; `split` and `mixed` are implied.
        settings: settings of the project that the scenario needs.
        id_merge: the system that shows it; None: the bench's.
    """

    invariant: str
    sentence: str
    steps: tuple[Step, ...] | None = None
    expect: Mapping[str, Json] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    id_merge: IdMerge | None = None


Check: TypeAlias = Callable[[Played], Broken | None]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A named rule about what came out: its name, one sentence about what it holds, and its check."""

    name: str
    holds: str
    check: Check


INVARIANTS: Final[dict[str, Invariant]] = {}
"""Every invariant by its name, the gravest first."""


def invariant(name: str) -> Callable[[Check], Check]:
    """Register a check under a name; the first line of its docstring says what holds."""

    def register(check: Check) -> Check:
        INVARIANTS[name] = Invariant(name, (check.__doc__ or "").partition("\n")[0], check)
        return check

    return register


def first_broken(played: Played, chosen: Iterable[Invariant]) -> Broken | None:
    """Return the first of some invariants that a flow breaks; None when all hold."""
    for one in chosen:
        broken = one.check(played)
        if broken is not None:
            return broken
    return None


def _sentence(result: ScenarioResult, check: str) -> str:
    return next((one.sentence for one in result.checks if one.check == check), "")


@invariant("nobody-mixed")
def nobody_mixed(played: Played) -> Broken | None:
    """No user holds events of two people."""
    if not played.result.people.mixed:
        return None
    return Broken("nobody-mixed", _sentence(played.result, "mixed"))


@invariant("nobody-split")
def nobody_split(played: Played) -> Broken | None:
    """Whoever logged in on every device, and again after every reset, is one user; so is every single visit.

    A visit before a reset that never came to a login is apart for good, in every system, and does not count.
    """
    result = played.result
    if not result.people.split:
        return None
    homes: dict[tuple[str, object], set[str]] = {}
    logins = played.sending.world.logins
    for event in compared(result.events):
        origin = played.origin(event)
        known = origin.jar is None or origin.jar in logins.get(origin.person, ())
        homes.setdefault((origin.person, None if known else origin.jar), set()).add(event.distinct_id)
    if all(len(users) == 1 for users in homes.values()):
        return None
    return Broken("nobody-split", _sentence(result, "split"))


@invariant("nothing-rejected")
def nothing_rejected(played: Played) -> Broken | None:
    """No event is rejected at Mixpanel's door."""
    rejected = [event for event in played.result.events if event.status == "rejected"]
    if not rejected:
        return None
    first = rejected[0]
    reason = first.errors[0][1] if first.errors else "for no reason given"
    sentence = f"{first.name!r} of {first.person or 'nobody'} (step {first.step}) was rejected: {reason}"
    return Broken("nothing-rejected", sentence, expect={"rejected": []})


@invariant("nothing-lost")
def nothing_lost(played: Played) -> Broken | None:
    """Everything that was sent is stored, counts, and belongs to somebody; no rule fails."""
    result = played.result
    for step in result.steps:
        failed = next((rule for rule in step.rules if rule.status == "failed"), None)
        if failed is not None:
            sentence = f"step {step.number} was lost: the rule {failed.name!r} failed: {failed.error}"
            return Broken("nothing-lost", sentence, expect={"accepted": result.accepted + 1})
        if "lost" in step.note or "nothing of a request" in step.note:
            sentence = f"step {step.number} was lost: {step.note}"
            return Broken("nothing-lost", sentence, expect={"accepted": result.accepted + 1})
    return _lost_event(played)


def _lost_event(played: Played) -> Broken | None:
    result = played.result
    resent = {step.number: step.of for step in played.sending.steps if isinstance(step, ResendStep)}
    counted = {_sent_as(event, resent) for event in result.events if event.status == "accepted"}
    for event in result.events:
        what = f"{event.name!r} of {event.person or 'nobody'} (step {event.step})"
        if event.status == "dropped":
            reason = event.errors[0][1] if event.errors else "without a word"
            sentence = f"{what} was dropped although the answer was 1: {reason}"
        elif event.status == "duplicate" and _sent_as(event, resent) not in counted:
            sentence = f"{what} does not count: it was taken for a duplicate of another event"
        elif event.status == "accepted" and not event.distinct_id and event.name not in IDENTITY_EVENTS:
            sentence = f"{what} carried no id, so it belongs to nobody"
            users = len({one.person for one in result.events if one.person})
            return Broken("nothing-lost", sentence, expect={"users": max(users, result.users + 1)})
        else:
            continue
        return Broken("nothing-lost", sentence, expect={"accepted": result.accepted + 1})
    return None


def _sent_as(event: EventRecord, resent: Mapping[int, int]) -> tuple[int, str]:
    return resent.get(event.step, event.step), event.name


@invariant("retry-counts-once")
def retry_counts_once(played: Played) -> Broken | None:
    """What is sent again after a lost answer counts once; identity events, which nobody counts, aside."""
    resent = {step.number: step.of for step in played.sending.steps if isinstance(step, ResendStep)}
    if not resent:
        return None
    counts: dict[tuple[int, str], int] = {}
    sent: dict[tuple[int, str], set[int]] = {}
    extra: list[EventRecord] = []
    for event in played.result.events:
        if event.status == "accepted" and event.name not in IDENTITY_EVENTS:
            key = _sent_as(event, resent)
            sent.setdefault(key, set()).add(event.step)
            counts[key] = counts.get(key, 0) + 1
            if event.step in resent and len(sent[key]) > 1:
                extra.append(event)
    if not extra:
        return None
    first = extra[0]
    missing = "it has no $insert_id, or no time of its own" if first.time_ms else "nothing tells it from a new event"
    sentence = (
        f"{first.name!r} of {first.person or 'nobody'} counts twice: step {first.step} sends step {resent[first.step]} "
        f"again, and {missing}"
    )
    return Broken("retry-counts-once", sentence, expect={"accepted": played.result.accepted - len(extra)})


@invariant("nothing-refused")
def nothing_refused(played: Played) -> Broken | None:
    """No identity event is refused in silence, unless its ids are one user anyway."""
    refused = [event for event in played.result.events if event.decision and event.decision.outcome == "refused"]
    if not refused:
        return None
    home = {text: cluster.canonical for cluster in played.result.clusters for text in cluster.ids}
    harmful = [event for event in refused if not _is_harmless(event, home)]
    if not harmful:
        return None
    first = harmful[0]
    decision = first.decision
    if decision is None:
        return None
    reason = decision.reason or decision.rule
    sentence = (
        f"the {decision.kind} of {first.person or 'nobody'} (step {first.step}) was refused in silence, {reason}: "
        f"{' and '.join(decision.ids)} stay apart"
    )
    allowed = [event for event in refused if event not in harmful]
    listed = [{"step": event.step, "reason": event.decision.reason} for event in allowed if event.decision]
    return Broken("nothing-refused", sentence, expect={"refused": listed})


def _is_harmless(event: EventRecord, home: Mapping[str, str]) -> bool:
    decision = event.decision
    if decision is None or decision.reason not in _HARMLESS:
        return False
    return len({home.get(text, text) for text in decision.ids}) == 1


@invariant("room-left")
def room_left(played: Played) -> Broken | None:
    """Identity clusters stay under 80% of the limit; only original has one."""
    if played.bench.id_merge != "original":
        return None
    limit = played.bench.settings.identity.max_cluster_ids
    most = math.ceil(limit * WARN_SHARE)
    largest = max(played.result.clusters, key=lambda cluster: len(cluster.ids), default=None)
    if largest is None or len(largest.ids) < most:
        return None
    people = " and ".join(largest.people) or "nobody"
    sentence = f"the cluster of {people} has {len(largest.ids)} ids, and at {limit} it refuses every further one"
    # A scenario has no check of sizes, so it says the same with the limit just under the size that was reached.
    lower = {"cluster_limit": most - 1}
    return Broken("room-left", sentence, expect={"refused": []}, settings=lower)


@invariant("order-is-free")
def order_is_free(played: Played) -> Broken | None:
    """The order in which the events of independent people arrive changes nothing about who is who."""
    groups = played.groups()
    if len(groups) < 2:
        return None
    usual = partition(played.result)
    if played.users_in_turn(groups[::-1]) == usual:
        return None
    other = played.bench.result(played.in_turn(groups[::-1]))
    if partition(other) == usual:
        return None
    first = " and ".join(sorted(groups[-1]))
    sentence = f"who is who changes when everything of {first} arrives first"
    return Broken("order-is-free", sentence, expect=_as_in(other, played.result))


@invariant("any-canonical-id")
def any_canonical_id(played: Played) -> Broken | None:
    """Nothing depends on which canonical id Mixpanel picks in original: other seeds give the same."""
    if played.bench.id_merge != "original" or not played.result.decisions:
        return None
    usual = partition(played.result)
    for seed in SEEDS:
        if not played.bench.asks and played.users_under_seed(seed) == usual:
            continue
        sending, other = played.under_seed(seed)
        if partition(other) != usual:
            sentence = "another pick of the canonical ids gives other users"
            expect = _as_in(played.result, other)
            return Broken("any-canonical-id", sentence, sending.steps, expect, {"canonical_seed": seed})
    return None


def _as_in(wanted: ScenarioResult, found: ScenarioResult) -> dict[str, Json]:
    """Return expectations that hold in one run, as far as ids can say that, and not in another."""
    expect: dict[str, Json] = {}
    if wanted.users != found.users:
        expect["users"] = wanted.users
    if wanted.accepted != found.accepted:
        expect["accepted"] = wanted.accepted
    joined = {frozenset(cluster.ids) for cluster in found.clusters}
    together = [list(cluster.ids) for cluster in wanted.clusters if len(cluster.ids) > 1]
    home = {text: number for number, cluster in enumerate(joined) for text in cluster}
    apart = [group for group in together if len({home.get(text) for text in group}) > 1]
    if apart:
        expect["same_user"] = apart
    else:
        there = {text: at for at, cluster in enumerate(wanted.clusters) for text in cluster.ids}
        pairs = [sorted(ids_)[:2] for ids_ in joined if len({there.get(text) for text in ids_}) > 1]
        if pairs:
            expect["different_users"] = sorted(pairs)
    return expect


@invariant("migrates")
def migrates(played: Played) -> Broken | None:
    """Whoever is one user in original is one user after a migration to simplified; only original has that ahead."""
    result = played.result
    if played.bench.id_merge != "original":
        return None
    people = list(dict.fromkeys(origin.person for origin in played.sending.origins.values()))
    accounts = frozenset(ids.user_id(person, played.flow.id_kind) for person in people)
    if not _may_change(result, accounts):
        return None
    steps = migrated(result, accounts)
    after = played.bench.result(steps, id_merge="simplified")
    before = match_people(result.events)
    split = [person for person in after.people.split if person not in before.split]
    mixed = [group for group in after.people.mixed if group not in before.mixed]
    if not split and not mixed:
        return None
    what = f"{split[0]} is split" if split else f"{' and '.join(mixed[0])} are mixed"
    sentence = f"after a migration to simplified {what}: {_sentence(after, 'split' if split else 'mixed')}"
    return Broken("migrates", sentence, tuple(steps), id_merge="simplified")


def _may_change(result: ScenarioResult, accounts: frozenset[str]) -> bool:
    """Return whether a migration can change anything: clusters of one user id and its devices come out as they were."""
    seen: set[str] = set()
    for cluster in result.clusters:
        users = sum(text in accounts or not looks_anonymous(text) for text in cluster.ids)
        bare = {text.removeprefix(DEVICE_PREFIX) for text in cluster.ids}
        if (users != 1 and len(cluster.ids) > 1) or len(bare) != len(cluster.ids) or bare & seen:
            return True
        seen |= bare
    return False
