"""The links from a rule to its components in a downloaded tree, and how a zip or a checkout loses them.

A link is lost where a file with the path as its text stands in its place, where it leads nowhere, or where nothing is
left of it. Nothing else in the tree says which components a rule has, so a lost link is never guessed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.forwarder.property_files import entries_of, is_folder
from harness.problems import Problems

FOLDER: Final = "rule_components"
_AGAIN: Final = (
    "Run reactor-downloader again, or check out with `git config core.symlinks true`, or unpack with a tool that keeps "
    "symbolic links"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under the `rule_components` of a rule.

    Attributes:
        whole: the folders that links lead to, by the id of the component.
        flattened: ids where a plain file stands in place of the link.
        dangling: ids whose link leads nowhere, with the path it holds.
    """

    whole: dict[str, Path] = field(default_factory=dict)
    flattened: list[str] = field(default_factory=list)
    dangling: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Links:
    """The links of one rule.

    Attributes:
        rule: the folder of the rule.
        found: what stands there.
    """

    rule: Path
    found: Found

    @property
    def whole(self) -> dict[str, Path]:
        """The folders that links lead to, by the id of the component."""
        return self.found.whole

    @property
    def named(self) -> set[str]:
        """The ids that are named there, whether their links are whole or not."""
        return {*self.found.whole, *self.found.flattened, *self.found.dangling}


def components_of(rule: Path, problems: Problems) -> Found:
    """Return what stands under the `rule_components` of a rule; the links `_Name` for people are passed over.

    A copy that followed the links has a whole folder in place of each, which says as much.
    """
    found = Found()
    for entry in entries_of(rule / FOLDER, problems):
        if entry.name[0] in "_.":
            continue
        target = os.readlink(entry) if os.path.islink(entry) else ""
        name = Path(target).name or entry.name
        if is_folder(entry):
            found.whole[name] = entry
        elif target:
            found.dangling[name] = target
        else:
            found.flattened.append(name)
    return found


def check_links(links: Sequence[Links], orphans: Sequence[Path], problems: Problems) -> None:
    """Note every lost link.

    Args:
        links: the links of every rule that is built.
        orphans: the folders of components that no rule names.
        problems: where they are noted.
    """
    has_bare = False
    for one in links:
        here = problems.of(str(one.rule / FOLDER))
        _note_broken(one.found, here)
        if one.named or not (orphans or is_folder(one.rule / FOLDER)):
            continue
        has_bare = True
        here.add(None, "", *_bare(one, orphans))
    if has_bare:
        return
    for orphan in orphans:
        message = "is a component that no rule links to: the symbolic link under rules/RL.../rule_components/ is lost"
        problems.of(str(orphan)).add(None, "", message, f"{_AGAIN}.")


def _note_broken(found: Found, here: Problems) -> None:
    if found.flattened:
        message = (
            f"has plain files where symbolic links to rule components belong ({', '.join(found.flattened)}): a zip or "
            "a checkout has lost the links, and nothing else says which components the rule has"
        )
        here.add(None, "", message, f'{_AGAIN}; or, in this folder: for f in RC*; do ln -sfn "$(cat "$f")" "$f"; done')
    for name, target in found.dangling.items():
        message = f"has a symbolic link to {target}, which is not there, so the component {name} is lost"
        here.add(None, name, message, f"{_AGAIN}; keep the folder rule_components/ of the property beside rules/.")


def _bare(one: Links, orphans: Sequence[Path]) -> tuple[str, str]:
    what = "is empty" if is_folder(one.rule / FOLDER) else "is missing"
    message = f"{what}: a zip or a checkout has lost the symbolic links to the components of the rule"
    if orphans:
        message += f"; no rule links to {', '.join(orphan.name for orphan in orphans)}"
    return f"{message}, and nothing else says which components the rule has", f"{_AGAIN}."
