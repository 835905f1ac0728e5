"""What `harness fuzz` prints: how it read the property, what it found as a story, and what it has tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from harness.event import Json
from harness.fuzz.configure import Configured
from harness.fuzz.flow import RISKS
from harness.fuzz.infer import Inferred
from harness.fuzz.invariants import INVARIANTS
from harness.fuzz.sdks import TWINS
from harness.fuzz.search import Explored, Finding, SearchResult
from harness.fuzz.story import tell
from harness.fuzz.template import DEVICE_IDS, PLACEHOLDERS, USER_IDS, Template
from harness.jsontext import dump

Written: TypeAlias = tuple[Finding, str, int]
"""A finding, the path of its scenario, and how many steps that has."""

_ROLES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("device id", DEVICE_IDS),
    ("user id", USER_IDS),
    ("event type", ("event_type",)),
    ("event id", ("event_id",)),
    ("time", ("time", "time_ms", "timestamp")),
)


def document(result: SearchResult, written: Sequence[Written]) -> str:
    """Return the document of `--json`."""
    violations: list[Json] = [
        {"invariant": finding.broken.invariant, "scenario": path, "steps": steps} for finding, path, steps in written
    ]
    return dump({"examples": result.explored.examples, "violations": violations}, indent=1)


def report(
    configured: Configured, result: SearchResult, written: Sequence[Written], max_examples: int, seed: int
) -> str:
    """Return everything for people."""
    parts = []
    if configured.template is not None:
        parts.append(calls(configured.template, configured.inferred))
    parts += ["\n".join(_finding(*one)) for one in written]
    parts.append("\n".join(_explored(result.explored)))
    parts.append("\n".join(_summary(configured, result, max_examples, seed)))
    return "\n\n".join(parts)


def calls(template: Template, inferred: Inferred | None) -> str:
    """Return what the paths of a call were taken for."""
    return "\n".join(_template(template, inferred))


def catalogue() -> str:
    """Return what can be chosen: invariants, twins, risks, placeholders of a template."""
    lists: dict[str, Mapping[str, str]] = {
        "invariants (--invariant)": {name: one.holds for name, one in INVARIANTS.items()},
        "SDK twins (--twin)": {name: twin.about for name, twin in TWINS.items()},
        "risks (--risk)": {str(name): about for name, about in RISKS.items()},
        "placeholders of a template (--template)": {f"{{{name}}}": about for name, about in PLACEHOLDERS.items()},
    }
    return "\n\n".join("\n".join([title, *_table(entries.items())]) for title, entries in lists.items())


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    return [f"  {name:<{width}}  {text}".rstrip() for name, text in listed]


def _template(template: Template, inferred: Inferred | None) -> Iterator[str]:
    yield "Edge calls, inferred from the property:" if inferred is not None else "Edge calls, from the template:"
    places = template.places()
    rows = []
    for role, names in _ROLES:
        found = [f"{path} ({_KINDS[name]})" for name in names for path in places.get(name, ())]
        rows.append((role, ", ".join(found) or "none found; state it with --template"))
    if "event_type" in places:
        rows.append(("event types", ", ".join(f"{verb}: {text}" for verb, text in template.types.items())))
    if inferred is not None:
        other = [f"{place.path} ({place.element})" for place in inferred.places if place.role is None]
        if other:
            rows.append(("other paths", ", ".join(other)))
        if inferred.unseen:
            rows.append(("custom code", f"{', '.join(inferred.unseen)}: what it reads nobody can tell"))
    yield from _table(rows)


_KINDS: Final = {
    "ecid": "an ECID",
    "device_id": "a UUID",
    "user_id": "an account id",
    "email": "an e-mail address",
    "event_type": "text",
    "event_id": "text",
    "time": "seconds since 1970",
    "time_ms": "milliseconds since 1970",
    "timestamp": "ISO 8601",
}


def _finding(finding: Finding, path: str, steps: int) -> Iterator[str]:
    broken = finding.broken
    yield f"broken: {broken.invariant}. {INVARIANTS[broken.invariant].holds}"
    for number, line in enumerate(tell(finding.played.flow), 1):
        yield f"  {number}. {line}"
    yield f"  {broken.sentence}"
    yield f"  wrote {path} ({steps} step{'' if steps == 1 else 's'})"


def _explored(explored: Explored) -> Iterator[str]:
    """Yield what was tried, so that nobody trusts an empty search."""
    yield "explored:"
    more = f"; {explored.shrinking} more to shrink" if explored.shrinking else ""
    rows = [
        ("flows", f"{explored.examples} tried, {explored.different} of them different{more}"),
        ("people", _counts({_number(count, "person"): flows for count, flows in sorted(explored.people.items())})),
        ("actions", _counts(explored.actions)),
        ("events", _counts(explored.events)),
        ("decisions", _counts(explored.decisions)),
        ("devices", f"{explored.resets} resets, {explored.handed_over} flows in which one has several people"),
        ("clusters", f"the largest has {_number(explored.largest_cluster, 'id')}"),
    ]
    yield from _table(rows)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered) or "none"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else 'people' if noun == 'person' else noun + 's'}"


def _summary(configured: Configured, result: SearchResult, max_examples: int, seed: int) -> Iterator[str]:
    bench, explored = configured.bench, result.explored
    left_out = [f"{name} ({about})" for name, about in RISKS.items() if name not in bench.risks]
    if left_out:
        yield f"left out, as no sender can make up for it (--risk plays it): {'; '.join(left_out)}"
    if result.stopped == "interrupted":
        yield f"stopped by Ctrl-C after {explored.examples} of {max_examples} flows; this is what was found so far"
    elif result.stopped == "time":
        yield f"the time budget was over after {explored.examples} of {max_examples} flows"
    found = len(result.findings)
    outcome = f"{found} broken" if found else "nothing broken"
    yield f"{bench.id_merge}: {outcome} in {explored.examples} flows (seed {seed})"
