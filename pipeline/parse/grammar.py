"""An instruction in, nothing out, or the reason why BuildKit refuses it. Speaks to: nothing.

How many arguments, which flags with which values, which names. What depends on other instructions is in `stages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline import lazily
from pipeline.model import Instruction
from pipeline.parse import heredocs
from pipeline.parse.instructions import KEYWORDS
from pipeline.parse.lines import Refused

# Which flags an instruction takes. A `bool` may stand alone, a `list` may come twice.
FLAGS: dict[str, dict[str, type]] = {
    "ADD": {"chown": str, "chmod": str, "link": bool, "keep-git-dir": bool, "checksum": str, "unpack": bool,
            "exclude": list},
    "COPY": {"chown": str, "from": str, "chmod": str, "link": bool, "exclude": list, "parents": bool},
    "FROM": {"platform": str},
    "HEALTHCHECK": {"interval": str, "timeout": str, "start-period": str, "start-interval": str, "retries": str},
    "RUN": {"mount": list, "network": str, "security": str, "device": list},
}  # fmt: skip
_FLAGS_NOT_READ = frozenset(("ARG", "STOPSIGNAL"))  # BuildKit looks at none there
_EXACTLY_ONE = frozenset(("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR"))
_AT_LEAST_ONE = frozenset(("ARG", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "VOLUME"))
_STAGE_NAME = lazily.pattern(r"[a-z][a-z0-9_.-]*\Z")
_SPAN = lazily.pattern(r"([+-]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+|0)\Z")
_SPAN_PART = lazily.pattern(r"([0-9.]+)([a-zµμ]+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_MOUNT_SWITCHES = ("readonly", "ro", "readwrite", "rw", "required")
_MOUNT_KEYS = (*_MOUNT_SWITCHES, "type", "from", "source", "src", "target", "dst", "destination", "id", "sharing",
               "size", "mode", "uid", "gid", "env")  # fmt: skip


def check(instruction: Instruction) -> None:
    """Raise Refused if BuildKit would not take the instruction, wherever it stood."""
    keyword, words = instruction.keyword, instruction.words
    if keyword not in KEYWORDS:
        raise Refused(f"there is no instruction `{keyword}`", hint=_near(keyword, KEYWORDS))
    if keyword in _EXACTLY_ONE and len(words) != 1:
        raise Refused(f"{keyword} without its argument", hint=f"write `{keyword} value`")
    if keyword in _AT_LEAST_ONE and not words:
        raise Refused(f"{keyword} without arguments", hint=f"give {keyword} at least one, or delete the line")
    if keyword in ("ADD", "COPY"):
        _check_copy(instruction)
    elif keyword == "FROM":
        _check_from(words)
    elif keyword in ("ENV", "LABEL"):
        if "" in words[::3]:
            raise Refused(f"{keyword} with an empty name", hint="write name=value")
    elif keyword == "ARG":
        if any(word.startswith("=") for word in words):
            raise Refused("ARG with an empty name", hint="write name=value")
    elif keyword == "VOLUME":
        if not all(word.strip() for word in words):
            raise Refused("VOLUME with an empty path", hint="name a folder")
    elif keyword == "SHELL":
        if not instruction.json_form:
            raise Refused("SHELL takes a JSON array only", hint='write SHELL ["/bin/bash", "-o", "pipefail", "-c"]')
    elif keyword == "ONBUILD" and words[0] in ("FROM", "MAINTAINER"):
        raise Refused(f"ONBUILD cannot hold {words[0]}", hint="only what can follow a FROM can be triggered")
    if keyword == "HEALTHCHECK" or (instruction.flags and keyword not in _FLAGS_NOT_READ):
        _check_flags(instruction)


def flag_values(instruction: Instruction, name: str) -> tuple[str, ...]:
    """Return the values of `--name=value`, in their order; a flag that stands alone has the value ""."""
    found = (flag.partition("=") for flag in instruction.flags)
    return tuple(value for key, _, value in found if key == f"--{name}")


def mount_options(mount: str) -> dict[str, str]:
    """Return the fields of one `--mount=…` by name. Raises Refused for broken quoting."""
    fields = _quoted_fields(mount) if '"' in mount else mount.split(",")
    pairs = (field.partition("=") for field in fields)
    return {key.lower(): value for key, _, value in pairs}


def _quoted_fields(mount: str) -> list[str]:
    import csv

    try:
        return next(csv.reader([mount], strict=True))
    except csv.Error as error:
        raise Refused(f"--mount={mount}: {error}", hint="quote a whole field, as in CSV") from None


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that comes nearest, if one comes near."""
    import difflib

    return next(iter(difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.7)), None)


def _check_from(words: tuple[str, ...]) -> None:
    if len(words) == 3 and words[1].lower() == "as":
        if not _STAGE_NAME.match(words[2].lower()):
            raise Refused(f"`{words[2]}` cannot name a stage",
                          hint="begin with a letter; then letters, digits, and - _ .")  # fmt: skip
    elif len(words) != 1:
        what = "FROM without an image" if not words else f"FROM with {len(words)} arguments"
        raise Refused(what, hint="write `FROM image` or `FROM image AS name`")


def _check_copy(instruction: Instruction) -> None:
    keyword, words = instruction.keyword, instruction.words
    if len(words) < 2:
        raise Refused(f"{keyword} needs a source and a destination", hint=f"write `{keyword} source destination`")
    try:
        is_heredoc = heredocs.opening(words[-1]) is not None
    except Refused:
        is_heredoc = False  # an open quote; the words' own check says so
    if is_heredoc:
        raise Refused(f"{keyword} into a heredoc", hint="a heredoc can be a source; name a destination after it")


def _check_flags(instruction: Instruction) -> None:
    keyword = instruction.keyword
    if keyword == "HEALTHCHECK":
        if instruction.words[0].upper() == "NONE":
            if len(instruction.words) > 1:
                raise Refused("HEALTHCHECK NONE takes nothing more", hint="delete what follows NONE")
            return
        _check_health(instruction)
    known = FLAGS.get(keyword, {})
    seen: set[str] = set()
    for flag in instruction.flags:
        if not flag.startswith("--"):
            raise Refused(f"`{flag}` is no flag", hint="a flag begins with --")
        name, equals, value = flag[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            raise Refused(f"{keyword} has no flag --{name}", hint=_near(name, tuple(known), "--"))
        if name in seen and kind is not list:
            raise Refused(f"--{name} twice in one {keyword}", hint="keep one of them")
        seen.add(name)
        if kind is bool:
            if value.lower() not in ("true", "false") and (value or equals):
                raise Refused(f"--{name} is true or false, not `{value}`", hint=f"write --{name} or --{name}=false")
        elif not equals:
            raise Refused(f"--{name} without a value", hint=f"write --{name}=value")
        if keyword == "RUN":
            _check_run_flag(name, value)
        elif keyword == "HEALTHCHECK":
            _check_health_flag(name, value)


def _check_run_flag(name: str, value: str) -> None:
    allowed = {"network": ("default", "none", "host"), "security": ("sandbox", "insecure")}.get(name)
    if allowed and value not in allowed:
        raise Refused(f"--{name}={value}", hint=f"one of: {', '.join(allowed)}")
    if name != "mount":
        return
    options = mount_options(value)
    source = options.get("from", "")
    if "$" in source[:-1]:
        raise Refused(f"--mount with from={source}: no variable is substituted there",
                      hint="give the image a stage of its own: FROM …$VARIABLE AS name")  # fmt: skip
    kind = options.get("type", "bind")
    if "$" not in kind and kind.lower() not in _MOUNT_TYPES:
        raise Refused(f"there is no mount type `{kind}`", hint=_near(kind, _MOUNT_TYPES))
    for key in options:
        if key not in _MOUNT_KEYS:
            raise Refused(f"--mount has no field `{key}`", hint=_near(key, _MOUNT_KEYS))


def _check_health(instruction: Instruction) -> None:
    kind = instruction.words[0]
    if kind.upper() != "CMD":
        raise Refused(f"there is no HEALTHCHECK {kind}", hint="CMD or NONE")
    if len(instruction.words) < 2:
        raise Refused("HEALTHCHECK CMD without a command", hint="name the command that tells whether it is healthy")


def _check_health_flag(name: str, value: str) -> None:
    if name == "retries":
        if value and not re.fullmatch(r"\+?[0-9]{1,9}|-0+", value, re.ASCII):
            raise Refused(f"--retries={value}", hint="a whole number, 0 or more")
        return
    match = _SPAN.match(value)
    if value and not match:
        raise Refused(f"--{name}={value} is no time span", hint="write 30s, 1m30s or 500ms")
    if match:
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _SPAN_PART.findall(match[2]))
        if seconds and (match[1] == "-" or seconds < 0.001):
            raise Refused(f"--{name}={value} is shorter than a millisecond", hint="write 30s, 1m30s or 500ms")


def _near(word: str, known: tuple[str, ...], prefix: str = "") -> str:
    meant = near(word, known)
    if meant:
        return f"did you mean `{prefix}{meant}`?"
    return f"known here: {', '.join(prefix + name for name in known)}" if known else "delete it: it takes none"
