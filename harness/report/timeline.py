"""The timeline of one scenario: a row for each event in order of arrival, a lane for each person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from harness.identity.model import Decision
from harness.identity.rules import RULES
from harness.report.cast import Cast, Person
from harness.report.plain import instant, plural, shorten_middle, visible
from harness.scenario.results import EventRecord, ScenarioResult, StepRecord

MOST_STEPS: Final = 160
MOST_LANES: Final = 10
MOST_PEOPLE: Final = 40
_LAST_STEPS: Final = 40
_MOST_EVENTS_OF_STEP: Final = 20
_MOST_IDS: Final = 6
_ID_CELLS: Final = 46
_FULL_TEXT: Final = 300
_NOTICEABLE_MS: Final = 1000

RowKind: TypeAlias = Literal["event", "call", "gap", "quiet", "cut"]

_Timed: TypeAlias = tuple[StepRecord, int | None]
"""A step and the clock before it."""

_OUTCOMES: Final = {
    "merged": ("⇄", "joined"),
    "already": ("=", "joined already"),
    "refused": ("✗", "refused"),
    "ignored": ("∅", "ignored"),
}
_OF_RULES: Final = {"legacy.alias": ("→", "points there from here on")}


@dataclass(frozen=True, slots=True)
class Id:
    """An id, cut to its room, and in full where that differs."""

    text: str
    full: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision in words.

    Attributes:
        outcome: merged, already, refused or ignored.
        sign: a sign for the outcome, so that colour is not the only one.
        text: the outcome in a few words.
        ids: the ids it is about.
        reason: Mixpanel's reason, "" where it has none.
        rule: the rule in one sentence.
        evidence: what the rule rests on, with its source.
    """

    outcome: str
    sign: str
    text: str
    ids: tuple[Id, ...]
    reason: str
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the timeline.

    Attributes:
        kind: an event, an Edge call or a step that sent several events, a gap in time, a step that sent nothing, or
            a cut.
        step: the step's number as text, "" where the row belongs to the step above.
        text: what happened.
        lanes: a class name for each lane.
        person: who did it.
        event: the event's record, only for kind event.
        ids: the ids the event carried, without those its verdict names.
        more_ids: how many more ids it carried.
        user: the user that the event belongs to at the end, as text.
        user_id: its canonical distinct_id.
        trouble: `mixed` where the user has events of several people, `split` where the person has several users.
        verdict: what the event decided about identity.
        remarks: further lines: errors, warnings, times.
        records: the step, for the rules of an Edge call.
    """

    kind: RowKind
    step: str
    text: str
    lanes: tuple[str, ...] = ()
    person: Person | None = None
    event: EventRecord | None = None
    ids: tuple[Id, ...] = ()
    more_ids: int = 0
    user: str = ""
    user_id: str = ""
    trouble: str = ""
    verdict: Verdict | None = None
    remarks: tuple[str, ...] = ()
    records: StepRecord | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rows of one scenario, and the people who have a lane.

    Attributes:
        start: when the first step ran.
        people: the people to name.
        more_people: how many more there are.
        laned: the first of them, who have a lane.
        rows: the rows.
    """

    start: str
    people: tuple[Person, ...]
    more_people: int
    laned: tuple[Person, ...]
    rows: tuple[Row, ...]


def timeline_of(result: ScenarioResult, cast: Cast) -> Timeline:
    """Return the timeline of a scenario; a very long one is cut in its middle."""
    events: dict[int, list[EventRecord]] = {}
    for event in result.events:
        events.setdefault(event.step, []).append(event)
    first, last, left_out = _parts(result.steps)
    rows = [row for step, before in first for row in _rows_of(step, events.get(step.number, []), before, cast)]
    if left_out:
        rows.append(Row("cut", "", f"{plural(left_out, 'step')} left out here; report.json has them all."))
    rows += [row for step, before in last for row in _rows_of(step, events.get(step.number, []), before, cast)]
    people = tuple(cast.people.values())
    shown, laned = people[:MOST_PEOPLE], people[:MOST_LANES]
    start = instant(result.steps[0].at_ms) if result.steps else ""
    return Timeline(start, shown, len(people) - len(shown), laned, tuple(_with_lanes(rows, laned)))


def verdict_of(decision: Decision) -> Verdict:
    """Return a decision in words."""
    sign, text = _OF_RULES.get(decision.rule) or _OUTCOMES[decision.outcome]
    rule = RULES[decision.rule]
    return Verdict(
        decision.outcome,
        sign,
        text,
        tuple(id_of(each) for each in decision.ids),
        visible(decision.reason or ""),
        rule.text,
        f"{rule.evidence}: {rule.source}",
    )


def id_of(text: str, room: int = _ID_CELLS) -> Id:
    """Return an id cut to its room; its full text too, up to a limit."""
    seen = visible(text)
    short = shorten_middle(seen, room)
    return Id(short, "" if short == seen else shorten_middle(seen, _FULL_TEXT))


def _parts(steps: Sequence[StepRecord]) -> tuple[list[_Timed], list[_Timed], int]:
    timed: list[_Timed] = [(step, steps[place - 1].at_ms if place else None) for place, step in enumerate(steps)]
    if len(timed) <= MOST_STEPS:
        return timed, [], 0
    first = MOST_STEPS - _LAST_STEPS
    return timed[:first], timed[-_LAST_STEPS:], len(timed) - MOST_STEPS


def _rows_of(step: StepRecord, events: Sequence[EventRecord], before: int | None, cast: Cast) -> Iterable[Row]:
    number = str(step.number)
    if step.kind == "advance":
        passed = id_of(step.title).text if before is None else _duration(step.at_ms - before)
        yield Row("gap", number, f"{passed}, now {instant(step.at_ms)}")
        return
    person = cast.people.get(step.person) if step.person is not None else None
    if step.kind == "event" and len(events) == 1:
        yield _event_row(events[0], number, step, cast)
        return
    text = id_of(step.title).text
    if not events and not step.rules:
        yield Row("quiet", number, f"{text}: nothing reached Mixpanel", person=person)
        return
    said = {"edge": "Edge call", "resend": "Sent again", "event": "Event"}[step.kind]
    yield Row("call", number, f"{said}: {text}", person=person, records=step)
    for event in events[:_MOST_EVENTS_OF_STEP]:
        yield _event_row(event, "", step, cast)
    if len(events) > _MOST_EVENTS_OF_STEP:
        more = plural(len(events) - _MOST_EVENTS_OF_STEP, "more event")
        yield Row("cut", "", f"{more} of this step left out here; report.json has them all.")


def _event_row(event: EventRecord, number: str, step: StepRecord, cast: Cast) -> Row:
    accepted = event.status == "accepted"
    named = event.decision.ids if event.decision else ()
    ids = [each for each in event.ids if each not in named]
    return Row(
        "event",
        number,
        id_of(event.name).text or "(no name)",
        person=cast.people.get(event.person) if event.person is not None else None,
        event=event,
        ids=tuple(id_of(each) for each in ids[:_MOST_IDS]),
        more_ids=max(len(ids) - _MOST_IDS, 0),
        user=(cast.user_text(event.distinct_id) or "nobody") if accepted else "",
        user_id=id_of(event.distinct_id, _FULL_TEXT).text,
        trouble=cast.trouble(event) if accepted else "",
        verdict=verdict_of(event.decision) if event.decision else None,
        remarks=tuple(_remarks(event, step)),
    )


def _remarks(event: EventRecord, step: StepRecord) -> Iterable[str]:
    if event.rule is not None:
        yield f"sent by rule {id_of(event.rule).text}"
    if event.arrival_ms - step.at_ms >= _NOTICEABLE_MS:
        yield f"arrived at {instant(event.arrival_ms)}"
    if event.time_ms is not None and abs(event.arrival_ms - event.time_ms) >= _NOTICEABLE_MS:
        yield f"event time {instant(event.time_ms)}"
    for field, message in event.errors[:_MOST_IDS]:
        yield f"{visible(field)}: {shorten_middle(visible(message), _FULL_TEXT)}"
    for caution in event.cautions[:_MOST_IDS]:
        yield f"⚠ {shorten_middle(visible(caution.message), _FULL_TEXT)}"


def _with_lanes(rows: Sequence[Row], people: Sequence[Person]) -> Iterable[Row]:
    spans: dict[str, tuple[int, int]] = {}
    for place, row in enumerate(rows):
        if row.person is not None:
            spans[row.person.mark] = (spans.get(row.person.mark, (place, place))[0], place)
    for place, row in enumerate(rows):
        lanes = tuple(_lane(place, row, person, spans.get(person.mark)) for person in people)
        yield replace(row, lanes=lanes)


def _lane(place: int, row: Row, person: Person, span: tuple[int, int] | None) -> str:
    if span is None or not span[0] <= place <= span[1]:
        return ""
    line = "only" if span[0] == span[1] else "from" if place == span[0] else "to" if place == span[1] else "on"
    dot = " dot" if row.person == person else ""
    return f"{person.color} {line}{dot}"


def _duration(milliseconds: int) -> str:
    parts = []
    left = abs(milliseconds)
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000)):
        count, left = divmod(left, size)
        if count:
            parts.append(plural(count, unit))
    if left:
        parts.append(f"{left} ms")
    return (" ".join(parts) or "no time") + (" later" if milliseconds >= 0 else " earlier")
