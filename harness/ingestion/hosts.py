"""Mixpanel's hosts by region, to send to and to tell which region a request was meant for."""

from __future__ import annotations

from typing import Final

from harness.ingestion.settings import Region

API_HOSTS: Final[dict[Region, str]] = {
    "us": "api.mixpanel.com",
    "eu": "api-eu.mixpanel.com",
    "in": "api-in.mixpanel.com",
}
"""Where events go (`docs`)."""

EXPORT_HOSTS: Final[dict[Region, str]] = {
    "us": "data.mixpanel.com",
    "eu": "data-eu.mixpanel.com",
    "in": "data-in.mixpanel.com",
}
"""Where raw exports come from (`docs`)."""

_REGIONS: Final[dict[str, Region]] = {
    "api-js.mixpanel.com": "us",
    **{host: region for region, host in API_HOSTS.items()},
    **{host: region for region, host in EXPORT_HOSTS.items()},
}


def region_of(host: str) -> Region | None:
    """Return the region of a host, port allowed; None for a host that is not Mixpanel's, such as localhost."""
    return _REGIONS.get(host.strip().lower().partition(":")[0].rstrip("."))
