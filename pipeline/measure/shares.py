"""A final root and its layers in, their bytes by folder, file type and stage out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from pipeline.measure.entries import shown
from pipeline.measure.root import Content, Folder, Root
from pipeline.model import Layer
from pipeline.model.shares import Share, Shares

LEAST = 100  # a folder is named when it holds a hundredth of what is visible
DEEPEST = 6
MOST = 60  # folders
FROM = re.compile(r"^(?:COPY|ADD)\s+(?:--\S+\s+)*?--from=(\S+)", re.IGNORECASE)
LIBRARY = re.compile(rb"\.so(?:\.\d+)*$")
TYPES = {
    "python": (b"py", b"pyi", b"pyx"), "bytecode": (b"pyc", b"pyo"), "static library": (b"a", b"o", b"lib"),
    "header": (b"h", b"hh", b"hpp", b"hxx", b"cuh", b"inl"),
    "weights": (b"safetensors", b"gguf", b"pt", b"pth", b"onnx", b"h5", b"ckpt"),
    "archive": (b"zip", b"gz", b"xz", b"bz2", b"zst", b"tar", b"whl", b"deb", b"rpm", b"jar", b"conda"),
    "text": (b"txt", b"md", b"rst", b"html", b"json", b"yaml", b"yml", b"toml", b"xml", b"csv", b"js", b"css", b"c",
             b"cc", b"cpp", b"cu", b"sh", b"ipynb"),
    "data": (b"bin", b"dat", b"db", b"npy", b"npz", b"parquet", b"mo", b"pkl", b"arrow"),
    "kernel cache": (b"cubin", b"fatbin", b"ptx", b"bc"),
}  # fmt: skip
BY_SUFFIX = {suffix: name for name, suffixes in TYPES.items() for suffix in suffixes}
SHARED_LIBRARY, PROGRAM, OTHER = "shared library", "program", "other"


def shares(root: Root, layers: Sequence[Layer], is_elf: Callable[[Content], bool]) -> Shares:
    """Return where the visible bytes are, and which stage ships the layers' bytes."""
    own = [layer.origin != "base" for layer in layers]
    types: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    counted: set[int] = set()
    folders: list[tuple[bytes, int, Folder, list[int]]] = []
    order: list[tuple[bytes, int, Folder]] = [(b"", 0, root.top)]
    above: dict[int, list[list[int]]] = {}
    while order:
        path, depth, folder = order.pop()
        sums = [*above.pop(id(folder), ())]
        if depth <= DEEPEST:
            mine = [0, 0, 0]
            folders.append((path, depth, folder, mine))
            sums.append(mine)
        inside: list[tuple[bytes, int, Folder]] = []
        for name, node in folder.inside.items():
            if isinstance(node, Folder):
                inside.append((path + b"/" + name, depth + 1, node))
                above[id(node)] = sums
            elif isinstance(node, Content) and node.size and (node.names == 1 or id(node) not in counted):
                if node.names > 1:
                    counted.add(id(node))
                size = node.size
                mine_bytes = size if own[node.layer] else 0
                for total in (*sums, types[_type(name, node, is_elf)]):
                    total[0] += size
                    total[1] += mine_bytes
                    total[2] += 1
        order += sorted(inside, key=lambda one: one[0], reverse=True)
    whole = folders[0][3][0]
    big = [(path, sums) for path, _, _, sums in folders if sums[0] * LEAST >= whole and sums[0]]
    if len(big) > MOST:
        least = sorted((sums[0] for _, sums in big), reverse=True)[MOST - 1]
        big = [(path, sums) for path, sums in big if sums[0] >= least][:MOST]
    return Shares(
        folders=tuple(_share(shown(path) or "/", sums) for path, sums in big),
        types=_ordered(types.items()),
        stages=_ordered(_stages(layers).items()),
    )


def _share(name: str, sums: Sequence[int]) -> Share:
    return Share(name=name, bytes=sums[0], own_bytes=sums[1], files=sums[2])


def _ordered(rows: Iterable[tuple[str, list[int]]]) -> tuple[Share, ...]:
    found = (_share(name, sums) for name, sums in rows)
    return tuple(sorted(found, key=lambda share: (-share.bytes, share.name)))


def _type(name: bytes, content: Content, is_elf: Callable[[Content], bool]) -> str:
    suffix = name.rpartition(b".")[2].lower() if b"." in name else b""
    known = BY_SUFFIX.get(suffix)
    if known:
        return known
    if b".so" in name and LIBRARY.search(name):
        return SHARED_LIBRARY
    return PROGRAM if is_elf(content) else OTHER


def _stages(layers: Sequence[Layer]) -> dict[str, list[int]]:
    """What each stage ships, by the layers' instructions: a COPY --from ships what another stage made."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for layer in layers:
        copied = FROM.match(layer.instruction)
        base = layer.origin == "base"
        name = "base" if base else copied[1] if copied else "final"
        sums = found[name]
        sums[0] += layer.bytes
        sums[1] += 0 if base else layer.bytes
        sums[2] += layer.files
    return found
