"""driver-check-disabled: the check of the host's driver at the start switched off, overwritten or unreadable."""

import re
from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis import environment
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity

_CONDITION = r"(?:cuda|driver|brand|arch)(?:>=|<=|!=|>|<|=)[\w.-]+"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield NVIDIA_DISABLE_REQUIRE, and an NVIDIA_REQUIRE_CUDA that is empty, too weak, or no condition at all."""
    if "NVIDIA_" not in dockerfile.text:
        return
    variables = environment.shipped(dockerfile)
    disabled = variables.get("NVIDIA_DISABLE_REQUIRE")
    if disabled is not None and disabled.value.lower() in ("1", "t", "true"):
        edit = environment.dropped(dockerfile, disabled.last)
        single = edit is not None and len(disabled.settings) == 1
        yield environment.problem(
            dockerfile,
            disabled.last,
            "the container starts on any driver: one that is too old shows only when the program calls CUDA",
            fix=Fix("let the driver be checked", (edit,), safe=False) if edit and single else None,
        )
    required = variables.get("NVIDIA_REQUIRE_CUDA")
    message = _wrong(dockerfile, required.value) if required is not None else None
    if required is not None and message:
        yield environment.problem(dockerfile, required.last, message)


def _wrong(dockerfile: Dockerfile, value: str) -> str | None:
    base = facts.cuda_base(dockerfile.final.image)
    if "$" in value:
        return None
    if not value.strip():
        if base is None:
            return None
        return "emptied, NVIDIA_REQUIRE_CUDA is stricter than the base's: the driver branches that it allows are lost"
    broken = [part for part in re.split(r"[\s,]+", value.strip()) if not re.fullmatch(_CONDITION, part)]
    if broken:
        return f"`{broken[0][:60]}` in NVIDIA_REQUIRE_CUDA is no condition: the container does not start"
    asked = [tuple(map(int, one.split("."))) for one in re.findall(r"cuda>=(\d{1,4}(?:\.\d{1,4})?)(?![\w.])", value)]
    if base is None or base.version is None or not asked or min(asked) >= base.version.release[:1]:
        return None
    lowest = ".".join(str(part) for part in min(asked))
    return f"NVIDIA_REQUIRE_CUDA lets drivers for CUDA {lowest} start an image with CUDA {base.version}"


RULE = Rule(
    id="driver-check-disabled",
    severity=Severity.WARNING,
    hint="leave these variables as the base image sets them; `docker run -e` can still switch the check off",
    look=look,
)
