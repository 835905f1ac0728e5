"""Makes a bench of what users name: an SDK twin, or a property with its template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.event import IdMerge
from harness.forwarder.engine import RulesEngine
from harness.forwarder.property import Property, load_property
from harness.forwarder.property_uses import secrets
from harness.fuzz.bench import PROPERTY_ENVIRONMENT, Bench
from harness.fuzz.edge import Edge, edge_verbs
from harness.fuzz.flow import Risk
from harness.fuzz.infer import Inferred, infer
from harness.fuzz.invariants import INVARIANTS, Invariant
from harness.fuzz.sdks import TWINS, Browser
from harness.fuzz.template import Template, load_template
from harness.ingestion.settings import ProjectSettings
from harness.problems import InputError, Problem, did_you_mean
from harness.scenario.runner import built_in

DEFAULT_TWIN: Final = Browser.name
_TOKEN: Final = "project-token"  # noqa: S105 - stands for the project's token, which is no secret and not a real one


@dataclass(frozen=True, slots=True)
class Configured:
    """A bench, and the template its Edge calls are made from.

    Attributes:
        bench: the bench.
        template: the template; None for an SDK twin.
        inferred: how the template came about; None where it was given.
    """

    bench: Bench
    template: Template | None = None
    inferred: Inferred | None = None


def twin_bench(name: str, id_merge: IdMerge, settings: ProjectSettings, risks: frozenset[Risk]) -> Configured:
    """Return the bench of an SDK twin.

    Raises:
        InputError: when there is no twin of that name.
    """
    twin = TWINS.get(name)
    if twin is None:
        raise InputError([Problem("", None, "--twin", f"{name!r} is no SDK twin", did_you_mean(name, TWINS))])
    return Configured(Bench(id_merge, lambda: twin(id_merge), settings, risks=risks))


def property_bench(
    path: Path,
    template_path: Path | None,
    id_merge: IdMerge,
    settings: ProjectSettings,
    risks: frozenset[Risk],
    make_engine: Callable[[Property], RulesEngine] = built_in,
) -> Configured:
    """Return the bench of a property.

    Args:
        path: the property.
        template_path: the template of its calls; None: inferred from the property.
        id_merge: the project's ID-merge system.
        settings: the project's settings.
        risks: what may happen although no sender can make up for it.
        make_engine: makes the engine.

    Raises:
        InputError: when a file can't be read, or the property says nothing about what its calls hold.
    """
    property_ = load_property(path, PROPERTY_ENVIRONMENT)
    inferred = infer(property_) if template_path is None else None
    template = load_template(template_path) if template_path is not None else None
    if inferred is not None:
        template = inferred.template
    if template is None or not template.event:
        fix = "Give the call yourself with --template FILE."
        raise InputError([Problem(str(path), None, "", "has no data element whose path could fill an Edge call", fix)])
    chosen, verbs = template, edge_verbs(template, risks)
    token = settings.token or _TOKEN
    return Configured(
        Bench(
            id_merge,
            lambda: Edge(chosen, verbs),
            settings,
            engine=make_engine(property_),
            property_path=path,
            env={secret.id: token for secret in secrets(property_) if secret.id is not None},
            risks=risks,
        ),
        template,
        inferred,
    )


def chosen_invariants(names: Iterable[str]) -> Sequence[Invariant]:
    """Return the invariants of some names, in the order of the registry; all of them for no name.

    Raises:
        InputError: with every name that is none.
    """
    wanted = set(names)
    unknown = sorted(wanted - INVARIANTS.keys())
    if unknown:
        problems = [
            Problem("", None, "--invariant", f"{name!r} is no invariant", did_you_mean(name, INVARIANTS))
            for name in unknown
        ]
        raise InputError(problems)
    return [one for name, one in INVARIANTS.items() if not wanted or name in wanted]
