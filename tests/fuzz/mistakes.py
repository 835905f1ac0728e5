"""Known mistakes, planted into properties and SDK twins, each with the smallest flow that a person would write down.

The numbers are those of the failures of real teams in `scenarios/failures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from harness.event import IdMerge, Json
from harness.fuzz.bench import Bench
from harness.fuzz.flow import Flow, Jar, Risk
from harness.fuzz.sdks import ADDRESS, LOGIN, PAGE, Browser, RudderStack, Server, Storage
from harness.fuzz.sender import At, Draft
from harness.ingestion.settings import ProjectSettings
from tests.fuzz.benches import MakeBench, changed, flow, shipped, twin


class Mistake(NamedTuple):
    """One planted mistake: what it is, where it is made, the invariant it breaks, and how."""

    what: str
    make: MakeBench
    invariant: str
    smallest: Flow


class KeepsDeviceId(Browser):
    """Failure 2: reset() keeps the device id."""

    def new_device_id(self, jar: Jar) -> str:
        return super().new_device_id(jar._replace(number=0))


class KeepsAnonymousId(RudderStack):
    """Failures 1 and 2: reset() keeps the anonymous id, and $merge has no guard."""

    def new_device_id(self, jar: Jar) -> str:
        return super().new_device_id(jar._replace(number=0))


class EndsWithIdentify(Browser):
    """The site calls identify() at login and reloads the page before any event with both ids is sent."""

    def log_in(self, at: At) -> Sequence[Draft]:
        return self.identify(at, self.account(at))

    def browse(self, at: At) -> Sequence[Draft]:
        kept = self.storage(at)
        return [Draft(PAGE, {**self.stamp(at), "$insert_id": f"p{at.number}", "distinct_id": kept.distinct_id})]

    log_out = browse


class NeverIdentifies(Browser):
    """The site sends the account id after login, and never calls identify()."""

    def identify(self, at: At, user_id: str) -> list[Draft]:
        self.storage(at).user_id = user_id
        return []


class ResetIdentifies(Browser):
    """Failure 6: the wrapper's reset() also identifies a random id."""

    def log_out(self, at: At) -> Sequence[Draft]:
        drafts = [*super().log_out(at)]
        if at.resets:
            self.forget(at.device)
            fresh = Storage(self.new_device_id(at.jar._replace(number=at.jar.number + 1)))
            self.devices[at.device] = fresh
            named = {"distinct_id": f"f{at.number}-0-0-0-0", "$anon_distinct_id": fresh.distinct_id}
            drafts.append(Draft("$identify", {"time": at.time_s, "$insert_id": f"r{at.number}", **named}))
        return drafts

    def forget(self, device: str) -> None:
        if device in self.devices and self.devices[device].user_id:
            super().forget(device)


class OwnKindOfId(Browser):
    """Failure 5: anonymous ids of the site's own kind."""

    def new_device_id(self, jar: Jar) -> str:
        return f"session_{jar.device}_{jar.number}"


class AccountAsAnonymousId(Server):
    """Failure 4: the anonymous id of $identify is the account's own id."""

    def identify(self, at: At, user_id: str) -> list[Draft]:
        drafts = super().identify(at, user_id)
        return [draft._replace(content={**draft.content, "$anon_id": user_id}) for draft in drafts]


class EmailIsTheId(Browser):
    """Failure 29: the e-mail address is the user id, and changes."""

    def account(self, at: At) -> str:
        return at.email

    def change_email(self, at: At) -> Sequence[Draft]:
        return [*self.identify(at, at.email), self.event(ADDRESS, at)]


class AliasForNewEmail(Browser):
    """Failure 29, repaired in original only: the new address becomes an alias."""

    def log_in(self, at: At) -> Sequence[Draft]:
        return [*self.identify(at, f"{at.person}@example.com"), self.event(LOGIN, at)]

    def change_email(self, at: At) -> Sequence[Draft]:
        kept = self.storage(at)
        alias = {"distinct_id": kept.user_id, "alias": at.email, "time": at.time_s, "$insert_id": f"c{at.number}"}
        kept.user_id = at.email
        return [Draft("$create_alias", alias), self.event(ADDRESS, at)]

    def order(self, at: At) -> Sequence[Draft]:
        return []


class BackendWithEmail(Browser):
    """The site identifies by account id, and its backend by e-mail address."""

    def order(self, at: At) -> Sequence[Draft]:
        return [draft._replace(content=_with_email(draft.content, at)) for draft in super().order(at)]


def _with_email(content: dict[str, Json], at: At) -> dict[str, Json]:
    return {**content, "distinct_id": at.email, "$user_id": at.email}


class ColonInInsertId(Browser):
    """Failure 27: the backend's insert ids hold a colon, which strict /import refuses."""

    def order(self, at: At) -> Sequence[Draft]:
        return [
            draft._replace(content={**draft.content, "$insert_id": f"order:{at.number}"}) for draft in super().order(at)
        ]


class UndefinedDevice(Browser):
    """Failure 19: who has no id is sent as `$device:undefined`."""

    def browse(self, at: At) -> Sequence[Draft]:
        kept = self.storage(at)
        if kept.user_id:
            return super().browse(at)
        return [Draft(PAGE, {**self.stamp(at), "$insert_id": f"u{at.number}", "distinct_id": "$device:undefined"})]


class ServerRendersFirst(Browser):
    """Failure 16: the server renders the page and knows the visitor by another device id than the browser."""

    def browse(self, at: At) -> Sequence[Draft]:
        page = super().browse(at)[0]
        if self.storage(at).user_id:
            return [page]
        other = f"0{self.storage(at).device_id[1:]}"
        return [page._replace(content={**page.content, "$device_id": other, "distinct_id": f"$device:{other}"})]


class OneIdForAll(Browser):
    """Failure 18: the documentation's sample call `identify('user_id')` went live."""

    def account(self, at: At) -> str:
        return "user_id"


class AliasInSimplified(Browser):
    """Failure 15: $create_alias at login, which simplified ignores, and then the user id alone."""

    def log_in(self, at: At) -> Sequence[Draft]:
        kept = self.storage(at)
        alias = {"alias": at.user_id, "distinct_id": kept.distinct_id, "time": at.time_s, "$insert_id": f"a{at.number}"}
        kept.user_id = at.user_id
        return [Draft("$create_alias", alias), self.event(LOGIN, at)]

    def event(self, name: str, at: At) -> Draft:
        draft = super().event(name, at)
        if self.storage(at).user_id:
            del draft.content["$device_id"]
        return draft


class SameInsertId(Browser):
    """The insert id is the name of the event, and the event has no time of its own."""

    def event(self, name: str, at: At) -> Draft:
        draft = super().event(name, at)
        content = {key: value for key, value in draft.content.items() if key != "time"}
        return draft._replace(content={**content, "$insert_id": name.replace(" ", "-")})


def _twin(sender: str | type[Browser], id_merge: IdMerge, *risks: Risk, limit: int | None = None) -> MakeBench:
    def make(folder: Path) -> Bench:
        return twin(sender, id_merge, *risks, limit=limit)

    return make


def _shipped(name: str, id_merge: IdMerge, settings: ProjectSettings | None = None) -> MakeBench:
    def make(folder: Path) -> Bench:
        return shipped(name, id_merge, settings or ProjectSettings())

    return make


def _wrong_token(folder: Path) -> Bench:
    bench = shipped("retail.yaml", "simplified", replace(ProjectSettings(), token="token-of-the-shop"))
    return replace(bench, env=dict.fromkeys(bench.env, "token-of-the-blog"))


_EU: Final = replace(ProjectSettings(), region="eu")
_BROWSE: Final = flow("ana: browse, laptop")
_LOG_IN: Final = flow("ana: log in, laptop")
_BROWSE_LOG_IN: Final = flow("ana: browse, laptop", "ana: log in, laptop")
_TWO_BROWSE: Final = flow("ana: browse, laptop", "ben: browse, phone")
_TWO_LOG_IN: Final = flow("ana: log in, laptop", "ben: log in, phone")
_RETRY: Final = flow("ana: browse, laptop", "retry, laptop")
_ORDER: Final = flow("ana: log in, laptop", "ana: order")
_NEW_EMAIL: Final = flow("ana: log in, laptop", "ana: change e-mail, laptop")
_HAND_OVER: Final = flow("ana: log in, laptop", "ana: log out, laptop", "ben: browse, laptop")
_TWO_USERS: Final = flow("ana: log in, laptop", "ana: log out, laptop", "ben: log in, laptop")

IN_PROPERTIES: Final = (
    Mistake(
        "no identity rule", _shipped("retail-without-identity-rule.yaml", "simplified"), "nobody-split", _BROWSE_LOG_IN
    ),
    Mistake(
        "the ECID alone as distinct_id is a phantom user",
        _shipped("retail-distinct-id-only.yaml", "simplified"),
        "nobody-split",
        _BROWSE_LOG_IN,
    ),
    Mistake(
        "e-mail addresses as typed",
        _shipped("retail-raw-e-mail.yaml", "simplified"),
        "nobody-split",
        flow("ana: log in, laptop", "ana: log in, phone, 1"),
    ),
    Mistake("no insert id", _shipped("retail-without-insert-id.yaml", "simplified"), "retry-counts-once", _RETRY),
    Mistake("the time as a text", _shipped("retail-iso-time.yaml", "simplified"), "nothing-rejected", _BROWSE),
    Mistake(
        "no time, so a retry has another one",
        changed("retail-one-rule.yaml", "simplified", ('time: "{{Time}}", ', "")),
        "retry-counts-once",
        _RETRY,
    ),
    Mistake(
        "the ECID as anonymous id in original", _shipped("retail-original.yaml", "original"), "nothing-refused", _LOG_IN
    ),
    Mistake(
        "failure 20: $device: in front twice",
        changed(
            "retail.yaml",
            "simplified",
            ('"$device:{{ECID}}"', '"$device:$device:{{ECID}}"'),
            ('{$device_id: "{{ECID}}", ip: "{{IP}}"}', '{ip: "{{IP}}"}'),
        ),
        "nobody-split",
        _BROWSE_LOG_IN,
    ),
    Mistake("failure 22: a project in the EU", _shipped("retail.yaml", "simplified", _EU), "nothing-lost", _BROWSE),
    Mistake(
        "letter case in the condition of the identity rule",
        changed("retail.yaml", "simplified", ("right: userAccount., case_insensitive: true", "right: useraccount.")),
        "nobody-split",
        _BROWSE_LOG_IN,
    ),
    Mistake(
        "device id and user id the wrong way round",
        changed(
            "retail.yaml",
            "simplified",
            ('{$device_id: "{{ECID}}", $user_id: "{{E-mail}}"', '{$device_id: "{{E-mail}}", $user_id: "{{ECID}}"'),
        ),
        "nobody-split",
        _LOG_IN,
    ),
    Mistake(
        "a default value that makes everybody one guest",
        changed(
            "retail-one-rule.yaml",
            "simplified",
            ("clean_text: true, lower_case: true}", "clean_text: true, lower_case: true, default: guest}"),
        ),
        "nobody-mixed",
        _TWO_BROWSE,
    ),
    Mistake("failure 28: the token of another project", _wrong_token, "nothing-lost", _BROWSE),
    Mistake(
        "one insert id for all events",
        changed(
            "retail-one-rule.yaml", "simplified", ('time: "{{Time}}", $insert_id: "{{Event id}}"', "$insert_id: page")
        ),
        "nothing-lost",
        flow("ana: browse, laptop", "ana: browse, laptop"),
    ),
    Mistake(
        "$merge by way of /track, which ignores it",
        changed(
            "retail-original-uuid.yaml",
            "original",
            ("event: $identify", "event: $merge"),
            (
                '{$identified_id: "{{E-mail}}", $anon_id: "{{Visitor}}"}',
                '{$distinct_ids: ["{{E-mail}}", "{{Visitor}}"]}',
            ),
        ),
        "nobody-split",
        _BROWSE_LOG_IN,
    ),
    Mistake(
        "the same device id for everybody",
        changed("retail-one-rule.yaml", "simplified", ('$device_id: "{{ECID}}"', "$device_id: web-shop")),
        "nobody-mixed",
        _TWO_BROWSE,
    ),
    Mistake(
        "a rule that names a data element which is not there",
        changed("retail-one-rule.yaml", "simplified", ('event: "{{Event type}}"', 'event: "{{Event name}}"')),
        "nothing-lost",
        _BROWSE,
    ),
)

IN_TWINS: Final = (
    Mistake("reset() keeps the device id", _twin(KeepsDeviceId, "simplified"), "nothing-refused", _TWO_USERS),
    Mistake("$merge and a kept anonymous id", _twin(KeepsAnonymousId, "original"), "nobody-mixed", _HAND_OVER),
    Mistake("a flow ends with identify()", _twin(EndsWithIdentify, "simplified"), "nobody-split", _BROWSE_LOG_IN),
    Mistake("identify() is never called", _twin(NeverIdentifies, "original"), "nobody-split", _BROWSE_LOG_IN),
    Mistake("failure 6: reset() identifies", _twin(ResetIdentifies, "original"), "nothing-refused", _TWO_USERS),
    Mistake("failure 26: no insert id", _twin("mobile-plain", "simplified"), "retry-counts-once", _RETRY),
    Mistake("failure 5: anonymous ids that are no UUIDs", _twin(OwnKindOfId, "original"), "nothing-refused", _LOG_IN),
    Mistake("failure 4: the account as anon id", _twin(AccountAsAnonymousId, "original"), "nothing-refused", _LOG_IN),
    Mistake("failure 29: the e-mail address changes", _twin(EmailIsTheId, "simplified"), "nobody-split", _NEW_EMAIL),
    Mistake("failure 29: an alias for a new address", _twin(AliasForNewEmail, "original"), "migrates", _NEW_EMAIL),
    Mistake("the backend knows e-mail addresses", _twin(BackendWithEmail, "simplified"), "nobody-split", _ORDER),
    Mistake("failure 27: a colon in the insert id", _twin(ColonInInsertId, "simplified"), "nothing-rejected", _ORDER),
    Mistake("failure 19: undefined as device id", _twin(UndefinedDevice, "simplified"), "nobody-mixed", _TWO_BROWSE),
    Mistake("failure 16: a second device id", _twin(ServerRendersFirst, "simplified"), "nobody-split", _BROWSE_LOG_IN),
    Mistake("failure 18: one user id for all", _twin(OneIdForAll, "simplified"), "nobody-mixed", _TWO_LOG_IN),
    Mistake("failure 15: an alias in simplified", _twin(AliasInSimplified, "simplified"), "nobody-split", _LOG_IN),
    Mistake("failure 12: legacy without an alias", _twin("browser", "legacy"), "nobody-split", _BROWSE_LOG_IN),
    Mistake(
        "one insert id a name", _twin(SameInsertId, "original"), "nothing-lost",
        flow("ana: browse, laptop", "ana: browse, laptop"),
    ),
    Mistake(
        "failure 7: a new id after every logout, up to the limit", _twin("browser", "original", limit=5), "room-left",
        flow("ana: log in, laptop", "ana: log in, phone", "ana: log in, tablet"),
    ),
    Mistake(
        "failure 24: a queue of a week by /track", _twin("browser", "simplified", "long-offline"), "nothing-rejected",
        flow("go offline, laptop", "ana: browse, laptop", "come online, laptop, 3"),
    ),
    Mistake(
        "nobody resets a shared device", _twin("browser", "simplified", "shared"), "nothing-refused",
        flow("ana: log in, laptop", "ben: log in, laptop"),
    ),
    Mistake(
        "failure 1: $merge on a shared device", _twin("rudderstack", "original", "shared"), "nobody-mixed",
        flow("ana: log in, laptop", "ben: log in, laptop"),
    ),
)  # fmt: skip

MISTAKES: Final = (*IN_PROPERTIES, *IN_TWINS)
