"""A Dockerfile in, what its commands fetch over the network out: URL, and the file it becomes. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.analysis.calls import Call, after, by_program, calls
from pipeline.analysis.shell import Ran
from pipeline.analysis.variables import substituted
from pipeline.model import Dockerfile, once_per_file

_CHECKS = r"(?:sha\d+|md5|b2)sum|shasum|gpgv|cosign|minisign|rhash|b3sum|debsig-verify"


class Fetch(NamedTuple):
    """One download by curl or wget. `file` is None when the bytes go to the standard output."""

    ran: Ran
    place: int  # of the URL in argv
    url: str  # variables resolved where they can be
    file: str | None

    @property
    def name(self) -> str:
        """The last part of the URL, without its query."""
        return re.split(r"[?#]", self.url, maxsplit=1)[0].rstrip("/").rpartition("/")[2]


@once_per_file
def fetches(dockerfile: Dockerfile) -> tuple[Fetch, ...]:
    """Every URL that curl or wget fetches in the stages that the target needs."""
    return tuple(_fetches(dockerfile))


def _fetches(dockerfile: Dockerfile) -> Iterator[Fetch]:
    for ran, call in calls(dockerfile, "curl", "wget"):
        curl = ran.command.program == "curl"
        urls = [(place, word) for place, word in call.words]
        urls += [(place, value) for place, name, value in call.options if name == "--url" and value]
        for place, word in urls:
            url = substituted(word, ran.stage)
            if "://" in url or "/" in url:
                file = _curls(call, url) if curl else _wgets(call, url)
                yield Fetch(ran, place, url, None if file in ("-", "/dev/stdout") else file)


def _curls(call: Call, url: str) -> str | None:
    named = call.values("-o", "--output")
    if named:
        return named[-1]
    remote = call.place("-O", "--remote-name", "--remote-name-all", "-J") is not None
    return _last(url) if remote else None


def _wgets(call: Call, url: str) -> str:
    named = call.values("-O", "--output-document")
    folder = "".join(f"{one.rstrip('/')}/" for one in call.values("-P", "--directory-prefix")[-1:])
    return named[-1] if named else folder + _last(url)


def _last(url: str) -> str:
    return re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/").rpartition("/")[2]


@once_per_file
def checking_lines(dockerfile: Dockerfile) -> frozenset[int]:
    """The lines of the RUNs that check a checksum or a signature."""
    found = by_program(dockerfile)
    checks = [ran for program, rans in found.items() if re.fullmatch(_CHECKS, program) for ran in rans]
    checks += [ran for ran in found.get("gpg", ()) if "--verify" in ran.command.arguments]
    checks += [ran for ran in found.get("openssl", ()) if ran.command.arguments[:1] == ("dgst",)]
    return frozenset(ran.instruction.line for ran in checks)


def is_checked(dockerfile: Dockerfile, fetch: Fetch) -> bool:
    """Does the RUN that fetches it check a checksum or a signature?"""
    return fetch.ran.instruction.line in checking_lines(dockerfile)


def pipe_of(dockerfile: Dockerfile, ran: Ran) -> tuple[str, ...]:
    """The programs that a command's output goes through, in order."""
    names, piped = [], ran.command.piped
    for one in after(dockerfile, ran) if piped else ():
        if not piped:
            break
        names.append(one.program)
        piped = one.piped
    return tuple(names)
