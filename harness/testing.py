"""For tests of your own: a Mixpanel project to send to, properties that forward to it, assertions that explain.

With pytest the fixtures `mixpanel_project`, `mixpanel_projects` and `forwarder` make these, without it they work just
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from harness.clock import parse_duration
from harness.event import Endpoint, Event, IdMerge, Json, NotAnEvent, from_wire
from harness.ingestion.hosts import region_of
from harness.ingestion.project import MixpanelProject, RowResult
from harness.ingestion.settings import ProjectSettings
from harness.scenario.format import DEFAULT_NOW_MS

if TYPE_CHECKING:
    from harness.forwarder.engine import CallResult, Request, Response, RulesEngine
    from harness.scenario.history import History

__all__ = [
    "Forwarder", "NewForwarder", "NewProject", "ProjectInTest", "assert_different_users", "assert_one_user",
    "forwarders",
]  # fmt: skip

_MOST_REJECTED: Final = 3


class ProjectInTest(MixpanelProject):
    """A Mixpanel project with a clock of its own, which remembers what was sent so that failures can be explained.

    Args:
        id_merge: its ID-merge system.
        settings: token, region and the reading of the rules; None: the defaults.

    Attributes:
        now_ms: the project's clock, milliseconds since 1970. It stands still until `advance` moves it.
        sent: every row that arrived, as it was sent, by index.
    """

    def __init__(self, id_merge: IdMerge = "simplified", settings: ProjectSettings | None = None) -> None:
        super().__init__(id_merge, settings)
        self.now_ms = DEFAULT_NOW_MS
        self.sent: list[Json] = []

    def send(self, *events: Json) -> list[RowResult]:
        """Send events by /track in wire form, `{"event": ..., "properties": {...}}`, as an SDK or a server does.

        Returns:
            What became of each, in order.
        """
        token = self.settings.token
        results = []
        for event in events:
            properties = event.get("properties") if isinstance(event, dict) else None
            check = token is not None and isinstance(properties, dict) and "token" in properties
            results += self.receive([event], endpoint="track", check_token=check)
        return results

    def advance(self, duration: str) -> None:
        """Move the clock forward, for example by `2h` (s, m, h, d).

        Raises:
            ValueError: when it is no duration.
        """
        self.now_ms += parse_duration(duration)

    def receive(
        self,
        rows: Iterable[Json],
        *,
        now_ms: int | None = None,
        endpoint: Endpoint = "import",
        strict: bool | None = None,
        client_ip: str | None = None,
        check_token: bool = False,
    ) -> list[RowResult]:
        """Take rows as any project does; without `now_ms` they arrive by the project's own clock."""
        taken = list(rows)
        self.sent += taken
        return super().receive(
            taken,
            now_ms=self.now_ms if now_ms is None else now_ms,
            endpoint=endpoint,
            strict=strict,
            client_ip=client_ip,
            check_token=check_token,
        )


NewProject: TypeAlias = Callable[..., ProjectInTest]
"""Makes a fresh project: `mixpanel_projects("original")`, with `settings=...` where the defaults don't fit."""


class Forwarder:
    """A property at work: the requests of its rules go to a project.

    Args:
        engine: what runs Edge calls through the property.
        project: where the requests go.
        secrets: secret values by secret id.

    Attributes:
        project: where the requests go.
        elsewhere: requests that went to another host than Mixpanel's, and were answered with 200.
    """

    def __init__(self, engine: RulesEngine, project: ProjectInTest, secrets: Mapping[str, Json] | None = None) -> None:
        self.engine = engine
        self.project = project
        self.secrets = dict(secrets or {})
        self.elsewhere: list[Request] = []

    def edge(self, event: Mapping[str, Json], request: Json = None) -> CallResult:
        """Send one Edge Network call.

        Args:
            event: `{"xdm": ..., "data": ...}`.
            request: the HTTP request of the call, `{"header": ..., "body": ...}`; None for none.

        Returns:
            What became of it, rule by rule, with the requests that were made.
        """
        from harness.forwarder import jsjson
        from harness.forwarder.engine import Call
        from harness.jsontext import dump

        own: dict[str, Json] = {} if request is None else {"request": jsjson.parse(dump(request))}
        call = Call(jsjson.parse(dump(event)), env=self.secrets, now_ms=self.project.now_ms, **own)
        return self.engine.run(call, self._answer)

    def _answer(self, request: Request) -> Response:
        from harness.forwarder.engine import Response
        from harness.scenario.run import wire_request

        if region_of(urlsplit(request.url).hostname or "") is None:
            self.elsewhere.append(request)
            return Response()
        answer = self.project.handle(wire_request(request), self.project.now_ms)
        return Response(answer.status, answer.body.decode("utf-8", "replace"))


NewForwarder: TypeAlias = Callable[..., Forwarder]
"""Makes a forwarder: `forwarder("property.yaml", project)`; see `forwarders` for what else it takes."""


def forwarders(base: Path = Path(), new_project: NewProject = ProjectInTest) -> NewForwarder:
    """Return what makes forwarders; a property is read and compiled once as long as its file stays the same.

    Args:
        base: where relative paths start that don't exist in the working folder.
        new_project: makes the project of a forwarder that is given none.

    The function that is returned takes the path of a property, and optionally the `project` (None: a fresh simplified
    one), the `environment` of its build and `secrets`, values by secret id. It raises `InputError` with every mistake
    of a property that can't be read.
    """
    engines: dict[tuple[Path, str, int, int], RulesEngine] = {}

    def make(
        path: str | Path,
        project: ProjectInTest | None = None,
        *,
        environment: str = "production",
        secrets: Mapping[str, Json] | None = None,
    ) -> Forwarder:
        from harness.forwarder.property import load_property
        from harness.scenario.runner import built_in

        found = Path(path)
        if not found.exists() and (base / found).exists():
            found = base / found
        known = (found.resolve(), environment, *_state(found))
        if known not in engines:
            engines[known] = built_in(load_property(found, environment))
        return Forwarder(engines[known], new_project() if project is None else project, secrets)

    return make


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def assert_one_user(project: MixpanelProject, *ids: str) -> None:
    """Assert that ids are one user in a project; a failure tells why they are not, and what would have to change.

    Args:
        project: the project.
        ids: two or more ids as Mixpanel knows them: in simplified a device id is `$device:<id>`.

    Raises:
        AssertionError: when they are not, or no accepted event carried one of them.
    """
    __tracebackhide__ = True
    _check_known(project, ids)
    for a, b in pairwise(ids):
        if project.model.resolve(a) != project.model.resolve(b):
            raise AssertionError(_explanation(project, a, b))


def assert_different_users(project: MixpanelProject, *ids: str) -> None:
    """Assert that no two of some ids are one user; a failure tells by which events they became one.

    Args:
        project: the project.
        ids: two or more ids, as in `assert_one_user`.

    Raises:
        AssertionError: when two of them are, or no accepted event carried one of them.
    """
    __tracebackhide__ = True
    _check_known(project, ids)
    for a, b in combinations(ids, 2):
        if project.model.resolve(a) == project.model.resolve(b):
            raise AssertionError(_explanation(project, a, b))


def _check_known(project: MixpanelProject, ids: tuple[str, ...]) -> None:
    __tracebackhide__ = True
    if not isinstance(project, MixpanelProject):
        raise TypeError(f"needs a project first and then ids, found {type(project).__name__}: {project!r}")
    if len(ids) < 2:
        raise TypeError(f"needs two ids or more, found {len(ids)}")
    wrong = next((text for text in ids if not isinstance(text, str)), None)
    if wrong is not None:
        raise TypeError(f"needs ids as texts, found {type(wrong).__name__}: {wrong!r}")
    if all(text and project.model.knows(text) for text in ids):
        return
    history = _history(project)
    unknown = list(dict.fromkeys(filter(None, map(history.unknown, ids))))
    if unknown:
        raise AssertionError("\n".join([*unknown, *_rejected(project, history)]))


def _explanation(project: MixpanelProject, a: str, b: str) -> str:
    from harness.scenario.explanation import about_pair, pair_text

    history = _history(project)
    return "\n".join([pair_text(history, about_pair(history, a, b)), *_rejected(project, history)])


def _history(project: MixpanelProject) -> History:
    from harness.scenario.history import History

    sent: list[Json] = project.sent if isinstance(project, ProjectInTest) else []
    names = {stored.event_index: stored.event.name for stored in project.events}
    names |= {row: event.name for row, event in enumerate(map(_event, sent)) if event is not None}
    raw = (lambda row: _event(sent[row])) if sent else (lambda row: None)
    return History(project, project.model, last=len(project.rows) - 1, names=names, raw=raw)


def _event(raw: Json) -> Event | None:
    event = raw if isinstance(raw, (Event, NotAnEvent)) else from_wire(raw)
    return event if isinstance(event, Event) else None


def _rejected(project: MixpanelProject, history: History) -> list[str]:
    """Return what became of rows that are not there, which is often why ids are apart."""
    if not project.rows:
        return ["Nothing has arrived at this project."]
    lost = [row for row in project.rows if row.status != "accepted"]
    lines = [
        f"E{history.event(row.event_index)[1:]} was {row.status}: {error.message}."
        for row in lost[:_MOST_REJECTED]
        for error in row.errors[:1]
    ]
    more = len(lost) - _MOST_REJECTED
    return [*lines, f"... and {more:,} more events were rejected or dropped."] if more > 0 else lines
