"""The picture of the page: all clusters of the model, grown event by event, and what runs between them."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import ID_MERGE_SYSTEMS, IdMerge, Json
from harness.ingestion.settings import ProjectSettings
from harness.server import picture as pictures
from harness.server.moments import SessionClock
from harness.server.picture import MOST_IDS, MOST_TOGETHER, picture
from harness.server.sessions import Session, SessionPlan

NOW_MS: Final = 1_767_614_400_000
UUIDS: Final = tuple(f"{number}f0c1d5e-7a44-4b6e-9d2a-0123456789ab" for number in range(4))
IDS: Final = (*UUIDS, *(f"$device:{each}" for each in UUIDS), "ana", "ben", "cleo", "")


def a_session(id_merge: IdMerge) -> Session:
    return Session("own", SessionPlan(id_merge, ProjectSettings()), SessionClock(NOW_MS))


def arrive(session: Session, *events: tuple[str, dict[str, Json]]) -> None:
    rows = [{"event": name, "properties": {"token": "T", **properties}} for name, properties in events]
    session.project.receive(rows, now_ms=NOW_MS, endpoint="track")


def everything(session: Session, **how: Any) -> Json:
    return picture(session, limit=200, **how)


def drawn(document: Json) -> list[list[str]]:
    return sorted(
        sorted(each["id"] for each in one["ids"]) for group in document["groups"] for one in group["clusters"]
    )


_ids = st.sampled_from(IDS)
_events = st.one_of(
    st.tuples(
        st.sampled_from(["View", "Buy"]),
        st.fixed_dictionaries({"distinct_id": _ids}, optional={"$device_id": _ids, "$user_id": _ids}),
    ),
    st.tuples(st.just("$identify"), st.fixed_dictionaries({"distinct_id": _ids, "$anon_distinct_id": _ids})),
    st.tuples(st.just("$create_alias"), st.fixed_dictionaries({"distinct_id": _ids, "alias": _ids})),
)


@given(
    id_merge=st.sampled_from(ID_MERGE_SYSTEMS), events=st.lists(_events, max_size=25), looks=st.sets(st.integers(0, 25))
)
def test_it_grows_to_what_it_would_be_from_the_start(
    id_merge: IdMerge, events: list[tuple[str, dict[str, Json]]], looks: set[int]
) -> None:
    session = a_session(id_merge)
    for number, event in enumerate(events):
        arrive(session, event)
        if number in looks:
            everything(session)
    grown = everything(session)
    pictures._indexes.pop(session.project)
    fresh = everything(session)
    for document in (grown, fresh):
        for group in document["groups"]:
            for link in group["across"]:
                link.pop("times")
    assert drawn(grown) == drawn(fresh)
    assert (grown["users"], grown["ids"]) == (fresh["users"], fresh["ids"])
    assert grown["users"] == len(session.project.users())
    if id_merge != "legacy":
        model = session.project.model
        known = [ids for ids in drawn(grown) if all(map(model.knows, ids))]
        assert known == sorted(list(cluster.ids) for cluster in model.clusters())
        assert (grown["clusters"], grown["ids"]) == (len(known), sum(map(len, known)))


def test_a_refused_link_brings_the_other_cluster_along() -> None:
    session = a_session("simplified")
    arrive(session, ("View", {"$device_id": "d", "$user_id": "ana"}), ("View", {"$device_id": "d", "$user_id": "ben"}))
    document = everything(session, search="ben")
    assert (document["found"], document["shown"], len(document["groups"])) == (1, 1, 1)
    group = document["groups"][0]
    assert [one["canonical"] for one in group["clusters"]] == ["ana", "ben"]
    assert [(link["ids"], link["outcome"], link["reason"]) for link in group["across"]] == [
        (["$device:d", "ben"], "refused", "errAnonDistinctIdAssignedAlready")
    ]


def test_the_same_attempt_again_is_counted_not_drawn_again() -> None:
    session = a_session("simplified")
    arrive(session, ("View", {"$device_id": "d", "$user_id": "ana"}))
    arrive(session, *[("View", {"$device_id": "d", "$user_id": "ben"})] * 5)
    (link,) = everything(session)["groups"][0]["across"]
    assert (link["times"], link["index"]) == (5, 5)


def test_an_ignored_event_is_drawn_only_where_nothing_else_says_it() -> None:
    session = a_session("simplified")
    arrive(session, ("$identify", {"distinct_id": "ana", "$anon_distinct_id": "$device:d"}))
    assert [link["outcome"] for link in everything(session)["groups"][0]["across"]] == ["ignored"]
    arrive(session, ("View", {"$device_id": "d", "$user_id": "ana"}))
    assert everything(session)["groups"][0]["across"] == []
    arrive(session, ("$identify", {"distinct_id": "ben", "$anon_distinct_id": "$device:d"}))
    arrive(session, ("View", {"$device_id": "d", "$user_id": "ben"}))
    assert [link["outcome"] for link in everything(session)["groups"][0]["across"]] == ["refused"]


def test_an_alias_in_legacy_leads_from_one_user_to_another() -> None:
    session = a_session("legacy")
    arrive(session, ("View", {"distinct_id": "visitor"}), ("View", {"distinct_id": "ana"}))
    arrive(session, ("$create_alias", {"distinct_id": "visitor", "alias": "ana"}))
    arrive(session, ("$create_alias", {"distinct_id": "visitor", "alias": "nobody yet"}))
    (group,) = everything(session)["groups"]
    assert [[each["id"] for each in one["ids"]] for one in group["clusters"]] == [["visitor", "nobody yet"], ["ana"]]
    assert [(link["ids"], link["outcome"]) for link in group["across"]] == [(["ana", "visitor"], "merged")]


def test_a_large_cluster_shows_some_ids_and_counts_the_others() -> None:
    session = a_session("simplified")
    arrive(session, *(("View", {"$device_id": f"d{number}", "$user_id": "ana"}) for number in range(40)))
    (one,) = everything(session, search="d17")["groups"][0]["clusters"]
    assert len(one["ids"]) == MOST_IDS - 1
    assert one["hidden"] == 41 - len(one["ids"])
    assert one["ids"][0] == {"id": "ana", "kind": "user"}
    assert one["ids"][1]["id"] == "$device:d17"
    assert {tuple(link["ids"]) for link in one["links"]} == {(each["id"], "ana") for each in one["ids"][1:]}


def test_a_device_of_a_hundred_people_is_not_drawn_a_hundred_times() -> None:
    session = a_session("simplified")
    arrive(session, *(("View", {"$device_id": "tablet", "$user_id": f"user {number}"}) for number in range(100)))
    document = picture(session, limit=24)
    sizes = [len(group["clusters"]) for group in document["groups"]]
    assert max(sizes) == MOST_TOGETHER
    assert sum(sizes) <= 24 + MOST_TOGETHER
    assert any(group["hidden"] for group in document["groups"])


@pytest.mark.parametrize(
    ("order", "first"), [("latest", ["user 9"]), ("largest", ["user 3"]), ("refused", ["user 5", "user 6"])]
)
def test_the_order_decides_what_comes_first(order: Any, first: list[str]) -> None:
    session = a_session("simplified")
    arrive(session, *(("View", {"$device_id": f"d{number}", "$user_id": f"user {number}"}) for number in range(5)))
    arrive(session, ("View", {"$device_id": "another", "$user_id": "user 3"}))
    arrive(session, *(("View", {"$device_id": "shared", "$user_id": f"user {number}"}) for number in (5, 6)))
    arrive(session, *(("View", {"$device_id": f"d{number}", "$user_id": f"user {number}"}) for number in range(7, 10)))
    document = picture(session, order=order, limit=1)
    assert [one["canonical"] for one in document["groups"][0]["clusters"]] == first


def test_a_long_history_is_read_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_STEP", 50)
    session = a_session("simplified")
    arrive(
        session, *(("View", {"$device_id": f"d{number // 2}", "$user_id": f"u{number // 4}"}) for number in range(120))
    )
    assert [picture(session)["behind"] for _ in range(3)] == [70, 20, 0]
    assert (picture(session)["users"], picture(session)["clusters"]) == (30, 30)


def test_after_a_reset_nothing_is_left() -> None:
    session = a_session("original")
    arrive(session, ("View", {"distinct_id": "ana"}))
    assert everything(session)["ids"] == 1
    session.reset()
    assert (everything(session)["ids"], everything(session)["groups"]) == (0, [])
