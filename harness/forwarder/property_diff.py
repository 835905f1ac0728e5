"""What is different between two properties, field by field: data elements, rules, and the components of rules.

Things are the same thing when they have one id, else when they have one name; components of one rule also when they do
the same, or have one place. Where a property was written, and in which shape, makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.model import Action, Condition, DataElement, PartKind, Property, Rule

What: TypeAlias = Literal["added", "removed", "changed"]
Component: TypeAlias = Condition | Action
_Thing = TypeVar("_Thing", DataElement, Rule, Component)
_Key: TypeAlias = Callable[[_Thing], Hashable]

_FIELDS: Final = ("name", "type", "negate", "timeout", "default_value", "clean_text", "force_lower_case")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        field: its key, for example `custom_properties.$user_id`.
        before: the value in the first property; None also where it has none.
        after: the value in the other one.
        what: whether the field is only there, only here, or differs.
    """

    field: str
    before: Json
    after: Json
    what: What


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        kind: what it is.
        name: its name in the first property, or in the other one where it is added.
        rule: the name of its rule, for a condition or an action; else None.
        what: added, removed or changed.
        fields: what differs in it.
        note: why it is gone or came, where the files say so: it is disabled, or deleted.
    """

    kind: PartKind
    name: str
    rule: str | None
    what: What
    fields: tuple[FieldChange, ...] = ()
    note: str = ""


def differences(before: Property, after: Property) -> list[Change]:
    """Return everything that is different in another property, in the order of the first one."""
    found = list(_elements(before, after))
    found += _rules(before, after)
    return found


def _elements(before: Property, after: Property) -> Iterator[Change]:
    pairs = _pairs(before.data_elements, after.data_elements, [lambda one: one.component_id, lambda one: one.name])
    for old, new in pairs:
        yield from _change("data element", None, old, new, _absences(before, after, "data element"))


def _rules(before: Property, after: Property) -> Iterator[Change]:
    for old, new in _pairs(before.rules, after.rules, [lambda one: one.rule_id, lambda one: one.name]):
        yield from _change("rule", None, old, new, _absences(before, after, "rule"))
        if old is not None and new is not None:
            yield from _components("condition", old.name, old.conditions, new.conditions)
            yield from _components("action", old.name, old.actions, new.actions)


def _components(kind: PartKind, rule: str, before: Sequence[Component], after: Sequence[Component]) -> Iterator[Change]:
    keys: list[_Key[Component]] = [
        lambda one: one.component_id,
        lambda one: (one.type, one.name),
        lambda one: (one.type, jsjson.write(one.settings)),
        lambda one: one.type,
    ]
    pairs = _pairs(before, after, keys)
    for old, new in pairs:
        yield from _change(kind, rule, old, new, {})
    kept = [(old, new) for old, new in pairs if old is not None and new is not None]
    order = [new for _, new in sorted(kept, key=lambda pair: _position(after, pair[1]))]
    if [new for _, new in kept] != order:
        names: list[Json] = [old.name for old, _ in kept]
        moved = FieldChange("order", names, [new.name for new in order], "changed")
        yield Change("rule", rule, None, "changed", (moved,))


def _position(things: Sequence[Component], wanted: Component) -> int:
    return next(position for position, one in enumerate(things) if one is wanted)


def _absences(before: Property, after: Property, kind: PartKind) -> dict[tuple[What, str], str]:
    """Return why things are only in one of two properties, by what became of them and their names."""
    gone = {("removed", one.name): f"it is {one.reason} there" for one in after.left_out if one.kind == kind}
    came = {("added", one.name): f"it is {one.reason} here" for one in before.left_out if one.kind == kind}
    notes: dict[tuple[What, str], str] = {**gone, **came}  # type: ignore[dict-item]
    return notes


def _change(
    kind: PartKind,
    rule: str | None,
    old: DataElement | Rule | Component | None,
    new: DataElement | Rule | Component | None,
    notes: dict[tuple[What, str], str],
) -> Iterator[Change]:
    if old is None or new is None:
        thing = old or new
        assert thing is not None
        what: What = "removed" if new is None else "added"
        yield Change(kind, thing.name, rule, what, note=notes.get((what, thing.name), ""))
        return
    fields = tuple(_fields(_content(old), _content(new)))
    if fields:
        yield Change(kind, old.name, rule, "changed", fields)


def _content(thing: DataElement | Rule | Component) -> dict[str, Json]:
    """Return everything about a thing that matters, by key; its components are compared apart."""
    content: dict[str, Json] = {field: getattr(thing, field) for field in _FIELDS if hasattr(thing, field)}
    settings = None if isinstance(thing, Rule) else thing.settings
    return {**content, **_flat(settings or {}, "")}


def _flat(settings: dict[str, Json], prefix: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _fields(before: dict[str, Json], after: dict[str, Json]) -> Iterator[FieldChange]:
    for field in dict.fromkeys([*before, *after]):
        if field not in after:
            yield FieldChange(field, before[field], None, "removed")
        elif field not in before:
            yield FieldChange(field, None, after[field], "added")
        elif jsjson.write(before[field]) != jsjson.write(after[field]):
            yield FieldChange(field, before[field], after[field], "changed")


def _pairs(
    before: Sequence[_Thing], after: Sequence[_Thing], keys: Sequence[_Key[_Thing]]
) -> list[tuple[_Thing | None, _Thing | None]]:
    """Return what belongs together, by the first key that says so; what has no partner stands alone."""
    partners: dict[int, _Thing] = {}
    left = list(after)
    for key in keys:
        waiting: dict[Hashable, list[_Thing]] = {}
        for one in left:
            if key(one):
                waiting.setdefault(key(one), []).append(one)
        for position, one in enumerate(before):
            if position not in partners and waiting.get(key(one)):
                partners[position] = waiting[key(one)].pop(0)
        taken = {id(one) for one in partners.values()}
        left = [one for one in left if id(one) not in taken]
    return [(one, partners.get(position)) for position, one in enumerate(before)] + [(None, one) for one in left]
