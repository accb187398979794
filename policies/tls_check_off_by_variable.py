"""tls-check-off-by-variable: an environment variable that turns the check of certificates off."""

from collections.abc import Iterator, Mapping

from pipeline import mend
from pipeline.analysis import environment, walk
from pipeline.analysis.calls import after, by_program, problem
from pipeline.analysis.shell import needed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_OFF = {
    "PYTHONHTTPSVERIFY": "0", "NODE_TLS_REJECT_UNAUTHORIZED": "0", "NPM_CONFIG_STRICT_SSL": "false 0",
    "YARN_STRICT_SSL": "false 0", "CONDA_SSL_VERIFY": "false 0 no", "GIT_SSL_NO_VERIFY": "*", "PIP_TRUSTED_HOST": "*",
    "UV_INSECURE_HOST": "*", "CURL_INSECURE": "*",
}  # fmt: skip
_NO = ("", "0", "false", "no")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV, ARG default, export and assignment of such a variable; not an export that nothing follows."""
    upper = dockerfile.text.upper()
    if not any(name in upper for name in _OFF):
        return
    for placed in walk.placed(dockerfile, "ENV"):
        for setting in environment.settings(*placed) if placed.stage.needed else ():
            if _turns_off(setting.name, setting.written):
                fix = mend.fix(f"drop {setting.name}", environment.dropped(dockerfile, setting), safe=False)
                message = _message(setting.name, setting.written)
                yield environment.problem(dockerfile, setting, message, fix=fix)
    for placed in walk.placed(dockerfile, "ARG"):
        for word in placed.instruction.words:
            name, _, value = word.partition("=")
            if _turns_off(name, value):
                yield Problem(placed.instruction.line, _message(name, value), stage=placed.stage.label)
    for ran in by_program(dockerfile).get("export", ()):
        pairs = dict(word.split("=", 1) for word in ran.command.arguments if "=" in word)
        for name, value in _found(pairs) if after(dockerfile, ran) else ():
            yield problem(ran, _message(name, value))
    for ran in needed(dockerfile):
        if ran.command.assignments:
            for name, value in _found(ran.command.assignments):
                yield problem(ran, _message(name, value))


def _found(pairs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in pairs.items() if _turns_off(name, value))


def _turns_off(name: str, value: str) -> bool:
    off, value = _OFF.get(name.upper()), value.strip("\"'").lower()
    if off is None or value.startswith("$"):
        return False
    return value not in _NO if off == "*" else value in off.split()


def _message(name: str, value: str) -> str:
    plain = value.strip("\"'")
    if name.upper() in ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"):
        return f"{name}={plain}: the certificate of that host is not checked"
    return f"{name}={plain} turns the check of certificates off for everything that reads it"


RULE = Rule(
    id="tls-check-off-by-variable",
    severity=Severity.WARNING,
    hint="drop it, and give the program the CA that it lacks (SSL_CERT_FILE, or a secret mount while building)",
    look=look,
)
