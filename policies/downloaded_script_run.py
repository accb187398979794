"""downloaded-script-run: a script fed to a shell as it comes from the network."""

import re
from collections.abc import Iterator

from pipeline.analysis.calls import after, problem
from pipeline.analysis.shell import SHELLS, Command, needed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_FETCHES = ("curl", "wget")
_RUNS = r"(?:python|perl|ruby|node|php)[\d.]*"
_FETCHED = r"(?:<\(|\$\(|`)\s*(?:curl|wget)\b"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `curl … | sh`, `bash <(curl …)`, `sh -c "$(curl …)"` and their like, in stages that are needed."""
    if "curl" not in dockerfile.text and "wget" not in dockerfile.text:
        return
    for ran in needed(dockerfile):
        command = ran.command
        if command.piped and command.program in _FETCHES:
            runner = _runner(after(dockerfile, ran))
            if runner:
                yield problem(ran, f"what {_host(command)} sends is run by {runner} unseen")
        elif _takes_a_script(command) and any(re.match(_FETCHED, word) for word in command.words):
            yield problem(ran, "what a server sends is run unseen")


def _takes_a_script(command: Command) -> bool:
    """`bash <(…)`, `eval "$(…)"`, and the bare `$(…)` that is left of `sh -c "$(…)"`."""
    known = command.program in SHELLS or command.program in ("source", ".", "eval")
    return known or (bool(command.words) and command.words[0].startswith(("$(", "`")))


def _runner(pipe: tuple[Command, ...]) -> str | None:
    """The shell or interpreter at the end of the pipe, when it reads its program from there."""
    for one in pipe:
        files = [word for word in one.arguments if not word.startswith(("-", "+")) and word != "pipefail"]
        from_pipe = not files or "-s" in one.arguments or "-" in one.arguments
        if from_pipe and (one.program in SHELLS or re.fullmatch(_RUNS, one.program)):
            return None if "-c" in one.arguments or "-m" in one.arguments else one.program
        if not one.piped:
            return None
    return None


def _host(command: Command) -> str:
    found = next((hit for word in command.arguments if (hit := re.match(r"https?://([^/\s$]+)", word))), None)
    return found[1] if found else "a server"


RULE = Rule(
    id="downloaded-script-run",
    severity=Severity.WARNING,
    hint="copy the program from its image (`COPY --from=`), take a package, or check a checksum before it runs",
    look=look,
)
