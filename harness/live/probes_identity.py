"""Probes of identity in simplified and legacy, and of the system itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.event import ID_MERGE_SYSTEMS, Json, device_key
from harness.live.probe import Ask, Kit, Probe

_SIMPLIFIED: Final = ("simplified",)
_LEGACY: Final = ("legacy",)
_DELAYS: Final[dict[int, str]] = {
    0: "less than the time of one request",
    200: "between the time of one request and 0.4 s",
    1_000: "between 0.4 and 1.5 s",
    3_000: "between 1.5 and 4 s",
}
_OFFSETS_MS: Final = (0, 400, 1_500, 4_000)


def _system(kit: Kit) -> Sequence[Ask]:
    device, uuid = kit.uuid("device"), kit.uuid("anonymous")
    link = (
        kit.row("device", distinct_id=device_key(device), S_device_id=device),
        kit.row("device and user", distinct_id=kit.id("user"), S_device_id=device, S_user_id=kit.id("user")),
        kit.row("anonymous", distinct_id=uuid),
        kit.row("identified", distinct_id=kit.id("identified")),
    )
    identify = kit.row("identify", "$identify", distinct_id=kit.id("identified"), S_anon_distinct_id=uuid)
    alias = kit.row("create alias", "$create_alias", distinct_id=kit.id("target"), alias=kit.id("alias"))
    after = (kit.row("target", distinct_id=kit.id("target")), kit.row("alias", distinct_id=kit.id("alias")))
    return (
        Ask("import", link),
        Ask("track", (identify,)),
        Ask("track", (alias,)),
        Ask("import", after, pause_ms=5_000),
    )


def _strip(kit: Kit) -> Sequence[Ask]:
    device = kit.uuid("device")
    rows = (
        kit.row("linked", S_device_id=device, S_user_id=kit.id("user"), distinct_id=kit.id("user")),
        kit.row("bare", S_device_id=device, distinct_id=""),
        kit.row("with prefix", S_device_id=device_key(device), distinct_id=""),
    )
    return (Ask("import", rows),)


def _empty(kit: Kit) -> Sequence[Ask]:
    device = kit.uuid("device")
    rows = (
        kit.row("linked", S_device_id=device, S_user_id=kit.id("user"), distinct_id=kit.id("user")),
        kit.row("bare", S_device_id=device, distinct_id=""),
        kit.row("empty user", S_device_id=device, S_user_id="", distinct_id=""),
    )
    return (Ask("import", rows),)


def _verbs_import(kit: Kit) -> Sequence[Ask]:
    rows = (
        kit.row("before", distinct_id=kit.id("a")),
        kit.row("identify", "$identify", distinct_id=kit.id("a"), S_anon_distinct_id=kit.uuid("b")),
        kit.row("after", distinct_id=kit.id("a")),
    )
    return (Ask("import", rows),)


def _verbs_track(kit: Kit) -> Sequence[Ask]:
    identify = kit.row("identify", "$identify", distinct_id=kit.id("a"), S_anon_distinct_id=kit.uuid("b"))
    return (Ask("track", (identify,)),)


def _another(kit: Kit) -> Sequence[Ask]:
    device = kit.uuid("device")
    rows = (
        kit.row("first user", S_device_id=device, S_user_id=kit.id("one"), distinct_id=kit.id("one")),
        kit.row("second user", S_device_id=device, S_user_id=kit.id("two"), distinct_id=kit.id("two")),
        kit.row("device", S_device_id=device, distinct_id=""),
        kit.row("second user alone", S_user_id=kit.id("two"), distinct_id=kit.id("two")),
    )
    return (Ask("import", rows),)


def _device_as_user(kit: Kit) -> Sequence[Ask]:
    device, other = kit.uuid("device"), device_key(kit.uuid("other"))
    rows = (
        kit.row("both", S_device_id=device, S_user_id=other, distinct_id=other),
        kit.row("device", S_device_id=device, distinct_id=""),
    )
    return (Ask("import", rows),)


def _phantom(kit: Kit) -> Sequence[Ask]:
    device = kit.uuid("device")
    rows = (
        kit.row("bare distinct_id", distinct_id=device),
        kit.row("device", S_device_id=device, distinct_id=""),
        kit.row("linked", S_device_id=device, S_user_id=kit.id("user"), distinct_id=kit.id("user")),
    )
    return (Ask("import", rows),)


def _delay(kit: Kit) -> Sequence[Ask]:
    target, alias = kit.id("target"), kit.id("alias")
    asks = [
        Ask("import", (kit.row("target", distinct_id=target),)),
        Ask("import", (kit.row("create alias", "$create_alias", distinct_id=target, alias=alias),)),
    ]
    last = 0
    for offset in _OFFSETS_MS:
        row = kit.row(f"after {offset} ms", distinct_id=alias)
        asks.append(Ask("import", (row,), pause_ms=offset - last))
        last = offset
    return asks


def _alias_to_itself(kit: Kit) -> Sequence[Ask]:
    same = kit.id("a")
    rows = (
        kit.row("before", distinct_id=same),
        kit.row("create alias", "$create_alias", distinct_id=same, alias=same),
        kit.row("after", distinct_id=same),
    )
    return (Ask("import", rows),)


def _circle(kit: Kit) -> Sequence[Ask]:
    one, other = kit.id("one"), kit.id("other")
    aliases = (
        kit.row("there", "$create_alias", distinct_id=one, alias=other),
        kit.row("and back", "$create_alias", distinct_id=other, alias=one),
    )
    rows = (kit.row("one", distinct_id=one), kit.row("other", distinct_id=other))
    return (Ask("import", aliases), Ask("import", rows, pause_ms=5_000))


def _incomplete_alias(kit: Kit) -> Sequence[Ask]:
    one = kit.id("one")
    alias = kit.row("create alias", "$create_alias", distinct_id=one)
    rows = (kit.row("one", distinct_id=one), kit.row("other", distinct_id=kit.id("other")))
    return (Ask("track", (alias,)), Ask("import", rows, pause_ms=5_000))


def _delay_between(value: Json) -> str:
    return _DELAYS[int(value)]


SYSTEM: Final = Probe(
    name="system",
    switch="",
    rules=(),
    systems=ID_MERGE_SYSTEMS,
    question="Which ID-merge system does the project have?",
    values=ID_MERGE_SYSTEMS,
    asks=_system,
    looks_at=("users",),
)

PROBES: Final = (
    Probe(
        name="device-prefix",
        switch="simplified.strip_device_prefix",
        rules=(),
        systems=_SIMPLIFIED,
        question="Is one leading $device: removed from $device_id?",
        values=("one", "none"),
        asks=_strip,
        looks_at=("users", "names"),
    ),
    Probe(
        name="empty-user",
        switch="simplified.empty_id",
        rules=(),
        systems=_SIMPLIFIED,
        question="Does an empty $user_id count as absent?",
        values=("absent", "literal"),
        asks=_empty,
        looks_at=("users",),
    ),
    Probe(
        name="verbs-import",
        switch="simplified.verbs_on_import",
        rules=("simplified.verb",),
        systems=_SIMPLIFIED,
        question="What becomes of a strict /import that holds an identity event?",
        values=("reject_row", "reject_batch", "ignore"),
        asks=_verbs_import,
        looks_at=("answers", "there"),
    ),
    Probe(
        name="verbs-track",
        switch="simplified.verbs_on_track",
        rules=("simplified.verb",),
        systems=_SIMPLIFIED,
        question="What does /track answer to an identity event?",
        values=("ignore", "reject"),
        asks=_verbs_track,
        looks_at=("answers",),
    ),
    Probe(
        name="device-of-another",
        switch="",
        rules=("simplified.device_of_another",),
        systems=_SIMPLIFIED,
        question="Does a device stay with its first user when a second one logs in on it?",
        values=(None,),
        asks=_another,
        looks_at=("users",),
    ),
    Probe(
        name="device-as-user",
        switch="",
        rules=("simplified.user_id_is_device",),
        systems=_SIMPLIFIED,
        question="Does a $user_id that starts with $device: link nothing?",
        values=(None,),
        asks=_device_as_user,
        looks_at=("users",),
    ),
    Probe(
        name="phantom",
        switch="",
        rules=("simplified.phantom_user",),
        systems=_SIMPLIFIED,
        question="Is an anonymous id that is sent as a bare distinct_id a user of its own?",
        values=(None,),
        asks=_phantom,
        looks_at=("users",),
    ),
    Probe(
        name="alias-delay",
        switch="legacy.alias_delay_ms",
        rules=(),
        systems=_LEGACY,
        question="How long does an alias take to work?",
        values=(0, 200, 1_000, 3_000),
        asks=_delay,
        looks_at=("users",),
        range_of=_delay_between,
    ),
    Probe(
        name="alias-to-itself",
        switch="",
        rules=("legacy.alias_to_itself",),
        systems=_LEGACY,
        question="Does an alias to itself do nothing?",
        values=(None,),
        asks=_alias_to_itself,
        looks_at=("users",),
    ),
    Probe(
        name="alias-circle",
        switch="",
        rules=("legacy.alias_circle",),
        systems=_LEGACY,
        question="Is an alias refused that would close a circle?",
        values=(None,),
        asks=_circle,
        looks_at=("users",),
    ),
    Probe(
        name="alias-without-id",
        switch="",
        rules=("legacy.incomplete",),
        systems=_LEGACY,
        question="Does an alias that lacks an id do nothing?",
        values=(None,),
        asks=_incomplete_alias,
        looks_at=("users",),
    ),
)
