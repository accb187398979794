"""A final root and what its files say of themselves in, what will not be found and what no GPU runs out.

Speaks to: nothing. Answers "will it start?" without a run and without a GPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import elf
from pipeline.elf import Library
from pipeline.measure import cuda
from pipeline.measure.entries import LayerIndex
from pipeline.measure.listing import LD_SO_CONF
from pipeline.measure.root import MOST_LINKS, Content, Folder, Other, Root
from pipeline.model import Layer
from pipeline.model.libraries import Libraries, Need, TooOld, Weights

LD_SO_FOLDER = b"etc/ld.so.conf.d/"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # the engine's, where the config has none
FORMATS = ((b"GGUF", "GGUF"), (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"PK\x03\x04", "pickle"), (b"\x80\x02", "pickle"),
           (b"\x80\x03", "pickle"), (b"\x80\x04", "pickle"), (b"\x80\x05", "pickle"), (b"\x08", "ONNX"))  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes of JSON at the start of a safetensors file, as its library allows them


@dataclass(frozen=True, slots=True)
class Seen:
    """A program or library of the final root: one of its names, the file, and what it says of itself."""

    path: str
    content: Content
    library: Library
    layer: Layer


def libraries(
    root: Root,
    indexes: Sequence[LayerIndex],
    layers: Sequence[Layer],
    *,
    config: Mapping[str, Any],
    fleet: Sequence[str] = (),
) -> Libraries:
    """Return what the programs and libraries of a root need and carry.

    `config` is the image's, as OCI has it; `fleet` the compute capabilities that it must run on, as "8.0".
    """
    seen = {one.path: one for one in _seen(root, indexes, layers)}
    names = {id(one.content): one.path for one in seen.values()}
    elves = {path: one.library.elf for path, one in seen.items()}

    def find(path: str) -> str | None:
        node = _followed(root, path)
        return names.get(id(node)) if isinstance(node, Content) else None

    runs = config.get("config") or {}
    environment = dict(line.partition("=")[::2] for line in runs.get("Env") or ())
    found = elf.closure(
        elf.Root(
            elves=elves,
            find=find,
            architecture=str(config.get("architecture", "amd64")),
            configured=_configured(root, indexes),
            library_path=environment.get("LD_LIBRARY_PATH", ""),
        )
    )
    lost = [need for need in found.needs if need.outcome in (elf.MISSING, elf.OFF_PATH)]
    program = _program(runs, environment.get("PATH", PATH), find)
    return Libraries(
        files=len(seen),
        libc=found.libc,
        glibc=_version(found.glibc),
        program=_text(program or ""),
        starts=_starts(program, found, seen) if found.libc == elf.GLIBC and found.complete else None,
        driver=tuple(sorted({need.soname for need in found.needs if need.outcome == elf.DRIVER})),
        not_found=tuple(
            Need(soname=_text(need.soname), file=_text(need.file), outcome=need.outcome, where=_text(need.where),
                 instruction=seen[need.file].layer.instruction, dockerfile_line=seen[need.file].layer.dockerfile_line)
            for need in lost
        ),
        loaded_before=sum(need.outcome == elf.LOADED_BEFORE for need in found.needs),
        too_old=tuple(
            TooOld(file=_text(one.file), library=one.library, needs=_version(one.needs), has=_version(one.has),
                   instruction=seen[one.file].layer.instruction, dockerfile_line=seen[one.file].layer.dockerfile_line)
            for one in found.too_old
        ),
        kernels=cuda.kernels(seen.values(), fleet),
        cuda_twice=cuda.twice(root, seen.values()),
        weights=_weights(root, indexes, layers),
        complete=found.complete,
    )  # fmt: skip


def debug_bytes(root: Root, indexes: Sequence[LayerIndex]) -> dict[bytes, int]:
    """Return the bytes of debug information in visible programs and libraries, by every name that they have."""
    return {
        path: library.elf.debug_bytes
        for path, content in _files(root)
        if (library := indexes[content.layer].libraries.get(content.path)) and library.elf.debug_bytes
    }


def starts(root: Root, indexes: Sequence[LayerIndex]) -> dict[bytes, bytes]:
    """Return the first bytes of visible files that are named like weights, by every name that they have."""
    return {
        path: start
        for path, content in _files(root)
        if (start := indexes[content.layer].starts.get(content.path)) is not None
    }


def _files(root: Root) -> Iterator[tuple[bytes, Content]]:
    """Each name of each visible file, from the root and without a slash before it."""
    left: list[tuple[bytes, Folder]] = [(b"", root.top)]
    while left:
        above, folder = left.pop()
        for name, node in folder.inside.items():
            if isinstance(node, Folder):
                left.append((above + name + b"/", node))
            elif isinstance(node, Content):
                yield above + name, node


def _seen(root: Root, indexes: Sequence[LayerIndex], layers: Sequence[Layer]) -> Iterator[Seen]:
    """Each program and library once, under the name that sorts first."""
    first: dict[int, tuple[bytes, Content]] = {}
    for path, content in _files(root):
        if content.path in indexes[content.layer].libraries:
            known = first.get(id(content))
            if known is None or path < known[0]:
                first[id(content)] = path, content
    for path, content in sorted(first.values(), key=lambda one: one[0]):
        library = indexes[content.layer].libraries[content.path]
        yield Seen("/" + path.decode("utf-8", "surrogateescape"), content, library, layers[content.layer])


def _followed(root: Root, path: str) -> object:
    """What is at a path once every link was followed, the last one's too."""
    raw = path.encode("utf-8", "surrogateescape")
    for _ in range(MOST_LINKS):
        node = root.find(raw)
        if not isinstance(node, Other) or not node.link:
            return node
        raw = node.link if node.link.startswith(b"/") else raw.rpartition(b"/")[0] + b"/" + node.link
    return None


def _configured(root: Root, indexes: Sequence[LayerIndex]) -> list[str]:
    """The lines of ld.so.conf and of what it includes: everyone's includes the files of ld.so.conf.d."""
    lines: list[str] = []
    folder = root.find(LD_SO_FOLDER.rstrip(b"/"))
    inside = sorted(folder.inside) if isinstance(folder, Folder) else ()
    for path in (*(LD_SO_FOLDER + name for name in inside if name.endswith(b".conf")), LD_SO_CONF):
        node = _followed(root, path.decode("utf-8", "surrogateescape"))
        if isinstance(node, Content):
            raw = indexes[node.layer].contents.get(node.path, b"")
            lines += raw.decode("utf-8", "surrogateescape").splitlines()
    return [line for line in lines if not line.strip().startswith("include")]


def _program(runs: Mapping[str, Any], path: str, find: Any) -> str | None:
    """What process 1 is, where its name can be found and it is no script."""
    words = [*(runs.get("Entrypoint") or ()), *(runs.get("Cmd") or ())]
    if not words:
        return None
    name = str(words[0])
    places = [name] if "/" in name else [f"{folder}/{name}" for folder in path.split(":") if folder]
    return next((found for place in places if (found := find(place))), None)


def _starts(program: str | None, found: elf.Closure, seen: Mapping[str, Seen]) -> bool | None:
    """Does process 1 find all that it is linked with? None: it is a script, or nobody knows where it is."""
    if program is None:
        return None
    needs = defaultdict(list)
    for need in found.needs:
        needs[need.file].append(need)
    late = {one.file for one in found.too_old}
    left, reached = [program], {program}
    while left:
        file = left.pop()
        if file in late:
            return False
        for need in needs[file]:
            if need.outcome in (elf.MISSING, elf.OFF_PATH):
                return False
            if need.outcome == elf.FOUND and need.where not in reached:
                reached.add(need.where)
                left.append(need.where)
    return True


def _weights(root: Root, indexes: Sequence[LayerIndex], layers: Sequence[Layer]) -> tuple[Weights, ...]:
    found = {}
    for path, content in _files(root):
        form = _format(indexes[content.layer].starts.get(content.path, b""))
        if form:
            layer = layers[content.layer]
            found[id(content)] = Weights(
                file=_text("/" + path.decode("utf-8", "surrogateescape")),
                format=form,
                bytes=content.size,
                instruction=layer.instruction,
                dockerfile_line=layer.dockerfile_line,
            )
    return tuple(sorted(found.values(), key=lambda one: (-one.bytes, one.file)))


def _format(start: bytes) -> str:
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER:
        return "safetensors"
    return next((name for magic, name in FORMATS if start.startswith(magic)), "")


def _version(version: elf.Version) -> str:
    return ".".join(map(str, version))


def _text(name: str) -> str:
    """A name that can be written as JSON: what is not UTF-8 is escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
