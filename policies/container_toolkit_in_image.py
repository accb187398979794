"""container-toolkit-in-image: the NVIDIA container toolkit, a part of the host, installed in the image."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import APT, DNF
from pipeline.analysis.shell import Ran, shipped
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Span

_TOOLKIT = (
    r"(nvidia-(container-toolkit|container-runtime|docker2?)|libnvidia-container)(-(base|tools|dev)|1)*([=:~].*)?"
)
_MANAGERS = (*APT, *DNF, "zypper")
_ENGINE = r"(docker(-ce|\.io|-engine)?|containerd(\.io)?|podman|cri-o|moby-engine)([=:~].*)?"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install of the toolkit that ships, except beside a container engine, which does need it."""
    if "nvidia-" not in dockerfile.text:
        return
    found = [one for one in shipped(dockerfile) if one.command.program in _MANAGERS]
    if any(re.fullmatch(_ENGINE, word) for one in found for word in one.command.arguments):
        return
    for one in found:
        names = _packages(one)
        if "install" in one.command.arguments and names:
            verb = "belongs" if len(names) == 1 else "belong"
            message = f"{', '.join(names)} {verb} on the host: inside a container there is nothing for it to do"
            yield Problem(one.command.line, message, stage=one.stage.label, fix=_fix(dockerfile, one))


def _packages(one: Ran) -> list[str]:
    return [re.split("[=:~]", word)[0] for word in one.command.arguments if re.fullmatch(_TOOLKIT, word)]


def _fix(dockerfile: Dockerfile, one: Ran) -> Fix | None:
    """Take the words out, where other packages remain."""
    arguments = one.command.arguments
    others = [word for word in arguments if not word.startswith("-") and not re.fullmatch(_TOOLKIT, word)]
    spans = one.command.argv_spans
    if len(others) < 2 or len(spans) != len(arguments) + 1:  # `install` is one of them
        return None
    edits = []
    raw = mend.content(dockerfile)
    for word, span, before in zip(arguments, spans[1:], spans, strict=False):
        if not re.fullmatch(_TOOLKIT, word):
            continue
        if span is None or before is None:
            return None
        start = span.start
        while raw[start - 1 : start] in (b" ", b"\t"):
            start -= 1
        edits.append(mend.replaced(Span(start, span.end), ""))
    return Fix("leave the container toolkit out", tuple(edits), safe=False)


RULE = Rule(
    id="container-toolkit-in-image",
    severity=Severity.WARNING,
    hint="install it on the host; `docker run --gpus all` then gives the container what it needs",
    look=look,
)
