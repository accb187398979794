"""constant-platform: a FROM that builds for one platform, whatever the build was asked for."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import flag_values, tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage with a constant platform that the stage's name does not tell."""
    for stage in dockerfile.stages:
        if not stage.needed or not stage.instructions[0].flags:
            continue
        for platform in flag_values(stage.instructions[0], "platform"):
            system, _, architecture = platform.partition("/")
            architecture = architecture.partition("/")[0]
            name = stage.name or ""
            if "$" in platform or system in name or (architecture and architecture in name):
                continue
            at = tokens(dockerfile, stage.instructions[0]).flags[0].span
            message = f"always {platform}, whatever `--platform` the build is given"
            yield Problem(stage.line, message, stage=stage.label, at=at)


RULE = Rule(
    id="constant-platform",
    severity=Severity.INFO,
    hint="drop the flag and choose at build time, use $BUILDPLATFORM, or name the stage after its platform",
    look=look,
)
