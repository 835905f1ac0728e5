"""What becomes of one row at Mixpanel's door: it is stored, rejected with reasons, or dropped without a word."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from harness.event import Event


class FieldError(NamedTuple):
    """Why Mixpanel refuses a row.

    Attributes:
        field: the field, as Mixpanel names it: `event`, `properties.time`, `$insert_id`...; "" for the whole row.
        message: the reason, in Mixpanel's words where they are known.
    """

    field: str
    message: str


class FieldCaution(NamedTuple):
    """Something in an accepted event that is likely to hurt: the field, and a warning for people."""

    field: str
    message: str


class Checked(NamedTuple):
    """An event that Mixpanel takes, as it is stored.

    Attributes:
        event: the event with long texts cut, a future time set to now, and disallowed ids blanked.
        time_ms: when it happened, milliseconds since 1970; on /track without a time: when it arrived.
        insert_id: its `$insert_id`; "" where Mixpanel makes one up, so that no duplicate is ever found.
        cautions: what is likely to hurt.
    """

    event: Event
    time_ms: int
    insert_id: str
    cautions: tuple[FieldCaution, ...]


class Refusal(NamedTuple):
    """A row that Mixpanel rejects.

    Attributes:
        errors: every reason found, at least one; Mixpanel's answer tells the first.
        insert_id: the `$insert_id` it carried as text, "" for none.
        is_verb: it is an identity event that simplified does not take.
    """

    errors: tuple[FieldError, ...]
    insert_id: str = ""
    is_verb: bool = False


class Dropped(NamedTuple):
    """A row that Mixpanel drops without a word: its answer is that of an accepted one."""

    reason: FieldError


Verdict: TypeAlias = Checked | Refusal | Dropped
