"""Bodies of requests as real senders make them, read into rows; a broken one is a value, never an exception.

Forms with `data=` (base64 or JSON), plain JSON, NDJSON, queries, gzip: what a body is shows in its first bytes, for
senders don't agree on content types (a browser's beacon says text/plain). What was measured with real SDKs stands at
the code that needs it.
"""

from __future__ import annotations

import binascii
import functools
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from harness.event import Json, NotAnEvent


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request.

    Attributes:
        method: GET, POST or OPTIONS.
        path: the path without the query, for example `/track/`.
        query: what follows the question mark, as in the address; "" for none.
        headers: headers; names are kept in lower case.
        body: the body as sent.
        client_ip: the sender's address, where it is known.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client_ip: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", {name.lower(): value for name, value in self.headers.items()})


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One HTTP answer: status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Body(NamedTuple):
    """A body that was read.

    Attributes:
        rows: the rows; a line of NDJSON that is no JSON is a `NotAnEvent` in its place.
        parameters: parameters of query and form together, without `data`.
        size: bytes of the body, uncompressed.
    """

    rows: list[Json]
    parameters: dict[str, str]
    size: int


class Unreadable(NamedTuple):
    """A body that can't be read: why, the parameters all the same, and whether it is only too large."""

    reason: str
    parameters: dict[str, str]
    is_too_large: bool = False


def decode(request: WireRequest, *, most_bytes: int, ndjson: bool = False, gzip: bool = True) -> Body | Unreadable:
    """Return the rows of a request.

    Args:
        request: the request.
        most_bytes: the largest body, uncompressed; no more than that is ever unpacked.
        ndjson: whether a body may have one row a line.
        gzip: whether a body may be compressed (`/engage` takes none).
    """
    parameters, data = _form(request.query.encode("utf-8", "surrogatepass"))
    raw = request.body
    if request.headers.get("content-encoding", "").strip().lower() == "gzip" or raw[:2] == _GZIP:
        if not gzip:
            return Unreadable("compressed bodies are not taken here", parameters)
        unpacked = _inflate(raw, most_bytes)
        if unpacked is None:
            return Unreadable("the body is not gzip", parameters)
        raw = unpacked
    if len(raw) > most_bytes:
        return Unreadable(f"request exceeds max limit of {most_bytes} bytes", parameters, is_too_large=True)
    text = raw.lstrip(_BLANK)
    if text and text[:1] not in b"[{" and not _is_json_type(request):
        more, form_data = _form(raw)
        parameters.update(more)
        data = data if form_data is None else form_data
        text = b""
    if not text:
        if data is None:
            return Unreadable("data, missing or empty", parameters)
        unpacked = _data(data)
        if unpacked is None:
            return Unreadable("data is neither base64 nor JSON", parameters)
        text = unpacked
    rows = _quickly(text) or _rows(_text(text), ndjson=ndjson)
    if rows is None:
        return Unreadable("the body is not valid JSON", parameters)
    return Body(rows, parameters, len(raw))


def is_on(parameters: Mapping[str, str], name: str) -> bool:
    """Return whether a parameter such as `verbose` is given and not 0."""
    return parameters.get(name, "") not in ("", "0", "false")


_GZIP: Final = b"\x1f\x8b"
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_URL_SAFE: Final = bytes.maketrans(b"-_ ", b"+/+")
_SURROGATE_PAIR: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _is_json_type(request: WireRequest) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("application/json", "application/x-ndjson") and b"data=" not in request.body[:4096]


def _form(raw: bytes) -> tuple[dict[str, str], bytes | None]:
    """Return the parameters of a form or query but `data`, and the value of `data` as it was sent."""
    parameters: dict[str, str] = {}
    data = None
    for pair in raw.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name.strip() == b"data":
            data = value
        elif name:
            key = unquote_to_bytes(name.replace(b"+", b" ")).decode("utf-8", "replace")
            parameters[key] = unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")
    return parameters, data


def _data(value: bytes) -> bytes | None:
    """Return what `data=` holds.

    In JSON a `+` is a space, as in every form. In base64 it is itself: Node sends its batches without URL-encoding
    (`observed`), and whatever made it a space on the way meant a `+`.
    """
    first = unquote_to_bytes(value[:64]).lstrip(b" +\t\r\n")[:1]
    if first in (b"[", b"{"):
        return unquote_to_bytes(value.replace(b"+", b" "))
    packed = unquote_to_bytes(value).translate(_URL_SAFE, b"\r\n\t").rstrip(b"=")
    if not packed:
        return None
    try:
        return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4), strict_mode=True)
    except binascii.Error:
        return None


def _inflate(raw: bytes, most_bytes: int) -> bytes | None:
    """Return unpacked gzip, at most one byte more than allowed; None where it is broken or cut off."""
    unpacked = bytearray()
    while raw:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            unpacked += unpacker.decompress(raw, most_bytes + 1 - len(unpacked))
        except zlib.error:
            return None
        if len(unpacked) > most_bytes:
            return bytes(unpacked)
        if not unpacker.eof:
            return None
        raw = unpacker.unused_data
    return bytes(unpacked)


def _text(raw: bytes) -> str:
    """Return bytes as text; what is no UTF-8 becomes lone surrogates, which the rules refuse with the field's name.

    Browsers' base64 carries emoji as CESU-8: two surrogates of three bytes each (`observed`). They are joined here.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _SURROGATE_PAIR.sub(_joined, raw).decode("utf-8", "surrogateescape")


def _joined(found: re.Match[bytes]) -> bytes:
    pair = found.group().decode("utf-8", "surrogatepass")
    return pair.encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _quickly(raw: bytes) -> list[Json] | None:
    """Return the rows of a body by a faster reader, where there is one; None for whatever it does not take.

    What msgspec takes it reads exactly as Python's reader does. The rest is left to that: broken JSON, NDJSON, lone
    surrogates, bytes that are no UTF-8, numbers beyond a double.
    """
    read = _quick_reader()
    if read is None:
        return None
    try:
        value = read(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else [value]


@functools.cache
def _quick_reader() -> Callable[[bytes], Json] | None:
    try:
        import msgspec
    except ImportError:
        return None
    return msgspec.json.Decoder().decode


def _rows(text: str, *, ndjson: bool) -> list[Json] | None:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _lines(text) if ndjson else None
    return value if isinstance(value, list) else [value]


def _lines(text: str) -> list[Json] | None:
    rows: list[Json] = []
    good = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            rows.append(_DECODER.decode(line))
            good += 1
        except (ValueError, RecursionError):
            rows.append(NotAnEvent("", f"line {number} is not valid JSON"))
    return rows if good else None
