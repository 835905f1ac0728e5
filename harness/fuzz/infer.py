"""Infers an XDM template from a property: what its data elements read, told from paths, names and the use in rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from harness.event import Json
from harness.forwarder.model import Condition, DataElement, Property, Rule
from harness.fuzz.flow import Verb
from harness.fuzz.template import STANDARD_TYPES, Template

Role: TypeAlias = Literal["ecid", "device_id", "user_id", "email", "event_type", "event_id", "time", "timestamp"]

_INDEX: Final = re.compile(r"\[([0-9]+)\]")
_TOKEN: Final = re.compile(r"\{\{([^}]+)\}\}")
_WORDS: Final[tuple[tuple[Role, re.Pattern[str]], ...]] = (
    ("ecid", re.compile(r"(ecid|mcid|mid)", re.IGNORECASE)),
    ("email", re.compile(r".*e-?mail([-_ ]?(address|id))?", re.IGNORECASE)),
    (
        "device_id",
        re.compile(
            r".*(anonymous|anon|visitor|device|cookie|browser|client|guest|install)[-_ ]?(uu)?id"
            r"|fpid|idfa|gaid|visitor",
            re.IGNORECASE,
        ),
    ),
    (
        "user_id",
        re.compile(
            r".*(user|customer|account|crm|member|login|profile|subscriber|loyalty|person)[-_ ]?(id|number|no|key)"
            r"|(customer|user|member|crm|crmid)",
            re.IGNORECASE,
        ),
    ),
    ("event_type", re.compile(r"event([-_ ]?(type|name))?|type", re.IGNORECASE)),
    ("event_id", re.compile(r"_id|.*(event|hit|message|insert|request)[-_ ]?(uu)?id", re.IGNORECASE)),
    ("timestamp", re.compile(r".*time[-_ ]?stamp", re.IGNORECASE)),
    ("time", re.compile(r"(.*[-_ ])?time|.*Time|ts", re.ASCII)),
)
_ROLE_OF_KEY: Final[dict[str, Role]] = {
    "$device_id": "device_id",
    "$anon_id": "device_id",
    "$anon_distinct_id": "device_id",
    "$user_id": "user_id",
    "$identified_id": "user_id",
    "$insert_id": "event_id",
    "time": "time",
    "event": "event_type",
}
_VERB_WORDS: Final[dict[Verb, re.Pattern[str]]] = {
    "browse": re.compile(r"page|view|browse|screen", re.IGNORECASE),
    "log in": re.compile(r"log[-_ ]?in|sign[-_ ]?in|auth|identif|account", re.IGNORECASE),
    "log out": re.compile(r"log[-_ ]?out|sign[-_ ]?out", re.IGNORECASE),
}
_ENDS: Final[dict[Verb, str]] = {"browse": "view", "log in": "login", "log out": "logout"}
_OTHER_TYPES: Final[dict[Verb, tuple[str, ...]]] = {"browse": ("commerce.productViews", "commerce.purchases")}


class Place(NamedTuple):
    """What a data element reads, as far as that can be told: its name, its path, its role; None where no role fits."""

    element: str
    path: str
    role: Role | None


class Inferred(NamedTuple):
    """A template, and how it came about.

    Attributes:
        template: the template.
        places: every data element of type path, in the order of the property.
        unseen: data elements in custom code, of which nobody can tell what they read.
    """

    template: Template
    places: tuple[Place, ...]
    unseen: tuple[str, ...]


def infer(property_: Property) -> Inferred:
    """Return the template that the data elements of a property ask for."""
    uses = _uses(property_)
    elements = [element for element in property_.data_elements if _path(element)]
    places = [Place(element.name, _path(element), _role(element, uses)) for element in elements]
    call: dict[str, Json] = {}
    # A longer path makes an object of a shorter one, so the long ones come first and objects stay.
    for place in sorted(places, key=lambda place: -len(place.path)):
        value = f"{{{place.role}}}" if place.role else _sample(place, property_)
        _put(call, _parts(place.path), value)
    event = call.get("event")
    unseen = tuple(element.name for element in property_.data_elements if element.type == "custom-code")
    named = {place.element for place in places if place.role == "event_type"}
    types = _event_types(property_, named) if named else dict(STANDARD_TYPES)
    template = Template(event if isinstance(event, dict) else {}, call.get("request"), types)
    return Inferred(template, tuple(places), unseen)


def _path(element: DataElement) -> str:
    path = (element.settings or {}).get("path") if element.type == "path" else None
    if not isinstance(path, str) or "{{" in path or not path.startswith(("arc.event.", "arc.request.")):
        return ""
    return path.removeprefix("arc.")


def _parts(path: str) -> list[str | int]:
    parts: list[str | int] = []
    for part in path.split("."):
        name = part.partition("[")[0]
        parts += [name, *(min(int(index), 20) for index in _INDEX.findall(part))]
    return parts


def _role(element: DataElement, uses: dict[str, set[Role]]) -> Role | None:
    words = [part for part in _parts(_path(element)) if isinstance(part, str)]
    # `identityMap.Email[0].id` is told by the namespace, not by its last part.
    last = words[-2] if len(words) > 1 and words[-1].lower() in ("id", "value") else words[-1]
    for word in (last, element.name):
        for role, pattern in _WORDS:
            if pattern.fullmatch(word):
                return role
    used = uses.get(element.name, set())
    return next(iter(used)) if len(used) == 1 else None


def _uses(property_: Property) -> dict[str, set[Role]]:
    """Return the roles that the keys give a data element under which rules send it alone."""
    found: dict[str, set[Role]] = {}
    for rule in property_.rules:
        for action in rule.actions:
            for key, value in _entries(action.settings):
                role = _ROLE_OF_KEY.get(key)
                whole = _TOKEN.fullmatch(value)
                if role and whole:
                    found.setdefault(whole[1], set()).add(role)
    return found


def _entries(settings: Json) -> Iterator[tuple[str, str]]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            if isinstance(value, str):
                yield key, value
            else:
                yield from _entries(value)


def _sample(place: Place, property_: Property) -> Json:
    """Return a value for a path without a role: what a rule compares it to, an object for a whole part, or a text."""
    for _, condition in _conditions(property_, {place.element}):
        operator, right = _operator(condition), _right(condition)
        if operator in ("equals", "startsWith", "contains") and right:
            return right
        if operator in ("isTrue", "isTruthy"):
            return True
    return {"page": "home"} if len(_parts(place.path)) <= 2 else "home"


def _put(into: dict[str, Json], parts: list[str | int], value: Json) -> None:
    here: Json = into
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        inner = value if following is None else ([] if isinstance(following, int) else {})
        if isinstance(part, int):
            if not isinstance(here, list):
                return
            here.extend({} for _ in range(part + 1 - len(here)))
            if following is None or not isinstance(here[part], type(inner)) or not here[part]:
                here[part] = inner
        elif not isinstance(here, dict):
            return
        elif part not in here:
            here[part] = inner
        here = here[part]


def _conditions(property_: Property, names: set[str]) -> Iterator[tuple[Rule, Condition]]:
    for rule in property_.rules:
        for condition in rule.conditions:
            left = (condition.settings or {}).get("leftOperand")
            whole = _TOKEN.fullmatch(left) if isinstance(left, str) else None
            if whole and whole[1] in names:
                yield rule, condition


def _comparison(condition: Condition) -> dict[str, Json]:
    comparison = (condition.settings or {}).get("comparison")
    return comparison if isinstance(comparison, dict) else {}


def _operator(condition: Condition) -> str:
    return str(_comparison(condition).get("operator", ""))


def _right(condition: Condition) -> str:
    right = (condition.settings or {}).get("rightOperand")
    return right if isinstance(right, str) and "{{" not in right else ""


def _event_types(property_: Property, names: set[str]) -> dict[Verb, str]:
    """Return for each verb the event type that most rules act on; the standard one where it is as good as any."""
    pairs = list(_conditions(property_, names))
    found = dict(STANDARD_TYPES)
    for verb in _VERB_WORDS:
        candidates = [STANDARD_TYPES[verb], *_OTHER_TYPES.get(verb, ()), *_named_types(verb, pairs)]
        found[verb] = max(candidates, key=lambda text: _score(text, pairs, property_))
    return found


def _named_types(verb: Verb, pairs: list[tuple[Rule, Condition]]) -> Iterator[str]:
    """Yield the event types for a verb that the rules of a property name themselves."""
    standards = [text.casefold() for text in STANDARD_TYPES.values()]
    others = [pattern for other, pattern in _VERB_WORDS.items() if other != verb]
    for _, condition in pairs:
        operator, right = _operator(condition), _right(condition)
        if not right or not _VERB_WORDS[verb].search(right):
            continue
        if operator == "equals" and not any(pattern.search(right) for pattern in others):
            yield right
        # Where only letter case keeps a standard type out, that is the property's mistake, and not to be made up for.
        elif operator == "contains" or (operator == "startsWith" and not _begins_any(standards, right)):
            yield right if _VERB_WORDS[verb].search(right) and right[-1].isalnum() else right + _ENDS[verb]


def _begins_any(texts: list[str], beginning: str) -> bool:
    return any(text.startswith(beginning.casefold()) for text in texts)


def _score(text: str, pairs: list[tuple[Rule, Condition]], property_: Property) -> int:
    failing = {rule.name for rule, condition in pairs if not _holds(text, condition)}
    return sum(rule.name not in failing for rule in property_.rules)


def _holds(text: str, condition: Condition) -> bool:
    right = _right(condition)
    if _comparison(condition).get("caseInsensitive"):
        text, right = text.casefold(), right.casefold()
    operator = _operator(condition)
    positive = operator.replace("doesNotE", "e").replace("doesNotC", "c").replace("doesNotS", "s")
    plain = {
        "equal": text == right,
        "equals": text == right,
        "contain": right in text,
        "contains": right in text,
        "startWith": text.startswith(right),
        "startsWith": text.startswith(right),
        "endWith": text.endswith(right),
        "endsWith": text.endswith(right),
        "isFalsy": False,
        "isFalse": False,
    }.get(positive, True)
    return plain != (operator.startswith("doesNot") != condition.negate)
