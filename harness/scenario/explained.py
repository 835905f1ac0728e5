"""The explanations that a result carries: of split people, of mixed people, and of checks on ids that failed.

Which two ids stand for a question is decided here; what there is to say of them comes from
`harness.scenario.explanation`, so reports and `harness explain` never tell two stories.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from harness.event import Event, from_wire
from harness.identity.model import Decision, IdentityModel
from harness.scenario.explanation import PairAnswer, about_pair, pair_json, pair_sentences
from harness.scenario.history import History
from harness.scenario.partition import NOBODY, compared, users_of
from harness.scenario.results import EventRecord, Explained, ExplainedLink, LinkKind, ScenarioResult
from harness.scenario.run import ScenarioRun

MOST_EXPLAINED: Final = 6
_MOST_USERS_OF_ONE: Final = 4


class _Question(NamedTuple):
    about: str
    people: tuple[str, ...]
    ids: tuple[str, str]


def history_of_run(run: ScenarioRun, result: ScenarioResult) -> History:
    """Return what a scenario's run left behind, for questions about its ids.

    Args:
        run: the run, after `play`.
        result: what `play` returned.
    """

    def event_of(row: int) -> Event | None:
        read = from_wire(run.seen[row].raw)
        return read if isinstance(read, Event) else None

    return History(
        run.project,
        run.project.model,
        last=len(run.project.rows) - 1,
        names={event.index: event.name for event in result.events},
        people={event.index: event.person for event in result.events if event.person is not None},
        steps={event.index: event.step for event in result.events},
        raw=event_of,
        matched=result.people,
    )


def explained(history: History, result: ScenarioResult) -> tuple[Explained, ...]:
    """Return the explanations of a result, a question of one kind about one pair of users once.

    Args:
        history: what its run left behind.
        result: the result to explain; one where nobody is split or mixed and no check failed has none.
    """
    model = history.model
    asked: set[frozenset[object]] = set()
    answers: list[Explained] = []
    for question in _questions(model, result):
        key = frozenset({*map(model.cluster_key, question.ids), *question.people})
        if key in asked or any(history.unknown(text) for text in question.ids):
            continue
        asked.add(key)
        answers.append(_explained(history, question))
        if len(answers) == MOST_EXPLAINED:
            break
    return tuple(answers)


def _questions(model: IdentityModel, result: ScenarioResult) -> Iterator[_Question]:
    events = compared(result.events)
    for group in result.people.mixed:
        for one, other in itertools.pairwise(group):
            ids = _ids_of_two(model, events, one, other)
            if ids is not None:
                yield _Question("mixed", (one, other), ids)
    users = users_of(result.events)
    for person in result.people.split:
        first, *others = [user for user in users[person] if user != NOBODY][:_MOST_USERS_OF_ONE] or [NOBODY]
        for other in others:
            ids = _received(events, person, first), _received(events, person, other)
            yield _Question("split", (person,), ids)
    for check in result.checks:
        if check.status == "failed" and check.check in ("same_user", "different_users"):
            expected = check.expected if isinstance(check.expected, list) else []
            for one, other in itertools.pairwise(expected):
                if (model.resolve(one) == model.resolve(other)) == (check.check == "different_users"):
                    yield _Question(check.check, (), (one, other))


def _received(events: Sequence[EventRecord], person: str, user: str) -> str:
    return next(event.received_distinct_id for event in events if (event.person, event.distinct_id) == (person, user))


def _ids_of_two(model: IdentityModel, events: Sequence[EventRecord], one: str, other: str) -> tuple[str, str] | None:
    """Return an id of each of two people under the user they share, where there is one an id that only they used."""
    used: dict[str, dict[str, None]] = {one: {}, other: {}}
    by_user: dict[str, set[str]] = {}
    for event in events:
        if event.person in used and event.received_distinct_id:
            used[event.person][event.received_distinct_id] = None
            by_user.setdefault(event.distinct_id, set()).add(event.person)
    shared = [user for user, people in by_user.items() if len(people) > 1 and user != NOBODY]
    for user in shared:
        mine, theirs = ([text for text in used[who] if model.resolve(text) == user] for who in (one, other))
        if mine and theirs:
            return (
                next((text for text in mine if text not in theirs), mine[0]),
                next((text for text in theirs if text not in mine), theirs[0]),
            )
    return None


def _explained(history: History, question: _Question) -> Explained:
    answer = about_pair(history, *question.ids)
    sentences = pair_sentences(history, answer)
    if answer.ids[0] == answer.ids[1]:
        sentences = (f"{' and '.join(question.people)} used one and the same id, {answer.ids[0]}.",)
    chain = _joined_chain(history, answer) if answer.found.same_user else _failed_chain(history, answer)
    return Explained(
        question.about,
        question.people,
        question.ids,
        answer.found.same_user,
        tuple(chain),
        sentences,
        pair_json(history, answer),
    )


def _joined_chain(history: History, answer: PairAnswer) -> Iterator[ExplainedLink]:
    for link in answer.found.path:
        yield _link(history, link.decision, "merged", link.ids)


def _failed_chain(history: History, answer: PairAnswer) -> Iterator[ExplainedLink]:
    a, b = answer.ids
    if not answer.found.nearest:
        text = "identity events name both, but were rejected" if answer.rejected else "nothing ever connected them"
        yield ExplainedLink("nothing", (a, b), None, text)
        return
    here = a
    key = history.model.cluster_key
    for made in answer.found.nearest:
        near, far = (made.ids[0], made.ids[-1]) if key(made.ids[0]) == key(here) else (made.ids[-1], made.ids[0])
        if near != here:
            yield ExplainedLink("same", (here, near), None, "one user")
        yield _link(history, made, "refused" if made.outcome == "refused" else "ignored", (near, far))
        here = far
    if here != b:
        yield ExplainedLink("same", (here, b), None, "one user")


def _link(history: History, made: Decision, kind: LinkKind, ids: tuple[str, str]) -> ExplainedLink:
    row = made.event_index
    step, person = history.steps.get(row), history.people.get(row)
    where = "" if step is None else f"step {step}: "
    who = f" of {person}" if person else ""
    text = f"{where}{history.names.get(row, '?')}{who}, {made.kind} {made.outcome}"
    return ExplainedLink(kind, ids, row, text, made.reason or "")
