"""User and group profiles, as `/engage` and `/groups` update them.

Updates are applied in order of arrival and kept by distinct_id. In simplified a profile is never carried over from a
device to its user (`docs`); in original the canonical id's profile is shown, others of its cluster are hidden (`docs`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from harness.event import Json, id_text, kind_of_json
from harness.identity.model import IdentityModel
from harness.ingestion.verdict import FieldError

Profile: TypeAlias = dict[str, Json]
_Operation: TypeAlias = Callable[[Profile, str, Any], None]

TOKEN_MISSING: Final = FieldError("$token", "token, missing or empty")
ID_MISSING: Final = FieldError("$distinct_id", "Engage API error: $distinct_id, missing or empty")
GROUP_MISSING: Final = FieldError("$group_key", "$group_key or $group_id, missing or empty")
NOT_FOR_GROUPS: Final = FieldError("$distinct_id", "$distinct_id is not allowed in an update of a group")


class Profiles:
    """All profiles of one project.

    Args:
        model: who is who; an update goes to the profile that is shown for its distinct_id when it arrives.

    Attributes:
        users: user profiles by distinct_id.
        groups: group profiles by (group key, group id).
    """

    def __init__(self, model: IdentityModel) -> None:
        self.users: dict[str, Profile] = {}
        self.groups: dict[tuple[str, str], Profile] = {}
        self._model = model

    def update_user(self, raw: Json) -> FieldError | None:
        """Apply one record of an /engage body; return why it can't be."""
        error = _record_error(raw)
        if error is not None:
            return error
        distinct_id = id_text(raw.get("$distinct_id"))
        if not distinct_id:
            return ID_MISSING
        # `$ignore_alias` deletes the profile of the alias itself, not of the id it points at (`docs`).
        key = distinct_id if raw.get("$ignore_alias") is True else self._shown(distinct_id)
        return _apply(self.users, key, raw)

    def update_group(self, raw: Json) -> FieldError | None:
        """Apply one record of a /groups body; return why it can't be."""
        error = _record_error(raw)
        if error is not None:
            return error
        if "$distinct_id" in raw:
            return NOT_FOR_GROUPS
        group = (id_text(raw.get("$group_key")), id_text(raw.get("$group_id")))
        return _apply(self.groups, group, raw) if all(group) else GROUP_MISSING

    def of(self, distinct_id: str) -> Profile | None:
        """Return the profile that is shown for an id: its canonical id's, else one of its cluster's.

        In simplified only the user's own is shown, never one of a device that was linked to it.
        """
        return self.users.get(self._shown(distinct_id))

    def _shown(self, distinct_id: str) -> str:
        """Return the id whose profile stands for an id; an update after a merge must not hide the one that was kept."""
        canonical = self._model.resolve(distinct_id)
        if canonical in self.users or self._model.id_merge == "simplified":
            return canonical
        return next((member for member in self._model.members(canonical) if member in self.users), canonical)


def _record_error(raw: Json) -> FieldError | None:
    if not isinstance(raw, dict):
        return FieldError("", f"an update must be a JSON object, found {kind_of_json(raw)}")
    token = raw.get("$token")
    return None if isinstance(token, str) and token else TOKEN_MISSING


def _apply(profiles: dict[Any, Profile], key: Any, record: dict[str, Json]) -> FieldError | None:
    if "$delete" in record:
        profiles.pop(key, None)
        return None
    names = [name for name in record if name in _OPERATIONS]
    for name in names:
        if not isinstance(record[name], _ARGUMENT.get(name, dict)):
            return FieldError(name, f"'{name}' is invalid: found {kind_of_json(record[name])}")
    profile = profiles.setdefault(key, {})
    for name in names:
        argument = record[name]
        for field in argument:
            if isinstance(field, str):
                _OPERATIONS[name](profile, field, copy.deepcopy(argument[field]) if name != "$unset" else None)
    return None


def _set(profile: Profile, field: str, value: Json) -> None:
    profile[field] = value


def _set_once(profile: Profile, field: str, value: Json) -> None:
    profile.setdefault(field, value)


def _add(profile: Profile, field: str, value: Json) -> None:
    before = profile.get(field, 0)
    if _is_number(before) and _is_number(value):
        profile[field] = before + value


def _append(profile: Profile, field: str, value: Json) -> None:
    before = profile.get(field, [])
    profile[field] = [*before, value] if isinstance(before, list) else [value]


def _union(profile: Profile, field: str, value: Json) -> None:
    before = profile.get(field, [])
    kept = list(before) if isinstance(before, list) else []
    for item in value if isinstance(value, list) else [value]:
        if item not in kept:
            kept.append(item)
    profile[field] = kept


def _remove(profile: Profile, field: str, value: Json) -> None:
    before = profile.get(field)
    if isinstance(before, list):
        profile[field] = [item for item in before if item != value]


def _unset(profile: Profile, field: str, _value: Json) -> None:
    profile.pop(field, None)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_OPERATIONS: Final[dict[str, _Operation]] = {
    "$set": _set,
    "$set_once": _set_once,
    "$add": _add,
    "$append": _append,
    "$union": _union,
    "$remove": _remove,
    "$unset": _unset,
}
_ARGUMENT: Final[dict[str, type]] = {"$unset": list}
