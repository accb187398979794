"""Hand-made layers, layouts and images for the tests of measuring and attribution."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline import layout as layouts
from pipeline import measure
from pipeline.layout import Layout
from pipeline.model import Image, LayerOrigin, Measurement

TOOLS = ("sh", "cat", "chmod", "cp", "ln", "mkdir", "rm")  # what RUN can call in `shell_root`


def file(name: str | bytes, content: bytes | int, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file; a number makes that many bytes, different for each name."""
    if isinstance(content, int):
        seed = hashlib.sha256(os.fsencode(name)).digest()
        content = (seed * (content // 32 + 1))[:content]
    info = tarfile.TarInfo(os.fsdecode(name))
    info.size, info.mode = len(content), mode
    return info, content


def other(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """Anything but a regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.DIRTYPE)


def hard_link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return other(name, tarfile.LNKTYPE, to)


def whiteout(name: str) -> tuple[tarfile.TarInfo, bytes]:
    """What marks `name` as gone."""
    parent, _, last = name.rpartition("/")
    return file(f"{parent}/.wh.{last}" if parent else f".wh.{last}", b"")


def opaque(name: str) -> tuple[tarfile.TarInfo, bytes]:
    """What marks all that lower layers have in the folder `name` as gone."""
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq", b"")


def tar(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A layer, uncompressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, errors="surrogateescape") as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def compressed(layer: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(layer)
    return zstandard.ZstdCompressor().compress(layer) if how == "zstd" else layer


def layout(
    place: Path, layers: Sequence[bytes], *, how: str = "plain", blobs: Sequence[bytes] | None = None, **config: Any
) -> Layout:
    """An OCI layout below `place`. `blobs`, when given, are stored in place of the compressed layers."""
    store = place / "blobs" / "sha256"
    store.mkdir(parents=True)

    def put(content: bytes, kind: str = "layer.v1.tar") -> dict[str, Any]:
        value = hashlib.sha256(content).hexdigest()
        (store / value).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{value}", "size": len(content)}

    stored = [put(blob) for blob in blobs or [compressed(layer, how) for layer in layers]]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    whole = {"architecture": "amd64", "os": "linux", "config": {}, **config,
             "rootfs": {"type": "layers", "diff_ids": diff_ids}}  # fmt: skip
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": put(json.dumps(whole).encode(), "config.v1+json"), "layers": stored}  # fmt: skip
    return layouts.read(place, put(json.dumps(manifest).encode())["digest"], "made by hand")


def measured(found: Layout, cache: Path, **more: Any) -> Measurement:
    """Measure a layout; each layer is line 1, 2, … of a Dockerfile that nobody has."""
    origins = tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction=f"RUN {line}", dockerfile_line=line, origin="own")
        for line, (digest, diff_id, _, _) in enumerate(found.layers, start=1)
    )
    image = Image(name="made", repository="made", digest=found.digest, local="made")
    return measure.weigh(image, found, origins, cache=cache, **more).measurement


def shell_root() -> bytes:
    """A root that can run TOOLS, made of this machine's own programs: no test needs a registry for it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", dereference=True) as archive:
        for info, content in (file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"), file("etc/group", b"root:x:0:\n")):
            archive.addfile(info, io.BytesIO(content))
        added = set()
        for tool in TOOLS:
            program = shutil.which(tool)
            assert program is not None
            listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
            libraries = [word for word in listed.split() if word.startswith("/")]
            for path, name in [(program, f"bin/{tool}"), *((library, library.lstrip("/")) for library in libraries)]:
                if name not in added:
                    added.add(name)
                    archive.add(path, name)
    return out.getvalue()


def need_engine() -> None:
    """Skip, with the reason, where no container engine answers."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no container engine answers")


def built(context: Path, dockerfile: str, out: Path, *options: str) -> Path:
    """Build with the real BuildKit; return the OCI archive."""
    (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    command = ["docker", "buildx", "build", "--quiet", "--provenance=false"]
    done = subprocess.run(
        [*command, "--output", f"type=oci,dest={out}", *options, str(context)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out
