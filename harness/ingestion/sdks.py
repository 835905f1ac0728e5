"""Request bodies as each SDK makes them, to play a sender to the local project, or to be one to the real one.

Python 5.4.1, Node 0.24.0 and browser 2.83.0 were measured (`observed`); the others follow their sources (`docs`).
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, quote_plus

from harness.event import Json
from harness.ingestion.wire import WireRequest

SdkName: TypeAlias = Literal[
    "browser_base64",
    "browser_json",
    "browser_beacon",
    "python",
    "node_get",
    "node_post",
    "swift",
    "android",
    "go",
    "ruby",
    "php",
    "import_json",
    "import_ndjson",
]

_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_JSON: Final = {"content-type": "application/json"}
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class SdkForm:
    """How one SDK sends.

    Attributes:
        name: the SDK, and which of its forms.
        sends_lists: whether a request carries a list of records; else it is one record a request.
        build: makes the request to a path from what the request carries.
    """

    name: SdkName
    sends_lists: bool
    build: Callable[[str, Json], WireRequest]


def encode(name: SdkName, path: str, rows: Sequence[Json]) -> list[WireRequest]:
    """Return the requests by which an SDK sends rows.

    Args:
        name: the SDK and form, a key of `SDK_FORMS`.
        path: `/track`, `/import`, `/engage` or `/groups`.
        rows: events in wire form, or profile updates; JSON values.
    """
    form = SDK_FORMS[name]
    if form.sends_lists:
        return [form.build(path, list(rows))]
    return [form.build(path, row) for row in rows]


def zipped(request: WireRequest) -> WireRequest:
    """Return a request with its whole body compressed, as Swift, Android and importers may do."""
    headers = {**request.headers, "content-encoding": "gzip"}
    return replace(request, headers=headers, body=gzip.compress(request.body, compresslevel=6, mtime=0))


def _browser_base64(path: str, content: Json) -> WireRequest:
    """Return base64 of CESU-8, URL-encoded: what the browser SDK sends to any host that is not Mixpanel's."""
    data = base64.b64encode(_cesu8(_compact(content)))
    return WireRequest("POST", f"{path}/", "verbose=1&ip=1&_=1767614400000", _FORM, b"data=" + _component(data))


def _browser_json(path: str, content: Json) -> WireRequest:
    data = _component(_compact(content).encode("utf-8", "replace"))
    return WireRequest("POST", f"{path}/", "verbose=1&ip=1&_=1767614400000", _FORM, b"data=" + data)


def _browser_beacon(path: str, content: Json) -> WireRequest:
    """Return what is sent while the page closes: the same form, but its type is text/plain."""
    form = _browser_base64(path, content)
    return replace(form, headers={"content-type": "text/plain;charset=UTF-8"})


def _python(path: str, content: Json) -> WireRequest:
    data = quote_plus(json.dumps(content, separators=(",", ":"))).encode()
    return WireRequest("POST", path, "", _FORM, b"data=" + data + b"&verbose=1&ip=0")


def _node_get(path: str, content: Json) -> WireRequest:
    data = _component(_base64(content)).decode()
    return WireRequest("GET", path, f"ip=0&verbose=0&data={data}")


def _node_post(path: str, content: Json) -> WireRequest:
    """Return base64 that is not URL-encoded, so that its `+` stand in the form as they are."""
    return WireRequest("POST", path, "ip=0&verbose=0", _FORM, b"data=" + _base64(content))


def _swift(path: str, content: Json) -> WireRequest:
    return WireRequest("POST", f"{path}/", "ip=1", _JSON, _compact(content).encode("utf-8", "replace"))


def _android(path: str, content: Json) -> WireRequest:
    return WireRequest("POST", f"{path}/", "ip=1", _FORM, b"data=" + _component(_base64(content)) + b"&verbose=1")


def _go(path: str, content: Json) -> WireRequest:
    return WireRequest("POST", path, "verbose=1&ip=0", _JSON, _compact(content).encode("utf-8", "replace"))


def _ruby(path: str, content: Json) -> WireRequest:
    data = quote_plus(_base64(content)).encode()
    return WireRequest("POST", path, "", _FORM, b"data=" + data + b"&verbose=1")


def _php(path: str, content: Json) -> WireRequest:
    return WireRequest("POST", path, "", _FORM, b"data=" + quote_plus(_base64(content)).encode())


def _import_json(path: str, content: Json) -> WireRequest:
    return WireRequest("POST", path, "strict=1", _JSON, _compact(content).encode("utf-8", "replace"))


def _import_ndjson(path: str, content: Json) -> WireRequest:
    lines = "\n".join(map(_compact, content))
    headers = {"content-type": "application/x-ndjson"}
    return WireRequest("POST", path, "strict=1", headers, lines.encode("utf-8", "replace"))


SDK_FORMS: Final[Mapping[SdkName, SdkForm]] = {
    form.name: form
    for form in (
        SdkForm("browser_base64", sends_lists=True, build=_browser_base64),
        SdkForm("browser_json", sends_lists=True, build=_browser_json),
        SdkForm("browser_beacon", sends_lists=True, build=_browser_beacon),
        SdkForm("python", sends_lists=False, build=_python),
        SdkForm("node_get", sends_lists=False, build=_node_get),
        SdkForm("node_post", sends_lists=True, build=_node_post),
        SdkForm("swift", sends_lists=True, build=_swift),
        SdkForm("android", sends_lists=True, build=_android),
        SdkForm("go", sends_lists=True, build=_go),
        SdkForm("ruby", sends_lists=False, build=_ruby),
        SdkForm("php", sends_lists=True, build=_php),
        SdkForm("import_json", sends_lists=True, build=_import_json),
        SdkForm("import_ndjson", sends_lists=True, build=_import_ndjson),
    )
}
"""Every form by its name."""


def _compact(content: Json) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _base64(content: Json) -> bytes:
    return base64.b64encode(_compact(content).encode("utf-8", "replace"))


def _component(data: bytes) -> bytes:
    return quote(data, safe="!'()*-._~").encode()


def _cesu8(text: str) -> bytes:
    """Return text as the browser SDK encodes it: each half of a surrogate pair on its own, three bytes each."""
    return _ASTRAL.sub(_halves, text).encode("utf-8", "surrogatepass")


def _halves(found: re.Match[str]) -> str:
    number = ord(found.group()) - 0x10000
    return chr(0xD800 + (number >> 10)) + chr(0xDC00 + (number & 0x3FF))
