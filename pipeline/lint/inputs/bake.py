"""docker-bake files in, their targets with arguments worked out. Speaks to: nothing.

    targets ── _blocks (HCL or JSON) ── _Project: variables, functions ── matrix ── inherits ── Target

Variables have their defaults, never this machine's environment. What cannot be worked out is left out, not guessed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import BadFile
from pipeline.lint.inputs import hcl, values
from pipeline.lint.inputs.values import Expression, NotKnown
from pipeline.model.service import Place

_MOST = 256  # targets of one matrix
_DEEPEST = 100  # targets that inherit from one another
_FIELDS = ("dockerfile", "context", "target", "dockerfile-inline")


class Target(NamedTuple):
    """One build. `context` and `dockerfile` are as written, None where they cannot be told."""

    name: str
    context: str | None
    dockerfile: str | None
    inline: tuple[str, int] | None  # a Dockerfile inside the bake file, and its first line there
    build_args: Mapping[str, str]
    target: str | None
    place: Place


class _Made(NamedTuple):
    """A target block, evaluated. A field that cannot be told is NotKnown."""

    fields: dict[str, Any]
    args: dict[str, Any]
    inherits: tuple[str, ...]
    place: Place
    inline_line: int


def targets(files: Sequence[Path]) -> tuple[Target, ...]:
    """Return the targets of bake files that are read as one, the later over the earlier. Raises BadFile.

    A target that others inherit from, and that no group names, is a part and no build of its own.
    """
    from pipeline.parse import text_of

    tops = [(str(file), _blocks(text_of(file), str(file))) for file in files]
    blocks = [(file, block) for file, top in tops for block in top.blocks]
    project = _Project(blocks, {name: one.value for _, top in tops for name, one in top.attributes.items()})
    made: dict[str, _Made] = {}
    for file, block in blocks:
        if block.type == "target" and block.labels:
            for name, one in project.made(block, file):
                made[name] = _over(made[name], one) if name in made else one
    grouped = {name for _, block in blocks if block.type == "group" for name in project.names(block, "targets")}
    inherited = {name for one in made.values() for name in one.inherits}
    done: dict[str, _Made] = {}
    whole = (name for name in made if name in grouped or name not in inherited)
    return tuple(_target(name, _inherited(name, made, done)) for name in whole)


class _Scope:
    """The file's variables and functions, with the names that a matrix, a function or a loop adds."""

    def __init__(self, project: _Project, added: Mapping[str, Any]) -> None:
        self.project, self.added = project, added

    def value(self, name: str) -> Any:
        value = self.added[name] if name in self.added else self.project.variable(name)
        if value is NotKnown:
            raise NotKnown
        return value

    def function(self, name: str) -> values.Function | None:
        return self.project.functions.get(name)

    def within(self, names: Mapping[str, Any]) -> _Scope:
        return _Scope(self.project, {**self.added, **names})

    def step(self) -> None:
        self.project.steps.take()


class _Names(_Scope):
    """A scope in which a name is only a name: the parameters of a function."""

    def value(self, name: str) -> Any:
        return name


class _Project:
    """What all files together define."""

    def __init__(self, blocks: Sequence[tuple[str, hcl.Block]], attributes: Mapping[str, Expression]) -> None:
        self.steps = values.Steps()
        self.defaults: dict[str, Expression] = dict(attributes)
        self.worked_out: dict[str, Any] = {}
        self.functions: dict[str, values.Function] = {}
        for _, block in blocks:
            if block.type == "variable" and block.labels:
                default = block.attributes.get("default")
                self.defaults[block.labels[0]] = default.value if default else values.unknown
            elif block.type == "function" and block.labels and "result" in block.attributes:
                rest = self.names(block, "variadic_params")
                self.functions[block.labels[0]] = values.Function(
                    parameters=tuple(self.names(block, "params")),
                    rest=next(iter(rest), None),
                    result=block.attributes["result"].value,
                )

    def variable(self, name: str) -> Any:
        """The value of a variable, NotKnown for one that there is not, or that rests on itself."""
        if name not in self.worked_out:
            self.worked_out[name] = NotKnown
            if name in self.defaults:
                self.worked_out[name] = values.known(self.defaults[name], _Scope(self, {}))
        return self.worked_out[name]

    def names(self, block: hcl.Block, attribute: str) -> tuple[str, ...]:
        """A list of names in a block; a variable in it stands for its value, a parameter for itself."""
        scope = _Names(self, {}) if block.type == "function" else _Scope(self, {})
        value = values.known(block.attributes[attribute].value, scope) if attribute in block.attributes else ()
        found = value if isinstance(value, list) else [value]
        return tuple(one for one in found if isinstance(one, str))

    def made(self, block: hcl.Block, file: str) -> Iterator[tuple[str, _Made]]:
        """Every target that a block makes: one, or one for each combination of its matrix."""
        matrix = block.attributes.get("matrix")
        for added in self.combinations(matrix.value, file, block.line) if matrix else ({},):
            scope = _Scope(self, added)
            found = {key: values.known(one.value, scope) for key, one in block.attributes.items()}
            name = found.get("name", block.labels[0])
            args = found.get("args", {})
            if args is NotKnown:
                found["target"] = NotKnown  # nothing of this build can be told
            inherits = found.get("inherits") or ()
            inline = block.attributes.get("dockerfile-inline")
            place = Place(file, block.line)
            yield (
                (name if isinstance(name, str) else f"{block.labels[0]} {added}"),
                _Made(
                    fields={key: found[key] for key in _FIELDS if found.get(key) is not None},
                    args=args if isinstance(args, dict) else {},
                    inherits=tuple(one for one in inherits if isinstance(one, str))
                    if isinstance(inherits, list)
                    else (),
                    place=place,
                    inline_line=(inline.text_line or inline.line) if inline else block.line,
                ),
            )

    def combinations(self, matrix: Expression, file: str, line: int) -> Iterator[dict[str, Any]]:
        """Every choice of one value for each name of a matrix; none where the matrix cannot be told."""
        axes = values.known(matrix, _Scope(self, {}))
        if not isinstance(axes, dict) or not all(isinstance(axis, list) for axis in axes.values()):
            return
        count = 1
        for axis in axes.values():
            count *= len(axis)
        if count > _MOST:
            raise BadFile(f"a matrix of {count} targets, more than {_MOST}", file=file, line=line,
                          hint="split the target")  # fmt: skip
        for choice in itertools.product(*axes.values()):
            yield dict(zip(axes, choice, strict=True))


def _over(base: _Made, over: _Made) -> _Made:
    """One target on top of another. A null argument leaves what was there."""
    args = {**base.args, **{key: value for key, value in over.args.items() if value is not None}}
    inline = over.inline_line if "dockerfile-inline" in over.fields else base.inline_line
    return _Made({**base.fields, **over.fields}, args, over.inherits or base.inherits, over.place, inline)


def _inherited(name: str, made: Mapping[str, _Made], done: dict[str, _Made], depth: int = 0) -> _Made:
    """A target on top of all that it inherits from, the later over the earlier.

    `done` are those that were put together before. A target that inherits from itself adds nothing the second time.
    """
    if name in done:
        return done[name]
    one = done[name] = made[name]
    whole: _Made | None = None
    for parent in one.inherits:
        if parent in made and depth < _DEEPEST:
            base = _inherited(parent, made, done, depth + 1)
            whole = base if whole is None else _over(whole, base)
    if whole is not None:
        done[name] = _over(whole, one)
    return done[name]


def _target(name: str, one: _Made) -> Target:
    fields = {"context": ".", "dockerfile": "Dockerfile", **one.fields}
    told = {key: value if isinstance(value, str) else None for key, value in fields.items()}
    inline = told.get("dockerfile-inline")
    args: dict[str, str] = {}
    for key, value in one.args.items():
        if isinstance(value, str | int | float):
            args[key] = values.text_of(value)
    return Target(
        name=name,
        context=told["context"],
        # A stage that cannot be told leaves nothing to judge: another stage would be judged instead.
        dockerfile=None if fields.get("target") is NotKnown else told["dockerfile"] or "Dockerfile",
        inline=None if inline is None else (inline, one.inline_line),
        build_args=args,
        target=told.get("target") or None,
        place=one.place,
    )


def _blocks(text: str, file: str) -> hcl.Block:
    """The blocks of a file in HCL, or in the JSON that means the same. Raises BadFile."""
    if file.endswith(".hcl") or not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return hcl.blocks(text, file)
    import json

    try:
        tree = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise BadFile(f"not JSON: {error.msg}", file=file, line=error.lineno,
                      hint="check quotes, brackets and commas near there") from None  # fmt: skip
    except (RecursionError, ValueError):
        raise BadFile("not JSON: nested too deeply, or a number too long", file=file,
                      hint="a person should be able to read it") from None  # fmt: skip
    if not isinstance(tree, dict):
        raise BadFile("must hold keys and values", file=file, line=1, hint='write {"target": {…}}')
    found: list[hcl.Block] = []
    for kind, named in tree.items():
        for label, body in named.items() if isinstance(named, dict) else ():
            bodies = body if isinstance(body, list) else (body,)
            found += (_json_block(kind, label, one, text, file) for one in bodies if isinstance(one, dict))
    return hcl.Block("", (), {}, tuple(found), 1)


def _json_block(kind: str, label: str, body: Mapping[str, Any], text: str, file: str) -> hcl.Block:
    spot = re.compile(rf'"{re.escape(label[:200])}"\s*:').search(text)
    line = text.count("\n", 0, spot.start()) + 1 if spot else 1
    attributes = {key: hcl.Attribute(_json_value(value, file, line, 0), line) for key, value in body.items()}
    if kind == "function":  # its result is an expression, its parameters are names
        for key in ("params", "variadic_params"):
            if key in body:
                attributes[key] = hcl.Attribute(values.constant(body[key]), line)
    return hcl.Block(kind, (label,), attributes, (), line)


def _json_value(value: Any, file: str, line: int, depth: int) -> Expression:
    if depth > 20:
        raise BadFile("nested too deeply", file=file, line=line, hint="a person should be able to read it")
    if isinstance(value, str):
        return hcl.template(value, file, line)
    if isinstance(value, list):
        return values.all_of([_json_value(one, file, line, depth + 1) for one in value])
    if isinstance(value, dict):
        return values.object_of(
            [(values.constant(key), _json_value(one, file, line, depth + 1)) for key, one in value.items()]
        )
    return values.constant(value)
