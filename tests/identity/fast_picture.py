"""The picture that the model under test gives of a stream, in the terms of the slow model."""

from __future__ import annotations

from collections.abc import Sequence

from harness.event import IDENTITY_EVENTS, IdMerge
from harness.identity.model import Arrival, IdentityModel, build
from harness.identity.settings import IdentitySettings
from tests.identity.slow_model import Picture, Sent, Verdict


class Replay:
    """A model that takes a stream event by event and can be looked at between any two of them."""

    def __init__(self, id_merge: IdMerge, settings: IdentitySettings) -> None:
        self.model: IdentityModel = build(id_merge, settings)
        self.taken: list[Sent] = []
        self.arrivals: list[Arrival] = []

    def take(self, stream: Sequence[Sent]) -> Replay:
        """Take more events."""
        for sent in stream:
            self.taken.append(sent)
            self.arrivals.append(
                self.model.add(sent.event, endpoint=sent.endpoint, arrival_ms=sent.arrival_ms),
            )
        return self

    def picture(self) -> Picture:
        """Return everything the model says right now, after checking that it does not contradict itself."""
        model = self.model
        clusters = model.clusters()
        # What comes back from one event at a time and what is kept are one list.
        assert [arrival.decision for arrival in self.arrivals if arrival.decision is not None] == list(model.decisions)
        for cluster in clusters:
            assert cluster.canonical in cluster.ids
            for member in cluster.ids:
                assert model.knows(member)
                assert model.members(member) == cluster.ids
                assert model.settled(member) == cluster.canonical
        canonical = tuple(model.settled(arrival.stored) for arrival in self.arrivals)
        return Picture(
            decisions=tuple(
                Verdict(decision.kind, decision.ids, decision.outcome, decision.reason, decision.event_index)
                for decision in model.decisions
            ),
            received=tuple(arrival.received for arrival in self.arrivals),
            stored=tuple(arrival.stored for arrival in self.arrivals),
            canonical=canonical,
            clusters=tuple(cluster.ids for cluster in clusters),
            users=frozenset(
                text
                for sent, text in zip(self.taken, canonical, strict=True)
                if text and sent.event.name not in IDENTITY_EVENTS
            ),
        )


def fast_picture(id_merge: IdMerge, settings: IdentitySettings, stream: Sequence[Sent]) -> Picture:
    """Return the picture of a whole stream."""
    return Replay(id_merge, settings).take(stream).picture()
