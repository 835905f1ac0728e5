"""JSON in compiled loops: where a value ends, and of which kind it is, as far as it is certainly plain JSON.

Every loop takes the address of a byte and that of the end, and gives a place of -1 where the plain reader has to judge.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.history.native import byte, bytes_below, compiled, integer, unsigned, word

_MOST_ITEMS: Final = 200
_MOST_OBJECTS: Final = 3
_MOST_LEVELS: Final = 60
IS_TEXT: Final = 1
IS_WHOLE: Final = 2
IS_NUMBER: Final = 3
IS_NULL: Final = 4
IS_FALSE: Final = 5
_IS_TRUE: Final = 6
IS_LIST: Final = 7
_IS_OBJECT: Final = 8
_IS_ESCAPED: Final = 9
_NULL_WORD: Final = np.frombuffer(b"null\0\0\0\0", np.uint64)[0]
_TRUE_WORD: Final = np.frombuffer(b"true\0\0\0\0", np.uint64)[0]
_FALSE_WORD: Final = np.frombuffer(b"false\0\0\0", np.uint64)[0]
_ESCAPES: Final = tuple(b'"\\/bfnrt')
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_LINES: Final = np.uint64(0x0A0A0A0A0A0A0A0A)
_ZERO: Final = np.uint64(0)
_POWERS: Final = np.array([10.0**power for power in range(19)])
_HEX: Final = np.array([int(chr(code), 16) if chr(code) in "0123456789abcdefABCDEF" else 255 for code in range(256)])


@compiled
def line_end(at: int, end: int) -> int:
    """Return where a line ends: at its line feed, or at the end."""
    while at + 8 <= end:
        mixed = word(at) ^ _LINES
        found = (mixed - _ONES) & ~mixed & _HIGHS
        if found != _ZERO:
            return at + bytes_below(found)
        at += 8
    while at < end and byte(at) != 0x0A:
        at += 1
    return at


@compiled
def skip_blanks(at: int, end: int) -> int:
    """Skip what Python strips from bytes: space, tab, carriage return, vertical tab, form feed."""
    while at < end and (byte(at) == 0x20 or 0x09 <= byte(at) <= 0x0D):
        at += 1
    return at


@compiled
def space(at: int, end: int) -> int:
    """Skip what JSON allows between values within a line."""
    while at < end and (byte(at) == 0x20 or byte(at) == 0x09 or byte(at) == 0x0D):
        at += 1
    return at


@compiled
def value_end(at: int, end: int) -> Any:
    """Skip one value; return where it ends and its kind, or -1 where it is not certainly plain JSON."""
    letter = byte(at)
    if letter == 0x22:
        at, flags = text_end(at + 1, end)
        return (at + 1 if at >= 0 else -1), ((_IS_ESCAPED if flags & 1 else IS_TEXT) | (flags & 2) << 3)
    if letter == 0x7B or letter == 0x5B:
        at, flags = _nested(at, end)
        return at, (_IS_OBJECT if letter == 0x7B else IS_LIST) | (flags & 2) << 3
    if letter == 0x6E:
        return _word(at, end, _NULL_WORD, 4), IS_NULL
    if letter == 0x74:
        return _word(at, end, _TRUE_WORD, 4), _IS_TRUE
    if letter == 0x66:
        return _word(at, end, _FALSE_WORD, 5), IS_FALSE
    return _number(at, end)


@compiled
def _word(at: int, end: int, wanted: Any, size: int) -> int:
    shift = unsigned(64 - 8 * size)
    if at + size > end or (word(at) << shift) != (wanted << shift):
        return -1
    return at + size


@compiled
def text_end(at: int, end: int) -> Any:
    """Return where the closing quote of a text is, and 1 for escapes in it, 2 for bytes beyond ASCII; -1 for neither.

    Half a pair of surrogates is left to the plain reader.
    """
    flags = 0
    while True:
        while at + 8 <= end:
            letters = word(at)
            quote = letters ^ _QUOTES
            slash = letters ^ _SLASHES
            found = ((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash) | ((letters - _SPACES) & ~letters) | letters
            found &= _HIGHS
            if found != _ZERO:
                at += bytes_below(found)
                break
            at += 8
        if at >= end:
            return -1, 0
        letter = byte(at)
        if letter == 0x22:
            return at, flags
        if letter < 0x20:
            return -1, 0
        if letter == 0x5C:
            flags |= 1
            at = _escape(at + 1, end)
            if at < 0:
                return -1, 0
            continue
        if letter >= 0x80:
            flags |= 2
        at += 1


@compiled
def _escape(at: int, end: int) -> int:
    """Return what follows an escape; `at` is behind its backslash."""
    if at >= end:
        return -1
    letter = byte(at)
    if letter != 0x75:
        for known in _ESCAPES:
            if letter == known:
                return at + 1
        return -1
    code = _four_digits(at + 1, end)
    if code < 0 or 0xDC00 <= code <= 0xDFFF:
        return -1
    if code < 0xD800 or code > 0xDFFF:
        return at + 5
    if at + 7 > end or byte(at + 5) != 0x5C or byte(at + 6) != 0x75:
        return -1
    low = _four_digits(at + 7, end)
    return at + 11 if 0xDC00 <= low <= 0xDFFF else -1


@compiled
def _four_digits(at: int, end: int) -> int:
    if at + 4 > end:
        return -1
    code = 0
    for step in range(4):
        digit = _HEX[byte(at + step)]
        if digit > 15:
            return -1
        code = code * 16 + digit
    return code


@compiled
def _number(at: int, end: int) -> Any:
    """Skip a number that is far from every limit; whole ones are written as they would be written again."""
    begin = at
    if byte(at) == 0x2D:
        at += 1
    digits = at
    while at < end and 0x30 <= byte(at) <= 0x39:
        at += 1
    whole = at - digits
    if whole == 0 or whole > 18 or (whole > 1 and byte(digits) == 0x30):
        return -1, 0
    kind = IS_WHOLE
    if digits > begin and whole == 1 and byte(digits) == 0x30:
        kind = IS_NUMBER
    if at < end and byte(at) == 0x2E:
        kind = IS_NUMBER
        digits = at + 1
        at = digits
        while at < end and 0x30 <= byte(at) <= 0x39:
            at += 1
        if at == digits or at - digits > 40:
            return -1, 0
    if at < end and (byte(at) | 32) == 0x65:
        kind = IS_NUMBER
        at += 1
        if at < end and (byte(at) == 0x2B or byte(at) == 0x2D):
            at += 1
        digits = at
        while at < end and 0x30 <= byte(at) <= 0x39:
            at += 1
        if at == digits or at - digits > 2:
            return -1, 0
    return at, kind


@compiled
def _nested(at: int, end: int) -> Any:  # noqa: C901
    """Skip a list or an object that is far from every limit of shape."""
    flags = 0
    items = 0
    levels = 0
    objects = 0
    is_object = unsigned(0)
    one = unsigned(1)
    wants_value = True
    while True:
        if at >= end:
            return -1, 0
        if wants_value:
            letter = byte(at)
            if letter == 0x7B or letter == 0x5B:
                levels += 1
                is_object = is_object << one
                at = space(at + 1, end)
                if at >= end or levels > _MOST_LEVELS:
                    return -1, 0
                if letter == 0x7B:
                    objects += 1
                    is_object |= one
                    if objects > _MOST_OBJECTS:
                        return -1, 0
                    if byte(at) != 0x7D:
                        at, kind = _key(at, end)
                        flags |= kind
                        if at < 0:
                            return -1, 0
                        continue
                elif byte(at) != 0x5D:
                    continue
            else:
                at, kind = _plain(at, end)
                flags |= kind
                if at < 0:
                    return -1, 0
                at = space(at, end)
            wants_value = False
            continue
        letter = byte(at)
        in_object = is_object & one != _ZERO
        if letter == 0x2C:
            items += 1
            at = space(at + 1, end)
            if items > _MOST_ITEMS:
                return -1, 0
            if in_object:
                at, kind = _key(at, end)
                flags |= kind
                if at < 0:
                    return -1, 0
            wants_value = True
            continue
        if letter != (0x7D if in_object else 0x5D):
            return -1, 0
        levels -= 1
        if in_object:
            objects -= 1
        is_object = is_object >> one
        if levels == 0:
            return at + 1, flags
        at = space(at + 1, end)


@compiled
def _key(at: int, end: int) -> Any:
    if at >= end or byte(at) != 0x22:
        return -1, 0
    at, flags = text_end(at + 1, end)
    if at < 0:
        return -1, 0
    at = space(at + 1, end)
    if at >= end or byte(at) != 0x3A:
        return -1, 0
    return space(at + 1, end), flags


@compiled
def _plain(at: int, end: int) -> Any:
    """Skip a value that holds no others."""
    letter = byte(at)
    if letter == 0x22:
        at, flags = text_end(at + 1, end)
        return (at + 1 if at >= 0 else -1), flags
    if letter == 0x6E:
        return _word(at, end, _NULL_WORD, 4), 0
    if letter == 0x74:
        return _word(at, end, _TRUE_WORD, 4), 0
    if letter == 0x66:
        return _word(at, end, _FALSE_WORD, 5), 0
    at, _ = _number(at, end)
    return at, 0


@compiled
def is_utf8(at: int, end: int) -> bool:  # noqa: C901
    """Return whether some bytes are UTF-8 as Python reads it: nothing overlong, no surrogates, none past U+10FFFF."""
    while at < end:
        lead = byte(at)
        if lead < 0x80:
            at += 1
            while at + 8 <= end and word(at) & _HIGHS == _ZERO:
                at += 8
            continue
        at += 1
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if at + more > end:
            return False
        for _ in range(more):
            if not low <= byte(at) <= high:
                return False
            low, high = 0x80, 0xBF
            at += 1
    return True


@compiled
def decimal(at: int, size: int) -> float:
    """Return a plain number of up to 15 digits, which a float holds exactly or rounds as any reader does; else -1."""
    value = integer(0)
    digits = 0
    behind = -1
    for step in range(size):
        letter = byte(at + step)
        if letter == 0x2E:
            behind = digits
            continue
        if not 0x30 <= letter <= 0x39:
            return -1.0
        value = value * 10 + (letter - 0x30)
        digits += 1
        if digits > 15:
            return -1.0
    return float(value) if behind < 0 else float(value) / _POWERS[digits - behind]
