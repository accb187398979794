"""The indexes of an image's layers in, its final root and what was lost on the way out. Speaks to: nothing.

The root is a tree of folders, so a folder that goes is dropped by its own entries and nothing else is looked at: an
entry is put in once and taken out at most once, whatever the number of whiteouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.measure import tar
from pipeline.measure.entries import OPAQUE, WHITEOUT, Entry, LayerIndex, shown
from pipeline.measure.stream import refused

MOST_LINKS = 40  # Linux gives up after as many symbolic links in one path
OVERWRITTEN, DELETED, HIDDEN = "overwritten", "deleted", "hidden"


@dataclass(slots=True, eq=False)
class Content:
    """A regular file as a disk has it: any number of names can lead to it. It is lost with its last name."""

    layer: int
    path: bytes  # the name under which its bytes were shipped
    size: int
    hash: bytes  # XXH3-128; b"" when no other file of the image has this size
    mode: int
    uid: int
    gid: int
    offset: int  # in the layer's tar, uncompressed
    names: int = 0


@dataclass(slots=True, eq=False)
class Other:
    """Anything that is neither a folder nor a regular file. `link` is a symbolic link's target, else b""."""

    link: bytes


@dataclass(slots=True, eq=False)
class Folder:
    """A folder: what it holds, by name."""

    inside: dict[bytes, Node] = field(default_factory=dict)


Node = Folder | Content | Other


@dataclass(frozen=True, slots=True)
class Loss:
    """A file that was shipped and that nobody sees: why, and the layer that took its last name away."""

    cause: str  # overwritten | deleted | hidden
    content: Content
    by: int
    instead: Content | None = None  # the file that stands there now, of one that was overwritten


class Root:
    """The root of an image, layer upon layer. Names are taken as they stand: no layer writes through a link.

    Whiteouts and opaque folders act on the layers below only, wherever they stand in their own layer. A file that is
    whited out and comes anew in one layer was deleted; a file that comes twice in one layer was overwritten.
    """

    def __init__(self, most_folders: int) -> None:
        self.top = Folder()
        self.lost: list[Loss] = []
        self._left = most_folders

    def add(self, number: int, index: LayerIndex, digest: str) -> None:
        """Put a layer on top. Raises BadImage for a hard link to nothing and for too many folders."""
        # In the order of their names: a folder before what is in it, and its whiteout before its opaque mark.
        for entry in sorted((entry for entry in index.entries if entry.kind in (WHITEOUT, OPAQUE)), key=_whiteouts):
            self._white_out(entry, number)
        for entry in index.entries:
            if entry.kind not in (WHITEOUT, OPAQUE):
                self._put(entry, number, digest)

    def find(self, path: bytes, below: bytes = b"") -> Node | None:
        """Return what lies at a path, taken from the folder `below`. Links to folders are followed, as Linux does."""
        trail = [self.top]
        left = [*reversed(path.split(b"/")), *reversed(below.split(b"/"))]
        hops = 0
        while left:
            part = left.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                trail[1:] = trail[1:-1]
                continue
            node = trail[-1].inside.get(part)
            if isinstance(node, Folder):
                trail.append(node)
            elif isinstance(node, Other) and node.link and any(left):
                hops += 1
                if hops > MOST_LINKS:
                    return None
                if node.link.startswith(b"/"):
                    trail = [self.top]
                left += reversed(node.link.split(b"/"))
            else:
                return None if any(left) else node
        return trail[-1]

    def visible(self) -> Iterator[Content]:
        """Yield each regular file of the final root once, however many names it has."""
        seen: set[int] = set()
        for content in _contents(self.top):
            if content.names == 1:
                yield content
            elif id(content) not in seen:
                seen.add(id(content))
                yield content

    def _white_out(self, entry: Entry, number: int) -> None:
        parent, last = self._parent(entry.name)
        if entry.kind == WHITEOUT:
            if parent is not None and last in parent.inside:
                self._lose(parent.inside.pop(last), DELETED, number)
            return
        folder = self.top if not entry.name else parent.inside.get(last) if parent else None
        if isinstance(folder, Folder):
            gone, folder.inside = Folder(folder.inside), {}
            self._lose(gone, HIDDEN, number)

    def _parent(self, path: bytes) -> tuple[Folder | None, bytes]:
        """The folder that a path is in, when there is one, and the path's last part."""
        *folders, last = path.split(b"/")
        here = self.top
        for part in folders:
            node = here.inside.get(part)
            if not isinstance(node, Folder):
                return None, last
            here = node
        return here, last

    def _put(self, entry: Entry, number: int, digest: str) -> None:
        *folders, last = entry.name.split(b"/")
        here = self.top
        for part in folders:
            node = here.inside.get(part)
            if not isinstance(node, Folder):
                node = self._folder(digest)
                self._replace(here, part, node, number)
            here = node
        before = here.inside.get(last)
        new: Node
        if entry.kind == tar.FOLDER:
            if isinstance(before, Folder):
                return
            new = self._folder(digest)
        elif entry.kind == tar.FILE:
            new = Content(number, entry.name, entry.size, entry.hash, entry.mode, entry.uid, entry.gid, entry.offset)
        elif entry.kind == tar.HARD_LINK:
            target = self.find(entry.link)
            if target is None or isinstance(target, Folder):
                raise refused(digest, f"{shown(entry.name)} is a hard link to {shown(entry.link)}, which is no file")
            if target is before:
                return
            new = target
        else:
            new = Other(entry.link)
        self._replace(here, last, new, number)

    def _folder(self, digest: str) -> Folder:
        self._left -= 1
        if self._left < 0:
            raise refused(digest, "has more folders than any honest image")
        return Folder()

    def _replace(self, folder: Folder, name: bytes, new: Node, number: int) -> None:
        before = folder.inside.get(name)
        folder.inside[name] = new
        if isinstance(new, Content):
            new.names += 1
        if before is not None:
            self._lose(before, OVERWRITTEN, number, new if isinstance(new, Content) else None)

    def _lose(self, node: Node, cause: str, number: int, instead: Content | None = None) -> None:
        """Take a name away, or all names in a folder; note each file that has no other."""
        for content in _contents(node):
            content.names -= 1
            if not content.names and content.size:
                self.lost.append(Loss(cause, content, number, instead))


def _contents(node: Node) -> Iterator[Content]:
    """Each regular file at or below a node, once for each of its names."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, Folder):
            left += node.inside.values()
        elif isinstance(node, Content):
            yield node


def _whiteouts(entry: Entry) -> tuple[list[bytes], bool]:
    return entry.name.split(b"/"), entry.kind == OPAQUE
