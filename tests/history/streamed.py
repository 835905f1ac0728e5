"""Streams of events as batches, and what the replay makes of them in the words of the plain model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.event import IdMerge, id_text
from harness.history.dictionary import Dictionary
from harness.history.door import Admitted
from harness.history.records import OUTCOMES, REASONS, RULE_NAMES, EventBatch, Kind
from harness.history.replay import replay
from harness.history.replay_model import Replay
from harness.identity.settings import IdentitySettings
from tests.identity.slow_model import Sent

_KINDS = {"$identify": Kind.IDENTIFY, "$create_alias": Kind.ALIAS, "$merge": Kind.MERGE}


def batch_of(stream: Sequence[Sent], ids: Dictionary, first_index: int = 0, *, strip_prefix: bool = True) -> EventBatch:
    """Return a stream as one batch, made in the plainest way."""
    size = len(stream)

    def column(key: str) -> Any:
        return _codes(ids, [sent.event.properties.get(key) for sent in stream])

    anonymous = [
        sent.event.properties.get("$anon_id")
        if sent.event.properties.get("$anon_id") not in (None, "")
        or isinstance(sent.event.properties.get("$anon_id"), bool)
        else sent.event.properties.get("$anon_distinct_id")
        for sent in stream
    ]
    merges = []
    for row, sent in enumerate(stream):
        named = sent.event.properties.get("$distinct_ids")
        if sent.event.name == "$merge" and isinstance(named, list) and named:
            merges.append((row, named))
    return EventBatch(
        first_index=first_index,
        size=size,
        file=0,
        line=np.arange(1, size + 1, dtype=np.int64),
        form=np.zeros(size, np.uint8),
        kind=np.array([_KINDS.get(sent.event.name, Kind.ORDINARY) for sent in stream], np.uint8),
        name=np.zeros(size, np.uint32),
        time_ms=np.zeros(size, np.int64),
        distinct_id=column("distinct_id"),
        device_id=_devices(ids, [sent.event.properties.get("$device_id") for sent in stream], strip_prefix),
        device_disallowed=np.zeros(size, np.bool_),
        user_id=column("$user_id"),
        identified_id=column("$identified_id"),
        anonymous_id=_codes(ids, anonymous),
        alias=column("alias"),
        merge_rows=np.array([row for row, _ in merges], np.int64),
        merge_offsets=np.cumsum([0, *(len(named) for _, named in merges)]).astype(np.int64),
        merge_ids=_codes(ids, [one for _, named in merges for one in named]),
        insert_form=np.zeros(size, np.uint8),
        insert_data=np.zeros(8, np.uint8),
        insert_start=np.zeros(size, np.int64),
        insert_length=np.full(size, -1, np.int32),
        truth=np.zeros(size, np.uint32),
        newest_ms=float("-inf"),
    )


def _codes(ids: Dictionary, values: Sequence[Any]) -> Any:
    codes = ids.codes([id_text(value) for value in values])
    codes[[value is None for value in values]] = 0
    return codes


def _devices(ids: Dictionary, values: Sequence[Any], strip_prefix: bool) -> Any:
    """Return device ids as batches have them; see `EventBatch.device_id`."""
    found = []
    for value in values:
        text = id_text(value)
        if value is None:
            found.append(0)
        elif not text:
            found.append(1)
        elif strip_prefix and text.startswith("$device:"):
            found.append(int(ids.codes([text])[0]))
        else:
            found.append(int(ids.codes(["$device:" + text])[0]))
    return np.array(found, np.uint32)


def admitted(batch: EventBatch) -> Admitted:
    """Return a batch of which every event is stored as it is."""
    none = np.zeros(batch.size, np.uint8)
    return Admitted(none, batch.distinct_id, batch.device_id, batch.user_id, batch.time_ms, batch.insert_form)


@dataclass(frozen=True)
class Replayed:
    """What the replay made of a stream, in the words of the plain model."""

    decisions: list[tuple[str, str, str | None, str, int]]
    stored: list[str]
    received: list[str]
    clusters: list[tuple[str, tuple[str, ...]]]
    settled: list[str]
    model: Replay


def replayed(
    id_merge: IdMerge, settings: IdentitySettings, stream: Sequence[Sent], cuts: Sequence[int] = ()
) -> Replayed:
    """Replay a stream in parts that end at some places."""
    ids = Dictionary(expected=4)
    model = replay(id_merge, ids, settings)
    kinds = ("link", "identify", "alias", "merge")
    decisions = []
    stored: list[str] = []
    received: list[str] = []
    codes: list[int] = []
    edges = [0, *sorted(cuts), len(stream)]
    for first, last in itertools.pairwise(edges):
        part = stream[first:last]
        batch = batch_of(part, ids, first, strip_prefix=settings.strip_device_prefix == "one")
        taken = model.take(
            batch,
            admitted(batch),
            by_track=np.array([sent.endpoint == "track" for sent in part], np.bool_),
            arrival_ms=np.array([sent.arrival_ms for sent in part], np.int64),
        )
        made = taken.decisions
        for place, outcome, rule in zip(made.place, made.outcome, made.rule, strict=True):
            name = RULE_NAMES[rule]
            reason = REASONS.get(name) if OUTCOMES[outcome] == "refused" else None
            decisions.append((kinds[batch.kind[place]], OUTCOMES[outcome], reason, name, first + int(place)))
        stored += ids.texts(taken.stored)
        received += ids.texts(taken.received)
        codes += [int(code) for code in taken.stored]
    canonical = model.canonical()
    groups: dict[int, list[str]] = {}
    settled = model.settled()
    for code in model.known():
        groups.setdefault(int(settled[code]), []).append(ids.text(int(code)))
    clusters = sorted(
        ((ids.text(int(canonical[key])), tuple(sorted(texts))) for key, texts in groups.items()),
        key=lambda cluster: cluster[1],
    )
    return Replayed(decisions, stored, received, clusters, [ids.text(int(canonical[code])) for code in codes], model)
