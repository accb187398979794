"""login-left-in-layer: a login while the image is built, whose token stays in a file of the layer."""

import re
from collections.abc import Iterator

from pipeline.analysis.shell import Ran, shipped
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# What a login begins with, the file where it leaves what it was given, and a word for that file in a path.
_LOGINS: dict[str, tuple[tuple[tuple[str, ...], str, str], ...]] = {
    "huggingface-cli": ((("login",), "~/.cache/huggingface/token", "huggingface"),),
    "hf": ((("auth", "login"), "~/.cache/huggingface/token", "huggingface"),),
    "wandb": ((("login",), "~/.netrc", "netrc"),),
    "docker": ((("login",), "~/.docker/config.json", ".docker"),),
    "podman": ((("login",), "auth.json", "auth.json"),),
    "ngc": ((("config", "set"), "~/.ngc/config", ".ngc"),),
    "gh": ((("auth", "login"), "~/.config/gh/hosts.yml", "gh"),),
    "gcloud": ((("auth", "activate-service-account"), "~/.config/gcloud", "gcloud"),),
    "az": ((("login",), "~/.azure", ".azure"),),
    "kaggle": ((("config", "set"), "~/.kaggle", ".kaggle"),),
}  # fmt: skip
_AWS_KEYS = ("aws_secret_access_key", "aws_session_token")
_CREDENTIAL_FILES = r"(?:^|/)\.(?:netrc|git-credentials|pypirc|npmrc|huggingface/token|kaggle/kaggle\.json)$"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each login of a shipped RUN that is not undone in the same RUN, nor made on a mount."""
    ran = shipped(dockerfile)
    for number, one in enumerate(ran):
        found = _login(one)
        if found is not None and not _undone(ran, number, found[1]):
            message = f"{_spoken(one)} leaves the token in {found[0]}, and that stays in this layer"
            yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)


def _login(one: Ran) -> tuple[str, str] | None:
    """The file that a login writes, and what names it in a path."""
    command = one.command
    for begin, file, word in _LOGINS.get(command.program, ()):
        plain = tuple(argument for argument in command.arguments if not argument.startswith("-"))
        if plain[: len(begin)] == begin and "--help" not in command.arguments:
            return file, word
    if command.program == "aws" and command.arguments[:2] == ("configure", "set"):
        return (
            ("~/.aws/credentials", ".aws") if command.arguments[2:3] and command.arguments[2] in _AWS_KEYS else None
        )
    if command.program == "git" and "config" in command.arguments[:2]:
        for word in command.arguments:
            if re.match(r"url\.https?://[^/\s@]+@|http\..*extraheader", word, re.IGNORECASE):
                return "~/.gitconfig", "gitconfig"
    if command.program in ("echo", "printf", "cat", "tee"):
        for sign, target in command.redirects:
            if ">" in sign and re.search(_CREDENTIAL_FILES, target) and "$" in " ".join(command.arguments):
                return target, target.rpartition("/")[2].lstrip(".")
    return None


def _undone(ran: tuple[Ran, ...], number: int, word: str) -> bool:
    one = ran[number]
    for mount in mounts(one.instruction, "cache", "tmpfs"):
        if word in mount.target or mount.target.rstrip("/").endswith(("/root", ".cache")):
            return True
    for other in ran[number + 1 : number + 200]:
        if other.instruction is not one.instruction:
            break
        command = other.command
        if command.program == one.command.program and {"logout", "revoke", "--unset", "clear"} & set(
            command.arguments
        ):
            return True
        if command.program in ("rm", "shred") and any(
            word in path or path.endswith(".cache") for path in command.arguments
        ):
            return True
    return False


def _spoken(one: Ran) -> str:
    """The command without what may be a secret."""
    plain = [word for word in one.command.arguments[:2] if re.fullmatch(r"[a-z-]{2,30}", word) and word[:1] != "-"]
    return " ".join([one.command.program, *plain])


RULE = Rule(
    id="login-left-in-layer",
    severity=Severity.ERROR,
    hint="no login: hand the token to the one command, HF_TOKEN=$(cat /run/secrets/hf) …, from a secret mount",
    look=look,
)
