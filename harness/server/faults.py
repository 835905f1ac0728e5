"""Faults for testing senders: answers that are errors, late, or lost, drawn by lot with a seed or asked for by header.

`429:0.1,502:0.05,drop:0.05,slow:2s:0.1` gives each kind its share of the requests. A kind says by its name whether the
request is stored: a status is answered before, with `-after` behind it afterwards; `drop` loses the answer to a request
that is stored, `drop-before` the request itself; `slow` answers late.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from typing import Final

from harness.clock import parse_duration
from harness.problems import did_you_mean

HEADER: Final = "x-harness-fail"
"""The header that asks for a fault of one request."""

_STATUS: Final = re.compile(r"([45][0-9]{2})(-after)?")
_KINDS: Final = ("429", "500", "502", "503", "502-after", "drop", "drop-before", "slow")
_LONGEST_MS: Final = 600_000
_MOST_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: how it is spelled, for example `502-after`, `drop` or `slow:2s`.
        is_stored: whether the request does its work all the same.
        status: the status that is answered; None where the right answer is given, or none at all.
        hangs_up: whether the connection closes without an answer.
        delay_s: by how many seconds the answer is late.
    """

    name: str
    is_stored: bool
    status: int | None = None
    hangs_up: bool = False
    delay_s: float = 0


class Faults:
    """Draws faults by lot.

    Args:
        text: shares by kind; "" for no faults.
        seed: the seed of the lots; equal requests in equal order get equal faults.

    Attributes:
        text: the shares as they were written.
        seed: the seed.
        requests: how many lots were drawn.
        injected: how many faults were handed out, by kind.

    Raises:
        ValueError: when the text makes no sense; the message says why.
    """

    def __init__(self, text: str = "", seed: int = 0) -> None:
        self.text = text
        self.seed = seed
        self.requests = 0
        self.injected: dict[str, int] = {}
        self._shares = _shares(text)
        self._lots = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets

    @property
    def are_none(self) -> bool:
        """Whether no request fails by lot."""
        return not self._shares

    def draw(self) -> Fault | None:
        """Return the fault of the next request; None for none."""
        self.requests += 1
        lot = self._lots.random()
        for fault, share in self._shares:
            lot -= share
            if lot < 0:
                return self.count(fault)
        return None

    def count(self, fault: Fault) -> Fault:
        """Note that a fault is handed out."""
        if fault.name in self.injected or len(self.injected) < _MOST_COUNTED:
            self.injected[fault.name] = self.injected.get(fault.name, 0) + 1
        return fault


def fault_of(text: str) -> Fault:
    """Return the fault of a kind such as `429`, `502-after`, `drop`, `drop-before` or `slow:2s`.

    Raises:
        ValueError: when there is no such kind.
    """
    text = text.strip()
    name, _, duration = text.partition(":")
    found = _STATUS.fullmatch(text)
    if found is not None:
        return Fault(text, is_stored=found[2] is not None, status=int(found[1]))
    if text in ("drop", "drop-before"):
        return Fault(text, is_stored=text == "drop", hangs_up=True)
    if name != "slow":
        raise ValueError(f"{text[:60]!r} is no kind of fault. {did_you_mean(name, _KINDS)}")
    if not duration:
        raise ValueError(f"{text[:60]!r} says not how slow; write slow:2s")
    delay_ms = parse_duration(duration)
    if delay_ms > _LONGEST_MS:
        raise ValueError(f"{text[:60]!r} is slower than 10 minutes")
    return Fault(text, is_stored=True, delay_s=delay_ms / 1_000)


def _shares(text: str) -> list[tuple[Fault, float]]:
    shares: list[tuple[Fault, float]] = []
    for part in filter(None, map(str.strip, text.split(","))):
        kind, colon, number = part.rpartition(":")
        if not colon:
            raise ValueError(f"{part[:60]!r} has no share; write for example {part[:20]}:0.1")
        shares.append((fault_of(kind), _share(number, part)))
    total = math.fsum(share for _, share in shares)
    if total > 1 + 1e-9:
        raise ValueError(f"the shares add up to {total:g}, which is more than 1")
    return shares


def _share(number: str, part: str) -> float:
    try:
        share = float(number)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ValueError(f"{part[:60]!r} needs a share from 0 to 1 behind the last colon, found {number[:20]!r}")
    return share
