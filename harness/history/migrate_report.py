"""A migration told: the JSON document, the text for a terminal, and the same as Markdown and as one HTML page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from harness.clock import format_instant
from harness.event import Json
from harness.history.migrate_output import MANIFEST
from harness.history.migrate_records import Ambiguous, Migration
from harness.jsontext import dump
from harness.report.plain import plural, shorten, visible

MOST_LISTED: Final = 1_000
"""Clusters that the JSON document lists; the numbers beside them count all."""

MOST_TOLD: Final = 10
_CELLS: Final = 44
_POLICIES: Final = {
    "drop": "their devices stay nobody's",
    "elect": "all their devices become the strongest candidate's",
    "per-device": "each device becomes the nearest candidate's",
}


class Section(NamedTuple):
    """A part of the report: a heading, a sentence, and a table with headings, or none."""

    title: str
    text: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def document(migration: Migration, most: int = MOST_LISTED) -> dict[str, Json]:
    """Return the document of `harness migrate --json`.

    Args:
        migration: the migration.
        most: how many clusters, devices and ids are listed; the numbers beside the lists count all.
    """
    census, plan, proof = migration.census, migration.plan, migration.proof
    return {
        "from": migration.order.source,
        "to": migration.order.target,
        "dry_run": migration.order.out is None,
        "read": census.read,
        "written": migration.written,
        "associations": len(plan.devices),
        "users_before": census.users,
        "users_after": proof.users,
        "joins_before": plan.joins_before,
        "joins_after": plan.joins_after,
        "unresolved_clusters": len(plan.unresolved),
        "unresolved": [
            {"ids": list(one.ids[:most]), "events": one.events, "why": one.why} for one in plan.unresolved[:most]
        ],
        "ambiguous_clusters": len(plan.ambiguous),
        "ambiguous": [_ambiguous(one, most) for one in plan.ambiguous[:most]],
        "junk": [{"id": text, "events": events} for text, events in plan.junk[:most]],
        "unmatched_ids": len(plan.unmatched),
        "unmatched": [{"id": text, "events": events} for text, events in plan.unmatched[:most]],
        "both_forms": list(plan.both_forms[:most]),
        "left_out": {
            "identity_events": census.identity_events,
            "rejected": census.rejected,
            "broken_lines": census.broken,
            "test_accounts": migration.excluded_events,
        },
        "nobodys_events": migration.nobodys_events,
        "new_insert_ids": migration.renamed,
        "proof": {
            "held": proof.held,
            "ids": proof.ids,
            "rejected": proof.rejected,
            "differing": [
                {"id": text, "promised": promised, "came_out": found} for text, promised, found in proof.differing
            ],
        },
        "files": [
            {"name": one.name, "events": one.events, "bytes": one.bytes, "sha256": one.sha256}
            for one in migration.shards
        ],
    }


def manifest(migration: Migration) -> str:
    """Return what the folder of a migration says about itself: the document with all lists, and what was asked for."""
    order = migration.order
    asked = {
        "user_id": order.user_id,
        "ambiguous": order.ambiguous,
        "association_time": order.association_time,
        "association_event": order.association_event,
        "exclude_user": order.excluded,
        "excluded_ids": sorted(order.excluded_ids),
        "device_forms": order.device_forms,
    }
    return dump({"format": 1, **document(migration, sys.maxsize), "asked": asked}, indent=1) + "\n"


def _ambiguous(one: Ambiguous, most: int) -> Json:
    return {
        "size": one.size,
        "events": one.events,
        "candidates": [
            {
                "id": candidate.id,
                "devices": candidate.devices,
                "links": candidate.links,
                "events": candidate.events,
                "first": None if candidate.first_ms is None else format_instant(candidate.first_ms),
                "last": None if candidate.last_ms is None else format_instant(candidate.last_ms),
            }
            for candidate in one.candidates[:most]
        ],
        "devices": [{"id": text, "user": user} for text, user in one.devices[:most]],
    }


def sections(migration: Migration) -> Iterator[Section]:
    """Yield the parts of the report."""
    yield _numbers(migration)
    yield _promise(migration)
    plan = migration.plan
    if plan.ambiguous:
        policy = _POLICIES[migration.order.ambiguous]
        count = plural(len(plan.ambiguous), "cluster")
        rows = tuple(_ambiguous_row(one) for one in plan.ambiguous[:MOST_TOLD])
        yield Section(
            "Several users in one cluster",
            f"{count} with several user ids, which can't be one user in {migration.order.target}: users keep their own "
            f"events, and {policy} (--ambiguous {migration.order.ambiguous}).{_rest(len(plan.ambiguous))}",
            ("ids", "events of devices", "candidates, the strongest first"),
            rows,
        )
    if plan.unresolved:
        count = plural(len(plan.unresolved), "cluster")
        yield Section(
            "What can't be joined",
            f"{count} can't be one user in {migration.order.target}; every id of them stays a user of its own."
            f"{_rest(len(plan.unresolved))}",
            ("ids", "events", "why"),
            tuple((_some(one.ids), f"{one.events:,}", one.why) for one in plan.unresolved[:MOST_TOLD]),
        )
    if plan.junk:
        yield Section(
            "Ids of nobody",
            "Mixpanel takes these for no id. They join nobody, and their events belong to nobody.",
            ("id", "events"),
            tuple((_short(text), f"{events:,}") for text, events in plan.junk[:MOST_TOLD]),
        )
    if plan.unmatched:
        count = plural(len(plan.unmatched), "id")
        yield Section(
            "Neither users nor devices by their looks",
            f"{count} did not match --user-id, and look like no device either. They become devices; if there are users "
            f"among them, --user-id is too narrow.{_rest(len(plan.unmatched))}",
            ("id", "events"),
            tuple((_short(text), f"{events:,}") for text, events in plan.unmatched[:MOST_TOLD]),
        )
    if plan.both_forms:
        yield _forms(migration)


def _numbers(migration: Migration) -> Section:
    census, plan = migration.census, migration.plan
    rows = [
        ("events read", f"{census.read:,}"),
        ("identity events replaced", f"{census.identity_events:,}"),
        ("association events", f"{len(plan.devices):,}"),
        ("events written" if migration.order.out else "events that would be written", f"{migration.written:,}"),
        ("users before", f"{census.users:,}"),
        ("users after", f"{migration.proof.users:,}"),
        ("ids joined with another", f"{plan.joins_before:,}"),
        ("of those joined afterwards", f"{plan.joins_after:,} ({_share(plan.joins_after, plan.joins_before)})"),
    ]
    for text, number in (
        ("left out: rejected, or without a time", census.rejected),
        ("left out: lines that hold no event", census.broken),
        ("left out: events of test accounts", migration.excluded_events),
        ("events that belong to nobody", migration.nobodys_events),
        ("events with a new $insert_id", migration.renamed),
    ):
        if number:
            rows.append((text, f"{number:,}"))
    order = migration.order
    dry = "This is a dry run: nothing is written; give --out DIR to write it."
    mode = f"The new events are in part-00000.jsonl and the files behind it; all lists in full are in {MANIFEST}."
    return Section(f"From {order.source} to {order.target}", mode if order.out else dry, ("", ""), tuple(rows))


def _promise(migration: Migration) -> Section:
    proof, target = migration.proof, migration.order.target
    what = "the files" if migration.order.out else "one event of each id, with all that links them,"
    if proof.held:
        text = (
            f"Held: {what} replayed under {target} by strict /import; nothing was rejected, and all "
            f"{proof.ids:,} ids came out as planned."
        )
        return Section("Proof", text, (), ())
    text = f"NOT held: {what} replayed under {target}; {proof.rejected:,} events rejected"
    text += f", {plural(len(proof.differing), 'id')} differ. Nothing was kept. This is a fault of the harness."
    rows = tuple(tuple(map(_short, row)) for row in proof.differing[:MOST_TOLD])
    return Section("Proof", text, ("id", "planned", "came out"), rows)


def _forms(migration: Migration) -> Section:
    forms = migration.plan.both_forms
    if migration.order.device_forms == "apart":
        text = "with and without $device: in front, in different clusters: they stay apart, one under a new id"
    else:
        text = "with and without $device: in front"
    return Section(
        "Devices spelled in two ways",
        f"{plural(len(forms), 'device')} {text}. --device-forms one makes each a single device.{_rest(len(forms))}",
        ("device",),
        tuple((_short(form),) for form in forms[:MOST_TOLD]),
    )


def _ambiguous_row(one: Ambiguous) -> tuple[str, ...]:
    told = [
        f"{_short(candidate.id)} ({plural(candidate.devices, 'device')}, {plural(candidate.links, 'link')}, "
        f"{plural(candidate.events, 'event')}"
        + (f", last seen {format_instant(candidate.last_ms)}" if candidate.last_ms is not None else "")
        + ")"
        for candidate in one.candidates[:3]
    ]
    more = [f"and {len(one.candidates) - 3} more"] if len(one.candidates) > 3 else []
    return f"{one.size:,}", f"{one.events:,}", "; ".join([*told, *more])


def _some(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - 2:,} more" if len(ids) > 2 else ""
    return ", ".join(map(_short, ids[:2])) + more


def _rest(count: int) -> str:
    return f" Here are {MOST_TOLD}; --json lists up to {MOST_LISTED:,}." if count > MOST_TOLD else ""


def _short(text: str) -> str:
    return shorten(visible(text), _CELLS)


def _share(part: int, whole: int) -> str:
    return "all" if part == whole else f"{part / whole:.1%}"


def as_text(migration: Migration) -> str:
    """Return the report for a terminal."""
    from tabulate import tabulate

    parts = []
    for section in sections(migration):
        lines = [section.title, section.text]
        if section.rows:
            headings = section.headings if any(section.headings) else ()
            lines.append(tabulate(section.rows, headings, tablefmt="plain", disable_numparse=True))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_markdown(migration: Migration) -> str:
    """Return the report as Markdown."""
    parts = ["# Migration"]
    for section in sections(migration):
        parts.append(f"## {_literal(section.title)}\n\n{_literal(section.text)}")
        if section.rows:
            lines = [section.headings, tuple("---" for _ in section.headings), *section.rows]
            parts.append("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text if text == "---" else _literal(text)


def _literal(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|$" else letter for letter in text)


def as_html(migration: Migration) -> str:
    """Return the report as one page that needs nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("harness.history", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.get_template("migrate_report.html.j2")
    return page.render(sections=list(sections(migration)), order=migration.order) + "\n"
