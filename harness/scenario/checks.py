"""The checks of a scenario: what it expects against what came out, each with a sentence where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.event import IdMerge, Json
from harness.identity.model import IdentityModel
from harness.problems import nearest
from harness.scenario.expect import Expect, Outcome
from harness.scenario.partition import users_of
from harness.scenario.results import CheckResult, EventRecord, People
from harness.scenario.why import why_apart, why_mixed, why_split


@dataclass(frozen=True, slots=True)
class Found:
    """What came out of a run, for the checks to read; `resent` are the steps that sent something again."""

    id_merge: IdMerge
    model: IdentityModel
    events: Sequence[EventRecord]
    people: People
    users: int
    accepted: int
    resent: frozenset[int] = frozenset()


def check(expect: Expect, found: Found) -> list[CheckResult]:
    """Return the result of every check, in the order of the format; those nobody asked for come last."""
    results = [*_count_checks(expect, found), *_id_checks(expect, found), *_outcome_checks(expect, found)]
    if any(event.person is not None for event in found.events):
        results += [_split(expect, found), _mixed(expect, found)]
    return results


def _result(name: str, expected: Json, actual: Json, sentence: str, *, holds: bool) -> CheckResult:
    return CheckResult(name, "passed" if holds else "failed", expected, actual, "" if holds else sentence)


def _count_checks(expect: Expect, found: Found) -> Iterator[CheckResult]:
    if expect.users is not None:
        fewer = _losses(found.events) if found.users < expect.users else ""
        sentence = f"{_number(found.users, 'user')} came out, {expect.users} expected{fewer}"
        yield _result("users", expect.users, found.users, sentence, holds=expect.users == found.users)
    if expect.accepted is not None:
        cause = _losses(found.events) if found.accepted < expect.accepted else _retries(found)
        sentence = f"{_number(found.accepted, 'event')} stored, {expect.accepted} expected{cause}"
        yield _result("accepted", expect.accepted, found.accepted, sentence, holds=expect.accepted == found.accepted)


def _losses(events: Sequence[EventRecord]) -> str:
    lost = [event for event in events if event.status != "accepted"]
    if not lost:
        return ""
    first = lost[0]
    reason = f": {first.errors[0][1]}" if first.errors else ""
    return f"; the first that does not count is {first.name!r} of step {first.step} ({first.status}{reason})"


def _retries(found: Found) -> str:
    counted = [event for event in found.events if event.step in found.resent and event.status == "accepted"]
    if not counted:
        return ""
    step = counted[0].step
    return f"; the retry of step {step} counts again, as it lacks $insert_id or, by /track, its own time"


def _id_checks(expect: Expect, found: Found) -> Iterator[CheckResult]:
    for ids in expect.same_user:
        unknown = _unknown(ids, found)
        users = {text: found.model.resolve(text) for text in ids}
        holds = not unknown and len(set(users.values())) == 1
        sentence = unknown or why_apart(ids, found.events, found.model)
        yield _result("same_user", list(ids), users, sentence, holds=holds)
    for ids in expect.different_users:
        unknown = _unknown(ids, found)
        users = {text: found.model.resolve(text) for text in ids}
        holds = not unknown and len(set(users.values())) == len(ids)
        sentence = unknown or f"{', '.join(ids)} are not all different users: {_shared(users)}"
        yield _result("different_users", list(ids), users, sentence, holds=holds)
    for text, expected in expect.canonical:
        actual = found.model.resolve(text)
        yield _canonical(text, expected, actual, found)


def _canonical(text: str, expected: str, actual: str, found: Found) -> CheckResult:
    if found.id_merge == "original":
        sentence = (
            "in original Mixpanel picks the canonical distinct_id itself and nobody can predict it "
            f"(any of {len(found.model.members(text))} ids is possible), so no check can name it; use same_user"
        )
        return _result("canonical", {text: expected}, {text: actual}, sentence, holds=False)
    unknown = _unknown((text,), found)
    sentence = unknown or f"{text} resolves to {actual}, not to {expected}"
    return _result("canonical", {text: expected}, {text: actual}, sentence, holds=not unknown and actual == expected)


def _unknown(ids: Sequence[str], found: Found) -> str:
    missing = [text for text in ids if not found.model.knows(text)]
    if not missing:
        return ""
    known = sorted({text for cluster in found.model.clusters() for text in cluster.ids})
    close = nearest(missing[0], known)
    hint = f"; did you mean {close}?" if close else f"; known ids: {', '.join(known[:10]) or 'none'}"
    return f"no accepted event carried the id {missing[0]}{hint}"


def _shared(users: dict[str, str]) -> str:
    seen: dict[str, str] = {}
    for text, user in users.items():
        if user in seen:
            return f"{seen[user]} and {text} are one user, {user}"
        seen[user] = text
    return "an id is named twice"


def _outcome_checks(expect: Expect, found: Found) -> Iterator[CheckResult]:
    if expect.rejected is not None:
        rejected = [(event.step, [field for field, _ in event.errors]) for event in found.events if event.errors]
        actual = [{"step": step, "field": fields[0] if len(fields) == 1 else fields} for step, fields in rejected]
        expected = [_listed(outcome, "field") for outcome in expect.rejected]
        sentence = _compare(expect.rejected, rejected, "rejected")
        yield _result("rejected", expected, actual, sentence, holds=not sentence)
    if expect.refused is not None:
        refused = [
            (event.step, [event.decision.reason])
            for event in found.events
            if event.decision is not None and event.decision.outcome == "refused"
        ]
        actual_reasons: list[Json] = [{"step": step, "reason": reasons[0]} for step, reasons in refused]
        expected = [_listed(outcome, "reason") for outcome in expect.refused]
        sentence = _compare(expect.refused, refused, "refused")
        yield _result("refused", expected, actual_reasons, sentence, holds=not sentence)


def _listed(outcome: Outcome, what: str) -> dict[str, Json]:
    return {"step": outcome.step} if outcome.what is None else {"step": outcome.step, what: outcome.what}


def _compare(expected: Sequence[Outcome], actual: Sequence[tuple[int, Sequence[str | None]]], participle: str) -> str:
    for outcome in expected:
        there = [whats for step, whats in actual if step == outcome.step]
        if not there:
            return f"step {outcome.step} was expected to be {participle}, and was not"
        if outcome.what is not None and not any(outcome.what in whats for whats in there):
            reasons = ", ".join(str(what) for whats in there for what in whats)
            return f"step {outcome.step} was {participle} for {reasons}, not for {outcome.what}"
    named = {outcome.step for outcome in expected}
    for step, whats in actual:
        if step not in named:
            return f"step {step} was {participle} ({', '.join(map(str, whats))}), which was not expected"
    return ""


def _split(expect: Expect, found: Found) -> CheckResult:
    expected = sorted(set(expect.split or ()))
    actual = list(found.people.split)
    extra = [person for person in actual if person not in expected]
    if extra:
        sentence = why_split(extra[0], found.events, found.model)
    else:
        joined = next((person for person in expected if person not in actual), "")
        users = users_of(found.events).get(joined)
        where = f"under one user, {users[0]}" if users else "nowhere: none of them was accepted"
        sentence = f"{joined} was expected to be split, but all of their events are {where}"
    return _result("split", expected, actual, sentence, holds=actual == expected)


def _mixed(expect: Expect, found: Found) -> CheckResult:
    expected = sorted({tuple(sorted(set(group))) for group in expect.mixed or ()})
    actual = list(found.people.mixed)
    extra = [group for group in actual if group not in expected]
    if extra:
        sentence = why_mixed(extra[0], found.events, found.model)
    else:
        apart = next((group for group in expected if group not in actual), ())
        sentence = f"{' and '.join(apart)} were expected to be under one user, but are not"
    listed = [list(group) for group in expected], [list(group) for group in actual]
    return _result("mixed", *listed, sentence, holds=actual == expected)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
