"""The number fields of tar headers in, integers out. Speaks to: nothing."""

from __future__ import annotations

from functools import lru_cache

from pipeline.measure.stream import Forward, refused


def number(field: bytes, stream: Forward) -> int:
    """A number of a header: octal digits, or base-256 with a sign when the first bit is set. Raises BadImage."""
    found = octal(field)
    if found is None:
        raise refused(stream.layer, f"a number that is none before byte {stream.position}")
    return found


@lru_cache(maxsize=1 << 14)  # modes, owners and times are the same in thousands of headers
def octal(field: bytes) -> int | None:
    """The same; None for what is no number."""
    if field[0] & 0x80:
        half = 1 << (8 * len(field) - 2)  # of what the bits after the first can say
        value = int.from_bytes(field, "big") & (2 * half - 1)
        return value - 2 * half if value & half else value
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        return None
    return int(digits, 8)


def decimal(value: bytes, stream: Forward) -> int:
    """A number of a pax record, zero or more. Raises BadImage."""
    if not value.isdigit() or len(value) > 19:
        raise refused(stream.layer, f"a number that is none before byte {stream.position}")
    return int(value)
