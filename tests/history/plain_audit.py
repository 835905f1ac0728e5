"""An audit by the plain model: slow, small, and written from the definitions alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from harness.event import DEVICE_PREFIX, Endpoint, Event, IdMerge, id_text
from harness.identity.looks import known_user as known_user_by
from harness.identity.looks import looks_anonymous
from harness.ingestion.limits import DISALLOWED_IDS
from harness.ingestion.settings import ProjectSettings
from harness.scenario.history import History
from harness.scenario.stream import read_stream, resolve_stream


def plain_audit(
    raw: bytes,
    id_merge: IdMerge,
    settings: ProjectSettings | None = None,
    *,
    endpoint: Endpoint = "import",
    strict: bool | None = None,
    now_ms: int | None = None,
    known_user: str | None = None,
) -> dict[str, Any]:
    """Return what `harness audit --json` has to say of an event file."""
    chosen = settings or ProjectSettings()
    lines = read_stream(raw)
    resolved = resolve_stream(lines, id_merge, chosen, endpoint=endpoint, strict=strict, now_ms=now_ms)
    project = resolved.project
    clusters = project.model.clusters()
    sizes = [len(cluster.ids) for cluster in clusters]
    events = [line.event for line in lines if isinstance(line.event, Event)]
    decisions = list(project.model.decisions)
    limit = chosen.identity.max_cluster_ids
    in_original = id_merge == "original"
    known: Callable[[str], object] = known_user_by(known_user) if known_user else lambda text: not looks_anonymous(text)
    statuses = Counter(project.statuses())
    history = History(
        project,
        project.model,
        last=len(lines) - 1,
        raw=lambda row: event if isinstance(event := lines[row].event, Event) else None,
    )
    return {
        "events": len(events),
        "users": len(project.users()),
        "clusters": len(clusters),
        "ids": sum(sizes),
        "largest_cluster": max(sizes, default=0),
        "near_limit": sum(size >= max(2, -(-limit * 4 // 5)) for size in sizes) if in_original else 0,
        "at_limit": sum(size >= limit for size in sizes) if in_original else 0,
        "refused": dict(
            sorted(Counter(made.reason or made.rule for made in decisions if made.outcome == "refused").items())
        ),
        "orphans": len(history.orphans()) if known_user is None else None,
        "mixed_suspects": sum(sum(bool(known(text)) for text in cluster.ids) > 1 for cluster in clusters),
        "phantom_users": len(_phantoms(project, known)) if id_merge == "simplified" else 0,
        "disallowed": len(_disallowed(events, id_merge)),
        "duplicates": statuses["duplicate"],
        "broken_lines": len(lines) - len(events),
        "rejected": statuses["rejected"] + statuses["dropped"] - (len(lines) - len(events)),
    }


def _phantoms(project: Any, known: Callable[[str], object]) -> set[str]:
    bare: set[str] = set()
    sent: set[str] = set()
    for stored in project.events:
        properties = stored.event.properties
        user, device = id_text(properties.get("$user_id")), id_text(properties.get("$device_id"))
        if stored.event.name in ("$identify", "$create_alias", "$merge") or not (
            user or device.removeprefix(DEVICE_PREFIX)
        ):
            text = id_text(properties.get("distinct_id"))
            if text and not text.startswith(DEVICE_PREFIX):
                bare.add(text)
        elif user:
            sent.add(user)
    return {text for text in bare - sent if not known(text)}


def _disallowed(events: list[Event], id_merge: IdMerge) -> set[str]:
    found: set[str] = set()
    for event in events:
        keys = ["distinct_id"]
        if id_merge == "simplified":
            keys += ["$user_id", "$device_id"]
        if event.name in ("$identify", "$create_alias", "$merge"):
            keys += ["$identified_id", "alias"]
            anonymous = event.properties.get("$anon_id")
            found.add(id_text(anonymous) or id_text(event.properties.get("$anon_distinct_id")))
        if event.name == "$merge" and isinstance(event.properties.get("$distinct_ids"), list):
            found |= {id_text(one) for one in event.properties["$distinct_ids"]}
        found |= {id_text(event.properties.get(key)) for key in keys}
    return {text for text in found if text.lower() in DISALLOWED_IDS}
