"""Simplified ID Merge: a device belongs to the first user it was seen with, and users never merge.

Rules follow Mixpanel's documentation (`docs`) and probes of real projects (`observed`), as each rule says.
"""

from __future__ import annotations

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Endpoint, Event, Json, device_key, id_text
from harness.identity.looks import looks_anonymous
from harness.identity.model import KIND_OF_EVENT, Arrival, Caution, Cluster, Decision, DecisionRow, IdentityModel
from harness.identity.settings import IdentitySettings

_new = tuple.__new__


class SimplifiedModel(IdentityModel):
    """The identity clusters of a project with Simplified ID Merge: one user each, or a device without one."""

    id_merge = "simplified"

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        super().__init__(settings)
        self._owners: dict[str, str | None] = {}
        self._users: dict[str, list[str]] = {}
        self._keys: dict[str, str] = {}
        self._links: dict[str, tuple[str, str]] = {}
        self._strip = self.settings.strip_device_prefix == "one"
        self._literal = self.settings.empty_id == "literal"

    def add(
        self, event: Event, *, index: int | None = None, endpoint: Endpoint = "import", arrival_ms: int = 0
    ) -> Arrival:
        """Take one event; see `IdentityModel.add`."""
        at = self._count if index is None else index
        self._count += 1
        name, properties = event.name, event.properties
        if name[:1] == "$" and name in IDENTITY_EVENTS:
            return self._ignore(event, at)
        user, device = properties.get("$user_id"), properties.get("$device_id")
        if type(user) is not str or not user:
            user = self._unusual_user(user)
        if type(device) is not str or not device or device[0] == "$":
            device = self._unusual_device(device)
        if user is None and device is None:
            user, device = self._from_distinct_id(id_text(properties.get("distinct_id")), at)
        if user is None:
            if device is None:
                return Arrival("", "", None)
            key = self._keys.get(device) or self._know_device(device)
            return _new(Arrival, (key, key, None))
        if user and user not in self._users:
            self._know(user)
        if device is None:
            return _new(Arrival, (user, user, None))
        key = self._keys.get(device) or self._know_device(device)
        if not user:
            # A literally empty user takes the event, but no device.
            return Arrival(user, user, None)
        row = self._link(key, user, at)
        self.decisions.record(row)
        user = row[1][1]  # the text that the link keeps anyway
        return _new(Arrival, (user, user, _new(Decision, row)))

    def settled(self, stored: str) -> str:
        """Return the user id, or the device's own key where no user has it yet."""
        return self._owners.get(stored) or stored

    def resolve(self, distinct_id: str) -> str:
        """Return the canonical distinct_id: the user of a device, a user id itself."""
        return self._owners.get(distinct_id) or distinct_id

    def knows(self, distinct_id: str) -> bool:
        """Return whether any event carried this id; devices go by `$device:<id>`."""
        return distinct_id in self._owners or distinct_id in self._users

    def members(self, distinct_id: str) -> tuple[str, ...]:
        """Return the user and all its devices, sorted."""
        user = self.resolve(distinct_id)
        return tuple(sorted([user, *self._users.get(user, ())]))

    def clusters(self) -> list[Cluster]:
        """Return every user with its devices, and every device without a user, sorted."""
        found = [Cluster(user, tuple(sorted([user, *devices]))) for user, devices in self._users.items()]
        found += [Cluster(key, (key,)) for key, owner in self._owners.items() if owner is None]
        return sorted(found, key=lambda cluster: cluster.ids)

    def _unusual_user(self, sent: Json) -> str | None:
        user = id_text(sent)
        return user if user or (self._literal and sent is not None) else None

    def _unusual_device(self, sent: Json) -> str | None:
        device = id_text(sent)
        if self._strip and device.startswith(DEVICE_PREFIX):
            device = device[len(DEVICE_PREFIX) :]
        return device if device or (self._literal and sent is not None) else None

    def _know_device(self, device: str) -> str:
        """Return the id of a device; the same text for all its events, for there may be millions."""
        key = self._keys[device] = device_key(device)
        self._owners.setdefault(key, None)
        return key

    def _from_distinct_id(self, sent: str, at: int) -> tuple[str | None, str | None]:
        if sent.startswith(DEVICE_PREFIX):
            return None, sent[len(DEVICE_PREFIX) :] or None
        if sent and sent not in self._users and looks_anonymous(sent):
            message = f"the distinct_id {sent!r} has no $device: prefix, so it is a user of its own (a phantom user)"
            self.cautions.append(Caution("simplified.phantom_user", at, (sent,), message))
        return sent or None, None

    def _know(self, user: str) -> None:
        if user.startswith(DEVICE_PREFIX):
            self._owners.setdefault(user, None)
        elif user not in self._users:
            self._users[user] = []

    def _link(self, key: str, user: str, at: int) -> DecisionRow:
        known = self._links.get(key)
        if known is not None and known[1] == user:
            return ("link", known, "already", None, "simplified.linked_already", at, "")
        ids = (key, user)
        if user.startswith(DEVICE_PREFIX):
            message = f"the $user_id {user!r} starts with $device:, so it never links"
            self.cautions.append(Caution("simplified.user_id_is_device", at, ids, message))
            return ("link", ids, "refused", None, "simplified.user_id_is_device", at, "")
        if known is None:
            self._owners[key] = user
            self._links[key] = ids
            self._users[user].append(key)
            return ("link", ids, "merged", None, "simplified.link", at, "")
        reason, text = "errAnonDistinctIdAssignedAlready", f"$anon_distinct_id already identified: {key}"
        return ("link", ids, "refused", reason, "simplified.device_of_another", at, text)

    def _ignore(self, event: Event, at: int) -> Arrival:
        sent = id_text(event.properties.get("distinct_id"))
        decision = Decision(KIND_OF_EVENT[event.name], named_ids(event, sent), "ignored", None, "simplified.verb", at)
        self.decisions.keep(decision)
        user, device = self._from_distinct_id(sent, at)
        if user is not None:
            self._know(user)
            return Arrival(sent, user, decision)
        if device is None:
            return Arrival(sent, "", decision)
        return Arrival(sent, self._keys.get(device) or self._know_device(device), decision)


def named_ids(event: Event, distinct_id: str) -> tuple[str, ...]:
    """Return the ids an identity event names, the anonymous or newer one first; absent ones are left out."""
    get = event.properties.get
    if event.name == "$identify":
        anonymous = id_text(get("$anon_id")) or id_text(get("$anon_distinct_id"))
        named = [anonymous, id_text(get("$identified_id")) or distinct_id]
    elif event.name == "$create_alias":
        named = [id_text(get("alias")), distinct_id]
    else:
        listed = get("$distinct_ids")
        named = [id_text(value) for value in listed] if isinstance(listed, (list, tuple)) else []
    return tuple(text for text in named if text)
