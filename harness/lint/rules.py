"""All lint rules by name: importing this room's rule modules fills the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.lint import (
    event_fields,
    event_ids,
    event_verbs,
    property_conditions,
    property_id_values,
    property_ids,
    property_parts,
    property_sending,
    property_verbs,
    scenario_rules,
)
from harness.lint.registry import REGISTRY, LintRule

MODULES: Final = (
    property_parts,
    property_conditions,
    property_sending,
    property_ids,
    property_id_values,
    property_verbs,
    event_fields,
    event_ids,
    event_verbs,
    scenario_rules,
)
"""The modules whose functions are the rules."""

RULES: Final[Mapping[str, LintRule]] = {name: REGISTRY[name] for name in sorted(REGISTRY)}
"""Every rule by name, in the order of names."""
