"""Mixpanel's door for batches: which events of a history are stored, and with which ids, time and `$insert_id`.

The rules are those of `harness.ingestion.rules`, asked once for each system; tests hold both equal. An event that says
neither when it happened nor before which clock is given `TIME_FAR`, which stands for the clock.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.event import Endpoint, IdMerge
from harness.history.marks import DISALLOWED
from harness.history.native import compiled
from harness.history.records import TIME_FAR, TIME_MISSING, TIME_WRONG, EventBatch
from harness.ingestion.rules import RuleContext
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem

ACCEPTED: Final = 0
REJECTED: Final = 1
DROPPED: Final = 2

_POLICIES: Final = {"blank": 0, "accept": 1, "drop": 2}
_MISSING: Final = {"strict400_else_iphash": 0, "reject": 1, "empty": 2}


class Admitted(NamedTuple):
    """A batch after the door, one entry an event.

    Attributes:
        status: uint8; `ACCEPTED`, `REJECTED` or `DROPPED`.
        distinct_id: uint32; the distinct_id it is stored with.
        device_id: uint32; its device id, as in `EventBatch`.
        user_id: uint32; its user id.
        time_ms: int64; when it happened, `TIME_FAR` for the time of the clock.
        insert_form: uint8; an `InsertId`; what is not good counts as none unless malformed ones are accepted.
    """

    status: NDArray[np.uint8]
    distinct_id: NDArray[np.uint32]
    device_id: NDArray[np.uint32]
    user_id: NDArray[np.uint32]
    time_ms: NDArray[np.int64]
    insert_form: NDArray[np.uint8]


class Door:
    """The rules of acceptance of one project.

    Args:
        id_merge: its ID-merge system.
        settings: the reading of the rules.
        endpoint: the route the events come by.
        strict: whether /import validates strictly; None: as the settings say.
        now_ms: Mixpanel's clock, milliseconds since 1970; None: the time of the newest event, whichever that is, so
            no event is from the future. /track needs one, for it takes no old events.
        stored: the events were accepted long ago, so none is asked again.

    Raises:
        InputError: when the settings ask for what a history can't honour.
    """

    def __init__(
        self,
        id_merge: IdMerge,
        settings: ProjectSettings,
        *,
        endpoint: Endpoint = "import",
        strict: bool | None = None,
        now_ms: int | None = None,
        stored: bool = False,
    ) -> None:
        clock = TIME_FAR - 10**10 if now_ms is None else now_ms
        chosen = settings.ingestion
        context = RuleContext(
            id_merge,
            endpoint,
            clock,
            strict=settings.strict if strict is None else strict,
            settings=chosen,
        )
        if settings.shuffle_seed is not None:
            raise _not_honoured("arrival.shuffle_seed", "a history is read in the order of its files")
        batch_refused = id_merge == "simplified" and endpoint == "import" and context.strict
        if batch_refused and chosen.verbs_on_import == "reject_batch":
            raise _not_honoured("simplified.verbs_on_import", "a history has no batches that could be rejected as one")
        if endpoint == "track" and now_ms is None and not stored:
            raise _not_honoured("--endpoint track", "it needs to know --now, for /track takes no old events")
        self._stored = stored
        self._numbers = np.array(
            [
                clock,
                context.latest_ms,
                context.oldest_ms,
                TIME_FAR if now_ms is None else now_ms,
                context.rejects_future,
                context.verb_refused,
                endpoint == "import",
                context.strict,
                _POLICIES[chosen.bad_ids_nonstrict],
                _MISSING[chosen.missing_distinct_id],
                id_merge == "simplified",
                id_merge == "original",
            ],
            np.int64,
        )

    def admit(self, batch: EventBatch, marks: NDArray[np.uint8]) -> Admitted:
        """Ask the door about every event of a batch.

        Args:
            batch: the events; it is left as it is.
            marks: the marks of every id.
        """
        made = Admitted(
            np.zeros(batch.size, np.uint8),
            batch.distinct_id.copy(),
            batch.device_id.copy(),
            batch.user_id.copy(),
            batch.time_ms.copy(),
            batch.insert_form.copy(),
        )
        if self._stored:
            made.status[batch.form != 0] = REJECTED
            made.status[batch.form == 2] = DROPPED
            return made
        _admit(
            batch.form,
            batch.kind,
            batch.identified_id,
            batch.device_disallowed,
            marks,
            self._numbers,
            made.status,
            made.distinct_id,
            made.device_id,
            made.user_id,
            made.time_ms,
            made.insert_form,
        )
        return made


def _not_honoured(key: str, why: str) -> InputError:
    return InputError([Problem("", None, key, f"can't be honoured for a history: {why}")])


@compiled
def _admit(  # noqa: C901
    form: Any,
    kind: Any,
    identified: Any,
    device_disallowed: Any,
    marks: Any,
    numbers: Any,
    status: Any,
    distinct: Any,
    device: Any,
    user: Any,
    time_ms: Any,
    insert: Any,
) -> None:
    verb_refused = numbers[5] != 0
    on_import = numbers[6] != 0
    strict = numbers[7] != 0
    policy = numbers[8]
    simplified = numbers[10] != 0
    for row in range(len(form)):
        verb = kind[row] != 0
        if form[row] != 0 or (verb and verb_refused):
            status[row] = 2 if form[row] == 2 else 1
            continue
        bad = not _time(row, kind[row], on_import, numbers, time_ms)
        dropped = False
        if not _has_id(row, kind[row], identified, on_import, strict, numbers, distinct, device, user):
            bad = True
        elif marks[distinct[row]] & DISALLOWED:
            bad = bad or strict
            dropped = dropped or policy == 2
            if policy == 0:
                distinct[row] = 1
        if simplified:
            if marks[user[row]] & DISALLOWED:
                bad = bad or strict
                dropped = dropped or policy == 2
                if policy == 0:
                    user[row] = 0
            if device_disallowed[row]:
                bad = bad or strict
                dropped = dropped or policy == 2
                if policy == 0:
                    device[row] = 0
        if insert[row] == 0:
            bad = bad or (strict and kind[row] != 3)
        elif insert[row] == 2:
            bad = bad or strict
            dropped = dropped or policy == 2
            if policy != 1:
                insert[row] = 0
        status[row] = 1 if bad else (2 if dropped else 0)


@compiled
def _time(row: int, kind: int, on_import: bool, numbers: Any, time_ms: Any) -> bool:  # noqa: FBT001
    sent = time_ms[row]
    if sent == TIME_WRONG:
        return False
    if sent == TIME_MISSING:
        time_ms[row] = numbers[3]
        return not on_import or kind == 3
    good = sent >= numbers[2]
    if sent > numbers[0]:
        if sent > numbers[1] and numbers[4] != 0:
            good = False
        time_ms[row] = numbers[3]
    return bool(good)


@compiled
def _has_id(
    row: int,
    kind: int,
    identified: Any,
    on_import: bool,  # noqa: FBT001
    strict: bool,  # noqa: FBT001
    numbers: Any,
    distinct: Any,
    device: Any,
    user: Any,
) -> bool:
    if kind != 0:
        if kind == 3 or distinct[row] > 1 or (kind == 1 and identified[row] > 1):
            return True
        if not on_import:
            return False
    if distinct[row] != 0 or numbers[9] == 2:
        return True
    if numbers[10] != 0 and (user[row] > 1 or device[row] > 1):
        return True
    return not (numbers[9] == 1 or (strict and numbers[11] != 0))
