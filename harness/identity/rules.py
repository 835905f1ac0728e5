"""Every identity rule by name, with what it says and where the knowledge comes from.

A decision and a warning cite one of these names; reports show the text and the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Evidence: TypeAlias = Literal["docs", "observed", "inferred"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One identity rule.

    Attributes:
        name: the name that decisions cite.
        text: the rule in one sentence.
        evidence: `docs` (Mixpanel's documentation), `observed` (seen on real projects), `inferred` (our reading).
        source: where it is written or was seen.
    """

    name: str
    text: str
    evidence: Evidence
    source: str


_SIMPLIFIED = "Mixpanel docs, Identifying Users (Simplified)"
_ORIGINAL = "Mixpanel docs, Identifying Users (Original)"
_DIAGRAM = "Mixpanel docs, decision diagrams of the identity events"
_MIGRATION = "Mixpanel docs, Migrating to Simplified ID Merge"
_PROBES = "probes of two real projects, August 2026"
_ALIASES = "Mixpanel docs (legacy), Aliases"

_ALL: Final = (
    Rule(
        "simplified.link",
        "The first event with both a device id and a user id gives the device to the user, for good.",
        "docs",
        _SIMPLIFIED,
    ),
    Rule("simplified.linked_already", "The device belongs to this user already.", "docs", _SIMPLIFIED),
    Rule(
        "simplified.device_of_another",
        "A device that belongs to one user is never given to another; the event belongs to its own user.",
        "observed",
        _PROBES,
    ),
    Rule(
        "simplified.user_id_is_device",
        "A $user_id that starts with $device: never links.",
        "inferred",
        "no source; SDKs differ in whether they send it",
    ),
    Rule("simplified.verb", "Identity events have no effect in a simplified project.", "docs", _MIGRATION),
    Rule(
        "simplified.phantom_user",
        "A distinct_id without $device: prefix is a user id, so a bare anonymous id becomes a user of its own.",
        "observed",
        _PROBES,
    ),
    Rule("original.identify", "$identify joins an anonymous id with an identified id.", "docs", _ORIGINAL),
    Rule("original.same_ids", "An id can't be identified as itself.", "docs", _DIAGRAM),
    Rule("original.anon_id_form", "The anonymous id of $identify has the form of a UUID.", "docs", _DIAGRAM),
    Rule(
        "original.anon_not_v4",
        "An anonymous id that is no UUID of version 4 may be refused by the real server.",
        "inferred",
        "the server's pattern is unpublished; SDKs differ",
    ),
    Rule(
        "original.assigned_already",
        "An anonymous id that was identified before is never identified again.",
        "docs",
        _DIAGRAM,
    ),
    Rule("original.too_many_ids", "A cluster has a largest number of ids.", "observed", _PROBES),
    Rule("original.near_limit", "A cluster past 80% of the limit will soon refuse logins.", "inferred", "our margin"),
    Rule("original.incomplete", "An identity event that lacks an id joins nothing.", "inferred", "no source"),
    Rule("original.alias", "$create_alias joins two ids of any form.", "docs", _ORIGINAL),
    Rule("original.alias_exists", "An id is used as an alias once.", "docs", _DIAGRAM),
    Rule("original.merge", "$merge joins two whole clusters, whoever they are.", "docs", _DIAGRAM),
    Rule("original.merge_by_track", "$merge is taken by /import only.", "docs", "Mixpanel docs, Identity: Merge"),
    Rule("original.one_cluster", "The ids are one cluster already.", "inferred", "no source"),
    Rule(
        "original.device_prefix",
        "$device:X and X are two different ids.",
        "inferred",
        "exports of real projects hold both forms",
    ),
    Rule("legacy.alias", "An alias points at one distinct_id for all events that arrive afterwards.", "docs", _ALIASES),
    Rule("legacy.alias_exists", "An alias points at one distinct_id only.", "docs", _ALIASES),
    Rule("legacy.alias_to_itself", "An alias to itself does nothing.", "inferred", "SDKs send nothing"),
    Rule("legacy.alias_circle", "Aliases can't form a circle.", "inferred", "no source"),
    Rule("legacy.incomplete", "An alias that lacks an id does nothing.", "inferred", "no source"),
    Rule("legacy.verb", "$identify and $merge have no effect in a legacy project.", "docs", "Mixpanel docs (2021)"),
)

RULES: Final[dict[str, Rule]] = {rule.name: rule for rule in _ALL}
