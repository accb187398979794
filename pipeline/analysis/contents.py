"""A Dockerfile in, whether its image lacks a program for sure out. Speaks to: nothing.

Known bases only, and only where every command of the shipped stages is one that cannot bring the program. What is
known of NVIDIA's images comes from their Dockerfiles: those for Ubuntu install curl and purge it in the same RUN.
"""

from __future__ import annotations

import re

from pipeline import facts
from pipeline.analysis.bases import official_name
from pipeline.analysis.calls import APT, DNF
from pipeline.analysis.shell import Ran, shipped
from pipeline.analysis.variables import substituted
from pipeline.analysis.walk import copied_from
from pipeline.model import Dockerfile, once_per_file

TOOLS = frozenset({"curl", "wget", "nc", "python", "sh"})

_MANAGERS = (*APT, *DNF, "apk", "zypper")
# Commands that bring no program but those that their words name.
_HARMLESS = frozenset({
    "", ":", "[", "[[", "addgroup", "adduser", "apt-key", "apt-mark", "awk", "cat", "cd", "chmod", "chown", "cp",
    "cut", "date", "dpkg", "echo", "exit", "export", "false", "find", "getent", "git", "gpg", "grep", "groupadd",
    "hash", "head", "id", "install", "ldconfig", "ln", "locale-gen", "ls", "mkdir", "mv", "pip", "pip3", "printf",
    "pwd", "python", "python3", "rm", "sed", "set", "sleep", "sort", "source", "tail", "tar", "tee", "test",
    "touch", "tr", "true", "umask", "uname", "unset", "unzip", "update-alternatives", "update-ca-certificates",
    "useradd", "usermod", "uv", "wc", "which",
})  # fmt: skip
_PACKAGES = {
    "curl": r"curl(?:-minimal)?|apt-file|devscripts",
    "wget": r"wget|busybox|google-chrome-stable",
    "nc": r"netcat.*|nmap(?:-ncat)?|ncat|busybox",
    "python": r".",
    "sh": r"(?!)",
}
_FOLDERS = r"/|/(?:usr/)?(?:local/)?(?:s?bin/?)?|/usr/local/?|/opt/?"


@once_per_file
def lacks(dockerfile: Dockerfile, program: str) -> bool:
    """Is it sure that the shipped image has no `program` (one of TOOLS; python is any Python 3)?"""
    if program not in _missing_from(dockerfile.final.image):
        return False
    return not _copied(dockerfile, program) and not any(_may_bring(one, program) for one in shipped(dockerfile))


def tool(program: str) -> str | None:
    """Which of TOOLS a program is: python3.12 is python, netcat is nc; None for others."""
    if program in ("nc", "ncat", "netcat"):
        return "nc"
    return "python" if re.fullmatch(r"python3?(?:\.\d+)?", program) else program if program in TOOLS else None


def has_python(dockerfile: Dockerfile) -> bool:
    """Is the base one of the official Python images?"""
    return official_name(dockerfile.final.image) == "python"


def _missing_from(image: str | None) -> frozenset[str]:
    name, tag = official_name(image) or "", facts.reference(image or "").tag or ""
    cuda = facts.cuda_tag(image) if image else None
    if cuda is not None and (cuda.os or "").startswith("ubuntu"):
        return frozenset({"curl", "wget", "nc"} | ({"python"} if cuda.flavour in ("base", "runtime") else set()))
    if name in ("ubuntu", "debian"):
        return frozenset({"curl", "wget", "nc", "python"})
    if name == "python":
        return frozenset({"curl", "wget", "nc"} if "slim" in tag else {"curl"} if "alpine" in tag else {"nc"})
    if name == "alpine":
        return frozenset({"curl", "python"})
    if "/distroless/" in f"/{name}" and "debug" not in tag:
        return frozenset(TOOLS - ({"python"} if "/python" in name else set()))
    return frozenset()


def _copied(dockerfile: Dockerfile, program: str) -> bool:
    """May a COPY bring the program? From the build context only a file of that name does."""
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            if instruction.keyword not in ("COPY", "ADD"):
                continue
            words = [substituted(word, stage) for word in instruction.words]
            elsewhere = copied_from(instruction) is not None or instruction.keyword == "ADD"
            if any(word.rstrip("/").rpartition("/")[2].startswith(program) for word in words):
                return True
            if words and elsewhere and (program == "python" or re.fullmatch(_FOLDERS, words[-1])):
                return True
            if program == "sh" and any("busybox" in word for word in words):
                return True
    return False


def _may_bring(one: Ran, program: str) -> bool:
    command = one.command
    if command.program == program or (program == "python" and command.program.startswith(("python", "uv"))):
        return True  # it is used, so it is there
    if command.program not in _MANAGERS:
        return command.program not in _HARMLESS
    words = [part for word in command.arguments for part in substituted(word, one.stage).split()]
    if "install" not in words and "add" not in words:
        return False
    return any("$" in word or re.fullmatch(_PACKAGES[program], re.split("[=:~<>]", word)[0]) for word in words) or (
        program == "python"
    )
