"""Who uses which data element of a property: what is unused, what is named and not there, which secrets are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from harness.forwarder.model import Action, Condition, DataElement, PartKind, Property
from harness.forwarder.tokens import BuildError, template
from harness.problems import nearest

Part: TypeAlias = DataElement | Condition | Action
Reason: TypeAlias = Literal["deleted", "disabled", "unknown"]


class Use(NamedTuple):
    """Something that names a data element.

    Attributes:
        kind: a condition or an action of a rule, or another data element.
        name: its name.
        rule: the rule it belongs to; None for a data element.
        number: the place of that rule, counted from 1; None for a data element.
    """

    kind: PartKind
    name: str
    rule: str | None = None
    number: int | None = None

    def __str__(self) -> str:
        rule = "" if self.rule is None else f'rule "{self.rule}" '
        return f'{rule}{self.kind} "{self.name}"'


@dataclass(frozen=True, slots=True)
class Undefined:
    """A data element that something names and the property does not have; what names it fails.

    Attributes:
        name: the name.
        used_by: who names it.
        reason: whether it was deleted or disabled, or never there.
        nearest: the name of a data element that is close to it; None where none is.
    """

    name: str
    used_by: tuple[Use, ...]
    reason: Reason
    nearest: str | None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a data element needs; its value is nowhere in a property.

    Attributes:
        element: the data element.
        environment: the build environment.
        id: the id of the secret there; None where the data element has none for that environment.
        name: the name people gave the secret; None where it has none.
        is_needed: whether any rule comes to ask for it.
    """

    element: str
    environment: str
    id: str | None
    name: str | None
    is_needed: bool


def tokens_of(part: Part) -> tuple[str, ...]:
    """Return the names of the data elements that the settings of a component name, each once."""
    try:
        return template(part.settings).names
    except BuildError:
        return ()


def users(property_: Property) -> dict[str, list[Use]]:
    """Return who names which data element, whether the property has it or not, in the order of the property."""
    found: dict[str, list[Use]] = {}
    for use, part in _uses(property_):
        for name in tokens_of(part):
            found.setdefault(name, []).append(use)
    return found


def needed(property_: Property) -> set[str]:
    """Return the names of the data elements that a rule comes to ask for, itself or through others."""
    elements = {element.name: element for element in property_.data_elements}
    parts: list[Part] = []
    for rule in property_.rules:
        parts += [*rule.conditions, *rule.actions]
    pending = [name for part in parts for name in tokens_of(part)]
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in found and name in elements:
            found.add(name)
            pending.extend(tokens_of(elements[name]))
    return found


def unused(property_: Property) -> list[str]:
    """Return the names of the data elements that no rule comes to ask for."""
    asked = needed(property_)
    return [element.name for element in property_.data_elements if element.name not in asked]


def undefined(property_: Property) -> list[Undefined]:
    """Return the data elements that are named and not there."""
    names = {element.name for element in property_.data_elements}
    gone: dict[str, Reason] = {one.name: one.reason for one in property_.left_out if one.kind == "data element"}
    return [
        Undefined(name, tuple(uses), gone.get(name, "unknown"), nearest(name, names))
        for name, uses in users(property_).items()
        if name not in names
    ]


def secrets(property_: Property) -> list[Secret]:
    """Return the secrets of the property's environment."""
    asked, environment = needed(property_), property_.environment
    found = []
    for element in property_.data_elements:
        if element.type == "secret":
            by_environment = (element.settings or {}).get("secrets")
            chosen = by_environment.get(environment) if isinstance(by_environment, dict) else None
            known = chosen if isinstance(chosen, dict) else {}
            own_id, name = (str(known[key]) if known.get(key) else None for key in ("id", "name"))
            found.append(Secret(element.name, environment, own_id, name, element.name in asked))
    return found


def _uses(property_: Property) -> Iterator[tuple[Use, Part]]:
    for number, rule in enumerate(property_.rules, 1):
        for condition in rule.conditions:
            yield Use("condition", condition.name, rule.name, number), condition
        for action in rule.actions:
            yield Use("action", action.name, rule.name, number), action
    for element in property_.data_elements:
        yield Use("data element", element.name), element
