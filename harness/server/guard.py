"""Who may look into the server: whoever is on this machine, or has its token.

A page of some website must not read or reset what is here, so on this machine a request has to be made to this
machine's own name, and from a page of it (`Host` against DNS rebinding, `Origin` against forged requests).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's own, reachable from nowhere else."""
    name = host.strip().strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def named_token(headers: Mapping[str, str], query_token: str | None) -> str | None:
    """Return the token that a request names: `?token=`, `X-Harness-Token`, or Bearer; None for none."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return (
        query_token
        or headers.get("x-harness-token")
        or (bearer.strip() if scheme.lower() == "bearer" else None)
        or None
    )


def is_one_of(token: str, known: list[str | None]) -> bool:
    """Return whether a token is one of some known ones, in a time that tells nothing about them."""
    return any(
        hmac.compare_digest(token.encode("utf-8", "replace"), one.encode("utf-8", "replace")) for one in known if one
    )


def refusal(headers: Mapping[str, str], *, is_shared: bool, has_token: bool) -> str | None:
    """Return why a request may not look into the server; None when it may.

    Args:
        headers: its headers, names in lower case.
        is_shared: whether the server can be reached from other machines.
        has_token: whether the request shows a token of a session it asks for.
    """
    if has_token:
        return None
    if is_shared:
        return "this server is open to the network: give its token as ?token= or in the header X-Harness-Token"
    if not is_loopback(_name(f"//{headers.get('host', 'localhost')}")):
        return "this server answers to localhost and 127.0.0.1 only; for another name give its token as ?token="
    origin = headers.get("origin")
    if origin is not None and not is_page_of_this_machine(origin):
        return "pages of other sites may not look into this server"
    return None


def is_page_of_this_machine(origin: str) -> bool:
    """Return whether an `Origin` is a page that this machine serves, so that it may read what is answered."""
    return is_loopback(_name(origin))


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
