"""The switches of the identity model: where sources differ, which reading to follow.

`profile` picks the side where what is documented and what was observed differ; a single switch overrides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Profile: TypeAlias = Literal["observed", "docs"]
CanonicalPolicy: TypeAlias = Literal["seeded_random", "user_first", "first_seen"]

CLUSTER_LIMITS: Final[dict[Profile, int]] = {"observed": 501, "docs": 500}
"""Largest cluster in original (`observed`: one user and 510 anonymous ids ended as 11 users; `docs`: "up to 500")."""

WARN_SHARE: Final = 0.8
"""Share of the cluster limit from which the model warns."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """One reading of Mixpanel's identity rules.

    Attributes:
        profile: which side to take where `docs` and `observed` differ.
        cluster_limit: most ids in one cluster in original; None: the profile's own.
        canonical: how original picks the canonical id of a cluster. Nobody can predict it, so the default is seeded.
        canonical_seed: the seed of `seeded_random`.
        anon_id_form: which anonymous ids `$identify` takes in original.
        assigned_rule: `cluster`: refused when the anonymous id's cluster holds an identified id; `anon_only`: when
            the anonymous id itself was identified before.
        reidentify_same_pair: the same `$identify` again in original is refused (`error`) or nothing to do (`noop`).
        device_prefix_equivalent: original takes `$device:X` and `X` for one id.
        strip_device_prefix: simplified removes one leading `$device:` from `$device_id`, or none.
        empty_id: simplified takes an empty `$user_id` or `$device_id` for absent, or literally.
        alias_delay_ms: milliseconds until an alias works in legacy.
    """

    profile: Profile = "observed"
    cluster_limit: int | None = None
    canonical: CanonicalPolicy = "seeded_random"
    canonical_seed: int = 0
    anon_id_form: Literal["compat", "strict_v4", "php_loose"] = "compat"
    assigned_rule: Literal["cluster", "anon_only"] = "cluster"
    reidentify_same_pair: Literal["error", "noop"] = "error"
    device_prefix_equivalent: bool = False
    strip_device_prefix: Literal["one", "none"] = "one"
    empty_id: Literal["absent", "literal"] = "absent"
    alias_delay_ms: int = 0

    @property
    def max_cluster_ids(self) -> int:
        """The most ids one cluster may have in original."""
        return CLUSTER_LIMITS[self.profile] if self.cluster_limit is None else self.cluster_limit
