"""A final root and the package databases in it in, the installed packages out. Speaks to: nothing.

dpkg's status and file lists, and the dist-info folders of Python packages. A package belongs to the layer that
brought its own metadata: dpkg's status is written anew by every install, a package's file list only by its own.
"""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.measure.entries import LayerIndex
from pipeline.measure.root import Content, Root
from pipeline.model import Package

STATUS = b"var/lib/dpkg/status"
STATUS_FOLDER = b"var/lib/dpkg/status.d/"  # distroless: one file a package
INFO = b"var/lib/dpkg/info/"
METADATA = b".dist-info/METADATA"
RECORD = b".dist-info/RECORD"
HEAD = 64 << 10  # of a METADATA: name and version stand at its start, the README after them


def wanted(name: bytes) -> bool:
    """Is this a file whose content tells about packages?"""
    return (
        name.endswith((METADATA, RECORD))
        or name == STATUS
        or name.startswith(STATUS_FOLDER)
        or (name.startswith(INFO) and name.endswith(b".list"))
    )


def kept(name: bytes, content: bytes) -> bytes:
    """Return the part of such a file that is worth keeping."""
    return content[:HEAD] if name.endswith(METADATA) else content


def packages(root: Root, indexes: Sequence[LayerIndex], digests: Sequence[str]) -> tuple[Package, ...]:
    """Return the installed packages, by kind and name. `bytes` is None when no file list tells what is theirs."""
    databases = _Databases(root, indexes)
    found = [*_debs(databases, digests), *_pythons(databases, digests)]
    return tuple(sorted(found, key=lambda package: (package.kind, package.name, package.version, package.layer)))


class _Databases:
    """The package databases that are visible in the final root."""

    def __init__(self, root: Root, indexes: Sequence[LayerIndex]) -> None:
        self.root = root
        self._indexes = indexes

    def text(self, path: bytes) -> str | None:
        """The content of one, None when it is not there or was too big to be kept."""
        node = self.root.find(path)
        if not isinstance(node, Content):
            return None
        raw = self._indexes[node.layer].contents.get(node.path)
        return None if raw is None else raw.decode("utf-8", "surrogateescape")

    def layer(self, *paths: bytes) -> int | None:
        """The number of the layer that brought the first of these files that is there."""
        found = (node for path in paths if isinstance(node := self.root.find(path), Content))
        first = next(found, None)
        return first.layer if first else None

    def paths(self, folder: bytes, end: bytes) -> list[bytes]:
        """The visible ones whose path starts and ends so."""
        names = {name for index in self._indexes for name in index.contents}
        return sorted(
            name for name in names if name.startswith(folder) and name.endswith(end) and self.layer(name) is not None
        )

    def bytes(self, files: Iterable[str], below: bytes = b"") -> int:
        """The sizes of regular files, each counted once."""
        nodes = (self.root.find(file.encode("utf-8", "surrogateescape"), below) for file in files)
        contents = {id(node): node.size for node in nodes if isinstance(node, Content)}
        return sum(contents.values())


def _debs(databases: _Databases, digests: Sequence[str]) -> Iterator[Package]:
    for paragraph in (databases.text(STATUS) or "").split("\n\n"):
        fields = _fields(paragraph)
        name, version = fields.get("Package"), fields.get("Version")
        if name and version and fields.get("Status", "").endswith(" installed"):
            lists = [INFO + f"{file}.list".encode("utf-8", "surrogateescape")
                     for file in (name, f"{name}:{fields.get('Architecture', '')}")]  # fmt: skip
            listed = next((text for path in lists if (text := databases.text(path)) is not None), None)
            size = None if listed is None else databases.bytes(listed.splitlines())
            yield _package(name, version, "deb", size, databases.layer(*lists, STATUS), digests)
    for path in databases.paths(STATUS_FOLDER, b""):
        fields = _fields(databases.text(path) or "")
        name, version = fields.get("Package"), fields.get("Version")
        if name and version and not path.endswith(b".md5sums"):
            sums = databases.text(path + b".md5sums")
            size = None if sums is None else databases.bytes(line[34:] for line in sums.splitlines())
            yield _package(name, version, "deb", size, databases.layer(path), digests)


def _pythons(databases: _Databases, digests: Sequence[str]) -> Iterator[Package]:
    """Each dist-info folder that no other package lists as its own: those are copies inside that package."""
    records = {path: _record(databases, path) for path in databases.paths(b"", METADATA)}
    vendored = {inner for path, files in records.items() for inner in _metadata_of_others(path, files or ())}
    for path, files in records.items():
        fields = _fields(databases.text(path) or "")
        name, version = fields.get("Name"), fields.get("Version")
        if name and version and path not in vendored:
            size = None if files is None else databases.bytes(files, _site(path))
            yield _package(name, version, "python", size, databases.layer(path), digests)


def _record(databases: _Databases, metadata: bytes) -> tuple[str, ...] | None:
    """The files of a Python package, relative to its site folder; None when its RECORD is missing or broken."""
    text = databases.text(metadata.removesuffix(METADATA) + RECORD)
    try:
        return None if text is None else tuple(row[0] for row in csv.reader(text.splitlines()) if row)
    except csv.Error:
        return None


def _metadata_of_others(metadata: bytes, files: Iterable[str]) -> Iterator[bytes]:
    site = _site(metadata).decode("utf-8", "surrogateescape")
    for file in files:
        if file.endswith(METADATA.decode()):
            path = posixpath.normpath(posixpath.join(site, file)).encode("utf-8", "surrogateescape")
            if path != metadata:
                yield path


def _site(metadata: bytes) -> bytes:
    return metadata.rpartition(b"/")[0].rpartition(b"/")[0]


def _fields(text: str) -> Mapping[str, str]:
    """The one-line fields up to the first empty line; both formats look like mail headers."""
    head = text.lstrip("\n").split("\n\n", 1)[0].replace("\r", "")
    pairs = (line.partition(":") for line in head.split("\n") if line[:1].strip())
    return {key: value.strip() for key, _, value in reversed(list(pairs))}


def _package(
    name: str, version: str, kind: str, size: int | None, layer: int | None, digests: Sequence[str]
) -> Package:
    assert layer is not None, "the metadata was just read"
    return Package(name=_shown(name), version=_shown(version), kind=kind, bytes=size, layer=digests[layer])


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
