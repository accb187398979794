"""unpinned-python-package: pip or uv installs whatever version is newest on the day of the build."""

import re
from collections.abc import Iterator

from pipeline.analysis.calls import problem
from pipeline.analysis.installs import all_pip_installs
from pipeline.analysis.wording import listed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_COMMIT = r"@[0-9a-f]{7,40}(?:[#;]|$)"
_OF_A_VERSION = r"@v?\d[\w.+-]*(?:[#;]|$)"  # a tag: it can move, and rarely does


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install in a shipped stage that names a package without a version, or a repository without a commit.

    Constraint files count as versions, and requirement files are left to the rules that read them.
    """
    for pip in all_pip_installs(dockerfile):
        install = pip.install
        if not pip.stage.ships or install.options.keys() & {"-c", "--constraint", "--constraints", "--exclude-newer"}:
            continue
        if "PIP_CONSTRAINT" in pip.settings or "UV_CONSTRAINT" in pip.settings:
            continue
        loose = [one for one in install.requirements if _loose(one)]
        if loose:
            yield problem(pip.ran, f"no version for {listed(loose)}")


def _loose(requirement: str) -> bool:
    """Paths, wheels, and what a variable holds are not judged; nor are pip and its own tools."""
    text = requirement.partition(";")[0].strip()
    if "git+" in text:
        return not re.search(_COMMIT, text) and not re.search(_OF_A_VERSION, text) and "$" not in text
    if "$" in text or "/" in text or text.startswith(".") or text.endswith((".whl", ".tar.gz", ".zip")):
        return False
    if re.fullmatch(r"(pip|setuptools|wheel|uv)(\[.*\])?", text):
        return False
    return "==" not in text and "@" not in text and "<" not in text and "~=" not in text


RULE = Rule(
    id="unpinned-python-package",
    severity=Severity.WARNING,
    hint="name the version, or install from a lock file (`uv pip compile`, `pip install --require-hashes -r …`)",
    look=look,
    by_default=False,
)
