"""A sparse member of a tar in, its whole content out. Speaks to: nothing.

GNU tar leaves the holes of a file out: its old format lists the stored parts in the header, pax 0.x in records,
pax 1.0 at the start of the data. Engines unpack all of them to files of the full size, so that is what counts here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.measure.fields import decimal, number
from pipeline.measure.stream import Forward, refused

Parts = tuple[tuple[int, int], ...]  # offset, length

MOST_PARTS = 1 << 20
REPEATED = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")  # pax 0.0 writes one of each for every part
ZEROS = memoryview(bytes(1 << 16))


def described(pax: Mapping[bytes, bytes]) -> bool:
    """Do these pax records describe a sparse file?"""
    return any(key in pax for key in (b"GNU.sparse.major", b"GNU.sparse.map", REPEATED[0]))


def old_gnu(raw: bytes, stream: Forward) -> tuple[Parts, int]:
    """The stored parts and the full size by a header of type S and the blocks that follow it."""
    fields = [raw[at : at + 12] for at in range(386, 482, 12)]
    more = raw[482]
    while more:
        block = stream.read(512)
        fields += [block[at : at + 12] for at in range(0, 504, 12)]
        more = block[504]
        _limit(len(fields), stream)
    used = [number(field, stream) for field in fields if field.strip(b" \0")]
    return _pairs(used, stream), number(raw[483:495], stream)


def pax(records: Mapping[bytes, bytes], stream: Forward, stored: int) -> tuple[Parts, int]:
    """The stored parts and the full size by pax records; for format 1.0 the list is read from the data."""
    size = decimal(records.get(b"GNU.sparse.realsize") or records.get(b"GNU.sparse.size") or b"", stream)
    version = (records.get(b"GNU.sparse.major", b"0"), records.get(b"GNU.sparse.minor", b"0"))
    if version == (b"1", b"0"):
        return _pairs(_listed(stream, stored), stream), size
    if version[0] != b"0":
        raise refused(stream.layer, f"a sparse file of an unknown format before byte {stream.position}")
    if b"GNU.sparse.map" in records:
        numbers = [decimal(value, stream) for value in records[b"GNU.sparse.map"].split(b",") if value]
    else:
        offsets, lengths = (records.get(key, b"").split(b",") for key in REPEATED)
        numbers = [decimal(value, stream) for pair in zip(offsets, lengths, strict=False) for value in pair]
    return _pairs(numbers, stream), size


def check(parts: Parts, size: int, stored: int, stream: Forward) -> None:
    """Refuse parts that overlap, lie behind the end, or are longer than what is stored."""
    at = 0
    for offset, length in parts:
        if offset < at or length < 0:
            raise refused(stream.layer, f"a sparse file with overlapping parts before byte {stream.position}")
        at = offset + length
    if at > size or sum(length for _, length in parts) > stored:
        raise refused(stream.layer, f"a sparse file that lies about its size before byte {stream.position}")


def content(stream: Forward, parts: Parts, size: int) -> Iterator[memoryview]:
    """Yield the whole file, holes as zeros. Holes count against the layer's limit."""
    at = 0
    for offset, length in (*parts, (size, 0)):
        hole = offset - at
        while hole > 0:
            piece = ZEROS[:hole]
            stream.charge(len(piece))
            hole -= len(piece)
            yield piece
        yield from stream.pieces(length)
        at = offset + length


def _listed(stream: Forward, stored: int) -> list[int]:
    """The list at the start of the data: a count, then offset and length in turns, a line each, padded to blocks."""
    blocks: list[bytes] = []
    lines, wanted = 0, 0
    while not wanted or lines < wanted:
        if len(blocks) * 512 >= stored:
            raise refused(stream.layer, f"a sparse file whose list does not end, at byte {stream.position}")
        blocks.append(stream.read(512))
        lines += blocks[-1].count(b"\n")
        if not wanted:
            count = decimal(blocks[0].split(b"\n", 1)[0], stream)
            _limit(count, stream)
            wanted = 1 + 2 * count
    return [decimal(value, stream) for value in b"".join(blocks).split(b"\n")[1:wanted]]


def _pairs(numbers: list[int], stream: Forward) -> Parts:
    if len(numbers) % 2:
        raise refused(stream.layer, f"a sparse file with half a part before byte {stream.position}")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _limit(count: int, stream: Forward) -> None:
    if count > MOST_PARTS:
        raise refused(stream.layer, f"a sparse file of more than {MOST_PARTS} parts at byte {stream.position}")
