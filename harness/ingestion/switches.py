"""The switches of a project as users spell them, turned into typed settings; every mistake is told at once.

`original.canonical: first_seen` and the nested form `original: {canonical: first_seen}` mean the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from harness.event import Json
from harness.ingestion.kinds import (
    Part,
    Refused,
    Switch,
    above_zero,
    choice,
    flag,
    no_delay,
    seed_or_none,
    shown,
    time_zone,
    token,
    whole,
)
from harness.ingestion.settings import ProjectSettings
from harness.problems import did_you_mean, nearest
from harness.source import Reader
from harness.yamltext import Mapping as MapNode


class Mistake(NamedTuple):
    """One wrong switch: its dotted key, what is wrong, and what to do about it."""

    key: str
    message: str
    fix: str


_ALL: Final = (
    choice("profile", "identity", "profile", ("observed", "docs"), "which side to take where the sources differ"),
    whole(
        "cluster_limit",
        "identity",
        "cluster_limit",
        1,
        "501 (observed) | 500 (docs) | n",
        "most ids in one cluster in original",
        ("original.max_cluster_ids",),
    ),
    choice(
        "original.canonical",
        "identity",
        "canonical",
        ("seeded_random", "user_first", "first_seen"),
        "how original picks the canonical id, which nobody can predict",
    ),
    whole(
        "canonical_seed",
        "identity",
        "canonical_seed",
        0,
        "0 | n",
        "the seed of seeded_random",
        ("original.canonical_seed",),
    ),
    choice(
        "original.anon_id_form",
        "identity",
        "anon_id_form",
        ("compat", "strict_v4", "php_loose"),
        "which anonymous ids $identify takes",
        ("anon_id_form",),
    ),
    choice(
        "original.assigned_rule",
        "identity",
        "assigned_rule",
        ("cluster", "anon_only"),
        "whether the cluster or the anonymous id alone decides that it is taken",
    ),
    choice(
        "original.reidentify_same_pair",
        "identity",
        "reidentify_same_pair",
        ("error", "noop"),
        "the same $identify again is refused, or nothing to do",
    ),
    flag(
        "original.device_prefix_equivalent",
        "identity",
        "device_prefix_equivalent",
        "false | true",
        "whether $device:X and X are one id",
    ),
    choice(
        "simplified.strip_device_prefix",
        "identity",
        "strip_device_prefix",
        ("one", "none"),
        "how many leading $device: are removed from $device_id",
    ),
    choice(
        "simplified.empty_id",
        "identity",
        "empty_id",
        ("absent", "literal"),
        "how an empty $user_id or $device_id is taken",
    ),
    choice(
        "simplified.verbs_on_import",
        "ingestion",
        "verbs_on_import",
        ("reject_row", "reject_batch", "ignore"),
        "identity events on a strict /import",
    ),
    choice(
        "simplified.verbs_on_track",
        "ingestion",
        "verbs_on_track",
        ("ignore", "reject"),
        "identity events on /track",
    ),
    whole("legacy.alias_delay_ms", "identity", "alias_delay_ms", 0, "0 | n", "milliseconds until an alias works"),
    choice(
        "time.future",
        "ingestion",
        "time_future",
        ("strict_reject_else_clamp", "always_clamp", "always_reject"),
        "a time more than one hour ahead",
    ),
    Switch(
        "time.ms_threshold",
        "ingestion",
        "ms_threshold",
        "1e11 | n",
        "a time below it is in seconds, else in milliseconds",
        above_zero,
    ),
    Switch(
        "track_window_days",
        "ingestion",
        "track_window_days",
        "5 | n",
        "how many days old an event may be on /track",
        above_zero,
    ),
    Switch(
        "project_timezone",
        "ingestion",
        "project_timezone",
        "UTC | an IANA name",
        "the time zone of the project",
        time_zone,
    ),
    choice(
        "ingest.missing_distinct_id",
        "ingestion",
        "missing_distinct_id",
        ("strict400_else_iphash", "reject", "empty"),
        "an event without distinct_id",
    ),
    choice(
        "ingest.bad_ids_nonstrict",
        "ingestion",
        "bad_ids_nonstrict",
        ("blank", "accept", "drop"),
        "disallowed ids where validation is not strict",
    ),
    choice("dedup.id", "ingestion", "dedup_id", ("resolved", "raw"), "the distinct_id that finds duplicates"),
    choice("dedup.day", "ingestion", "dedup_day", ("utc", "project"), "whose day compaction goes by"),
    flag("dedup.compaction", "ingestion", "dedup_compaction", "off | on", "whether compaction has run"),
    Switch(
        "arrival.shuffle_seed",
        "project",
        "shuffle_seed",
        "none | n",
        "shuffles a stream before it arrives",
        seed_or_none,
    ),
    Switch(
        "propagation_delay",
        "none",
        "",
        "0",
        "how long merges take; only the settled state is modelled",
        no_delay,
    ),
    Switch("token", "project", "token", "any | a token", "the project token", token),
    choice("region", "project", "region", ("us", "eu", "in"), "where the project's data lives"),
    flag("strict", "project", "strict", "true | false", "whether /import validates strictly by default"),
)

SWITCHES: Final[dict[str, Switch]] = {switch.name: switch for switch in _ALL}
"""Every switch by its name."""

_SPELLINGS: Final[dict[str, Switch]] = {spelling: switch for switch in _ALL for spelling in (switch.name, *switch.also)}
_GROUPS: Final = frozenset(name.split(".", 1)[0] for name in _SPELLINGS if "." in name)


def settings_from(
    values: Mapping[str, Json], *, other: Collection[str] = (), base: ProjectSettings | None = None
) -> tuple[ProjectSettings, list[Mistake]]:
    """Return the settings that a map of switches asks for, and every mistake in it.

    A wrong switch is left at its default, so the settings are usable whatever was written.

    Args:
        values: the switches, dotted or nested.
        other: names at the top that are the caller's own, for example `now`; they are passed over.
        base: what the settings are where no switch speaks; None: the defaults.
    """
    mistakes: list[Mistake] = []
    chosen: dict[str, tuple[str, Any]] = {}
    for key, value in _flat(values, other, mistakes):
        switch = _SPELLINGS.get(key)
        if switch is None:
            mistakes.append(Mistake(key, "is an unknown switch", _known_fix(key, other)))
            continue
        read = switch.read(value)
        if isinstance(read, Refused):
            mistakes.append(Mistake(key, read.message, read.fix))
        elif switch.name in chosen and chosen[switch.name][1] != read:
            message = f"says something else than {chosen[switch.name][0]}, which is the same switch"
            mistakes.append(Mistake(key, message, "Keep one of the two."))
        else:
            chosen[switch.name] = (key, read)
    return _apply(base or ProjectSettings(), {name: read for name, (_, read) in chosen.items()}), mistakes


def read_settings(
    reader: Reader, *, other: Collection[str] = (), base: ProjectSettings | None = None
) -> ProjectSettings:
    """Return the settings of a map in a file; mistakes are noted in the reader's problems, each with its line.

    Every key of the map is taken as read, so the reader's own `finish` has nothing more to say about it.

    Args:
        reader: the map that holds the switches.
        other: keys of the map that are the caller's own.
        base: what the settings are where no switch speaks; None: the defaults.
    """
    values = {key: reader.data(key) for key in reader.node.entries}
    settings, mistakes = settings_from(values, other=other, base=base)
    for mistake in mistakes:
        reader.problems.add(_line(reader, mistake.key), reader.path(mistake.key), mistake.message, mistake.fix)
    return settings


def _apply(base: ProjectSettings, chosen: dict[str, Any]) -> ProjectSettings:
    if chosen.get("profile") == "docs":
        chosen.setdefault("simplified.verbs_on_import", "ignore")
    parts: dict[Part, dict[str, Any]] = {"identity": {}, "ingestion": {}, "project": {}, "none": {}}
    for name, value in chosen.items():
        switch = SWITCHES[name]
        parts[switch.part][switch.field] = value
    identity = replace(base.identity, **parts["identity"])
    ingestion = replace(base.ingestion, **parts["ingestion"])
    return replace(base, identity=identity, ingestion=ingestion, **parts["project"])


def _flat(values: Mapping[str, Json], other: Collection[str], mistakes: list[Mistake]) -> Iterator[tuple[str, Json]]:
    for key, value in values.items():
        if key in other:
            continue
        if key not in _GROUPS:
            yield key, value
        elif isinstance(value, Mapping):
            for inner, nested in value.items():
                yield f"{key}.{inner}", nested
        else:
            inside = ", ".join(name.split(".", 1)[1] for name in sorted(_SPELLINGS) if name.startswith(f"{key}."))
            mistakes.append(Mistake(key, f"needs a map of switches, found {shown(value)}", f"Known: {inside}."))


def _known_fix(key: str, other: Collection[str]) -> str:
    known = {*SWITCHES, *other}
    by_last_part = {name.rsplit(".", 1)[-1]: name for name in SWITCHES}
    last_part = key.rsplit(".", 1)[-1]
    if last_part in by_last_part:
        return f"Did you mean {by_last_part[last_part]!r}?"
    if nearest(key, known) is not None:
        return did_you_mean(key, known)
    close = nearest(last_part, by_last_part)
    return f"Did you mean {by_last_part[close]!r}?" if close is not None else did_you_mean(key, known)


def _line(reader: Reader, key: str) -> int:
    if key in reader.node.entries:
        return reader.line(key)
    group, _, inner = key.partition(".")
    node = reader.node.entries.get(group)
    if isinstance(node, MapNode):
        return node.key_lines.get(inner, node.line)
    return reader.line(group)
