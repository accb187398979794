"""What ELF files say of themselves, the GPU code in them, and what ld.so will not find."""

import os
import re
import shutil
import struct
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import elf
from pipeline.elf import (
    DRIVER,
    FOUND,
    LOADED_BEFORE,
    MISSING,
    OFF_PATH,
    Elf,
    Extent,
    Root,
    Versions,
    closure,
    kernels,
)

GCC = shutil.which("gcc")
LDD = shutil.which("ldd")
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed: there is nothing to read")
needs_ldd = pytest.mark.skipif(GCC is None or LDD is None, reason="gcc or ldd is not installed: no loader to ask")


def reader_of(raw):
    return lambda offset, count: raw[offset : offset + count]


def read(path):
    raw = Path(path).read_bytes()
    return elf.read(reader_of(raw), len(raw))


def run(*words, env=None):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stderr
    return done.stdout


def library(folder, name, *flags, needs=(), source=None):
    """Compile lib<name>.so that needs the libraries named, each found in its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    code = folder / f"{name}.c"
    code.write_text(source or f"int {name}(void) {{ return 1; }}\n")
    path = folder / f"lib{name}.so"
    run(GCC, "-shared", "-fPIC", "-o", path, code, f"-Wl,-soname,lib{name}.so", *linked(needs), *flags)
    return path


def program(folder, *flags, needs=()):
    folder.mkdir(parents=True, exist_ok=True)
    code = folder / "main.c"
    code.write_text("int main(void) { return 0; }\n")
    run(GCC, "-o", folder / "main", code, *linked(needs), *flags)
    return folder / "main"


def linked(needs):
    return ["-Wl,--no-as-needed,--allow-shlib-undefined", *needs]


# --- reading ---------------------------------------------------------------------------------------------------


@needs_gcc
def test_a_library_says_what_it_needs_and_where_it_looks(tmp_path):
    base = library(tmp_path, "base")
    path = library(tmp_path, "top", "-Wl,-rpath,$ORIGIN:/opt/x", needs=[base])
    found = read(path)
    assert (found.bits, found.kind, found.soname, found.static, found.whole) == (
        64,
        "library",
        "libtop.so",
        False,
        True,
    )
    assert found.needed == ("libbase.so", "libc.so.6")
    assert (found.rpath, found.runpath) == ((), ("$ORIGIN", "/opt/x"))


@needs_gcc
def test_an_old_rpath_is_told_from_a_runpath(tmp_path):
    found = read(library(tmp_path, "old", "-Wl,--disable-new-dtags,-rpath,/opt/x"))
    assert (found.rpath, found.runpath) == (("/opt/x",), None)


@needs_gcc
@pytest.mark.parametrize(
    ("flags", "static", "loader"), [((), False, True), (("-no-pie",), False, True), (("-static",), True, False)]
)
def test_a_program_is_one_however_it_is_linked(tmp_path, flags, static, loader):
    found = read(program(tmp_path, *flags))
    assert (found.kind, found.static, bool(found.interpreter)) == ("program", static, loader)


@needs_gcc
def test_what_strip_would_take_away_is_what_strip_takes_away(tmp_path):
    path = library(tmp_path, "fat", "-g3")
    before = read(path)
    assert before.debug_bytes > 0 and before.symbol_bytes > 0
    size = path.stat().st_size
    run("strip", path)
    after = read(path)
    assert (after.debug_bytes, after.symbol_bytes, after.needed) == (0, 0, before.needed)
    saved = size - path.stat().st_size
    # strip also drops the headers and names of the sections that it drops.
    assert before.debug_bytes + before.symbol_bytes <= saved <= before.debug_bytes + before.symbol_bytes + 2048


@needs_gcc
def test_the_newest_glibc_symbol_needed_is_the_one_that_readelf_shows(tmp_path):
    path = library(
        tmp_path,
        "new",
        source='#include <stdlib.h>\n#include <unistd.h>\nint new(void) { return getentropy(0, 0) + atoi("1"); }\n',
    )
    shown = re.findall(r"Name: GLIBC_([\d.]+)", run("readelf", "-VW", path))
    assert read(path).needs.glibc == max(tuple(map(int, version.split("."))) for version in shown)


@needs_gcc
def test_a_file_without_section_headers_still_tells_what_it_needs(tmp_path):
    path = library(
        tmp_path, "bare", "-Wl,-rpath,/opt/x", source='#include <stdio.h>\nint b(void){return puts("");}\n'
    )
    whole = read(path)
    raw = bytearray(path.read_bytes())
    raw[0x28:0x30] = bytes(8)  # e_shoff
    raw[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    bare = elf.read(reader_of(bytes(raw)), len(raw))
    assert (bare.needed, bare.runpath, bare.needs) == (whole.needed, whole.runpath, whole.needs)
    assert bare.needs.glibc and bare.symbol_bytes == 0


def test_what_is_no_elf_file_is_none():
    for raw in (b"", b"\x7fELF", b"#!/bin/sh\n" * 20, b"\x7fELF" + bytes(100), b"\x7fELF\x09\x09" + bytes(100)):
        assert elf.read(reader_of(raw), len(raw)) is None


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    if GCC is None:
        pytest.skip("gcc is not installed: there is nothing to bend")
    source = '#include <stdio.h>\nint s(void) { return puts(""); }\n'
    path = library(tmp_path_factory.mktemp("small"), "small", "-g", "-Wl,-rpath,/opt/x", source=source)
    return path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bent_bytes_never_raise_and_are_read_within_bounds(small, data):
    raw = bytearray(small)
    headers = st.one_of(
        st.integers(0, 0x240), st.integers(len(raw) - 2400, len(raw) - 1), st.integers(0, len(raw) - 1)
    )
    for at in data.draw(st.lists(headers, min_size=1, max_size=6)):
        raw[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    end = data.draw(st.sampled_from([len(raw), len(raw), len(raw) // 2, 200]))
    given_out = 0

    def reader(offset, count):
        nonlocal given_out
        assert 0 <= offset <= end and 0 <= count <= 4096
        given_out += count
        return bytes(raw[offset : offset + count])

    found = elf.read(reader, end)
    assert given_out <= 8 << 20
    if found is not None:
        assert found.debug_bytes <= end and found.symbol_bytes <= end and found.gpu_bytes <= end
        assert kernels(reader, found) == ()


def test_a_file_of_endless_names_is_left_before_it_fills_the_memory():
    size = 1 << 40  # a sparse terabyte, all of one letter behind its headers
    head = struct.pack("<4s4B8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 4096)
    dynamic = struct.pack("<IIQQQQQQ", 2, 4, 176, 176, 176, size, size, 8)
    tags = struct.pack("<QQQQ", 5, 4096, 1, 0)  # DT_STRTAB, and then as many DT_NEEDED as there are bytes
    raw = head + load + dynamic + tags

    def reader(offset, count):
        return (raw[offset : offset + count] + b"\x01" * count)[:count]

    found = elf.read(reader, size)
    assert found is not None and not found.whole


# --- GPU code --------------------------------------------------------------------------------------------------

ENTRY = struct.Struct("<HHIQIIHHIIIQQQ")
# kind and flags as nvcc 13.0 writes them for each -gencode code=…, and what cuobjdump calls the entry
RECORDED = {
    "sm_80": (2, 80, 0x11, "8.0", "machine code"),
    "sm_90a": (2, 90, 0x10_0011, "9.0a", "machine code"),
    "sm_100f": (2, 100, 0x120_0011, "10.0f", "machine code"),
    "sm_120": (2, 120, 0x100_0011, "12.0", "machine code"),
    "compute_120": (1, 120, 0x11, "12.0", "ptx"),
    "compute_100a": (1, 100, 0x10_0011, "10.0a", "ptx"),
    "compute_103f": (1, 103, 0x20_0011, "10.3f", "ptx"),
    "lto_90": (8, 90, 0x1_0011, "9.0", "lto ir"),
}


def entry(target, code=b"code" * 4, *, compressed=False, extra=b""):
    kind, arch, flags, _, _ = RECORDED[target]
    flags |= 0x8000 if compressed else 0
    header = ENTRY.pack(kind, 0x101, 64 + len(extra), len(code), 0, 0, 8, 1, arch, 0, 0, flags, 0, 0)
    return header + extra + code


def container(*entries):
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def walked(raw, *sections):
    extents = sections or (Extent(name=".nv_fatbin", offset=0, bytes=len(raw)),)
    holder = Elf(bits=64, machine="x86_64", kind="library", static=False, kernel_sections=extents)
    return kernels(reader_of(raw), holder)


@pytest.mark.parametrize("target", RECORDED)
def test_each_target_of_nvcc_is_told_by_its_header(target):
    (kernel,) = walked(container(entry(target)))
    assert (kernel.capability, kernel.form, kernel.compressed) == (*RECORDED[target][3:], False)


def test_entries_of_several_containers_are_all_found_and_their_bytes_are_the_files():
    first = container(entry("sm_80"), entry("compute_120", b"p" * 24, compressed=True, extra=bytes(16)))
    second = container(entry("sm_100f", b"c" * 800, extra=bytes(48)))
    found = walked(first + bytes(40) + second)
    assert [kernel.capability for kernel in found] == ["8.0", "12.0", "10.0f"]
    assert [kernel.compressed for kernel in found] == [False, True, False]
    assert sum(kernel.bytes for kernel in found) == len(first) + len(second) - 2 * 16


def test_code_is_hopped_over_and_never_read():
    size = 1 << 33
    head = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, size - 16)
    big = ENTRY.pack(2, 0x101, 64, size - 80, 0, 0, 8, 1, 90, 0, 0, 0x11, 0, 0)
    asked = []

    def reader(offset, count):
        asked.append(count)
        return (head + big)[offset : offset + count]

    holder = Elf(
        bits=64,
        machine="x86_64",
        kind="library",
        static=False,
        kernel_sections=(Extent(name=".nv_fatbin", offset=0, bytes=size),),
    )
    assert [kernel.bytes for kernel in kernels(reader, holder)] == [size - 16]
    assert sum(asked) < 1000


def test_what_nvlink_left_behind_is_told_from_what_runs():
    raw = container(entry("sm_80"))
    twice = (
        Extent(name=".nv_fatbin", offset=0, bytes=len(raw)),
        Extent(name="__nv_relfatbin", offset=len(raw), bytes=len(raw)),
    )
    assert [kernel.relocatable for kernel in walked(raw + raw, *twice)] == [False, True]


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 1 << 63),
        struct.pack("<IHHQ", 0xBA55ED50, 1, 0, 0) * 10,
        container(ENTRY.pack(2, 1, 0, 0, *[0] * 10)),
        container(ENTRY.pack(2, 1, 64, (1 << 64) - 64, *[0] * 10)),
        container(entry("sm_80"))[:40],
        bytes(9000),
    ],
    ids=["longer than the section", "no header", "entry without header", "entry that wraps", "cut off", "zeros"],
)
def test_a_container_that_lies_ends_the_walk(raw):
    assert walked(raw) == ()


def test_a_section_of_empty_containers_is_left_after_so_many():
    asked = 0
    empty = container()

    def reader(offset, count):
        nonlocal asked
        asked += 1
        return (empty * (count // 16 + 1))[:count]

    holder = Elf(
        bits=64,
        machine="x86_64",
        kind="library",
        static=False,
        kernel_sections=(Extent(name=".nv_fatbin", offset=0, bytes=1 << 40),),
    )
    assert kernels(reader, holder) == ()
    assert asked < 1_000_000


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.just(container(entry("sm_90a"))), st.binary(max_size=90)), max_size=8))
def test_no_bytes_make_the_walk_raise_or_count_more_than_there_is(parts):
    raw = b"".join(parts)
    assert sum(kernel.bytes for kernel in walked(raw)) <= len(raw)


def nvcc():
    return shutil.which("nvcc") or next(
        map(str, sorted(Path("/usr/local").glob("cuda*/bin/nvcc"), reverse=True)), None
    )


CUDA = "__global__ void {0}(float* a) {{ a[threadIdx.x] *= 2; }}\nvoid call_{0}(float* a) {{ {0}<<<1, 32>>>(a); }}\n"
TARGETS = ["sm_80", "sm_90a", "sm_100f", "sm_120", "compute_120", "compute_100a", "compute_103f"]


@pytest.mark.skipif(nvcc() is None or GCC is None, reason="nvcc or gcc is not installed: no fat binary can be made")
@pytest.mark.parametrize("flags", [[], ["--compress-mode=none"], ["-rdc=true"]], ids=["default", "plain", "linked"])
def test_the_compute_capabilities_are_those_of_the_compile_flags(tmp_path, flags):
    sources = [tmp_path / "one.cu", tmp_path / "two.cu"]
    for source in sources:
        source.write_text(CUDA.format(source.stem))
    gencode = [f"-gencode=arch={target.replace('sm_', 'compute_')},code={target}" for target in TARGETS]
    path = tmp_path / "lib.so"
    run(nvcc(), "-shared", "-Xcompiler", "-fPIC", *gencode, *flags, *sources, "-o", path)
    raw = path.read_bytes()
    found = elf.read(reader_of(raw), len(raw))
    all_found = kernels(reader_of(raw), found)
    wanted = {RECORDED[target][3:] for target in TARGETS}
    assert {(kernel.capability, kernel.form) for kernel in all_found} == wanted
    assert any(kernel.compressed for kernel in all_found) == (flags != ["--compress-mode=none"])
    assert any(kernel.relocatable for kernel in all_found) == (flags == ["-rdc=true"])
    assert sum(extent.bytes for extent in found.kernel_sections) - sum(kernel.bytes for kernel in all_found) < 200
    if tool := shutil.which("cuobjdump"):
        shown = Counter(
            re.findall(r"sm_(\d+)[af]?\.(cubin|ptx)", run(tool, "-all", "--list-elf", "--list-ptx", path))
        )
        ours = Counter(
            (re.sub(r"\D", "", kernel.capability), "ptx" if kernel.form == "ptx" else "cubin") for kernel in all_found
        )
        assert ours == shown


# --- what will be found ----------------------------------------------------------------------------------------


def real(path):
    return os.path.realpath(path) if Path(path).is_file() else None


def host_root(folder, library_path=""):
    """The machine itself as a root: what was compiled below `folder`, and the system libraries that it needs."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    shown = run(LDD, shutil.which("gcc"), *[path for path in paths if path.suffix == ".so" or path.name == "main"])
    paths += [Path(path) for path in re.findall(r"\s(/(?:usr/)?lib\S+) \(0x", shown)]
    read_them = {os.path.realpath(path): read(path) for path in paths}
    known = {path: found for path, found in read_them.items() if found}
    return Root(elves=known, find=real, library_path=library_path)


def ldd(path, library_path=""):
    """What the machine's own loader finds: soname -> real path, None where it finds nothing."""
    shown = run(LDD, path, env={"LD_LIBRARY_PATH": library_path})
    lines = re.findall(r"^\t(\S+) => (not found|/\S+)", shown, re.MULTILINE)
    return {soname: None if place == "not found" else os.path.realpath(place) for soname, place in lines}


def ours(root, head):
    """The same of ours: all that is seen in one head's load."""
    alone = {path: found for path, found in root.elves.items() if found.kind != "program" or path == str(head)}
    rows = closure(replace(root, elves=alone)).needs
    return {need.soname: need.where if need.outcome == FOUND else None for need in rows if need.head == str(head)}


def chain(tmp_path, *, top=(), middle=(), direct=False):
    """main -> liba -> libb, all but main in lib/; `direct`: main asks for libb too."""
    b = library(tmp_path / "lib", "b")
    a = library(tmp_path / "lib", "a", *middle, needs=[b])
    return program(tmp_path, *top, needs=[a, b] if direct else [a])


RUNPATH = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib"
RPATH = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/lib"
CHAINS = {
    "a RUNPATH does not serve what its library needs": (dict(top=[RUNPATH]), OFF_PATH),
    "an RPATH does": (dict(top=[RPATH]), FOUND),
    "an RPATH does not serve a library that has a RUNPATH": (
        dict(top=[RPATH], middle=["-Wl,--enable-new-dtags,-rpath,/nowhere"]),
        OFF_PATH,
    ),
    "what the program has loaded is not looked for again": (dict(top=[RUNPATH], direct=True), FOUND),
    "a library's own RUNPATH serves it": (
        dict(top=[RUNPATH], middle=["-Wl,--enable-new-dtags,-rpath,${ORIGIN}"]),
        FOUND,
    ),
}


@needs_ldd
@pytest.mark.parametrize("name", CHAINS)
def test_the_loader_of_this_machine_agrees(tmp_path, name):
    build, outcome = CHAINS[name]
    head = chain(tmp_path, **build)
    root = host_root(tmp_path)
    assert ours(root, head) == {**ldd(head), **interpreter(root, head)}
    rows = [need for need in closure(root).needs if need.soname == "libb.so" and need.head == str(head)]
    assert {need.outcome for need in rows} == {outcome}
    assert all(need.where == str(tmp_path / "lib/libb.so") for need in rows)


def interpreter(root, head):
    """ldd shows the loader by its path alone."""
    mine = ours(root, head)
    return {name: mine[name] for name in mine if name.startswith("ld-linux")}


@needs_ldd
@pytest.mark.parametrize("flag", [RUNPATH, RPATH], ids=["before a RUNPATH", "behind an RPATH"])
def test_library_path_comes_where_the_loader_puts_it(tmp_path, flag):
    library(tmp_path / "other", "b")
    head = program(tmp_path, flag, needs=[library(tmp_path / "lib", "b")])
    folder = str(tmp_path / "other")
    root = host_root(tmp_path, folder)
    mine = ours(root, head)
    assert mine["libb.so"] == ldd(head, folder)["libb.so"]
    assert mine["libb.so"] == str(tmp_path / ("other" if flag == RUNPATH else "lib") / "libb.so")


# --- a root made of facts --------------------------------------------------------------------------------------

GLIBC_2_31 = {
    "/usr/lib/x86_64-linux-gnu/libc.so.6": Versions(glibc=(2, 31)),
    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6": Versions(glibcxx=(3, 4, 28)),
}


def so(*needed, soname="", kind="library", bits=64, **more):
    return Elf(bits=bits, machine="x86_64", kind=kind, static=False, soname=soname, needed=needed, **more)


def debian(files, links=(), **more):
    """A root of Debian's shape, made of what the files say."""
    system = {path: so(soname=path.rsplit("/", 1)[1], defines=versions) for path, versions in GLIBC_2_31.items()}
    elves = {**system, **files}
    linked = dict(links)

    def find(path):
        clean = os.path.normpath(path)
        clean = re.sub(r"^/lib/", "/usr/lib/", clean)
        clean = linked.get(clean, clean)
        return clean if clean in elves else None

    return closure(Root(elves=elves, find=find, **more))


def outcome_of(found, soname):
    (need,) = [need for need in found.needs if need.soname == soname]
    return need.outcome, need.where


SITE = "/usr/lib/python3/site-packages"


def test_what_python_may_have_loaded_is_not_called_missing():
    files = {
        f"{SITE}/torch/_C.so": so("libcudart.so.12", "libgone.so"),
        f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12": so("libc.so.6", soname="libcudart.so.12"),
    }
    found = debian(files)
    assert outcome_of(found, "libcudart.so.12") == (LOADED_BEFORE, f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12")
    assert outcome_of(found, "libgone.so") == (MISSING, "")


def test_a_program_has_loaded_nothing_before():
    files = {
        "/usr/bin/tool": so("libcudart.so.12", kind="program"),
        "/opt/libcudart.so.12": so(soname="libcudart.so.12"),
    }
    assert outcome_of(debian(files), "libcudart.so.12") == (OFF_PATH, "/opt/libcudart.so.12")


@pytest.mark.parametrize(
    "soname",
    ["libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1", "libnvcuvid.so.1", "libnvoptix.so.1"],
)
def test_the_drivers_libraries_come_from_the_host(soname):
    assert outcome_of(debian({"/app/x.so": so(soname)}), soname) == (DRIVER, "")


def test_a_toolkits_library_is_not_the_drivers():
    found = debian({"/app/x.so": so("libcudart.so.13", "libcudnn.so.9")})
    assert {need.outcome for need in found.needs} == {MISSING}


def test_a_driver_library_that_the_image_brings_is_found():
    files = {"/app/x.so": so("libcuda.so.1"), "/usr/local/cuda/compat/libcuda.so.1": so(soname="libcuda.so.1")}
    found = debian(files, library_path="/usr/local/cuda/compat")
    assert outcome_of(found, "libcuda.so.1") == (FOUND, "/usr/local/cuda/compat/libcuda.so.1")


def test_configured_folders_are_looked_through_and_links_followed():
    files = {"/app/x.so": so("libfoo.so.1"), "/opt/foo/libfoo.so.1.2": so(soname="libfoo.so.1")}
    links = {"/opt/foo/libfoo.so.1": "/opt/foo/libfoo.so.1.2"}
    found = debian(files, links, configured=["include /etc/ld.so.conf.d/*.conf", "# /no", "/opt/foo  # here"])
    assert outcome_of(found, "libfoo.so.1") == (FOUND, "/opt/foo/libfoo.so.1.2")


def test_a_library_of_the_wrong_class_is_passed_over():
    files = {
        "/app/x.so": so("libfoo.so"),
        "/opt/32/libfoo.so": so(soname="libfoo.so", bits=32),
        "/opt/64/libfoo.so": so(soname="libfoo.so"),
    }
    found = debian(files, library_path="/opt/32:/opt/64")
    assert outcome_of(found, "libfoo.so") == (FOUND, "/opt/64/libfoo.so")
    only_32 = {path: facts for path, facts in files.items() if path != "/opt/64/libfoo.so"}
    assert outcome_of(debian(only_32, library_path="/opt/32"), "libfoo.so") == (MISSING, "")


def test_a_program_without_its_loader_is_told():
    found = debian({"/app/x": so(kind="program", interpreter="/lib64/ld-linux-x86-64.so.2")})
    assert outcome_of(found, "/lib64/ld-linux-x86-64.so.2") == (MISSING, "")


def test_a_file_that_needs_a_newer_glibc_than_the_root_has_is_told():
    files = {
        "/app/new": so("libc.so.6", kind="program", needs=Versions(glibc=(2, 38))),
        "/app/old": so("libc.so.6", kind="program", needs=Versions(glibc=(2, 9))),
        "/app/cxx.so": so("libstdc++.so.6", needs=Versions(glibcxx=(3, 4, 30))),
    }
    found = debian(files)
    assert found.glibc == (2, 31)
    told = [(row.file, row.library, row.needs, row.has) for row in found.too_old]
    assert told == [
        ("/app/new", "libc.so.6", (2, 38), (2, 31)),
        ("/app/cxx.so", "libstdc++.so.6", (3, 4, 30), (3, 4, 28)),
    ]


def test_a_musl_root_is_said_to_be_one_and_not_judged():
    elves = {"/lib/ld-musl-x86_64.so.1": so(), "/app/x.so": so("libgone.so")}
    found = closure(Root(elves=elves, find=lambda path: path if path in elves else None))
    assert (found.libc, found.needs) == ("musl", ())


def test_a_circle_of_libraries_is_walked_once():
    files = {"/app/a.so": so("b.so", runpath=("/app",)), "/app/b.so": so("a.so", runpath=("$ORIGIN",))}
    found = debian(files)
    assert {(need.file, need.outcome) for need in found.needs} == {("/app/a.so", FOUND), ("/app/b.so", FOUND)}
