"""A Dockerfile in, its commands by program and what each was asked to do out. Speaks to: nothing.

Options are read as the program reads them: `curl -fsSLk` is -f -s -S -L -k, and the word after `-o` is a file, not an
operand. A program that is not in the table is read as if no option of it took a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from pipeline.analysis import shell
from pipeline.analysis.shell import Command, Ran
from pipeline.model import Dockerfile, Fix, Instruction, Problem, once_per_file

APT = ("apt-get", "apt", "aptitude")
DNF = ("dnf", "microdnf", "yum", "tdnf")
# program: the short options that take a value, and the long ones whose value is the next word
_APT = ("toca", "target-release default-release option config-file host-architecture")
_DNF = ("cdexR", "config exclude enablerepo disablerepo repo repoid releasever installroot setopt")
_CONDA = (
    "cnpfr",
    "channel name prefix file root-prefix solver platform repodata-fn subdir override-frozen category revision",
)
_VALUED = {
    "apt-get": _APT, "apt": _APT, "aptitude": _APT, "dnf": _DNF, "yum": _DNF, "microdnf": _DNF, "tdnf": _DNF,
    "apk": ("tXp", "virtual repository root keys-dir repositories-file arch cache-dir wait cache-max-age"),
    "zypper": ("RrtpD", "root repo from type installroot plus-repo reposd-dir"),
    "curl": (
        "AbcCdDeEFHKmoPQrtTuUwxXyYz",
        "output header data data-raw data-binary data-urlencode user user-agent request retry retry-delay "
        "retry-max-time connect-timeout max-time proto output-dir cacert cert key url write-out form referer cookie "
        "cookie-jar range limit-rate proxy config ciphers netrc-file oauth2-bearer max-redirs continue-at resolve",
    ),
    "wget": (
        "OPoaetTwQUiBDARIXl",
        "output-document directory-prefix output-file append-output execute tries timeout wait user-agent header "
        "input-file user password ca-certificate post-data accept reject",
    ),
    "git": ("Cbojcu", "branch depth origin config reference jobs filter shallow-since template git-dir work-tree"),
    "npm": ("", "prefix registry loglevel cache userconfig"), "pnpm": ("C", "dir registry"), "yarn": ("", "cwd"),
    "gem": ("vsi", "version source install-dir bindir"),
    "cargo": ("Fj", "version vers git branch tag rev path root features target registry index jobs profile bin"),
    "useradd": (
        "bcdefgGkKpRsuZ",
        "base-dir comment home-dir home expiredate inactive gid groups skel key password root shell uid",
    ),
    "usermod": ("cdefgGlpRsuZ", "comment home expiredate inactive gid groups login password root shell uid"),
    "adduser": ("hgsGuk", "home shell ingroup uid gid gecos firstuid lastuid"),
    "tar": ("fCTX", "file directory exclude files-from owner group mode transform"),
    "rpm": ("", "root dbpath"), "mysql": ("uhPDe", "user host port database execute"),
    "chown": ("", "from reference"), "chmod": ("", "reference"), "sed": ("ef", "expression file"),
    "conda": _CONDA, "mamba": _CONDA, "micromamba": _CONDA, "sshpass": ("pfdP", ""),
}  # fmt: skip


class Call(NamedTuple):
    """The arguments of a command taken apart. Each place is an index into the command's `argv`."""

    options: tuple[tuple[int, str, str | None], ...]  # (place, -x or --name, its value)
    words: tuple[tuple[int, str], ...]  # what is neither an option nor its value

    @property
    def verb(self) -> str:
        """The first word: `install` in `apt-get -y install git`."""
        return self.words[0][1] if self.words else ""

    @property
    def operands(self) -> tuple[str, ...]:
        """The words after the verb."""
        return tuple(word for _, word in self.words[1:])

    def place(self, *names: str) -> int | None:
        """Where the first of these options stands, None when none was given."""
        return next((place for place, name, _ in self.options if name in names), None)

    def values(self, *names: str) -> tuple[str, ...]:
        """What these options were given, in order."""
        return tuple(value for _, name, value in self.options if name in names and value is not None)


@once_per_file
def by_program(dockerfile: Dockerfile) -> Mapping[str, tuple[Ran, ...]]:
    """The commands of every RUN that the target needs, by program, each in the order of the file."""
    found: dict[str, list[Ran]] = {}
    for ran in shell.needed(dockerfile):
        found.setdefault(ran.command.program, []).append(ran)
    return {program: tuple(rans) for program, rans in found.items()}


def calls(dockerfile: Dockerfile, *programs: str) -> Iterator[tuple[Ran, Call]]:
    """Yield each needed command that runs one of these programs, with its arguments taken apart."""
    found = by_program(dockerfile)
    for program in programs:
        for ran in found.get(program, ()):
            yield ran, read(ran.command)


def read(command: Command) -> Call:
    """Take a command's arguments apart."""
    return read_words(command.argv)


@lru_cache(maxsize=4096)
def read_words(argv: tuple[str, ...]) -> Call:
    """Take the words of a command apart, the program first."""
    program = argv[0].rpartition("/")[2] if argv else ""
    letters, names = _VALUED.get(program, ("", ""))
    long = {f"--{name}" for name in names.split()}
    options: list[tuple[int, str, str | None]] = []
    words: list[tuple[int, str]] = []
    place, only_words = 1, False
    while place < len(argv):
        word, at = argv[place], place
        place += 1
        if only_words or not word.startswith("-") or word == "-":
            words.append((at, word))
        elif word == "--":
            only_words = True
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            if not equals and name in long and place < len(argv):
                value, equals, place = argv[place], "=", place + 1
            options.append((at, name, value if equals else None))
        else:
            place = _bundle(argv, at, letters, options)
    return Call(tuple(options), tuple(words))


def _bundle(argv: tuple[str, ...], at: int, letters: str, options: list[tuple[int, str, str | None]]) -> int:
    """Read -yq or -ofile, the word at `at`; return the place of the next word."""
    word = argv[at]
    for index, letter in enumerate(word[1:], start=1):
        rest = word[index + 1 :]
        if letter in letters or rest.startswith("="):
            follows = not rest and at + 1 < len(argv)
            options.append((at, f"-{letter}", argv[at + 1] if follows else rest.removeprefix("=")))
            return at + 2 if follows else at + 1
        options.append((at, f"-{letter}", None))
    return at + 1


@once_per_file
def _places(dockerfile: Dockerfile, instruction: Instruction) -> Mapping[int, int]:
    return {id(one): place for place, one in enumerate(shell.commands(dockerfile, instruction))}


def place_in_run(dockerfile: Dockerfile, ran: Ran) -> int:
    """Which of its RUN's commands this is, from 0."""
    return _places(dockerfile, ran.instruction)[id(ran.command)]


def after(dockerfile: Dockerfile, ran: Ran) -> tuple[Command, ...]:
    """The commands of the same RUN that come after this one: the next 200, so that a huge RUN stays cheap."""
    first = place_in_run(dockerfile, ran) + 1
    return shell.commands(dockerfile, ran.instruction)[first : first + 200]


def problem(
    ran: Ran, message: str, *, at: int | None = None, fix: Fix | None = None, hint: str | None = None
) -> Problem:
    """A problem with a command, or with the word at this place of its `argv`."""
    command = ran.command
    span = command.span if at is None else command.span_at(at)
    return Problem(command.line, message, stage=ran.stage.label, at=span, fix=fix, hint=hint)
