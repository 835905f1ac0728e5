"""Where to send to and read from: a region of Mixpanel's, or a URL such as that of `harness serve`.

Credentials are only ever sent over TLS, or to this machine.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from harness.ingestion.hosts import API_HOSTS, EXPORT_HOSTS, region_of
from harness.ingestion.settings import Region
from harness.problems import InputError, Problem, did_you_mean

_REGIONS: Final[dict[str, Region]] = {"us": "us", "eu": "eu", "in": "in"}
_FORMS: Final = "Write us, eu, in, or a URL such as http://127.0.0.1:8080."


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a project is reached.

    Attributes:
        name: what people call it: the region, or the host with its port.
        api: where events go, without a slash at the end, for example `https://api-eu.mixpanel.com`.
        export: where exports come from, without a slash at the end.
        region: the region; None for a host that is not Mixpanel's.
        is_local: whether it is this machine.
    """

    name: str
    api: str
    export: str
    region: Region | None
    is_local: bool

    @property
    def host(self) -> str:
        """The host that events go to, with its port where that is not the usual one."""
        return urlsplit(self.api).netloc


def destination_from(text: str, option: str = "--to") -> Destination:
    """Return a destination.

    Args:
        text: `us`, `eu`, `in`, or a URL. A URL of one of Mixpanel's hosts is its region.
        option: the option that was given, for messages.

    Raises:
        InputError: when it is no destination, or one that credentials must not go to.
    """
    if text in _REGIONS:
        return _mixpanel(_REGIONS[text])
    if "://" not in text:
        fix = did_you_mean(text, _REGIONS) if len(text) < 8 and ":" not in text else ""
        raise _wrong(option, f"{text[:60]!r} is no region and no URL", f"{fix} {_FORMS}".strip())
    url = _split(text, option)
    host = (url.hostname or "").rstrip(".")
    if host == "mixpanel.com" or host.endswith(".mixpanel.com"):
        return _of_mixpanel(url, host, option)
    local = _is_this_machine(host)
    if url.scheme == "http" and not local:
        message = f"http://{host} would send credentials in plain text"
        raise _wrong(option, message, "Use https; plain http is for this machine only.")
    port = "" if url.port is None else f":{url.port}"
    shown = f"[{host}]" if ":" in host else host
    base = f"{url.scheme}://{shown}{port}{url.path.rstrip('/')}"
    return Destination(f"{shown}{port}", base, base, None, local)


def _split(text: str, option: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _wrong(option, "is no URL", _FORMS) from None
    # What stands before an @ may be a password, so from here on a message names parts of the URL only.
    if url.username is not None or url.password is not None or "@" in text:
        raise _wrong(option, "has a user or a password in its URL", "Credentials come from the environment.")
    if url.scheme not in ("http", "https"):
        raise _wrong(option, f"{url.scheme[:20]!r} is no way to send", _FORMS)
    if not url.hostname or port == 0 or not _is_host(url.hostname):
        raise _wrong(option, "is a URL without a host", _FORMS)
    if url.query or url.fragment:
        raise _wrong(option, "has a query in its URL", "End it after the host, or after the path of your proxy.")
    return url


def _is_host(host: str) -> bool:
    return host.isascii() and host.isprintable() and not set(host) & set(" \\%<>\"'`{}|^")


def _of_mixpanel(url: SplitResult, host: str, option: str) -> Destination:
    region = region_of(host)
    if url.scheme != "https" or url.port not in (None, 443):
        raise _wrong(option, f"{host} is asked over https only", f"Write {region or 'us, eu or in'}.")
    if region is None or url.path.rstrip("/"):
        raise _wrong(option, f"{host}{url.path[:60]} takes no events", "Write us, eu or in.")
    return _mixpanel(region)


def _mixpanel(region: Region) -> Destination:
    return Destination(
        region, f"https://{API_HOSTS[region]}", f"https://{EXPORT_HOSTS[region]}", region, is_local=False
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong(option: str, message: str, fix: str) -> InputError:
    return InputError([Problem("", None, option, message, fix)])
