"""Where events may go: over TLS, or to this machine."""

from __future__ import annotations

import pytest

from harness.live.destination import destination_from
from harness.problems import InputError


@pytest.mark.parametrize(
    ("text", "api", "export", "region"),
    [
        ("us", "https://api.mixpanel.com", "https://data.mixpanel.com", "us"),
        ("eu", "https://api-eu.mixpanel.com", "https://data-eu.mixpanel.com", "eu"),
        ("in", "https://api-in.mixpanel.com", "https://data-in.mixpanel.com", "in"),
        ("https://api-eu.mixpanel.com/", "https://api-eu.mixpanel.com", "https://data-eu.mixpanel.com", "eu"),
        ("https://API.mixpanel.com:443", "https://api.mixpanel.com", "https://data.mixpanel.com", "us"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", "http://127.0.0.1:8080", None),
        ("http://localhost:80/mixpanel", "http://localhost:80/mixpanel", "http://localhost:80/mixpanel", None),
        ("http://[::1]:9", "http://[::1]:9", "http://[::1]:9", None),
        ("https://proxy.example.com/mp/", "https://proxy.example.com/mp", "https://proxy.example.com/mp", None),
    ],
)
def test_regions_and_urls(text: str, api: str, export: str, region: str | None) -> None:
    found = destination_from(text)
    assert (found.api, found.export, found.region) == (api, export, region)
    assert found.is_local == text.startswith("http:")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("uss", "Did you mean 'us'?"),
        ("", "is no region"),
        ("127.0.0.1:8080", "is no region and no URL"),
        ("http://api.mixpanel.com", "over https only"),
        ("http://api-eu.mixpanel.com:8080", "over https only"),
        ("https://api.mixpanel.com:8443", "over https only"),
        ("https://mixpanel.com", "takes no events"),
        ("https://api.mixpanel.com/track", "takes no events"),
        ("http://example.com", "plain text"),
        ("http://127.0.0.1.example.com", "plain text"),
        ("http://localhost.example.com", "plain text"),
        ("http://mixpanel.com.", "over https only"),
        ("ftp://127.0.0.1", "no way to send"),
        ("https://", "without a host"),
        ("https://a b", "without a host"),
        ("https://h:99999", "is no URL"),
        ("https://h:0", "without a host"),
        ("https://h/?x=1", "query"),
        ("https://h/#x", "query"),
        ("https://[::1", "is no URL"),
    ],
)
def test_what_is_no_destination_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match="--to") as caught:
        destination_from(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text", ["https://user:hunter2@h", "https://hunter2@h", "http://api.mixpanel.com@hunter2", "ftp://u:hunter2@h"]
)
def test_a_password_in_a_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        destination_from(text)
    assert "hunter2" not in str(caught.value)
