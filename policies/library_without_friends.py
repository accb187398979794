"""library-without-friends: a CUDA library copied without the libraries that it loads."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.copies import Taken, taken
from pipeline.analysis.installs import system_installs
from pipeline.analysis.wheels import shipped_wheels
from pipeline.mend import replaced, written
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens

# What a library is linked to, or opens when it is first used. The number is its file's: libcudnn.so.9.
_FRIENDS = {
    "libcublas": ("libcublasLt",),
    "libcusolver": ("libcublas", "libcublasLt", "libcusparse"),
    "libcusolverMg": ("libcusolver", "libcublas", "libcublasLt", "libcusparse"),
    "libnvrtc": ("libnvrtc-builtins",),
    "libnvinfer_plugin": ("libnvinfer",),
    "libnvonnxparser": ("libnvinfer",),
}
_CUDNN = {
    "8": ("libcudnn_ops_infer", "libcudnn_cnn_infer", "libcudnn_adv_infer"),
    "9": ("libcudnn_graph", "libcudnn_ops", "libcudnn_cnn", "libcudnn_engines_precompiled"),
}
_FILE = r"(lib[\w-]+?|lib[\w-]*\*[\w-]*)\.so(?:\.([\d*]+)[\d.*]*|\*)?"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY --from of a CUDA library whose companions neither the base, a package nor a COPY brings."""
    base = facts.cuda_base(dockerfile.final.image)
    copied = [(one, found) for one in taken(dockerfile) if (found := _library(one.path))]
    if not copied or (base is not None and base.flavour in ("runtime", "devel") and base.library):
        return
    patterns = [found[0] for _, found in copied]
    if _whole_folder(dockerfile) or any(wheel.brings_cuda for wheel in shipped_wheels(dockerfile, context)):
        return
    installed = " ".join(name for install in system_installs(dockerfile) for name in install.packages)
    for one, (name, version) in copied:
        cudnn = name == "libcudnn"
        if base is not None and base.flavour in ("runtime", "devel") and not cudnn:
            continue
        friends = _CUDNN.get(version, ()) if cudnn else _FRIENDS.get(name, ())
        missing = [friend for friend in friends if not _brought(friend, patterns, installed)]
        if missing:
            yield Problem(
                one.instruction.line,
                f"{one.path} needs {', '.join(missing)}, and nothing brings {'it' if len(missing) == 1 else 'them'}",
                stage=one.stage.label,
                fix=_fix(dockerfile, one, name, missing),
            )
    yield from _nowhere(dockerfile, base is not None)


def _fix(dockerfile: Dockerfile, one: Taken, name: str, missing: list[str]) -> Fix | None:
    """Copy the group: `libcublas*.so.12` in the place of `libcublas.so.12`, into a folder."""
    words = tokens(dockerfile, one.instruction).words
    if not one.instruction.words[-1].endswith("/") or not all(friend.startswith(name) for friend in missing):
        return None
    for token in words[:-1]:
        text = written(dockerfile, token.span)
        if text == token.text == one.path:
            better = text.replace(f"/{name}.so", f"/{name}*.so")
            return Fix(f"copy {name}*", (replaced(token.span, better),), safe=False)
    return None


def _library(path: str) -> tuple[str, str] | None:
    """The name and the version of a shared library that a path names: libcudnn, 9. A `*` in the name stays."""
    found = re.fullmatch(_FILE, path.rpartition("/")[2])
    known = "|".join((*_FRIENDS, "libcu", "libnv", "libnpp", "libnccl"))
    return (found[1], found[2] or "") if found and re.match(known, found[1]) else None


def _brought(friend: str, patterns: list[str], packages: str) -> bool:
    if any(fnmatchcase(friend, pattern) for pattern in patterns):
        return True
    package = friend.lower().replace("cublaslt", "cublas").partition("_")[0].partition("-")[0]
    return package in packages or "cuda-libraries" in packages or "cuda-toolkit" in packages


def _whole_folder(dockerfile: Dockerfile) -> bool:
    """Is a whole folder of libraries copied, whose content nobody can tell from here?"""
    return any(re.search(r"/(?:lib|lib64|lib/x86_64-linux-gnu|cuda[\d.-]*|local|usr)$|^/$|/\*$", one.path)
               for one in taken(dockerfile))  # fmt: skip


def _nowhere(dockerfile: Dockerfile, cuda: bool) -> Iterator[Problem]:
    """Libraries below /usr/local/cuda, on an image whose loader does not look there."""
    if cuda or any("ldconfig" in (ran.command.program, *ran.command.arguments) or "ld.so" in " ".join(
            (*ran.command.words, *(target for _, target in ran.command.redirects)))
            for ran in shell.shipped(dockerfile)):  # fmt: skip
        return
    searched = dockerfile.final.environment.get("LD_LIBRARY_PATH", "").split(":")
    for one in taken(dockerfile):
        folder = one.destination if ".so" not in one.destination else one.destination.rpartition("/")[0]
        if _library(one.path) and folder.startswith("/usr/local/cuda") and folder not in searched:
            yield Problem(
                one.instruction.line,
                f"the loader does not look into {folder}: neither ldconfig nor LD_LIBRARY_PATH names it",
                stage=one.stage.label,
                hint="copy to /usr/lib/x86_64-linux-gnu, or set LD_LIBRARY_PATH, or run ldconfig",
            )


RULE = Rule(
    id="library-without-friends",
    severity=Severity.WARNING,
    hint="copy the whole group (`libcublas*.so.*`), or ship on a runtime image, which has them",
    look=look,
)
