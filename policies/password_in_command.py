"""password-in-command: a password written into a RUN, or an account left without one."""

from collections.abc import Iterator

from pipeline.analysis.calls import Call, calls, place_in_run, problem
from pipeline.analysis.shell import Command, Ran, commands, needed
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_OPTIONS = {
    "useradd": ("-p", "--password"), "usermod": ("-p", "--password"), "sshpass": ("-p",), "mysql": ("--password",),
    "mysqladmin": ("--password",), "wget": ("--password", "--http-password", "--ftp-password"),
    "curl": ("-u", "--user"),
}  # fmt: skip
_ASSIGNED = ("PGPASSWORD", "MYSQL_PWD", "SSHPASS", "RSYNC_PASSWORD")
_STAYS = "stays readable in the file and in the image's history"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each password that stands in a command or comes from an ARG or ENV, and each account without one.

    What a secret mount or the shell itself provides is nobody else's to read, and not judged.
    """
    for ran, call in calls(dockerfile, "chpasswd", "passwd"):
        program = ran.command.program
        if program == "passwd" and call.place("-d", "--delete") is not None:
            yield problem(ran, "an account without a password: whoever reaches a login is in")
        spoken = _before(dockerfile, ran) if ran.command.reads_pipe else None
        given = [" ".join(spoken.arguments)] if spoken else []
        given += [target for sign, target in ran.command.redirects if sign.endswith("<<<")]
        if any(_readable(ran, text) for text in given):
            yield problem(ran, f"the password that {program} is given {_STAYS}")
    for ran, call in calls(dockerfile, *_OPTIONS):
        if any(_is_password(ran, value) for value in _values(ran, call)):
            yield problem(ran, f"the password of this {ran.command.program} {_STAYS}")
    for ran in needed(dockerfile):
        for name, value in ran.command.assignments.items():
            if name in _ASSIGNED and value and _readable(ran, value):
                yield problem(ran, f"{name} {_STAYS}")


def _values(ran: Ran, call: Call) -> tuple[str, ...]:
    values = call.values(*_OPTIONS[ran.command.program])
    if ran.command.program in ("mysql", "mysqladmin"):  # -p takes no separate word
        values += tuple(word[2:] for word in ran.command.arguments if word.startswith("-p") and len(word) > 2)
    return values


def _is_password(ran: Ran, value: str) -> bool:
    if ran.command.program == "curl":
        value = value.partition(":")[2]
    if ran.command.program in ("useradd", "usermod") and value in ("*", "!", "x", "!!"):
        return False  # no password fits these
    return bool(value) and _readable(ran, value)


def _readable(ran: Ran, text: str) -> bool:
    """Is it written out, or does it come from an ARG or ENV? Both stand in the history."""
    if mounts(ran.instruction, "secret") or "$(" in text or "`" in text or "/run/secrets" in text:
        return False
    if "$" not in text:
        return True
    # An ARG without a default counts: its value comes on the command line, and from there into the history.
    args = (word.partition("=")[0] for one in ran.stage.instructions if one.keyword == "ARG" for word in one.words)
    known = {*ran.stage.environment, *args}
    names = text.replace("{", "").replace("}", "").split("$")[1:]
    return any(name.startswith(one) and not name[len(one) :][:1].isalnum() for name in names for one in known)


def _before(dockerfile: Dockerfile, ran: Ran) -> Command | None:
    """The echo or printf that writes into the pipe that this command reads."""
    found = commands(dockerfile, ran.instruction)
    at = place_in_run(dockerfile, ran)
    before = found[at - 1] if at else None
    return before if before and before.piped and before.program in ("echo", "printf") else None


RULE = Rule(
    id="password-in-command",
    severity=Severity.ERROR,
    hint="give services keys while they run; what the build needs comes by `RUN --mount=type=secret`",
    look=look,
)
