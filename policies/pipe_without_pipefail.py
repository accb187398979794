"""pipe-without-pipefail: a pipe whose first part may fail unseen."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import after, problem
from pipeline.analysis.shell import Command, Ran, commands, needed
from pipeline.analysis.walk import shell_of
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

# Only programs that fetch, unpack, compile or run: a text filter at the front of a pipe has nothing to fail at.
_CAN_FAIL = frozenset({
    "curl", "wget", "aria2c", "git", "tar", "unzip", "xz", "gzip", "zcat", "openssl", "gpg", "make", "cmake", "ninja",
    "python", "python3", "pip", "pip3", "uv", "npm", "node", "yarn", "cargo", "go", "apt-get", "dnf", "yum", "apk",
    "conda", "mamba", "kubectl", "aws", "gsutil", "gcloud", "hf", "huggingface-cli", "mysql",
})  # fmt: skip
_ASKS = frozenset({"list", "show", "log", "freeze", "info", "config", "describe", "--version", "ls-remote", "search"})
_STOPS_EARLY = frozenset({"head", "true", ":"})  # with pipefail the program before these dies of a closed pipe
# These fail themselves when nothing comes, or when it ends too early.
_NOTICES = frozenset({
    "tar", "bsdtar", "gzip", "gunzip", "zcat", "xz", "unxz", "bzip2", "zstd", "unzip", "cpio", "gpg", "apt-key",
    "dpkg", "sha256sum", "sha512sum", "rpm2cpio",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first such pipe of each RUN whose shell does not have pipefail on."""
    seen: set[int] = set()
    for ran in needed(dockerfile):
        command, line = ran.command, ran.instruction.line
        if not command.piped or line in seen or command.program not in _CAN_FAIL or command.inside:
            continue
        if _ASKS & set(command.arguments):
            continue
        of_run = commands(dockerfile, ran.instruction)
        if _on(shell_of(dockerfile, ran.instruction), of_run, ran.instruction) or _ends_well(after(dockerfile, ran)):
            continue
        seen.add(line)
        message = f"when {command.program} fails here the build goes on with what came through the pipe"
        yield problem(ran, message, fix=_fix(dockerfile, ran))


def _on(shell: tuple[str, ...] | None, of_run: tuple[Command, ...], instruction: Instruction) -> bool:
    if shell and any(word.endswith("pipefail") for word in shell):
        return True
    if shell and not shell[0].endswith("sh"):
        return True  # python, powershell: not ours to judge
    return "o pipefail" in instruction.original or any("pipefail" in one.arguments for one in of_run)


def _ends_well(pipe: tuple[Command, ...]) -> bool:
    """Does the next program of the pipe fail without its input, or one further down close the pipe on purpose?"""
    if pipe and pipe[0].program in _NOTICES:
        return True
    for one in pipe:
        if one.program in _STOPS_EARLY or (one.program == "grep" and {"-q", "-m", "-m1"} & set(one.arguments)):
            return True
        if not one.piped:
            break
    return False


def _fix(dockerfile: Dockerfile, ran: Ran) -> Fix | None:
    """`set -o pipefail` at the front, where the shell is known to be bash."""
    shell = shell_of(dockerfile, ran.instruction)
    if not shell or not shell[0].endswith("bash") or ran.instruction.heredocs or ran.instruction.json_form:
        return None
    words = tokens(dockerfile, ran.instruction).words
    return mend.fix("set pipefail", mend.inserted(words[0].span.start, "set -o pipefail && "), safe=False)


RULE = Rule(
    id="pipe-without-pipefail",
    severity=Severity.WARNING,
    hint='`SHELL ["/bin/bash", "-o", "pipefail", "-c"]` above, or `set -o pipefail` in a RUN of bash',
    look=look,
)
