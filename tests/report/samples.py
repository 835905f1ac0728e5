"""Runs to report on: small flows played through the real identity models, and texts that try to break out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.event import Event, IdMerge, Json
from harness.identity.model import IdentityModel, build
from harness.problems import Problem
from harness.scenario.results import (
    CautionRecord,
    CheckResult,
    ClusterRecord,
    EventRecord,
    EventStatus,
    People,
    Quality,
    RuleRecord,
    RunResult,
    ScenarioResult,
    ScenarioStatus,
    StepRecord,
)

START = 1_767_614_400_000
HOUR = 3_600_000

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "a|b`c`|d",
    "line one\nline two\r\n\n# heading",
    "\x1b[31mred\x1b[0m\x07\x00\x9b2J",
    "\ud800 lone \udfff",
    "שלום \u202eevil\u202c مرحبا",
    "👩‍👩‍👧 family 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "]]> <!-- --> &amp; &#60;",
    "{{ 7 * 7 }} {% raw %} ${x}",
    "\ufffe\uffff\x0b\x0c\x85\u2028",
    "[link](javascript:alert(1)) ![i](http://x/) **b** _i_ ~~s~~ $x$ @team #1",
    "'\" onmouseover='alert(1)' x=\"",
)


@dataclass
class Step:
    """One step of a sample flow: an event unless `hours` says that the clock moves."""

    name: str = ""
    person: str | None = None
    properties: dict[str, Json] = field(default_factory=dict)
    hours: int = 0
    status: EventStatus = "accepted"
    rules: tuple[RuleRecord, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()


def ids_of(event: Event) -> tuple[str, ...]:
    found: list[str] = []
    keys = ("distinct_id", "$device_id", "$user_id", "$identified_id", "$anon_id", "$anon_distinct_id", "alias")
    for key in keys:
        if event.properties.get(key):
            found.append(("$device:" if key == "$device_id" else "") + str(event.properties[key]))
    found += [str(item) for item in event.properties.get("$distinct_ids", ())]
    return tuple(dict.fromkeys(found))


def play(
    name: str,
    id_merge: IdMerge,
    steps: Sequence[Step],
    *,
    file: str = "scenarios/login/sample.yaml",
    status: ScenarioStatus = "passed",
    checks: Sequence[CheckResult] = (),
    headline: str = "",
    known_failure: str | None = None,
) -> ScenarioResult:
    model = build(id_merge)
    clock = START
    records: list[StepRecord] = []
    events: list[EventRecord] = []
    stored: list[str | None] = []
    for number, step in enumerate(steps):
        clock += step.hours * HOUR
        if step.hours:
            records.append(StepRecord(number, "advance", f"advance {step.hours}h", None, 4 + number, clock))
            continue
        kind = "edge" if step.rules else "event"
        records.append(StepRecord(number, kind, step.name, step.person, 4 + number, clock, step.rules))  # type: ignore[arg-type]
        record, where = _arrive(model, len(events), number, step, clock)
        events.append(record)
        stored.append(where)
    events = [
        replace(event, distinct_id=model.settled(where)) if where is not None else event
        for event, where in zip(events, stored, strict=True)
    ]
    clusters = _clusters(model, events)
    people = _people(events)
    return ScenarioResult(
        name,
        file,
        id_merge,
        status,
        tuple(checks) or _implied(people),
        people,
        users=len({event.distinct_id for event in events if event.status == "accepted"}),
        accepted=sum(event.status == "accepted" for event in events),
        steps=tuple(records),
        events=tuple(events),
        clusters=clusters,
        decisions=tuple(model.decisions),
        quality=_quality(events),
        known_failure=known_failure,
        headline=headline,
    )


def _arrive(model: IdentityModel, index: int, number: int, step: Step, clock: int) -> tuple[EventRecord, str | None]:
    event = Event(step.name, step.properties)
    rule = step.rules[0].name if step.rules else None
    record = EventRecord(
        index, number, step.person, step.name, "import", clock, clock, step.status, "", "", ids_of(event), None,
        step.errors, (), rule,
    )  # fmt: skip
    if step.status != "accepted":
        return record, None
    before = len(model.cautions)
    arrival = model.add(event, index=index, endpoint="import", arrival_ms=clock)
    record = replace(
        record,
        received_distinct_id=arrival.received,
        decision=arrival.decision,
        cautions=tuple(CautionRecord(one.message, one.rule, ids=one.ids) for one in model.cautions[before:]),
    )
    return record, arrival.stored


def _clusters(model: IdentityModel, events: Sequence[EventRecord]) -> tuple[ClusterRecord, ...]:
    held: dict[str, list[EventRecord]] = defaultdict(list)
    for event in events:
        if event.status == "accepted":
            held[event.distinct_id].append(event)
    return tuple(
        ClusterRecord(
            cluster.canonical,
            cluster.ids,
            tuple(sorted({event.person for event in held[cluster.canonical] if event.person})),
            len(held[cluster.canonical]),
        )
        for cluster in model.clusters()
    )


def _people(events: Sequence[EventRecord]) -> People:
    users: dict[str, set[str]] = defaultdict(set)
    people: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.person and event.status == "accepted":
            users[event.person].add(event.distinct_id)
            people[event.distinct_id].add(event.person)
    split = tuple(sorted(person for person, found in users.items() if len(found) > 1))
    mixed = tuple(sorted({tuple(sorted(found)) for found in people.values() if len(found) > 1}))
    trouble = {*split, *(person for group in mixed for person in group)}
    return People(len(set(users) - trouble), split, mixed)


def _implied(people: People) -> tuple[CheckResult, ...]:
    return (
        CheckResult("split", "failed" if people.split else "passed", [], list(people.split)),
        CheckResult("mixed", "failed" if people.mixed else "passed", [], [list(group) for group in people.mixed]),
    )


def _quality(events: Sequence[EventRecord]) -> Quality:
    counted = [event for event in events if event.person and event.status == "accepted"]
    right = user = person = 0
    for at, one in enumerate(counted):
        for other in counted[at + 1 :]:
            right += one.person == other.person and one.distinct_id == other.distinct_id
            user += one.distinct_id == other.distinct_id
            person += one.person == other.person
    precision = recall = 0.0
    for one in counted:
        same_user = [other for other in counted if other.distinct_id == one.distinct_id]
        same_person = [other for other in counted if other.person == one.person]
        both = sum(other.person == one.person for other in same_user)
        precision += both / len(same_user)
        recall += both / len(same_person)
    return Quality(len(counted), right, user, person, precision, recall)


A = "1f0e3dad-9990-4345-b743-9f8ffabdffc4"
B = "98f13708-2101-44c4-b5e8-4f8ffabdffc4"


def passing(name: str = "Page views before login join the account", **more: Json) -> ScenarioResult:
    steps = [
        Step("Page View", "ana", {"$device_id": "D1"}),
        Step("Page View", "ana", {"$device_id": "D1"}),
        Step(hours=2),
        Step("Login", "ana", {"$device_id": "D1", "$user_id": "ana"}),
        Step("Purchase", "ana", {"$user_id": "ana"}),
        Step("Page View", "ben", {"$device_id": "D2"}),
        Step("Login", "ben", {"$device_id": "D2", "$user_id": "ben"}),
    ]
    return play(name, "simplified", steps, **more)


def shared_device() -> ScenarioResult:
    steps = [
        Step("Page View", "ana", {"$device_id": "kiosk-7"}),
        Step("Login", "ana", {"$device_id": "kiosk-7", "$user_id": "ana@example.com"}),
        Step("Purchase", "ana", {"$device_id": "kiosk-7", "$user_id": "ana@example.com"}),
        Step(hours=26),
        Step("Page View", "ben", {"$device_id": "kiosk-7"}),
        Step("Login", "ben", {"$device_id": "kiosk-7", "$user_id": "ben@example.com"}),
        Step("Purchase", "ben", {"$device_id": "kiosk-7", "$user_id": "ben@example.com"}),
        Step("Page View", "ben", {"time": -1}, status="rejected", errors=(("properties.time", "is in the past"),)),
        Step("Page View", "ben", {"$device_id": "kiosk-7"}, status="duplicate"),
        Step("Heartbeat", None, {}, status="dropped"),
    ]
    return play(
        "Two people share one kiosk without a reset between them",
        "simplified",
        steps,
        file="scenarios/devices/kiosk.yaml",
        status="failed",
        headline="ben's event before login went to ana@example.com, because the device kiosk-7 already was hers.",
        checks=[
            CheckResult("users", "passed", 2, 2),
            CheckResult("different_users", "passed", ["ana@example.com", "ben@example.com"], True),
            CheckResult("split", "failed", [], ["ben"], "ben's events are under 2 users: ana@example.com and his own."),
            CheckResult("mixed", "failed", [], [["ana", "ben"]], "ana@example.com has events of ana and ben."),
        ],
    )


def merge_accident() -> ScenarioResult:
    steps = [
        Step("Page View", "ana", {"distinct_id": A}),
        Step("$identify", "ana", {"$identified_id": "ana", "$anon_id": A}),
        Step("Purchase", "ana", {"distinct_id": "ana"}),
        Step("Page View", "ben", {"distinct_id": B}),
        Step("$identify", "ben", {"$identified_id": "ben", "$anon_id": A}),
        Step("$identify", "ben", {"$identified_id": "ben", "$anon_id": "55555555555555555555555555555555555555"}),
        Step("$merge", "ben", {"$distinct_ids": [B, "ben"]}),
        Step("$merge", None, {"$distinct_ids": [A, B]}),
        Step("Purchase", "ben", {"distinct_id": "ben"}),
        Step("Page View", "ben", {"distinct_id": "55555555555555555555555555555555555555"}),
    ]
    return play(
        "A $merge on every identify joins two people",
        "original",
        steps,
        file="scenarios/vendors/merge_on_identify.yaml",
        status="failed",
        headline="ana and ben became one user: step 7 sent $merge for ids of both.",
        checks=[
            CheckResult("same_user", "failed", [[B, "ben"]], [[B, "ben", A, "ana"]], ""),
            CheckResult("mixed", "failed", [], [["ana", "ben"]], "The $merge of step 7 bypasses every guard."),
        ],
    )


def big_cluster(size: int = 501) -> ScenarioResult:
    import uuid

    anonymous = [str(uuid.UUID(int=(number << 64) | (4 << 76) | (8 << 60))) for number in range(1, size + 9)]
    steps = [Step("$identify", "cleo", {"$identified_id": "cleo", "$anon_id": each}) for each in anonymous]
    steps.append(Step("Page View", "cleo", {"distinct_id": anonymous[-1]}))
    steps.append(Step("Page View", "cleo", {"distinct_id": "cleo"}))
    return play(
        "A bot logs in from hundreds of devices",
        "original",
        steps,
        file="scenarios/limits/cluster.yaml",
        status="known_failure",
        known_failure="Mixpanel keeps 500 ids in a cluster;\nthe devices after that stay users of their own.",
        headline="cleo's events are under 9 users: the cluster of cleo is full.",
    )


def edge_flow() -> ScenarioResult:
    rules = (
        RuleRecord("Track page views", "success", None, 1),
        RuleRecord("Identify on login", "condition_not_met", None, 0),
        RuleRecord("Mirror to the warehouse", "failed", "TypeError: Cannot read properties of undefined", 0),
    )
    ecid = "12345678901234567890123456789012345678"
    steps = [
        Step("web.webpagedetails.pageViews", "dora", {"$device_id": ecid}, rules=rules),
        Step("userAccount.login", "dora", {"$device_id": ecid, "$user_id": "dora"}, rules=rules[:1]),
        Step("$identify", "dora", {"distinct_id": "dora", "$anon_distinct_id": "$device:" + ecid}),
    ]
    return play(
        "ECID as device id through Event Forwarding", "simplified", steps, file="scenarios/forwarding/ecid.yaml"
    )


def alias_flow() -> ScenarioResult:
    steps = [
        Step("Page View", "eli", {"distinct_id": "anon-1"}),
        Step("$create_alias", "eli", {"distinct_id": "eli", "alias": "anon-1"}),
        Step("Page View", "eli", {"distinct_id": "anon-1"}),
        Step("$create_alias", "eli", {"distinct_id": "other", "alias": "anon-1"}),
        Step("$identify", "eli", {"distinct_id": "eli", "$anon_distinct_id": "anon-1"}),
    ]
    return play("An alias does not reach back", "legacy", steps, file="scenarios/legacy/alias.yaml", status="failed")


def unreadable() -> ScenarioResult:
    return ScenarioResult(
        "broken.yaml",
        "scenarios/broken.yaml",
        None,
        "error",
        problems=(
            Problem("scenarios/broken.yaml", 3, "steps[0].evnt", "unknown key", "Did you mean 'event'?"),
            Problem("scenarios/broken.yaml", None, "", "has no steps"),
        ),
    )


def hostile() -> ScenarioResult:
    """Return a scenario in which every text tries to break out of its report."""
    steps = [Step(text, text, {"distinct_id": text, "$device_id": text, "$user_id": text[::-1]}) for text in HOSTILE]
    played = play(
        " ".join(HOSTILE),
        "simplified",
        steps,
        file="scenarios/" + HOSTILE[0] + HOSTILE[3] + ".yaml",
        status="failed",
        headline=" ".join(HOSTILE),
        checks=[CheckResult(text, "failed", text, {text: [text, None]}, text) for text in HOSTILE],
    )
    rules = tuple(RuleRecord(text, "failed", text, 0) for text in HOSTILE)
    marked = tuple(replace(step, title=step.title, kind="edge", rules=rules) for step in played.steps)
    spoiled = tuple(
        replace(event, errors=((event.name, event.name),), rule=event.name, status="rejected")
        if event.index % 2
        else event
        for event in played.events
    )
    return replace(played, steps=marked, events=spoiled)


def rich() -> RunResult:
    """Return a run with every status, system and marker."""
    return RunResult(
        (
            passing(),
            shared_device(),
            merge_accident(),
            big_cluster(),
            edge_flow(),
            alias_flow(),
            unreadable(),
            passing("Purchases on two devices belong to one account", file="scenarios/devices/two.yaml"),
        ),
        notes=("The engine turbine is not installed; the Python engine ran.",),
    )


def green(count: int) -> RunResult:
    """Return a run in which everything passed."""
    results = (passing(f"Flow {number}", file=f"scenarios/theme{number % 7}/f{number}.yaml") for number in range(count))
    return RunResult(tuple(results))


def with_hostile() -> RunResult:
    """Return the rich run with hostile texts in every place that takes a text."""
    text = "".join(HOSTILE)
    broken = replace(
        unreadable(),
        name=text,
        problems=tuple(Problem(item, 1, item, item, item) for item in HOSTILE),
    )
    known = replace(hostile(), status="known_failure", known_failure=text)
    fine = replace(hostile(), status="passed", checks=(), headline="")
    return RunResult((*rich().scenarios, hostile(), broken, known, fine), notes=HOSTILE)
