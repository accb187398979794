"""Nested mappings in, a bbolt file out, and back. Speaks to: nothing.

bbolt is the key-value file that Trivy's database is kept in: B+ trees of pages, a bucket being a tree inside a value.
The writer makes whole files only, so it needs none of bbolt's transactions: the same mapping gives the same bytes.
The reader takes files from outside: every offset is checked, and a loop or a lie ends in ValueError.

Format: go.etcd.io/bbolt, internal/common (page.go, meta.go, bucket.go), version 2.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Tree = Mapping[bytes, "bytes | Tree"]

PAGE_SIZE = 4096
MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
IS_BUCKET = 0x01

HEADER = struct.Struct("<QHHI")  # page id, flags, count, overflow pages
LEAF_ELEMENT = struct.Struct("<IIII")  # flags, offset from here to the key, key size, value size
BRANCH_ELEMENT = struct.Struct("<IIQ")  # offset from here to the key, key size, page id
BUCKET = struct.Struct("<QQ")  # root page (0: the page follows inline), sequence
META_BODY = struct.Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root, sequence, freelist, pages, tx


# --- writing --------------------------------------------------------------------------------------


def write(path: Path, tree: Tree) -> None:
    """Write `tree` as a new bbolt file. Top-level values must be buckets, as bbolt wants it."""
    pages = bytearray(3 * PAGE_SIZE)  # two metas and the freelist, filled in at the end
    root = _write_tree(pages, tree)
    count = len(pages) // PAGE_SIZE
    for number in (0, 1):
        body = META_BODY.pack(MAGIC, VERSION, PAGE_SIZE, 0, root, 0, 2, count, number)
        page = HEADER.pack(number, META, 0, 0) + body + struct.pack("<Q", _fnv64a(body))
        pages[number * PAGE_SIZE : number * PAGE_SIZE + len(page)] = page
    pages[2 * PAGE_SIZE : 2 * PAGE_SIZE + HEADER.size] = HEADER.pack(2, FREELIST, 0, 0)
    path.write_bytes(pages)


def _write_tree(pages: bytearray, tree: Tree) -> int:
    """Append the pages of `tree`; return its root page. Children come first, so parents know where they are."""
    elements = []
    for key in sorted(tree):
        value = tree[key]
        flags, data = (0, value) if isinstance(value, bytes) else (IS_BUCKET, _bucket(pages, value))
        elements.append((key, data, flags))
    level = [
        (group[0][0] if group else b"", _append(pages, LEAF, _leaf(group), len(group))) for group in _groups(elements)
    ]
    while len(level) > 1:
        level = [
            (group[0][0], _append(pages, BRANCH, _branch(group), len(group)))
            for group in _groups([(key, b"", number) for key, number in level])
        ]
    return level[0][1]


def _bucket(pages: bytearray, tree: Tree) -> bytes:
    """The value of a nested bucket: small ones without buckets of their own lie inline, as bbolt does it."""
    if all(isinstance(value, bytes) for value in tree.values()):
        elements = [(key, value, 0) for key, value in sorted(tree.items()) if isinstance(value, bytes)]
        body = _leaf(elements)
        if HEADER.size + len(body) <= PAGE_SIZE // 4:
            return BUCKET.pack(0, 0) + HEADER.pack(0, LEAF, len(elements), 0) + body
    return BUCKET.pack(_write_tree(pages, tree), 0)


def _groups(elements: list[tuple[bytes, bytes, int]]) -> Iterator[list[tuple[bytes, bytes, int]]]:
    """Cut sorted elements into pages; one that is larger than a page gets overflow pages of its own."""
    group: list[tuple[bytes, bytes, int]] = []
    size = HEADER.size
    for element in elements:
        needed = LEAF_ELEMENT.size + len(element[0]) + len(element[1])
        # A branch page must lead to at least two children, or the levels would never come to one root.
        if len(group) >= 2 and size + needed > PAGE_SIZE:
            yield group
            group, size = [], HEADER.size
        group.append(element)
        size += needed
    yield group


def _leaf(elements: list[tuple[bytes, bytes, int]]) -> bytes:
    heads, data = bytearray(), bytearray()
    for index, (key, value, flags) in enumerate(elements):
        offset = (len(elements) - index) * LEAF_ELEMENT.size + len(data)
        heads += LEAF_ELEMENT.pack(flags, offset, len(key), len(value))
        data += key + value
    return bytes(heads + data)


def _branch(elements: list[tuple[bytes, bytes, int]]) -> bytes:
    heads, data = bytearray(), bytearray()
    for index, (key, _, number) in enumerate(elements):
        offset = (len(elements) - index) * BRANCH_ELEMENT.size + len(data)
        heads += BRANCH_ELEMENT.pack(offset, len(key), number)
        data += key
    return bytes(heads + data)


def _append(pages: bytearray, kind: int, body: bytes, count: int) -> int:
    number = len(pages) // PAGE_SIZE
    size = -(-(HEADER.size + len(body)) // PAGE_SIZE)
    pages += (HEADER.pack(number, kind, count, size - 1) + body).ljust(size * PAGE_SIZE, b"\0")
    return number


def _fnv64a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an open file. `page` is where its root page starts, in bytes."""

    data: mmap.mmap
    page_size: int
    start: int

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Every key in order, with its value or the bucket below it. Raises ValueError on a broken file."""
        return self._walk(self.start, set())

    def __len__(self) -> int:
        """How many keys; costs nothing where the bucket is one page."""
        _, flags, count, _ = self._unpack(HEADER, self.start)
        return count if flags & LEAF else sum(1 for _ in self.items())

    def _walk(self, start: int, seen: set[int]) -> Iterator[tuple[bytes, bytes | Bucket]]:
        if start in seen or len(seen) > len(self.data) // self.page_size:
            raise ValueError(f"page at byte {start} is in the tree twice")
        seen.add(start)
        _, flags, count, _ = self._unpack(HEADER, start)
        if flags & LEAF:
            for at in range(start + HEADER.size, start + HEADER.size + count * LEAF_ELEMENT.size, LEAF_ELEMENT.size):
                kind, offset, key_size, value_size = self._unpack(LEAF_ELEMENT, at)
                key, value = self._bytes(at + offset, key_size), at + offset + key_size
                yield key, self._child(value) if kind & IS_BUCKET else self._bytes(value, value_size)
        elif flags & BRANCH:
            for at in range(start + HEADER.size, start + HEADER.size + count * BRANCH_ELEMENT.size,
                            BRANCH_ELEMENT.size):  # fmt: skip
                yield from self._walk(self._unpack(BRANCH_ELEMENT, at)[2] * self.page_size, seen)
        else:
            raise ValueError(f"page at byte {start} is neither leaf nor branch")

    def _child(self, at: int) -> Bucket:
        root, _ = self._unpack(BUCKET, at)
        return Bucket(self.data, self.page_size, root * self.page_size if root else at + BUCKET.size)

    def _unpack(self, form: struct.Struct, at: int) -> tuple[int, ...]:
        return form.unpack(self._bytes(at, form.size))

    def _bytes(self, start: int, size: int) -> bytes:
        if start + size > len(self.data):
            raise ValueError(f"byte {start + size} is beyond the end of the file")
        return self.data[start : start + size]


@contextmanager
def opened(path: Path) -> Iterator[Bucket]:
    """Yield the root bucket of a bbolt file. Raises ValueError when it is none, OSError when it cannot be read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield _root(data)


def _root(data: mmap.mmap) -> Bucket:
    """The root of the newest meta page whose checksum holds; the second page's place depends on the page size."""
    found: list[tuple[int, Bucket]] = []
    for start in (0, *(1 << power for power in range(10, 17))):
        raw = data[start + HEADER.size : start + HEADER.size + META_BODY.size + 8]
        if len(raw) < META_BODY.size + 8:
            break
        magic, version, page_size, _, root, _, _, _, transaction = META_BODY.unpack(raw[: META_BODY.size])
        if (
            (magic, version) == (MAGIC, VERSION)
            and page_size >= 1024
            and struct.unpack("<Q", raw[-8:])[0] == _fnv64a(raw[:-8])
        ):
            found.append((transaction, Bucket(data, page_size, root * page_size)))
    if not found:
        raise ValueError("no bbolt file: no meta page with a true checksum")
    return max(found, key=lambda pair: pair[0])[1]
