"""huge-user-id: useradd with a very high number, which makes lastlog and faillog very long files."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_MOST = 1_000_000  # lastlog has 292 bytes for each number below the highest: 292 MB


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each useradd of such a number without --no-log-init."""
    for ran, call in calls(dockerfile, "useradd"):
        numbers = [substituted(value, ran.stage) for value in call.values("-u", "--uid")]
        if call.place("-l", "--no-log-init") is None and any(
            one.isdigit() and int(one[:18]) > _MOST for one in numbers
        ):
            fix = mend.fix("add --no-log-init", mend.word_added(ran.command, 0, "--no-log-init"))
            yield problem(ran, f"user number {numbers[0]} makes /var/log/lastlog and faillog very long", fix=fix)


RULE = Rule(
    id="huge-user-id",
    severity=Severity.WARNING,
    hint="add --no-log-init, or take a smaller number",
    look=look,
)
