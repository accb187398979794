"""unknown-user: a USER that nothing in the image creates."""

import re
from collections.abc import Iterator
from itertools import islice

from pipeline.analysis import shell
from pipeline.analysis.bases import is_plain, official_name
from pipeline.analysis.walk import chain, placed, resolved
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

_MOST = 50  # USERs of one file that are looked at
# The users of the plain system images, and those that their packages make.
_USUAL = frozenset({
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
    "backup", "list", "irc", "gnats", "nobody", "operator", "shutdown", "halt", "adm", "postmaster", "cron",
    "ftp", "sshd", "at", "squid", "xfs", "cyrus", "vpopmail", "ntp", "smmsp", "guest", "_apt", "ubuntu", "dbus",
    "messagebus", "systemd-network", "systemd-resolve", "systemd-timesync", "systemd-coredump", "ec2-user",
    "tss", "node",
})  # fmt: skip
# Programs that make no user.
_HARMLESS = frozenset({
    "apt", "apt-get", "apk", "dnf", "microdnf", "yum", "pip", "pip3", "uv", "mkdir", "rm", "chmod", "chown",
    "ln", "cp", "mv", "echo", "printf", "cat", "ls", "touch", "sed", "grep", "cd", "set", "true", "curl",
    "wget", "tar", "unzip", "git", "test", "[", "export", "ldconfig", "find", "python", "python3", "make",
    "cmake", "ninja", "env",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first USER of a needed stage with a name that base, packages and commands above cannot have made.

    Only on bases whose users are known, and only when every command above is one that makes no user: a script, or a
    file that was copied to /etc or /, may have made it.
    """
    for instruction, stage in islice(placed(dockerfile, "USER"), _MOST):
        user = (resolved(dockerfile, stage, instruction.words[0]) or "0").partition(":")[0].strip()
        if not re.fullmatch(r"[a-z_][a-z0-9_-]*", user) or user in _USUAL or not stage.needed:
            continue
        if not (is_plain(stage.image) or official_name(stage.image) == "nvidia/cuda"):
            continue
        if not _may_exist(dockerfile, stage, instruction, user):
            yield Problem(instruction.line, f"nothing creates the user {user}", stage=stage.label)
            return


def _may_exist(dockerfile: Dockerfile, stage: Stage, before: Instruction, user: str) -> bool:
    return any(
        one.line < before.line and _may_make(dockerfile, one, user)
        for each in chain(dockerfile, stage)
        for one in each.instructions
    )


def _may_make(dockerfile: Dockerfile, instruction: Instruction, user: str) -> bool:
    if instruction.keyword == "ONBUILD":
        return True
    if instruction.keyword in ("COPY", "ADD"):
        target = instruction.words[-1].strip("\"'")
        return "$" in target or target.rstrip("/.") in ("", "/etc") or target.startswith("/etc/passwd")
    if instruction.keyword != "RUN":
        return False
    if user in instruction.original or any(user in heredoc.content for heredoc in instruction.heredocs):
        return True
    commands = shell.commands(dockerfile, instruction)
    return not commands or any(command.program not in _HARMLESS for command in commands if command.words)


RULE = Rule(
    id="unknown-user",
    severity=Severity.ERROR,
    hint="create it above (`useradd`, `adduser`), or write a number: that needs no entry in /etc/passwd",
    look=look,
)
