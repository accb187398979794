"""useless-in-container: a command that means nothing while an image is built."""

from collections.abc import Iterator

from pipeline.analysis.calls import calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_WHY = {
    "shutdown": "there is no machine to shut down", "reboot": "there is no machine to restart",
    "systemctl": "no systemd runs in a build", "ifconfig": "the network is the build's, not the container's",
    "top": "nobody watches", "free": "it tells of the build machine", "vim": "nobody is at the terminal",
    "vi": "nobody is at the terminal", "nano": "nobody is at the terminal", "less": "nobody is at the terminal",
    "ssh": "the connection ends with the RUN", "modprobe": "the kernel is the build machine's",
    "sysctl": "the kernel is the build machine's", "iptables": "the network is the build's, not the container's",
    "ufw": "the network is the build's, not the container's",
}  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each such command. `systemctl enable` writes links that an image with systemd may want."""
    for ran, call in calls(dockerfile, *_WHY):
        program = ran.command.program
        if program == "systemctl" and call.verb in ("enable", "disable", "mask", "unmask", "set-default", "preset"):
            continue
        if program == "ssh" and (
            {"-T", "-V"} & set(ran.command.arguments) or "ssh" in " ".join(ran.instruction.flags)
        ):
            continue  # asks whether the key works; or an agent is mounted for it
        if ran.command.reads_pipe or {"--version", "--help"} & set(ran.command.arguments):
            continue
        yield problem(ran, f"`{program}` in a build: {_WHY[program]}")


RULE = Rule(
    id="useless-in-container",
    severity=Severity.INFO,
    hint="leave it out, or do it where the container runs",
    look=look,
)
