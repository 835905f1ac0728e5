"""Words for the examples: the identity events as senders send them, and a project that takes a few of them."""

from __future__ import annotations

from typing import Any

from harness.event import Event, IdMerge, Json
from harness.identity.model import Decision, IdentityModel, build
from harness.identity.settings import IdentitySettings
from tests.identity.streams import UUID_A, UUID_B, UUID_C

__all__ = [
    "ECID",
    "UUID_A",
    "UUID_B",
    "UUID_C",
    "create_alias",
    "event",
    "identify",
    "merge",
    "only",
    "project",
    "uuid",
]

ECID = "08953821562340987654321098765432109876"


def event(name: str = "Page View", **ids: Json) -> Event:
    """An ordinary event; `user_id` and `device_id` are sent with their dollar sign."""
    return Event(name, {key if key == "distinct_id" else f"${key}": value for key, value in ids.items()})


def identify(user: Json, anonymous: Json) -> Event:
    """An `$identify` as SDKs send it."""
    return Event("$identify", {"distinct_id": user, "$anon_distinct_id": anonymous})


def create_alias(distinct_id: Json, alias: Json) -> Event:
    """A `$create_alias`."""
    return Event("$create_alias", {"distinct_id": distinct_id, "alias": alias})


def merge(*ids: Json) -> Event:
    """A `$merge`."""
    return Event("$merge", {"$distinct_ids": list(ids)})


def project(id_merge: IdMerge, *events: Event, **switches: Any) -> IdentityModel:
    """A project that has taken some events by /import."""
    model = build(id_merge, IdentitySettings(**switches))
    for sent in events:
        model.add(sent)
    return model


def only(model: IdentityModel) -> Decision:
    """The one decision of a project."""
    (decision,) = model.decisions
    return decision


def uuid(number: int) -> str:
    """One of many UUIDs of version 4."""
    return f"{number:08x}-0000-4000-8000-000000000000"
