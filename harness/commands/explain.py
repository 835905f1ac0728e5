"""`harness explain`: why two ids are one user, or why they are not."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from pathlib import Path

import click

from harness.commands.sources import (
    chosen_settings,
    history_of_scenario,
    history_of_stream,
    instant,
    is_scenario,
    scenario_of,
    stream_of,
    stream_options,
)
from harness.event import ID_MERGE_SYSTEMS, Endpoint, IdMerge
from harness.identity.looks import known_user as known_user_by
from harness.problems import InputError, Problem


@click.command("explain")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("id_")
@click.argument("id2", required=False)
@click.option("--id-merge", type=click.Choice(ID_MERGE_SYSTEMS), required=True, help="The project's ID-merge system.")
@click.option("--at", type=click.IntRange(min=0), metavar="N", help="The answer as it was after event N.")
@click.option("--known-user", metavar="REGEX", help="What the id of a known user looks like.")
@stream_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    events: Path,
    id_: str,
    id2: str | None,
    id_merge: IdMerge,
    at: int | None,
    known_user: str | None,
    endpoint: Endpoint,
    strict: bool | None,  # noqa: FBT001 - click passes options by name
    now: str | None,
    cluster_limit: int | None,
    settings: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Tell why two ids are one user, or why they are not.

    EVENTS is a JSONL event file, - for standard input, or a scenario file. With two ids: the chain of events that
    joined them, in order; or the events that would have joined them but were refused or ignored, and what would have to
    change, each change tried on the model. With one id: its cluster, since which event each member is in it, and the
    event with the largest blast radius. Events are numbered from 0, as `harness resolve` numbers them; those of a
    scenario in their order of arrival.

    \b
    --json, with two ids:
      same_user   whether they are one user
      path        the chain: index, kind, ids in its direction
      refused     index, kind, ids, reason and rule of each refused decision
                  on a way between the two clusters; ignored likewise
      nearest     the indexes of the shortest such way
      one_sided   failed decisions about one of them that name no second id
      rejected    identity events that name both, but were not even stored
      changes     change, kind, the events it changes, and what comes out:
                  ids, ids of other users in also_joins, ids in leaves
      all_changes_tried   false where there was too much to try
      blast       for each link of the chain: index, kind, ids, the sides'
                  sizes, people, known_users, mixes
    With one id: refused and ignored decisions that name its cluster;
    cluster (canonical, members with index and kind); the largest blast.

    \b
    Examples:
      harness explain events.jsonl --id-merge original ana '$device:D1'
      harness explain events.jsonl --id-merge simplified ana --at 120 --json
      harness explain flow.yaml --id-merge original ana --known-user '.+@.+'
    """
    from harness.jsontext import dump
    from harness.scenario import explanation

    is_known = _matcher(known_user)
    chosen = chosen_settings(settings, cluster_limit)
    if is_scenario(events):
        history = history_of_scenario(scenario_of(events, chosen), id_merge)
    else:
        history = history_of_stream(
            stream_of(events), id_merge, chosen, endpoint=endpoint, strict=strict, now_ms=instant(now)
        )
    if at is not None:
        history = history.up_to(at)
    # What is loaded stays to the end, and an answer leaves little behind: the collector would only go through a million
    # events again and again.
    gc.disable()
    unknown = [message for text in (id_, id2) if text is not None and (message := history.unknown(text))]
    if unknown:
        raise InputError([Problem(str(events), None, "", message) for message in unknown])
    if id2 is None:
        one = explanation.about_id(history, id_, is_known)
        show = explanation.cluster_json(history, one) if as_json else explanation.cluster_text(history, one)
    else:
        two = explanation.about_pair(history, id_, id2, is_known)
        show = explanation.pair_json(history, two) if as_json else explanation.pair_text(history, two)
    click.echo(show if isinstance(show, str) else dump(show, indent=1))


def _matcher(pattern: str | None) -> Callable[[str], object] | None:
    if pattern is None:
        return None
    try:
        return known_user_by(pattern)
    except re.error as error:
        raise InputError(
            [Problem("", None, "--known-user", f"{pattern!r} is no regular expression: {error}")]
        ) from None
