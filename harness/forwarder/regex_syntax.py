"""The syntax of JavaScript's regular expressions without the flag u, web legacy included, with V8's messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.forwarder import jstext
from harness.forwarder.regex_classes import ESCAPES, Ranges, complement, union
from harness.forwarder.regex_names import RegexSyntaxError, read_group_name
from harness.forwarder.regex_terms import INFINITY, Boundary, Chars, Group, Look, Pattern, Reference, Repeat, Term

MAX_NESTING: Final = 200
_MAX_CAPTURES = 65_535
_CONTROLS: Final = {"f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_NOT_LINE_ENDS: Final = complement(((10, 10), (13, 13), (0x2028, 0x2029)))


@dataclass(slots=True)
class _Open:
    """A group that is still being read; `behind` is None for all but lookarounds."""

    group: Group
    behind: bool | None = None
    negative: bool = False
    captures_before: int = 0
    name: str | None = None


def parse(source: str) -> Pattern:
    """Return a pattern.

    Args:
        source: the pattern, as a text.

    Raises:
        RegexSyntaxError: when it is none.
    """
    return _Parser(jstext.units(source)).parse()


class _Parser:
    """Reads a pattern from left to right, as V8 does, so that the first mistake found is the one V8 names."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._captures = 0
        self._total, self._has_names = _scan_groups(source)
        self._names: dict[str, int] = {}
        self._references: list[Reference] = []
        self._stack = [_Open(Group())]

    def parse(self) -> Pattern:
        while self._at < len(self._source):
            self._step()
        if len(self._stack) > 1:
            raise RegexSyntaxError("Unterminated group")
        for reference in self._references:
            if reference.name is not None:
                if reference.name not in self._names:
                    raise RegexSyntaxError("Invalid named capture referenced")
                reference.group = self._names[reference.name]
        return Pattern(self._stack[0].group, self._captures, bool(self._references))

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._source[at] if at < len(self._source) else ""

    def _terms(self) -> list[Term]:
        return self._stack[-1].group.alternatives[-1]

    def _step(self) -> None:
        """Read one term with its quantifier, or one mark of the structure."""
        character = self._peek()
        captures_before = self._captures
        if character == "|":
            self._at += 1
            self._stack[-1].group.alternatives.append([])
            return
        if character in "*+?":
            raise RegexSyntaxError("Nothing to repeat")
        if character in "^$":
            self._at += 1
            self._terms().append(Boundary("start" if character == "^" else "end"))
            return
        if character == "(":
            self._open()
            return
        if character == ")":
            captures_before = self._close()
        elif character == "[":
            self._at += 1
            self._terms().append(self._class())
        elif character == "\\":
            if not self._escape():
                return
        elif character == "{" and self._interval() is not None:
            raise RegexSyntaxError("Nothing to repeat")
        else:
            self._at += 1
            self._terms().append(Chars(_NOT_LINE_ENDS if character == "." else _one(ord(character))))
        self._quantifier(captures_before)

    def _open(self) -> None:
        if len(self._stack) > MAX_NESTING:
            raise RegexSyntaxError("Regular expression too large")
        self._at += 1
        opened = _Open(Group(), captures_before=self._captures)
        if self._peek() == "?":
            self._special_group(opened)
        else:
            self._capture(opened)
        self._stack.append(opened)

    def _special_group(self, opened: _Open) -> None:
        mark, following = self._peek(1), self._peek(2)
        if mark == ":":
            self._at += 2
        elif mark and mark in "=!":
            self._at += 2
            opened.behind, opened.negative = False, mark == "!"
        elif mark == "<" and following and following in "=!":
            self._at += 3
            opened.behind, opened.negative = True, following == "!"
        elif mark == "<":
            self._at += 2
            self._capture(opened)
            opened.name, self._at = read_group_name(self._source, self._at)
        else:
            raise RegexSyntaxError("Invalid group")

    def _capture(self, opened: _Open) -> None:
        if self._captures >= _MAX_CAPTURES:
            raise RegexSyntaxError("Too many captures")
        self._captures += 1
        opened.group.capture = self._captures

    def _close(self) -> int:
        """Close the innermost group, and return how many groups there were before it."""
        if len(self._stack) == 1:
            raise RegexSyntaxError("Unmatched ')'")
        self._at += 1
        opened = self._stack.pop()
        if opened.name is not None:
            if opened.name in self._names:
                raise RegexSyntaxError("Duplicate capture group name")
            self._names[opened.name] = opened.group.capture
        if opened.behind is None:
            self._terms().append(opened.group)
        else:
            self._terms().append(Look(opened.group, opened.behind, opened.negative))
        return opened.captures_before

    def _quantifier(self, captures_before: int) -> None:
        character = self._peek()
        least, most = {"*": (0, INFINITY), "+": (1, INFINITY), "?": (0, 1)}.get(character, (-1, -1))
        if least >= 0:
            self._at += 1
        else:
            interval = self._interval() if character == "{" else None
            if interval is None:
                return
            least, most = interval
            if most < least:
                raise RegexSyntaxError("numbers out of order in {} quantifier")
        greedy = self._peek() != "?"
        if not greedy:
            self._at += 1
        terms = self._terms()
        last = terms[-1]
        if isinstance(last, Look) and last.behind:
            raise RegexSyntaxError("Invalid quantifier")
        terms.append(Repeat(terms.pop(), least, most, greedy, captures_before + 1, self._captures))

    def _interval(self) -> tuple[int, int] | None:
        """Read `{1}`, `{1,}` or `{1,2}`; anything else is no quantifier, and nothing is read."""
        end = self._source.find("}", self._at)
        least, comma, most = self._source[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not _is_digits(least) or (most and not _is_digits(most)):
            return None
        self._at = end + 1
        low = _clamped(least)
        if not comma:
            return low, low
        return low, _clamped(most) if most else INFINITY

    def _escape(self) -> bool:
        """Read an escape outside a class; return whether it can be repeated."""
        character = self._peek(1)
        if not character:
            raise RegexSyntaxError("\\ at end of pattern")
        if character in "bB":
            self._at += 2
            self._terms().append(Boundary("word" if character == "b" else "no word"))
            return False
        if character in "123456789" and self._back_reference():
            return True
        if character == "k" and self._has_names:
            self._named_reference()
            return True
        if character in ESCAPES:
            self._at += 2
            self._terms().append(Chars(ESCAPES[character]))
            return True
        self._at += 1
        self._terms().append(Chars(_one(self._character_escape(in_class=False))))
        return True

    def _back_reference(self) -> bool:
        """Read `\\1` where there is such a group; elsewhere it is an octal escape."""
        end = self._at + 1
        while end < len(self._source) and self._source[end] in "0123456789":
            end += 1
        digits = self._source[self._at + 1 : end]
        number = _clamped(digits)
        if number > self._total:
            return False
        self._at = end
        inside = any(opened.group.capture == number for opened in self._stack)
        self._refer(Group() if inside else Reference(number))
        return True

    def _named_reference(self) -> None:
        if self._peek(2) != "<":
            raise RegexSyntaxError("Invalid named reference")
        self._at += 3
        name, self._at = read_group_name(self._source, self._at)
        inside = any(opened.name == name for opened in self._stack)
        self._refer(Group() if inside else Reference(0, name))

    def _refer(self, term: Group | Reference) -> None:
        if isinstance(term, Reference):
            self._references.append(term)
        self._terms().append(term)

    def _character_escape(self, *, in_class: bool) -> int:
        """Read an escape that stands for one unit, from behind its backslash."""
        character = self._peek()
        if character == "c":
            return self._control(in_class=in_class)
        if character in "01234567":
            return self._octal()
        if character == "k" and self._has_names:
            raise RegexSyntaxError("Invalid escape")
        self._at += 1
        if character in _CONTROLS:
            return _CONTROLS[character]
        digits = {"x": 2, "u": 4}.get(character, 0)
        code = self._source[self._at : self._at + digits]
        if digits and len(code) == digits and all(digit in "0123456789abcdefABCDEF" for digit in code):
            self._at += digits
            return int(code, 16)
        return ord(character)

    def _control(self, *, in_class: bool) -> int:
        letter = self._peek(1)
        is_letter = letter.isascii() and letter.isalpha()
        if is_letter or (in_class and letter and (letter == "_" or (letter.isascii() and letter.isdigit()))):
            self._at += 2
            return ord(letter) & 31
        return ord("\\")

    def _octal(self) -> int:
        value = 0
        for _ in range(3):
            digit = self._peek()
            if not digit or digit not in "01234567" or value >= 32:
                break
            value = value * 8 + int(digit)
            self._at += 1
        return value

    def _class(self) -> Chars:
        negative = self._peek() == "^"
        if negative:
            self._at += 1
        members: list[Ranges] = []
        while self._peek() and self._peek() != "]":
            first = self._class_member()
            if self._peek() != "-" or not self._peek(1) or self._peek(1) == "]":
                members.append(first)
                continue
            self._at += 1
            second = self._class_member()
            members += [_range(first, second)] if _is_one(first) and _is_one(second) else [first, _one(45), second]
        if not self._peek():
            raise RegexSyntaxError("Unterminated character class")
        self._at += 1
        return Chars(union(members), negative)

    def _class_member(self) -> Ranges:
        character = self._peek()
        self._at += 1
        if character != "\\":
            return _one(ord(character))
        escaped = self._peek()
        if not escaped:
            raise RegexSyntaxError("\\ at end of pattern")
        if escaped in ESCAPES:
            self._at += 1
            return ESCAPES[escaped]
        if escaped == "b":
            self._at += 1
            return _one(8)
        return _one(self._character_escape(in_class=True))


def _one(unit: int) -> Ranges:
    return ((unit, unit),)


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _range(first: Ranges, second: Ranges) -> Ranges:
    low, high = first[0][0], second[0][0]
    if low > high:
        raise RegexSyntaxError("Range out of order in character class")
    return ((low, high),)


def _is_digits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isdigit()


def _clamped(digits: str) -> int:
    return min(int(digits), INFINITY) if len(digits) <= 10 else INFINITY


def _scan_groups(source: str) -> tuple[int, bool]:
    """Return how many groups of a pattern capture, and whether any has a name."""
    count, has_names, in_class, at = 0, False, False, 0
    while at < len(source):
        character = source[at]
        if character == "\\":
            at += 1
        elif character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "(" and not in_class:
            named = source[at + 1 : at + 3] == "?<" and source[at + 3 : at + 4] not in ("=", "!")
            count += named or source[at + 1 : at + 2] != "?"
            has_names = has_names or named
        at += 1
    return count, has_names
