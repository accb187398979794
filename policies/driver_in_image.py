"""driver-in-image: NVIDIA's driver, or a stand-in for it, inside the image."""

import re
from collections.abc import Iterator

from pipeline.installs import substituted, system_installs
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_DRIVER = re.compile(
    r"nvidia-(driver|headless|utils|kernel|dkms|compute-utils|open|legacy|firmware|smi|modprobe|persistenced)(-.*)?"
    r"|xserver-xorg-video-nvidia(-.*)?|cuda-drivers(-.*)?|libcuda1(-.*)?|libnvidia-ml1"
    r"|libnvidia-(cfg1|common|compute|decode|encode|extra|fbc1|gl|gpucomp)(-.*)?"
    r"|cuda(-\d+-\d+)?|cuda-runtime(-\d+-\d+)?|cuda-demo-suite(-.*)?"  # these three ask for cuda-drivers
)
_TOOLKIT = re.compile(r"nvidia-(container-toolkit|container-runtime|docker2?)(-.*)?|libnvidia-container.*")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield installs of driver or container toolkit packages that ship, and driver stubs on the library path."""
    for install in system_installs(dockerfile):
        for pattern, what in ((_DRIVER, "the driver"), (_TOOLKIT, "the container toolkit")):
            names = [name for name in install.packages if pattern.fullmatch(name)]
            if names:
                verb = "is a part of" if len(names) == 1 else "are parts of"
                message = f"{', '.join(names)} {verb} {what}, which belongs to the host"
                yield Problem(install.line, message, stage=install.stage.label)
    for stage in dockerfile.shipped():
        settings = [
            (instruction.line, substituted(value, stage))
            for instruction in stage.instructions
            if instruction.keyword == "ENV"
            for name, value in zip(instruction.words[::3], instruction.words[1::3], strict=False)
            if name == "LD_LIBRARY_PATH"
        ]
        if settings:
            line, value = settings[-1]  # what stands at the end is what runs
            if any(part.rstrip("/").endswith("/stubs") for part in value.strip("\"'").split(":")):
                message = "LD_LIBRARY_PATH holds CUDA's stubs folder: its libcuda is found before the driver's"
                yield Problem(line, message, stage=stage.label, hint="use the stubs in the build stage only")
            return


RULE = Rule(
    id="driver-in-image",
    severity=Severity.ERROR,
    hint="leave it out: the NVIDIA container toolkit on the host puts the matching driver into each container",
    look=look,
)
