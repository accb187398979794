"""Paths and a policy in, Dockerfiles mended out: on disk, or as a diff to look at first. Speaks to: nothing.

    files ── lint ── engine.mend ── written whole or not at all          `pin` asks a registry for digests

Safe fixes leave the image as it was; `unsafe` takes the others too. A file that cannot be read or does not parse is
an error of its own, and stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import lint, parse
from pipeline.errors import BadFile
from pipeline.fix.engine import Mended, apply, mend
from pipeline.fix.pin import NotPinned, Pinned, Resolve, pinned
from pipeline.lint import beside, masked
from pipeline.lint.ruleset import Ruleset
from pipeline.model import Finding, Unread

__all__ = ["FileFixed", "Fixed", "Mended", "NotPinned", "Pinned", "Resolve", "apply", "fix", "mend", "pinned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFixed:
    """What became of one file. `left` are findings that stay: `fixable` ones need --unsafe, others a person."""

    file: str
    changed: bool
    mended: tuple[Finding, ...]
    refused: tuple[str, ...]  # fixes after which the file would not parse: bugs of ours, said openly
    pins: tuple[Pinned, ...]
    not_pinned: tuple[NotPinned, ...]
    left: tuple[Finding, ...]
    diff: str  # unified, with credentials masked out; empty when nothing changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What became of all of them."""

    files: tuple[FileFixed, ...]
    errors: tuple[Unread, ...]
    written: bool  # false: somebody wanted to look first


def fix(
    paths: Sequence[Path],
    rules: Ruleset,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
    only: Sequence[str] = (),
    unsafe: bool = False,
    write: bool = True,
    resolve: Resolve | None = None,
) -> Fixed:
    """Mend every Dockerfile in `paths` until nothing is left to mend, and pin its bases when `resolve` is given.

    `only` names the rules whose fixes are taken; none means all. Raises BadFile for a path that is not there.
    """
    done: list[FileFixed] = []
    errors: list[Unread] = []
    judges = list(lint.each(paths, rules, build_args=build_args or {}, target=target))
    tree = beside.tree_names([file for file, _ in judges]) if resolve else ()
    for file, look in judges:
        try:
            before = parse.text_of(file)
            fixed, text, unheard = _fixed(file, before, look, frozenset(only), unsafe, resolve, tree)
            errors += unheard
            if write and fixed.changed:
                _write(file, text, before)
            done.append(fixed)
        except BadFile as error:
            unread = Unread(file=error.file, line=error.line, message=error.what, hint=error.hint)
            errors.append(masked.unread(unread))
    return Fixed(files=tuple(done), errors=tuple(errors), written=write)


def _fixed(
    file: Path,
    before: str,
    look: lint.Look,
    only: frozenset[str],
    unsafe: bool,
    resolve: Resolve | None,
    tree: Sequence[str],
) -> tuple[FileFixed, str, tuple[Unread, ...]]:
    """What became of one file, its text, and what could not be told of it: a rule that broke off, for example."""

    def offered(text: str) -> tuple[Finding, ...]:
        return tuple(one for one in look(text).findings if not only or one.rule in only)

    mended = mend(before, offered, unsafe=unsafe)
    nothing: tuple[str, tuple[Pinned, ...], tuple[NotPinned, ...]] = (mended.text, (), ())
    text, pins, not_pinned = pinned(mended.text, str(file), resolve, tree) if resolve else nothing
    after = masked.report(look(text))
    left = tuple(one for one in after.findings if not one.waived)
    fixed = FileFixed(
        file=str(file),
        changed=text != before,
        mended=tuple(masked.finding(one) for one in mended.done),
        refused=tuple(f"{finding.rule} on line {finding.line}: {why}" for finding, why in mended.refused),
        pins=pins,
        not_pinned=not_pinned,
        left=left,
        diff=_diff(masked.masked(before), masked.masked(text), str(file)),
    )
    return fixed, text, after.errors


def _diff(before: str, after: str, file: str) -> str:
    import difflib

    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{file}", f"b/{file}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _write(file: Path, text: str, before: str) -> None:
    """Put the text in the place of the file whole, with its mode and owner; a link keeps pointing where it did."""
    from pipeline.errors import DiskFull

    if parse.text_of(file) != before:
        raise BadFile("changed while it was being mended", file=file, hint="run it again; the file is as it was")
    place = file.resolve()
    fresh = place.with_name(f".{place.name[:200]}.{secrets.token_hex(4)}")
    try:
        with fresh.open("xb") as opened:  # never through a link that somebody put there
            opened.write(text.encode("utf-8", "surrogatepass"))
        was = place.stat()
        if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):
                os.chown(fresh, was.st_uid, was.st_gid)
        fresh.chmod(was.st_mode & 0o7777)
        fresh.replace(place)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no room left: {file}", hint="free some space; the file is as it was") from None
        raise BadFile(f"cannot be written: {error.strerror}", file=file, hint="check its permissions") from None
