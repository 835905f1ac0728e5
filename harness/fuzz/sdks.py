"""SDK twins: what Mixpanel's SDKs, and two customer data platforms, send for what a person does.

They follow the sources of the SDKs and what was measured with real ones: when `$identify` is sent, which ids an event
carries before and after, what reset() forgets, and whether an event has a time and an `$insert_id`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from harness.event import IdMerge, Json
from harness.fuzz import ids
from harness.fuzz.flow import Jar
from harness.fuzz.sender import At, Draft, Sender

PAGE: Final = "Page View"
LOGIN: Final = "Log In"
LOGOUT: Final = "Log Out"
ORDER: Final = "Order Shipped"
ADDRESS: Final = "E-mail Changed"


@dataclass(slots=True)
class Storage:
    """What an SDK keeps on a device: its device id, and the user id once somebody was identified."""

    device_id: str
    user_id: str = ""

    @property
    def distinct_id(self) -> str:
        """The id an event carries now."""
        return self.user_id or f"$device:{self.device_id}"


class Browser(Sender):
    """mixpanel-js 2.46 and newer, and the base of the others."""

    name: ClassVar[str] = "browser"
    about: ClassVar[str] = "browser SDK 2.46 or newer: identify() and one event at login, reset() at logout"

    def __init__(self, id_merge: IdMerge) -> None:
        self.id_merge = id_merge
        self.devices: dict[str, Storage] = {}
        self.count = 0

    def browse(self, at: At) -> Sequence[Draft]:
        """Return a page view with the ids the device has."""
        return [self.event(PAGE, at)]

    def log_in(self, at: At) -> Sequence[Draft]:
        """Return `$identify`, where the id changes, and the event that follows it."""
        return [*self.identify(at, self.account(at)), self.event(LOGIN, at)]

    def log_out(self, at: At) -> Sequence[Draft]:
        """Return the last event of a session; reset() itself sends nothing."""
        return [self.event(LOGOUT, at)]

    def change_email(self, at: At) -> Sequence[Draft]:
        """Return an event; the account keeps its id."""
        return [self.event(ADDRESS, at)]

    def order(self, at: At) -> Sequence[Draft]:
        """Return what a backend with the Python SDK sends: the account id as distinct_id, by /import."""
        return [Draft(ORDER, {**self._stamp(at), "distinct_id": self.account(at), **self.backend(at)}, "import")]

    def forget(self, device: str) -> None:
        """Forget what the device kept: the next event makes a new device id."""
        self.devices.pop(device, None)

    def batch(self, waiting: list[Any]) -> list[Any]:
        """Return a batch in the worst order: browsers send theirs shuffled."""
        return waiting[::-1]

    def account(self, at: At) -> str:
        """Return the user id that the site gives to identify()."""
        return at.user_id

    def backend(self, at: At) -> dict[str, Json]:
        """Return further event properties of the backend's events."""
        return {"$user_id": self.account(at)}

    def storage(self, at: At) -> Storage:
        """Return what the device keeps."""
        found = self.devices.get(at.device)
        if found is None:
            found = self.devices[at.device] = Storage(self.new_device_id(at.jar))
        return found

    def new_device_id(self, jar: Jar) -> str:
        """Return the device id that is made where there is none."""
        return ids.uuid_of(jar)

    def identify(self, at: At, user_id: str) -> list[Draft]:
        """Return the `$identify` that a call of identify sends, and remember the user."""
        kept = self.storage(at)
        before = kept.distinct_id
        if user_id == before:
            return []
        kept.user_id = user_id
        sent = {"distinct_id": user_id, "$anon_distinct_id": before, "$device_id": kept.device_id, "$user_id": user_id}
        return [Draft("$identify", {**self._stamp(at), **sent})]

    def event(self, name: str, at: At) -> Draft:
        """Return an ordinary event with the ids the device has."""
        kept = self.storage(at)
        sent: dict[str, Json] = {**self._stamp(at), "distinct_id": kept.distinct_id, "$device_id": kept.device_id}
        if kept.user_id:
            sent["$user_id"] = kept.user_id
        return Draft(name, sent)

    def _stamp(self, at: At) -> dict[str, Json]:
        self.count += 1
        return self.stamp(at)

    def stamp(self, at: At) -> dict[str, Json]:
        """Return the time and the `$insert_id` of the next event."""
        return {"time": at.time_s, "$insert_id": f"{at.person}-{self.count}"}


class Mobile(Browser):
    """The Android and the Swift SDK, with an `$insert_id` that the app adds itself."""

    name: ClassVar[str] = "mobile"
    about: ClassVar[str] = "Android and Swift SDK in an app that puts $insert_id on its events itself"

    def batch(self, waiting: list[Any]) -> list[Any]:
        """Return a batch as it is: mobile SDKs keep the order."""
        return waiting


class PlainMobile(Mobile):
    """The Android and the Swift SDK as they are."""

    name: ClassVar[str] = "mobile-plain"
    about: ClassVar[str] = "Android and Swift SDK as they are, without $insert_id: a retry counts twice"

    def stamp(self, at: At) -> dict[str, Json]:
        """Return the time, in milliseconds."""
        return {"time": at.time_s * 1_000}


class Server(Browser):
    """Python, Node, Go, Ruby: the caller passes every id, and knows which visitor logged in."""

    name: ClassVar[str] = "server"
    about: ClassVar[str] = "server SDK: the caller passes every id, and joins visitor and account at login"

    def identify(self, at: At, user_id: str) -> list[Draft]:
        """Return `$identify` in original; simplified needs none, as the next event carries both ids."""
        kept = self.storage(at)
        if kept.user_id == user_id:
            return []
        kept.user_id = user_id
        if self.id_merge == "simplified":
            return []
        named = {"$identified_id": user_id, "$anon_id": kept.device_id, "distinct_id": user_id}
        return [Draft("$identify", {**self._stamp(at), **named})]

    def event(self, name: str, at: At) -> Draft:
        """Return an event: with both ids in simplified, with one distinct_id in original."""
        kept = self.storage(at)
        if self.id_merge == "simplified":
            both: dict[str, Json] = {"$device_id": kept.device_id, "distinct_id": ""}
            return Draft(name, {**self._stamp(at), **both, **({"$user_id": kept.user_id} if kept.user_id else {})})
        return Draft(name, {**self._stamp(at), "distinct_id": kept.user_id or kept.device_id})


class RudderStack(Browser):
    """RudderStack's cloud mode: `$merge` by /import on every identify in original, both ids in simplified."""

    name: ClassVar[str] = "rudderstack"
    about: ClassVar[str] = "RudderStack: $merge of visitor and account on every identify in original"

    def identify(self, at: At, user_id: str) -> list[Draft]:
        """Return the `$merge` of original."""
        kept = self.storage(at)
        kept.user_id = user_id
        if self.id_merge == "simplified":
            return []
        return [Draft("$merge", {**self._stamp(at), "$distinct_ids": [user_id, kept.device_id]}, "import")]

    def event(self, name: str, at: At) -> Draft:
        """Return an event as it is transformed for the project's system."""
        kept = self.storage(at)
        if self.id_merge != "simplified":
            return Draft(name, {**self._stamp(at), "distinct_id": kept.user_id or kept.device_id})
        sent: dict[str, Json] = {"distinct_id": kept.distinct_id, "$device_id": kept.device_id}
        return Draft(name, {**self._stamp(at), **sent, **({"$user_id": kept.user_id} if kept.user_id else {})})


class Segment(Browser):
    """Segment's actions: a separate `$identify` on every identify, anonymous ids without prefix."""

    name: ClassVar[str] = "segment"
    about: ClassVar[str] = "Segment: $identify on every identify, and all ids on every event"

    def identify(self, at: At, user_id: str) -> list[Draft]:
        """Return `$identify`, also where nothing changes."""
        kept = self.storage(at)
        kept.user_id = user_id
        named = {"$identified_id": user_id, "$anon_id": kept.device_id, "distinct_id": user_id}
        return [Draft("$identify", {**self._stamp(at), **named})]

    def event(self, name: str, at: At) -> Draft:
        """Return an event with every id there is."""
        kept = self.storage(at)
        sent: dict[str, Json] = {"distinct_id": kept.user_id or kept.device_id, "$device_id": kept.device_id}
        if kept.user_id:
            sent["$user_id"] = kept.user_id
        return Draft(name, {**self._stamp(at), **sent})


TWINS: Final[dict[str, type[Browser]]] = {
    twin.name: twin for twin in (Browser, Mobile, PlainMobile, Server, RudderStack, Segment)
}
"""Every SDK twin by its name."""
