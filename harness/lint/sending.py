"""What a property sends, as far as its settings tell: every `send-event` action with the values of its fields.

A field is taken apart into constant texts and data elements. Custom properties win over the four standard fields, as
they do at run time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from harness.event import IDENTITY_EVENTS, IdMerge, Json
from harness.forwarder.jsvalues import truthy
from harness.forwarder.model import Action, DataElement, Property, Rule
from harness.forwarder.tokens import BuildError, Constant, ListOf, MapOf, Node, Sum, Template, Token, template
from harness.ingestion.settings import Region
from harness.lint.registry import Spot

_GUARDS: Final = frozenset({"isTruthy", "equals", "contains", "startsWith", "endsWith", "matchesRegex"})
ID_FIELDS: Final = (
    "distinct_id", "$device_id", "$user_id", "$anon_id", "$anon_distinct_id", "$identified_id", "alias",
)  # fmt: skip
"""Fields that hold ids."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The value of one field.

    Attributes:
        parts: constant texts and data elements in order; empty for a list or a map. A token whose data element is not
            there is left out.
        value: the value where there is no token.
        is_constant: whether there is no token.
        is_whole: whether it is exactly one token, so that the value keeps its type.
    """

    parts: tuple[str | DataElement, ...] = ()
    value: Json = None
    is_constant: bool = False
    is_whole: bool = False

    @property
    def elements(self) -> tuple[DataElement, ...]:
        """The data elements in it."""
        return tuple(part for part in self.parts if isinstance(part, DataElement))

    @property
    def element(self) -> DataElement | None:
        """The data element that is the whole value."""
        return self.elements[0] if self.is_whole and self.elements else None

    @property
    def texts(self) -> tuple[str, ...]:
        """The constant texts between the tokens."""
        return tuple(part for part in self.parts if isinstance(part, str))

    @property
    def prefix(self) -> str:
        """The constant text in front; "" where a token comes first."""
        first = self.parts[0] if self.parts else ""
        return first if isinstance(first, str) else ""

    @property
    def is_blank(self) -> bool:
        """Whether it is nothing at all: null, or an empty text."""
        return self.is_constant and self.value in (None, "")


@dataclass(frozen=True, slots=True)
class Sending:
    """One `send-event` action.

    Attributes:
        rule: its rule.
        action: the action.
        event: the name of the event.
        standard: the standard fields (`token`, `time`, `distinct_id`, `$insert_id`).
        custom: the custom properties by name, as far as they are written out.
        whole: the custom properties where they are one value; None where they are written out or absent.
    """

    rule: Rule
    action: Action
    event: Slot
    standard: Mapping[str, Slot]
    custom: Mapping[str, Slot]
    whole: Slot | None

    @property
    def fields(self) -> Mapping[str, Slot]:
        """All fields, the custom ones over the standard ones; a field set to nothing is left out."""
        both = {**self.standard, **self.custom}
        return {name: slot for name, slot in both.items() if not slot.is_blank}

    @property
    def is_open(self) -> bool:
        """Whether fields may come in that nobody can see beforehand."""
        return self.whole is not None and not (self.whole.is_constant and not truthy(self.whole.value))

    @property
    def verb(self) -> str | None:
        """The identity event that it sends; None for an ordinary event, or where only a call shows the name."""
        name = self.event.value if self.event.is_constant else None
        return name if isinstance(name, str) and name in IDENTITY_EVENTS else None

    def spot(self, message: str, field: str = "") -> Spot:
        """Return a spot at this action, or at one of its fields."""
        key = f"{self.action.where}: {field}" if field else self.action.where
        return Spot(self.action.line, key, message, self.action.file)


@dataclass(frozen=True, slots=True)
class PropertySubject:
    """A property to lint.

    Attributes:
        property: the property.
        id_merge: the ID-merge system of the Mixpanel project.
        region: where the Mixpanel project keeps its data.
        sendings: what it sends.
        events: what it sends but identity events.
    """

    property: Property
    id_merge: IdMerge
    region: Region
    sendings: tuple[Sending, ...]
    events: tuple[Sending, ...]


def subject_of(property_: Property, id_merge: IdMerge, region: Region) -> PropertySubject:
    """Return a property as rules look at it."""
    sendings = tuple(_sendings(property_))
    return PropertySubject(property_, id_merge, region, sendings, tuple(one for one in sendings if one.verb is None))


def _sendings(property_: Property) -> Iterator[Sending]:
    elements = {element.name: element for element in property_.data_elements}
    for rule in property_.rules:
        for action in rule.actions:
            if action.type == "send-event":
                yield _sending(rule, action, elements)


def _sending(rule: Rule, action: Action, elements: Mapping[str, DataElement]) -> Sending:
    try:
        settings = template(action.settings)
    except BuildError:  # a property that was read can be built; one that was made in code may not
        settings = Template((), MapOf({}))
    slots = _Slots(settings.names, elements)
    items = settings.node.items if isinstance(settings.node, MapOf) else {}
    custom = items.get("custom_properties")
    return Sending(
        rule,
        action,
        slots.of(items.get("event", Constant(None))),
        slots.inside(items.get("properties")),
        slots.inside(custom),
        None if custom is None or isinstance(custom, MapOf) else slots.of(custom),
    )


def ids_of(one: Sending) -> Iterator[tuple[str, Slot]]:
    """Yield the fields of an action that hold ids."""
    for field in ID_FIELDS:
        slot = one.fields.get(field)
        if slot is not None:
            yield field, slot


def ids_that_count(one: Sending, id_merge: IdMerge) -> Iterator[tuple[str, Slot]]:
    """Yield the fields of an action that hold ids which count: in simplified others take the place of distinct_id."""
    stronger = id_merge == "simplified" and bool({"$device_id", "$user_id"} & one.fields.keys())
    return ((field, slot) for field, slot in ids_of(one) if not (stronger and field == "distinct_id"))


def is_guarded(one: Sending, element: DataElement, subject: PropertySubject) -> bool:
    """Return whether a condition of the rule sees to it that a data element has a value."""
    for condition in one.rule.conditions:
        left = (
            slots_of(condition.settings, subject.property).get("leftOperand")
            if condition.type != "custom-code"
            else None
        )
        comparison = (condition.settings or {}).get("comparison")
        operator = comparison.get("operator") if isinstance(comparison, dict) else None
        if left is not None and left.element is element and (operator in _GUARDS) is not condition.negate:
            return True
    return False


def slots_of(settings: Json, property_: Property) -> Mapping[str, Slot]:
    """Return the settings of a component by key, taken apart; empty where they can't be built."""
    try:
        found = template(settings)
    except BuildError:
        return {}
    return _Slots(found.names, {element.name: element for element in property_.data_elements}).inside(found.node)


class _Slots:
    """Turns the nodes of one template into slots."""

    def __init__(self, names: tuple[str, ...], elements: Mapping[str, DataElement]) -> None:
        self._elements = [elements.get(name) for name in names]

    def inside(self, node: Node | None) -> dict[str, Slot]:
        if not isinstance(node, MapOf):
            return {}
        return {key: self.of(item) for key, item in node.items.items()}

    def of(self, node: Node) -> Slot:
        if isinstance(node, Constant):
            text = (node.value,) if isinstance(node.value, str) else ()
            return Slot(text, node.value, is_constant=True)
        if isinstance(node, (ListOf, MapOf)):
            return Slot()
        parts = node.parts if isinstance(node, Sum) else (node,)
        found = [self._part(part) for part in parts]
        return Slot(tuple(part for part in found if part is not None), is_whole=isinstance(node, Token))

    def _part(self, part: Constant | Token) -> str | DataElement | None:
        if isinstance(part, Constant):
            return part.value if isinstance(part.value, str) else None
        return None if part.position is None else self._elements[part.position]
