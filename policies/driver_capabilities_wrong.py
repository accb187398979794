"""driver-capabilities-wrong: NVIDIA_DRIVER_CAPABILITIES leaves out a part of the driver that the image needs."""

import re
from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis import environment
from pipeline.analysis.health import health_check, started
from pipeline.analysis.shell import shipped
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# What the NVIDIA container toolkit knows (internal/config/image/capabilities.go).
_KNOWN = ("all", "compat32", "compute", "display", "graphics", "ngx", "none", "utility", "video")
_NEEDS_NVML = r"(?i)(?:nvidia[_-]ml[_-]py3?|pynvml|nvitop|gpustat|nvtop)(?:[=<>~!\[].*)?"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield unknown words in the variable that ships, and a missing `compute` or `utility` that is needed."""
    variable = environment.shipped(dockerfile).get("NVIDIA_DRIVER_CAPABILITIES")
    if variable is None or "$" in variable.value or not variable.value.strip():
        return  # an empty value means the toolkit's own default, compute and utility
    words = [word.strip() for word in variable.value.split(",") if word.strip()]
    unknown = [word for word in words if word not in _KNOWN]
    if unknown:
        near = [meant for word in unknown if (meant := _near(word))]
        hint = f"did you mean {', '.join(near)}?" if near else f"one of: {', '.join(_KNOWN)}"
        message = f"NVIDIA_DRIVER_CAPABILITIES asks for {', '.join(unknown)}, which no driver has"
        yield environment.problem(dockerfile, variable.last, message, hint=hint)
        return
    if "all" in words:
        return
    if "compute" not in words and facts.cuda_base(dockerfile.final.image) is not None:
        message = "without `compute` in NVIDIA_DRIVER_CAPABILITIES the container gets no libcuda"
        yield _problem(dockerfile, variable, message, "compute")
    elif "utility" not in words and (user := _user_of_nvml(dockerfile)):
        message = f"{user} needs `utility` in NVIDIA_DRIVER_CAPABILITIES: nvidia-smi and NVML come with it"
        yield _problem(dockerfile, variable, message, "utility")


def _problem(dockerfile: Dockerfile, variable: environment.Variable, message: str, missing: str) -> Problem:
    setting = variable.last
    value = setting.text
    kept = "" if value == "none" else f"{value},"
    edit = environment.rewritten(dockerfile, setting, kept + missing) if "$" not in value else None
    fix = mend.fix(f"add {missing} to NVIDIA_DRIVER_CAPABILITIES", edit, safe=False)
    return environment.problem(dockerfile, setting, message, fix=fix)


def _user_of_nvml(dockerfile: Dockerfile) -> str | None:
    """What in the image asks NVML while it runs: its command, its health check, or a package made for that."""
    health = health_check(dockerfile)
    for command in (*started(dockerfile), *(health.commands if health else ())):
        if any(re.search(r"\bnvidia-smi\b|\bpynvml\b", word) for word in command.words):
            return "nvidia-smi"
    for one in shipped(dockerfile):
        if "install" in one.command.argv:
            for word in one.command.arguments:
                if re.fullmatch(_NEEDS_NVML, word):
                    return re.split(r"[=<>~!\[]", word)[0]
    return None


def _near(word: str) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word.lower()[:40], _KNOWN, n=1, cutoff=0.6)), None)


RULE = Rule(
    id="driver-capabilities-wrong",
    severity=Severity.WARNING,
    hint="NVIDIA_DRIVER_CAPABILITIES=compute,utility; graphics, video or display where the program uses them",
    look=look,
)
