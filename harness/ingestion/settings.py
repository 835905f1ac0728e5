"""The switches of ingestion: where sources differ on what Mixpanel's door lets in, which reading to follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from harness.identity.settings import IdentitySettings

Region: TypeAlias = Literal["us", "eu", "in"]

HOT_SHARD_EVENTS: Final = 200_000
"""Events of one distinct_id on one day before the rest becomes `$hotshard_events` (`docs`)."""


@dataclass(frozen=True, slots=True)
class IngestionSettings:
    """One reading of Mixpanel's rules of acceptance.

    Attributes:
        time_future: what happens to a time more than one hour ahead: rejected under strict and else set to now
            (`docs`, two sentences that differ, reconciled), always set to now, or always rejected.
        ms_threshold: a `time` below this is in seconds, from it on in milliseconds (`inferred`; unpublished).
        track_window_days: how many days old an event may be on /track (`docs`).
        project_timezone: IANA name of the project's time zone; read by `dedup_day` only.
        missing_distinct_id: without distinct_id: rejected under strict in original and else the hash of the client's
            address where that is known and asked for (`docs`, `observed`), always rejected, or always "".
        bad_ids_nonstrict: a disallowed id or malformed `$insert_id` without strict: taken for absent, kept as it is,
            or the event is dropped (`inferred`; no source).
        verbs_on_import: identity events on a strict /import in simplified: the row is rejected (`observed`), the whole
            batch is, or they are ignored (`docs`).
        verbs_on_track: identity events on /track in simplified are ignored (`observed`) or rejected.
        dedup_id: duplicates are found by the resolved distinct_id or by the one sent (`inferred`).
        dedup_day: the day of compaction is one of UTC or of the project's time zone (`inferred`).
        dedup_compaction: whether compaction has run; on real projects it may never (`docs`).
        hot_shard_events: events of one distinct_id on one UTC day before the rest goes to `$hotshard_events`.
    """

    time_future: Literal["strict_reject_else_clamp", "always_clamp", "always_reject"] = "strict_reject_else_clamp"
    ms_threshold: float = 1e11
    track_window_days: float = 5
    project_timezone: str = "UTC"
    missing_distinct_id: Literal["strict400_else_iphash", "reject", "empty"] = "strict400_else_iphash"
    bad_ids_nonstrict: Literal["blank", "accept", "drop"] = "blank"
    verbs_on_import: Literal["reject_row", "reject_batch", "ignore"] = "reject_row"
    verbs_on_track: Literal["ignore", "reject"] = "ignore"
    dedup_id: Literal["resolved", "raw"] = "resolved"
    dedup_day: Literal["utc", "project"] = "utc"
    dedup_compaction: bool = False
    hot_shard_events: int = HOT_SHARD_EVENTS


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Everything about one Mixpanel project but its ID-merge system and its secrets.

    Attributes:
        identity: the reading of the identity rules.
        ingestion: the reading of the rules of acceptance.
        token: the project token; None: any token that is not empty is this project's.
        region: where the project's data lives.
        strict: whether events that come by /import without a request of their own are validated strictly; on the wire
            the request says so itself (`strict=1`).
        shuffle_seed: the seed by which whoever sends a stream shuffles it before it arrives; None: order as given.
    """

    identity: IdentitySettings = field(default_factory=IdentitySettings)
    ingestion: IngestionSettings = field(default_factory=IngestionSettings)
    token: str | None = None
    region: Region = "us"
    strict: bool = True
    shuffle_seed: int | None = None
