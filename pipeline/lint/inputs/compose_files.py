"""Compose files in, each service whole out: extended, included, overridden, with variables put in, in its long form.

Variables take the values of a `.env` beside the file and their defaults, never those of this machine. Speaks to: the
files below `root`; others are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import BadFile
from pipeline.lint.inputs import comments, interpolation
from pipeline.lint.inputs.dockerfiles import COMPOSE
from pipeline.lint.inputs.yamltree import Items, Map, Removed, Words, read
from pipeline.model import Waiver

_DEEPEST = 8  # files that include or extend one another
_MOST_FILES = 40
_MOST_BESIDE = 100
_GPU_WORDS = ("gpu", "nvidia", "cuda", "cdi")
_WHOLE = ("command", "entrypoint", "test")  # lists that an override replaces
_PAIRS = ("args", "environment", "labels")  # K=V lists that are mappings
_UNREADABLE = "check the reference; ${NAME}, ${NAME:-default}, $$ for a dollar sign"


class Files:
    """Reads compose files, each once, and puts together what extends and includes what."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.trees: dict[Path, Map] = {}
        self.projects: dict[Path, Map] = {}
        self.waivers: list[Waiver] = []  # of all of the files

    def project(self, file: Path, depth: int = 0) -> Map:
        """The services of a file: name → service. A file that includes itself adds nothing the second time."""
        key = file.absolute()
        if key not in self.projects:
            self.projects[key] = Map()
            self.projects[key] = self._project(file, depth)
        return self.projects[key]

    def _project(self, file: Path, depth: int) -> Map:
        tree = self.tree(file)
        for end in (".yaml", ".yml"):
            over = file.with_name(f"{file.stem}.override{end}")
            if file.name in COMPOSE and self.inside(over) is not None:
                tree = _merged(tree, self.tree(over))
        found = Map()
        for one in tree.items_of("include") if depth < _DEEPEST else ():
            for path in _included(one):
                if (other := self.inside(file.parent / path)) is not None:
                    found = _merged(found, self.project(other, depth + 1))
        if tree.get("services") is not None and not isinstance(tree["services"], Map):
            raise BadFile("`services` must hold names, and what each of them is", file=str(file),
                          line=tree.places["services"].line, hint="services: {api: {build: .}}")  # fmt: skip
        own = tree.part("services")
        for name, value in own.items():
            if isinstance(value, Map):
                found.put(name, self.extended(value, own, file, depth), own.places[name])
        return found

    def extended(self, service: Map, beside: Map, file: Path, depth: int) -> Map:
        """A service on top of the one that it extends."""
        wanted = service.get("extends")
        name = wanted.get("service") if isinstance(wanted, Map) else wanted
        if not isinstance(name, str):
            return service
        if depth > _DEEPEST:
            raise BadFile(f"`extends: {name[:100]}` goes round in a circle, or through too many services",
                          file=str(file), line=service.places["extends"].line,
                          hint="let one of them extend nothing")  # fmt: skip
        path = wanted.get("file") if isinstance(wanted, Map) else None
        if isinstance(path, str):
            other = self.inside(file.parent / path)
            if other is None:
                return _incomplete(service)
            file, beside = other, self.tree(other).part("services")
        elif path is not None:
            return _incomplete(service)
        base = beside.get(name)
        if not isinstance(base, Map):
            raise BadFile(f"no service `{name[:100]}` to extend", file=service.places["extends"].file,
                          line=service.places["extends"].line, hint="check its name")  # fmt: skip
        below = self.extended(base, beside, file, depth + 1)
        whole = _merged(below, service)
        return _incomplete(whole) if below.get("extends") is UNKNOWN else whole

    def inside(self, path: Path) -> Path | None:
        """A file that may be opened: it is there, and inside of the root, links followed."""
        try:
            whole = path.resolve()
            return path if whole.is_relative_to(self.root) and whole.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

    def beside(self, file: Path) -> tuple[str, ...]:
        """The texts of other compose files in its folder that speak of GPUs, and that nothing merges by itself."""
        from pipeline.parse import text_of

        others = [one for end in ("yaml", "yml") for one in file.parent.glob(f"*compose*.{end}")]
        others.sort(key=lambda one: (not any(word in one.name for word in _GPU_WORDS), one.name))
        found = []
        for other in others[:_MOST_BESIDE]:
            if other.absolute() not in self.trees and self.inside(other) is not None:
                try:
                    text = text_of(other)
                except BadFile:
                    continue  # told when it is judged itself
                if any(word in text for word in _GPU_WORDS):
                    found.append(text)
        return tuple(found)

    def tree(self, file: Path) -> Map:
        """The file's values, with variables put in and every short form written out."""
        key = file.absolute()
        if key not in self.trees:
            if len(self.trees) == _MOST_FILES:
                raise BadFile(f"more than {_MOST_FILES} files", file=str(file), hint="include fewer of them")
            from pipeline.parse import text_of

            beside = self.inside(file.with_name(".env"))
            try:
                known = interpolation.variables(text_of(beside)) if beside else {}
            except BadFile:
                known = {}
            text = text_of(file)
            tree = read(text, str(file))
            self.waivers += comments.waivers(text, str(file))
            services = tree.part("services")
            for part in (services, tree.items_of("include")):
                _put_in(part, known)
            for name, value in list(services.items()):
                if isinstance(value, Map):
                    services[name] = _written_out(value, file)
            self.trees[key] = tree
        return self.trees[key]


def _put_in(tree: Map | Items, known: Mapping[str, str]) -> None:
    """Put variables in, in place. A text that is not known here goes, and its key with it."""
    pairs = list(tree.items()) if isinstance(tree, Map) else list(enumerate(tree))
    for key, value in pairs:
        if isinstance(value, Map | Items):
            _put_in(value, known)
        elif isinstance(value, Words) and "$" in value:
            place = tree.places[key]  # type: ignore[index]
            try:
                text = interpolation.interpolated(value, known)
            except interpolation.BadVariable as error:
                raise BadFile(
                    f"`{value[:100]}`: {error}", file=place.file, line=place.line, hint=_UNREADABLE
                ) from None
            tree[key] = UNKNOWN if text is None else _like(value, text)  # type: ignore[index]


class Unknown:
    """A value that only the machine that starts the services knows."""


UNKNOWN = Unknown()


def _incomplete(service: Map) -> Map:
    """A service that extends what is not known here."""
    service["extends"] = UNKNOWN
    return service


def _like(value: Words, text: str) -> Words:
    words = Words(text)
    words.line, words.literal = value.line, value.literal and value.count("\n") == text.count("\n")
    words.varies = text != value.replace("$$", "$")
    return words


def _written_out(service: Map, file: Path) -> Map:
    """A service with its short forms as long ones: `build: .`, `K=V` lists; and its context as a path from here."""
    build = service.get("build")
    if isinstance(build, str):
        long = Map()
        long.put("context", build, service.places["build"])
        service["build"] = build = long
    for holder in (service, build):
        for key in _PAIRS if isinstance(holder, Map) else ():
            value = holder.get(key)  # type: ignore[union-attr]
            if isinstance(value, Items):
                holder[key] = _pairs(value)  # type: ignore[index]
    if isinstance(build, Map) and isinstance(context := build.get("context"), str):
        remote = "://" in context or context.startswith(("git@", "github.com/"))
        build["context"] = UNKNOWN if remote else file.parent / context
    return service


def _pairs(items: Items) -> Map:
    found = Map()
    for item, place in zip(items, items.places, strict=True):
        if isinstance(item, str):
            name, equals, value = item.partition("=")
            words = Words(value)
            words.line, words.literal, words.varies = place.line, False, isinstance(item, Words) and item.varies
            found.put(name, words if equals else None, place)
    return found


def _merged(base: Map, over: Map) -> Map:
    """`over` on top of `base`: mappings key by key, lists one behind the other, all else replaced."""
    found = Map()
    for one in (base, over):
        for key, value in one.items():
            before = found.get(key)
            if isinstance(value, Removed):
                found.pop(key, None)
                continue
            if isinstance(value, Map) and isinstance(before, Map) and not value.replaces:
                value = _merged(before, value)
            elif isinstance(value, Items) and isinstance(before, Items) and key not in _WHOLE and not value.replaces:
                both = Items()
                for item, place in (*zip(before, before.places, strict=True), *zip(value, value.places, strict=True)):
                    both.put(item, place)
                value = both
            found.put(key, value, one.places[key])
    return found


def _included(one: Any) -> Iterator[str]:
    """The paths of an entry of `include`, which can be a path, or a mapping with one or several."""
    path = one.get("path") if isinstance(one, Map) else one
    for each in path if isinstance(path, Items) else (path,):
        if isinstance(each, str) and "://" not in each:
            yield each
