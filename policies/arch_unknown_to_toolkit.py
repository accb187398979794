"""arch-unknown-to-toolkit: an architecture in the list that the base's nvcc cannot compile for."""

import re
from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.architectures import ArchList, Capability, arch_lists, shown
from pipeline.mend import replaced
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each list with a capability that came after the stage's CUDA, or that it has dropped."""
    lists = arch_lists(dockerfile)
    other = bool(lists) and _other_nvcc(dockerfile)
    for each in lists:
        if other and each.variable != "nvcc":
            continue
        base = facts.gpu_base(each.stage.image)
        known = facts.compiles_for(base.cuda) if base is not None and base.cuda is not None else None
        if base is None or base.cuda is None or known is None:
            continue
        unknown = list(
            dict.fromkeys(one.capability for one in each.architectures if shown(one.capability) not in known)
        )
        if unknown:
            yield Problem(
                each.line,
                f"nvcc of CUDA {base.cuda} does not know {', '.join(_named(one, base.cuda) for one in unknown)}; "
                f"it compiles for {known[0]} to {known[-1]}",
                stage=each.stage.label,
                fix=_fix(each, unknown),
            )


def _other_nvcc(dockerfile: Dockerfile) -> bool:
    """Does a package bring an nvcc, perhaps of another version than the base's?"""
    pattern = r"cuda-(?:toolkit|nvcc|compiler|\d)|nvidia-cuda-(?:toolkit|nvcc)|cuda-version|cudatoolkit"
    return any(
        ran.command.program not in ("rm", "ls", "echo", "ln") and re.search(pattern, " ".join(ran.command.arguments))
        for ran in shell.needed(dockerfile)
    )


def _named(capability: Capability, cuda: Version) -> str:
    renamed = capability == (10, 1) and cuda.major >= 13
    return f"{shown(capability)} (called 11.0 since CUDA 13)" if renamed else shown(capability)


def _fix(each: ArchList, unknown: list[Capability]) -> Fix | None:
    """Take the unknown ones out, where others stay."""
    if each.span is None or each.variable != "TORCH_CUDA_ARCH_LIST":
        return None
    parts = re.split(r"([;, ]+)", each.value)
    kept = [word for word in parts[::2] if not any(re.match(rf"{shown(one)}(?![0-9])", word) for one in unknown)]
    if not kept or len(kept) == len(parts[::2]):
        return None
    text = (parts[1] if len(parts) > 1 else ";").join(kept)
    return Fix(f"compile for {text} only", (replaced(each.span, text),), safe=False)


RULE = Rule(
    id="arch-unknown-to-toolkit",
    severity=Severity.ERROR,
    hint="take a CUDA version that knows it as the base, or take it out of the list",
    look=look,
)
