"""A base image's name in, what is known of it out; and a problem with it, where a FROM names it. Speaks to: nothing.

Known by name alone: the official images of Docker Hub, NVIDIA's, Red Hat's and Google's distroless ones.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pipeline.facts import images, reference
from pipeline.model import Dockerfile, Fix, Problem, Stage
from pipeline.parse import tokens

DEBIAN, ALPINE, REDHAT, SUSE, DISTROLESS, SCRATCH = "Debian", "Alpine", "Red Hat", "SUSE", "distroless", "scratch"
_OFFICIAL = {
    "debian": DEBIAN, "ubuntu": DEBIAN, "python": DEBIAN, "node": DEBIAN, "golang": DEBIAN, "rust": DEBIAN,
    "buildpack-deps": DEBIAN, "gcc": DEBIAN, "alpine": ALPINE, "fedora": REDHAT, "centos": REDHAT,
    "rockylinux": REDHAT, "almalinux": REDHAT, "amazonlinux": REDHAT, "oraclelinux": REDHAT, "scratch": SCRATCH,
}  # fmt: skip
_ELSEWHERE = {
    "rockylinux/rockylinux": REDHAT, "pytorch/pytorch": DEBIAN, "tensorflow/tensorflow": DEBIAN,
    "opensuse/leap": SUSE, "opensuse/tumbleweed": SUSE,
}  # fmt: skip
_TAGGED = ("python", "node", "golang", "rust")  # the tag says alpine, or it is Debian

# Official images that set no variable but PATH, no WORKDIR and no USER.
_PLAIN = frozenset({"almalinux", "alpine", "amazonlinux", "busybox", "debian", "rockylinux", "scratch", "ubuntu"})
# These set variables of their own, and no WORKDIR.
_AT_ROOT = _PLAIN | {"buildpack-deps", "fedora", "node", "nvidia/cuda", "python"}

# Words that ARG defaults hold so that a build without --build-arg stops: FROM nvidia/cuda:notset-base-notset.
_PLACEHOLDER = (
    r"(?:^|[^a-z0-9])(?:not-?set|un-?set|undefined|unspecified|non-?exist(?:ing|ent)|placeholder|change-?me|replace-?me"
    r"|set-?me|override-?me|must-?be-?set|required|invalid)(?:$|[^a-z0-9])"
)


def shipped_base(dockerfile: Dockerfile) -> Stage:
    """Return the stage whose FROM names the image under everything that ships; its `image` is that image."""
    *_, first = dockerfile.shipped()
    return first


def problem_with(
    stage: Stage, dockerfile: Dockerfile, message: str, *, hint: str | None = None, fix: Fix | None = None
) -> Problem:
    """A problem at the base that a FROM names, as the file writes it."""
    return Problem(
        stage.line,
        message,
        at=tokens(dockerfile, stage.instructions[0]).words[0].span,
        stage=stage.label,
        hint=hint,
        fix=fix,
    )


def as_written(stage: Stage) -> str:
    """The effective base, and how the file writes it where that differs: `a:1 (written ${BASE})`."""
    return stage.image or stage.base if stage.base == stage.image else f"{stage.image} (written {stage.base})"


def is_placeholder(stage: Stage) -> bool:
    """Does a build argument's default stand in the base for a value that must be given: `notset`, `non-existing`?"""
    image = stage.image
    return image is not None and image != stage.base and bool(re.search(_PLACEHOLDER, image.lower()))


def is_at(image: str | None, name: str) -> bool:
    """Is an image the repository `name`, at any registry and below any mirror's path?"""
    return images.is_at(reference(image or "").repository, name)


def official_name(image: str | None) -> str | None:
    """`debian` for docker.io/library/debian:12; for an image that is none of those, its repository."""
    if not image:
        return None
    name = reference(image).repository
    head, slash, last = name.rpartition("/library/")
    if slash and ("." in head or ":" in head):
        return last
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name


def is_plain(image: str | None) -> bool:
    """Is it an image of which we know that it sets nothing but PATH?"""
    return official_name(image) in _PLAIN


def begins_at_root(image: str | None) -> bool:
    """Is it an image of which we know that it leaves the working folder at `/`?"""
    return official_name(image) in _AT_ROOT


@lru_cache(maxsize=256)  # each rule asks again
def family(image: str | None) -> str | None:
    """The family of an image's system: DEBIAN, ALPINE, …; None when it is not a known one."""
    if not image:
        return None
    parts = reference(image)
    host, slash, rest = parts.repository.partition("/")
    name = rest if slash and ("." in host or ":" in host or host == "localhost") else parts.repository
    tag = (parts.tag or "").lower()
    if host == "gcr.io" and name.startswith("distroless/"):
        return DISTROLESS if "debug" not in tag else None
    official = name.removeprefix("library/")
    if official in _OFFICIAL:
        if official in _TAGGED:
            return None if "windows" in tag or "nano" in tag else ALPINE if "alpine" in tag else DEBIAN
        return _OFFICIAL[official]
    if host in ("registry.access.redhat.com", "registry.redhat.io") and re.search(r"ubi\d", name):
        return REDHAT if "micro" not in name else None
    return _of_cuda(tag) if name == "nvidia/cuda" else _ELSEWHERE.get(name)


def _of_cuda(tag: str) -> str | None:
    if "ubuntu" in tag:
        return DEBIAN
    if re.search(r"ubi\d|rockylinux|centos|oraclelinux|amzn|cm2", tag):
        return REDHAT
    return SUSE if "suse" in tag or "sles" in tag else None
