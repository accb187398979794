"""arch-list-misses-fleet: CUDA code compiled for other GPUs than those that it will run on."""

from collections.abc import Iterator, Sequence

from pipeline.analysis.architectures import (
    ArchList,
    Capability,
    arch_lists,
    fleet_of,
    general_stages,
    longer,
    runs_on,
    shown,
)
from pipeline.mend import replaced
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each list of architectures that leaves out a capability of image.yaml's fleet."""
    fleet = fleet_of(context)
    if not fleet:
        return
    for each in arch_lists(dockerfile):
        if not each.general and each.stage.index in general_stages(dockerfile):
            continue  # one package for one GPU, beside a list for all
        missed = [one for one in fleet if not runs_on(each.architectures, one)]
        if missed:
            names = ", ".join(map(shown, missed))
            many = "a GPU" if len(missed) == 1 else "GPUs"
            yield Problem(
                each.line,
                f"{each.variable}{f'={each.value}' if each.value else ''} holds no code that runs on {many} of "
                f"capability {names}, which the fleet has",
                stage=each.stage.label,
                fix=_fix(each, missed),
            )


def _fix(each: ArchList, missed: Sequence[Capability]) -> Fix | None:
    """Add what is missing, written as the list is."""
    text = longer(each, missed)
    if each.span is None or text is None:
        return None
    title = f"compile for {', '.join(map(shown, missed))} as well"
    return Fix(title, (replaced(each.span, text),), safe=False)


RULE = Rule(
    id="arch-list-misses-fleet",
    severity=Severity.ERROR,
    hint="add the capability, or `+PTX` to one below it; or take that GPU out of `fleet` in image.yaml",
    look=look,
)
