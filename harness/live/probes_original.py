"""Probes of identity in original: limits, forms of ids, guards, and how a canonical id is picked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.event import Json, device_key
from harness.live.probe import Ask, Kit, Probe, ProbeRow, Seen, users_of

_ORIGINAL: Final = ("original",)
_ANONYMOUS: Final = 510
"""Anonymous ids of one user: more than any reading of the limit lets in."""

_CLUSTERS: Final = 16
"""Clusters whose canonical ids are looked at; that chance makes all of them look like a rule is one in 65,536."""


def _limit(kit: Kit) -> Sequence[Ask]:
    user = kit.id("user")
    identify = [
        kit.row(f"identify {at}", "$identify", distinct_id=user, S_anon_distinct_id=kit.uuid(f"{at}"))
        for at in range(_ANONYMOUS)
    ]
    pages = [kit.row(f"{at}", distinct_id=kit.uuid(f"{at}")) for at in range(_ANONYMOUS)]
    return (Ask("import", tuple(pages)), Ask("import", (*identify, kit.row("user", distinct_id=user))))


def _ids_of_user(seen: Seen) -> int:
    mine = next((group for group in users_of(seen) if "user" in group), frozenset())
    return sum(1 for name in mine if name == "user" or name.isdigit())


def _size(seen: Seen) -> Sequence[Json]:
    """Return how many ids the user has in the end; nothing where all of them were let in."""
    size = _ids_of_user(seen)
    return (size,) if 1 < size <= _ANONYMOUS else ()


def _size_text(seen: Seen) -> str:
    size = _ids_of_user(seen)
    return f"{size} of {_ANONYMOUS + 1} ids are one user, {_ANONYMOUS + 1 - size} are apart"


def _forms(kit: Kit) -> Sequence[Ask]:
    forms = {
        "version 4": kit.uuid("a"),
        "hex": kit.groups("b"),
        "letters": kit.groups("c", "ghijklmnopqrstuv"),
    }
    rows: list[ProbeRow] = []
    for name, text in forms.items():
        user = kit.id(f"user of {name}")
        rows += [
            kit.row(name, distinct_id=text),
            kit.row(f"user of {name}", distinct_id=user),
            kit.row(f"identify {name}", "$identify", distinct_id=user, S_anon_distinct_id=text),
        ]
    return (Ask("import", tuple(rows)),)


def _assigned(kit: Kit) -> Sequence[Ask]:
    anonymous, user, other = kit.uuid("anonymous"), kit.uuid("user"), kit.id("other")
    rows = (
        kit.row("anonymous", distinct_id=anonymous),
        kit.row("user", distinct_id=user),
        kit.row("other", distinct_id=other),
        kit.row("identify", "$identify", distinct_id=user, S_anon_distinct_id=anonymous),
        kit.row("identify again", "$identify", distinct_id=other, S_anon_distinct_id=user),
    )
    return (Ask("import", rows),)


def _same_pair(kit: Kit) -> Sequence[Ask]:
    anonymous, user = kit.uuid("anonymous"), kit.id("user")
    rows = (
        kit.row("anonymous", distinct_id=anonymous),
        kit.row("user", distinct_id=user),
        kit.row("identify", "$identify", distinct_id=user, S_anon_distinct_id=anonymous),
        kit.row("identify again", "$identify", distinct_id=user, S_anon_distinct_id=anonymous),
    )
    return (Ask("import", rows),)


def _prefix(kit: Kit) -> Sequence[Ask]:
    anonymous, user = kit.uuid("anonymous"), kit.id("user")
    rows = (
        kit.row("with prefix", distinct_id=device_key(anonymous)),
        kit.row("without", distinct_id=anonymous),
        kit.row("user", distinct_id=user),
        kit.row("identify", "$identify", distinct_id=user, S_anon_distinct_id=device_key(anonymous)),
    )
    return (Ask("import", rows),)


def _canonical(kit: Kit) -> Sequence[Ask]:
    rows: list[ProbeRow] = []
    for at in range(_CLUSTERS):
        anonymous, user = kit.uuid(f"{at}"), kit.id(f"{at}")
        pair = [kit.row(f"anonymous {at}", distinct_id=anonymous), kit.row(f"user {at}", distinct_id=user)]
        rows += pair if at % 2 else pair[::-1]
        rows.append(kit.row(f"identify {at}", "$identify", distinct_id=user, S_anon_distinct_id=anonymous))
    return (Ask("import", tuple(rows)),)


def _picked(seen: Seen) -> list[str]:
    """Return which id of each cluster became the canonical one; "" where the cluster is not one user yet."""
    picked = []
    for at in range(_CLUSTERS):
        anonymous, user = seen[f"anonymous {at}"], seen[f"user {at}"]
        is_one = len({*anonymous.shown, *user.shown}) == 1 and len({*anonymous.before, *user.before}) == 1
        picked.append("" if not is_one else "anonymous" if user.before else "user")
    return picked


def _policy(seen: Seen) -> Json:
    """Return how the canonical ids were picked; None while any cluster is not one user yet."""
    picked = _picked(seen)
    if "" in picked:
        return None
    if set(picked) == {"user"}:
        return "user_first"
    first = ["anonymous" if at % 2 else "user" for at in range(_CLUSTERS)]
    return "first_seen" if picked == first else "seeded_random"


def _policy_text(seen: Seen) -> str:
    picked = _picked(seen)
    counts = [f"{picked.count(name)} times {words}" for name, words in _PICKS.items() if name in picked]
    return f"of {_CLUSTERS} clusters: {', '.join(counts)}"


_PICKS: Final = {"user": "the user id", "anonymous": "the anonymous id", "": "no single id"}


def _incomplete(kit: Kit) -> Sequence[Ask]:
    one, two, three = (kit.id(text) for text in ("one", "two", "three"))
    rows = (kit.row("one", distinct_id=one), kit.row("two", distinct_id=two), kit.row("three", distinct_id=three))
    identify = kit.row("identify", "$identify", distinct_id=one)
    merges = (
        kit.row("merge of one", "$merge", S_distinct_ids=[one]),
        kit.row("merge of three", "$merge", S_distinct_ids=[one, two, three]),
    )
    return (Ask("import", rows), Ask("track", (identify,)), *(Ask("import", (merge,)) for merge in merges))


def _again(kit: Kit) -> Sequence[Ask]:
    anonymous, user = kit.uuid("anonymous"), kit.id("user")
    rows = (
        kit.row("anonymous", distinct_id=anonymous),
        kit.row("user", distinct_id=user),
        kit.row("identify", "$identify", distinct_id=user, S_anon_distinct_id=anonymous),
        kit.row("merge", "$merge", distinct_id=user, S_distinct_ids=[anonymous, user]),
    )
    return (Ask("import", rows),)


PROBES: Final = (
    Probe(
        name="limit",
        switch="cluster_limit",
        rules=("original.too_many_ids",),
        systems=_ORIGINAL,
        question=f"How many of {_ANONYMOUS + 1} ids does one user get?",
        values=(501, 500, 499),
        asks=_limit,
        looks_at=("users",),
        more_values=_size,
        tells=_size_text,
    ),
    Probe(
        name="anonymous-form",
        switch="original.anon_id_form",
        rules=("original.anon_not_v4", "original.anon_id_form"),
        systems=_ORIGINAL,
        question="Which forms of anonymous id does $identify take?",
        values=("compat", "strict_v4", "php_loose"),
        asks=_forms,
        looks_at=("users",),
    ),
    Probe(
        name="assigned",
        switch="original.assigned_rule",
        rules=("original.assigned_already",),
        systems=_ORIGINAL,
        question="Is a user whose id is a UUID taken for an anonymous id when another one logs in?",
        values=("cluster", "anon_only"),
        asks=_assigned,
        looks_at=("users",),
    ),
    Probe(
        name="same-pair",
        switch="original.reidentify_same_pair",
        rules=("original.assigned_already",),
        systems=_ORIGINAL,
        question="Is the same $identify again refused?",
        values=("error", "noop"),
        asks=_same_pair,
        looks_at=("reasons",),
    ),
    Probe(
        name="prefix",
        switch="original.device_prefix_equivalent",
        rules=("original.device_prefix",),
        systems=_ORIGINAL,
        question="Are $device:X and X one id?",
        values=(False, True),
        asks=_prefix,
        looks_at=("users",),
    ),
    Probe(
        name="canonical",
        switch="original.canonical",
        rules=(),
        systems=_ORIGINAL,
        question="How is the canonical id of a cluster picked?",
        values=("seeded_random", "user_first", "first_seen"),
        asks=_canonical,
        looks_at=("users",),
        judge=_policy,
        tells=_policy_text,
    ),
    Probe(
        name="incomplete",
        switch="",
        rules=("original.incomplete",),
        systems=_ORIGINAL,
        question="Does an identity event that lacks an id, or a $merge of one or three, join nothing?",
        values=(None,),
        asks=_incomplete,
        looks_at=("users",),
    ),
    Probe(
        name="one-cluster",
        switch="",
        rules=("original.one_cluster",),
        systems=_ORIGINAL,
        question="Is a $merge of ids that are one user already taken without an error?",
        values=(None,),
        asks=_again,
        looks_at=("reasons",),
    ),
)
