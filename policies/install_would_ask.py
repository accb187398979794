"""install-would-ask: a package manager that asks yes or no, in a build where nobody answers."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import APT, Call, calls, problem
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_ASKING = {
    **dict.fromkeys(APT, "install remove purge autoremove upgrade dist-upgrade full-upgrade build-dep satisfy"),
    **dict.fromkeys(
        ("dnf", "yum", "tdnf"), "install remove erase update upgrade groupinstall localinstall reinstall"
    ),
    "zypper": "install in remove rm update up dist-upgrade dup patch",
}
_APT_YES = ("-y", "--yes", "--assume-yes", "--force-yes", "-s", "--simulate", "--dry-run", "--no-act", "-d")
_DNF_YES = ("-y", "--assumeyes", "--assumeno", "--downloadonly")
_ZYPPER_YES = ("-y", "--no-confirm", "-n", "--non-interactive", "-D", "--dry-run")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install, removal or upgrade that would ask. A configuration that answers is believed."""
    configured: bool | None = None  # told once: the text may be long, and the calls many
    for ran, call in calls(dockerfile, *_ASKING):
        program = ran.command.program
        if call.verb not in _ASKING[program].split() or ran.command.reads_pipe or _answered(ran.command, call):
            continue
        if configured is None:
            configured = "ssume-yes" in dockerfile.text.lower() or "assumeyes" in dockerfile.text
        if configured:
            continue
        option = "--non-interactive" if program == "zypper" else "-y"
        at = 0 if program == "zypper" else call.words[0][0]
        fix = mend.fix(f"add {option}", mend.word_added(ran.command, at, option))
        yield problem(ran, f"`{program} {call.verb}` may ask, and in a build nobody answers", fix=fix)


def _answered(command: Command, call: Call) -> bool:
    if any(word.startswith("$") for word in command.arguments):
        return True  # may hold the option
    if command.program == "zypper":
        return call.place(*_ZYPPER_YES) is not None
    if command.program in ("dnf", "yum", "tdnf"):
        return call.place(*_DNF_YES) is not None
    quiet = sum(1 for _, name, _ in call.options if name == "-q")  # -qq says yes as well
    return call.place(*_APT_YES) is not None or quiet > 1 or "2" in call.values("-q", "--quiet")


RULE = Rule(
    id="install-would-ask",
    severity=Severity.WARNING,
    hint="add -y (zypper: --non-interactive)",
    look=look,
)
