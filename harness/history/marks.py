"""What the rules have to know about how an id looks, as one number of bits an id, found once when it is first seen.

The forms are those of `harness.identity.original`, the looks those of `harness.identity.looks`, the list that of
`harness.ingestion.limits`; tests hold them equal. They are written out here because they run once for each of a
hundred million ids.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from harness.history.native import PREFIX_WORD, byte, compiled, word
from harness.ingestion.limits import DISALLOWED_IDS

DISALLOWED: Final = 1
"""On Mixpanel's list of disallowed ids, in any case."""

PREFIXED: Final = 2
"""Starts with `$device:`."""

REST_DISALLOWED: Final = 4
"""What stands behind one `$device:` is on the list."""

LOOKS_ANONYMOUS: Final = 8
"""Looks like an id that no person chose: a device, a UUID or an ECID."""

STRICT_V4: Final = 16
"""A UUID of version 4, with or without `$device:`."""

COMPAT: Final = 32
"""Five groups of hex digits joined by hyphens, with or without `$device:`."""

PHP_LOOSE: Final = 64
"""Five groups of any letters and digits, empty ones too, with or without `$device:`."""

_LISTED: Final = sorted(DISALLOWED_IDS)
_LIST_LENGTHS: Final = np.array([len(text) for text in _LISTED], np.int64)
_LIST: Final = np.array([list(text.encode().ljust(48, b"\0")) for text in _LISTED], np.uint8)
_LONGEST: Final = 36
"""The nil UUID; the other listed ids are much shorter."""

_OTHER: Final = np.array([chr(code) not in "0123456789abcdefABCDEF" for code in range(256)], np.uint8)
"""1 for every byte that is no hex digit."""

_LOWER: Final = np.uint64(0x0020202020202000)
"""Turns the letters between the first and the last of 8 bytes into lower case."""

_ZERO: Final = np.uint64(0)
_HIGH: Final = np.uint64(0x8080808080808080)
_SMALL: Final = np.uint64(0x2020202020202020)
_FROM_0: Final = np.uint64(0x5050505050505050)
_PAST_9: Final = np.uint64(0x4646464646464646)
_FROM_A: Final = np.uint64(0x1F1F1F1F1F1F1F1F)
_PAST_F: Final = np.uint64(0x1919191919191919)
_NIBBLES: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_ONES: Final = np.uint64(0x0101010101010101)
_PAIRS: Final = np.uint64(0x00FF00FF00FF00FF)
_FOURS: Final = np.uint64(0x0000FFFF0000FFFF)
_EIGHT: Final = np.uint64(0xFFFFFFFF)
_NINE: Final = np.uint64(9)
_S4: Final = np.uint64(4)
_S6: Final = np.uint64(6)
_S8: Final = np.uint64(8)
_S16: Final = np.uint64(16)
_HYPHENS_8: Final = np.uint64(0x00001D000000001D)
_HYPHENS_16: Final = np.uint64(0x1D000000001D0000)
"""Turn the hyphens among 8 letters of a UUID into the digit 0."""

_SHORT: Final = 13
"""Longer than any other listed id, also where Kelvin signs, three bytes long, stand for its k."""


@compiled
def marks_of(at: int, length: int) -> int:
    """Return the marks of a text.

    Args:
        at: its address.
        length: its length in bytes.
    """
    marks = 0
    exact = length >= 8 and word(at) == PREFIX_WORD
    if is_listed(at, length):
        marks |= 1
    begin, size = at, length
    if exact:
        marks |= 2 | 8
        begin, size = at + 8, length - 8
        if is_listed(begin, size):
            marks |= 4
    forms = _uuid(begin, size)
    if forms == 0:
        forms = _groups(begin, size)
    if forms & 32 or _is_ecid(begin, size):
        marks |= 8
    elif not exact and length > 8 and byte(at) == 0x24 and byte(at + 7) == 0x3A and _is_prefix_in_any_case(at):  # noqa: SIM102
        if _groups(at + 8, length - 8) & 32 or _is_ecid(at + 8, length - 8):
            marks |= 8
    return marks | forms


@compiled
def is_listed(at: int, length: int) -> bool:
    """Return whether a text, in lower case, is on the list of disallowed ids."""
    if length > _SHORT and (length != _LONGEST or byte(at) != 0x30):
        return False
    for entry in range(len(_LIST_LENGTHS)):  # noqa: SIM110
        if _is_lower_case_of(at, length, entry):
            return True
    return False


@compiled
def _is_lower_case_of(at: int, length: int, entry: int) -> bool:
    size = _LIST_LENGTHS[entry]
    if length < size or length > size + 4:
        return False
    step = 0
    place = 0
    while step < length and place < size:
        letter = byte(at + step)
        if letter >= 0x80:
            # The Kelvin sign, whose lower case is a k.
            if step + 2 >= length or letter != 0xE2 or byte(at + step + 1) != 0x84 or byte(at + step + 2) != 0xAA:
                return False
            letter = 0x6B
            step += 2
        elif 0x41 <= letter <= 0x5A:
            letter += 32
        if letter != _LIST[entry, place]:
            return False
        step += 1
        place += 1
    return step == length and place == size


@compiled
def _uuid(at: int, length: int) -> int:
    """Return the forms of what is laid out like a UUID, the usual case, and 0 for anything else."""
    if length != 36 or not (byte(at + 8) == byte(at + 13) == byte(at + 18) == byte(at + 23) == 0x2D):
        return 0
    others = _not_hex(word(at)) | _not_hex(word(at + 28))
    others |= _not_hex(word(at + 8) ^ _HYPHENS_8) | _not_hex(word(at + 16) ^ _HYPHENS_16) | _not_hex(word(at + 24))
    if others != _ZERO:
        return 0
    variant = byte(at + 19) | 32
    if byte(at + 14) == 0x34 and (byte(at + 19) in (0x38, 0x39) or variant in (0x61, 0x62)):
        return 64 | 32 | 16
    return 64 | 32


@compiled
def _not_hex(letters: Any) -> Any:
    """Return 0 where 8 bytes are all digits of hexadecimal numbers, in either case."""
    return _neither(letters, letters | _SMALL)


@compiled
def not_small_hex(letters: Any) -> Any:
    """Return 0 where 8 bytes are all digits of hexadecimal numbers, none of them a capital letter."""
    return _neither(letters, letters)


@compiled
def _neither(letters: Any, small: Any) -> Any:
    """Return 0 where each of 8 bytes is a digit, or as a small letter one from a to f."""
    digit = (letters + _FROM_0) & ~(letters + _PAST_9)
    letter = (small + _FROM_A) & ~(small + _PAST_F)
    return (~(digit | letter) | letters) & _HIGH


@compiled
def half(letters: Any) -> Any:
    """Return 8 small hexadecimal digits as one number of 32 bits."""
    digits = (letters & _NIBBLES) + ((letters >> _S6) & _ONES) * _NINE
    pairs = (digits | (digits >> _S4)) & _PAIRS
    fours = (pairs | (pairs >> _S8)) & _FOURS
    return (fours | (fours >> _S16)) & _EIGHT


@compiled
def _groups(at: int, length: int) -> int:
    hyphens = 0
    in_group = 0
    is_hex = True
    full = True
    for step in range(length):
        letter = byte(at + step)
        if letter == 0x2D:
            hyphens += 1
            full = full and in_group > 0
            in_group = 0
            continue
        in_group += 1
        if _OTHER[letter]:
            is_hex = False
            if not 0x61 <= (letter | 32) <= 0x7A:
                return 0
    if hyphens != 4:
        return 0
    return 64 | 32 if is_hex and full and in_group > 0 else 64


@compiled
def _is_ecid(at: int, length: int) -> bool:
    if length != 38:
        return False
    for step in range(38):  # noqa: SIM110
        if not 0x30 <= byte(at + step) <= 0x39:
            return False
    return True


@compiled
def _is_prefix_in_any_case(at: int) -> bool:
    for step in range(1, 7):
        if not 0x41 <= byte(at + step) & 0xDF <= 0x5A:
            return False
    return bool((word(at) | _LOWER) == PREFIX_WORD)
