from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.event import Endpoint, Event, IdMerge, NotAnEvent
from harness.ingestion import rules
from harness.ingestion.limits import DISALLOWED_IDS
from harness.ingestion.rules import RuleContext, check_event
from harness.ingestion.settings import IngestionSettings
from harness.ingestion.verdict import Checked, Dropped, Refusal, Verdict
from tests.ingestion.rows import NOW_MS, NOW_S, row

DAY_S = 86_400


def check(
    raw: Any,
    id_merge: IdMerge = "original",
    endpoint: Endpoint = "import",
    *,
    strict: bool = True,
    client_ip: str | None = None,
    **settings: Any,
) -> Verdict:
    chosen = IngestionSettings(**settings)
    context = RuleContext(id_merge, endpoint, NOW_MS, strict=strict, settings=chosen, client_ip=client_ip)
    return check_event(raw, context=context)


def checked(raw: Any, *arguments: Any, **more: Any) -> Checked:
    verdict = check(raw, *arguments, **more)
    assert isinstance(verdict, Checked), verdict
    return verdict


def errors(raw: Any, *arguments: Any, **more: Any) -> list[tuple[str, str]]:
    verdict = check(raw, *arguments, **more)
    assert isinstance(verdict, Refusal), verdict
    return [(error.field, error.message) for error in verdict.errors]


def test_an_ordinary_event_is_stored_as_it_is() -> None:
    raw = row(page="/home")
    verdict = checked(raw)
    assert verdict == Checked(Event("Page View", raw["properties"]), NOW_MS - 60_000, "i-1", ())


@pytest.mark.parametrize("raw", [5, None, "text", [], True, 1.5, (), object()])
def test_a_row_that_is_no_object_is_refused(raw: Any) -> None:
    ((field, message),) = errors(raw)
    assert field == ""
    assert message.startswith("an event must be a JSON object, found ")


@pytest.mark.parametrize("name", [None, "", "  ", "\t\n", 5, [], {}])
def test_the_event_must_have_a_name(name: Any) -> None:
    assert errors(row(name)) == [("event", "'event' must not be missing or blank")]


def test_properties_must_be_an_object() -> None:
    ((field, message),) = errors({"event": "x", "properties": [1]})
    assert (field, message) == ("properties", "'properties' is invalid: must be an object, found a list")


def test_an_event_without_properties_lacks_what_import_requires() -> None:
    assert [field for field, _ in errors({"event": "x"})] == ["properties.time", "properties.distinct_id", "$insert_id"]


def test_an_event_and_what_is_none_are_taken_too() -> None:
    assert checked(Event("x", row()["properties"])).event.name == "x"
    assert errors(NotAnEvent("", "line 3 is not JSON")) == [("", "line 3 is not JSON")]


# time


@pytest.mark.parametrize(
    ("time", "time_ms"),
    [
        (NOW_S - 1, NOW_MS - 1000),
        (NOW_S - 0.5, NOW_MS - 500),
        (1618716477.123456, 1_618_716_477_123),
        (1618716477123, 1_618_716_477_123),
        (1618716477123.9, 1_618_716_477_123),
        (31_536_000, 31_536_000_000),
        (100_000_000_000, 100_000_000_000),
    ],
)
def test_time_is_in_seconds_below_1e11_and_else_in_milliseconds(time: float, time_ms: int) -> None:
    assert checked(row(time=time)).time_ms == time_ms


def test_the_threshold_between_seconds_and_milliseconds_is_a_switch() -> None:
    assert checked(row(time=99_999_999), ms_threshold=1e12).time_ms == 99_999_999_000
    assert errors(row(time=99_999_999), ms_threshold=1e7)[0][0] == "properties.time"


@pytest.mark.parametrize(
    "time",
    ["yesterday", "1618716477", "2023-11-14T22:13:20Z", True, False, [], {}, float("nan"), float("inf"), -1, 0, 123],
)
@pytest.mark.parametrize("endpoint", ["import", "track"])
def test_a_time_that_is_no_number_or_before_1971_is_refused(time: Any, endpoint: Endpoint) -> None:
    message = "'properties.time' is invalid: must be specified as seconds since epoch"
    for strict in (True, False):
        assert errors(row(time=time), endpoint=endpoint, strict=strict) == [("properties.time", message)]


def test_the_last_second_before_1971_is_refused() -> None:
    assert errors(row(time=31_535_999))[0][0] == "properties.time"
    assert errors(row(time=float("-inf")))[0][0] == "properties.time"


@pytest.mark.parametrize("time", [..., None])
@pytest.mark.parametrize("strict", [True, False])
def test_import_requires_a_time(time: Any, strict: bool) -> None:
    message = "'properties.time' is invalid: must not be missing"
    assert errors(row(time=time), strict=strict) == [("properties.time", message)]


@pytest.mark.parametrize("time", [..., None])
def test_on_track_an_absent_time_is_the_time_of_arrival(time: Any) -> None:
    verdict = checked(row(time=time), endpoint="track")
    assert (verdict.time_ms, verdict.cautions) == (NOW_MS, ())


@pytest.mark.parametrize("ahead", [1, 3_600])
@pytest.mark.parametrize("future", ["strict_reject_else_clamp", "always_clamp", "always_reject"])
def test_up_to_an_hour_ahead_becomes_now(ahead: int, future: str) -> None:
    verdict = checked(row(time=NOW_S + ahead), time_future=future)
    assert verdict.time_ms == NOW_MS
    assert verdict.event.properties["time"] == NOW_S


FUTURE = [("properties.time", "'properties.time' is invalid: must not be in the future")]


@pytest.mark.parametrize("time", [NOW_S + 3_601, 4_102_444_800, NOW_MS + 3_600_001, 1e300, 10**300])
def test_further_ahead_is_rejected_under_strict_and_else_becomes_now(time: float) -> None:
    assert errors(row(time=time)) == FUTURE
    verdict = checked(row(time=time), strict=False)
    assert verdict.time_ms == NOW_MS
    assert verdict.event.properties["time"] == NOW_S
    assert verdict.cautions[0].field == "properties.time"
    assert checked(row(time=time), endpoint="track").time_ms == NOW_MS


def test_what_happens_to_the_future_is_a_switch() -> None:
    later = row(time=NOW_S + 7_200)
    assert checked(later, time_future="always_clamp").time_ms == NOW_MS
    assert errors(later, strict=False, time_future="always_reject") == FUTURE
    assert errors(later, endpoint="track", time_future="always_reject") == FUTURE


def test_track_takes_the_last_five_days() -> None:
    assert checked(row(time=NOW_S - 5 * DAY_S), endpoint="track").time_ms == NOW_MS - 5 * DAY_S * 1000
    ((field, message),) = errors(row(time=NOW_S - 5 * DAY_S - 1), endpoint="track")
    assert field == "properties.time"
    assert "5 days" in message
    assert checked(row(time=NOW_S - 6 * DAY_S), endpoint="track", track_window_days=7)
    assert checked(row(time=NOW_S - 6 * DAY_S))


# distinct_id


@pytest.mark.parametrize("missing", [..., None])
def test_strict_import_in_original_requires_a_distinct_id(missing: Any) -> None:
    message = "'properties.distinct_id' is invalid: must not be missing"
    assert errors(row(distinct_id=missing)) == [("properties.distinct_id", message)]
    assert checked(row(distinct_id=missing), strict=False).event.properties.get("distinct_id") is None
    assert checked(row(distinct_id=missing), endpoint="track")
    assert checked(row(distinct_id=missing), "legacy")


def test_an_empty_distinct_id_is_nobody_and_fine() -> None:
    for id_merge in ("simplified", "original", "legacy"):
        assert checked(row(distinct_id=""), id_merge).cautions == ()


def test_simplified_derives_a_missing_distinct_id_or_does_without() -> None:
    assert checked(row(distinct_id=..., S_device_id="D"), "simplified")
    assert checked(row(distinct_id=...), "simplified")


def test_the_senders_address_stands_in_where_the_request_asks_for_it() -> None:
    verdict = checked(row(distinct_id=...), endpoint="track", client_ip="203.0.113.7")
    again = checked(row(distinct_id=...), endpoint="track", client_ip="203.0.113.7")
    other = checked(row(distinct_id=...), endpoint="track", client_ip="203.0.113.8")
    derived = verdict.event.properties["distinct_id"]
    assert derived == again.event.properties["distinct_id"] != other.event.properties["distinct_id"]
    assert "203.0.113" not in derived


def test_what_happens_without_a_distinct_id_is_a_switch() -> None:
    missing = row(distinct_id=...)
    for endpoint in ("import", "track"):
        assert errors(missing, "simplified", endpoint, missing_distinct_id="reject")[0][0] == "properties.distinct_id"
        assert "distinct_id" not in checked(missing, endpoint=endpoint, missing_distinct_id="empty").event.properties
    assert checked(row(distinct_id=..., S_user_id="u"), "simplified", missing_distinct_id="reject")


@pytest.mark.parametrize("value", sorted(DISALLOWED_IDS))
def test_disallowed_ids_are_rejected_under_strict_and_else_blank(value: str) -> None:
    for spelled in (value, value.upper(), value.title()):
        assert [field for field, _ in errors(row(distinct_id=spelled))] == ["properties.distinct_id"]
        verdict = checked(row(distinct_id=spelled), strict=False)
        assert verdict.event.properties["distinct_id"] == ""
        assert [caution.field for caution in verdict.cautions] == ["properties.distinct_id"]


@pytest.mark.parametrize("value", [0, -1, 0.0, True, False, [], {}])
def test_values_that_read_like_disallowed_ids_are_disallowed(value: Any) -> None:
    assert [field for field, _ in errors(row(distinct_id=value))] == ["properties.distinct_id"]


@pytest.mark.parametrize("value", [17, "nobody", "00", "-2", "n.a.", " null", 1.5, ["a"]])
def test_other_values_are_ids(value: Any) -> None:
    assert checked(row(distinct_id=value)).event.properties["distinct_id"] == value


@pytest.mark.parametrize("key", ["$user_id", "$device_id"])
def test_in_simplified_the_list_holds_for_user_and_device_ids_too(key: str) -> None:
    raw = row(**{key.replace("$", "S_"): "NULL"})
    assert [field for field, _ in errors(raw, "simplified")] == [f"properties.{key}"]
    assert key not in checked(raw, "simplified", strict=False).event.properties
    assert checked(raw, "original").event.properties[key] == "NULL"


def test_what_happens_to_bad_ids_without_strict_is_a_switch() -> None:
    raw = row(distinct_id="undefined")
    kept = checked(raw, strict=False, bad_ids_nonstrict="accept")
    assert kept.event.properties["distinct_id"] == "undefined"
    assert kept.cautions
    dropped = check(raw, strict=False, bad_ids_nonstrict="drop")
    assert isinstance(dropped, Dropped)
    assert dropped.reason.field == "properties.distinct_id"


def test_a_device_id_made_of_a_disallowed_one_is_worth_a_warning() -> None:
    assert checked(row(distinct_id="$device:undefined"), "simplified").cautions


# $insert_id


@pytest.mark.parametrize("missing", [..., None, ""])
def test_strict_import_requires_an_insert_id(missing: Any) -> None:
    assert errors(row(S_insert_id=missing)) == [("$insert_id", "'$insert_id' is invalid: must not be missing")]
    assert checked(row(S_insert_id=missing), strict=False).insert_id == ""
    assert checked(row(S_insert_id=missing), endpoint="track").insert_id == ""


@pytest.mark.parametrize("value", ["a:b", "a_b", "a b", "é", "a.b", "a\n", "٣"])
def test_an_insert_id_has_letters_digits_and_hyphens_only(value: str) -> None:
    message = "'$insert_id' is invalid: must only contain alphanumeric or hyphen '-' characters"
    assert errors(row(S_insert_id=value)) == [("$insert_id", message)]
    lenient = checked(row(S_insert_id=value), strict=False)
    assert lenient.insert_id == ""
    assert [caution.field for caution in lenient.cautions] == ["$insert_id"]
    assert checked(row(S_insert_id=value), strict=False, bad_ids_nonstrict="accept").insert_id == value
    assert isinstance(check(row(S_insert_id=value), strict=False, bad_ids_nonstrict="drop"), Dropped)


def test_an_insert_id_has_at_most_36_characters() -> None:
    assert checked(row(S_insert_id="a" * 36)).insert_id == "a" * 36
    assert [field for field, _ in errors(row(S_insert_id="a" * 37))] == ["$insert_id"]
    assert [field for field, _ in errors(row(S_insert_id="a" * 300))] == ["$insert_id"]


@pytest.mark.parametrize("value", ["undefined", "Anonymous", "0", 0, "-1", "00000000-0000-0000-0000-000000000000"])
def test_an_insert_id_is_not_on_the_list(value: Any) -> None:
    assert [field for field, _ in errors(row(S_insert_id=value))] == ["$insert_id"]


def test_a_number_is_an_insert_id_by_its_text() -> None:
    assert checked(row(S_insert_id=42)).insert_id == "42"


def test_a_refused_event_keeps_its_insert_id_for_the_answer() -> None:
    verdict = check(row(time=..., S_insert_id="abc"))
    assert isinstance(verdict, Refusal)
    assert verdict.insert_id == "abc"


# identity events


def test_original_takes_an_identify_that_names_only_the_identified_id() -> None:
    assert checked(row("$identify", distinct_id=..., S_identified_id="u", S_anon_id="a"))
    assert errors(row("$identify", distinct_id=..., S_anon_id="a"))[0][0] == "properties.distinct_id"


def test_original_takes_a_merge_without_distinct_id_time_or_insert_id() -> None:
    raw = {"event": "$merge", "properties": {"$distinct_ids": ["a", "b"]}}
    assert checked(raw).time_ms == NOW_MS
    assert checked(raw, endpoint="track")


def test_an_alias_needs_a_distinct_id() -> None:
    raw = row("$create_alias", distinct_id=..., alias="a")
    assert errors(raw) == [("properties.distinct_id", "'properties.distinct_id' is invalid: must not be missing")]


@pytest.mark.parametrize("distinct_id", [..., None, ""])
@pytest.mark.parametrize("name", ["$identify", "$create_alias"])
@pytest.mark.parametrize("id_merge", ["simplified", "original", "legacy"])
def test_track_wants_to_know_whom_an_identity_event_is_about(name: str, distinct_id: Any, id_merge: IdMerge) -> None:
    raw = row(name, distinct_id=distinct_id, alias="a", S_anon_id="b")
    assert errors(raw, id_merge, "track") == [("properties.distinct_id", "distinct_id, missing or empty")]


@pytest.mark.parametrize("name", ["$identify", "$create_alias", "$merge"])
def test_strict_import_in_simplified_refuses_identity_events(name: str) -> None:
    verdict = check(row(name), "simplified")
    assert isinstance(verdict, Refusal)
    assert verdict.is_verb
    text = "identity events are not allowed when project is using simplified identity management"
    assert [error.message for error in verdict.errors] == [text]
    assert checked(row(name), "simplified", strict=False)
    assert checked(row(name), "simplified", verbs_on_import="ignore")
    assert checked(row(name), "simplified", endpoint="track")
    assert isinstance(check(row(name), "simplified", endpoint="track", verbs_on_track="reject"), Refusal)
    assert checked(row(name), "original")


# shape


def test_an_event_has_fewer_than_255_properties() -> None:
    some = {f"p{number}": number for number in range(251)}
    assert checked(row(**some))
    assert [field for field, _ in errors(row(**some, one_more=1))] == ["properties"]


def test_a_nested_object_has_fewer_than_255_keys() -> None:
    assert checked(row(a={str(number): 1 for number in range(254)}))
    assert [field for field, _ in errors(row(a={str(number): 1 for number in range(255)}))] == ["properties.a"]
    assert [field for field, _ in errors(row(a=[{str(number): 1 for number in range(255)}]))] == ["properties.a"]


def test_objects_are_nested_three_levels_deep_at_most() -> None:
    assert checked(row(a={"b": {"c": {"d": 1}}}))
    assert checked(row(a=[{"b": [{"c": [{"d": [1]}]}]}]))
    assert [field for field, _ in errors(row(a={"b": {"c": {"d": {"e": 1}}}}))] == ["properties.a"]


def test_a_list_has_fewer_than_255_elements() -> None:
    assert checked(row(a=list(range(254))))
    assert [field for field, _ in errors(row(a=list(range(255))))] == ["properties.a"]


def test_no_nesting_is_too_deep_to_answer() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for key in ("a", "distinct_id", "time", "S_insert_id"):
        assert errors(row(**{key: deep}))
    while deep:
        deep = deep.pop()


def test_long_texts_are_cut_to_255_characters() -> None:
    verdict = checked(row("n" * 300, a="x" * 256, b=["y" * 300, {"c": "é" * 300}], d="z" * 255))
    properties = verdict.event.properties
    assert verdict.event.name == "n" * 255
    assert (properties["a"], properties["b"]) == ("x" * 255, ["y" * 255, {"c": "é" * 255}])
    assert properties["d"] == "z" * 255
    assert {caution.field for caution in verdict.cautions} == {"event", "properties.a", "properties.b"}


def test_the_event_that_was_sent_is_not_changed() -> None:
    raw = row(a=["y" * 300], time=NOW_S + 5)
    checked(raw)
    assert raw == row(a=["y" * 300], time=NOW_S + 5)


@pytest.mark.parametrize("key", ["distinct_id", "S_user_id", "S_device_id", "S_anon_id", "alias"])
def test_long_ids_are_not_cut_but_warned_about(key: str) -> None:
    verdict = checked(row(**{key: "x" * 300}))
    assert verdict.event.properties[key.replace("S_", "$")] == "x" * 300
    assert [caution.field for caution in verdict.cautions] == [f"properties.{key.replace('S_', '$')}"]


def test_an_event_is_smaller_than_a_megabyte() -> None:
    assert checked(row(a="x" * 999_000))
    message = "'event' is invalid: must be smaller than 1MB of uncompressed JSON"
    assert errors(row(a="x" * 1_000_000)) == [("event", message)]
    assert errors(row(a="é" * 500_000)) == [("event", message)]
    assert errors(row(a=[{str(at): "x" * 250 for at in range(250)} for _ in range(20)])) == [("event", message)]


@pytest.mark.parametrize("text", ["\ud83d", "a\udc80b"])
def test_a_text_must_be_utf8(text: str) -> None:
    assert errors(row(utm_source=text)) == [
        ("properties.utm_source", "properties.utm_source is invalid: string should be valid utf8")
    ]
    assert errors(row(text)) == [("event", "event is invalid: string should be valid utf8")]
    assert errors(row(a={text: 1}))[0][0] == "properties.a"
    assert errors({"event": "x", "properties": {**row()["properties"], text: 1}})[0][0] == "properties"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), pytest.param(10**5_000, id="huge"), (1,), b"bytes", {1: 2}, {"a": object()}]
)
def test_what_json_can_not_carry_is_refused(value: Any) -> None:
    assert [field for field, _ in errors(row(a=value))] == ["properties.a"]
    assert errors(row(distinct_id=value))
    assert errors(row(S_insert_id=value))


@pytest.mark.parametrize("value", [True, 1, "true", "yes", [], {}, -1])
def test_what_says_ignore_is_dropped(value: Any) -> None:
    assert isinstance(check(row(S_ignore=value)), Dropped)


@pytest.mark.parametrize("value", [False, 0, "", None])
def test_what_says_not_to_ignore_is_not_dropped(value: Any) -> None:
    assert checked(row(S_ignore=value))


# anything


ids = st.one_of(
    st.sampled_from(["u", "", "null", "$device:x", "$device:none", "a" * 300, None, 0, 17, True]), st.text(max_size=5)
)
times = st.one_of(
    st.integers(NOW_S - 10 * DAY_S, NOW_S + 10_000),
    st.floats(NOW_S - 10 * DAY_S, NOW_S + 10_000),
    st.integers(NOW_MS - 10, NOW_MS + 10),
    st.integers(),
    st.floats(),
    st.none(),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("x" * 256))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
likely = st.fixed_dictionaries(
    {"time": times, "distinct_id": ids},
    optional={"$user_id": ids, "$device_id": ids, "$insert_id": ids, "$ignore": scalars, "a": values, "b": values},
)
names = st.sampled_from(["x", "$identify", "$create_alias", "$merge", "", "é", "y" * 300])
contexts = st.builds(
    lambda id_merge, endpoint, strict: RuleContext(id_merge, endpoint, NOW_MS, strict=strict),
    st.sampled_from(["simplified", "original", "legacy"]),
    st.sampled_from(["track", "import"]),
    st.booleans(),
)


@given(st.one_of(values, st.dictionaries(st.sampled_from(["event", "properties"]), values)), contexts)
def test_any_row_gets_a_verdict(raw: Any, context: RuleContext) -> None:
    assert isinstance(check_event(raw, context=context), Checked | Refusal | Dropped)


@given(names, likely, contexts)
def test_the_quick_look_and_the_closer_look_agree(name: str, properties: dict[str, Any], context: RuleContext) -> None:
    if not name or (name.startswith("$") and context.verb_refused):
        return
    quick = rules._glance(name, properties, context)
    if quick is not None:
        assert quick == rules._Check(name, properties, context).run()


@given(names, likely, contexts)
def test_strict_takes_nothing_that_lenient_refuses(name: str, properties: dict[str, Any], context: RuleContext) -> None:
    raw = {"event": name, "properties": properties}
    lenient = RuleContext(context.id_merge, context.endpoint, NOW_MS, strict=False)
    if isinstance(check_event(raw, context=context), Checked):
        assert isinstance(check_event(raw, context=lenient), Checked)
