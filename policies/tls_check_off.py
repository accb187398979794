"""tls-check-off: a program told to believe any certificate."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import Call, calls, problem
from pipeline.analysis.installs import all_pip_installs
from pipeline.analysis.shell import Command, Ran
from pipeline.model import Context, Dockerfile, Edit, Problem, Rule, Severity, Span

_OPTIONS = {
    "curl": ("-k", "--insecure", "--proxy-insecure"),
    "wget": ("--no-check-certificate",),
    "npm": ("--no-strict-ssl",), "pnpm": ("--no-strict-ssl",), "yarn": ("--no-strict-ssl",),
    "conda": ("--insecure", "-k"), "mamba": ("--insecure", "-k"),
    "helm": ("--insecure-skip-tls-verify",), "kubectl": ("--insecure-skip-tls-verify",),
    "apt-get": (), "apt": (), "git": (),
}  # fmt: skip
_OFF = ("false", "0", "no", "off", "False")
_NO = "certificates are not checked: whoever is on the way can answer instead"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each option or setting that turns the check off. Downloads from the container itself do not count."""
    for ran, call in calls(dockerfile, *_OPTIONS):
        option = next((one for one in call.options if one[1] in _OPTIONS[ran.command.program]), None)
        if option and not any("://localhost" in word or "://127." in word for _, word in call.words):
            edit = mend.option_dropped(dockerfile, ran.command, option[0], option[1])
            fix = mend.fix(f"drop {option[1]}", edit, safe=False)
            yield problem(ran, f"`{ran.command.program} {option[1]}`: {_NO}", at=option[0], fix=fix)
        elif (said := _setting(ran, call)) is not None:
            yield problem(ran, f"{said}: {_NO}")
    for pip in all_pip_installs(dockerfile):
        for name in ("--trusted-host", "--allow-insecure-host"):
            if name in pip.install.options:
                host, command = pip.install.options[name], pip.command
                at = next((at for at, word in enumerate(command.argv) if word.split("=")[0] == name), 0)
                fix = mend.fix(f"drop {name}", _with_value(dockerfile, command, at), safe=False)
                message = f"pip takes packages from {host} without a check of who answers"
                yield problem(pip.ran, message, at=at, fix=fix)


def _setting(ran: Ran, call: Call) -> str | None:
    """`git config http.sslVerify false` and its like, as words for the message."""
    program, words = ran.command.program, [word for _, word in call.words]
    for value in call.values("-c", "-o", "--option"):
        name, _, setting = value.partition("=")
        if name.lower() == "http.sslverify" and setting in _OFF:
            return "git's http.sslVerify is off"
        if name.lower().endswith(("::verify-peer", "::verify-host")) and setting.strip('"') in _OFF:
            return f"apt's {name} is off"
    if program == "git" and call.verb == "config" and words[-1] in _OFF and words[-2].lower() == "http.sslverify":
        return "git's http.sslVerify is off"
    if program in ("npm", "pnpm", "yarn") and "strict-ssl" in words and words[-1] == "false":
        return f"{program}'s strict-ssl is off"
    if any(name == "--strict-ssl" and value == "false" for _, name, value in call.options):
        return f"{program}'s strict-ssl is off"
    if program in ("conda", "mamba") and call.verb == "config" and "ssl_verify" in ran.command.arguments:
        return f"{program}'s ssl_verify is off" if ran.command.arguments[-1] in _OFF else None
    return None


def _with_value(dockerfile: Dockerfile, command: Command, at: int) -> Edit | None:
    """Delete an option and the word after it that is its value."""
    edit = mend.word_dropped(dockerfile, command, at)
    if edit is None or "=" in command.argv[at]:
        return edit
    value = command.span_at(at + 1)
    if value is None:
        return None
    both = Span(edit.span.start, value.end)
    return None if "\n" in mend.written(dockerfile, both) else mend.replaced(both, "")


RULE = Rule(
    id="tls-check-off",
    severity=Severity.WARNING,
    hint="install ca-certificates, or mount the company's CA as a secret while building",
    look=look,
)
