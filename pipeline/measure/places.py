"""A path of an image in, why the image may do without what lies there out. Speaks to: nothing.

A folder is judged once, by its own last names, and what it says holds for all below it: no file's path is searched.
Of two reasons the one of the lower rank counts, so a header in a package cache is of the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

DUPLICATE = "duplicate"
PACKAGE_CACHE = "package-cache"
VERSION_CONTROL = "version-control"
DEVELOPMENT_TOOLS = "development-tools"
BYTECODE = "bytecode"
STATIC_LIBRARIES = "static-libraries"
NEEDED = "needed"  # headers that a running program compiles against: never reported
HEADERS = "headers"
TESTS_AND_DOCS = "tests-and-docs"
WEIGHTS = "weights"
DEBUG_SECTIONS = "debug-sections"

RANKS = (PACKAGE_CACHE, VERSION_CONTROL, DEVELOPMENT_TOOLS, BYTECODE, STATIC_LIBRARIES, NEEDED, HEADERS,
         TESTS_AND_DOCS, WEIGHTS, DEBUG_SECTIONS)  # fmt: skip
SMALLEST_WEIGHTS = 10_000_000  # bytes: below this .bin and .pt are anything


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an image may do without something: the cause, and what to do where that depends on the very place."""

    cause: str
    advice: str = ""

    @property
    def rank(self) -> int:
        """Of two reasons the one of the lower rank counts."""
        return RANKS.index(self.cause)


def _cache(advice: str, *ends: bytes) -> dict[bytes, Reason]:
    return dict.fromkeys(ends, Reason(PACKAGE_CACHE, advice))


def _mount(target: str) -> str:
    return f"RUN --mount=type=cache,target={target}"


# What the path of a folder ends with. Homes differ, so only what is below a home is named.
_ENDS: dict[bytes, Reason] = {
    **_cache("end the RUN of apt-get with rm -rf /var/lib/apt/lists/*", b"/var/lib/apt/lists"),
    **_cache(f"apt-get clean, or {_mount('/var/cache/apt')}", b"/var/cache/apt"),
    **_cache("dnf clean all in the same RUN", b"/var/cache/dnf", b"/var/cache/yum", b"/var/cache/libdnf5"),
    **_cache("zypper clean --all in the same RUN", b"/var/cache/zypp"),
    **_cache("apk add --no-cache", b"/var/cache/apk", b"/etc/apk/cache"),
    **_cache(f"pip install --no-cache-dir, or {_mount('/root/.cache/pip')}", b"/.cache/pip"),
    **_cache(f"uv … --no-cache, or {_mount('/root/.cache/uv')} with UV_LINK_MODE=copy", b"/.cache/uv"),
    **_cache("poetry install --no-cache", b"/.cache/pypoetry/cache", b"/.cache/pypoetry/artifacts"),
    **_cache("conda clean -afy in the same RUN", b"/.conda/pkgs", b"/micromamba/pkgs"),
    **_cache(f"npm cache clean --force in the same RUN, or {_mount('/root/.npm')}", b"/.npm"),
    **_cache(
        f"yarn cache clean in the same RUN, or {_mount('/usr/local/share/.cache/yarn')}",
        b"/.cache/yarn", b"/share/.cache/yarn", b"/.yarn/berry/cache", b"/.yarn/cache",
    ),
    **_cache(f"build Go programs in another stage and COPY --from it, or {_mount('/root/.cache/go-build')}",
             b"/.cache/go-build", b"/go/pkg/mod"),
    **_cache(f"build Rust programs in another stage and COPY --from it, or {_mount('/usr/local/cargo/registry')}",
             b"/.cargo/registry", b"/.cargo/git", b"/cargo/registry", b"/cargo/git"),
    **_cache("if a model in the Hugging Face cache must be there at start, keep that one alone "
             "(hf download --include), otherwise mount the cache when the container runs", b"/.cache/huggingface"),
    **_cache("if a model in torch's cache must be there at start, keep that one alone, "
             "otherwise mount the cache when the container runs", b"/.cache/torch"),
    **_cache("kernels compiled during the build serve only the GPU that was there: remove them in the same RUN",
             b"/.triton/cache", b"/.triton/dump", b"/.nv/ComputeCache"),
    **dict.fromkeys((b"/.git", b"/.hg", b"/.svn"), Reason(VERSION_CONTROL)),
    **dict.fromkeys((b"/share/gdb", b"/extras/demo_suite", b"/extras/Debugger", b"/extras/Sanitizer"),
                    Reason(DEVELOPMENT_TOOLS)),
    b"/__pycache__": Reason(BYTECODE),
    b"/include": Reason(HEADERS),
    **dict.fromkeys((b"/share/doc", b"/share/man", b"/share/info", b"/share/locale", b"/share/gtk-doc"),
                    Reason(TESTS_AND_DOCS)),
}  # fmt: skip
_BY_LAST: dict[bytes, list[tuple[bytes, Reason]]] = {}
for _end, _reason in _ENDS.items():
    _BY_LAST.setdefault(_end.rpartition(b"/")[2], []).append((_end, _reason))

_CONDA = Reason(PACKAGE_CACHE, "conda clean -afy in the same RUN")
_INDUCTOR = _ENDS[b"/.triton/cache"]
_TOOLS, _TESTS, _NEEDED = Reason(DEVELOPMENT_TOOLS), Reason(TESTS_AND_DOCS), Reason(NEEDED)
_TOOL_FOLDERS = (b"nsight-compute", b"nsight-systems", b"nsightee", b"libnvvp", b"compute-sanitizer")
_TOOL_PROGRAMS = frozenset(
    b"gdb gdbserver cuda-gdb cuda-gdbserver cuobjdump nvdisasm nvprof nvprune nvvp nsys nsys-ui ncu ncu-ui nsight "
    b"compute-sanitizer cuda-memcheck valgrind".split()
)
_BY_SUFFIX = {
    b"a": Reason(STATIC_LIBRARIES),
    **dict.fromkeys((b"h", b"hh", b"hpp", b"hxx", b"cuh", b"inl"), Reason(HEADERS)),
    b"ipynb": _TESTS,
}
_WEIGHTS = Reason(WEIGHTS)
_WEIGHT_SUFFIXES = frozenset((b"safetensors", b"gguf", b"pt", b"pth", b"bin", b"onnx", b"h5"))
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_MAGICS = {
    b"gguf": (b"GGUF",), b"pt": _PICKLES, b"pth": _PICKLES, b"bin": (*_PICKLES, b"GGUF"),
    b"onnx": (b"\x08",),  # protobuf: field 1, ir_version, comes first
    b"h5": (b"\x89HDF\r\n\x1a\n",),
}  # fmt: skip


def folder(path: bytes, name: bytes, above: Reason | None) -> Reason | None:
    """Return the reason that holds for all below a folder. `path` starts with a slash and ends with `name`."""
    own = _folder(path, name)
    if own is None or (above is not None and above.rank <= own.rank):
        return above
    return own


def file(path: bytes, name: bytes, size: int, above: Reason | None, start: bytes | None = None) -> Reason | None:
    """Return the reason of a file in a folder whose reason is `above`. `start` are its first 16 bytes, if known."""
    own = _file(path, name, size, start)
    if above is _SHARED_DOCS and name == b"copyright":
        return None  # licences must travel with what they license
    if own is None or (above is not None and above.rank <= own.rank):
        return above
    return own


_SHARED_DOCS = _ENDS[b"/share/doc"]


def _folder(path: bytes, name: bytes) -> Reason | None:
    for end, reason in _BY_LAST.get(name, ()):
        if path.endswith(end):
            return reason
    if name.startswith(_TOOL_FOLDERS):
        return _TOOLS
    if name.startswith(b"torchinductor_"):
        return _INDUCTOR
    parent = path[: -len(name) - 1].rpartition(b"/")[2] if name in (b"pkgs", b"samples", b"backends") else b""
    if name == b"pkgs" and any(word in parent for word in (b"conda", b"mamba", b"miniforge")):
        return _CONDA
    if name == b"samples" and parent.startswith(b"cuda"):
        return _TOOLS
    if name == b"backends" and parent == b"triton":
        return _NEEDED
    if name.startswith(b"python") and path.endswith(b"/include/" + name):
        return _NEEDED
    if name in (b"tests", b"test") and (b"/site-packages/" in path or b"/dist-packages/" in path):
        return _TESTS
    return None


def weighty(path: bytes, size: int) -> bool:
    """Is this a file whose first bytes tell whether it holds model weights?"""
    return size >= SMALLEST_WEIGHTS and path.rpartition(b".")[2] in _WEIGHT_SUFFIXES


def _file(path: bytes, name: bytes, size: int, start: bytes | None) -> Reason | None:
    suffix = name.rpartition(b".")[2] if b"." in name else b""
    if suffix in _WEIGHT_SUFFIXES:
        return _WEIGHTS if size >= SMALLEST_WEIGHTS and _looks(suffix, name, start) else None
    if name in _TOOL_PROGRAMS and path.endswith(b"/bin/" + name):
        return _TOOLS
    return _BY_SUFFIX.get(suffix)


def _looks(suffix: bytes, name: bytes, start: bytes | None) -> bool:
    """Do the first bytes fit the suffix? Without them a .bin must be named like a model: firmware is .bin too."""
    if start is None:
        return suffix != b"bin" or b"model" in name
    if suffix == b"safetensors":  # the length of its JSON header, then the header
        return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= 100_000_000
    return start.startswith(_MAGICS[suffix])
