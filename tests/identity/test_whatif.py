"""Changes that would have joined two ids: each is tried on the model, and each kind of failure has one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.event import Endpoint, Event, IdMerge
from harness.identity.explain import explain_pair
from harness.identity.model import build
from harness.identity.settings import IdentitySettings
from harness.identity.whatif import Change, Sent, changes_that_join

UUID = "00000001-0000-4000-8000-000000000000"
OTHER = "00000002-0000-4000-8000-000000000000"
ECID = "26783473982374982374982374982374982374"


def changes(
    id_merge: IdMerge,
    events: Sequence[Event],
    a: str,
    b: str,
    endpoint: Endpoint = "track",
    settings: IdentitySettings | None = None,
) -> list[Change]:
    model = build(id_merge, settings)
    for event in events:
        model.add(event, endpoint=endpoint)
    found = explain_pair(model, a, b)
    assert not found.same_user
    stream = [Sent(at, event, endpoint, 0) for at, event in enumerate(events)]
    return changes_that_join(model, stream, a, b, [*found.refused, *found.ignored])


def identify(anonymous: str, user: str) -> Event:
    return Event("$identify", {"$anon_id": anonymous, "$identified_id": user})


def page(**ids: str) -> Event:
    return Event("Page", {f"${key}" if key != "distinct_id" else key: value for key, value in ids.items()})


@pytest.mark.parametrize(
    ("id_merge", "events", "pair", "says"),
    [
        ("original", [page(distinct_id=ECID), identify(ECID, "ana")], (ECID, "ana"),
         f"had {ECID!r} been a UUID wherever it was sent, event 1 included"),
        ("original", [identify(UUID, "ana"), identify(UUID, "ben")], ("ana", "ben"), "had event 1 been a $merge of"),
        ("original", [page(distinct_id=UUID), page(distinct_id="ana"), identify("ana", "ana")], (UUID, "ana"),
         "had one more event come: $identify"),
        ("original", [Event("$merge", {"$distinct_ids": ["ana", "ben"]})], ("ana", "ben"),
         "had event 0 come by /import"),
        ("simplified", [page(device_id="D1"), identify("$device:D1", "ana"), page(user_id="ana")],
         ("$device:D1", "ana"), "had event 1 been an ordinary event with '$device:D1' as $device_id"),
        ("simplified", [page(device_id="D1", user_id="ana"), page(device_id="D1", user_id="ben")],
         ("$device:D1", "ben"), "had event 0, which gave $device:D1 to ana, not carried that $device_id"),
        ("simplified", [page(device_id="D1"), page(user_id="ana")], ("$device:D1", "ana"), "had one more event come"),
        ("legacy", [page(distinct_id="D1"), identify("D1", "ana"), page(distinct_id="ana")], ("D1", "ana"),
         "had a $create_alias of 'ana' to 'D1' come before all events under 'ana'"),
    ],
)  # fmt: skip
def test_a_failure_has_a_change_that_would_have_joined(
    id_merge: IdMerge, events: list[Event], pair: tuple[str, str], says: str
) -> None:
    texts = [change.text for change in changes(id_merge, events, *pair)]
    assert any(says in text for text in texts), texts


def test_a_full_cluster_would_have_needed_room() -> None:
    settings = IdentitySettings(cluster_limit=2)
    found = changes("original", [identify(UUID, "ana"), identify(OTHER, "ana")], OTHER, "ana", settings=settings)
    assert "a cluster of 3 in place of 2" in found[0].text
    assert found[0].ids == 3


def test_two_users_of_simplified_can_not_be_joined_by_anything() -> None:
    assert changes("simplified", [page(user_id="ana"), page(user_id="ben")], "ana", "ben") == []


def test_a_uuid_in_one_event_alone_does_not_join_what_came_before() -> None:
    found = changes("original", [page(distinct_id=ECID), identify(ECID, "ana")], ECID, "ana")
    assert not any(change.text.startswith("had event 1 sent a UUID in place of") for change in found)
