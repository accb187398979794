"""What a release of an unchanged image costs, and how much of it is our own doing. Prints a table.

Releases one image of the tree (it must have been released before), reads the seconds of each stage from the record,
and compares the whole with its slowest path: build, then the longest of measure, scan and smoke test, then push.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.prefix) / "bin" / "seatrial"
ROUNDS = 3


def once(image):
    started = time.perf_counter()
    ended = subprocess.run([str(PROGRAM), "release", image, "--format", "json"], capture_output=True, text=True,
                           check=True, env={**os.environ, "SEATRIAL_ROOT": str(ROOT)})  # fmt: skip
    wall = time.perf_counter() - started
    record = next(one["record"] for one in json.loads(ended.stdout)["releases"] if one["image"] == image)
    stages = {name: record[name]["seconds"] for name in ("build", "measure", "scan", "smoke")}
    stages["push"] = record["pushed"]["seconds"]
    return wall, stages


def main(image="debian-base"):
    once(image)  # the first round fills caches
    wall, stages = min((once(image) for _ in range(ROUNDS)), key=lambda one: one[0])
    slowest = stages["build"] + max(stages[name] for name in ("measure", "scan", "smoke")) + stages["push"]
    for name, seconds in stages.items():
        print(f"{name:28} {seconds:7.2f} s")
    print(f"{'slowest path':28} {slowest:7.2f} s")
    print(f"{'whole release':28} {wall:7.2f} s   (best of {ROUNDS}; target: under 10 s)")
    print(f"{'over the slowest path':28} {wall - slowest:7.2f} s   ({(wall - slowest) / slowest:.0%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
