"""What `harness verify` prints: one JSON document, or sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.event import Json
from harness.identity.rules import RULES
from harness.live.differences import Difference
from harness.live.explaining import Explanation
from harness.live.verify import Verified

_MOST_SHOWN = 20
_MOST_LISTED = 100


def verified_json(verified: Verified) -> dict[str, Json]:
    """Return the document of `harness verify --json`."""
    left, found = verified.comparison, verified.found
    agreeing = [one for one in verified.explanations if one.agrees]
    return {
        "agree": left.agree,
        "differ": [_difference(verified, at, one) for at, one in enumerate(left.differ)],
        "missing": len(left.missing),
        "unexpected": _unexpected(verified),
        "id_merge": verified.prediction.id_merge,
        "agrees_with": [dict(one.settings) for one in agreeing],
        "nearer_with": [
            {"settings": dict(one.settings), "differ": len(one.comparison.differ)}
            for one in verified.explanations
            if not one.agrees
        ],
        "missing_events": [_event(verified, index) for index in left.missing[:_MOST_LISTED]],
        "rejected_but_there": [_event(verified, index) for index in left.rejected_but_there[:_MOST_LISTED]],
        "renamed": [{"predicted": one.predicted, "shown": list(one.shown)} for one in left.renamed],
        "duplicates": found.duplicates,
        "other_runs": found.others,
        "settling": left.settling,
        "readings": verified.readings,
        "stopped": verified.is_stopped,
    }


def verified_text(verified: Verified) -> str:
    """Return what people read: the counts, each difference with its rule, and the settings that would explain them."""
    left, found = verified.comparison, verified.found
    lines = [
        f"{verified.prediction.id_merge}: {_count(left.agree, 'event')} as predicted, "
        f"{_count(len(left.differ), 'pair')} of ids differ, {len(left.missing)} missing, "
        f"{_unexpected(verified)} unexpected"
    ]
    notes = []
    if found.duplicates:
        notes.append(f"{_count(found.duplicates, 'row')} more than events were sent: retries, which don't count")
    if found.others:
        notes.append(f"{_count(found.others, 'row')} of other runs left out")
    if left.settling:
        notes.append(f"{_count(left.settling, 'user')} still shown under several canonical ids")
    lines += [f"  {note}" for note in notes]
    blocks = [*_differing(verified), *_absent(verified), *_surplus(verified), *_renamed(verified)]
    lines += ["", *blocks] if blocks else []
    lines += _agreeing(verified)
    return "\n".join(lines)


def _differing(verified: Verified) -> Iterator[str]:
    differ = verified.comparison.differ
    for at, one in enumerate(differ[:_MOST_SHOWN]):
        found = "one user" if one.actual == "joined" else "two users"
        said = "joined" if one.predicted == "joined" else "separate"
        yield f"DIFFERS  {_id(one.ids[0])} and {_id(one.ids[1])}: predicted {said}, found {found}"
        yield f"    {_why(verified, one)}"
        explained = [str(explanation) for explanation in _explaining(verified, at)]
        if explained:
            yield f"    as with {' or '.join(f'`{text}`' for text in explained[:4])}"
    if len(differ) > _MOST_SHOWN:
        yield f"    ... and {len(differ) - _MOST_SHOWN:,} more pairs; --json has them all"


def _why(verified: Verified, one: Difference) -> str:
    """Return which rule of the model said otherwise, of which event."""
    if one.decision is None or one.event_index is None:
        rule = "" if one.rule is None else f" (rule {one.rule}: {_rule(one.rule)})"
        return f"no event that was sent connects them, by the model{rule}"
    sent = verified.prediction.sent[one.event_index]
    outcome = {"merged": "joined them", "already": "found them joined"}.get(one.decision.outcome, one.decision.outcome)
    reason = f" with {one.decision.reason}" if one.decision.reason else ""
    rule = "" if one.rule is None else f" by rule {one.rule} ({_rule(one.rule)})"
    real = f"; Mixpanel says {one.reason}" if one.reason else ""
    whom = "" if one.decision.outcome in ("merged", "already") else "it was "
    return f"{sent.where} ({sent.event}): {whom}{outcome}{reason} in the model{rule}{real}"


def _rule(name: str) -> str:
    rule = RULES.get(name)
    return "" if rule is None else f"{rule.text} [{rule.evidence}]"


def _absent(verified: Verified) -> Iterator[str]:
    missing = verified.comparison.missing
    if missing:
        yield f"MISSING  {_listed(verified, missing)}"
    if missing and not verified.found.shown:
        yield "    nothing of what was sent is there: is it the right project, region, run and span of days?"


def _surplus(verified: Verified) -> Iterator[str]:
    there = verified.comparison.rejected_but_there
    for index in there[:_MOST_SHOWN]:
        error = verified.prediction.events[index].error
        yield f"UNEXPECTED  {_listed(verified, [index])} is there, though the model has it rejected: {error}"
    rows = verified.found.unexpected_of_ours
    for row in rows[:_MOST_SHOWN]:
        whose = _id(row.distinct_id)
        yield f"UNEXPECTED  {row.event!r} of {whose}, which nobody sent ($insert_id {row.insert_id!r})"
    rest = verified.found.unexpected - len(rows)
    if rest > 0:
        yield f"{_count(rest, 'row')} more that nobody sent"


def _renamed(verified: Verified) -> Iterator[str]:
    for one in verified.comparison.renamed[:_MOST_SHOWN]:
        shown = ", ".join(map(_id, one.shown))
        yield f"RENAMED  {_id(one.predicted)} is the user that was predicted, but goes by {shown}"


def _agreeing(verified: Verified) -> list[str]:
    agreeing = [one for one in verified.explanations if one.agrees]
    if agreeing:
        return ["", *(f"reality agrees with `{one}`" for one in agreeing)]
    left = verified.comparison
    if not (left.differ or left.renamed or left.rejected_but_there) or verified.is_stopped:
        return []
    nearer = [f"nearer with `{one}`: {len(one.comparison.differ)} pairs differ" for one in verified.explanations]
    return ["", "no setting of the model explains everything", *nearer]


def _explaining(verified: Verified, at: int) -> Iterable[Explanation]:
    return (one for one in verified.explanations if at in one.explains)


def _difference(verified: Verified, at: int, one: Difference) -> dict[str, Json]:
    decision = one.decision
    rule = None if one.rule is None else RULES.get(one.rule)
    return {
        "ids": list(one.ids),
        "predicted": one.predicted,
        "actual": one.actual,
        "index": one.event_index,
        "where": None if one.event_index is None else verified.prediction.sent[one.event_index].where,
        "kind": None if decision is None else decision.kind,
        "outcome": None if decision is None else decision.outcome,
        "rule": one.rule,
        "evidence": None if rule is None else rule.evidence,
        "reason": one.reason or None,
        "explained_by": [dict(explanation.settings) for explanation in _explaining(verified, at)],
    }


def _event(verified: Verified, index: int) -> dict[str, Json]:
    sent = verified.prediction.sent[index]
    return {"index": index, "where": sent.where, "event": sent.event, "insert_id": sent.insert_id}


def _unexpected(verified: Verified) -> int:
    return verified.found.unexpected + len(verified.comparison.rejected_but_there)


def _listed(verified: Verified, indexes: Iterable[int]) -> str:
    listed = list(indexes)
    said = [
        f"{verified.prediction.sent[index].where} ({verified.prediction.sent[index].event})" for index in listed[:10]
    ]
    more = f" and {len(listed) - 10:,} more" if len(listed) > 10 else ""
    return ", ".join(said) + more


def _id(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    if not shown:
        return "nobody"
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
