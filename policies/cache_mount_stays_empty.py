"""cache-mount-stays-empty: a cache mount for apt's packages, which the base image deletes after each install."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.bases import DEBIAN, family
from pipeline.analysis.calls import by_program, problem, read
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity

_KEEP = (
    "RUN rm -f /etc/apt/apt.conf.d/docker-clean"
    """ && echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' > /etc/apt/apt.conf.d/keep-cache"""
)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first such install of each stage, on bases that are known to hold docker-clean."""
    if "type=cache" not in dockerfile.text or "docker-clean" in dockerfile.text:
        return
    if "Keep-Downloaded-Packages" in dockerfile.text:
        return
    seen: set[int] = set()
    for program in ("apt-get", "apt"):
        for ran in by_program(dockerfile).get(program, ()):
            if read(ran.command).verb != "install" or family(ran.stage.image) != DEBIAN:
                continue
            if ran.stage.index not in seen and _mounts_archives(ran.instruction):
                seen.add(ran.stage.index)
                fix = mend.fix("keep the packages", mend.above(dockerfile, ran.instruction, _KEEP), safe=False)
                message = "the base image deletes downloaded packages after each install (docker-clean)"
                yield problem(ran, f"{message}: the cache mount stays empty", fix=fix)


def _mounts_archives(instruction: Instruction) -> bool:
    targets = (one.target.rstrip("/") for one in mounts(instruction, "cache"))
    return any(target in ("/var/cache/apt", "/var/cache/apt/archives", "/var/cache") for target in targets)


RULE = Rule(
    id="cache-mount-stays-empty",
    severity=Severity.INFO,
    hint="remove /etc/apt/apt.conf.d/docker-clean before, or mount /var/lib/apt/lists alone",
    look=look,
    by_default=False,
)
