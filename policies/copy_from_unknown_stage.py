"""copy-from-unknown-stage: `--from` names something that looks like a misspelt stage."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import nearest, origins, placed
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `--from=word` and mount of a needed stage that is no stage, and nearly is one.

    A word that is near none can be an image of Docker Hub or a named context of the build: that cannot be told.
    """
    names = {stage.name for stage in dockerfile.stages if stage.name}
    for instruction, stage in placed(dockerfile, "COPY", "RUN") if names else ():
        if not stage.needed or "from=" not in instruction.original:
            continue
        for word in origins(instruction):
            if set(word) & set("/:@$.") or word.isdecimal() or word.lower() in names:
                continue
            meant = nearest(dockerfile, word.lower(), names - {stage.name or ""})
            if meant:
                message = f"there is no stage {word}, so this is the image docker.io/library/{word}"
                flag = next(one for one in tokens(dockerfile, instruction).flags if f"from={word}" in one.text)
                text = mend.written(dockerfile, flag.span).replace(f"from={word}", f"from={meant}")
                fix = Fix(f"copy from {meant}", (mend.replaced(flag.span, text),), safe=False)
                yield Problem(instruction.line, message, stage=stage.label, hint=f"did you mean {meant}?",
                              at=flag.span, fix=fix)  # fmt: skip


RULE = Rule(
    id="copy-from-unknown-stage",
    severity=Severity.WARNING,
    hint="name a stage of this file, or write the image with its tag",
    look=look,
)
