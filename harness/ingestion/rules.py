"""Validation of one event, field by field, with Mixpanel's own messages and limits; errors are values.

Which rule rests on what (`docs`, `observed`, `inferred`) stands at each rule, and at each limit in `limits`. Where
Mixpanel's words are unpublished, a message is ours, in the form of theirs. A row may be anything: what is not an event
is refused with a message, never with an exception.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Final

from harness.event import (
    DEVICE_PREFIX,
    IDENTITY_EVENTS,
    MISSING_NAME,
    Endpoint,
    Event,
    IdMerge,
    Json,
    NotAnEvent,
    id_text,
    kind_of_json,
)
from harness.ingestion.limits import DAY_MS, DISALLOWED_IDS, EARLIEST_MS, HOUR_MS, INSERT_ID_BYTES, TEXT_CHARACTERS
from harness.ingestion.settings import IngestionSettings
from harness.ingestion.shape import check_shape, is_plain
from harness.ingestion.verdict import Checked, Dropped, FieldCaution, FieldError, Refusal, Verdict

VERB_REFUSED: Final = "identity events are not allowed when project is using simplified identity management"
"""What /import answers to an identity event in simplified, as a plain text in place of a record (`observed`)."""

NOT_SECONDS: Final = FieldError(
    "properties.time", "'properties.time' is invalid: must be specified as seconds since epoch"
)
TIME_MISSING: Final = FieldError("properties.time", "'properties.time' is invalid: must not be missing")
IN_THE_FUTURE: Final = FieldError("properties.time", "'properties.time' is invalid: must not be in the future")
ID_MISSING: Final = FieldError("properties.distinct_id", "'properties.distinct_id' is invalid: must not be missing")
VERB_WITHOUT_ID: Final = FieldError("properties.distinct_id", "distinct_id, missing or empty")
INSERT_ID_MISSING: Final = FieldError("$insert_id", "'$insert_id' is invalid: must not be missing")
INSERT_ID_TOO_LONG: Final = FieldError(
    "$insert_id", f"'$insert_id' is invalid: must be at most {INSERT_ID_BYTES} bytes long"
)
INSERT_ID_FORM: Final = FieldError(
    "$insert_id", "'$insert_id' is invalid: must only contain alphanumeric or hyphen '-' characters"
)
_INSERT_ID: Final = re.compile("[A-Za-z0-9-]+").fullmatch
_SIMPLIFIED_IDS: Final = ("$user_id", "$device_id")
_ODD_IDS: Final = DISALLOWED_IDS | {DEVICE_PREFIX + text for text in DISALLOWED_IDS}
_FAR: Final = 10**17
"""A time in milliseconds past every clock; numbers beyond it are not told apart."""
_ABSENT: Final = object()
_new = tuple.__new__


class RuleContext:
    """What a row is checked against: one request, at one moment, in one project.

    Args:
        id_merge: the project's ID-merge system.
        endpoint: the route the row came by. Only /import knows strict validation (`docs`).
        now_ms: Mixpanel's clock, milliseconds since 1970.
        strict: whether /import validates strictly; /track never does.
        settings: the reading of the rules.
        client_ip: the sender's address where it is known and the request said `ip=1`, else None.
        plain_keys: property names that were found to be ordinary before; None: none were.
    """

    __slots__ = (
        "client_ip",
        "endpoint",
        "id_merge",
        "latest_ms",
        "now_ms",
        "oldest_ms",
        "plain_keys",
        "rejects_future",
        "seconds_below",
        "settings",
        "strict",
        "verb_refused",
    )

    def __init__(
        self,
        id_merge: IdMerge,
        endpoint: Endpoint,
        now_ms: int,
        *,
        strict: bool = True,
        settings: IngestionSettings | None = None,
        client_ip: str | None = None,
        plain_keys: set[str] | None = None,
    ) -> None:
        chosen = settings or IngestionSettings()
        on_import = endpoint == "import"
        self.id_merge: IdMerge = id_merge
        self.endpoint: Endpoint = endpoint
        self.now_ms = now_ms
        self.plain_keys: set[str] = set() if plain_keys is None else plain_keys
        self.settings = chosen
        self.strict = strict and on_import
        self.client_ip = client_ip
        self.seconds_below = chosen.ms_threshold
        self.latest_ms = now_ms + HOUR_MS
        self.oldest_ms = EARLIEST_MS if on_import else now_ms - int(chosen.track_window_days * DAY_MS)
        self.rejects_future = chosen.time_future == "always_reject" or (
            self.strict and chosen.time_future == "strict_reject_else_clamp"
        )
        refused_here = (
            (self.strict and chosen.verbs_on_import != "ignore") if on_import else (chosen.verbs_on_track == "reject")
        )
        self.verb_refused = id_merge == "simplified" and refused_here


def check_event(raw: Json, *, context: RuleContext) -> Verdict:
    """Return a row as Mixpanel stores it, or why it does not.

    Args:
        raw: one row of a request in wire form; anything at all. An `Event` and a `NotAnEvent` are taken too.
        context: what it is checked against.
    """
    if type(raw) is dict:
        name, properties = raw.get("event"), raw.get("properties")
    elif isinstance(raw, Event):
        name, properties = raw.name, dict(raw.properties)
    elif isinstance(raw, NotAnEvent):
        return Refusal((FieldError(raw.field, raw.message),))
    else:
        return Refusal((FieldError("", f"an event must be a JSON object, found {kind_of_json(raw)}"),))
    if type(properties) is not dict:
        if properties is not None:
            message = f"'properties' is invalid: must be an object, found {kind_of_json(properties)}"
            return Refusal((FieldError("properties", message),))
        properties = {}
    if type(name) is not str or not name or name.isspace():
        return _nameless(properties, context)
    if "$ignore" in properties and _is_true(properties["$ignore"]):
        return Dropped(FieldError("properties.$ignore", "'properties.$ignore' is true, so the event is dropped"))
    is_verb = name[0] == "$" and name in IDENTITY_EVENTS
    if is_verb and context.verb_refused:
        return Refusal((FieldError("event", VERB_REFUSED),), insert_id_text(properties), is_verb=True)
    return _glance(name, properties, context) or _Check(name, properties, context).run()


def _glance(name: str, properties: dict[str, Json], context: RuleContext) -> Checked | None:
    """Return an ordinary event as it is; None where anything about it wants a closer look.

    Most events are ordinary, and this is what makes them cheap; `_Check` alone would give the same answers.
    """
    get = properties.get
    time_ms = _plain_time(get("time"), context)
    if time_ms is None or (name[0] == "$" and name in IDENTITY_EVENTS):
        return None
    if len(name) > TEXT_CHARACTERS or not name.isascii():
        return None
    distinct_id = get("distinct_id")
    if type(distinct_id) is not str or distinct_id.lower() in _ODD_IDS or not is_plain(properties, context.plain_keys):
        return None
    if context.id_merge == "simplified":
        user, device = get("$user_id", ""), get("$device_id", "")
        if type(user) is not str or type(device) is not str:
            return None
        if user.lower() in _ODD_IDS or device.lower() in _ODD_IDS:
            return None
    insert_id = get("$insert_id", "")
    if type(insert_id) is not str:
        return None
    if insert_id:
        if len(insert_id) > INSERT_ID_BYTES or not insert_id.isascii() or insert_id.lower() in DISALLOWED_IDS:
            return None
        if not insert_id.isalnum() and not insert_id.replace("-", "").isalnum():
            return None
    elif context.strict:
        return None
    return _new(Checked, (Event(name, properties), time_ms, insert_id, ()))


def _plain_time(sent: Json, context: RuleContext) -> int | None:
    if type(sent) is not int and type(sent) is not float:
        return context.now_ms if sent is None and context.endpoint == "track" else None
    if 0 < sent < context.seconds_below:
        time_ms = round(sent * 1000)
    elif 0 < sent < _FAR:
        time_ms = int(sent)
    else:
        return None
    return time_ms if context.oldest_ms <= time_ms <= context.now_ms and time_ms >= EARLIEST_MS else None


class _Check:
    """The closer look at one event whose name and properties have the right types."""

    def __init__(self, name: str, properties: dict[str, Json], context: RuleContext) -> None:
        self.name = name
        self.properties = properties
        self.context = context
        self.errors: list[FieldError] = []
        self.cautions: list[FieldCaution] = []
        self.changes: dict[str, Json] = {}
        self.dropped: Dropped | None = None

    def run(self) -> Verdict:
        """Check the shape, and where that holds, time and ids."""
        shape = check_shape(self.name, self.properties)
        if isinstance(shape, FieldError):
            return Refusal((shape,), insert_id_text(self.properties))
        self.changes.update(shape.changes)
        self.cautions.extend(shape.cautions)
        if len(self.name) > TEXT_CHARACTERS:
            self._caution("event", f"is longer than {TEXT_CHARACTERS} characters, so it is cut")
        time_ms = self._time()
        self._distinct_id()
        if self.context.id_merge == "simplified":
            for key in _SIMPLIFIED_IDS:
                self._id(key, f"properties.{key}", blank=_ABSENT)
        insert_id = self._insert_id()
        if self.errors:
            return Refusal(tuple(self.errors), insert_id_text(self.properties))
        if self.dropped is not None:
            return self.dropped
        merged = {**self.properties, **self.changes}
        properties = {key: value for key, value in merged.items() if value is not _ABSENT}
        return Checked(Event(self.name[:TEXT_CHARACTERS], properties), time_ms, insert_id, tuple(self.cautions))

    def _time(self) -> int:
        """Return the time in milliseconds since 1970; a wrong one is noted.

        Absent on /track: arrival (`docs`). A `$merge` needs none by /import either: its documented form has no time,
        and Python's `merge()` sends none (`observed`). A text is no number, numeric ones included (`inferred`: the
        documented message has no stated trigger).
        """
        context = self.context
        sent = self.properties.get("time")
        if sent is None:
            if context.endpoint == "import" and self.name != "$merge":
                self.errors.append(TIME_MISSING)
            return context.now_ms
        time_ms = milliseconds(sent, context.seconds_below)
        if time_ms is None:
            self.errors.append(NOT_SECONDS)
            return context.now_ms
        if time_ms < context.oldest_ms:
            days = f"{context.settings.track_window_days:g}"
            message = f"'properties.time' is invalid: must not be more than {days} days ago on /track"
            self.errors.append(FieldError("properties.time", message))
        if time_ms <= context.now_ms:
            return time_ms
        if time_ms > context.latest_ms:
            if context.rejects_future:
                self.errors.append(IN_THE_FUTURE)
            self._caution("properties.time", "is more than one hour ahead, so it becomes the time of arrival")
        whole, rest = divmod(context.now_ms, 1000)
        self.changes["time"] = context.now_ms / 1000 if rest else whole
        return context.now_ms

    def _distinct_id(self) -> None:
        properties = self.properties
        if self.name in IDENTITY_EVENTS:
            if self._is_complete_verb():
                self._id("distinct_id", "properties.distinct_id", blank="")
                return
            if self.context.endpoint == "track":
                self.errors.append(VERB_WITHOUT_ID)
                return
        if properties.get("distinct_id") is not None:
            self._id("distinct_id", "properties.distinct_id", blank="")
        else:
            self._missing_distinct_id()

    def _is_complete_verb(self) -> bool:
        """Return whether an identity event says whom it is about.

        `$merge` lists its ids, `$identify` may leave distinct_id to `$identified_id` (`docs`). Without one, /track
        answers "distinct_id, missing or empty" (`observed`).
        """
        get = self.properties.get
        if self.name == "$merge" or id_text(get("distinct_id")):
            return True
        return self.name == "$identify" and bool(id_text(get("$identified_id")))

    def _missing_distinct_id(self) -> None:
        """Judge an event without distinct_id.

        In simplified it is derived (`observed`); in original strict /import refuses it (`observed`); else it is the
        hash of the sender's address where the request asks for that (`docs`; the hash itself is ours), or "".
        """
        context = self.context
        policy = context.settings.missing_distinct_id
        if policy == "empty":
            return
        if context.id_merge == "simplified" and any(id_text(self.properties.get(key)) for key in _SIMPLIFIED_IDS):
            return
        if policy == "reject" or (context.strict and context.id_merge == "original"):
            self.errors.append(ID_MISSING)
        elif context.client_ip:
            derived = hashlib.blake2b(context.client_ip.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
            self.changes["distinct_id"] = derived
            self._caution("properties.distinct_id", "is missing, so it is made from the sender's address")

    def _id(self, key: str, field: str, *, blank: object) -> None:
        """Check one id against the disallowed list.

        Strict rejects it (`docs`, for `$user_id` and `$device_id` `observed`); else, by default, it counts as absent
        (`inferred`).
        """
        text = id_text(self.properties.get(key))
        if text.startswith(DEVICE_PREFIX) and text[len(DEVICE_PREFIX) :].lower() in DISALLOWED_IDS:
            self._caution(field, f"is {text!r}, which is no id of anyone")
        if text.lower() not in DISALLOWED_IDS:
            return
        error = FieldError(field, f"'{field}' is invalid: {text!r} is not allowed as an id")
        policy = self.context.settings.bad_ids_nonstrict
        if self.context.strict:
            self.errors.append(error)
        elif policy == "drop":
            self.dropped = Dropped(error)
        elif policy == "blank":
            self.changes[key] = blank
            self._caution(field, f"is {text!r}, which is not allowed as an id, so it counts as absent")
        else:
            self._caution(field, f"is {text!r}, which is not allowed as an id")

    def _insert_id(self) -> str:
        """Return the `$insert_id`, "" where Mixpanel makes one up.

        Required under strict (`docs`), but not of `$merge`, as for its time; malformed without strict: as for other bad
        ids (`inferred`).
        """
        text = id_text(self.properties.get("$insert_id"))
        if not text:
            if self.context.strict and self.name != "$merge":
                self.errors.append(INSERT_ID_MISSING)
            return ""
        error = _insert_id_error(text)
        if error is None:
            return text
        policy = self.context.settings.bad_ids_nonstrict
        if self.context.strict:
            self.errors.append(error)
        elif policy == "drop":
            self.dropped = Dropped(error)
        elif policy == "accept":
            self._caution("$insert_id", f"is malformed: {error.message}")
            return text
        else:
            self._caution("$insert_id", "is malformed, so Mixpanel makes one up and finds no duplicates")
        return ""

    def _caution(self, field: str, message: str) -> None:
        self.cautions.append(FieldCaution(field, message))


def milliseconds(sent: Json, seconds_below: float) -> int | None:
    """Return a `time` in milliseconds since 1970; None when it is no number, or before 1971.

    Args:
        sent: the value of `time`; texts and truth values are no numbers.
        seconds_below: a number below this is in seconds, else in milliseconds.
    """
    if isinstance(sent, bool) or not isinstance(sent, (int, float)) or not 0 < sent < math.inf:
        return None
    near = min(sent, _FAR)
    time_ms = round(near * 1000) if near < seconds_below else int(near)
    return time_ms if time_ms >= EARLIEST_MS else None


def insert_id_text(properties: Mapping[str, Json]) -> str:
    """Return the `$insert_id` of a refused event as text, "" where it is nothing that could be one."""
    sent = properties.get("$insert_id")
    if isinstance(sent, str):
        return sent
    return str(sent) if isinstance(sent, int) and -_FAR < sent < _FAR else ""


def _insert_id_error(text: str) -> FieldError | None:
    if not _INSERT_ID(text):
        return INSERT_ID_FORM
    if len(text) > INSERT_ID_BYTES:
        return INSERT_ID_TOO_LONG
    if text.lower() in DISALLOWED_IDS:
        return FieldError("$insert_id", f"'$insert_id' is invalid: {text!r} is not allowed as an id")
    return None


def _nameless(properties: dict[str, Json], context: RuleContext) -> Refusal:
    """Return the refusal of an event without a name, with what else is wrong with it."""
    rest = _Check("event", properties, context).run()
    others = rest.errors if isinstance(rest, Refusal) else ()
    return Refusal((FieldError(MISSING_NAME.field, MISSING_NAME.message), *others), insert_id_text(properties))


def _is_true(value: Json) -> bool:
    """Return whether `$ignore` is truthy, as JavaScript sees it (`docs` say truthy; the language is `inferred`)."""
    return value is not None and value is not False and value != 0 and value != ""
