"""remote-file-without-checksum: an ADD from an address, of whatever lies there on the day."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import flag_names, placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_FILE = r"(?i)https?://(?!\S*\.git(?:[#?]|$))"
# The answer changes with every commit, and makes the cache forget what stands below: it is meant to change.
_ASKS_FOR_A_BRANCH = r"(?i)://api\.github\.com/\S*/(?:git/|commits|branches)|/api/v4/\S*/repository/"
_CHECKOUT = r"(?i)(?:https?://\S*\.git|git://\S*|ssh://\S*|git@\S*?)(?:#([^:?\s]*)\S*|\?\S*)?"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ADD of a needed stage from http(s) without --checksum, and from git without a commit or tag."""
    for instruction, stage in placed(dockerfile, "ADD"):
        if "checksum" in flag_names(instruction) or not stage.needed:
            continue
        for word in instruction.words[:-1]:
            if re.search(_ASKS_FOR_A_BRANCH, word[:2000]):
                continue
            if re.match(_FILE, word):
                yield Problem(instruction.line, f"nobody checks what comes from {word[:100]}", stage=stage.label)
            else:
                git = re.fullmatch(_CHECKOUT, word)
                if git and not git[1] and "ref=" not in word and "commit=" not in word and "tag=" not in word:
                    message = f"{word[:100]} is whatever its main branch holds on the day"
                    yield Problem(instruction.line, message, stage=stage.label, hint="name a commit: ….git#0123abc")


RULE = Rule(
    id="remote-file-without-checksum",
    severity=Severity.WARNING,
    hint="add --checksum=sha256:…; `sha256sum` of the file prints it",
    look=look,
)
