"""Configurations to search: shipped properties, changed ones, and SDK twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from harness.event import IdMerge
from harness.fuzz.bench import Bench
from harness.fuzz.configure import property_bench
from harness.fuzz.flow import Action, Flow, IdKind, Risk, fitted
from harness.fuzz.sdks import TWINS, Browser
from harness.ingestion.settings import ProjectSettings

PROPERTIES: Final = Path(__file__).parents[2] / "scenarios" / "properties"
PLAIN: Final = ProjectSettings()

MakeBench: TypeAlias = Callable[[Path], Bench]
"""Makes a configuration; files it needs go into the folder."""


def shipped(name: str, id_merge: IdMerge, settings: ProjectSettings = PLAIN) -> Bench:
    """Return the bench of a shipped property."""
    return property_bench(PROPERTIES / name, None, id_merge, settings, frozenset()).bench


def changed(name: str, id_merge: IdMerge, *changes: tuple[str, str], settings: ProjectSettings = PLAIN) -> MakeBench:
    """Return what makes the bench of a shipped property whose text was changed: each pair is what was, and what is."""

    def make(folder: Path) -> Bench:
        text = (PROPERTIES / name).read_text(encoding="utf-8")
        for was, becomes in changes:
            assert was in text, was
            text = text.replace(was, becomes)
        path = folder / "property.yaml"
        path.write_text(text, encoding="utf-8")
        return property_bench(path, None, id_merge, settings, frozenset()).bench

    return make


def twin(
    chosen: str | type[Browser],
    id_merge: IdMerge,
    *risks: Risk,
    limit: int | None = None,
    settings: ProjectSettings = PLAIN,
) -> Bench:
    """Return the bench of an SDK twin, or of one with a mistake in it."""
    sender = TWINS[chosen] if isinstance(chosen, str) else chosen
    if limit is not None:
        settings = replace(settings, identity=replace(settings.identity, cluster_limit=limit))
    return Bench(id_merge, lambda: sender(id_merge), settings, risks=frozenset(risks))


def flow(*told: str, kind: IdKind = "plain") -> Flow:
    """Return a flow from lines such as `ana: log in, laptop` and `retry, phone, 1`."""
    actions = tuple(map(_action, told))
    made = fitted(actions, frozenset({"shared", "new-e-mail", "long-offline"}), id_kind=kind)
    assert made.actions == actions, "not possible as it stands"
    return made


def _action(line: str) -> Action:
    who, _, what = line.rpartition(": ")
    verb, device, detail = (*(part.strip() for part in what.split(",")), "", "")[:3]
    return Action(verb, who, device, int(detail or 0))  # type: ignore[arg-type]
