"""current-folder-in-library-path: an empty entry in LD_LIBRARY_PATH or PATH, which means the current folder."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.analysis.bases import official_name
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# Images that are known not to set LD_LIBRARY_PATH.
_PLAIN = frozenset({
    "python", "ubuntu", "debian", "rockylinux", "almalinux", "alpine", "buildpack-deps", "node", "golang",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV that leaves an empty entry, also by a variable that has no value on this base."""
    for name in ("LD_LIBRARY_PATH", "PATH"):
        variable = environment.shipped(dockerfile).get(name)
        if variable is None or not variable.value:
            continue
        own = f"${name}"
        unset = name == "LD_LIBRARY_PATH" and own in map(_bare, variable.entries) and _sets_none(dockerfile)
        if not _sets_none(dockerfile) and any(
            re.search(rf"\$\{{{name}:?-", one.written) for one in variable.settings
        ):
            continue  # `${LD_LIBRARY_PATH:-}`: what the base sets is not known

        def empty(entry: str, own: str = own, unset: bool = unset) -> bool:
            return not entry or (unset and _bare(entry) == own)

        if not any(empty(entry) for entry in variable.entries):
            continue
        first = next((one for one in variable.settings if any(map(empty, environment.entries(one.text)))), None)
        setting = first or variable.last
        why = f"${name} has no value on this base, and what is left of it" if unset else "the empty entry"
        edit = environment.without(dockerfile, setting, empty)
        yield environment.problem(
            dockerfile,
            setting,
            f"{why} makes {name} search the current folder",
            fix=mend.fix(f"take the empty entry out of {name}", edit, safe=False),
        )


def _bare(entry: str) -> str:
    return re.sub(r"\$\{(\w+)\}", r"$\1", entry)


def _sets_none(dockerfile: Dockerfile) -> bool:
    return official_name(dockerfile.final.image) in _PLAIN


RULE = Rule(
    id="current-folder-in-library-path",
    severity=Severity.INFO,
    hint="leave the colon out, or write /your/folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}",
    look=look,
)
