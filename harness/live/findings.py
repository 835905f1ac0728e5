"""Why nothing is sent: findings of the gate, each with the line or step to mend."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from harness.event import Json

FindingKind: TypeAlias = Literal[
    "rejected", "refused", "ignored", "split", "mixed", "join", "near_limit", "insert_id", "check", "lost", "empty"
]
_MOST_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason not to send.

    Attributes:
        kind: what is wrong.
        message: what happened, in a sentence.
        fix: what to do about it; "" where the message says so.
        line: the line in the file, counted from 1; None where it has none.
        step: the step of the scenario; None for an event file.
    """

    kind: FindingKind
    message: str
    fix: str = ""
    line: int | None = None
    step: int | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the finding for `--json`."""
        return {"kind": self.kind, "line": self.line, "step": self.step, "message": self.message, "fix": self.fix}


@dataclass(slots=True)
class Findings:
    """The findings of one proof; the first hundred are kept, all are counted.

    Attributes:
        kept: the first ones, in order.
        counts: how many there are of each kind.
    """

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Note one more."""
        self.counts[finding.kind] += 1
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(finding)

    def in_order(self) -> list[Finding]:
        """Return those that are kept by step and line; what is about the whole comes first."""
        return sorted(self.kept, key=lambda one: (one.step or 0, one.line or 0))

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()

    def __bool__(self) -> bool:
        return bool(self.counts)
