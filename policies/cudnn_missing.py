"""cudnn-missing: a framework that needs cuDNN, on an image that has none, or has another major version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts, mend
from pipeline.analysis.bases import shipped_base
from pipeline.analysis.copies import taken
from pipeline.analysis.installs import pip_installs, system_installs
from pipeline.analysis.rebase import rebased
from pipeline.analysis.requirements import canonical, requirement_of
from pipeline.analysis.wheels import shipped_wheels
from pipeline.facts import GpuBase
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Stage

# Packages that open cuDNN when they first need it, and do not install it: from which release on they want cuDNN 9.
_SINCE = {"onnxruntime-gpu": ("1.18.2", "1.18"), "ctranslate2": ("4.5", "4.5"), "tensorflow": ("2.18", "2.18")}
_ALSO = {"faster-whisper": "ctranslate2"}  # no pin of its own: any version of cuDNN may be the right one


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each such install of a shipped stage on an nvidia/cuda base, unless something else brings cuDNN."""
    under = shipped_base(dockerfile)
    base = facts.gpu_base(under.image)
    if base is None or base.name != "nvidia/cuda" or base.cuda is None or base.flavour is None:
        return
    wanting = list(_wanting(dockerfile))
    if not wanting or _brought(dockerfile) or any(one.brings_cuda for one in shipped_wheels(dockerfile, context)):
        return
    for line, stage, name, version in wanting:
        why = _why(name, version, base)
        if why:
            shown = f"{name} {version}" if version else name
            yield Problem(
                line, f"{shown} needs {why}", stage=stage, fix=_fix(dockerfile, under, _major(name, version))
            )


def _fix(dockerfile: Dockerfile, under: Stage, wanted: int | None) -> Fix | None:
    """The same base with cuDNN, where there is one, and of the right major version."""
    tag = facts.cuda_tag(under.image or "")
    if tag is None or tag.library or tag.digest is not None or tag.flavour not in ("runtime", "devel"):
        return None
    for library in ("cudnn", "cudnn9", "cudnn8"):
        image = f"{tag.repository}:{tag.version}-{library}-{tag.flavour}-{tag.os}"
        other, known = facts.cuda_tag(image), facts.gpu_base(image)
        if other is None or known is None or not facts.exists(other) or wanted not in (None, known.cudnn):
            continue
        edit = rebased(dockerfile, under, image, alone=True)
        return mend.fix(f"take the base with {library}", edit, safe=False)
    return None


def _wanting(dockerfile: Dockerfile) -> Iterator[tuple[int, str, str, Version | None]]:
    """Line, stage, name and pinned version of each package that needs cuDNN and does not bring it."""
    for stage in dockerfile.shipped():
        for one in pip_installs(dockerfile, stage):
            for word in one.install.requirements:
                found = requirement_of(word)
                if found and not any(re.search("cuda|cudnn", extra) for extra in found.extras):
                    name = canonical(found.name)
                    if name in _SINCE or name in _ALSO:
                        yield one.command.line, stage.label, name, found.version


def _brought(dockerfile: Dockerfile) -> bool:
    packages = (name for install in system_installs(dockerfile) for name in install.packages)
    return any("cudnn" in name for name in packages) or any(
        "cudnn" in one.path or one.path.endswith(("/site-packages", "/lib64", "/x86_64-linux-gnu", "conda", "venv"))
        for one in taken(dockerfile)
    )


def _why(name: str, version: Version | None, base: GpuBase) -> str | None:
    has_library = base.cudnn is not None
    wanted = _major(name, version)
    if not has_library:
        return f"cuDNN{f' {wanted}' if wanted else ''}, and the base ({base.flavour}, without cudnn) has none"
    if wanted is not None and wanted != base.cudnn:
        return f"cuDNN {wanted}, and the base has cuDNN {base.cudnn}"
    return None


def _major(name: str, version: Version | None) -> int | None:
    """The cuDNN that a release asks for: 9 from one release on, 8 before another; between them nobody can tell."""
    if version is None or name in _ALSO or (name == "tensorflow" and version < Version("2.5")):
        return None
    nine, eight = _SINCE[name]
    return 9 if version >= Version(nine) else 8 if version < Version(eight) else None


RULE = Rule(
    id="cudnn-missing",
    severity=Severity.WARNING,
    hint="take the base with cudnn in its tag, or the package with its CUDA extra: `tensorflow[and-cuda]`",
    look=look,
)
