"""cuda-compat-forced: the forward compatibility libraries put before the host's driver."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.analysis.shell import shipped
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_FOLDER = r"/(?:usr/local|opt)/cuda(?:-[\w.*]+)?/compat/?(?=$|[\s\"':;])"
_JETSON = r"(?i)l4t|jetson|tegra"  # there this folder is the way to a newer CUDA
_LIBRARY = r"/(?:usr/local|opt)/cuda(?:-[\w.*]+)?/compat/(?:libcuda\.so[\w.*]*)?"
_BY_NAME = r"\$\{?CUDA_(?:HOME|PATH|ROOT)\}?/compat/?"
_OWN_ENTRYPOINT = r"(?:^|/)nvcr\.io/nvidia/(?!cuda:)"  # their entrypoint looks at the driver before it takes compat


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV, the ldconfig or the loader's configuration that makes cuda-compat win on every host."""
    if "/compat" not in dockerfile.text:
        return
    if re.search(_OWN_ENTRYPOINT, dockerfile.final.image or "") or re.search(_JETSON, dockerfile.text):
        return
    variable = environment.shipped(dockerfile).get("LD_LIBRARY_PATH")
    if variable is not None and any(_compat(entry) for entry in variable.entries):
        setting = variable.setting_with(_compat)
        edit = environment.without(dockerfile, setting, _compat)
        yield environment.problem(
            dockerfile,
            setting,
            "LD_LIBRARY_PATH puts cuda-compat before the host's own driver, whatever that is",
            fix=mend.fix("take cuda-compat out of LD_LIBRARY_PATH", edit, safe=False),
        )
    for one in shipped(dockerfile):
        command = one.command
        if command.program in ("ln", "cp") and len(command.arguments) > 1:
            sources = (substituted(word, one.stage) for word in command.arguments[:-1])
            target = substituted(command.arguments[-1], one.stage)
            if re.match(r"/(?:usr/)?lib", target) and any(re.match(_LIBRARY, source) for source in sources):
                message = f"{target} becomes cuda-compat's libcuda, in the place of the host's own driver"
                yield Problem(command.line, message, stage=one.stage.label, at=command.span)
        elif command.program in ("ldconfig", "echo", "printf", "tee"):
            text = " ".join(substituted(word, one.stage) for word in command.arguments)
            into = " ".join(target for _, target in command.redirects)
            lasting = command.program == "ldconfig" or "ld.so.conf" in into or "ld.so.conf" in text
            if lasting and re.search(_FOLDER, text):
                message = "the loader's cache gives cuda-compat before the host's own driver, whatever that is"
                yield Problem(command.line, message, stage=one.stage.label)


def _compat(entry: str) -> bool:
    return bool(re.fullmatch(rf"{_FOLDER}|{_BY_NAME}", entry))


RULE = Rule(
    id="cuda-compat-forced",
    severity=Severity.WARNING,
    hint="leave it to the host: NVIDIA's container toolkit takes cuda-compat where the driver is older and allows it",
    look=look,
)
