"""Which scenarios to run: files and folders become a sorted list of files, and `-k` picks from their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from harness.problems import InputError, Problem, Problems
from harness.scenario.format import is_property_file
from harness.yamltext import parse_yaml

Matcher: TypeAlias = Callable[[str], bool]

_TOKEN: Final = re.compile(r"""\s*(?:(\()|(\))|"([^"]*)"|'([^']*)'|([^\s()"']+))""")
_LONGEST_EXPRESSION: Final = 200
_WORDS: Final = frozenset({"and", "or", "not"})


class Found(NamedTuple):
    """One scenario file: where it is, its name in messages, and whether it was named itself."""

    path: Path
    file: str
    named: bool


def collect(paths: Sequence[Path]) -> tuple[list[Found], list[Problem]]:
    """Return the scenario files under some paths, each once, folders in the order of names.

    A folder is searched for `*.yaml`; properties in shorthand that lie there are passed over.

    Returns:
        The files, and a problem for every path that does not exist or holds no scenario.
    """
    found: dict[Path, Found] = {}
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*.yaml"), key=_order) if not holds_property(file)]
            if not inside:
                problems.append(Problem(str(path), None, "", "holds no *.yaml scenario", "`harness new` writes one."))
            for file in inside:
                found.setdefault(file.resolve(), Found(file, file.as_posix(), named=False))
        elif path.exists():
            found.setdefault(path.resolve(), Found(path, path.as_posix(), named=True))
        else:
            problems.append(Problem(str(path), None, "", "does not exist", "Check the path."))
    return list(found.values()), problems


def _order(path: Path) -> tuple[str, ...]:
    return path.parts


def holds_property(path: Path) -> bool:
    """Return whether a file is a property in shorthand, which a folder of scenarios may hold too."""
    try:
        text = path.read_bytes()[:4_000_000].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    if "data_elements:" not in text and "rules:" not in text:
        return False
    node = parse_yaml(text, Problems(""))
    return node is not None and is_property_file(node)


def matcher(expression: str) -> Matcher:
    """Return whether a name matches a `-k` expression: words joined by and, or, not and parentheses, in any case.

    Raises:
        InputError: when the expression makes no sense.
    """
    if len(expression) > _LONGEST_EXPRESSION:
        raise _wrong(expression[:60] + "...", f"is longer than {_LONGEST_EXPRESSION} characters")
    tokens = _tokens(expression)
    parser = _Parser(tokens, expression)
    found = parser.either()
    if parser.tokens:
        raise _wrong(expression, f"does not expect {parser.tokens[0][1]!r} there")
    return lambda name: found(name.casefold())


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position, text = 0, expression.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _wrong(expression, "has a quote that is not closed")
        opening, closing, double, single, word = match.groups()
        if opening or closing:
            tokens.append(("mark", opening or closing))
        elif word is not None and word.casefold() in _WORDS:
            tokens.append(("mark", word.casefold()))
        else:
            tokens.append(("text", next(part for part in (double, single, word) if part is not None)))
        position = match.end()
    return tokens


def _wrong(expression: str, message: str) -> InputError:
    fix = 'Write for example: -k "login and not legacy".'
    return InputError([Problem("", None, f"-k {expression!r}", message, fix)])


class _Parser:
    """Reads an expression from left to right; `or` binds less than `and`, `and` less than `not`."""

    def __init__(self, tokens: list[tuple[str, str]], expression: str) -> None:
        self.tokens = tokens
        self._expression = expression

    def _take(self, mark: str) -> bool:
        if self.tokens and self.tokens[0] == ("mark", mark):
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Matcher:
        parts = [self.both()]
        while self._take("or"):
            parts.append(self.both())
        return lambda name: any(part(name) for part in parts)

    def both(self) -> Matcher:
        parts = [self.single()]
        while self._take("and"):
            parts.append(self.single())
        return lambda name: all(part(name) for part in parts)

    def single(self) -> Matcher:
        negations = 0
        while self._take("not"):
            negations += 1
        inner = self._inner()
        return inner if negations % 2 == 0 else lambda name: not inner(name)

    def _inner(self) -> Matcher:
        if self._take("("):
            inner = self.either()
            if not self._take(")"):
                raise _wrong(self._expression, "has a parenthesis that is not closed")
            return inner
        if not self.tokens or self.tokens[0][0] != "text":
            raise _wrong(self._expression, "ends where a word was expected" if not self.tokens else "lacks a word")
        text = self.tokens.pop(0)[1].casefold()
        return lambda name: text in name
