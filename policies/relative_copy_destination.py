"""relative-copy-destination: files copied to a relative path where no WORKDIR is set."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.paths import inside
from pipeline.analysis.walk import placed, resolved, states
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY and ADD of a needed stage that lands in `/` because neither the file nor the base says where.

    A base of which we do not know that it sets no WORKDIR is not judged, and scratch has nothing to mix with.
    """
    for instruction, stage in placed(dockerfile, "COPY", "ADD"):
        word = instruction.words[-1]
        before = states(dockerfile)[instruction.line]
        if (
            word[:1] == "/"
            or before.folder_is_set
            or before.folder is None
            or not stage.needed
            or stage.image == "scratch"
        ):
            continue
        path = resolved(dockerfile, stage, word)
        if not path or path[0] in "/\\" or path[1:2] == ":":
            continue
        folder = inside("/", path) or "/"
        folder += "/" if path.endswith("/") and folder != "/" else ""
        at = tokens(dockerfile, instruction).words[-1].span
        plain = "$" not in word and '"' not in word and "'" not in word and not instruction.json_form
        fix = Fix(f"write {folder}", (mend.replaced(at, folder),)) if plain else None
        message = f"there is no WORKDIR, so {path} is {folder}"
        yield Problem(instruction.line, message, stage=stage.label, at=at, fix=fix)


RULE = Rule(
    id="relative-copy-destination",
    severity=Severity.INFO,
    hint="set a WORKDIR above, or write the absolute path",
    look=look,
)
