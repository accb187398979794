"""A folder that a policy names in, the rules in it out. Speaks to: that folder, whose Python files it runs.

`own_rules: ./rules` in a policy.yaml names a folder beside it. Each NAME.py in it holds RULE, as ours do, with its
page in NAME.md. They are code and run with the rights of whoever lints: they are taken from the policy that was
chosen, never from a folder because it is linted.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import BadFile
from pipeline.model import Context, Dockerfile, Problem, Rule

LARGEST = 1_000_000  # bytes of a rule or its page
Look = Callable[[Dockerfile, Context], Iterable[Problem]]


def folder_of(policy_file: Path, named: str) -> Path:
    """The folder that a policy names, seen from the policy's own. Raises BadFile for one that is not there."""
    folder = policy_file.parent / named
    if not folder.is_dir():
        raise BadFile(f"`own_rules`: no folder `{named}`", file=policy_file, hint="name a folder beside this file")
    return folder


def ids(folder: Path) -> dict[str, Path]:
    """What the rules of a folder are called, by their files; nothing is run. Files that begin with _ are no rules."""
    return {file.stem.replace("_", "-"): file for file in sorted(folder.glob("[!_.]*.py"))}


def files(folder: Path) -> Iterator[Path]:
    """Every file that has a say in what these rules do, for a policy's digest."""
    yield from sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".md") and file.is_file())


def load(folder: Path, taken: Collection[str]) -> tuple[Rule, ...]:
    """Run the files of a folder and return their rules, each with its page. `taken` are ids that others have.

    Raises BadFile, with the line, for one that does not run, holds no RULE, has no page or somebody else's id.
    """
    return tuple(_loaded(name, file, taken) for name, file in ids(folder).items())


def conditions(said: Collection[Mapping[str, Any]], file: Path, taken: Collection[str]) -> tuple[Rule, ...]:
    """Return the rules that the conditions of a policy make. Raises BadFile for an id that is taken."""
    if not said:
        return ()
    from pipeline.lint import conditions as making

    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found: dict[str, Rule] = {}
    for one in said:
        pattern = rf"\bid\s*:\s*[\"']?{re.escape(one['id'])}[\"']?\s*(?:[,}}#]|$)"
        line = next((number for number, text in enumerate(lines, start=1) if re.search(pattern, text)), None)
        if one["id"] in taken or one["id"] in found:
            raise BadFile(f"the condition `{one['id']}` has the name of another rule", file=file, line=line,
                          hint="give it a name of its own")  # fmt: skip
        found[one["id"]] = making.rule(one, file, line)
    return tuple(found.values())


def _loaded(name: str, file: Path, taken: Collection[str]) -> Rule:
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name):
        raise BadFile(
            f"`{file.name}` cannot be a rule's name", file=file, hint="lower case, digits and _: no_curl.py"
        )
    if name in taken:
        raise BadFile(f"there is a rule `{name}` already", file=file, hint="call this file something else")
    module = _run(file)
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise BadFile("holds no RULE", file=file, hint=f'RULE = Rule(id="{name}", severity=…, hint=…, look=look)')
    if rule.id != name:
        raise BadFile(f"the rule's id is `{rule.id}`, its file says `{name}`", file=file, line=_line(file, rule.id),
                      hint="a rule, its file and its page have one name")  # fmt: skip
    page = file.with_suffix(".md")
    if not page.is_file():
        raise BadFile(
            "a rule without a page", file=page, hint=f"write it; `explain {name}` shows it, and it is tested"
        )
    return rule._replace(page=_text(page), docs=str(page), look=partial(_guarded, rule.look))


def _guarded(look: Look, dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """What a rule finds; what it prints is no part of a report, and it cannot end the program.

    Raises TypeError or ValueError for what is no problem in this file.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            found = tuple(look(dockerfile, context))
        except SystemExit as error:
            raise RuntimeError(f"it calls sys.exit({error.code})") from None
    for one in found:
        if not isinstance(one, Problem) or not isinstance(one.line, int) or not isinstance(one.message, str):
            raise TypeError(f"it yields {one!r}"[:200] + ", and not Problem(line, message)")
        if one.line < 1:
            raise ValueError(f"it speaks of line {one.line}: lines count from 1")
        edits = one.fix.edits if one.fix else ()
        if one.at is not None or edits:
            size = len(dockerfile.text.encode())
            for span in (*([one.at] if one.at else []), *(edit.span for edit in edits)):
                if not 0 <= span.start <= span.end <= size:
                    raise ValueError(f"it speaks of bytes {span.start} to {span.end} of {size}")
    return iter(found)


def _run(file: Path) -> ModuleType:
    """Run a file as a module of its own; nothing is put on sys.path, and no bytecode is left beside it."""
    unique = hashlib.sha256(str(file.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    module = ModuleType(f"seatrial_own_rules_{unique}_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(_text(file), str(file), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        raise _broken(file, error.lineno if error.filename == str(file) else None, error) from None
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None)
        raise _broken(file, line, error) from None
    return module


def _broken(file: Path, line: int | None, error: BaseException) -> BadFile:
    words = error.msg if isinstance(error, SyntaxError) else str(error)
    return BadFile(f"the rule does not run: {type(error).__name__}: {words}"[:300], file=file, line=line,
                   hint="mend it, or take `own_rules` out of the policy")  # fmt: skip


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise BadFile("larger than 1 MB", file=file, hint="a rule is written by people")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot be read: {error}", file=file, hint="it must be a UTF-8 text file") from None


def _line(file: Path, word: str) -> int | None:
    lines = enumerate(_text(file).splitlines(), start=1)
    return next((number for number, text in lines if word in text), None)
