"""The HTTP session of whoever reads from a project or asks it: credentials in one header, and nothing else decides.

Credentials go to the host that was named and nowhere else: callers follow no redirect. TLS is always verified. Of the
environment only proxies and a company's own certificates count; `.netrc` has no say.
"""

from __future__ import annotations

from collections.abc import Mapping

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from harness import __version__
from harness.live.credentials import Credentials
from harness.live.destination import Destination
from harness.problems import InputError, OutsideError, Problem


class Basic(AuthBase):
    """The `Authorization` header, in a form in which no `.netrc` can take its place.

    Args:
        header: its value; "" sends none.
    """

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header into a request."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def session_of(url: str, destination: Destination, environment: Mapping[str, str]) -> requests.Session:
    """Return a session for one host.

    Args:
        url: what is asked, for the proxies that apply.
        destination: where it is; this machine is never asked through a proxy.
        environment: the variables of the process.
    """
    session = requests.Session()
    session.trust_env = False
    session.auth = Basic("")
    session.verify = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE") or True
    session.headers["User-Agent"] = f"identity-harness/{__version__}"
    if not destination.is_local:
        session.proxies.update(get_environ_proxies(url))
    return session


def not_proven(host: str) -> OutsideError:
    """Return the error of a host whose TLS certificate does not hold."""
    return OutsideError(
        f"{host} could not prove who it is (its TLS certificate is not valid here); REQUESTS_CA_BUNDLE may name the "
        "certificates of your company"
    )


def redirected(host: str, status: int) -> OutsideError:
    """Return the error of a host that sends on to another address."""
    return OutsideError(
        f"{host} redirects to another address (answer {status}), which is not followed: credentials go to the host you "
        "named only"
    )


def refused(host: str, status: int, said: str, credentials: Credentials) -> InputError:
    """Return the error of credentials that a project does not take; `said` is what it said, without any secret."""
    names = "MIXPANEL_SERVICE_ACCOUNT, MIXPANEL_SERVICE_SECRET and MIXPANEL_PROJECT_ID"
    if not credentials.basic():
        return InputError([Problem("", None, names, f"are not set, and {host} asks for them (answer {status})")])
    used = names if credentials.has_service_account else "MIXPANEL_TOKEN"
    message = f"were refused by {host} (answer {status}{f': {said}' if said else ''})"
    return InputError([Problem("", None, used, message, "Check them, and that the project lives there.")])


def shown(text: str, credentials: Credentials) -> str:
    """Return what a server said, fit to be shown: without credentials, on one line, not too long."""
    hidden = credentials.hide(text[:6_000])
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in hidden).split())
    return line if len(line) <= 300 else line[:299] + "…"
