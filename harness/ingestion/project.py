"""One Mixpanel project: rows go in by /track and /import, and it answers what was stored and who is who.

The clock is passed in with every call, in milliseconds since 1970; nothing here reads another one, and nothing is
random. Identity decisions are made in the order of arrival, for stored duplicates too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from harness.event import IDENTITY_EVENTS, Endpoint, Event, IdMerge, Json, id_text
from harness.identity.model import Arrival, IdentityModel, build
from harness.ingestion.dedup import Duplicates
from harness.ingestion.limits import DAY_MS
from harness.ingestion.profiles import Profiles
from harness.ingestion.rules import RuleContext, check_event
from harness.ingestion.settings import ProjectSettings
from harness.ingestion.stored import EventLog, ResultRow, RowLog, RowResult, StoredEvent
from harness.ingestion.verdict import Checked, Dropped, FieldCaution, FieldError, Refusal, Verdict

__all__ = ["MixpanelProject", "RowResult", "Status", "StoredEvent"]

if TYPE_CHECKING:
    from harness.ingestion.traffic import RateLimit
    from harness.ingestion.wire import WireRequest, WireResponse

Status: TypeAlias = Literal["accepted", "duplicate", "rejected", "dropped"]

TOKEN_MISSING: Final = FieldError("properties.token", "token, missing or empty")
HOT_SHARD: Final = "$hotshard_events"
_new = tuple.__new__


class MixpanelProject:
    """A local model of one Mixpanel project.

    Args:
        id_merge: its ID-merge system.
        settings: token, region and the reading of the rules; None: the defaults.
        secret: the project's API secret, taken by /import as a user name; None: any user name is taken there.
        rate_limit: the limit on /import; None: there is none.

    Attributes:
        model: the identity model.
        rows: what became of every row so far, by index.
        events: every stored event in order of arrival, identity events and duplicates included.
        profiles: user and group profiles.
    """

    def __init__(
        self,
        id_merge: IdMerge,
        settings: ProjectSettings | None = None,
        *,
        secret: str | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self.id_merge: IdMerge = id_merge
        self.settings = settings or ProjectSettings()
        self.secret = secret
        self.rate_limit = rate_limit
        self.model: IdentityModel = build(id_merge, self.settings.identity)
        self.rows = RowLog()
        self.events = EventLog()
        self.profiles = Profiles(self.model)
        self._suspects = Duplicates(self.settings.ingestion)
        self._events_of_day: dict[int, dict[str, int]] = {}
        self._events_of_id: dict[str, int] = {}
        self._day: int | None = None
        self._most_of_day = self.settings.ingestion.hot_shard_events
        self._plain_keys: set[str] = set()
        self._duplicates: tuple[int, int, frozenset[int]] = (0, 0, frozenset())

    def receive(
        self,
        rows: Iterable[Json],
        *,
        now_ms: int,
        endpoint: Endpoint = "import",
        strict: bool | None = None,
        client_ip: str | None = None,
        check_token: bool = False,
    ) -> list[RowResult]:
        """Take rows in the order in which they arrive; a wrong one never stops the good ones beside it.

        Args:
            rows: rows in wire form, or anything else; an `Event` and a `NotAnEvent` are taken too.
            now_ms: Mixpanel's clock, milliseconds since 1970.
            endpoint: the route they come by.
            strict: whether /import validates strictly; None: as the settings say. /track never does.
            client_ip: the sender's address, where it is known and the request says `ip=1`.
            check_token: whether each row needs the project's token among its properties, as on the wire of /track.

        Returns:
            One result a row, in order.
        """
        context = RuleContext(
            self.id_merge,
            endpoint,
            now_ms,
            strict=self.settings.strict if strict is None else strict,
            settings=self.settings.ingestion,
            client_ip=client_ip,
            plain_keys=self._plain_keys,
        )
        if context.verb_refused and endpoint == "import" and self.settings.ingestion.verbs_on_import == "reject_batch":
            rows = list(rows)
            if any(_is_identity_event(raw) for raw in rows):
                return [self._keep_out(_refused_with_batch(check_event(raw, context=context))) for raw in rows]
        if check_token:
            return [self._take(self._wrong_token(raw) or check_event(raw, context=context), context) for raw in rows]
        return [self._take(check_event(raw, context=context), context) for raw in rows]

    def handle(self, request: WireRequest, now_ms: int) -> WireResponse:
        """Answer one HTTP request as Mixpanel would.

        Args:
            request: the request: method, path, query, headers and body.
            now_ms: Mixpanel's clock, milliseconds since 1970.
        """
        from harness.ingestion.routes import answer

        return answer(self, request, now_ms)

    def stored(self, index: int) -> StoredEvent | None:
        """Return the stored event of a row; None where the row was not stored."""
        return self.events.at_index(index)

    def distinct_id(self, index: int) -> str:
        """Return today's canonical distinct_id of a row; "" for nobody, and for a row that was not stored."""
        return self.model.settled(self.events.stored_id(index))

    def status(self, index: int) -> Status:
        """Return what a row counts as today.

        Raises:
            IndexError: when there is no such row.
        """
        row = self.rows[index]
        same = self._suspects.find_among(row.insert_id, self.events.moment, self._compared_id())
        return "duplicate" if row.event_index in same else row.status

    def statuses(self) -> list[Status]:
        """Return what every row counts as today, by index."""
        duplicates = self.duplicates()
        return ["duplicate" if row.event_index in duplicates else row.status for row in self.rows]

    def duplicates(self) -> frozenset[int]:
        """Return the indexes of stored events that don't count today, because a later one is the same event."""
        seen, decided, found = self._duplicates
        if (seen, decided) != (len(self.events), len(self.model.decisions)):
            found = frozenset(self._suspects.find(self.events.moment, self._compared_id()))
            self._duplicates = (len(self.events), len(self.model.decisions), found)
        return found

    def users(self) -> list[str]:
        """Return the canonical distinct_ids of all users, sorted.

        A user has at least one event that counts and is not an identity event; "" is nobody.
        """
        ids = self.events.stored_ids(self.duplicates())
        return sorted({self.model.settled(text) for text in ids} - {""})

    def _compared_id(self) -> Callable[[int], str]:
        """Return what gives the distinct_id by which duplicates are found, of the row with an index."""
        return self.events.received_id if self.settings.ingestion.dedup_id == "raw" else self.distinct_id

    def _take(self, verdict: Verdict, context: RuleContext) -> RowResult:
        if not isinstance(verdict, Checked):
            return self._keep_out(verdict)
        index = len(self.rows)
        event, time_ms, insert_id, cautions = verdict
        model = self.model
        arrival = model.add(event, index=index, endpoint=context.endpoint, arrival_ms=context.now_ms)
        row = None if arrival[2] is None else model.decisions.rows[-1]
        if arrival[1] and self._is_hot(arrival[1], time_ms):
            event, arrival = _hot(event, arrival)
            cautions = (*cautions, FieldCaution("properties.distinct_id", "has too many events on one day (hot shard)"))
        if insert_id:
            self._suspects.add(index, insert_id)
        self.events.keep(index, event, time_ms, insert_id, context.endpoint, context.now_ms, arrival, row)
        result: ResultRow = (index, "accepted", (), insert_id, cautions, False)
        if cautions:
            self.rows.keep(result)
        else:
            self.rows.keep_accepted(insert_id)
        return _new(RowResult, result)

    def _keep_out(self, verdict: Refusal | Dropped) -> RowResult:
        index = len(self.rows)
        if isinstance(verdict, Dropped):
            result = RowResult(index, "dropped", (verdict.reason,))
        else:
            result = RowResult(index, "rejected", verdict.errors, verdict.insert_id, (), verdict.is_verb)
        self.rows.keep((*result,))
        return result

    def _is_hot(self, stored_id: str, time_ms: int) -> bool:
        day = time_ms // DAY_MS
        if day != self._day:
            self._day = day
            self._events_of_id = self._events_of_day.setdefault(day, {})
        count = self._events_of_id[stored_id] = self._events_of_id.get(stored_id, 0) + 1
        return count > self._most_of_day

    def _wrong_token(self, raw: Json) -> Refusal | Dropped | None:
        properties = raw.get("properties") if isinstance(raw, dict) else None
        if not isinstance(properties, dict):
            return None
        token = properties.get("token")
        if not isinstance(token, str) or not token:
            return Refusal((TOKEN_MISSING,))
        if self.settings.token is None or token == self.settings.token:
            return None
        return Dropped(FieldError("properties.token", f"{token!r} is the token of another project"))


def _is_identity_event(raw: Json) -> bool:
    name = raw.get("event") if isinstance(raw, dict) else raw.name if isinstance(raw, Event) else None
    return isinstance(name, str) and name in IDENTITY_EVENTS


def _refused_with_batch(verdict: Verdict) -> Refusal | Dropped:
    if not isinstance(verdict, Checked):
        return verdict
    error = FieldError("", "the batch holds an identity event, so none of its events is imported")
    return Refusal((error,), verdict.insert_id)


def _hot(event: Event, arrival: Arrival) -> tuple[Event, Arrival]:
    """Return an event past the limit as Mixpanel keeps it (`docs`); its identity decision stands (`inferred`)."""
    properties = dict(event.properties)
    properties["mp_original_event_name"] = event.name
    properties["mp_original_distinct_id"] = id_text(properties.get("distinct_id"))
    properties["distinct_id"] = ""
    return Event(HOT_SHARD, properties), arrival._replace(stored="")
