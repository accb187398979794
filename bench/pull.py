"""What a pull takes here, and how near the prediction comes to it. Prints a table.

Makes images of real libraries by hand, pushes them to a registry of its own on loopback, and times `docker pull` of
each through a proxy that lets no more than a given number of bits a second through. First without a limit, one layer
at a time, for the speed of the engine at inflating and unpacking; then with limits, beside what `pipeline.wire`
predicts. No content is pulled twice, and all images are removed at the end and not between two pulls: for minutes
after many files were deleted, ext4 makes new ones several times slower (recently_deleted in fs/ext4/ialloc.c).
Needs about 8 GB of disk while it runs.
"""

import contextlib
import functools
import hashlib
import io
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import docker
import zstandard
from isal import igzip

from pipeline.model.wire import Blob, Speeds
from pipeline.setup import registry as registries
from pipeline.wire import pull

NAME = "seatrial-bench/pull"
KINDS = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}
PIECE = 1 << 16
ROUNDS = 3
number = itertools.count()


@contextlib.contextmanager
def registry():
    """A registry that is gone, with all that it holds, at the end; its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="seatrial-pull-") as name:
        folder = Path(name)
        told = {"version": "0.1", "log": {"level": "error"}, "http": {"addr": host},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}}}  # fmt: skip
        (folder / "config.yml").write_text(json.dumps(told))
        argv = [registries.program(), "serve", folder / "config.yml"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                for _ in range(100):
                    with contextlib.suppress(urllib.error.URLError):
                        request("GET", f"http://{host}/v2/")
                        break
                    time.sleep(0.1)
                yield host
            finally:
                running.terminate()


class Proxy:
    """Forwards connections to a registry; all answers together get `rate` bytes a second."""

    def __init__(self, registry, rate=None):
        self.registry, self.rate, self.lock, self.free_at = registry, rate, threading.Lock(), 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            address, _, port = self.registry.partition(":")
            far = socket.create_connection((address, int(port)))
            for source, sink, rate in ((near, far, None), (far, near, self.rate)):
                threading.Thread(target=self.forward, args=(source, sink, rate), daemon=True).start()

    def forward(self, source, sink, rate):
        try:
            while piece := source.recv(PIECE):
                if rate:
                    with self.lock:
                        self.free_at = max(self.free_at, time.perf_counter()) + len(piece) / rate
                        wait = self.free_at - time.perf_counter()
                    if wait > 0:
                        time.sleep(wait)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()

    def close(self):
        self.listener.close()


def request(method, url, data=None, **headers):
    asked = urllib.request.Request(url, data=data, method=method, headers=headers)
    return urllib.request.urlopen(asked)


def upload(host, data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    place = request("POST", f"http://{host}/v2/{NAME}/blobs/uploads/").headers["Location"]
    mark = "&" if urllib.parse.urlsplit(place).query else "?"
    request("PUT", f"{place}{mark}digest={digest}", data, **{"Content-Type": "application/octet-stream"})
    return digest


def tars(sizes):
    """One tar for each size, of libraries that this machine has; no file is in two of them."""
    folders = [Path(one) for one in (sys.prefix, "/usr/lib", "/usr/local")]
    files = (one for folder in folders for one in sorted(folder.rglob("*")) if one.is_file() and not one.is_symlink())
    for number, size in enumerate(sizes):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            while made.tell() < size and (path := next(files, None)):
                if path.stat().st_size <= size - made.tell() + 10_000_000:
                    tar.add(path, f"layer{number}/{path.name}-{made.tell()}", recursive=False)
        yield made.getvalue()


def packed(tar, kind):
    if kind == "gzip":
        return igzip.compress(tar, compresslevel=3)
    return zstandard.ZstdCompressor(level=3).compress(tar) if kind == "zstd" else tar


def marked(tar):
    """The same tar with a small file before it that no other image has."""
    content = next(number).to_bytes(512, "big")
    info = tarfile.TarInfo("mark")
    info.size = len(content)
    return info.tobuf() + content + tar


def push(host, tag, made, kind):
    """Push an image of these tars, each marked; return its blobs."""
    parts, layers, ids = [], [], []
    for tar in map(marked, made):
        data = packed(tar, kind)
        digest = upload(host, data)
        ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        parts.append(Blob(digest=digest, compressed_bytes=len(data), tar_bytes=len(tar), compression=kind))
        layers.append({"mediaType": f"application/vnd.oci.image.layer.v1.tar{KINDS[kind]}", "digest": digest,
                       "size": len(data)})  # fmt: skip
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "history": [],
                         "rootfs": {"type": "layers", "diff_ids": ids}}).encode()  # fmt: skip
    kind_of_config = "application/vnd.oci.image.config.v1+json"
    described = {"mediaType": kind_of_config, "digest": upload(host, config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers,
                "config": described}  # fmt: skip
    request("PUT", f"http://{host}/v2/{NAME}/manifests/{tag}", json.dumps(manifest).encode(),
            **{"Content-Type": manifest["mediaType"]})  # fmt: skip
    return tuple(parts)


def timed(cleaning, host, made, kind, rate=None):
    """Seconds of a pull of what the engine does not have, seconds until all was here, and the blobs."""
    tag = f"n{next(number)}"
    parts = push(host, tag, made, kind)
    proxy = Proxy(host, rate)
    reference = f"{proxy.host}/{NAME}:{tag}"
    cleaning.callback(subprocess.run, ["docker", "rmi", "-f", reference], check=False, capture_output=True)
    whole = 0.0
    started = time.perf_counter()
    for event in docker.from_env().api.pull(reference, stream=True, decode=True):
        if "error" in event:
            raise SystemExit(event["error"])
        if event.get("status") == "Download complete":
            whole = time.perf_counter() - started
    seconds = time.perf_counter() - started
    proxy.close()
    return seconds, whole, parts


def calibrated(time_pull, size=100_000_000, tiny=20):
    """The engine's speeds: of one layer plain, as gzip and as zstd, and of many layers that hold next to nothing."""
    (tar,) = tars([size])
    spent = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            seconds, whole, _ = time_pull([tar], kind)
            spent[kind].append(seconds - whole)
    applied = {kind: statistics.median(found) for kind, found in spent.items()}
    each = statistics.median(time_pull([bytes(1024)] * tiny, "none")[0] for _ in range(ROUNDS)) / tiny
    return Speeds(
        unpack=len(tar) / (applied["none"] - each),
        gzip=len(tar) / max(applied["gzip"] - applied["none"], 1e-3),
        zstd=len(tar) / max(applied["zstd"] - applied["none"], 1e-3),
        layer=each,
        source="this run",
    )


def main():
    with contextlib.ExitStack() as cleaning:
        compare(functools.partial(timed, cleaning, cleaning.enter_context(registry())))


def compare(time_pull):
    speeds = calibrated(time_pull)
    print(f"this engine: gzip {speeds.gzip / 1e6:.0f}, zstd {speeds.zstd / 1e6:.0f}, unpack "
          f"{speeds.unpack / 1e6:.0f} MB/s of tar; {speeds.layer * 1000:.0f} ms a layer", flush=True)  # fmt: skip
    made = list(tars([60_000_000, 150_000_000, 20_000_000, 120_000_000, 50_000_000]))
    print(f"{'pull':24} {'MB':>6} {'took':>8} {'predicted':>10} {'error':>7}   waits for")
    for kind in ("gzip", "zstd"):
        for megabits in (100, 400, 1600):
            runs = [time_pull(made, kind, megabits * 1e6 / 8) for _ in range(2)]
            took, parts = statistics.median(run[0] for run in runs), runs[0][2]
            found = pull(parts, bandwidth=megabits * 1e6, speeds=speeds)
            size = sum(one.compressed_bytes for one in parts) / 1e6
            print(f"{kind + f', {megabits} Mbit/s':24} {size:6.0f} {took:6.2f} s {found.seconds:8.2f} s "
                  f"{(found.seconds - took) / took:+7.1%}   {found.waits_for}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
