"""plain-http-download: something fetched over http, where anybody on the way can change it."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import walk
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.fetches import fetches, is_checked
from pipeline.analysis.installs import all_pip_installs
from pipeline.analysis.shell import Ran
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Span
from pipeline.parse import tokens

_OWN_NETWORK = (
    r"http://(?:[^/@]*@)?(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|\[|\$"
    r"|[^/.:]+(?:[:/]|$)|[^/:]+\.(?:local|internal|lan|svc|corp|test|invalid)(?:[:/]|$))"
)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each download over http that nothing checks. Addresses of one's own network are left alone."""
    if "http://" not in dockerfile.text and "git://" not in dockerfile.text:
        return
    for fetch in fetches(dockerfile):
        if _plain(fetch.url) and not is_checked(dockerfile, fetch):
            yield _problem(dockerfile, fetch.ran, fetch.place, fetch.url)
    for ran, call in calls(dockerfile, "git"):
        for place, word in call.words:
            if call.verb in ("clone", "fetch", "submodule", "pull") and (_plain(word) or word.startswith("git://")):
                yield _problem(dockerfile, ran, place, word)
    for pip in all_pip_installs(dockerfile):
        ran = pip.ran
        for place, word in enumerate(ran.command.argv):
            if _plain(word.partition("=")[2] if word.startswith("--") else word):
                yield _problem(dockerfile, ran, place, word)
    for placed in walk.placed(dockerfile, "ADD"):
        if placed.stage.needed and "checksum" not in walk.flag_names(placed.instruction):
            for source in tokens(dockerfile, placed.instruction).words[:-1]:
                if _plain(source.text):
                    fix = _fix(dockerfile, source.span)
                    line, stage = placed.instruction.line, placed.stage.label
                    yield Problem(line, _message(source.text), stage=stage, at=source.span, fix=fix)


def _problem(dockerfile: Dockerfile, ran: Ran, place: int, url: str) -> Problem:
    spans = ran.command.argv_spans
    span = spans[place] if place < len(spans) else None
    return problem(ran, _message(url), at=place, fix=_fix(dockerfile, span) if span else None)


def _message(url: str) -> str:
    found = re.search(r"(?:http|git)://([^/\s]+)", url)
    return f"fetched from {found[1] if found else 'there'} in the clear: anybody on the way can change it"


def _plain(url: str) -> bool:
    return url.startswith("http://") and not re.match(_OWN_NETWORK, url)


def _fix(dockerfile: Dockerfile, span: Span) -> Fix | None:
    text = mend.written(dockerfile, span)
    mended = re.sub(r"(?:http|git)://", "https://", text, count=1)
    return mend.fix("fetch over https", mend.replaced(span, mended), safe=False) if mended != text else None


RULE = Rule(
    id="plain-http-download",
    severity=Severity.WARNING,
    hint="fetch over https, or check a checksum in the same RUN",
    look=look,
)
