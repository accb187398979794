"""A scanner's arguments in, its stdout out, with walls around it. Speaks to: bwrap, trivy.

A scanner reads hostile images, and scanners have been hostile themselves (Trivy 0.69.4, March 2026). So it runs with
no network, no environment, no capabilities, and a file system of its own: its binary, what it shall read (read-only),
its cache, and an empty folder. Its bytes are checked before every start. It never runs without these walls.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import settings, tools
from pipeline.errors import DiskFull, PipelineError, ToolFailed

WALLS = (
    "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--clearenv", "--setenv", "HOME", "/tmp",
    # As process 1 it has the process namespace to itself. Otherwise bwrap would be in there with it, and
    # /proc/1/environ would show bwrap's environment, which is ours, in spite of --clearenv.
    "--as-pid-1",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Jail:
    """A trusted scanner and the folder that it may keep things in between runs. `timeout` is seconds."""

    trivy: Path
    sha256: str
    timeout: float = 900
    run: tools.Run = tools.run

    @property
    def cache(self) -> Path:
        """Its cache on this machine; another binary gets another one, since it would believe what it reads there."""
        folder = settings.cache() / "trivy" / self.sha256[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __call__(self, arguments: Sequence[str], *, read_only: Sequence[tuple[Path, str]] = ()) -> str:
        """Run the scanner and return its stdout. `read_only` are (path here, path inside).

        Raises ToolMissing, ToolUntrusted, and ToolFailed when the walls cannot be built or the scanner fails.
        """
        if not self.trivy.is_file():
            raise tools.missing("trivy")
        bwrap, env = tools.need("bwrap"), tools.need("env")
        tools.trusted(self.trivy, self.sha256, "trivy")
        # The scratch folder lies on disk: a tmpfs would let a large image fill this machine's memory.
        with tempfile.TemporaryDirectory(prefix="seatrial-scan-") as scratch:
            binds = [("--ro-bind", str(self.trivy.resolve()), "/trivy"), ("--bind", str(self.cache), "/cache")]
            binds += [("--bind", scratch, "/tmp")]
            binds += [("--ro-bind", str(here), inside) for here, inside in read_only]
            # `env -i`, because --clearenv empties what the scanner inherits but not bwrap's own memory of it.
            argv = [str(env), "-i", str(bwrap), *WALLS, *(word for bind in binds for word in bind),
                    "--proc", "/proc", "--dev", "/dev", "--chdir", "/tmp", "/trivy", *arguments]  # fmt: skip
            try:
                return self.run(argv, timeout=self.timeout)
            except ToolFailed as error:
                raise _explained(error, self.timeout) from None


def _explained(error: ToolFailed, timeout: float) -> PipelineError:
    """The same failure under the name of the program that failed: the walls or the scanner."""
    last = error.stderr.strip().splitlines()[-10:]
    if "no space left on device" in error.stderr:
        return DiskFull(
            "no room left while scanning", hint=f"free space below {settings.cache()} and the temporary folder"
        )
    if error.returncode is None:
        return ToolFailed(
            f"trivy ran longer than {timeout:.0f} s and was stopped",
            hint="allow it more time, or look for what is so large in the image: `measure` names it",
        )
    if last and last[-1].startswith("bwrap:"):
        return ToolFailed(
            f"the scanner's jail cannot be built on this machine: {last[-1]}",
            hint="allow user namespaces (sysctl user.max_user_namespaces; on Ubuntu 24.04 also "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container, a seccomp profile that permits "
            "unshare). The scanner is never started without its jail",
            returncode=error.returncode,
            stderr=error.stderr,
        )
    return ToolFailed(
        f"trivy exited {error.returncode}" + "".join(f"\n  {line}" for line in last),
        hint="run `setup` again for the pinned scanner; the image may also be more than it can read",
        returncode=error.returncode, stderr=error.stderr,
    )  # fmt: skip
