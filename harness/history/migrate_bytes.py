"""JSON as bytes at addresses: what follows a name, a text or a value, and how texts are written; all in compiled loops.

The lines were found to be JSON before, so nothing is checked here but where things end.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.history.native import byte, bytes_below, compiled, put_byte, put_words, word

_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_ZERO: Final = np.uint64(0)


@compiled
def after_space(at: int, end: int) -> int:
    """Return where the next byte is that is no white space."""
    while at < end and (byte(at) == 0x20 or 0x09 <= byte(at) <= 0x0D):
        at += 1
    return at


@compiled
def after_name(at: int, end: int) -> int:
    """Return what follows the text that begins at a quote; -1 where it holds an escape."""
    at = next_mark(at + 1, end)
    return at + 1 if byte(at) == 0x22 else -1


@compiled
def after_text(at: int, end: int) -> int:
    """Return what follows the text that begins at a quote."""
    at = next_mark(at + 1, end)
    while byte(at) != 0x22:
        at = next_mark(at + 2, end)
    return at + 1


@compiled
def next_mark(at: int, end: int) -> int:
    """Return where the next quote or backslash is."""
    while at + 8 <= end:
        letters = word(at)
        quote = letters ^ _QUOTES
        slash = letters ^ _SLASHES
        marks = (((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash)) & _HIGHS
        if marks != _ZERO:
            return at + bytes_below(marks)
        at += 8
    while byte(at) != 0x22 and byte(at) != 0x5C:
        at += 1
    return at


@compiled
def after_value(at: int, end: int) -> int:
    """Return what follows a JSON value."""
    first = byte(at)
    if first == 0x22:
        return after_text(at, end)
    if first != 0x7B and first != 0x5B:
        while at < end and byte(at) > 0x20 and byte(at) != 0x2C and byte(at) != 0x7D and byte(at) != 0x5D:
            at += 1
        return at
    depth = 0
    while at < end:
        letter = byte(at)
        if letter == 0x22:
            at = after_text(at, end)
            continue
        if letter in (0x7B, 0x5B):
            depth += 1
        elif letter in (0x7D, 0x5D):
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


@compiled
def put(start: int, end: int, used: int) -> int:
    """Copy bytes; up to 7 behind them may be overwritten, whatever they are."""
    put_words(start, end - start, used)
    return used + end - start


@compiled
def length_of(at: int) -> int:
    """Return the length of a text of the dictionary, in bytes; see `Dictionary.raw`."""
    return np.int64(word(at) & np.uint64(0xFFFFFFFF))  # type: ignore[return-value]


@compiled
def put_text(at: int, size: int, used: int) -> int:
    """Write a text as JSON does: quotes, backslashes, control characters and lone surrogates are escaped.

    Returns where it ends.
    """
    if is_plain(at, size):
        return put(at, at + size, used)
    end = at + size
    while at < end:
        letter = byte(at)
        if letter == 0x22 or letter == 0x5C:
            put_byte(used, 0x5C)
            put_byte(used + 1, letter)
            used += 2
        elif letter < 0x20:
            used = put_escape(letter, used)
        elif letter == 0xED and at + 2 < end and byte(at + 1) >= 0xA0:
            used = put_escape(0xD000 | (byte(at + 1) & 0x3F) << 6 | (byte(at + 2) & 0x3F), used)
            at += 2
        else:
            put_byte(used, letter)
            used += 1
        at += 1
    return used


@compiled
def is_plain(at: int, size: int) -> bool:
    """Return whether a text is printable ASCII that JSON takes as it is."""
    end = at + size
    while at + 8 <= end:
        letters = word(at)
        quote = letters ^ _QUOTES
        slash = letters ^ _SLASHES
        marks = ((quote - _ONES) & ~quote) | ((slash - _ONES) & ~slash) | ((letters - _SPACES) & ~letters) | letters
        if marks & _HIGHS != _ZERO:
            return False
        at += 8
    while at < end:
        letter = byte(at)
        if letter < 0x20 or letter >= 0x80 or letter == 0x22 or letter == 0x5C:
            return False
        at += 1
    return True


@compiled
def put_escape(unit: int, used: int) -> int:
    """Write one unit of UTF-16 as an escape; return where it ends."""
    put_byte(used, 0x5C)
    put_byte(used + 1, 0x75)
    for place in range(4):
        put_byte(used + 2 + place, int(_HEX[(unit >> (12 - 4 * place)) & 15]))
    return used + 6
