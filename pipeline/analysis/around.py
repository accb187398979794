"""A Dockerfile in, what holds where a RUN stands out: its shell, root or not, the system. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from pipeline import facts
from pipeline.analysis import walk
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

DEBIAN, ALPINE, REDHAT, SUSE, DISTROLESS, SCRATCH = "Debian", "Alpine", "Red Hat", "SUSE", "distroless", "scratch"
_OFFICIAL = {
    "debian": DEBIAN, "ubuntu": DEBIAN, "python": DEBIAN, "node": DEBIAN, "golang": DEBIAN, "rust": DEBIAN,
    "buildpack-deps": DEBIAN, "gcc": DEBIAN, "openjdk": "", "alpine": ALPINE, "fedora": REDHAT, "centos": REDHAT,
    "rockylinux": REDHAT, "almalinux": REDHAT, "amazonlinux": REDHAT, "oraclelinux": REDHAT, "scratch": SCRATCH,
}  # fmt: skip
_ELSEWHERE = {
    "rockylinux/rockylinux": REDHAT, "pytorch/pytorch": DEBIAN, "tensorflow/tensorflow": DEBIAN,
    "opensuse/leap": SUSE, "opensuse/tumbleweed": SUSE,
}  # fmt: skip
_TAGGED = ("python", "node", "golang", "rust")  # the tag says alpine, or it is Debian


def is_root(dockerfile: Dockerfile, instruction: Instruction) -> bool | None:
    """Does a RUN run as root? None where only the base image knows."""
    if not walk.by_keyword(dockerfile).get("USER"):
        return True if _starts_as_root(dockerfile, instruction) else None
    user = walk.states(dockerfile)[instruction.line].user
    if user is not None:
        return user.partition(":")[0] in ("root", "0")
    said = walk.by_keyword(dockerfile)["USER"][0].instruction.line < instruction.line
    return True if not said and _starts_as_root(dockerfile, instruction) else None


def _starts_as_root(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    """The plain images of distributions, languages, frameworks and CUDA begin as root."""
    stage = next(one for one in reversed(dockerfile.stages) if one.line <= instruction.line)
    return family(dockerfile, stage) not in (None, DISTROLESS)


def shell_of(dockerfile: Dockerfile, instruction: Instruction) -> tuple[str, ...] | None:
    """The last SHELL before an instruction, in its stage or in one that this builds on; None: /bin/sh -c."""
    if not walk.by_keyword(dockerfile).get("SHELL"):
        return None
    return _shells(dockerfile).get(instruction.line)


@once_per_file
def _shells(dockerfile: Dockerfile) -> Mapping[int, tuple[str, ...] | None]:
    found: dict[int, tuple[str, ...] | None] = {}
    ends: list[tuple[str, ...] | None] = []
    for stage in dockerfile.stages:
        now = None if stage.parent is None else ends[stage.parent]
        for instruction in stage.instructions:
            found[instruction.line] = now
            if instruction.keyword == "SHELL":
                now = instruction.words
        ends.append(now)
    return found


def family(dockerfile: Dockerfile, stage: Stage) -> str | None:
    """The family of the system that a stage stands on: DEBIAN, ALPINE, …; None when its image is not a known one."""
    return _family(walk.root_of(dockerfile, stage).image or "")


@lru_cache(maxsize=256)  # each rule asks again
def _family(image: str) -> str | None:
    if not image:
        return None
    reference = facts.reference(image)
    host, slash, rest = reference.repository.partition("/")
    name = rest if slash and ("." in host or ":" in host or host == "localhost") else reference.repository
    tag = (reference.tag or "").lower()
    if host == "gcr.io" and name.startswith("distroless/"):
        return DISTROLESS if "debug" not in tag else None
    official = name.removeprefix("library/")
    if official in _OFFICIAL:
        if official in _TAGGED:
            return None if "windows" in tag or "nano" in tag else ALPINE if "alpine" in tag else DEBIAN
        return _OFFICIAL[official] or None
    if re.fullmatch(r"(registry\.access\.redhat\.com|registry\.redhat\.io)", host) and re.search(r"ubi\d", name):
        return REDHAT if "micro" not in name else None
    if name == "nvidia/cuda":
        return _of_cuda(tag)
    return _ELSEWHERE.get(name)


def _of_cuda(tag: str) -> str | None:
    if "ubuntu" in tag:
        return DEBIAN
    if re.search(r"ubi\d|rockylinux|centos|oraclelinux|amzn|cm2", tag):
        return REDHAT
    return SUSE if "suse" in tag or "sles" in tag else None
