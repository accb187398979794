"""What weighing an image costs beside dive, on the same archives in one run. Prints a table.

    python bench/measure.py [FOLDER]      the archives are made in FOLDER, and stay there; 30 GB, minutes on first use

torch    one layer, `pip install torch` with all of its CUDA wheels
wheels   three layers: a dozen wheels, a chmod of the biggest, then 301 whiteouts and one of them again elsewhere
small    20,000 small files, then 1,000 of them deleted
gzip     the first layer of `wheels`, as gzip, in an OCI layout

Wheels come from the package index that pip is configured with. Each program runs as a user would start it, with the
archive in the page cache; the time is the best of ROUNDS runs, the memory the most of any. Our index is empty before
each run of `cold`, full before each of `again`; `hashed` checks every layer's diff ID as well.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from peers import installed_peers

from pipeline import settings

ROUNDS = 3
WHEELS = [
    "onnxruntime", "numpy", "scipy", "pandas", "scikit-learn", "django", "botocore", "sqlalchemy", "sympy",
    "networkx", "pillow", "nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12", "nvidia-cuda-nvrtc-cu12",
]  # fmt: skip
CUBLAS = "nvidia/cublas/lib"
SMALL = 20_000
CACHE = Path(tempfile.mkdtemp(prefix="bench-cache-"))
ROOT = Path(__file__).parents[1]


def main(folder=None):
    work = Path(folder) if folder else settings.cache() / "bench" / "measure"
    work.mkdir(parents=True, exist_ok=True)
    dive = installed_peers() / "bin" / "dive"
    print(f"{'archive':8} {'GB':>5}  {'dive':>8} {'cold':>8} {'hashed':>8} {'again':>8}  {'ratio':>6}   memory")
    for name, make in (("torch", torch), ("wheels", wheels), ("small", small), ("gzip", zipped)):
        place = made(work / name, make)
        size = sum(
            file.stat().st_size for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()
        )
        peer = best([str(dive), "--source", "docker-archive", str(archive_of(place))], env={"CI": "true"})
        cold = best(ours(place), before=forget)
        hashed = best(ours(place, "--verify"), before=forget)
        again = best(ours(place))
        memory = f"dive {peer[1] / 1e6:.0f} MB, ours {max(cold[1], hashed[1], again[1]) / 1e6:.0f} MB"
        print(f"{name:8} {size / 1e9:5.2f}  {peer[0]:6.2f} s {cold[0]:6.2f} s {hashed[0]:6.2f} s {again[0]:6.2f} s  "
              f"{peer[0] / cold[0]:5.1f}x   {memory}")  # fmt: skip


def ours(place, *words):
    return [str(Path(sys.prefix) / "bin" / "seatrial"), "measure", str(place), "--format", "json", *words]


def forget():
    shutil.rmtree(CACHE, ignore_errors=True)


def best(argv, *, env=None, before=None):
    """The least seconds and the most bytes of memory of some runs, after one that fills the page cache."""
    seconds, memory = [], []
    for _ in range(1 + ROUNDS):
        if before:
            before()
        started = time.perf_counter()
        environment = {**os.environ, "SEATRIAL_CACHE": str(CACHE), **(env or {})}
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=ROOT)
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - started)
        memory.append(used.ru_maxrss * 1024)
        # dive ends with 1 when its own rules say no: it has weighed the image all the same.
        if os.waitstatus_to_exitcode(status) not in (0, 1) or b"cannot" in said:
            sys.exit(f"{' '.join(argv)} failed: {said.decode()[-500:]}")
    return min(seconds[1:]), max(memory)


def made(place, make):
    """What `make` writes at a place, made there on the first call."""
    if not place.exists():
        print(f"making {place} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            make(Path(scratch)).rename(place)
    return place


def archive_of(place):
    """What dive can read: an archive. An OCI layout is put into one, as `docker save` does since Docker 25."""
    if place.is_file():
        return place
    archive = place.with_name(place.name + "-for-dive.tar")
    if not archive.exists():
        manifest = json.loads((place / "index.json").read_bytes())["manifests"][0]["digest"]
        listed = json.loads(blob(place, manifest).read_bytes())
        names = [f"blobs/sha256/{layer['digest'][7:]}" for layer in (listed["config"], *listed["layers"])]
        words = [{"Config": names[0], "RepoTags": ["bench:latest"], "Layers": names[1:]}]
        with tarfile.open(archive, "w") as tar:
            tar.add(place, ".")
            text(tar, "manifest.json", json.dumps(words))
    return archive


def torch(scratch):
    layer = scratch / "0.tar"
    packed(installed(scratch, ["torch"]), layer)
    return docker_archive(scratch, [layer])


def wheels(scratch):
    first, second, third = (scratch / f"{number}.tar" for number in range(3))
    folder = installed(scratch, WHEELS)
    packed(folder, first)
    with tarfile.open(second, "w") as tar:  # RUN chmod -R
        for name in ("numpy", CUBLAS):
            tar.add(folder / name, f"app/{name}", filter=opened_up)
    gone = sorted(path for path in (folder / "pandas").rglob("*.py"))[:300]
    with tarfile.open(third, "w") as tar:
        text(tar, "app/.wh.scipy", "")
        for path in gone:
            relative = path.relative_to(folder)
            text(tar, f"app/{relative.parent}/.wh.{relative.name}", "")
        tar.add(folder / CUBLAS, "usr/local/cuda/lib64", filter=in_seconds)
    return docker_archive(scratch, [first, second, third])


def opened_up(info):
    info.mode, info.mtime = 0o755, int(info.mtime)
    return info


def small(scratch):
    first, second = scratch / "0.tar", scratch / "1.tar"
    with tarfile.open(first, "w") as tar:
        for number in range(SMALL):
            text(tar, f"data/{number % 100:02}/{number}", f"file {number}\n" * 8)
    with tarfile.open(second, "w") as tar:
        for number in range(0, SMALL, SMALL // 1000):
            text(tar, f"data/{number % 100:02}/.wh.{number}", "")
    return docker_archive(scratch, [first, second])


def zipped(scratch):
    layer = scratch / "0.tar"
    packed(installed(scratch, WHEELS), layer)
    diff_id, packed_file = digest(layer), scratch / "0.tar.gz"
    with layer.open("rb") as plain, gzip.open(packed_file, "wb", 6) as out:
        shutil.copyfileobj(plain, out, 1 << 20)
    place = scratch / "layout"
    (place / "blobs" / "sha256").mkdir(parents=True)
    layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{digest(packed_file)}",
               "size": packed_file.stat().st_size}]  # fmt: skip
    packed_file.rename(blob(place, layers[0]["digest"]))
    config = kept(place, config_of([diff_id]), "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
                "layers": layers}  # fmt: skip
    entry = kept(place, json.dumps(manifest).encode(), manifest["mediaType"])
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return place


def installed(scratch, names):
    folder = scratch / "-".join(["site", *names])[:60]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *names], check=True)
    return folder


def packed(folder, out):
    """A layer with times in whole seconds, as the builders of images write them."""
    with tarfile.open(out, "w") as tar:
        tar.add(folder, "app", filter=in_seconds)


def in_seconds(info):
    info.mtime = int(info.mtime)
    return info


def docker_archive(scratch, layers):
    """The layers as `docker save` wrote them before Docker 25."""
    ids = [digest(layer) for layer in layers]
    out = scratch / "image.tar"
    with tarfile.open(out, "w") as tar:
        text(tar, "config.json", config_of(ids).decode())
        for one, layer in zip(ids, layers, strict=True):
            tar.add(layer, f"{one}/layer.tar")
        names = [f"{one}/layer.tar" for one in ids]
        text(
            tar,
            "manifest.json",
            json.dumps([{"Config": "config.json", "RepoTags": ["bench:latest"], "Layers": names}]),
        )
    return out


def config_of(ids):
    history = [{"created_by": f"RUN step {number}"} for number in range(len(ids))]
    root = {"type": "layers", "diff_ids": [f"sha256:{one}" for one in ids]}
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "history": history, "rootfs": root}
    ).encode()


def text(tar, name, words):
    info = tarfile.TarInfo(name)
    info.size = len(words)
    tar.addfile(info, io.BytesIO(words.encode()))


def kept(place, content, kind):
    value = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob(place, value).write_bytes(content)
    return {"mediaType": kind, "digest": value, "size": len(content)}


def blob(place, value):
    return place / "blobs" / "sha256" / value.removeprefix("sha256:")


def digest(file):
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
