"""What a flow of an original project would be in a simplified one: its events rewritten, and its clusters as links.

The rewriting is the plain one: an anonymous distinct_id becomes a `$device_id`, a user id becomes a `$user_id`,
identity events go away, and every anonymous id is linked to the user of its cluster by one event that carries both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from harness.event import DEVICE_PREFIX, IDENTITY_EVENTS, Json
from harness.fuzz.sender import START_MS
from harness.identity.looks import looks_anonymous
from harness.scenario.format import EventStep
from harness.scenario.results import ScenarioResult

LINK: Final = "Migrated Link"


def migrated(result: ScenarioResult, user_ids: frozenset[str]) -> list[EventStep]:
    """Return the events of a run as they would be imported into a simplified project, links first.

    Args:
        result: a run in an original project.
        user_ids: ids that are known to be users although they look anonymous, such as account ids that are UUIDs.
    """
    steps: list[EventStep] = []

    def add(person: str | None, name: str, own: dict[str, Json]) -> None:
        number = len(steps)
        sent = {"time": START_MS // 1_000 + number, "$insert_id": f"migrated-{number}", "distinct_id": "", **own}
        steps.append(EventStep(number, 0, person, name, "import", sent))

    for cluster in result.clusters:
        users = _users(cluster.ids, user_ids)
        person = cluster.people[0] if len(cluster.people) == 1 else None
        for text in cluster.ids:
            if users and text not in users:
                add(person, LINK, {"$device_id": _device(text), "$user_id": users[0]})
    for event in result.events:
        text = event.received_distinct_id
        if event.status != "accepted" or not text or event.name in IDENTITY_EVENTS:
            continue
        is_user = bool(_users((text,), user_ids))
        add(event.person, event.name, {"$user_id": text} if is_user else {"$device_id": _device(text)})
    return steps


def _users(ids: Iterable[str], user_ids: frozenset[str]) -> list[str]:
    return [text for text in ids if text in user_ids or not looks_anonymous(text)]


def _device(text: str) -> str:
    return text.removeprefix(DEVICE_PREFIX)
