"""Legacy: an alias rewrites the ids of events that arrive after it. Nothing is retroactive.

Rules follow Mixpanel's older documentation (`docs`); circles and an alias to itself are our reading (`inferred`).
"""

from __future__ import annotations

from harness.event import Endpoint, Event, id_text
from harness.identity.model import KIND_OF_EVENT, Arrival, Cluster, Decision, IdentityModel
from harness.identity.settings import IdentitySettings
from harness.identity.simplified import named_ids


class LegacyModel(IdentityModel):
    """The users of a project without ID merge: every stored id is a user of its own."""

    id_merge = "legacy"

    def __init__(self, settings: IdentitySettings | None = None) -> None:
        super().__init__(settings)
        self._targets: dict[str, str] = {}
        self._aliases: dict[str, list[str]] = {}
        self._works_from_ms: dict[str, int] = {}
        self._stored: dict[str, None] = {}
        self._delay_ms = self.settings.alias_delay_ms

    def add(
        self, event: Event, *, index: int | None = None, endpoint: Endpoint = "import", arrival_ms: int = 0
    ) -> Arrival:
        """Take one event; see `IdentityModel.add`."""
        at = self._next_index(index)
        received = id_text(event.properties.get("distinct_id"))
        stored = self._follow_at(received, arrival_ms)
        if stored:
            self._stored.setdefault(stored)
        kind = KIND_OF_EVENT.get(event.name)
        if kind is None:
            return Arrival(received, stored, None)
        if kind == "alias":
            decision = self._create_alias(id_text(event.properties.get("alias")), received, at, arrival_ms)
        else:
            decision = Decision(kind, named_ids(event, received), "ignored", None, "legacy.verb", at)
        self.decisions.keep(decision)
        return Arrival(received, stored, decision)

    def settled(self, stored: str) -> str:
        """Return the stored id itself: what came before an alias stays where it was."""
        return stored

    def resolve(self, distinct_id: str) -> str:
        """Return the id that an event sent with this id is stored under from now on."""
        return self._follow(distinct_id)

    def knows(self, distinct_id: str) -> bool:
        """Return whether an event was stored under this id, or an alias has this name."""
        return distinct_id in self._stored or distinct_id in self._targets

    def members(self, distinct_id: str) -> tuple[str, ...]:
        """Return the id alone, since nothing is ever joined afterwards; an alias without events is its target."""
        return (distinct_id,) if distinct_id in self._stored else (self._follow(distinct_id),)

    def ids_of_one_user(self, distinct_id: str) -> frozenset[str]:
        """Return the id that events are stored under from now on, and every alias that leads there."""
        found = [self._follow(distinct_id)]
        for text in found:
            found += self._aliases.get(text, ())
        return frozenset(found)

    def clusters(self) -> list[Cluster]:
        """Return every stored id as a cluster of its own, sorted."""
        return [Cluster(text, (text,)) for text in sorted(self._stored)]

    def _create_alias(self, alias: str, target: str, at: int, arrival_ms: int) -> Decision:
        ids = (alias, target)
        if not alias or not target:
            return Decision("alias", ids, "refused", None, "legacy.incomplete", at)
        if alias in self._targets:
            text = "alias already exists with the id"
            return Decision("alias", ids, "refused", "errAliasAlreadyExists", "legacy.alias_exists", at, text)
        if alias == target:
            return Decision("alias", ids, "already", None, "legacy.alias_to_itself", at)
        if self._follow(target) == alias:
            return Decision("alias", ids, "refused", "alias_circle", "legacy.alias_circle", at)
        self._targets[alias] = target
        self._aliases.setdefault(target, []).append(alias)
        if self._delay_ms:
            self._works_from_ms[alias] = arrival_ms + self._delay_ms
        return Decision("alias", ids, "merged", None, "legacy.alias", at)

    def _follow(self, text: str) -> str:
        targets = self._targets
        while (target := targets.get(text)) is not None:
            further = targets.get(target)
            if further is not None and not self._delay_ms:
                targets[text] = further
            text = target
        return text

    def _follow_at(self, text: str, arrival_ms: int) -> str:
        if not self._delay_ms:
            return self._follow(text)
        while text in self._targets and arrival_ms >= self._works_from_ms[text]:
            text = self._targets[text]
        return text
