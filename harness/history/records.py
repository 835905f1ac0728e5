"""What the rooms of histories hand to each other: batches of events in columns, replayed identity, the audit.

A history is read once, in order of arrival, as batches of columns. Ids are codes of one dictionary for the whole
history (`harness.history.dictionary.Dictionary`), so every step after the reader works on numbers. Three codes have a
meaning of their own: `ABSENT`, `EMPTY` and `BARE_PREFIX`.

Events are numbered from 0 as `harness resolve` numbers them: blank lines are no events, broken lines have a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from harness.event import IdMerge, Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes: TypeAlias = NDArray[np.uint32]
    Bytes: TypeAlias = NDArray[np.uint8]
    Longs: TypeAlias = NDArray[np.int64]

ABSENT: Final = 0
"""The code of an id that was not sent, or sent as null."""

EMPTY: Final = 1
"""The code of an id that was sent as an empty text."""

BARE_PREFIX: Final = 2
"""The code of `$device:` with nothing behind it."""

TIME_MISSING: Final = -(2**63)
"""In `EventBatch.time_ms`: no time was sent, or null."""

TIME_WRONG: Final = -(2**63) + 1
"""In `EventBatch.time_ms`: what was sent is no number, or lies before 1971."""

TIME_FAR: Final = 2**63 - 1
"""In `EventBatch.time_ms`: a time so far ahead that it is later than any clock."""


class Kind(IntEnum):
    """What an event asserts about identity, by its name."""

    ORDINARY = 0
    IDENTIFY = 1
    ALIAS = 2
    MERGE = 3


class Form(IntEnum):
    """What a line or row of a history is, before any rule of a project is asked.

    EVENT: an event of a shape that Mixpanel takes. BROKEN: not JSON, not UTF-8, no object, or without a name.
    IGNORED: `$ignore` is true, so Mixpanel drops it without a word. MISSHAPEN: an event that breaks a limit of shape.
    """

    EVENT = 0
    BROKEN = 1
    IGNORED = 2
    MISSHAPEN = 3


class InsertId(IntEnum):
    """What the `$insert_id` of an event is: none (Mixpanel makes one up), a good one, or a malformed one."""

    NONE = 0
    GOOD = 1
    MALFORMED = 2


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Consecutive events of a history in columns; each array has one entry an event unless it says otherwise.

    Attributes:
        first_index: the index of the first event in the history.
        size: how many events.
        file: number of the file they come from, in `History.files`.
        line: int64; the line in the file, or the row in a Parquet file, counted from 1.
        form: uint8; a `Form`. Only the ids, kind and name of a row that is not `Form.BROKEN` mean anything.
        kind: uint8; a `Kind`.
        name: uint32; the event name as a code of the dictionary of names.
        time_ms: int64; milliseconds since 1970, or one of `TIME_MISSING`, `TIME_WRONG`, `TIME_FAR`.
        distinct_id: uint32; what was sent: in a flat line of a raw export its `$distinct_id_before_identity`.
        device_id: uint32; `$device_id` spelled as its distinct_id in simplified (`$device:<id>`), so that `EMPTY` is a
            `$device_id` that is an empty text and `BARE_PREFIX` one that is `$device:`.
        device_disallowed: bool; the `$device_id` as it was sent is on the list of disallowed ids.
        user_id: uint32; `$user_id`.
        identified_id: uint32; `$identified_id` of an `$identify`.
        anonymous_id: uint32; `$anon_id`, or where that is absent or empty `$anon_distinct_id`, of an `$identify`.
        alias: uint32; `alias` of a `$create_alias`.
        merge_rows: int64, one entry for each `$merge` that names any ids: its place in the batch, ascending.
        merge_offsets: int64, one entry more than `merge_rows`: where its ids begin and end in `merge_ids`.
        merge_ids: uint32; what the `$distinct_ids` name, one after the other.
        insert_form: uint8; an `InsertId`.
        insert_data: uint8, any length: the bytes that `insert_start` and `insert_length` point into.
        insert_start: int64; where the text of the `$insert_id` begins.
        insert_length: int32; its length in bytes, -1 where there is none.
        truth: uint32; who really did it, as a code of the dictionary of people; `ABSENT` where nobody knows.
        newest_ms: the newest time of the batch in milliseconds since 1970, -inf where it has none; `--now` defaults to
            the floor of the newest of all.
    """

    first_index: int
    size: int
    file: int
    line: Longs
    form: Bytes
    kind: Bytes
    name: Codes
    time_ms: Longs
    distinct_id: Codes
    device_id: Codes
    device_disallowed: NDArray[np.bool_]
    user_id: Codes
    identified_id: Codes
    anonymous_id: Codes
    alias: Codes
    merge_rows: Longs
    merge_offsets: Longs
    merge_ids: Codes
    insert_form: Bytes
    insert_data: Bytes
    insert_start: Longs
    insert_length: NDArray[np.int32]
    truth: Codes
    newest_ms: float


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that holds no event: the file, the line or row counted from 1, and why."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


@dataclass(frozen=True, slots=True)
class ResolvedIds:
    """Who every id is after a history: one entry an id that the model knows, in order of first appearance.

    Attributes:
        ids: uint32; the id, as a code of the dictionary of ids.
        canonical: uint32; its canonical distinct_id, likewise.
        rule: uint8; place of the rule in `RULE_NAMES` that made it one user with its canonical distinct_id;
            `NO_RULE` where it is its own. In simplified the rule that gave a device to its user; in legacy the alias.
        event_index: int64; the event that did so, -1 where it is its own.
    """

    ids: Codes
    canonical: Codes
    rule: Bytes
    event_index: Longs


@dataclass(frozen=True, slots=True)
class DecisionColumns:
    """The decisions of one batch, one entry a decision, in order of arrival.

    Attributes:
        place: int64; the place of its event in the batch.
        outcome: uint8; place in `OUTCOMES`.
        rule: uint8; place in `RULE_NAMES`; `REASONS` has Mixpanel's reason at the same place.
    """

    place: Longs
    outcome: Bytes
    rule: Bytes


OUTCOMES: Final = ("merged", "already", "refused", "ignored")

RULE_NAMES: Final = (
    "",
    "simplified.link",
    "simplified.linked_already",
    "simplified.device_of_another",
    "simplified.user_id_is_device",
    "simplified.verb",
    "original.identify",
    "original.same_ids",
    "original.anon_id_form",
    "original.assigned_already",
    "original.too_many_ids",
    "original.incomplete",
    "original.alias",
    "original.alias_exists",
    "original.merge",
    "original.merge_by_track",
    "original.one_cluster",
    "legacy.alias",
    "legacy.alias_exists",
    "legacy.alias_to_itself",
    "legacy.alias_circle",
    "legacy.incomplete",
    "legacy.verb",
)
"""The rules that decide, keys of `harness.identity.rules.RULES`; a column of rules holds places in this list."""

NO_RULE: Final = 0

REASONS: Final[Mapping[str, str]] = {
    "simplified.device_of_another": "errAnonDistinctIdAssignedAlready",
    "original.same_ids": "errSameIDs",
    "original.anon_id_form": "errAnonDistinctIdNonGUIDForm",
    "original.assigned_already": "errAnonDistinctIdAssignedAlready",
    "original.too_many_ids": "errManyIDs",
    "original.alias_exists": "errAliasAlreadyExists",
    "legacy.alias_exists": "errAliasAlreadyExists",
    "legacy.alias_circle": "alias_circle",
}
"""Mixpanel's `$failure_reason` of the rules that refuse and have one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One finding as an example: a cluster, or an id.

    Attributes:
        canonical: the canonical distinct_id.
        size: how many ids its cluster has.
        ids: some of them.
        note: what is remarkable, "" for nothing more.
    """

    canonical: str
    size: int
    ids: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """The health of a history under one ID-merge system: the document of `harness audit --json` and what reports show.

    Attributes:
        id_merge: the system.
        events: events read, stored or not; broken lines are none.
        users: canonical ids with at least one stored event that counts and is no identity event.
        clusters: identity clusters, singletons too.
        ids: ids in all clusters.
        largest_cluster: ids of the largest one.
        near_limit: clusters with at least 80% of the limit, those at the limit too; 0 where there is no limit.
        at_limit: clusters with as many ids as the limit allows.
        refused: refused decisions by Mixpanel's reason, or by the rule where it has none.
        orphans: anonymous ids with events whose every attempt to join a (known) user failed.
        mixed_suspects: clusters that hold several known users.
        phantom_users: in simplified, anonymous ids that became users because they came as a bare distinct_id.
        disallowed: different ids on Mixpanel's list of disallowed ids.
        duplicates: stored events that don't count, because a later one is the same event.
        broken_lines: lines that hold no event.
        rejected: events that were not stored.
        identity_events: events named `$identify`, `$create_alias` or `$merge`.
        shared_devices: anonymous ids that a second user tried to take, or has events with.
        decisions: how many decisions had which outcome.
        sizes: how many clusters have which size.
        refused_by_month: refused decisions by (reason, month as `2026-01`).
        precision, recall: pairs of events of one user that are of one person, and the reverse; None without truth.
        split, mixed: people under several users, and users with events of several people; None without truth.
        samples: examples by finding: `top_clusters`, `mixed_suspects`, `phantom_users`, `orphans`, `disallowed`...
        broken: the first broken lines.
        now_ms: Mixpanel's clock, milliseconds since 1970.
        limit: most ids in one cluster; None where the system has no limit.
    """

    id_merge: IdMerge
    events: int
    users: int
    clusters: int
    ids: int
    largest_cluster: int
    near_limit: int
    at_limit: int
    refused: Mapping[str, int]
    orphans: int
    mixed_suspects: int
    phantom_users: int
    disallowed: int
    duplicates: int
    broken_lines: int
    rejected: int
    identity_events: int
    shared_devices: int
    decisions: Mapping[str, int]
    sizes: Mapping[int, int]
    refused_by_month: Mapping[tuple[str, str], int]
    now_ms: int
    limit: int | None
    precision: float | None = None
    recall: float | None = None
    split: int | None = None
    mixed: int | None = None
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    broken: tuple[BrokenLine, ...] = ()


CONTRACT_NUMBERS: Final = (
    "events",
    "users",
    "clusters",
    "ids",
    "largest_cluster",
    "near_limit",
    "at_limit",
    "refused",
    "orphans",
    "mixed_suspects",
    "phantom_users",
    "disallowed",
    "duplicates",
    "broken_lines",
)
"""The keys of `harness audit --json`, in their order."""


def audit_json(audit: Audit) -> dict[str, Json]:
    """Return the document of `harness audit --json`: numbers all, but `refused`, which maps reasons to numbers."""
    document: dict[str, Any] = {key: getattr(audit, key) for key in CONTRACT_NUMBERS}
    document["refused"] = dict(sorted(audit.refused.items()))
    document["rejected"] = audit.rejected
    document["shared_devices"] = audit.shared_devices
    for key in ("precision", "recall", "split", "mixed"):
        if getattr(audit, key) is not None:
            document[key] = getattr(audit, key)
    return document
