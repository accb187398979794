"""A final root in, what is seen in it and not needed, by cause and layer, out. Speaks to: nothing.

None of this is wasted: a container sees these files, and only a person can say that it never reads them. Each visible
file falls into at most one cause, and all of its names must agree on it: a name that stays keeps the bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.measure import places
from pipeline.measure.places import Reason
from pipeline.measure.root import Content, Folder, Root
from pipeline.measure.waste import by_size, row
from pipeline.model import Layer, Waste

FLOOR = 100_000  # bytes of a row that is worth a line: less is below what a registry shows of an image's size
MOST_ADVICE = 3

HINTS = {
    places.DUPLICATE: "the same content lies at both paths: keep one and make the other a link to it in the RUN or "
    "the stage that makes them, or COPY it once",
    places.PACKAGE_CACHE: "a cache that only a further install reads: ",
    places.VERSION_CONTROL: "history that no container reads: name .git in .dockerignore, or clone with --depth 1 "
    "and remove it in the same RUN, or ADD the repository, which leaves it out",
    places.DEVELOPMENT_TOOLS: "profilers, debuggers and samples: install the single CUDA packages that are needed, "
    "or start the last stage from the base's runtime variant and COPY --from the devel one. ptxas, nvcc and gcc are "
    "not counted: triton, torch.compile and CuPy call them while the program runs",
    places.BYTECODE: "compiled from the .py beside it: pip install --no-compile and ENV PYTHONDONTWRITEBYTECODE=1 "
    "leave it out; the first import after each start compiles again then, so keep it where starts must be quick",
    places.STATIC_LIBRARIES: "only a linker reads them: link in another stage and COPY --from it, or remove them in "
    "the RUN that installs them. Where gcc links while the program runs (triton), keep libgcc.a and libc_nonshared.a",
    places.HEADERS: "only a compiler reads them: compile in another stage and COPY --from it, or install no -dev "
    "packages. Python's own and triton's are not counted, because triton compiles against them while the program "
    "runs; torch.compile on the CPU, C++ extensions and CuPy read those of torch, CUDA and libc as well",
    places.TESTS_AND_DOCS: "tests, manuals and translations: remove them in the RUN that installs them, or install "
    "without (dpkg: path-exclude in /etc/dpkg/dpkg.cfg.d; dnf --nodocs). Licence texts named copyright are not "
    "counted",
    places.WEIGHTS: "model weights are shipped with every pull of this layer: mount a volume or load them at start; "
    "where they must be in the image, COPY --link them in a line above all that changes more often",
    places.DEBUG_SECTIONS: "debug information in programs and libraries: strip --strip-debug them in the RUN or the "
    "stage that makes them, or build without -g",
}  # fmt: skip
OF_BASE = "the base ships this and no line here can take it out of the image: the base must change. Take a smaller " \
    "one, or start from scratch or a slim base and COPY --from it what is needed"  # fmt: skip
BESIDE_ITS_SOURCE = Reason(places.BYTECODE)  # a .pyc alone is a program without source, and needed


@dataclass(frozen=True, slots=True)
class _Seen:
    """A visible file: all of its names, and the reason that they agree on."""

    content: Content
    paths: tuple[bytes, ...]
    reason: Reason | None


def seen(
    root: Root,
    layers: tuple[Layer, ...],
    sizes: tuple[int, ...],
    *,
    debug: Mapping[bytes, int] | None = None,
    starts: Mapping[bytes, bytes] | None = None,
) -> tuple[Waste, ...]:
    """Return what is visible and may be left out, by cause and by the layer that ships it, the most first.

    `sizes` are the layers' uncompressed tars. By path, `debug` has the bytes of debug sections, `starts` the first 16
    bytes of files. Rows below FLOOR are left out, but of duplicates: these sum up to the duplicate bytes.
    """
    files = list(_files(root, starts or {}))
    kept = _kept(files)
    rows: dict[tuple[str, int], list[tuple[int, bytes, str]]] = defaultdict(list)
    for file in files:
        content = file.content
        original = kept.get((content.hash, content.size), file)
        if original is not file:
            pair = file.paths[0] + b" = " + original.paths[0]
            rows[places.DUPLICATE, content.layer].append((content.size, pair, ""))
        elif file.reason is not None:
            rows[file.reason.cause, content.layer].append((content.size, file.paths[0], file.reason.advice))
        elif debug and (size := min(content.size, max(debug.get(path, 0) for path in file.paths))) > 0:
            rows[places.DEBUG_SECTIONS, content.layer].append((size, file.paths[0], ""))
    return by_size(
        row(cause, ((size, path) for size, path, _ in found), _hint(cause, found, layers[number]),
            layers[number], sizes[number])
        for (cause, number), found in rows.items()
        if cause == places.DUPLICATE or sum(size for size, _, _ in found) >= FLOOR
    )  # fmt: skip


def _files(root: Root, starts: Mapping[bytes, bytes]) -> Iterator[_Seen]:
    """Each visible file that is not empty, once."""
    linked: dict[int, tuple[Content, list[bytes], list[Reason | None]]] = {}
    for content, path, reason in _named(root, starts):
        if content.names == 1:
            yield _Seen(content, (path,), reason)
        else:
            _, paths, reasons = linked.setdefault(id(content), (content, [], []))
            paths.append(path)
            reasons.append(reason)
    for content, paths, reasons in linked.values():
        one = len({reason and reason.cause for reason in reasons}) == 1
        yield _Seen(content, tuple(sorted(paths)), reasons[0] if one else None)


def _named(root: Root, starts: Mapping[bytes, bytes]) -> Iterator[tuple[Content, bytes, Reason | None]]:
    """Each name of each visible file that is not empty, with its reason."""
    left: list[tuple[Folder, bytes, Reason | None]] = [(root.top, b"", None)]
    while left:
        folder, above, reason = left.pop()
        for name, node in folder.inside.items():
            if isinstance(node, Folder):
                path = above + b"/" + name
                left.append((node, path, places.folder(path, name, reason)))
            elif isinstance(node, Content) and node.size:
                path = above + b"/" + name
                inner = path[1:]
                found = places.file(path, name, node.size, reason, starts.get(inner))
                if found is None and name.endswith(b".pyc") and name[:-1] in folder.inside:
                    found = BESIDE_ITS_SOURCE
                yield node, inner, None if found and found.cause == places.NEEDED else found


def _kept(files: list[_Seen]) -> dict[tuple[bytes, int], _Seen]:
    """Of each content the copy to keep: one that is needed before one in a cache, then the lowest layer's."""
    kept: dict[tuple[bytes, int], _Seen] = {}
    for file in files:
        if file.content.hash:
            key = (file.content.hash, file.content.size)
            known = kept.get(key)
            if known is None or _order(file) < _order(known):
                kept[key] = file
    return kept


def _order(file: _Seen) -> tuple[bool, int, bytes]:
    return file.reason is not None, file.content.layer, file.paths[0]


def _hint(cause: str, files: list[tuple[int, bytes, str]], layer: Layer) -> str:
    """What to change. Of several caches in one layer the advice for the biggest comes first."""
    if layer.origin == "base":
        return OF_BASE
    weights: dict[str, int] = defaultdict(int)
    for size, _, advice in files:
        if advice:
            weights[advice] += size
    biggest = sorted(weights, key=lambda advice: (-weights[advice], advice))[:MOST_ADVICE]
    return HINTS[cause] + "; ".join(biggest)
