"""Finds the settings of the model under which its prediction agrees with what an export shows.

Every switch is set to each of its other values, one at a time, and what was sent is replayed; where no single value
explains everything, those that change something are tried two by two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from harness.event import DEVICE_PREFIX, ID_MERGE_SYSTEMS, IdMerge, Json
from harness.ingestion.kinds import Refused, Switch
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import SWITCHES, settings_from
from harness.live.differences import Joined
from harness.live.matching import Found
from harness.live.partition import Comparison, compare, users_shown
from harness.live.prediction import Predicted, Prediction, Replay, SentEvent

ID_MERGE: Final = "id_merge"
ARRIVAL: Final = "order of arrival"
_NUMBERS: Final[dict[str, tuple[Json, ...]]] = {
    "cluster_limit": (500, 501, 499),
    "legacy.alias_delay_ms": (0, 1, 1_000),
    "time.ms_threshold": (1e11, 1e12),
    "track_window_days": (5, 3, 7, 10, 30),
}
"""What a switch without a list of words may be."""

_WITHOUT_EFFECT: Final = frozenset(
    {
        "canonical_seed",
        "original.canonical",
        "project_timezone",
        "dedup.id",
        "dedup.day",
        "dedup.compaction",
        "arrival.shuffle_seed",
        "propagation_delay",
        "token",
        "region",
    }
)
"""Switches that change neither who is one user nor what is stored."""

_OF_SYSTEM: Final = {"cluster_limit": "original"}
"""Switches of one system that its name does not begin."""

_SMALL: Final = 2_000
_MOST_PAIRS: Final = 60


@dataclass(frozen=True, slots=True)
class Explanation:
    """Settings that bring the model nearer to reality.

    Attributes:
        settings: the switches and the values they would need; `id_merge` and `order of arrival` are among their names.
        comparison: what is left when they have them.
        explains: of the pairs that differ, those that come out as in reality, by their position.
    """

    settings: Mapping[str, Json]
    comparison: Comparison
    explains: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing is left."""
        left = self.comparison
        return not (left.differ or left.renamed or left.rejected_but_there)

    def is_nearer(self, told: Comparison) -> bool:
        """Return whether less is left than there was."""
        left = self.comparison
        return _wrong(left) < _wrong(told) and len(left.missing) <= len(told.missing)

    def __str__(self) -> str:
        return " and ".join(f"{name}: {shown(value)}" for name, value in self.settings.items())


def shown(value: Json) -> str:
    """Return a value as one writes it in a settings file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Case:
    """A prediction that differs from an export.

    Attributes:
        replay: what was sent.
        base: what the model predicts of it.
        settings: the settings it predicts by.
        found: what the export shows.
        told: how the two differ.
    """

    replay: Replay
    base: Prediction
    settings: ProjectSettings
    found: Found
    told: Comparison

    def part(self) -> Case:
        """Return the same for the events alone that can have to do with the differences.

        Those are all whose ids any event connects with ids that differ, whether it joined them or not: decisions never
        reach beyond.
        """
        joined = Joined()
        for sent, predicted in zip(self.base.sent, self.base.events, strict=True):
            for text in _ids(sent, predicted):
                joined.join(("event", sent.event_index), text)
        told = self.told
        about = {index for one in told.differ for index in one.examples} | {*told.rejected_but_there}
        names = {one.predicted for one in told.renamed}
        about |= {index for index, one in enumerate(self.base.events) if one.distinct_id in names}
        roots = {joined.find(("event", index)) for index in about}
        kept = [index for index in range(len(self.base.sent)) if joined.find(("event", index)) in roots]
        replay = Replay([self.replay.rows[index] for index in kept], self.replay.strict)
        base = replay.predict(self.base.id_merge, self.settings)
        shown = {at: self.found.shown[index] for at, index in enumerate(kept) if index in self.found.shown}
        found = Found(shown)
        return Case(replay, base, self.settings, found, compare(base, found))


def explain(case: Case, tell: Callable[[str], None] = lambda line: None) -> list[Explanation]:
    """Return what explains the differences, the best first; empty where nothing does, or nothing differs.

    Args:
        case: what differs.
        tell: takes a line of progress before each replay, where one takes its time.
    """
    if not _wrong(case.told):
        return []
    whole = _Search(case, tell if len(case.base.sent) > _SMALL else (lambda line: None))
    candidates = list(whole.candidates())
    if len(case.base.sent) <= _SMALL:
        useful = whole.useful(candidates)
    else:
        # What does not help where it differs does not help at all; what does has to hold for everything.
        part = _Search(case.part(), whole.on_try)
        useful = [found for one in part.useful(candidates) if (found := whole.of(one.settings)).is_nearer(case.told)]
    useful.sort(key=lambda one: (not one.agrees, len(one.settings), _wrong(one.comparison), "profile" in one.settings))
    return [one for one in useful if one.agrees] or useful[:5]


def _wrong(comparison: Comparison) -> int:
    return len(comparison.differ) + len(comparison.renamed) + len(comparison.rejected_but_there)


def _ids(sent: SentEvent, predicted: Predicted) -> Iterator[str]:
    """Yield every id that an event carries, names or implies, without `$device:`, which some settings ignore."""
    for text in (sent.distinct_id, sent.device_id, sent.user_id, predicted.received, *sent.named):
        while text.startswith(DEVICE_PREFIX):
            text = text[len(DEVICE_PREFIX) :]
        if text:
            yield text


class _Search:
    """Tries settings on one case."""

    def __init__(self, case: Case, on_try: Callable[[str], None]) -> None:
        self._case = case
        self._base = case.base
        self._settings = case.settings
        self._found = case.found
        self._told = case.told
        self.on_try = on_try

    def useful(self, candidates: Sequence[Mapping[str, Json]]) -> list[Explanation]:
        """Return the settings that help: single ones, and where none of them suffices two at once too."""
        singles = [self.of(chosen) for chosen in candidates]
        useful = [one for one in singles if one.is_nearer(self._told)]
        return useful if any(one.agrees for one in useful) else [*useful, *self._pairs(singles)]

    def candidates(self) -> Iterator[dict[str, Json]]:
        """Yield every single change that may explain something."""
        others = {system for system in ID_MERGE_SYSTEMS if system != self._base.id_merge}
        for switch in SWITCHES.values():
            is_of_another = _OF_SYSTEM.get(switch.name, switch.name.partition(".")[0]) in others
            if switch.name not in _WITHOUT_EFFECT and not is_of_another:
                for value in self._values(switch):
                    yield {switch.name: value}
        for system in ID_MERGE_SYSTEMS:
            if system != self._base.id_merge:
                yield {ID_MERGE: system}
        if self._order() is not None:
            yield {ARRIVAL: "as the export has it"}

    def of(self, chosen: Mapping[str, Json]) -> Explanation:
        """Return what is left when some switches have other values."""
        self.on_try("trying " + " and ".join(f"{name}: {shown(value)}" for name, value in chosen.items()))
        switches = {name: value for name, value in chosen.items() if name in SWITCHES}
        settings, mistakes = settings_from(switches, base=self._settings)
        assert not mistakes, mistakes
        system: IdMerge = chosen.get(ID_MERGE, self._base.id_merge)
        prediction = self._case.replay.predict(system, settings, self._order() if ARRIVAL in chosen else None)
        return Explanation(chosen, compare(prediction, self._found), self._explained(prediction))

    def _pairs(self, singles: Sequence[Explanation]) -> list[Explanation]:
        """Return what two changes at once explain, of those that change anything alone."""
        changing = [one for one in singles if one.comparison != self._told]
        nearer = []
        for one, other in list(combinations(changing, 2))[:_MOST_PAIRS]:
            if not one.settings.keys() & other.settings.keys():
                both = self.of({**one.settings, **other.settings})
                if _wrong(both.comparison) < min(map(_wrong, (one.comparison, other.comparison, self._told))):
                    nearer.append(both)
        return nearer

    def _values(self, switch: Switch) -> list[Json]:
        """Return the values of a switch that are not the one it has."""
        now = self._value_now(switch)
        words = [word.strip() for word in switch.values.split("|")]
        values: list[Json] = [True, False] if words in (["false", "true"], ["true", "false"]) else list(words)
        if switch.name in _NUMBERS:
            values = list(_NUMBERS[switch.name])
        if switch.name == "cluster_limit":
            values += [size for size in self._sizes() if size not in values]
        readable = [value for value in values if not isinstance(switch.read(value), Refused)]
        return [value for value in readable if switch.read(value) != now]

    def _value_now(self, switch: Switch) -> object:
        if switch.name == "cluster_limit":
            return self._settings.identity.max_cluster_ids
        parts = {"identity": self._settings.identity, "ingestion": self._settings.ingestion, "project": self._settings}
        return getattr(parts[switch.part], switch.field)

    def _sizes(self) -> list[int]:
        """Return how many ids the largest user of the export has, where that may be the limit of a cluster."""
        if self._base.id_merge != "original":
            return []
        ids: dict[object, set[str]] = {}
        for index, user in users_shown(self._base, self._found).items():
            sent = self._base.sent[index]
            is_refused = any(row.reason for row in self._found.shown[index])
            named = () if is_refused else sent.named
            ids.setdefault(user, set()).update({self._base.events[index].received, sent.distinct_id, *named})
        sizes = {len(known - {""}) for known in ids.values()}
        return [max(sizes)] if sizes and max(sizes) > 1 else []

    def _order(self) -> list[int] | None:
        """Return the sent events in the order in which Mixpanel took them; None where no row tells, or as sent."""
        arrived: dict[int, int] = {}
        for index, rows in self._found.shown.items():
            if rows[0].arrived_ms is None:
                return None
            arrived[index] = rows[0].arrived_ms
        last = 0
        keys = []
        for sent in self._base.sent:
            last = arrived.get(sent.event_index, last)
            keys.append(last)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        return None if order == list(range(len(keys))) else order

    def _explained(self, prediction: Prediction) -> tuple[int, ...]:
        """Return the positions of the differing pairs that a prediction has as in reality."""
        explained = []
        for at, difference in enumerate(self._told.differ):
            one, other = (prediction.events[index].distinct_id for index in difference.examples)
            is_joined = one == other and one != ""
            if is_joined == (difference.actual == "joined"):
                explained.append(at)
        return tuple(explained)
