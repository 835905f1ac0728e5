"""Original ID Merge: `$identify`, `$create_alias` and `$merge` join clusters of ids, each under its own guards.

Rules follow Mixpanel's documentation and decision diagrams (`docs`), the size of a cluster what was observed. A refusal
is silent: the event is stored with the reason on it, and nothing else changes.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Hashable, Mapping
from typing import Final

from harness.event import DEVICE_PREFIX, Endpoint, Event, Json, id_text
from harness.identity.clusters import Clusters
from harness.identity.model import Arrival, Caution, Cluster, Decision, DecisionRow, IdentityModel, Kind
from harness.identity.settings import WARN_SHARE, IdentitySettings

_HEX: Final = "[0-9a-fA-F]"
_STRICT_V4: Final = re.compile(
    rf"(?:\$device:)?{_HEX}{{8}}-{_HEX}{{4}}-4{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}"
).fullmatch
_FORMS: Final = {
    "strict_v4": _STRICT_V4,
    "compat": re.compile(rf"(?:\$device:)?{_HEX}+(?:-{_HEX}+){{4}}").fullmatch,
    "php_loose": re.compile(r"(?:\$device:)?[a-zA-Z0-9]*(?:-[a-zA-Z0-9]*){4}").fullmatch,
}
_NO_ID: Final = -1
_new = tuple.__new__
_RULE_OF_KIND: Final[dict[Kind, str]] = {
    "identify": "original.identify",
    "alias": "original.alias",
    "merge": "original.merge",
}


class OriginalModel(IdentityModel):
    """The identity clusters of a project with Original ID Merge."""

    id_merge = "original"

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        super().__init__(settings)
        chosen = self.settings
        self._clusters = Clusters()
        self._numbers = self._clusters.numbers
        self._form = _FORMS[chosen.anon_id_form]
        self._equivalent = chosen.device_prefix_equivalent
        self._anon_only = chosen.assigned_rule == "anon_only"
        self._keep_pairs = self._anon_only or chosen.reidentify_same_pair == "noop"
        self._prefixed: set[str] = set()
        self._limit = chosen.max_cluster_ids
        self._warn_size = max(2, math.ceil(self._limit * WARN_SHARE))
        self._identified: set[int] = set()
        self._identified_roots: set[int] = set()
        self._assigned: dict[int, list[int]] = {}
        self._aliases: set[str] = set()
        self._canonicals: dict[int, str] = {}

    def add(
        self, event: Event, *, index: int | None = None, endpoint: Endpoint = "import", arrival_ms: int = 0
    ) -> Arrival:
        """Take one event; see `IdentityModel.add`."""
        at = self._count if index is None else index
        self._count += 1
        properties = event.properties
        sent = properties.get("distinct_id")
        received = sent if type(sent) is str else id_text(sent)
        name = event.name
        if name == "$identify":
            row = self._identify(properties, received, at)
            received = received or id_text(properties.get("$identified_id"))
        elif name == "$create_alias":
            row = self._create_alias(properties, received, at)
        elif name == "$merge":
            row = self._merge(properties, endpoint, at)
            received = received or _first(properties.get("$distinct_ids"))
        else:
            stored = self._key(received)
            if stored:
                self._number(stored, at)
            return Arrival(received, stored, None)
        self.decisions.record(row)
        stored = self._key(received) if self._equivalent else received
        if stored not in self._numbers and stored:
            self._number(stored, at)
        return _new(Arrival, (received, stored, _new(Decision, row)))

    def settled(self, stored: str) -> str:
        """Return the canonical distinct_id; in original it is picked by the policy of the settings."""
        return self.resolve(stored)

    def resolve(self, distinct_id: str) -> str:
        """Return the canonical distinct_id of an id; an unknown one is its own."""
        key = self._key(distinct_id)
        number = self._numbers.get(key)
        return key if number is None else self._canonical(self._clusters.find(number))

    def knows(self, distinct_id: str) -> bool:
        """Return whether any event carried or named this id."""
        return self._key(distinct_id) in self._numbers

    def members(self, distinct_id: str) -> tuple[str, ...]:
        """Return all ids of the cluster of an id, sorted: the set of its possible canonical ids."""
        key = self._key(distinct_id)
        number = self._numbers.get(key)
        if number is None:
            return (key,)
        return tuple(sorted(map(self._clusters.text, self._clusters.numbers_of(number))))

    def clusters(self) -> list[Cluster]:
        """Return every cluster, sorted."""
        found = (
            Cluster(self._canonical(root), self.members(self._clusters.text(root))) for root in self._clusters.roots()
        )
        return sorted(found, key=lambda cluster: cluster.ids)

    def cluster_key(self, distinct_id: str) -> Hashable:
        """Return the root of an id's cluster; an unknown id is its own."""
        key = self._key(distinct_id) if self._equivalent else distinct_id
        number = self._numbers.get(key)
        return key if number is None else self._clusters.find(number)

    def spelling(self, distinct_id: str) -> str:
        """Return an id without `$device:` where the settings take both forms for one id."""
        return self._key(distinct_id)

    def _key(self, text: str) -> str:
        if self._equivalent:
            # All of them: `$device:X` is X whatever X is, and a key has to be its own key.
            while text.startswith(DEVICE_PREFIX):
                text = text[len(DEVICE_PREFIX) :]
        return text

    def _number(self, text: str, at: int) -> int:
        if not text:
            return _NO_ID
        number = self._numbers.get(text)
        if number is not None:
            return number
        if text[0] == "$" and text.startswith(DEVICE_PREFIX):
            bare = text[len(DEVICE_PREFIX) :]
            self._prefixed.add(bare)
            if bare in self._numbers:
                self._caution_twins(bare, at)
        elif text in self._prefixed:
            self._caution_twins(text, at)
        return self._clusters.add(text)

    def _caution_twins(self, bare: str, at: int) -> None:
        message = f"{bare!r} and {DEVICE_PREFIX + bare!r} both occur; in original they are two different ids"
        self.cautions.append(Caution("original.device_prefix", at, (bare, DEVICE_PREFIX + bare), message))

    def _identify(self, properties: Mapping[str, Json], received: str, at: int) -> DecisionRow:
        get = properties.get
        identified = received if "$identified_id" not in properties else id_text(get("$identified_id")) or received
        sent = get("$anon_id")
        if sent is None or sent == "":  # but false, 0 and [] are ids
            sent = get("$anon_distinct_id")
        anonymous = sent if type(sent) is str else id_text(sent)
        if self._equivalent:
            identified, anonymous = self._key(identified), self._key(anonymous)
        ids = (anonymous, identified)
        numbers = self._numbers
        user = numbers[identified] if identified in numbers else self._number(identified, at)
        anon = numbers[anonymous] if anonymous in numbers else self._number(anonymous, at)
        if anon == user:
            text = f"Identified and anon ID are same in the identify request {anonymous}"
            return ("identify", ids, "refused", "errSameIDs", "original.same_ids", at, text)
        if not _STRICT_V4(anonymous) and not self._passes_form(anonymous, at):
            text = f"$anon_distinct_id didn't match expected GUID pattern: {anonymous}"
            reason = "errAnonDistinctIdNonGUIDForm"
            return ("identify", ids, "refused", reason, "original.anon_id_form", at, text)
        if user == _NO_ID:
            return ("identify", ids, "refused", None, "original.incomplete", at, "")
        a = self._clusters.find(anon)
        if (anon in self._assigned) if self._anon_only else (a in self._identified_roots):
            return self._assigned_already(ids, anon, user, at)
        row = self._unite("identify", ids, a, user, at)
        if row[2] == "merged":
            self._identified.add(user)
            self._identified_roots.add(self._clusters.find(user))
            if self._keep_pairs:
                self._assigned.setdefault(anon, []).append(user)
        return row

    def _passes_form(self, anonymous: str, at: int) -> bool:
        if not self._form(anonymous):
            return False
        message = f"the anonymous id {anonymous!r} is no UUID of version 4; the real server may refuse it"
        self.cautions.append(Caution("original.anon_not_v4", at, (anonymous,), message))
        return True

    def _assigned_already(self, ids: tuple[str, str], anon: int, user: int, at: int) -> DecisionRow:
        if self.settings.reidentify_same_pair == "noop" and user in self._assigned.get(anon, ()):
            return ("identify", ids, "already", None, "original.one_cluster", at, "")
        text = f"$anon_distinct_id already identified: {ids[0]}"
        reason = "errAnonDistinctIdAssignedAlready"
        return ("identify", ids, "refused", reason, "original.assigned_already", at, text)

    def _create_alias(self, properties: Mapping[str, Json], received: str, at: int) -> DecisionRow:
        get = properties.get
        alias = self._key(id_text(get("alias")))
        target = self._key(received)
        ids = (alias, target)
        numbers = [self._number(text, at) for text in ids]
        if _NO_ID in numbers:
            return ("alias", ids, "refused", None, "original.incomplete", at, "")
        if alias in self._aliases:
            text = "alias already exists with the id"
            return ("alias", ids, "refused", "errAliasAlreadyExists", "original.alias_exists", at, text)
        row = self._unite("alias", ids, numbers[0], numbers[1], at)
        if row[2] != "refused":
            self._aliases.add(alias)
        return row

    def _merge(self, properties: Mapping[str, Json], endpoint: Endpoint, at: int) -> DecisionRow:
        named = properties.get("$distinct_ids")
        ids = tuple(self._key(id_text(value)) for value in named) if isinstance(named, (list, tuple)) else ()
        numbers = [self._number(text, at) for text in ids]
        if endpoint == "track":
            return ("merge", ids, "ignored", None, "original.merge_by_track", at, "")
        if len(ids) != 2 or _NO_ID in numbers:
            return ("merge", ids, "refused", None, "original.incomplete", at, "")
        return self._unite("merge", ids, numbers[0], numbers[1], at)

    def _unite(self, kind: Kind, ids: tuple[str, ...], first: int, second: int, at: int) -> DecisionRow:
        clusters = self._clusters
        a, b = clusters.find(first), clusters.find(second)
        if a == b:
            return (kind, ids, "already", None, "original.one_cluster", at, "")
        larger, smaller = clusters.size(a), clusters.size(b)
        if larger < smaller:
            larger, smaller = smaller, larger
        size = larger + smaller
        if size >= self._warn_size:
            if size > self._limit:
                return self._too_many(kind, ids, size, at)
            if larger < self._warn_size:
                message = f"the cluster of {ids[-1]!r} has {size} ids; at {self._limit} it refuses every further one"
                self.cautions.append(Caution("original.near_limit", at, ids, message))
        root = clusters.join(a, b)
        child = b if root == a else a
        if child in self._identified_roots:
            self._identified_roots.discard(child)
            self._identified_roots.add(root)
        if self._canonicals:
            self._canonicals.pop(a, None)
            self._canonicals.pop(b, None)
        return (kind, ids, "merged", None, _RULE_OF_KIND[kind], at, "")

    def _too_many(self, kind: Kind, ids: tuple[str, ...], size: int, at: int) -> DecisionRow:
        text = f"too many distinctIDs mapped together, Cluster size: {size} Max limit: {self._limit}"
        return (kind, ids, "refused", "errManyIDs", "original.too_many_ids", at, text)

    def _canonical(self, root: int) -> str:
        known = self._canonicals.get(root)
        if known is None:
            known = self._canonicals[root] = self._clusters.text(self._pick(root))
        return known

    def _pick(self, root: int) -> int:
        members = self._clusters.numbers_of(root)
        policy = self.settings.canonical
        if policy == "first_seen":
            return min(members)
        if policy == "user_first":
            return min(members, key=lambda number: (number not in self._identified, number))
        key = self.settings.canonical_seed.to_bytes(16, "big", signed=True)
        text = self._clusters.text
        return min(members, key=lambda number: _lot(key, text(number)))


def _first(named: Json) -> str:
    return id_text(named[0]) if isinstance(named, (list, tuple)) and named else ""


def _lot(key: bytes, text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()
