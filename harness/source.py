"""A file that a user wrote: its text, and a reader of its maps that collects all problems, each with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.event import Json
from harness.problems import Problems, did_you_mean
from harness.yamltext import Mapping, Node, Scalar, Sequence, kind_of, plain

MAX_BYTES = 16_000_000


def read_text(path: Path, problems: Problems) -> str | None:
    """Return the text of a file, or None after noting why it can't be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        problems.add(None, "", f"can't be read: {error.strerror or error}", "Check the path.")
        return None
    return decode_text(raw, problems)


def decode_text(raw: bytes, problems: Problems) -> str | None:
    """Return bytes as text, or None after noting why they are not a text file (UTF-8, no NUL, not too large)."""
    if len(raw) > MAX_BYTES:
        problems.add(None, "", f"is {len(raw):,} bytes long; at most {MAX_BYTES:,} are read", "Split the file.")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.add(line, "", f"is not UTF-8 (byte 0x{raw[error.start]:02x})", "Save the file as UTF-8.")
        return None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        problems.add(line, "", "holds a NUL character, so it is not a text file", "Remove it.")
        return None
    return text


class Reader:
    """Reads the keys of one map; notes wrong types and, at the end, the keys nobody asked for.

    Every method returns None for a key that is absent or wrong; a wrong one is noted with its line.

    Args:
        node: the map.
        key: where it is in the file, for example `steps[3]`; "" for the top.
        problems: where mistakes are noted.
    """

    def __init__(self, node: Mapping, key: str, problems: Problems) -> None:
        self.node = node
        self.key = key
        self.problems = problems
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.node.entries

    def path(self, key: str) -> str:
        """Return the dotted path of a key of this map."""
        return f"{self.key}.{key}" if self.key else key

    def line(self, key: str) -> int:
        """Return the line of a key, or of the map where the key is absent."""
        return self.node.key_lines.get(key, self.node.line)

    def wrong(self, key: str, message: str, fix: str = "") -> None:
        """Note a mistake at a key."""
        self.problems.add(self.line(key), self.path(key), message, fix)

    def get(self, key: str) -> Node | None:
        """Return the node of a key as it is."""
        self._known.add(key)
        return self.node.entries.get(key)

    def data(self, key: str) -> Json:
        """Return the value of a key as plain data."""
        node = self.get(key)
        return None if node is None else plain(node)

    def required(self, key: str, what: str) -> Node | None:
        """Return the node of a key that has to be there; `what` says what it is for."""
        node = self.get(key)
        if node is None:
            self.problems.add(self.node.line, self.path(key), "is missing", f"Add {key}: {what}.")
        return node

    def text(self, key: str, *, what: str = "a text") -> str | None:
        """Return a text; a number or a truth value is taken as it is written."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value
        self.wrong(key, f"needs {what}, found {kind_of(node)}", "Put it in quotes." if isinstance(node, Scalar) else "")
        return None

    def number(self, key: str, *, minimum: int = 0) -> int | None:
        """Return a whole number that is at least `minimum`."""
        node = self.get(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and value >= minimum:
            return value
        self.wrong(key, f"needs a whole number of at least {minimum}, found {kind_of(node)}")
        return None

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.wrong(key, f"needs true or false, found {kind_of(node)}")
        return None

    def items(self, key: str, what: str) -> list[Node] | None:
        """Return the items of a list; `what` says what the list holds."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node, Sequence):
            return node.items
        self.wrong(key, f"needs a list of {what}, found {kind_of(node)}", f"Write `- ` before each of the {what}.")
        return None

    def mapping(self, key: str, what: str) -> Mapping | None:
        """Return a map; `what` says what it holds."""
        node = self.get(key)
        if node is None:
            return None
        if isinstance(node, Mapping):
            return node
        self.wrong(key, f"needs a map of {what}, found {kind_of(node)}")
        return None

    def choice(self, key: str, values: Iterable[str]) -> str | None:
        """Return one of the given words."""
        node = self.get(key)
        if node is None:
            return None
        allowed = list(values)
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, str) and value in allowed:
            return value
        found = str(value) if isinstance(node, Scalar) else ""
        self.wrong(key, f"needs one of {', '.join(allowed)}, found {kind_of(node)}", did_you_mean(found, allowed))
        return None

    def finish(self, known: Iterable[str] = ()) -> None:
        """Note every key that was never asked for, with the nearest one that exists."""
        names = self._known | set(known)
        for key in self.node.entries:
            if key not in names:
                self.wrong(key, "is an unknown key", did_you_mean(key, names))


def each_mapping(nodes: list[Node], key: str, problems: Problems) -> Iterator[Reader]:
    """Yield a reader for every map of a list; anything else is noted."""
    for index, node in enumerate(nodes):
        where = f"{key}[{index}]"
        if isinstance(node, Mapping):
            yield Reader(node, where, problems)
        else:
            problems.add(node.line, where, f"needs a map, found {kind_of(node)}")
