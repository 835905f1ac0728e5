"""A property in one JSON document, with the objects of the Reactor API in lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.forwarder.model import LeftOut, PartKind, Property, Rule
from harness.forwarder.property_objects import (
    flat,
    is_edge,
    is_live,
    is_null,
    optional_text,
    quoted,
    read_data_element,
    read_rule,
)
from harness.problems import Problems
from harness.source import Reader
from harness.yamltext import Mapping, Node, Scalar, Sequence, kind_of

_COMPONENTS: Final = "rule_components"


def read_document(document: Mapping, environment: str, problems: Problems) -> Property:
    """Return the property of one JSON document; mistakes are noted, and then it is not to be used.

    Args:
        document: `{"property", "data_elements", "rules"}`; name and platform may also stand at the top. The components
            of a rule stand in it under `rule_components`, or in a list of all at the top, each with the rules that it
            belongs to under `relationships.rules.data`.
        environment: the build environment.
        problems: where mistakes are noted.
    """
    top = Reader(document, "", problems)
    node = top.mapping("property", "the property's name and platform") if "property" in top else None
    described = flat(node, "property", problems) if node is not None else top
    name = optional_text(described, "name") or ""
    left_out: list[LeftOut] = []
    if not is_edge(described):
        return Property(name, environment, (), (), problems.file)
    live = live_resources(top, "data_elements", "data element", left_out)
    elements = [read_data_element(reader) for reader in live]
    rules = list(_rules(top, left_out))
    return Property(
        name,
        environment,
        tuple(element for element in elements if element is not None),
        tuple(rules),
        problems.file,
        left_out=tuple(left_out),
    )


def live_resources(reader: Reader, key: str, kind: PartKind, left_out: list[LeftOut]) -> Iterator[Reader]:
    """Yield the resources of a list that are neither disabled nor deleted."""
    for resource in _resources(reader, key, f"{kind}s"):
        if is_live(resource, kind, left_out):
            yield resource


def _resources(reader: Reader, key: str, what: str) -> Iterator[Reader]:
    if is_null(reader, key):
        return
    for index, node in enumerate(reader.items(key, what) or []):
        where = f"{reader.path(key)}[{index}]"
        if isinstance(node, Mapping):
            yield flat(node, where, reader.problems)
        else:
            reader.problems.add(node.line, where, f"needs an object, found {kind_of(node)}")


def _rules(top: Reader, left_out: list[LeftOut]) -> Iterator[Rule]:
    resources = list(_resources(top, "rules", "rules"))
    ids = [optional_text(resource, "id") or "" for resource in resources]
    apart = _components_by_rule(top, frozenset(ids) - {""}, left_out)
    for resource, rule_id in zip(resources, ids, strict=True):
        if not is_live(resource, "rule", left_out):
            continue
        components = list(live_resources(resource, _COMPONENTS, "rule component", left_out))
        components += [flat(node, key, top.problems) for node, key in apart.get(rule_id, [])]
        name = optional_text(resource, "name") or ""
        rule = read_rule(resource, components, f"{resource.key} {quoted(name)}")
        if rule is not None:
            yield rule


def _components_by_rule(
    top: Reader, rules: frozenset[str], left_out: list[LeftOut]
) -> dict[str, list[tuple[Mapping, str]]]:
    """Return the components that stand beside the rules, by the ids of the rules they belong to."""
    found: dict[str, list[tuple[Mapping, str]]] = {}
    for component in _resources(top, _COMPONENTS, "rule components"):
        if not is_live(component, "rule component", left_out):
            continue
        ids = list(_rule_ids(component.node))
        if not ids:
            message = "does not say which rule it belongs to"
            fix = 'Add "relationships": {"rules": {"data": [{"id": "RL..."}]}}, or put it into its rule.'
            top.problems.add(component.node.line, component.key, message, fix)
        for rule_id in ids:
            if rule_id in rules:
                found.setdefault(rule_id, []).append((component.node, component.key))
                continue
            message = f"belongs to the rule {rule_id}, which is not among the rules"
            top.problems.add(component.node.line, component.key, message, "Add the rule, or remove the component.")
    return found


def _rule_ids(component: Mapping) -> Iterator[str]:
    data: Node | None = component
    for key in ("relationships", "rules", "data"):
        data = data.entries.get(key) if isinstance(data, Mapping) else None
    for item in data.items if isinstance(data, Sequence) else [data]:
        rule_id = item.entries.get("id") if isinstance(item, Mapping) else None
        if isinstance(rule_id, Scalar) and isinstance(rule_id.value, str):
            yield rule_id.value
