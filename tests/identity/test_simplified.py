"""Simplified ID Merge, rule by rule: a device belongs to the first user it is seen with."""

from __future__ import annotations

import pytest

from harness.event import Event, Json
from harness.identity.model import Arrival, IdentityModel
from tests.identity.wording import ECID, UUID_A, UUID_B, create_alias, event, identify, merge, only, project


def simplified(*events: Event, **switches: Json) -> IdentityModel:
    return project("simplified", *events, **switches)


def arrival(sent: Event, **switches: Json) -> Arrival:
    return simplified(**switches).add(sent)


def clusters(model: IdentityModel) -> list[tuple[str, ...]]:
    return [cluster.ids for cluster in model.clusters()]


# --- which id an event gets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["", None, "ann", "someone else", f"$device:{UUID_B}"])
def test_the_user_id_becomes_the_distinct_id_whatever_was_sent(sent: Json) -> None:
    assert arrival(event(distinct_id=sent, user_id="ann")).stored == "ann"
    assert arrival(event(distinct_id=sent, user_id="ann", device_id=UUID_A)).stored == "ann"


@pytest.mark.parametrize("sent", ["", None, "ann", f"$device:{UUID_B}"])
def test_without_a_user_id_it_is_the_device_behind_its_prefix(sent: Json) -> None:
    assert arrival(event(distinct_id=sent, device_id=UUID_A)).stored == f"$device:{UUID_A}"


def test_an_overridden_distinct_id_is_nobodys_id() -> None:
    assert clusters(simplified(event(distinct_id="sent", user_id="ann"))) == [("ann",)]


def test_alone_a_distinct_id_with_prefix_is_a_device_and_any_other_a_user() -> None:
    model = simplified(event(distinct_id=f"$device:{UUID_A}"), event(device_id=UUID_A, user_id="ann"))
    assert model.settled(f"$device:{UUID_A}") == "ann"
    model.add(event(distinct_id="ann"))
    assert clusters(model) == [(f"$device:{UUID_A}", "ann")]


def test_an_unprefixed_anonymous_uuid_is_a_phantom_user_with_a_warning() -> None:
    model = simplified(event(distinct_id=UUID_A), event(device_id=UUID_A, user_id="ann"))
    assert clusters(model) == [(f"$device:{UUID_A}", "ann"), (UUID_A,)]
    assert [(caution.rule, caution.event_index, caution.ids) for caution in model.cautions] == [
        ("simplified.phantom_user", 0, (UUID_A,))
    ]


def test_an_unprefixed_ecid_is_a_phantom_user_with_a_warning() -> None:
    ecid = "26783473982374982374982374982374982374"
    model = simplified(event(distinct_id=ecid))
    assert [(caution.rule, caution.ids) for caution in model.cautions] == [("simplified.phantom_user", (ecid,))]


def test_a_phantom_user_is_warned_about_once() -> None:
    assert len(simplified(*[event(distinct_id=UUID_A)] * 3).cautions) == 1


def test_a_uuid_sent_as_user_id_is_no_phantom() -> None:
    assert simplified(event(user_id=UUID_A), event(distinct_id=UUID_A)).cautions == []


def test_an_event_without_any_id_belongs_to_nobody() -> None:
    for sent in (event(), event(distinct_id=""), event(distinct_id=None, device_id="", user_id=None)):
        assert arrival(sent)[:2] == ("", "")
        assert clusters(simplified(sent)) == []


@pytest.mark.parametrize("absent", ["", None])
def test_an_empty_user_id_or_device_id_is_absent(absent: Json) -> None:
    assert arrival(event(device_id=UUID_A, user_id=absent)).stored == f"$device:{UUID_A}"
    assert arrival(event(device_id=absent, user_id="ann")).stored == "ann"
    assert len(simplified(event(device_id=absent, user_id="ann")).decisions) == 0


def test_taken_literally_an_empty_user_id_makes_nobodys_event_and_no_link() -> None:
    sent = event(distinct_id="ann", device_id=UUID_A, user_id="")
    assert arrival(sent, empty_id="literal") == Arrival("", "", None)
    assert clusters(simplified(sent, empty_id="literal")) == [(f"$device:{UUID_A}",)]


def test_taken_literally_an_empty_device_id_is_one_device_of_all_who_send_it() -> None:
    model = simplified(event(device_id="", user_id="ann"), event(device_id=""), empty_id="literal")
    assert clusters(model) == [("$device:", "ann")]


def test_null_is_absent_even_where_empty_is_taken_literally() -> None:
    assert arrival(event(device_id=UUID_A, user_id=None), empty_id="literal").stored == f"$device:{UUID_A}"


def test_one_device_prefix_is_removed_from_a_device_id() -> None:
    assert arrival(event(device_id=f"$device:{UUID_A}")).stored == f"$device:{UUID_A}"
    assert arrival(event(device_id=f"$device:$device:{UUID_A}")).stored == f"$device:$device:{UUID_A}"


def test_no_device_prefix_is_removed_where_the_project_says_so() -> None:
    sent = event(device_id=f"$device:{UUID_A}")
    assert arrival(sent, strip_device_prefix="none").stored == f"$device:$device:{UUID_A}"


def test_ids_that_are_no_text_count_as_their_json() -> None:
    model = simplified(event(device_id=7, user_id=42), event(device_id="7"), event(distinct_id="42"))
    assert clusters(model) == [("$device:7", "42")]


# --- links --------------------------------------------------------------------------------------------------------


def test_the_first_event_with_both_gives_the_device_to_the_user_retroactively() -> None:
    model = simplified(event(device_id=UUID_A), event(device_id=UUID_A, user_id="ann"), event(device_id=UUID_A))
    assert only(model)[:4] == ("link", (f"$device:{UUID_A}", "ann"), "merged", None)
    assert model.settled(f"$device:{UUID_A}") == "ann"


def test_a_link_with_an_old_time_still_joins_all_events() -> None:
    backdated = Event("Login", {"$device_id": UUID_A, "$user_id": "ann", "time": 1_000_000_000})
    model = simplified(Event("Page View", {"$device_id": UUID_A, "time": 1_700_000_000}), backdated)
    assert model.settled(f"$device:{UUID_A}") == "ann"


def test_the_same_link_again_is_nothing_to_do() -> None:
    model = simplified(*[event(device_id=UUID_A, user_id="ann")] * 2)
    assert model.decisions[1][2:4] == ("already", None)


def test_a_second_user_on_the_device_keeps_the_event_but_not_the_device() -> None:
    model = simplified(event(device_id=UUID_A, user_id="ann"))
    second = model.add(event(device_id=UUID_A, user_id="bob"))
    assert second.stored == "bob"
    assert second.decision is not None
    assert second.decision[1:4] == ((f"$device:{UUID_A}", "bob"), "refused", "errAnonDistinctIdAssignedAlready")
    assert model.settled(model.add(event(device_id=UUID_A)).stored) == "ann"
    assert clusters(model) == [(f"$device:{UUID_A}", "ann"), ("bob",)]


def test_users_never_merge_and_devices_meet_only_through_a_user() -> None:
    model = simplified(
        event(device_id="d1", user_id="ann"), event(device_id="d2", user_id="ann"), event(device_id="d3"),
        event(device_id="d2", user_id="bob"), event(device_id="d4", user_id="bob"),
    )  # fmt: skip
    assert clusters(model) == [("$device:d1", "$device:d2", "ann"), ("$device:d3",), ("$device:d4", "bob")]


def test_a_user_may_have_any_number_of_devices() -> None:
    model = simplified(*(event(device_id=f"d{number}", user_id="ann") for number in range(1_000)))
    assert len(model.members("ann")) == 1_001
    assert model.cautions == []


def test_a_device_may_be_called_like_its_user() -> None:
    assert clusters(simplified(event(device_id="knock", user_id="knock"))) == [("$device:knock", "knock")]


def test_a_device_that_is_called_like_another_user_does_not_touch_that_user() -> None:
    model = simplified(event(user_id="+6512345678"), event(device_id="+6512345678", user_id="ann"))
    assert clusters(model) == [("$device:+6512345678", "ann"), ("+6512345678",)]


def test_a_device_in_distinct_id_beside_a_user_id_links_nothing() -> None:
    model = simplified(event(distinct_id=f"$device:{UUID_A}", user_id="ann"))
    assert len(model.decisions) == 0
    assert clusters(model) == [("ann",)]


def test_a_user_id_with_device_prefix_never_links_and_is_warned_about() -> None:
    model = simplified(event(device_id=UUID_A, user_id=f"$device:{UUID_B}"))
    assert only(model)[2:4] == ("refused", None)
    assert clusters(model) == [(f"$device:{UUID_A}",), (f"$device:{UUID_B}",)]
    assert [caution.rule for caution in model.cautions] == ["simplified.user_id_is_device"]


def test_swift_identifying_itself_while_anonymous_does_not_use_the_device_up() -> None:
    model = simplified(event(device_id=UUID_A, user_id=f"$device:{UUID_A}"), event(device_id=UUID_A, user_id="ann"))
    assert [decision.outcome for decision in model.decisions] == ["refused", "merged"]
    assert clusters(model) == [(f"$device:{UUID_A}", "ann")]


# --- identity events ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kind", "ids"),
    [
        (identify("ann", f"$device:{UUID_A}"), "identify", (f"$device:{UUID_A}", "ann")),
        (create_alias("ann", "a"), "alias", ("a", "ann")),
        (merge("ann", "bob"), "merge", ("ann", "bob")),
    ],
)
def test_identity_events_are_ignored(sent: Event, kind: str, ids: tuple[str, ...]) -> None:
    model = simplified(sent)
    assert only(model)[:4] == (kind, ids, "ignored", None)
    assert all(len(cluster) == 1 for cluster in clusters(model))


def test_a_flow_that_ends_with_identify_has_not_joined_yet() -> None:
    device = f"$device:{UUID_A}"
    login = {"distinct_id": "ann", "$anon_distinct_id": device, "$device_id": UUID_A, "$user_id": "ann"}
    model = simplified(event(device_id=UUID_A), Event("$identify", login))
    assert clusters(model) == [(device,), ("ann",)]
    model.add(event(device_id=UUID_A, user_id="ann"))
    assert clusters(model) == [(device, "ann")]


def test_the_distinct_id_of_an_identity_event_counts_as_if_it_were_alone() -> None:
    model = simplified(event(device_id=UUID_A, user_id="ann"))
    ignored = model.add(Event("$identify", {"distinct_id": f"$device:{UUID_A}", "$user_id": "bob"}))
    assert (ignored.received, model.settled(ignored.stored)) == (f"$device:{UUID_A}", "ann")
    assert clusters(model) == [(f"$device:{UUID_A}", "ann")]


def test_the_ids_inside_an_ignored_event_do_not_exist() -> None:
    assert clusters(simplified(merge("a", "b"), create_alias("ann", "z"))) == [("ann",)]


# --- senders ------------------------------------------------------------------------------------------------------


def test_an_ecid_works_as_device_id() -> None:
    model = simplified(event(device_id=ECID), event(device_id=ECID, user_id="ann"))
    assert clusters(model) == [(f"$device:{ECID}", "ann")]


def test_an_ecid_as_bare_distinct_id_is_a_user_of_its_own() -> None:
    model = simplified(event(distinct_id=ECID), event(device_id=ECID, user_id="ann"))
    assert clusters(model) == [(f"$device:{ECID}", "ann"), (ECID,)]


def test_a_shared_device_without_reset_gives_the_second_persons_anonymous_events_to_the_first() -> None:
    model = simplified(event(device_id=UUID_A, user_id="ann"), event(device_id=UUID_A, user_id="bob"))
    assert model.settled(model.add(event(device_id=UUID_A)).stored) == "ann"


def test_a_reset_makes_a_new_device_that_the_next_person_can_have() -> None:
    model = simplified(event(device_id=UUID_A, user_id="ann"), event(device_id=UUID_B),
                       event(device_id=UUID_B, user_id="bob"))  # fmt: skip
    assert clusters(model) == [(f"$device:{UUID_A}", "ann"), (f"$device:{UUID_B}", "bob")]


def test_every_refusal_says_what_the_server_stamps_on_the_event() -> None:
    model = simplified(event(device_id="d", user_id="ann"), event(device_id="d", user_id="bob"))
    assert (model.decisions[1].rule, model.decisions[1].evidence) == ("simplified.device_of_another", "observed")
