"""download-without-checksum: an archive or program from the network, used without a look at what came."""

import re
from collections.abc import Iterator
from posixpath import basename

from pipeline.analysis.calls import after, problem
from pipeline.analysis.fetches import Fetch, fetches, is_checked, pipe_of
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_USES = frozenset({
    "tar", "unzip", "7z", "bsdtar", "gunzip", "xz", "dpkg", "apt-get", "apt", "rpm", "dnf", "yum", "apk", "chmod",
    "install", "sh", "bash", "gdebi", "cpio",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each download that its RUN unpacks, installs, runs or makes executable, and does not check."""
    for fetch in fetches(dockerfile):
        if not is_checked(dockerfile, fetch) and _used(dockerfile, fetch):
            yield problem(fetch.ran, f"{fetch.name or 'what is fetched'} is used as it came", at=fetch.place)


def _used(dockerfile: Dockerfile, fetch: Fetch) -> bool:
    if fetch.file is None:
        return any(program in ("tar", "bsdtar", "cpio", "unzip") for program in pipe_of(dockerfile, fetch.ran))
    name = basename(fetch.file)
    if len(name) < 2 or re.search(r"\.(gpg|asc|key|pub|txt|json|list|repo|sources)$", name):
        return False
    return any(
        one.program in _USES or one.program == name
        for one in after(dockerfile, fetch.ran)
        if any(name in word for word in one.words)
    )


RULE = Rule(
    id="download-without-checksum",
    severity=Severity.INFO,
    hint='`ADD --checksum=sha256:…`, or `echo "…  FILE" | sha256sum -c` before it is used',
    look=look,
)
