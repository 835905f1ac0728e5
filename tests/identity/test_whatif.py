"""Changes that would have joined two ids: each kind of failure has one, and each that is told holds on the model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, Endpoint, Event, IdMerge, id_text
from harness.identity import whatif
from harness.identity.explain import explain_pair
from harness.identity.model import Decision, IdentityModel, build
from harness.identity.remedies import Edit, Remedies, Sent
from harness.identity.settings import IdentitySettings
from harness.identity.simplified import named_ids
from harness.identity.whatif import Change, Tried, changes_that_join
from tests.identity.test_explain import EVENTS, known_ids

UUID = "00000001-0000-4000-8000-000000000000"
OTHER = "00000002-0000-4000-8000-000000000000"
THIRD = "00000003-0000-4000-8000-000000000000"
ECID = "26783473982374982374982374982374982374"


def played(
    id_merge: IdMerge, events: Sequence[Event], endpoint: Endpoint, settings: IdentitySettings | None = None
) -> tuple[IdentityModel, list[Sent]]:
    model = build(id_merge, settings)
    stream = []
    for at, event in enumerate(events):
        arrival = model.add(event, endpoint=endpoint)
        stream.append(Sent(at, event, endpoint, 0, arrival.received, arrival.decision))
    return model, stream


def around(stream: Sequence[Sent]) -> whatif.EventsAround:
    """Give the events that name any of some ids, and no others, so that a replay knows only what it asks for."""

    def events(ids: frozenset[str], most: int) -> list[Sent] | None:
        spelled = ids | {text.removeprefix("$device:") for text in ids}
        found = [sent for sent in stream if not spelled.isdisjoint({sent.received, *_named(sent.event, sent.decision)})]
        return found if len(found) <= most else None

    return events


def _named(event: Event, decision: Decision | None) -> tuple[str, ...]:
    return (*named_ids(event, id_text(event.properties.get("distinct_id"))), *(decision.ids if decision else ()))


def tried(
    id_merge: IdMerge,
    events: Sequence[Event],
    a: str,
    b: str,
    endpoint: Endpoint = "track",
    settings: IdentitySettings | None = None,
) -> Tried:
    model, stream = played(id_merge, events, endpoint, settings)
    found = explain_pair(model, a, b)
    assert not found.same_user
    return changes_that_join(model, around(stream), a, b, found)


def one(changes: Sequence[Change], kind: str) -> Change:
    return next(change for change in changes if change.kind == kind)


def identify(anonymous: str, user: str) -> Event:
    return Event("$identify", {"$anon_id": anonymous, "$identified_id": user})


def alias(text: str, target: str) -> Event:
    return Event("$create_alias", {"alias": text, "distinct_id": target})


def merge(*ids: str) -> Event:
    return Event("$merge", {"$distinct_ids": list(ids)})


def page(**ids: str) -> Event:
    return Event("Page", {f"${key}" if key != "distinct_id" else key: value for key, value in ids.items()})


CASES: list[tuple[IdMerge, list[Event], tuple[str, str], str, str]] = [
    ("original", [page(distinct_id=ECID), identify(ECID, "ana")], (ECID, "ana"), "uuid_everywhere",
     "had event 1 sent a UUID as $anon_id, here and in event 0"),
    ("original", [identify(UUID, "ana"), identify(UUID, "ben")], ("ana", "ben"), "merge",
     f"had event 1 been a $merge of {UUID} and ben by /import, which joins both clusters for good"),
    ("original", [identify(UUID, "ana"), identify(UUID, "ben")], (UUID, "ben"), "not_sent",
     f"had event 0, which joined {UUID} and ana, not been sent"),
    ("original", [page(distinct_id=UUID), identify("ana", "ana")], (UUID, "ana"), "name_both",
     f"had event 1 named {UUID} as $anon_id and ana as $identified_id"),
    ("original", [page(distinct_id=UUID), page(distinct_id="ana")], (UUID, "ana"), "one_more",
     f"had one more event come, $identify with {UUID} as $anon_id and ana as $identified_id"),
    ("original", [merge("ana", "ben")], ("ana", "ben"), "by_import",
     "had event 0 come by /import, which alone takes $merge"),
    ("original", [alias("a", "ana"), alias("a", "ben")], ("a", "ben"), "merge",
     "had event 1 been a $merge of a and ben by /import, which joins both clusters for good"),
    ("original", [alias("a", "ana"), alias("a", "ben")], ("a", "ben"), "not_sent",
     "had event 0, which made a an alias of ana, not been sent"),
    ("simplified", [page(device_id="D1"), identify("$device:D1", "ana"), page(user_id="ana")], ("$device:D1", "ana"),
     "both_ids", "had event 1 been an ordinary event with D1 as $device_id and ana as $user_id"),
    ("simplified", [page(device_id="D1"), identify("D1", "ana"), page(user_id="ana")], ("$device:D1", "ana"),
     "both_ids", "had event 1 been an ordinary event with D1 as $device_id and ana as $user_id"),
    ("simplified", [page(device_id="D1", user_id="ana"), page(device_id="D1", user_id="ben")], ("$device:D1", "ben"),
     "without_device", "had event 0, which gave $device:D1 to ana, not carried that $device_id"),
    ("simplified", [page(device_id="D1"), page(user_id="ana")], ("$device:D1", "ana"), "one_more",
     "had one more event come, any with D1 as $device_id and ana as $user_id"),
    ("simplified", [page(device_id="D1"), page(device_id="D2")], ("$device:D1", "$device:D2"), "two_more",
     "had two more events come, with D1 and D2 as $device_id and one $user_id on both"),
    ("legacy", [page(distinct_id="D1"), identify("D1", "ana"), page(distinct_id="ana")], ("D1", "ana"), "alias_first",
     "had a $create_alias of ana to D1 come before event 2, the first about ana"),
    ("legacy", [alias("a", "ana"), alias("a", "ben")], ("a", "ben"), "not_sent",
     "had event 0, which made a an alias of ana, not been sent"),
    ("legacy", [page(distinct_id="a"), page(distinct_id="b")], ("a", "b"), "one_more",
     "had one more event come, $create_alias of a to b, for all that arrives later"),
]  # fmt: skip


@pytest.mark.parametrize(("id_merge", "events", "pair", "kind", "text"), CASES)
def test_a_failure_has_a_change_that_would_have_joined(
    id_merge: IdMerge, events: list[Event], pair: tuple[str, str], kind: str, text: str
) -> None:
    found = tried(id_merge, events, *pair)
    assert found.complete
    assert one(found.changes, kind).text == text


def test_a_full_cluster_would_have_needed_room() -> None:
    settings = IdentitySettings(cluster_limit=2)
    found = tried("original", [identify(UUID, "ana"), identify(OTHER, "ana")], OTHER, "ana", settings=settings)
    change = one(found.changes, "room")
    assert change.text == "had there been room in the cluster of event 1: for 3 ids instead of 2"
    assert change.members == (UUID, OTHER, "ana")


def test_two_users_of_simplified_can_not_be_joined_by_anything() -> None:
    assert tried("simplified", [page(user_id="ana"), page(user_id="ben")], "ana", "ben") == Tried((), complete=True)


def test_a_uuid_in_one_event_alone_does_not_join_what_came_before() -> None:
    found = tried("original", [page(distinct_id=ECID), identify(ECID, "ana")], ECID, "ana")
    assert not any(change.kind == "uuid_here" for change in found.changes)


def test_the_second_link_takes_the_place_of_the_first_so_both_have_to_change() -> None:
    link = page(device_id="D1", user_id="ana")
    found = tried("simplified", [link, link, page(device_id="D1", user_id="ben")], "$device:D1", "ben")
    change = one(found.changes, "without_device")
    assert change.text == "had events 0 and 1, which give $device:D1 to ana, not carried that $device_id"
    assert change.event_indexes == (0, 1)


def test_two_refusals_in_a_row_have_to_change_together() -> None:
    events = [identify(ECID, "ana"), identify(UUID, "ana"), identify(UUID, "ben")]
    change = one(tried("original", events, ECID, "ben").changes, "uuid_everywhere+merge")
    assert change.text.startswith("had event 0 sent a UUID as $anon_id and event 2 been a $merge of")
    assert change.event_indexes == (0, 2)


def test_a_change_says_who_else_would_be_joined() -> None:
    events = [identify(UUID, "ana"), identify(OTHER, "ben"), identify(UUID, "ben"), identify(OTHER, "cleo")]
    change = one(tried("original", events, "ana", "cleo").changes, "merge+merge")
    assert set(change.also) == {OTHER, "ben"}


def test_a_change_says_who_would_be_left_behind() -> None:
    events = [page(device_id="D1", user_id="ana"), page(device_id="D1", user_id="ben")]
    change = one(tried("simplified", events, "$device:D1", "ben").changes, "without_device")
    assert (change.members, change.also, change.lost) == (("$device:D1", "ben"), (), ("ana",))


def test_a_stream_too_large_to_replay_is_not_tried() -> None:
    model, _ = played("original", [page(distinct_id="a"), page(distinct_id="b")], "track")
    found = explain_pair(model, "a", "b")
    assert changes_that_join(model, lambda ids, most: None, "a", "b", found) == Tried((), complete=False)


def test_a_change_that_reaches_a_cluster_outside_takes_it_in() -> None:
    # Without event 0 event 1 makes UUID ben's, and so event 3 is refused for the limit of ben's cluster.
    settings = IdentitySettings(cluster_limit=3)
    events = [identify(UUID, "ana"), identify(UUID, "ben"), identify(THIRD, "ben"), identify(OTHER, "ben")]
    stream = played("original", events, "track", settings)[1]
    change = one(tried("original", events, UUID, "ben", settings=settings).changes, "not_sent")
    replayed = build("original", settings)
    for sent in stream[1:]:
        replayed.add(sent.event, endpoint="track")
    assert change.members == replayed.members("ben")


@given(EVENTS, st.sampled_from(ID_MERGE_SYSTEMS), st.sampled_from(["track", "import"]), st.sampled_from([None, 3]))
def test_every_change_that_is_told_joins_when_the_whole_stream_is_replayed(
    events: list[Event], id_merge: IdMerge, endpoint: Endpoint, limit: int | None
) -> None:
    settings = IdentitySettings(cluster_limit=limit)
    model, stream = played(id_merge, events, endpoint, settings)
    for a, b in list(combinations(known_ids(model), 2))[:6]:
        found = explain_pair(model, a, b)
        if found.same_user:
            continue
        replay = whatif._Replay(model, around(stream), (a, b), found)
        assert replay.events is not None
        known = Remedies(model, replay.events, (a, b), str)
        for edits in whatif._attempts(known, found):
            change = replay.attempt(edits)
            fresh, pair = whole(model, stream, edits, (a, b))
            joined = all(map(fresh.knows, pair)) and fresh.resolve(pair[0]) == fresh.resolve(pair[1])
            assert (change is not None) == joined
            assert change is None or set(change.members) == fresh.ids_of_one_user(pair[0])


def whole(
    model: IdentityModel, stream: list[Sent], edits: Sequence[Edit], pair: tuple[str, str]
) -> tuple[IdentityModel, tuple[str, str]]:
    """Replay everything with some edits, and nothing left out."""
    limit = max((edit.cluster_limit or 0 for edit in edits), default=0) or model.settings.cluster_limit
    renamed: dict[str, str] = {}
    for edit in edits:
        stream = edit.apply(stream)
        renamed.update(edit.renamed)
    fresh = build(model.id_merge, IdentitySettings(cluster_limit=limit))
    for sent in stream:
        fresh.add(sent.event, index=sent.at, endpoint=sent.endpoint, arrival_ms=sent.arrival_ms)
    return fresh, (renamed.get(pair[0], pair[0]), renamed.get(pair[1], pair[1]))
