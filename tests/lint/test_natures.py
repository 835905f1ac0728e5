"""What a data element holds, as its path tells."""

from __future__ import annotations

import pytest

from harness.forwarder.model import DataElement
from harness.lint.natures import nature


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("arc.event.xdm.identityMap.ECID[0].id", "ecid"),
        ("arc.event.xdm.endUserIDs._experience.mcid.id", "ecid"),
        ("arc.event.xdm.identityMap.Email[0].id", "e-mail"),
        ("arc.event.data.email", "e-mail"),
        ("arc.event.data.user.emailAddress", "e-mail"),
        ("arc.event.data.visitorId", "device"),
        ("arc.event.xdm.identityMap.FPID[0].id", "device"),
        ("arc.event.data.user_id", "user"),
        ("arc.event.xdm.identityMap.CRMID[0].id", "user"),
        ("arc.event.xdm.eventType", "event type"),
        ("arc.event.xdm._id", "event id"),
        ("arc.event.data.time", "time"),
        ("arc.event.xdm.timestamp", "time"),
        ("arc.event.xdm.device.type", None),
        ("arc.event.data.emailOptIn", None),
        ("arc.event.data.page.id", None),
        ("arc.event.{{ECID}}.id", None),
    ],
)
def test_the_path_tells(path: str, holds: str | None) -> None:
    assert nature(DataElement("x", "path", {"path": path})) == holds


@pytest.mark.parametrize("type_", ["custom-code", "secret", "ip"])
def test_nothing_is_said_of_other_types(type_: str) -> None:
    assert nature(DataElement("ECID", type_, {"path": "arc.event.data.email"})) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [None, {}, {"path": None}, {"path": 7}])
def test_a_path_that_is_no_text_says_nothing(settings: dict[str, object] | None) -> None:
    assert nature(DataElement("x", "path", settings)) is None
