"""Finds the settings of the model under which its prediction agrees with what an export shows.

Every switch is set to each of its other values, one at a time, and what was sent is replayed; where no single value
explains everything, those that change something are tried two by two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.ingestion.kinds import Refused, Switch
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.switches import SWITCHES, settings_from
from harness.live.matching import Found
from harness.live.partition import Comparison, compare, users_shown
from harness.live.prediction import Prediction, Replay

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

_MOST_FOR_PAIRS: Final = 20_000
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

    def __str__(self) -> str:
        return " and ".join(f"{name}: {shown(value)}" for name, value in self.settings.items())


def shown(value: Json) -> str:
    """Return a value as one writes it in a settings file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def explain(
    replay: Replay,
    base: Prediction,
    settings: ProjectSettings,
    found: Found,
    told: Comparison,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Explanation]:
    """Return what explains the differences, the best first; empty where nothing does, or nothing differs.

    Args:
        replay: makes predictions.
        base: the prediction that differs.
        settings: its settings.
        found: what the export shows.
        told: the comparison of the two.
        tell: takes a line of progress before each replay, where one takes its time.
    """
    if not (told.differ or told.renamed or told.rejected_but_there):
        return []
    on_try = tell if len(base.sent) > _MOST_FOR_PAIRS else (lambda line: None)
    search = _Search(replay, base, settings, found, told, on_try)
    singles = [search.of(chosen) for chosen in search.candidates()]
    useful = [one for one in singles if one is not None and _is_nearer(one, told)]
    if not any(one.agrees for one in useful) and len(base.sent) <= _MOST_FOR_PAIRS:
        useful += search.pairs(singles)
    useful.sort(key=lambda one: (not one.agrees, len(one.settings), _wrong(one.comparison), "profile" in one.settings))
    agreeing = [one for one in useful if one.agrees]
    return agreeing or useful[:5]


def _is_nearer(one: Explanation, told: Comparison) -> bool:
    left = one.comparison
    now, before = _wrong(left), _wrong(told)
    return now < before and len(left.missing) <= len(told.missing)


def _wrong(comparison: Comparison) -> int:
    return len(comparison.differ) + len(comparison.renamed) + len(comparison.rejected_but_there)


class _Search:
    def __init__(
        self,
        replay: Replay,
        base: Prediction,
        settings: ProjectSettings,
        found: Found,
        told: Comparison,
        on_try: Callable[[str], None],
    ) -> None:
        self._replay = replay
        self._base = base
        self._settings = settings
        self._found = found
        self._told = told
        self._on_try = on_try

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

    def of(self, chosen: Mapping[str, Json]) -> Explanation | None:
        """Return what is left when some switches have other values; None where the replay can't be compared."""
        self._on_try("trying " + " and ".join(f"{name}: {shown(value)}" for name, value in chosen.items()))
        switches = {name: value for name, value in chosen.items() if name in SWITCHES}
        settings, mistakes = settings_from(switches, base=self._settings)
        assert not mistakes, mistakes
        system: IdMerge = chosen.get(ID_MERGE, self._base.id_merge)
        prediction = self._replay.predict(system, settings, self._order() if ARRIVAL in chosen else None)
        if len(prediction.sent) != len(self._base.sent):
            return None
        left = compare(prediction, self._found)
        return Explanation(chosen, left, self._explained(prediction))

    def pairs(self, singles: list[Explanation | None]) -> list[Explanation]:
        """Return what two changes at once explain, of those that change anything alone."""
        changing = [one for one in singles if one is not None and one.comparison != self._told]
        nearer = []
        for one, other in list(combinations(changing, 2))[:_MOST_PAIRS]:
            if not one.settings.keys() & other.settings.keys():
                both = self.of({**one.settings, **other.settings})
                if both is not None and _wrong(both.comparison) < min(
                    _wrong(one.comparison), _wrong(other.comparison), _wrong(self._told)
                ):
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
            ids.setdefault(user, set()).update({self._base.events[index].received, self._base.sent[index].distinct_id})
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
