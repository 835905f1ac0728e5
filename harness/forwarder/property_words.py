"""Conditions and values in words, for people who know the property from Adobe's screens."""

from __future__ import annotations

import json
import re
from typing import Final

from harness.event import Json
from harness.forwarder.model import Condition, DataElement

_ONE_TOKEN: Final = re.compile(r"\{\{([^}]+)\}\}")
_OPERATORS: Final = {
    "equals": "equals",
    "doesNotEqual": "does not equal",
    "contains": "contains",
    "doesNotContain": "does not contain",
    "startsWith": "starts with",
    "doesNotStartWith": "does not start with",
    "endsWith": "ends with",
    "doesNotEndWith": "does not end with",
    "matchesRegex": "matches the pattern",
    "doesNotMatchRegex": "does not match the pattern",
    "lessThan": "is less than",
    "lessThanOrEqual": "is at most",
    "greaterThan": "is greater than",
    "greaterThanOrEqual": "is at least",
    "isTrue": "is true",
    "isTruthy": "is truthy",
    "isFalse": "is false",
    "isFalsy": "is falsy",
}


def condition_words(condition: Condition) -> str:
    """Return what has to hold, for example `E-mail is truthy`."""
    settings = condition.settings or {}
    text = code_words(settings) if condition.type == "custom-code" else _comparison(settings)
    return f"not ({text})" if condition.negate else text


def code_words(settings: dict[str, Json]) -> str:
    """Return custom code as its first line and the number of its lines."""
    lines = [line.strip() for line in str(settings.get("source") or "").splitlines() if line.strip()]
    if not lines:
        return "custom code without any code"
    more = len(lines) - 1
    rest = f" (and {more} more line{'s' if more > 1 else ''})" if more else ""
    return f"custom code: {lines[0]}{rest}"


def value_words(value: Json) -> str:
    """Return a value of settings: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def element_words(element: DataElement) -> str:
    """Return what a data element reads."""
    settings = element.settings or {}
    if element.type == "path":
        return value_words(settings.get("path"))
    if element.type == "secret":
        return "a secret by environment"
    if element.type == "ip":
        return "the IP address of the visitor"
    return code_words(settings)


def _comparison(settings: dict[str, Json]) -> str:
    comparison = settings.get("comparison")
    known = comparison if isinstance(comparison, dict) else {}
    operator = str(known.get("operator"))
    words = [_operand(settings.get("leftOperand")), _OPERATORS.get(operator, operator)]
    if "rightOperand" in settings:
        words.append(_operand(settings["rightOperand"]))
    if known.get("caseInsensitive"):
        words.append("in any case of letters")
    return " ".join(words)


def _operand(value: Json) -> str:
    """Return an operand: the name of a data element, or a value as JSON."""
    token = _ONE_TOKEN.fullmatch(value) if isinstance(value, str) else None
    return token[1] if token else json.dumps(value, ensure_ascii=False)
