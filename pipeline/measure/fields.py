"""The number fields of tar headers in, integers out. Speaks to: nothing."""

from __future__ import annotations

from pipeline.measure.stream import Stream, refused


def number(field: bytes, stream: Stream) -> int:
    """A number of a header: octal digits, or base-256 with a sign when the first bit is set. Raises BadImage."""
    if field[0] & 0x80:
        half = 1 << (8 * len(field) - 2)  # of what the bits after the first can say
        value = int.from_bytes(field, "big") & (2 * half - 1)
        return value - 2 * half if value & half else value
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise refused(stream.layer, f"a number that is none before byte {stream.position}")
    return int(digits, 8)


def decimal(value: bytes, stream: Stream) -> int:
    """A number of a pax record, zero or more. Raises BadImage."""
    if not value.isdigit() or len(value) > 19:
        raise refused(stream.layer, f"a number that is none before byte {stream.position}")
    return int(value)
