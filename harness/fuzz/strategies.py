"""Hypothesis strategies for tests of identity: ids of every kind, people, devices, Edge calls, events and whole flows.

All of them compose like any other strategy, and shrink towards the plain: UUIDs of zeros, ana, the laptop, a page view.

    from hypothesis import given
    from harness.fuzz.strategies import flows

    @given(flows())
    def test_nobody_is_split(flow): ...
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final

from hypothesis import strategies as st

from harness.event import Event, Json
from harness.fuzz.edge import Edge
from harness.fuzz.flow import DEVICES, PEOPLE, SPELLINGS, VERBS, Action, Flow, IdKind, Jar, Risk, Verb, fitted
from harness.fuzz.ids import email, typed, user_id
from harness.fuzz.sender import START_MS, At
from harness.fuzz.template import Template
from harness.ingestion.limits import DISALLOWED_IDS

_STAYS: Final = 2
"""How a session ends: 0 by a logout with reset, 1 by one without, 2 logged in."""

ID_KINDS: Final[tuple[IdKind, ...]] = ("plain", "number", "e-mail", "uuid", "unicode")


def uuids_v4() -> st.SearchStrategy[str]:
    """UUIDs of version 4, in lower or, as Swift makes them, upper case."""
    made = st.uuids(version=4).map(str)
    return st.one_of(made, made.map(str.upper))


def other_uuids() -> st.SearchStrategy[str]:
    """UUIDs of other versions, those that old browser SDKs made, and ones without hyphens."""
    old = st.lists(st.integers(0, 16**11).map("{:x}".format), min_size=5, max_size=5).map("-".join)
    versions = st.integers(0, 2**128 - 1), st.sampled_from((1, 3, 5))
    made = st.builds(lambda number, version: str(uuid.UUID(int=number, version=version)), *versions)
    return st.one_of(made, old, st.uuids().map(lambda found: found.hex))


def ecids() -> st.SearchStrategy[str]:
    """Adobe's ECIDs: 38 decimal digits."""
    return st.integers(0, 10**38 - 1).map("{:038d}".format)


def emails() -> st.SearchStrategy[str]:
    """E-mail addresses of the people of this room, in every spelling in which they are typed."""
    return st.builds(lambda person, how: typed(email(person), how), people(), st.integers(0, SPELLINGS - 1))


def numeric_ids() -> st.SearchStrategy[str | int]:
    """Account numbers, as numbers and as texts."""
    numbers = st.integers(1, 10**12)
    return st.one_of(numbers.map(str), numbers)


def disallowed_ids() -> st.SearchStrategy[str]:
    """Values that Mixpanel takes for no id, in any case: `undefined`, `NULL`, `-1`..."""
    listed = st.sampled_from(sorted(DISALLOWED_IDS))
    return st.one_of(listed, listed.map(str.upper))


def prefixed_ids() -> st.SearchStrategy[str]:
    """Ids with `$device:` in front, once or, by mistake, twice."""
    bare = st.one_of(uuids_v4(), ecids())
    return st.one_of(bare.map("$device:{}".format), bare.map("$device:$device:{}".format))


def unicode_ids() -> st.SearchStrategy[str]:
    """Ids of letters of any script, emoji among them; never blank."""
    return st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=20)


def any_ids() -> st.SearchStrategy[str | int]:
    """Ids of every kind."""
    return st.one_of(
        uuids_v4(), numeric_ids(), emails(), ecids(), prefixed_ids(), other_uuids(), disallowed_ids(), unicode_ids()
    )


def people() -> st.SearchStrategy[str]:
    """The people of flows, by name."""
    return st.sampled_from(PEOPLE)


def devices() -> st.SearchStrategy[str]:
    """The devices of flows, by name."""
    return st.sampled_from(DEVICES)


def jars(most_resets: int = 3) -> st.SearchStrategy[Jar]:
    """The storage of devices between two resets, after up to `most_resets` resets."""
    return st.builds(Jar, devices(), st.integers(0, most_resets))


def events(ids: st.SearchStrategy[Json] | None = None) -> st.SearchStrategy[Event]:
    """Ordinary events and identity events, with ids under the properties that carry some.

    Args:
        ids: what to draw ids from; None: `any_ids`. A few fixed ones make events that have something to do with each
            other: `events(st.sampled_from(["a", "b"]))`.
    """
    drawn = any_ids() if ids is None else ids
    keys = {
        "Page View": ("distinct_id", "$device_id", "$user_id"),
        "$identify": ("distinct_id", "$anon_distinct_id", "$identified_id", "$anon_id"),
        "$create_alias": ("distinct_id", "alias"),
    }
    ordinary = [
        st.builds(Event, st.just(name), st.fixed_dictionaries({}, optional=dict.fromkeys(names, drawn)))
        for name, names in keys.items()
    ]
    merges = st.lists(drawn, min_size=2, max_size=2).map(lambda pair: Event("$merge", {"$distinct_ids": pair}))
    return st.one_of(*ordinary, merges)


def edge_calls(template: Template) -> st.SearchStrategy[dict[str, Json]]:
    """Edge Network calls of one moment from an XDM template: before login, at login, after it.

    Args:
        template: the template, see `infer` and `load_template`.
    """

    def call(person: str, jar: Jar, verb: Verb, how: int, number: int) -> dict[str, Json]:
        address = typed(email(person), how)
        at = At(
            person, jar.device, jar, person if verb != "browse" or how else "", user_id(person), email(person), address,
            verb == "log out", START_MS // 1_000, number,
        )  # fmt: skip
        edge = Edge(template)
        edge.count = number
        edge.typed[jar.device] = address
        return edge.call(verb, at, logged_in=bool(at.user) and verb != "log out").content

    verbs = st.sampled_from([verb for verb in VERBS if verb in template.types])
    return st.builds(call, people(), jars(), verbs, st.integers(0, SPELLINGS - 1), st.integers(0, 999))


def wishes(verb: Verb) -> st.SearchStrategy[Action]:
    """What people want to do with one verb, possible or not; `World.fit` makes something possible of it."""
    return _WISHES[verb]


_ALONE: Final = [("", device) for device in DEVICES]
# The laptop twice, so that people meet at a device more often.
_TOGETHER: Final = [(person, device) for device in (*DEVICES, DEVICES[0]) for person in PEOPLE]
_SPOTS: Final[dict[Verb, list[tuple[str, str]]]] = {
    "browse": _TOGETHER,
    "log in": _TOGETHER,
    "order": [(person, "") for person in PEOPLE],
}
_DETAILS: Final[dict[Verb, int]] = {"log in": SPELLINGS, "log out": 2, "retry": 3, "come online": 4}
# One draw an action: Hypothesis spends its time on draws, and a list of ready actions shrinks just as well.
_WISHES: Final[dict[Verb, st.SearchStrategy[Action]]] = {
    verb: st.sampled_from(
        [
            Action(verb, person, device, detail)
            for person, device in _SPOTS.get(verb, _ALONE)
            for detail in range(_DETAILS.get(verb, 1))
        ]
    )
    for verb in VERBS
}


def sessions(
    who: st.SearchStrategy[str] | None = None, where: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[tuple[Action, ...]]:
    """What one person does on one device in one go: looks around, mostly logs in, goes on, and perhaps logs out.

    `fitted` makes a flow of several: `st.lists(sessions()).map(lambda some: fitted(chain.from_iterable(some)))`.

    Args:
        who: the person; None: `people`.
        where: the device; None: `devices`.
    """

    def session(person: str, device: str, before: int, after: int, typed: int, end: int) -> tuple[Action, ...]:
        look, login = Action("browse", person, device), Action("log in", person, device, typed)
        if typed == SPELLINGS:
            return (look,) * (before + after + 1)
        ending = () if end == _STAYS else (Action("log out", person, device, end),)
        return (*[look] * before, login, *[look] * after, *ending)

    few = st.integers(0, 3)
    spelling, end = st.integers(0, SPELLINGS), st.integers(0, _STAYS)
    person, device = people() if who is None else who, devices() if where is None else where
    return st.builds(session, person, device, few, few, spelling, end)


def id_kinds() -> st.SearchStrategy[IdKind]:
    """The kinds of user ids that people of one flow have."""
    return st.sampled_from(ID_KINDS)


def flows(
    *, risks: Collection[Risk] = (), verbs: Collection[Verb] = VERBS, most_actions: int = 10
) -> st.SearchStrategy[Flow]:
    """Whole flows of people and devices, in which every action is possible.

    Args:
        risks: what may happen although no sender can make up for it, keys of `RISKS`.
        verbs: what may happen at all.
        most_actions: the longest flow.
    """
    allowed = frozenset(verbs)
    drawn = st.lists(st.one_of([wishes(verb) for verb in VERBS if verb in allowed]), max_size=most_actions)

    def flow_of(wishes: list[Action], kind: IdKind) -> Flow:
        return fitted(wishes, frozenset(risks), allowed, kind)

    return st.builds(flow_of, drawn, id_kinds())
