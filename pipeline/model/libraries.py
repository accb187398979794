"""What the programs and libraries of an image need, carry and bring twice. `None` means "nobody looked"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A library that a file asks for and that the image's loader does not find."""

    soname: str
    file: str  # who asks
    outcome: str  # missing | off path: it lies in the image, where nobody looks
    where: str  # where it lies; empty when it is missing
    instruction: str  # what shipped the asking file
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TooOld:
    """A file that was linked against a newer library than the image has: it will not start."""

    file: str
    library: str  # libc.so.6 | libstdc++.so.6
    needs: str  # "2.38"
    has: str
    instruction: str
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The GPU code of one library for one compute capability in one form."""

    capability: str  # "8.0", "9.0a", "10.0f"
    form: str  # machine code | ptx | lto ir | relocatable | unknown
    bytes: int
    runs: bool | None  # would a GPU of the fleet load it? None: image.yaml names no compute capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """The GPU code of one library. `unused_bytes` is what no GPU of the fleet would load; None without a fleet."""

    file: str
    bytes: int  # of the whole file
    code: tuple[Code, ...]
    unused_bytes: int | None
    instruction: str
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One of several files of the same library."""

    file: str
    soname: str
    bytes: int
    brought_by: str  # wheel | conda | system
    origin: str  # base | own
    instruction: str
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """A CUDA library that is there more than once. `bytes` are those of all copies but the one to keep, the first."""

    library: str  # "libcublas.so"
    bytes: int
    same_content: bool
    copies: tuple[Copy, ...]
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A file of model weights, told by its first bytes."""

    file: str
    format: str  # safetensors | GGUF | pickle | ONNX | HDF5
    bytes: int
    instruction: str
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Libraries:
    """What the ELF files and the weights of a final root say. Biggest rows first."""

    files: int  # ELF files seen
    libc: str  # glibc | musl, whose rules are others and are not judged | empty: the image has neither
    glibc: str  # "2.36"; empty where there is none
    program: str  # process 1; empty where it is a script, or cannot be found
    starts: bool | None  # does process 1 find all that it is linked with? None: nobody could tell
    driver: tuple[str, ...]  # libraries of the driver that something needs, which the host brings
    not_found: tuple[Need, ...]
    loaded_before: int  # needs that are met only if the process has loaded the library already, as torch does
    too_old: tuple[TooOld, ...]
    kernels: tuple[Kernels, ...]
    cuda_twice: tuple[Twice, ...]
    weights: tuple[Weights, ...]
    complete: bool  # False: there was more to follow than in any honest image
