"""The proof of a migration: the new events are replayed under the target, and every id has to come out as promised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.event import DEVICE_PREFIX
from harness.history.dictionary import Dictionary
from harness.history.door import ACCEPTED, Door
from harness.history.migrate_output import Shards, association_lines, insert_id, seconds
from harness.history.migrate_records import Census, Codes, Flags, MigrateOrder, Plan, Proof
from harness.history.reader import HistoryReader, Reading
from harness.history.records import ABSENT, EMPTY, Kind
from harness.history.replay import replay

_MOST_DIFFERING: Final = 1_000
_NOTHING: Final = "nothing"


def prove(order: MigrateOrder, census: Census, plan: Plan, dictionary: Dictionary, files: Sequence[Path]) -> Proof:
    """Replay files under the target, by strict /import, and compare what comes out with the plan.

    Args:
        order: what was asked for.
        census: what the source knows.
        plan: what was promised.
        dictionary: the ids.
        files: the new events, in the order in which they are to be sent.

    Raises:
        InputError: when the settings ask for what a history can't honour.
    """
    clock = max(census.now_ms, int(plan.time_ms.max(initial=0)))
    door = Door(order.target, order.settings, endpoint="import", strict=True, now_ms=clock)
    model = replay(order.target, dictionary, order.settings.identity)
    reading = Reading(
        seconds_below=order.settings.ingestion.ms_threshold,
        encode_ahead=not order.settings.identity.device_prefix_equivalent,
    )
    reader = HistoryReader([str(file) for file in files], reading)
    if files:
        reader.open()
    reader.ids = dictionary
    rejected = 0
    is_active = np.zeros(len(dictionary), np.bool_)
    for batch in reader.batches() if files else ():
        admitted = door.admit(batch, dictionary.marks)
        stored = model.take(batch, admitted).stored
        rejected += int(np.count_nonzero(admitted.status != ACCEPTED))
        if len(is_active) < len(dictionary):
            more = len(dictionary) * 3 // 2 - len(is_active)
            is_active = np.concatenate([is_active, np.zeros(more, np.bool_)])
        is_active[stored[batch.kind == Kind.ORDINARY]] = True
        order.progress("replaying", reader.share)
    is_active[: EMPTY + 1] = False
    settled = model.settled()
    ids = model.known()
    compare = _differing if order.target == "simplified" else _regrouped
    differing = compare(plan, ids, settled[ids], len(dictionary)) if len(ids) else []
    differing += [(int(code), _promised(plan, int(code)), ABSENT) for code in _missing(plan, ids)]
    return Proof(
        users=len(np.unique(settled[np.flatnonzero(is_active)])),
        rejected=rejected,
        ids=len(ids),
        differing=tuple(sorted(_told(dictionary, *one) for one in differing)[:_MOST_DIFFERING]),
    )


def _told(dictionary: Dictionary, code: int, promised: int, found: int) -> tuple[str, str, str]:
    return dictionary.text(code), dictionary.text(promised), dictionary.text(found) if found else _NOTHING


def rehearsal(order: MigrateOrder, census: Census, plan: Plan, dictionary: Dictionary, folder: Path) -> list[Path]:
    """Write one event for each id that has any, with all that links them, and return the files.

    Who is who in the target depends on nothing else, so a dry run replays this in place of the whole history.
    """
    shards = Shards(folder, order.shard_events)
    for lines, ends in association_lines(order, plan, dictionary):
        shards.write(lines, ends)
    keys = np.flatnonzero(written_keys(census, plan, len(dictionary)))
    time = seconds(census.now_ms)
    for first in range(0, len(keys), 50_000):
        texts = dictionary.arrow(keys[first : first + 50_000].astype(np.uint32)).to_pylist()
        made = [_event(order, text, time) for text in texts]
        shards.write(np.frombuffer(b"".join(made), np.uint8), np.cumsum([len(line) for line in made], dtype=np.int64))
    shards.close()
    return [folder / shard.name for shard in shards.written]


def written_keys(census: Census, plan: Plan, count: int) -> Flags:
    """Return for each code whether ordinary events are written under it."""
    found = np.zeros(count, np.bool_)
    found[plan.key[(census.events > 0) & ~plan.is_excluded]] = True
    found[ABSENT] = False
    return found


def _event(order: MigrateOrder, key: str, time: float) -> bytes:
    properties: dict[str, Any] = {"distinct_id": key, "time": time, "$insert_id": insert_id("rehearsal", key)}
    if order.target == "simplified":
        is_device = key.startswith(DEVICE_PREFIX)
        properties["$device_id" if is_device else "$user_id"] = key.removeprefix(DEVICE_PREFIX) if is_device else key
    return json.dumps({"event": "Event", "properties": properties}, separators=(",", ":")).encode() + b"\n"


def _promised(plan: Plan, code: int) -> int:
    return int(plan.owner[code]) or code if code < len(plan.owner) else code


def _differing(plan: Plan, ids: Codes, came_out: Codes, known: int) -> list[tuple[int, int, int]]:
    """Return the ids whose canonical distinct_id is another one than promised, with both."""
    owner = np.zeros(max(known, int(ids.max()) + 1), np.uint32)
    owner[: len(plan.owner)] = plan.owner
    promised = np.where(owner[ids] != ABSENT, owner[ids], ids)
    wrong = np.flatnonzero(promised != came_out)
    return [(int(ids[at]), int(promised[at]), int(came_out[at])) for at in wrong[:_MOST_DIFFERING]]


def _regrouped(plan: Plan, ids: Codes, came_out: Codes, known: int) -> list[tuple[int, int, int]]:
    """Return the ids that are with others than promised; in original nobody can say which id is canonical."""
    owner = np.zeros(max(known, int(ids.max()) + 1), np.uint32)
    owner[: len(plan.owner)] = plan.owner
    promised = np.where(owner[ids] != ABSENT, owner[ids], ids)
    wrong = np.zeros(len(ids), np.bool_)
    for one, other in ((promised, came_out), (came_out, promised)):
        groups, first = np.unique(one, return_index=True)
        wrong |= other != other[first][np.searchsorted(groups, one)]
    return [(int(ids[at]), int(promised[at]), int(came_out[at])) for at in np.flatnonzero(wrong)[:_MOST_DIFFERING]]


def _missing(plan: Plan, ids: Codes) -> Codes:
    """Return the linked devices and their users that did not come out at all."""
    return np.setdiff1d(np.concatenate([plan.devices, plan.users]), ids)
