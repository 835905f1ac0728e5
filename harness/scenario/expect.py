"""The `expect` part of a scenario file: what has to come out, as typed records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from harness.event import Json, id_text
from harness.problems import Problems, did_you_mean
from harness.scenario.variables import fill
from harness.source import Reader, each_mapping
from harness.yamltext import Node, Scalar, kind_of
from harness.yamltext import Sequence as ListNode

REASONS: Final = (
    "errSameIDs",
    "errAnonDistinctIdNonGUIDForm",
    "errAnonDistinctIdAssignedAlready",
    "errManyIDs",
    "errAliasAlreadyExists",
    "alias_circle",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One expected rejection or refusal: the step, and the field or reason; None stands for any."""

    step: int
    what: str | None


@dataclass(frozen=True, slots=True)
class Expect:
    """What a scenario expects; None and empty where it says nothing.

    Attributes:
        users: how many users come out.
        same_user: groups of ids that are one user.
        different_users: groups of ids of which no two are one user.
        canonical: the canonical distinct_id of an id.
        accepted: how many events are stored, duplicates not counted.
        rejected: every rejected step with the field at fault.
        refused: every step with a refused decision, with its reason.
        split: the people who end up under several users; None: nobody may.
        mixed: the groups of people who end up under one user; None: nobody may.
    """

    users: int | None = None
    same_user: tuple[tuple[str, ...], ...] = ()
    different_users: tuple[tuple[str, ...], ...] = ()
    canonical: tuple[tuple[str, str], ...] = ()
    accepted: int | None = None
    rejected: tuple[Outcome, ...] | None = None
    refused: tuple[Outcome, ...] | None = None
    split: tuple[str, ...] | None = None
    mixed: tuple[tuple[str, ...], ...] | None = None


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def person(self) -> str | None: ...


def read_expect(reader: Reader, steps: Sequence[_Numbered], variables: Mapping[str, Json]) -> Expect:
    """Return the expectations; mistakes are noted, unknown keys, steps and people among them.

    Args:
        reader: the `expect` map.
        steps: the steps of the scenario, to check numbers and people against.
        variables: values for placeholders.
    """
    people = {step.person for step in steps if step.person is not None}
    last = max((step.number for step in steps), default=-1)
    expect = Expect(
        users=reader.number("users"),
        same_user=_groups(reader, "same_user", variables),
        different_users=_groups(reader, "different_users", variables),
        canonical=_canonical(reader, variables),
        accepted=reader.number("accepted"),
        rejected=_outcomes(reader, "rejected", "field", last),
        refused=_outcomes(reader, "refused", "reason", last),
        split=_people(reader, people, variables),
        mixed=_mixed(reader, people, variables),
    )
    reader.finish()
    return expect


def _ids(items: list[Node], key: str, problems: Problems, variables: Mapping[str, Json]) -> tuple[str, ...]:
    found = []
    for index, item in enumerate(items):
        text = id_text(fill(item.value, variables)) if isinstance(item, Scalar) else ""
        if text:
            found.append(text)
        else:
            problems.add(item.line, f"{key}[{index}]", f"needs an id, found {kind_of(item)}")
    return tuple(found)


def _groups(reader: Reader, key: str, variables: Mapping[str, Json]) -> tuple[tuple[str, ...], ...]:
    items = reader.items(key, "groups of ids, such as [[a, b]]") or []
    if len(items) >= 2 and all(isinstance(item, Scalar) for item in items):
        reader.wrong(key, "needs a list of groups, found one group", "Write [[a, b]] instead of [a, b].")
        return ()
    groups = []
    for index, item in enumerate(items):
        where = f"{reader.path(key)}[{index}]"
        if not isinstance(item, ListNode) or len(item.items) < 2:
            reader.problems.add(item.line, where, f"needs a list of at least two ids, found {kind_of(item)}")
            continue
        groups.append(_ids(item.items, where, reader.problems, variables))
    return tuple(groups)


def _canonical(reader: Reader, variables: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    node = reader.mapping("canonical", "canonical ids by id")
    pairs = []
    for key, value in node.entries.items() if node is not None else ():
        text = id_text(fill(value.value, variables)) if isinstance(value, Scalar) else ""
        if text:
            pairs.append((id_text(fill(key, variables)), text))
        else:
            reader.problems.add(value.line, f"{reader.path('canonical')}.{key}", f"needs an id, found {kind_of(value)}")
    return tuple(pairs)


def _outcomes(reader: Reader, key: str, what: str, last: int) -> tuple[Outcome, ...] | None:
    items = reader.items(key, f"maps with step and {what}")
    if items is None:
        return None
    found = []
    for item in each_mapping(items, reader.path(key), reader.problems):
        item.required("step", "the number of the step")
        step = item.number("step")
        text = item.text(what)
        item.finish()
        if step is not None and step > last:
            item.wrong("step", f"{step} is no step", f"Steps are numbered from 0 to {last}.")
        if what == "reason" and text is not None and text not in REASONS:
            item.wrong("reason", f"{text!r} is no reason of Mixpanel", did_you_mean(text, REASONS))
        if step is not None:
            found.append(Outcome(step, text))
    return tuple(found)


def _people(reader: Reader, people: set[str], variables: Mapping[str, Json]) -> tuple[str, ...] | None:
    items = reader.items("split", "people")
    if items is None:
        return None
    names = _ids(items, reader.path("split"), reader.problems, variables)
    _check_people(reader, "split", names, people)
    return names


def _mixed(reader: Reader, people: set[str], variables: Mapping[str, Json]) -> tuple[tuple[str, ...], ...] | None:
    if reader.get("mixed") is None:
        return None
    groups = _groups(reader, "mixed", variables)
    for names in groups:
        _check_people(reader, "mixed", names, people)
    return groups


def _check_people(reader: Reader, key: str, names: Sequence[str], people: set[str]) -> None:
    for name in names:
        if name not in people:
            fix = did_you_mean(name, people) if people else "Name a person at a step."
            reader.wrong(key, f"{name!r} is the person of no step", fix)
