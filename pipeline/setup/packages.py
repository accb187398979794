"""Names of missing parts in, installed system packages out. Speaks to: apt, dpkg, sudo where we are not root."""

from __future__ import annotations

import json
import os
import platform
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import tools
from pipeline.errors import PipelineError, ToolFailed
from pipeline.setup import daemons, pinning

# part → packages. Ubuntu's names differ where Debian's newer suite has split or renamed a package.
DEBIAN: Mapping[str, tuple[str, ...]] = {
    "engine": ("docker.io",),
    "iptables": ("iptables",),
    "docker client": ("docker-cli",),
    "buildx": ("docker-buildx",),
    "compose": ("docker-compose",),
    "registry": ("docker-registry",),
    "cosign": ("cosign",),
    "oras": ("oras",),
    "bubblewrap": ("bubblewrap",),
    "bootstrap": ("mmdebstrap", "debootstrap", "uidmap"),  # the last for those who are not root
    "browser": ("chromium",),  # this and the next: for this repository's own tests
    "compiler": ("gcc", "libc6-dev"),
}
UBUNTU: Mapping[str, tuple[str, ...]] = {
    **DEBIAN, "docker client": ("docker.io",), "compose": ("docker-compose-v2",), "browser": (),  # there it is a snap
}  # fmt: skip

NEEDS_NEWER = ("bookworm", "trixie")  # Debian releases that run the newer suite's programs: libc 2.34 or later
LOCK_PATIENCE = 600  # seconds; unattended-upgrades on a fresh cloud machine takes minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The distribution, from os-release."""

    family: str  # debian | ubuntu | other
    codename: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What root would do: files to write, then packages to install."""

    files: tuple[tuple[Path, str], ...]
    packages: tuple[str, ...]

    def commands(self) -> str:
        """The same as lines to paste into a root shell."""
        lines = [f"mkdir -p {path.parent} && printf %s {shlex.quote(text)} > {path}" for path, text in self.files]
        install = " ".join(("apt-get", "install", "-y", "--no-install-recommends", *self.packages))
        return "\n".join((*lines, "apt-get update", install))


def release(os_release: Mapping[str, str] | None = None) -> Release:
    """Which distribution this is; `other` is everything that does not call itself Debian or Ubuntu."""
    try:
        fields = dict(os_release if os_release is not None else platform.freedesktop_os_release())
    except OSError:
        fields = {}
    family = fields.get("ID", "")
    return Release(
        family=family if family in ("debian", "ubuntu") else "other",
        codename=fields.get("VERSION_CODENAME", ""),
        label=fields.get("PRETTY_NAME", "an unknown system"),
    )


def plan(missing: tuple[str, ...], on: Release, etc: Path = Path("/etc")) -> Plan:
    """What to do so that the parts named in `missing` are there. Raises PipelineError where we do not know how."""
    names = UBUNTU if on.family == "ubuntu" else DEBIAN
    packages = tuple(dict.fromkeys(package for part in missing for package in names.get(part, ())))
    if on.family == "other" and packages:
        raise PipelineError(
            f"{on.label} is neither Debian nor Ubuntu, whose packages setup knows; missing: {', '.join(missing)}",
            hint="install these with your package manager, or from their projects' releases: Docker Engine 23 or "
            "newer with buildx and compose, cosign 3, oras 1.3, docker-registry, bubblewrap, mmdebstrap",
        )
    files: list[tuple[Path, str]] = []
    if on.family == "debian" and set(packages) & set(pinning.PINNED):
        files += _newer(on, etc / "apt")
    if "docker.io" in packages and "engine" in missing and not (etc / "docker/daemon.json").exists():
        # Before the package starts the engine for the first time: an engine with images keeps the store that it has.
        store = json.dumps({"features": {"containerd-snapshotter": True}}, indent=2)
        files.append((etc / "docker/daemon.json", store + "\n"))
    return Plan(files=tuple((path, text) for path, text in files if not _same(path, text)), packages=packages)


def install(todo: Plan, say: Callable[[str], None], *, run: tools.Run = tools.run) -> None:
    """Carry out a plan as root. Packages that this distribution does not have are said and left out.

    Raises ToolFailed when apt fails.
    """
    root = daemons.privilege()
    for path, text in todo.files:
        say(f"writing {path}")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="seatrial-") as draft:
            draft.write(text)
            draft.flush()
            run([*root, "install", "-D", "-m", "0644", draft.name, str(path)], timeout=30)
    say("apt-get update")
    try:
        _apt(("update",), say, run)
    except ToolFailed as error:  # one broken third-party source must not stop us: the install below decides
        say(f"apt-get update had errors:\n{error.what}")
    packages = available(todo.packages, run=run)
    for package in todo.packages:
        if package not in packages:
            say(f"this distribution has no package {package}: get it from its project's releases")
    if not packages:
        return
    say(f"apt-get install {' '.join(packages)}")
    services = {"docker-registry"} & set(packages) if systemd() else set()
    _apt(("install", "-y", "--no-install-recommends", *packages), say, run)
    for service in services:
        # The package starts it on every interface, with a password that nobody knows, on the port that ours uses.
        run([*root, "systemctl", "disable", "--now", service], timeout=60)


def available(packages: tuple[str, ...], *, run: tools.Run = tools.run) -> tuple[str, ...]:
    """Those of `packages` that apt could install."""
    if not packages:
        return ()
    answer = run(["apt-cache", "policy", *packages], timeout=60, env={"LC_ALL": "C"})
    candidates: dict[str, str] = {}
    name = ""
    for line in answer.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            candidates[name] = line.split(":", 1)[1].strip()
    return tuple(package for package in packages if candidates.get(package, "(none)") != "(none)")


def systemd() -> bool:
    """Whether systemd runs this machine (not merely: is installed)."""
    return Path("/run/systemd/system").is_dir()


def _newer(on: Release, apt: Path) -> list[tuple[Path, str]]:
    if on.codename in (pinning.SUITE, "sid"):
        return []
    if on.codename not in NEEDS_NEWER:
        raise PipelineError(
            f"{on.label} is too old: the engine, cosign and oras that Seatrial needs do not run on its C library",
            hint="use Debian 12 or newer, or install Docker Engine 23+, buildx, compose, cosign and oras yourself",
        )
    found = pinning.archive(on.codename, apt)
    if found is None:
        raise PipelineError(
            f"no apt source below {apt} names {on.codename} main, so the archive's address is not known",
            hint=f"add the machine's usual Debian source for {on.codename}, then run setup again",
        )
    return [
        (apt / "sources.list.d/seatrial.sources", pinning.source(found)),
        (apt / "preferences.d/seatrial", pinning.preferences()),
    ]


def _apt(arguments: tuple[str, ...], say: Callable[[str], None], run: tools.Run) -> None:
    """Run apt-get. apt waits for dpkg's lock by itself; for the lock of the package lists it does not, so we do."""
    command = [*daemons.privilege(), "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q",
               "-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE}", *arguments]  # fmt: skip
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            run(command, timeout=LOCK_PATIENCE + 1800)
            return
        except ToolFailed as error:
            locked = "Could not get lock" in error.stderr or "Unable to lock" in error.stderr
            if not locked or time.monotonic() > deadline:
                raise
        say("another program holds apt's lock; waiting for it")
        time.sleep(5)


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except OSError:
        return False


def refusal(todo: Plan) -> str:
    """What to say when we may not install: the commands."""
    return f"as root (uid {os.geteuid()} is not, or sudo wants a password), run:\n{todo.commands()}"
