"""gpu-chosen-in-image: the image picks one GPU of a machine that it does not know."""

import re
from collections.abc import Iterator

from pipeline.analysis import environment
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity

_ONE = r"(?:\d+|GPU-[0-9a-fA-F-]+|MIG-[\w/-]+)"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV that ships with an index or the UUID of a GPU."""
    if "_VISIBLE_DEVICES" not in dockerfile.text:
        return
    variables = environment.shipped(dockerfile)
    for name, others in (("CUDA_VISIBLE_DEVICES", None), ("NVIDIA_VISIBLE_DEVICES", "all")):
        variable = variables.get(name)
        if variable is None or not re.fullmatch(rf"{_ONE}(?:\s*,\s*{_ONE})*", variable.value.strip()):
            continue
        if others is None:
            title = f"leave {name} to whoever starts the container"
            edit = environment.dropped(dockerfile, variable.last)
        else:
            title, edit = f"set {name} to all", environment.rewritten(dockerfile, variable.last, others)
        many = "," in variable.value
        yield environment.problem(
            dockerfile,
            variable.last,
            f"{name}={variable.value} picks the GPU{'s' * many} of every machine that the image runs on",
            fix=Fix(title, (edit,), safe=False) if edit and len(variable.settings) == 1 else None,
        )


RULE = Rule(
    id="gpu-chosen-in-image",
    severity=Severity.WARNING,
    hint="choose when the container starts: `docker run --gpus device=1`, or the scheduler",
    look=look,
)
