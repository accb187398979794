"""driver-in-image: NVIDIA's driver inside the image."""

import re
from collections.abc import Iterator
from posixpath import basename

from pipeline.analysis.installs import system_installs
from pipeline.analysis.shell import Ran, shipped
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_DRIVER = (
    r"nvidia-(driver|headless|utils|kernel|dkms|compute-utils|open|legacy|firmware|smi|modprobe|persistenced)(-.*)?"
    r"|xserver-xorg-video-nvidia(-.*)?|cuda-drivers(-.*)?|libcuda1(-.*)?|libnvidia-ml1"
    r"|libnvidia-(cfg1|common|compute|decode|encode|extra|fbc1|gl|gpucomp)(-.*)?"
    r"|cuda(-\d+-\d+)?|cuda-runtime(-\d+-\d+)?|cuda-demo-suite(-.*)?"  # these three ask for cuda-drivers
)
_RUNFILE = r"(?i)NVIDIA-Linux-[\w.-]+\.run"
_TOOLKIT_RUNFILE = r"cuda_[\d.]+_\d[\d.]*_linux[\w-]*\.run"  # the toolkit with the driver in it
_LIBRARY = r"lib(?:cuda|nvidia-ml|nvidia-ptxjitcompiler|nvcuvid)\.so(?:\.[\d.]+)?"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield installs of driver packages that ship, NVIDIA's own installers, and copied libraries of the driver."""
    if "nvidia" not in dockerfile.text.lower() and "cuda" not in dockerfile.text:
        return
    for install in system_installs(dockerfile):
        names = [name for name in install.packages if re.fullmatch(_DRIVER, name)]
        if names:
            verb = "is a part of" if len(names) == 1 else "are parts of"
            message = f"{', '.join(names)} {verb} the driver, which belongs to the host"
            yield Problem(install.command.line, message, stage=install.stage.label)
    for one in shipped(dockerfile):
        name = _installer(one)
        if name is not None:
            message = f"{name} installs the driver, which belongs to the host"
            yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            if instruction.keyword in ("COPY", "ADD"):
                for word in instruction.words[:-1]:
                    path = substituted(word, stage)
                    if re.fullmatch(_LIBRARY, basename(path)) and "/stubs/" not in path and "/compat/" not in path:
                        message = f"{basename(path)} is a part of the driver, which belongs to the host"
                        yield Problem(instruction.line, message, stage=stage.label)


def _installer(one: Ran) -> str | None:
    """`sh NVIDIA-Linux-x86_64-550.54.14.run`, and the toolkit's own installer where it is not told --toolkit."""
    command = one.command
    for word in command.argv[:2] if command.argv else ():
        name = basename(substituted(word, one.stage))
        if re.fullmatch(_RUNFILE, name) and "--extract-only" not in command.words and "-x" not in command.words:
            return name
        if re.fullmatch(_TOOLKIT_RUNFILE, name) and any(word.startswith("--driver") for word in command.words):
            return name
    return None


RULE = Rule(
    id="driver-in-image",
    severity=Severity.ERROR,
    hint="leave it out: the NVIDIA container toolkit on the host puts the matching driver into each container",
    look=look,
)
