"""What programs and libraries need and carry, on images made by hand of what gcc made here."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from pipeline import measure
from pipeline.model import Image, LayerOrigin
from pipeline.model.libraries import Libraries
from tests.archives import file, layout, tar
from tests.test_elf import container, entry, library, needs_gcc, program, run

SITE = "opt/venv/lib/python3.11/site-packages"
LOADER = "/lib64/ld-linux-x86-64.so.2"

pytestmark = needs_gcc


@pytest.fixture(scope="module")
def libc() -> list:
    """glibc and its loader, where Debian has them."""
    listed = run("ldd", "/bin/sh").split()
    found = [Path(word) for word in listed if word.startswith("/") and ("libc.so" in word or "ld-" in word)]
    return [file(str(path).lstrip("/"), path.read_bytes(), 0o755) for path in found]


def looked_at(place: Path, *layers: list, bases: int = 1, how: str = "plain", fleet: tuple[str, ...] = (),
              verify: bool = True, **config: object) -> Libraries:  # fmt: skip
    """Weigh layers given as lists of entries; the first `bases` are the base's, each other one is a line."""
    place.mkdir(parents=True, exist_ok=True)
    found = layout(place / "image", [tar(*layer) for layer in layers], how=how, config=config)
    origins = tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction=f"RUN {line}",
                    dockerfile_line=None if line <= bases else line, origin="base" if line <= bases else "own")
        for line, (digest, diff_id, _, _) in enumerate(found.layers, start=1)
    )  # fmt: skip
    image = Image(name="made", repository="made", digest=found.digest, local="made")

    def once() -> Libraries:
        weighed = measure.weigh(image, found, origins, cache=place / "cache", fleet=fleet, verify=verify)
        seen = weighed.measurement.libraries
        assert seen is not None
        return seen

    first = once()
    assert once() == first  # from the cache
    return first


def put(path: Path, name: str) -> tuple:
    return file(name, path.read_bytes(), 0o755)


@pytest.mark.parametrize(("how", "verify"), [("plain", False), ("plain", True), ("gzip", True), ("zstd", True)])
def test_an_image_that_lacks_a_library_is_told_with_the_line_that_brought_who_needs_it(
    tmp_path: Path, libc: list, how: str, verify: bool
) -> None:
    needed = library(tmp_path, "model")
    served = program(tmp_path, needs=[needed])
    found = looked_at(tmp_path / "a", libc, [put(served, "usr/bin/served")], how=how, verify=verify,
                      Entrypoint=["served"])  # fmt: skip
    assert found.program == "/usr/bin/served" and found.starts is False
    (lost,) = found.not_found
    assert (lost.soname, lost.file, lost.outcome, lost.dockerfile_line) == (
        "libmodel.so", "/usr/bin/served", "missing", 2)  # fmt: skip
    done = subprocess.run([served], capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert "libmodel.so" in done.stderr  # the machine's loader says the same

    whole = looked_at(tmp_path / "b", libc, [put(served, "usr/bin/served")], [put(needed, "usr/lib/libmodel.so")],
                      how=how, verify=verify, Entrypoint=["served"])  # fmt: skip
    assert whole.starts is True and not whole.not_found


def test_a_library_where_nobody_looks_is_found_once_somebody_is_told_to_look(tmp_path: Path, libc: list) -> None:
    needed = library(tmp_path, "model")
    layers = libc, [put(program(tmp_path, needs=[needed]), "served"), put(needed, "opt/model/libmodel.so")]
    found = looked_at(tmp_path / "a", *layers, Cmd=["/served"])
    assert [(need.outcome, need.where) for need in found.not_found] == [("off path", "/opt/model/libmodel.so")]
    assert found.starts is False
    told = looked_at(tmp_path / "b", *layers, Cmd=["/served"], Env=["LD_LIBRARY_PATH=/opt/model"])
    assert told.starts is True
    configured = file("etc/ld.so.conf.d/model.conf", b"# ours\n/opt/model\n")
    assert looked_at(tmp_path / "c", *layers, [configured], Cmd=["/served"]).starts is True


def test_a_script_as_process_1_is_not_judged(tmp_path: Path, libc: list) -> None:
    found = looked_at(tmp_path, libc, [file("start", b"#!/bin/sh\n", 0o755)], Entrypoint=["/start"])
    assert (found.program, found.starts) == ("", None)


def test_a_deleted_library_is_missing_and_its_facts_are_not_asked(tmp_path: Path, libc: list) -> None:
    needed = library(tmp_path, "model")
    layers = libc, [put(program(tmp_path, needs=[needed]), "served"), put(needed, "usr/lib/libmodel.so")]
    gone = [file("usr/lib/.wh.libmodel.so", b"")]
    assert looked_at(tmp_path / "a", *layers, Cmd=["/served"]).starts is True
    assert looked_at(tmp_path / "b", *layers, gone, Cmd=["/served"]).starts is False


def cuda(folder: Path, name: str, version: str, size: int = 0) -> bytes:
    """A library of the name and soname that NVIDIA gives one."""
    return library(folder, "made", f"-Wl,-soname,{name}.so.{version}",
                   source=f"char padding[{size + 1}] = {{1}};\n").read_bytes()  # fmt: skip


def test_cuda_brought_by_the_base_and_by_wheels_is_found_by_soname(tmp_path: Path, libc: list) -> None:
    blas, other = cuda(tmp_path, "libcublas", "12", 40_000), cuda(tmp_path, "libcublas", "12", 60_000)
    base = [*libc, file("usr/local/cuda/lib64/libcublas.so.12.9", blas),
            file("usr/local/cuda/lib64/stubs/libcublas.so", blas)]  # fmt: skip
    wheels = [file(f"{SITE}/nvidia/cublas/lib/libcublas.so.12", other),
              file(f"{SITE}/nvidia/nccl/lib/libnccl.so.2", cuda(tmp_path, "libnccl", "2"))]  # fmt: skip
    found = looked_at(tmp_path, base, wheels)
    (twice,) = found.cuda_twice
    assert (twice.library, twice.bytes, twice.same_content) == ("libcublas.so", len(blas), False)
    assert [(copy.file, copy.brought_by, copy.origin, copy.dockerfile_line) for copy in twice.copies] == [
        (f"/{SITE}/nvidia/cublas/lib/libcublas.so.12", "wheel", "own", 2),
        ("/usr/local/cuda/lib64/libcublas.so.12.9", "system", "base", None),
    ]
    assert "`base` flavour" in twice.hint


def test_a_copy_made_by_conda_is_told_from_the_systems(tmp_path: Path, libc: list) -> None:
    blas = cuda(tmp_path, "libcublas", "12")
    conda = [file("opt/conda/conda-meta/history", b"x"), file("opt/conda/lib/libcublas.so.12", blas)]
    (twice,) = looked_at(tmp_path, [*libc, file("usr/lib/libcublas.so.12", blas)], conda).cuda_twice
    assert [copy.brought_by for copy in twice.copies] == ["conda", "system"]
    assert twice.same_content and "conda" in twice.hint


def gpu_library(folder: Path, *code: bytes) -> bytes:
    """A library with fat binaries, laid out as nvcc 13.0 does."""
    (folder / "code.fatbin").write_bytes(container(*code))
    source = f'__asm__(".section .nv_fatbin, \\"a\\"\\n.incbin \\"{folder}/code.fatbin\\"\\n.previous");\nint x;\n'
    return library(folder, "kernels", source=source).read_bytes()


CODE = [entry("sm_80", b"a" * 64), entry("sm_90a", b"b" * 128), entry("compute_120", b"c" * 32)]


@pytest.mark.parametrize(
    ("fleet", "runs"),
    [
        ((), [None, None, None]),
        (("8.0",), [True, False, False]),
        (("8.6", "9.0"), [True, True, False]),  # 8.0's runs on 8.6; 9.0a's on 9.0 alone
        (("12.1",), [False, False, True]),  # the driver compiles 12.0's PTX
        (("7.5",), [False, False, False]),
        (("A100",), [True, False, False]),
    ],
)
def test_the_code_that_no_gpu_of_the_fleet_loads_is_counted(
    tmp_path: Path, libc: list, fleet: tuple[str, ...], runs: list[bool | None]
) -> None:
    found = looked_at(tmp_path, libc, [file("usr/lib/libkernels.so", gpu_library(tmp_path, *CODE))], fleet=fleet)
    (kernels,) = found.kernels
    assert [(code.capability, code.form) for code in kernels.code] == [
        ("8.0", "machine code"), ("9.0a", "machine code"), ("12.0", "ptx")]  # fmt: skip
    assert [code.bytes for code in kernels.code] == [len(one) for one in CODE]
    assert [code.runs for code in kernels.code] == runs
    unused = sum(code.bytes for code in kernels.code if not code.runs)
    assert kernels.unused_bytes == (unused if fleet else None)
    assert kernels.dockerfile_line == 2


def test_weights_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    size = 11_000_000
    header = b'{"w":{}}'
    starts = {
        "m/a.safetensors": struct.pack("<Q", len(header)) + header, "m/b.gguf": b"GGUF\3\0\0\0", "m/c.pt": b"PK\3\4",
        "m/d.bin": b"\x80\x02", "m/e.onnx": b"\x08\x07", "m/f.h5": b"\x89HDF\r\n\x1a\n",
    }  # fmt: skip
    entries = [file(name, start.ljust(size, bytes([number]))) for number, (name, start) in enumerate(starts.items())]
    firmware = file("lib/firmware.bin", b"\x7fxx".ljust(size, b"f"))
    for number, (how, verify) in enumerate((("gzip", True), ("plain", False))):
        found = looked_at(tmp_path / str(number), [], [*entries, firmware], how=how, verify=verify)
        assert {row.file: row.format for row in found.weights} == {
            "/m/a.safetensors": "safetensors", "/m/b.gguf": "GGUF", "/m/c.pt": "pickle", "/m/d.bin": "pickle",
            "/m/e.onnx": "ONNX", "/m/f.h5": "HDF5"}  # fmt: skip
        assert {row.dockerfile_line for row in found.weights} == {2}


def test_an_image_without_any_program_is_not_judged(tmp_path: Path) -> None:
    found = looked_at(tmp_path, [file("etc/x", b"x")], Cmd=["/x"])
    assert (found.files, found.libc, found.starts, found.not_found) == (0, "", None, ())


def test_the_names_of_files_that_are_not_utf8_can_be_written_as_json(tmp_path: Path, libc: list) -> None:
    served = program(tmp_path, needs=[library(tmp_path, "model")])
    found = looked_at(tmp_path / "a", libc, [file(b"usr/bin/\xffserved".decode("utf-8", "surrogateescape"),
                                                  served.read_bytes(), 0o755)])  # fmt: skip
    assert found.not_found[0].file == "/usr/bin/\\xffserved"
