"""What a migration is asked for, what it found out about every id, what it is going to do, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.event import Endpoint, IdMerge
from harness.ingestion.settings import ProjectSettings

Codes: TypeAlias = NDArray[np.uint32]
Longs: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

Policy: TypeAlias = Literal["drop", "elect", "per-device"]
DeviceForms: TypeAlias = Literal["apart", "one"]

POLICIES: Final[tuple[Policy, ...]] = ("drop", "elect", "per-device")
"""What becomes of the devices of a cluster with several user ids: nobody's, all of one user, each of its nearest."""

ROUTES: Final[tuple[tuple[IdMerge, IdMerge], ...]] = (
    ("original", "simplified"),
    ("legacy", "simplified"),
    ("legacy", "original"),
)
"""From which system to which one can migrate."""

ASSOCIATION: Final = "Identity Association"
"""Name of the events that link devices to users in simplified, unless another is chosen; any name does (`docs`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOrder:
    """What a migration is asked for.

    Attributes:
        paths: files, folders and globs, in the order of arrival.
        source: the system the events were sent to.
        target: the system of the new project.
        user_id: a regular expression that says what a user id looks like; see `migrate_ids.user_ids`.
        settings: the reading of the rules.
        out: the folder for the new events; None: nothing is written.
        ambiguous: what becomes of clusters with several user ids.
        association_time: `first`: when the device was first seen; `link`: when the source joined it; or a fixed instant
            in milliseconds since 1970.
        association_event: the name of the events that link.
        excluded: a regular expression for the ids of test accounts; None for none.
        excluded_ids: ids of test accounts.
        device_forms: whether `X` and `$device:X` that the source kept apart stay apart, or become one device.
        shard_events: most events of one file.
        endpoint: the route the events came by.
        strict: whether the source validated strictly.
        stored: the history is a raw export of events that were accepted long ago, so no rule of acceptance is asked.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event.
        progress: is told what is being done and the share of it that is done, 0 to 1.
    """

    paths: Sequence[str]
    source: IdMerge
    target: IdMerge
    user_id: str
    settings: ProjectSettings
    out: Path | None = None
    ambiguous: Policy = "drop"
    association_time: Literal["first", "link"] | int = "first"
    association_event: str = ASSOCIATION
    excluded: str | None = None
    excluded_ids: frozenset[str] = frozenset()
    device_forms: DeviceForms = "apart"
    shard_events: int = 200_000
    endpoint: Endpoint = "import"
    strict: bool = False
    stored: bool = False
    now_ms: int | None = None
    progress: Callable[[str, float], None] = lambda what, share: None


class Edges(NamedTuple):
    """What joined two ids in the source, in order of arrival.

    Attributes:
        a: uint32; the anonymous or newer id.
        b: uint32; the other one.
        time_ms: int64; the time of the event that did, milliseconds since 1970; `NO_TIME` where it has none.
    """

    a: Codes
    b: Codes
    time_ms: Longs


NO_TIME: Final = -1


@dataclass(frozen=True, slots=True)
class Census:
    """What the source knows about every id, by code.

    Attributes:
        is_known: bool; an event was sent under the id, or an identity event names it.
        events: int64; stored ordinary events that were sent under the id.
        first_ms: int64; the time of the earliest of all events that carry it; `NO_TIME` for none.
        last_ms: int64; the latest.
        links: int64; decisions that name it and were not refused or ignored.
        nameless: int64; of its events, those whose `$insert_id` is missing or malformed.
        edges: what joined ids.
        read: events read, broken lines not.
        broken: lines that hold no event.
        rejected: events that were not stored, so they are not written either.
        identity_events: stored identity events.
        users: canonical ids of the source with at least one stored event that is no identity event.
        now_ms: Mixpanel's clock, milliseconds since 1970.
    """

    is_known: Flags
    events: Longs
    first_ms: Longs
    last_ms: Longs
    links: Longs
    nameless: Longs
    edges: Edges
    read: int
    broken: int
    rejected: int
    identity_events: int
    users: int
    now_ms: int


class Candidate(NamedTuple):
    """A user id of an ambiguous cluster with the evidence for it.

    Attributes:
        id: the user id.
        links: identity events that name it and took effect.
        devices: anonymous ids that were joined with it directly.
        events: ordinary events sent under it.
        first_ms: when it was first seen, milliseconds since 1970; None where no event has a time.
        last_ms: when it was last seen.
    """

    id: str
    links: int
    devices: int
    events: int
    first_ms: int | None
    last_ms: int | None


class Ambiguous(NamedTuple):
    """A cluster with several user ids: the candidates, the strongest first, and what becomes of its anonymous ids.

    Attributes:
        candidates: the user ids.
        size: how many ids it has.
        devices: each anonymous id, and whose it becomes; None for nobody's.
        events: ordinary events of all its anonymous ids.
    """

    candidates: tuple[Candidate, ...]
    size: int
    devices: tuple[tuple[str, str | None], ...]
    events: int


class Unresolved(NamedTuple):
    """A cluster that can't be had in the target: its ids, its ordinary events, and why."""

    ids: tuple[str, ...]
    events: int
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of every id, by code.

    Attributes:
        cluster: uint32; the cluster of the source, as the code of one of its ids, after junk was taken out.
        is_user: bool; it is a user id.
        is_nobody: bool; it is no id of anybody, so its events belong to nobody.
        is_excluded: bool; it is a test account, so its events are left out.
        key: uint32; the code of the distinct_id that its events get; `ABSENT` for nobody.
        owner: uint32; for the code of a device's distinct_id in the target, the code of its user; `ABSENT` for none.
        devices: uint32; the devices that are linked, in the order of their association events.
        users: uint32; the user of each.
        by_merge: bool; into original, whether each is linked by `$merge`, because `$identify` would refuse its form.
        time_ms: int64; the time of each association event, milliseconds since 1970.
        ambiguous: clusters with several user ids, those with most events first.
        unresolved: clusters that fall apart, likewise.
        junk: the ids that are nobody's, with how many events.
        unmatched: ids that are no user ids and yet look like no device, with how many events; they become devices.
        both_forms: devices whose id occurs with and without `$device:` in different clusters.
        joins_before: ids with events that the source joined with an earlier one.
        joins_after: how many of those the target joins.
    """

    cluster: Codes
    is_user: Flags
    is_nobody: Flags
    is_excluded: Flags
    key: Codes
    owner: Codes
    devices: Codes
    users: Codes
    by_merge: Flags
    time_ms: Longs
    ambiguous: tuple[Ambiguous, ...]
    unresolved: tuple[Unresolved, ...]
    junk: tuple[tuple[str, int], ...]
    unmatched: tuple[tuple[str, int], ...]
    both_forms: tuple[str, ...]
    joins_before: int
    joins_after: int


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that was written: its name, how many events, bytes, and the SHA-256 of what it holds."""

    name: str
    events: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a replay of the new events under the target gave.

    Attributes:
        users: canonical ids with at least one event.
        rejected: events that strict /import would refuse.
        ids: ids that were compared with what was promised.
        differing: ids that came out otherwise: the id, what was promised, what came out.
    """

    users: int
    rejected: int
    ids: int
    differing: tuple[tuple[str, str, str], ...] = ()

    @property
    def held(self) -> bool:
        """Whether everything is as promised."""
        return not self.differing and not self.rejected


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration, done or only tried.

    Attributes:
        order: what was asked for.
        census: what the source knows.
        plan: what becomes of every id.
        written: events of the target, association events included.
        excluded_events: events of test accounts, left out.
        nobodys_events: events whose id was junk, and which belong to nobody now.
        renamed: events that got a new `$insert_id`, because theirs was missing or malformed.
        proof: what the replay gave.
        shards: the files; empty when nothing was written.
    """

    order: MigrateOrder
    census: Census
    plan: Plan
    written: int
    excluded_events: int
    nobodys_events: int
    renamed: int
    proof: Proof
    shards: tuple[Shard, ...] = field(default=())
