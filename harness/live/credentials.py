"""Credentials of a project: they come from the environment only, and no text that people see may hold one.

Every text that came from outside, or that a library made, goes through `Credentials.hide` before it is shown or kept.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, quote_plus

from harness.event import Endpoint
from harness.problems import InputError, Problem

TOKEN: Final = "MIXPANEL_TOKEN"  # noqa: S105 - the name of a variable
PROJECT_ID: Final = "MIXPANEL_PROJECT_ID"
SERVICE_ACCOUNT: Final = "MIXPANEL_SERVICE_ACCOUNT"
SERVICE_SECRET: Final = "MIXPANEL_SERVICE_SECRET"  # noqa: S105 - the name of a variable
VARIABLES: Final = (TOKEN, PROJECT_ID, SERVICE_ACCOUNT, SERVICE_SECRET)
HIDDEN: Final = "[hidden]"
_SHORTEST_HIDDEN: Final = 4


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a project is asked with; `repr` and `str` show nothing of it.

    Attributes:
        token: the project token; "" for none. It goes into every event of /track.
        project_id: the number of the project; "" for none.
        service_account: the user name of a service account; "" for none.
        service_secret: its secret; "" for none.
    """

    token: str = field(default="", repr=False)
    project_id: str = field(default="", repr=False)
    service_account: str = field(default="", repr=False)
    service_secret: str = field(default="", repr=False)

    @property
    def has_service_account(self) -> bool:
        """Whether a service account can be used: its name, its secret and the project it asks for are known."""
        return bool(self.service_account and self.service_secret and self.project_id)

    def basic(self) -> str:
        """Return the value of the `Authorization` header of /import and of exports; "" where nothing fits."""
        if self.has_service_account:
            pair = f"{self.service_account}:{self.service_secret}"
        elif self.token:
            pair = f"{self.token}:"
        else:
            return ""
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def fingerprint(self, endpoint: Endpoint) -> str:
        """Return a digest that is equal for equal projects: of what decides which project the events go to."""
        if endpoint == "import" and self.has_service_account:
            decides = f"project {self.project_id}"
        else:
            decides = f"token {self.token} {self.project_id}"
        return hashlib.blake2b(decides.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def hide(self, text: str) -> str:
        """Return a text without any credential in it, in whatever form it may have got there."""
        for secret in self._spellings():
            text = text.replace(secret, HIDDEN)
        return text

    def _spellings(self) -> list[str]:
        found: set[str] = set()
        for value in (self.token, self.project_id, self.service_account, self.service_secret):
            if len(value) >= _SHORTEST_HIDDEN:
                found.update((value, quote(value, safe=""), quote_plus(value), _base64(value)))
        for user, password in ((self.service_account, self.service_secret), (self.token, "")):
            if user:
                found.add(_base64(f"{user}:{password}"))
        # The longest first: one may be part of another.
        return sorted(found - {""}, key=lambda text: (-len(text), text))


def credentials_from(environment: Mapping[str, str]) -> Credentials:
    """Return the credentials that the environment holds.

    Args:
        environment: the variables of the process; blanks around a value don't count.

    Raises:
        InputError: when one of them can't be sent; the message names the variable and never its value.
    """
    values = {name: environment.get(name, "").strip() for name in VARIABLES}
    problems = [
        Problem("", None, name, "holds characters that no credential has", "Set it again, as Mixpanel shows it.")
        for name, value in values.items()
        if not (value.isascii() and value.isprintable() and " " not in value)
    ]
    if ":" in values[SERVICE_ACCOUNT]:
        fix = f"Put what follows the colon into {SERVICE_SECRET}."
        problems.append(Problem("", None, SERVICE_ACCOUNT, "holds a colon, which no user name has", fix))
    if problems:
        raise InputError(problems)
    return Credentials(values[TOKEN], values[PROJECT_ID], values[SERVICE_ACCOUNT], values[SERVICE_SECRET])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
