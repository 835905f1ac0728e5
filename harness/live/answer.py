"""What an answer to a batch means for the sender, and the door that gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from harness.live.batches import Batch


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer that rows were taken, all but some.

    Attributes:
        failed: for each row that was not, its index in the batch, the field at fault and the message.
    """

    failed: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """No answer, or one that asks to come back later; nobody knows whether the rows were taken.

    Attributes:
        reason: why, in words.
        asked_s: how many seconds the answer asks to wait; None: it does not say.
    """

    reason: str
    asked_s: float | None = None


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The answer that the request is too large."""


Answer: TypeAlias = Taken | Again | TooLarge


class Door(Protocol):
    """Where batches go."""

    def post(self, batch: Batch) -> Answer:
        """Send one batch and return what became of it.

        Raises:
            OutsideError: when no batch can be sent there.
            InputError: when the credentials are not those of a project.
        """

    def close(self) -> None:
        """Let go of connections."""
