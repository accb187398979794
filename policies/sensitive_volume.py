"""sensitive-volume: a folder of the system or of the Docker daemon declared as a volume."""

import posixpath
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import walk
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_WHOLE = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/sbin", "/sys", "/usr"}
)
_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each such VOLUME of the stages that ship."""
    for placed in walk.placed(dockerfile, "VOLUME"):
        words = placed.instruction.words
        for word in words if placed.stage.ships else ():
            path = substituted(word, placed.stage)
            plain = posixpath.normpath(path) if path.startswith("/") else path
            below = plain.startswith(("/proc/", "/sys/", "/dev/"))
            if plain in _WHOLE or below or plain.endswith(_SOCKETS):
                alone = len(words) == 1
                fix = mend.fix("drop it", mend.deleted(dockerfile, placed.instruction), safe=False) if alone else None
                message = f"{path} as a volume invites to mount the machine's own there"
                yield Problem(placed.instruction.line, message, stage=placed.stage.label, fix=fix)


RULE = Rule(
    id="sensitive-volume",
    severity=Severity.WARNING,
    hint="declare a folder of the service's own, or none: what a container needs is mounted where it runs",
    look=look,
)
