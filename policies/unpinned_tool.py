"""unpinned-tool: npm, gem, go or cargo installs whatever version is newest on the day of the build."""

from collections.abc import Iterator

from pipeline.analysis.calls import Call, calls, problem
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_ADDS = {
    "npm": ("install", "i", "add"), "pnpm": ("add", "install"), "yarn": ("add", "global"), "gem": ("install",),
    "go": ("install", "get"), "cargo": ("install",),
}  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install of a named tool without its version. What a variable or a path names is not judged."""
    for ran, call in calls(dockerfile, *_ADDS):
        if call.verb in _ADDS[ran.command.program]:
            loose = [name for name in call.operands if _loose(ran.command, call, name)]
            if loose:
                yield problem(ran, f"no version for {', '.join(loose[:3])}")


def _loose(command: Command, call: Call, name: str) -> bool:
    program = command.program
    if "$" in name or name.startswith((".", "/", "file:", "http:", "https:")) or name.endswith((".tgz", ".gem")):
        return False
    if program == "gem":
        return ":" not in name and not call.values("-v", "--version")
    if program == "cargo":
        known = call.values("--version", "--vers", "--rev", "--tag", "--path")
        return "@" not in name and not known
    if program == "go":
        return name.endswith("@latest") or ("@" not in name and "." in name.partition("/")[0])
    if program == "yarn" and name == "add":
        return False  # yarn global add
    version = name[1:].partition("@")[2]  # @scope/name@version
    return not version or version == "latest"


RULE = Rule(
    id="unpinned-tool",
    severity=Severity.INFO,
    hint="name the version: `npm install -g pm2@5.4.3`, `gem install rake:13.2.1`, `go install …@v1.2.3`",
    look=look,
    by_default=False,
)
