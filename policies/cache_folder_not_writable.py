"""cache-folder-not-writable: models and kernels are cached in a folder that the image's user may not write."""

import re
from collections.abc import Iterator

from pipeline.analysis import environment
from pipeline.analysis.bases import is_at, official_name
from pipeline.analysis.health import model_server
from pipeline.analysis.shell import shipped
from pipeline.analysis.walk import last_shipped
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_CACHES = (
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME", "TRITON_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "VLLM_CACHE_ROOT", "CUDA_CACHE_PATH", "NLTK_DATA",
    "MPLCONFIGDIR", "HOME",
)  # fmt: skip
_ENOUGH = frozenset(
    {"HOME", "HF_HOME", "XDG_CACHE_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"}
)
_MAKES_USERS = frozenset({"useradd", "adduser", "usermod", "install", "sh", "bash", "chmod"})


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield caches below /root for another user, and a user without a home in an image that loads models."""
    user = last_shipped(dockerfile, "USER")
    if user is None:
        return
    name = user.instruction.words[0].partition(":")[0]
    if "$" in name or name in ("root", "0"):
        return
    variables = environment.shipped(dockerfile)
    if not re.search(r"chmod\b.{0,200}/root\b", dockerfile.text):
        for cache in _CACHES:
            variable = variables.get(cache)
            if variable is not None and re.match(r"/root(?:/|$)", variable.value):
                message = f"{cache} lies in /root, where the user {name} may neither write nor read"
                yield environment.problem(dockerfile, variable.last, message)
    if name.isdecimal() and not _ENOUGH & variables.keys() and _homeless(dockerfile, name):
        loads = model_server(dockerfile)
        if loads is not None:
            message = f"the user {name} has no home: {loads} would cache below /.cache, which it may not make"
            yield Problem(user.instruction.line, message)


def _homeless(dockerfile: Dockerfile, user: str) -> bool:
    """Is it sure that no line of /etc/passwd names this user?"""
    image = dockerfile.final.image or ""
    known = official_name(image) in ("python", "debian", "ubuntu") or is_at(image, "nvidia/cuda")
    if not known or "/etc/passwd" in dockerfile.text:
        return False
    if int(user[:9]) < 1000 or int(user[:9]) == 65534 or (user == "1000" and "ubuntu" in image):
        return False  # the system's own users; Ubuntu's images have had a user 1000 since 24.04
    return not any(one.command.program in _MAKES_USERS for one in shipped(dockerfile))


RULE = Rule(
    id="cache-folder-not-writable",
    severity=Severity.WARNING,
    hint="ENV HF_HOME=/tmp/huggingface XDG_CACHE_HOME=/tmp, or a folder that was given to the user, or a volume",
    look=look,
)
