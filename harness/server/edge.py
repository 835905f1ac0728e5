"""`/edge`: a call as the Edge Network takes it goes through a property, and what its rules send into the projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from harness.event import Json
from harness.forwarder import jsjson
from harness.forwarder.calls import ANY_RULE, ScriptedCall, read_calls
from harness.forwarder.engine import Call, CallResult, NetworkFailure, Request, Response, RulesEngine
from harness.ingestion.hosts import region_of
from harness.ingestion.wire import WireRequest, WireResponse
from harness.jsontext import dump
from harness.problems import Problems
from harness.server.sessions import EdgeCall, Session

_MOST_CALLS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A property that calls go through.

    Attributes:
        engine: runs them.
        secrets: secret values by secret id.
        is_own: says of a host and port whether it is this server, so that requests to it stay here too.
    """

    engine: RulesEngine
    secrets: Mapping[str, Json]
    is_own: Callable[[str], bool]


class BadCallError(Exception):
    """A body that is no call; the message has every mistake."""


def read_body(body: bytes, secrets: Mapping[str, Json]) -> tuple[list[ScriptedCall], bool]:
    """Return the calls of a body, and whether they came as a list.

    Taken are a call as in `harness forward` (`{"event": {"xdm": ..., "data": ...}}`), an event alone (`{"xdm": ...}`),
    a request of Adobe's Web SDK (`{"events": [...]}`), and a list of calls or events.

    Raises:
        BadCallError: when it holds something else.
    """
    try:
        data = jsjson.parse(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadCallError("the body is not UTF-8") from None
    except ValueError as error:
        raise BadCallError(str(error)) from None
    if isinstance(data, dict) and isinstance(data.get("events"), list):
        data = [{"event": event, **{key: data[key] for key in ("request",) if key in data}} for event in data["events"]]
    items = data if isinstance(data, list) else [data]
    if len(items) > _MOST_CALLS:
        raise BadCallError(f"more than {_MOST_CALLS} calls in one request")
    problems = Problems("")
    calls: list[ScriptedCall] = []
    for number, item in enumerate(items):
        found = len(problems.found)
        calls += read_calls(dump(_completed(item)), secrets, problems)
        for at in range(found, len(problems.found)):
            one = problems.found[at]
            key = f"call {number}" + (f": {one.key}" if one.key else "")
            problems.found[at] = type(one)("", None, key, one.message, one.fix)
    if problems:
        raise BadCallError("\n".join(map(str, problems.found)))
    return calls, isinstance(data, list)


def forward(
    forwarder: Forwarder, session: Session, scripted: ScriptedCall, deliver: Callable[[WireRequest], WireResponse]
) -> Json:
    """Send one call through the property; return what each rule did, as `harness forward` tells it, and the answers.

    Args:
        forwarder: the property.
        session: whose clock it is, and who remembers the call.
        scripted: the call.
        deliver: takes a request to Mixpanel.
    """
    said: dict[str, list[Json]] = {}
    script = scripted.fetch()

    def fetch(request: Request) -> Response | NetworkFailure:
        answers = said.setdefault(request.rule, [])
        if scripted.answers.get(request.rule) or scripted.answers.get(ANY_RULE):
            answers.append({"delivered": False, "why": "the call itself says what is answered"})
            return script(request)
        url = urlsplit(request.url)
        if region_of(url.hostname or "") is None and not forwarder.is_own(url.netloc):
            answers.append({"delivered": False, "why": f"{url.hostname or request.url} is not Mixpanel"})
            return Response()
        answer = deliver(_wire_request(request))
        body = answer.body.decode("utf-8", "replace")
        answers.append({"delivered": True, "status": answer.status, "body": body})
        return Response(answer.status, body)

    now_ms = session.clock.now_ms()
    first_row = len(session.project.rows)
    call = scripted.call
    result = forwarder.engine.run(Call(call.event, call.request, call.env, now_ms), fetch)
    kept = (
        {"event": call.event} if not isinstance(call.request, dict) else {"event": call.event, "request": call.request}
    )
    session.note_edge_call(EdgeCall(first_row, len(session.project.rows), now_ms, kept))
    return _document(result, said)


def _completed(item: Json) -> Json:
    if isinstance(item, dict) and "event" not in item and ("xdm" in item or "data" in item):
        return {"event": item}
    return item


def _wire_request(request: Request) -> WireRequest:
    url = urlsplit(request.url)
    return WireRequest(
        method=request.method,
        path=url.path,
        query=url.query,
        headers={**request.headers, "host": url.netloc},
        body=request.body.encode("utf-8", "surrogatepass"),
    )


def _document(result: CallResult, said: dict[str, list[Json]]) -> Json:
    rules = [
        {"name": rule.name, "status": rule.status, **({"error": rule.error} if rule.status == "failed" else {})}
        for rule in result.rules
    ]
    requests = []
    for request in result.requests:
        answers = said.get(request.rule) or [None]
        requests.append({**request._asdict(), "headers": dict(request.headers), "answer": answers.pop(0)})
    return {"rules": rules, "requests": requests}
