"""frontend-variable-kept: DEBIAN_FRONTEND in the environment of the containers."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.analysis.environment import Setting
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV of a shipped stage that sets it, unless a later one puts it back."""
    variable = environment.shipped(dockerfile).get("DEBIAN_FRONTEND")
    if variable is None or variable.value not in ("noninteractive", "teletype"):
        return
    for setting in variable.settings:
        fix = _fix(dockerfile, setting)
        yield environment.problem(dockerfile, setting, "only the build wants DEBIAN_FRONTEND, and it ships", fix=fix)


def _fix(dockerfile: Dockerfile, setting: Setting) -> Fix | None:
    """An ARG. What builds on the image no longer gets the variable: not safe.

    An ARG is seen by the RUNs of its own stage alone: with stages on top of this one, nothing is offered.
    """
    if any(stage.parent == setting.stage.index for stage in dockerfile.stages):
        return None
    if setting.alone and setting.instruction.words[2] == "=":
        keyword = tokens(dockerfile, setting.instruction).keyword.span
        return mend.fix("make it an ARG", mend.replaced(keyword, "ARG"), safe=False)
    line = f"ARG DEBIAN_FRONTEND={setting.written}"
    if setting.alone:
        whole = tokens(dockerfile, setting.instruction).whole
        return mend.fix("make it an ARG", mend.replaced(whole, line), safe=False)
    above = mend.above(dockerfile, setting.instruction, line)
    return mend.fix("make it an ARG", above, environment.dropped(dockerfile, setting), safe=False)


RULE = Rule(
    id="frontend-variable-kept",
    severity=Severity.INFO,
    hint="`ARG DEBIAN_FRONTEND=noninteractive`: the build sees it, and containers do not",
    look=look,
)
