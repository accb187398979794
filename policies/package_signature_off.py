"""package-signature-off: packages installed without a check of who signed them."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import APT, DNF, calls, problem
from pipeline.analysis.shell import needed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_APT = ("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories")
_OPTIONS = {
    **dict.fromkeys(APT, _APT),
    **dict.fromkeys(DNF, ("--nogpgcheck", "--no-gpgchecks")),
    "apk": ("--allow-untrusted",),
    "rpm": ("--nosignature", "--nodigest", "--noverify", "--nogpgcheck"),
    "zypper": ("--no-gpg-checks",),
}
_SETTING = (
    r"trusted=yes|(?<![\w-])gpgcheck\s*=\s*(?:0|no|false)\b|sslverify\s*=\s*(?:0|no|false)\b|AllowUnauthenticated"
)
_MARKS = ("trusted=yes", "gpgcheck", "sslverify", "AllowUnauthenticated")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each option that turns the check off, and each setting that is written into a file of repositories."""
    for ran, call in calls(dockerfile, *_OPTIONS):
        for place, name, _ in call.options:
            if name in _OPTIONS[ran.command.program]:
                edit = mend.option_dropped(dockerfile, ran.command, place, name)
                fix = mend.fix(f"drop {name}", edit, safe=False)
                yield problem(ran, f"`{ran.command.program} {name}` takes packages from anybody", at=place, fix=fix)
    if not any(mark in dockerfile.text for mark in _MARKS):
        return
    for ran in needed(dockerfile):
        found = next((hit for word in ran.command.words if (hit := re.search(_SETTING, word))), None)
        if found:
            yield problem(ran, f"`{found[0]}`: packages are taken from anybody")
    for stage in dockerfile.stages:
        for instruction in stage.instructions if stage.needed else ():
            if instruction.keyword in ("COPY", "ADD") and instruction.heredocs:
                found = next((hit for one in instruction.heredocs if (hit := re.search(_SETTING, one.content))), None)
                if found:
                    yield Problem(
                        instruction.line, f"`{found[0]}`: packages are taken from anybody", stage=stage.label
                    )


RULE = Rule(
    id="package-signature-off",
    severity=Severity.WARNING,
    hint="install the repository's key: `signed-by=/usr/share/keyrings/…` for apt, `gpgkey=` for dnf",
    look=look,
)
