"""Credentials come from the environment and are shown nowhere."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from harness.live.credentials import HIDDEN, Credentials, credentials_from
from harness.problems import InputError

SECRETS = Credentials("tok/en+1234", "991234", "robot.a1b2c3.mp-service-account", "s3cr3t/With+Signs")


def test_nothing_of_them_is_in_their_own_text() -> None:
    for shown in (repr(SECRETS), str(SECRETS), f"{SECRETS}"):
        assert shown == "Credentials()"


@pytest.mark.parametrize("secret", [SECRETS.token, SECRETS.service_account, SECRETS.service_secret])
def test_every_spelling_of_a_secret_is_hidden(secret: str) -> None:
    for spelling in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
        hidden = SECRETS.hide(f"answer: {spelling}!")
        assert spelling.rstrip("=") not in hidden
        assert HIDDEN in hidden


def test_the_header_is_hidden_too() -> None:
    assert SECRETS.basic() not in SECRETS.hide(f"you sent {SECRETS.basic()}")
    token_alone = Credentials("tok/en+1234")
    assert token_alone.basic().split()[1].rstrip("=") not in token_alone.hide(f"you sent {token_alone.basic()}")


def test_a_service_account_comes_first_and_a_token_asks_alone() -> None:
    assert (
        base64.b64decode(SECRETS.basic().split()[1]).decode() == f"{SECRETS.service_account}:{SECRETS.service_secret}"
    )
    assert base64.b64decode(Credentials("abc").basic().split()[1]) == b"abc:"
    assert Credentials().basic() == ""
    assert not Credentials("", "", "account", "secret").has_service_account


def test_values_are_stripped_and_strange_ones_are_named_without_showing_them() -> None:
    assert credentials_from({"MIXPANEL_TOKEN": " abc \n"}).token == "abc"
    with pytest.raises(InputError) as caught:
        credentials_from(
            {"MIXPANEL_TOKEN": "ab\ncd", "MIXPANEL_SERVICE_SECRET": "p\u00e4ss", "MIXPANEL_SERVICE_ACCOUNT": "a:b"}
        )
    text = str(caught.value)
    for name in ("MIXPANEL_TOKEN", "MIXPANEL_SERVICE_SECRET", "MIXPANEL_SERVICE_ACCOUNT"):
        assert name in text
    for value in ("ab\ncd", "p\u00e4ss", "a:b"):
        assert value not in text


def test_a_fingerprint_tells_projects_apart_by_what_decides() -> None:
    assert SECRETS.fingerprint("import") == Credentials("other", "991234", "x", "y").fingerprint("import")
    assert SECRETS.fingerprint("import") != Credentials("tok/en+1234", "991235", "x", "y").fingerprint("import")
    assert SECRETS.fingerprint("track") != Credentials("other", "991234").fingerprint("track")
    assert "991234" not in SECRETS.fingerprint("import")
