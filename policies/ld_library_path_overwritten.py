"""ld-library-path-overwritten: LD_LIBRARY_PATH set on a CUDA base without keeping what the base had there."""

from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis import environment
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_DRIVER = "/usr/local/nvidia/lib64"  # where some container platforms mount the host's driver
_CUDA = "/usr/local/cuda/lib64"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV of the shipped stages that replaces LD_LIBRARY_PATH on a CUDA base."""
    variable = environment.shipped(dockerfile).get("LD_LIBRARY_PATH")
    base = facts.cuda_base(dockerfile.final.image) if variable is not None else None
    if variable is None or base is None:
        return
    if "$LD_LIBRARY_PATH" in variable.value or "${LD_LIBRARY_PATH" in variable.value:
        return  # nothing was lost on the way to the end
    kept = {entry.rstrip("/") for entry in variable.entries}
    lost = [folder for folder in _set_by(base.version.release if base.version else None) if folder not in kept]
    if not lost or _linked(kept, lost):
        return
    setting = next(
        (one for one in reversed(variable.settings) if "LD_LIBRARY_PATH" not in one.written), variable.last
    )
    what = f"the driver's {_DRIVER}" if _DRIVER in lost else ", ".join(lost)
    text = setting.text
    edit = environment.rewritten(dockerfile, setting, f"{text.rstrip(':')}:${{LD_LIBRARY_PATH}}") if text else None
    yield environment.problem(
        dockerfile,
        setting,
        f"LD_LIBRARY_PATH loses the base's folders, among them {what}",
        fix=mend.fix("keep what the base has in LD_LIBRARY_PATH", edit, safe=False),
    )


def _set_by(version: tuple[int, ...] | None) -> tuple[str, ...]:
    """What NVIDIA's images set, by their Dockerfiles: the driver's folder, from 12.8 CUDA's, from 13.0 both."""
    if version and version[0] >= 13:
        return _DRIVER, _CUDA
    return (_CUDA,) if version and version[:2] >= (12, 8) else (_DRIVER,)


def _linked(kept: set[str], lost: list[str]) -> bool:
    """Is all that is lost CUDA's own folder, and kept by another of its names?"""
    others = ("/usr/local/cuda/", "/usr/local/cuda-", "$CUDA_HOME/", "${CUDA_HOME}/", "$CUDA_PATH/", "${CUDA_PATH}/")
    return lost == [_CUDA] and any(one.startswith(others) and "/stubs" not in one and "lib" in one for one in kept)


RULE = Rule(
    id="ld-library-path-overwritten",
    severity=Severity.WARNING,
    hint="keep it: LD_LIBRARY_PATH=/your/folder:${LD_LIBRARY_PATH}",
    look=look,
)
