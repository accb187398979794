"""A stage, an instruction and a path in the image in, the text that a COPY or a mount brought there out.

Speaks to: the build context. Nothing outside it is opened. Where the folder that a command runs in cannot be told
(`cd $X && …`), a file of the same name that the stage copied is taken for the one that is meant.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from pipeline.analysis.paths import absolute
from pipeline.analysis.variables import built_by, substituted
from pipeline.analysis.walk import chain, copied_from, mounts, working_folder
from pipeline.model import Context, Dockerfile, Instruction, Stage, once_per_file

if TYPE_CHECKING:
    from pipeline.context import BuildContext

_MOST = 1000  # copied files and folders of one stage; a file of a megabyte could ask for a hundred times that


class Found(NamedTuple):
    """The text of a file, and its path in the build context; "" for one that the Dockerfile itself holds."""

    text: str
    path: str


class _Brought(NamedTuple):
    """What a COPY or a mount puts at an absolute path: a file or a folder of the context, or a text."""

    source: str
    destination: str  # absolute; ends with a slash where it is certainly a folder
    text: str | None = None


def text_of(
    dockerfile: Dockerfile, context: Context, stage: Stage, instruction: Instruction, path: str
) -> Found | None:
    """Return what a command of `instruction` finds at an absolute path, None where that cannot be told."""
    mounted = tuple(_mounted(instruction, working_folder(dockerfile, stage, instruction)))
    if mounted:
        return _found(dockerfile, context, (*mounted, *_copies(dockerfile, stage)), path)
    key = ("text of", str(context.folder), stage.index, path)  # many installs read the same file
    if key not in dockerfile.memo:
        dockerfile.memo[key] = _found(dockerfile, context, _copies(dockerfile, stage), path)
    found: Found | None = dockerfile.memo[key]
    return found


def _found(dockerfile: Dockerfile, context: Context, brought: Sequence[_Brought], path: str) -> Found | None:
    build = _build(dockerfile, context)
    for one in brought:
        for source in _sources(one, path):
            text = one.text if one.text is not None else build.text(source) if build else None
            if text is not None:
                return Found(text, "" if one.text is not None else source)
    if build is None:
        return None
    base = posixpath.basename(path)
    named = [one.source for one in brought if one.text is None and posixpath.basename(one.source) == base]
    everything = any(one.source.strip("./") == "" and one.text is None for one in brought)
    for source in (*named, *((base,) if everything else ())):
        text = build.text(source)
        if text is not None:
            return Found(text, source)
    return None


def beside(dockerfile: Dockerfile, context: Context, found: Found, path: str) -> Found | None:
    """Return the file that another one names relative to itself."""
    build = _build(dockerfile, context)
    place = posixpath.normpath(posixpath.join(posixpath.dirname(found.path), path))
    if build is None or not found.path or path.startswith("/") or place.startswith(".."):
        return None
    text = build.text(place)
    return None if text is None else Found(text, place)


def _build(dockerfile: Dockerfile, context: Context) -> BuildContext | None:
    if context.folder is None:
        return None
    from pipeline import context as contexts  # most Dockerfiles are judged without it

    return contexts.of(dockerfile, context)


def _sources(one: _Brought, path: str) -> Iterator[str]:
    """The files of the context that may stand at the path, if this brought them."""
    folder = one.destination.rstrip("/")
    source = one.source.rstrip("/")
    base = posixpath.basename(path)
    if path == folder:
        yield source
    elif path.startswith(f"{folder}/"):
        if path == f"{folder}/{posixpath.basename(source)}":
            yield source
        if set(source) & set("*?["):
            if path == f"{folder}/{base}" and fnmatchcase(base, posixpath.basename(source)):
                yield posixpath.join(posixpath.dirname(source), base)
        else:
            yield posixpath.join(source, path[len(folder) + 1 :])


@once_per_file
def _copies(dockerfile: Dockerfile, stage: Stage) -> tuple[_Brought, ...]:
    """What a stage and those it builds on copy out of the context, the last first."""
    found: list[_Brought] = []
    for each in chain(dockerfile, stage):
        for one in reversed(built_by(dockerfile, each)):
            if one.keyword in ("COPY", "ADD") and len(one.words) > 1 and copied_from(one) is None:
                place = absolute(substituted(one.words[-1], each), working_folder(dockerfile, each, one))
                texts = {heredoc.name: heredoc.content for heredoc in one.heredocs}
                for word in one.words[:-1]:
                    name = word.lstrip("<-").strip("'\"")
                    text = texts.get(name) if word.startswith("<<") else None
                    source = name if text is not None else substituted(word, each)
                    found.append(_Brought(source, place, text))
    return tuple(found[:_MOST])


def _mounted(instruction: Instruction, folder: str) -> Iterator[_Brought]:
    for mount in mounts(instruction, "bind"):
        if mount.target and not mount.origin:
            yield _Brought(mount.source or ".", absolute(mount.target, folder))
