"""A final root and the package databases in it in, the installed packages out. Speaks to: nothing.

conda's metadata, dpkg's status and file lists, the databases of rpm and apk, and the dist-info folders of Python
packages. A package belongs to the layer that brought its own metadata: dpkg's status is written anew by every
install, a package's file list only by its own. rpm and apk have one file for all, so there it is the layer that
brought most of its files. A file that several packages claim counts for the first, in the order of kinds above.
"""

from __future__ import annotations

import csv
import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.measure import rpm
from pipeline.measure.entries import LayerIndex
from pipeline.measure.root import Content, Node, Root
from pipeline.model import Package

STATUS = b"var/lib/dpkg/status"
STATUS_FOLDER = b"var/lib/dpkg/status.d/"  # distroless: one file a package
INFO = b"var/lib/dpkg/info/"
APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
CONDA = b"conda-meta"
METADATA = b".dist-info/METADATA"
RECORD = b".dist-info/RECORD"
HEAD = 64 << 10  # of a METADATA: name and version stand at its start, the README after them
MOST_JSON = 16 << 20  # bytes of one of conda's: brackets alone become forty times as much in memory
MOST_GROWTH = 16  # all paths of apk's packages over its database: each file has a line with its checksum there


def wanted(name: bytes) -> bool:
    """Is this a file whose content tells about packages?"""
    return (
        name.endswith((METADATA, RECORD))
        or name == STATUS
        or name.startswith(STATUS_FOLDER)
        or (name.startswith(INFO) and name.endswith(b".list"))
        or name in rpm.DATABASES
        or name in APK
        or _is_conda(name)
    )


def kept(name: bytes, content: bytes) -> bytes:
    """Return the part of such a file that is worth keeping."""
    if _is_conda(name):  # each file is listed there twice, with its checksums
        return json.dumps(_conda(content), ensure_ascii=False).encode("utf-8", "surrogateescape")
    return content[:HEAD] if name.endswith(METADATA) else content


def packages(root: Root, indexes: Sequence[LayerIndex], digests: Sequence[str]) -> tuple[Package, ...]:
    """Return the installed packages, by kind and name. `bytes` is None when no file list tells what is theirs."""
    databases = _Databases(root, indexes)
    found = [*_condas(databases, digests), *_debs(databases, digests), *_rpms(databases, digests),
             *_apks(databases, digests), *_pythons(databases, digests)]  # fmt: skip
    return tuple(sorted(found, key=lambda package: (package.kind, package.name, package.version, package.layer)))


class _Databases:
    """The package databases that are visible in the final root."""

    def __init__(self, root: Root, indexes: Sequence[LayerIndex]) -> None:
        self.root = root
        self._indexes = indexes
        self._claimed: set[int] = set()

    def text(self, path: bytes) -> str | None:
        """The content of one, None when it is not there or was too big to be kept."""
        raw = self.content(self.root.find(path))
        return None if raw is None else raw.decode("utf-8", "surrogateescape")

    def content(self, node: Node | None) -> bytes | None:
        """The content of a file, None when it is none or was too big to be kept."""
        return self._indexes[node.layer].contents.get(node.path) if isinstance(node, Content) else None

    def single(self, paths: Iterable[bytes]) -> Iterator[tuple[bytes, Content, bytes]]:
        """Those of these files that are there, with their content; one that has two of the paths comes once."""
        nodes = {id(node): (path, node) for path in paths if isinstance(node := self.root.find(path), Content)}
        for path, node in nodes.values():
            raw = self.content(node)
            if raw is not None:
                yield path, node, raw

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

    def claim(self, files: Iterable[bytes], below: bytes = b"") -> Counter[int]:
        """The bytes of regular files that nobody claimed before, by layer."""
        by_layer: Counter[int] = Counter()
        for file in files:
            node = self.root.find(file, below)
            if isinstance(node, Content) and id(node) not in self._claimed:
                self._claimed.add(id(node))
                by_layer[node.layer] += node.size
        return by_layer

    def bytes(self, files: Iterable[str], below: bytes = b"") -> int:
        """The sizes of regular files that nobody claimed before, each counted once."""
        return self.claim((file.encode("utf-8", "surrogateescape") for file in files), below).total()


def _condas(databases: _Databases, digests: Sequence[str]) -> Iterator[Package]:
    for path in databases.paths(b"", b".json"):
        if _is_conda(path):
            name, version, files = _conda((databases.text(path) or "").encode("utf-8", "surrogateescape"))
            if name and version:
                size = None if files is None else databases.bytes(files, _site(path))
                yield _package(name, version, "conda", size, databases.layer(path), digests)


def _is_conda(name: bytes) -> bool:
    return name.endswith(b".json") and name.rpartition(b"/")[0].rpartition(b"/")[2] == CONDA


def _conda(content: bytes) -> tuple[str, str, list[str] | None]:
    """The name, version and files, relative to the environment, of a package; also from what `kept` made of it."""
    try:
        found = json.loads(content) if len(content) <= MOST_JSON else None
    except (ValueError, RecursionError):
        return "", "", None
    if isinstance(found, list) and len(found) == 3:
        name, version, files = found
    elif isinstance(found, dict):
        name, version, files = (found.get(key) for key in ("name", "version", "files"))
    else:
        return "", "", None
    if not isinstance(name, str) or not isinstance(version, str):
        return "", "", None
    listed = [_known(file) for file in files if isinstance(file, str)] if isinstance(files, list) else None
    return _known(name), _known(version), listed


def _known(text: str) -> str:
    """The text as it stands in the other databases: JSON can name halves of characters, which no path has."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


def _rpms(databases: _Databases, digests: Sequence[str]) -> Iterator[Package]:
    for path, node, raw in databases.single(rpm.DATABASES):
        for found in rpm.rpms(path, raw):
            yield _of_one_file(databases, "rpm", found.name, found.version, found.files, node, digests)


def _apks(databases: _Databases, digests: Sequence[str]) -> Iterator[Package]:
    """The packages of Alpine. A line is a letter, a colon and a value; an F is the folder of the R below it."""
    for _, node, raw in databases.single(APK):
        left = len(raw) * MOST_GROWTH
        for paragraph in raw.split(b"\n\n"):
            values: dict[bytes, bytes] = {}
            folder, files = b"", []
            for line in paragraph.split(b"\n"):
                key, _, value = line.partition(b":")
                if key == b"F":
                    folder = value
                elif key == b"R" and left > 0:
                    files.append(folder + b"/" + value)
                    left -= len(files[-1])
                elif key in (b"P", b"V"):
                    values[key] = value
            if values.get(b"P") and values.get(b"V"):
                listed = tuple(files) if left > 0 else None
                yield _of_one_file(databases, "apk", values[b"P"], values[b"V"], listed, node, digests)


def _of_one_file(
    databases: _Databases, kind: str, name: bytes, version: bytes, files: tuple[bytes, ...] | None, node: Content,
    digests: Sequence[str],
) -> Package:  # fmt: skip
    """A package of a database that is one file: it belongs to the layer that brought most of its own files."""
    claimed = databases.claim(files or ())
    layer = min(claimed, key=lambda number: (-claimed[number], number)) if claimed else node.layer
    text = [part.decode("utf-8", "surrogateescape") for part in (name, version)]
    return _package(text[0], text[1], kind, None if files is None else claimed.total(), layer, digests)


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
