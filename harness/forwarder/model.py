"""A property as the rules engine sees it: what is enabled, in order, with its settings as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from harness.event import Json

ElementType: TypeAlias = Literal["path", "custom-code", "secret", "ip"]
ConditionType: TypeAlias = Literal["value-comparison", "custom-code"]
ActionType: TypeAlias = Literal["send-event", "custom-code"]
PartKind: TypeAlias = Literal["data element", "rule", "condition", "action", "rule component"]
Absence: TypeAlias = Literal["disabled", "deleted"]
Shape: TypeAlias = Literal["one document", "API answers", "downloaded tree", "shorthand"]

DEFAULT_TIMEOUT: Final = 30_000


@dataclass(frozen=True, slots=True)
class DataElement:
    """A named value that settings refer to as `{{name}}`.

    Attributes:
        name: its name, spaces included.
        type: what kind of data element it is.
        settings: its settings as data; None when it has none.
        default_value: what replaces null and undefined; None for nothing.
        clean_text: whether runs of white space in a text are collapsed.
        force_lower_case: whether a text is lower-cased.
        where: its key in the file, for messages.
        line: its line in the file; None where that is not known.
        component_id: its id (`DE...`), which custom code can ask for; None where the file has none.
        file: the file it stands in where a property is a folder of files; "" for the file of the property.
    """

    name: str
    type: ElementType
    settings: dict[str, Json] | None
    default_value: Json = None
    clean_text: bool = False
    force_lower_case: bool = False
    where: str = ""
    line: int | None = None
    component_id: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold for a rule to act.

    Attributes:
        name: the name people gave it.
        type: what kind of condition it is.
        settings: its settings as data; None when it has none.
        negate: whether the result is turned round.
        timeout: how long it may take, in milliseconds.
        where: its key in the file, for messages.
        line: its line in the file; None where that is not known.
        component_id: its id (`RC...`), which custom code can ask for; None where the file has none.
        file: the file it stands in where a property is a folder of files; "" for the file of the property.
    """

    name: str
    type: ConditionType
    settings: dict[str, Json] | None
    negate: bool = False
    timeout: float = DEFAULT_TIMEOUT
    where: str = ""
    line: int | None = None
    component_id: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does (see `Condition` for the attributes)."""

    name: str
    type: ActionType
    settings: dict[str, Json] | None
    timeout: float = DEFAULT_TIMEOUT
    where: str = ""
    line: int | None = None
    component_id: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that all have to hold, then actions, both in the order in which they run.

    Attributes:
        name: its name.
        rule_id: its id (`RL...`); "" where the file has none.
        conditions: the enabled conditions.
        actions: the enabled actions.
        where: its key in the file, for messages.
        line: its line in the file; None where that is not known.
        file: the file it stands in where a property is a folder of files; "" for the file of the property.
    """

    name: str
    rule_id: str
    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]
    where: str = ""
    line: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that stands in the files of a property and is not built.

    Attributes:
        kind: what it is.
        name: its name, or its id where it has none; "" where it has neither.
        reason: disabled or deleted.
        where: its key in the file.
        line: its line in the file; None where that is not known.
        file: the file it stands in.
    """

    kind: PartKind
    name: str
    reason: Absence
    where: str = ""
    line: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Property:
    """A property built for one environment; disabled and deleted objects are not part of it.

    Attributes:
        name: its name; "" where the file has none.
        environment: the build environment (`development`, `staging`, `production`), which secrets depend on.
        data_elements: the data elements in the order of the file.
        rules: the rules in the order of the file.
        file: the file or folder it was read from, as the user named it.
        shape: how it was written.
        left_out: what is disabled or deleted, in the order of the files.
        extensions: the installed extensions with their versions, where the files say so.
    """

    name: str
    environment: str
    data_elements: tuple[DataElement, ...]
    rules: tuple[Rule, ...]
    file: str = ""
    shape: Shape = "one document"
    left_out: tuple[LeftOut, ...] = ()
    extensions: tuple[str, ...] = ()
