"""Writes one property in each of its shapes, from the objects of one JSON document with the components in its rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from harness.forwarder.property_objects import ACTION_TYPES, CONDITION_TYPES, ELEMENT_TYPES

Object = dict[str, Any]

START = "//==== START TRANSFORM CODE - DO NOT REMOVE ===="
END = "//==== END TRANSFORM CODE ===="


def wrapped(kind: str, flat: Object) -> Object:
    """The object as the API gives it."""
    attributes = {key: value for key, value in flat.items() if key not in ("id", "rule_components")}
    return {"id": flat["id"], "type": kind, "attributes": attributes, "relationships": {}}


def page(resources: Any, **pagination: Any) -> Object:
    """An answer of the API that is complete unless told otherwise."""
    count = len(resources) if isinstance(resources, list) else 1
    complete = {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1, "total_count": count}
    return {"data": resources, "meta": {"pagination": {**complete, **pagination}}}


def write_document(path: Path, document: Object) -> Path:
    return _write(path, document)


def write_document_with_components_apart(path: Path, document: Object) -> Path:
    components = [
        {**wrapped("rule_components", component), "relationships": {"rules": {"data": [{"id": rule["id"]}]}}}
        for rule in document["rules"]
        for component in rule["rule_components"]
    ]
    rules = [wrapped("rules", rule) for rule in document["rules"]]
    return _write(path, {**document, "rules": rules, "rule_components": components})


def write_answers(folder: Path, document: Object) -> Path:
    folder.mkdir()
    _write(folder / "property.json", {"data": wrapped("properties", document["property"])})
    _write(folder / "rules.json", page([wrapped("rules", rule) for rule in document["rules"]]))
    elements = [wrapped("data_elements", element) for element in document["data_elements"]]
    _write(folder / "data_elements.json", page(elements))
    for rule in document["rules"]:
        components = [wrapped("rule_components", component) for component in rule["rule_components"]]
        _write(folder / f"{rule['id']}.json", page(components))
    return folder


def write_tree(folder: Path, document: Object) -> Path:
    root = folder / document["property"]["id"]
    for kind in ("data_elements", "rules", "rule_components"):
        (root / kind).mkdir(parents=True)
    _write(root / "data.json", wrapped("properties", document["property"]))
    for element in document["data_elements"]:
        _write_object(root / "data_elements", "data_elements", element)
    for rule in document["rules"]:
        _write_object(root / "rules", "rules", rule)
        for component in rule["rule_components"]:
            _write_object(root / "rule_components", "rule_components", component)
            links = root / "rules" / rule["id"] / "rule_components"
            links.mkdir(exist_ok=True)
            (links / component["id"]).symlink_to(f"../../../rule_components/{component['id']}")
    return folder


def _write_object(kind_folder: Path, kind: str, flat: Object) -> None:
    folder = kind_folder / flat["id"]
    folder.mkdir()
    _write(folder / "data.json", wrapped(kind, flat))
    settings = json.loads(flat.get("settings") or "null")
    if settings:
        _write(folder / "settings.json", settings)
    if settings and settings.get("source"):
        code = f"{START}\nfunction (arc, utils) {{\n{END}\n{settings['source']}\n{START}\n}}\n{END}"
        (folder / "settings.source.js").write_bytes(code.encode())


def write_shorthand(path: Path, document: Object) -> Path:
    shorthand = {
        "property": document["property"]["name"],
        "data_elements": {element["name"]: _element(element) for element in document["data_elements"] if _on(element)},
        "rules": [_rule(rule) for rule in document["rules"] if _on(rule)],
    }
    path.write_text(yaml.safe_dump(shorthand, sort_keys=False, allow_unicode=True), "utf-8")
    return path


def _on(flat: Object) -> bool:
    return flat.get("enabled") is not False and not flat.get("deleted_at")


def _element(flat: Object) -> Object:
    settings = json.loads(flat["settings"] or "null")
    type_ = ELEMENT_TYPES[flat["delegate_descriptor_id"]]
    key = {"path": "path", "custom-code": "source", "secret": "secrets", "ip": ""}[type_]
    written = {type_.replace("-", "_"): settings[key] if key else True}
    flags = {"clean_text": flat["clean_text"], "lower_case": flat["force_lower_case"]}
    return {**written, "default": flat["default_value"], **flags}


def _rule(flat: Object) -> Object:
    parts = sorted((part for part in flat["rule_components"] if _on(part)), key=lambda part: part["order"])
    return {
        "name": flat["name"],
        "conditions": [_condition(part) for part in parts if part["delegate_descriptor_id"] in CONDITION_TYPES],
        "actions": [_action(part) for part in parts if part["delegate_descriptor_id"] in ACTION_TYPES],
    }


def _condition(flat: Object) -> Object:
    settings = json.loads(flat["settings"])
    written = {"name": flat["name"], "negate": flat["negate"], "timeout": flat["timeout"]}
    if "source" in settings:
        return {**written, "custom_code": settings["source"]}
    comparison = settings["comparison"]
    written |= {"left": settings["leftOperand"], "operator": comparison["operator"]}
    if "caseInsensitive" in comparison:
        written["case_insensitive"] = comparison["caseInsensitive"]
    return {**written, "right": settings["rightOperand"]} if "rightOperand" in settings else written


def _action(flat: Object) -> Object:
    settings = json.loads(flat["settings"])
    written = {"name": flat["name"], "timeout": flat["timeout"]}
    if "source" in settings:
        return {**written, "custom_code": {"key": settings["keyName"], "source": settings["source"]}}
    return {**written, "send_event": settings}


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document, indent=1), "utf-8")
    return path
