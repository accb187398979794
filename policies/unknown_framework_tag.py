"""unknown-framework-tag: a tag of a framework's image that cannot exist."""

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from pipeline import facts, mend
from pipeline.analysis.bases import as_written, is_at, problem_with
from pipeline.analysis.rebase import rebased
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_PYTORCH = r"(?P<torch>\d+\.\d+(?:\.\d+)?)-cuda(?P<cuda>[\d.]+)-cudnn(?P<cudnn>\d+)-(?P<flavour>runtime|devel)"
_MONTHLY = {  # NVIDIA's monthly images, and what follows YY.MM
    "nvidia/pytorch": "-py3", "nvidia/tritonserver": "-py3", "nvidia/tensorflow": "-tf2-py3",
}  # fmt: skip
_WHOLE = r"\d+\.\d+(?:\.\d+)?(?:[-.]\w+)*"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage whose tag its image has never had; beside a digest the tag is not used."""
    for stage in dockerfile.stages:
        if not stage.needed or stage.parent is not None or stage.image is None:
            continue
        parts = facts.reference(stage.image)
        if parts.digest is not None:
            continue
        found = _wrong(stage.image, parts.tag)
        if found is None:
            continue
        why, better = found
        edit = rebased(dockerfile, stage, f"{parts.repository}:{better}") if better else None
        fix = mend.fix(f"take {better}", edit, safe=False)
        yield problem_with(stage, dockerfile, f"{as_written(stage)} does not exist: {why}", fix=fix)


def _wrong(image: str, tag: str | None) -> tuple[str, str | None] | None:
    """Why a tag cannot be, and the one that is meant where that is plain; None for tags that may well exist."""
    if is_at(image, "pytorch/pytorch"):
        return _pytorch(tag or "latest")
    if is_at(image, "tensorflow/tensorflow"):
        short = re.fullmatch(r"(2\.\d+)(-gpu|-gpu-jupyter|-jupyter)?", tag or "")
        return ("a version has three parts here", f"{short[1]}.0{short[2] or ''}") if short else None
    for name, ending in _MONTHLY.items():
        if is_at(image, name) and "nvcr.io" in image:
            if tag in (None, "latest"):
                return f"NVIDIA publishes it by month only, like 25.06{ending}", None
            if re.fullmatch(r"\d{2}\.\d{2}", tag or ""):
                return f"the tag goes on with {ending}", f"{tag}{ending}"
    return None


def _pytorch(tag: str) -> tuple[str, str | None] | None:
    found = re.fullmatch(_PYTORCH, tag)
    if found is None:
        if re.fullmatch(r"\d+\.\d+(?:\.\d+)?", tag):
            return "the tag goes on with -cudaX.Y-cudnnN-runtime or -devel", None
        if re.fullmatch(r"\d+\.\d+(?:\.\d+)?-cuda[\d.]+(?:-cudnn\d+)?(?:-base)?", tag):
            return "the tag ends in -cudnnN-runtime or -cudnnN-devel", None
        return None
    torch = Version(found["torch"])
    if torch < Version("1.11"):
        return None
    if len(torch.release) == 2:
        return "torch's version has three parts here", tag.replace(found["torch"], f"{found['torch']}.0", 1)
    try:
        cuda = Version(found["cuda"])
    except InvalidVersion:
        return None
    if len(cuda.release) != 2:
        better = f"{cuda.major}.{cuda.minor}"
        return "CUDA's version has two parts here", tag.replace(f"cuda{found['cuda']}", f"cuda{better}", 1)
    offered = facts.torch_index_cuda(torch)
    if offered is not None and cuda not in offered:
        there = ", ".join(str(version) for version in sorted(offered))
        return f"torch {torch} comes with CUDA {there}", None
    return None


RULE = Rule(
    id="unknown-framework-tag",
    severity=Severity.ERROR,
    hint="write it like pytorch/pytorch:2.7.1-cuda12.6-cudnn9-runtime or nvcr.io/nvidia/pytorch:25.06-py3",
    look=look,
)
