"""A YAML file and a pydantic model in, a checked value out; an error names file, line, column and the nearest key.

Files are read with PyYAML's safe loader only. Reading twice (once for values, once for places) keeps both simple.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from pipeline.errors import BadFile

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
LARGEST = 1_000_000  # bytes; a file that a person wrote is far smaller, a YAML bomb is not


class Strict(BaseModel):
    """A model whose unknown keys are errors and whose values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(path: Path, model: type[Model]) -> Model:
    """Return the file as a `model`. Raises BadFile with the place of the first mistake."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadFile("larger than 1 MB", file=path, hint="this file is meant to be written by a person")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadFile("no such file", file=path, hint="docs/reference.md shows one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot be read: {error}", file=path, hint="it must be a UTF-8 text file") from None
    return parse(text, model, path)


def parse(text: str, model: type[Model], path: Path) -> Model:
    """The same from text; `path` is used in errors only."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_aliases(text, path)
        _refuse_duplicates(root, path)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFile(
            f"not YAML: {error.problem}",
            file=path, hint="check quotes, indentation and colons near there",
            line=mark.line + 1 if mark else None, column=mark.column + 1 if mark else None,
        ) from None  # fmt: skip
    except yaml.YAMLError as error:
        raise BadFile(f"not YAML: {error}", file=path, hint="it must be a UTF-8 text file") from None
    except RecursionError:
        raise BadFile("nested too deeply", file=path, hint="a person should be able to read it") from None
    if not isinstance(values, dict):
        raise BadFile("must hold keys and values", file=path, line=1, column=1, hint="write `key: value`")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        mistakes = error.errors()
        # A mistyped required key is both unknown and missing: the unknown one has the place and the nearest word.
        first = next((one for one in mistakes if one["type"] == "extra_forbidden"), mistakes[0])
        raise _explained(first, len(mistakes), root, model, path) from None


def _refuse_aliases(text: str, path: Path) -> None:
    """Anchors can blow a small file up to gigabytes; nothing that a user writes here needs one."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
            raise BadFile("YAML aliases are not allowed", file=path, line=line, column=column,
                          hint="write the value out")  # fmt: skip


def _refuse_duplicates(node: yaml.Node | None, path: Path) -> None:
    """YAML takes the last of two equal keys without a word: a limit would vanish in a merge."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                line, column = key.start_mark.line + 1, key.start_mark.column + 1
                if str(key.value) in first:
                    raise BadFile(f"the key `{key.value}` is there twice, first on line {first[str(key.value)]}",
                                  file=path, line=line, column=column, hint="keep one of them")  # fmt: skip
                first[str(key.value)] = line
                waiting.append(value)


def _explained(
    error: ErrorDetails, count: int, root: yaml.Node | None, model: type[BaseModel], path: Path
) -> BadFile:
    """Turn pydantic's first error into words, at the place in the file."""
    where = tuple(part for part in error["loc"])
    unknown = error["type"] == "extra_forbidden"
    line, column = _place(root, where)
    name = ".".join(str(part) for part in where if not str(part).startswith("function-"))
    if unknown:
        what = f"unknown key `{where[-1]}`"
        near = difflib.get_close_matches(str(where[-1]), _keys(model, where[:-1]), n=1)
        known = ", ".join(sorted(_keys(model, where[:-1])))
        hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {known}"
    elif error["type"] == "missing":
        what, hint = f"`{name}` is missing", "add it; docs/reference.md shows an example"
    else:
        what, hint = f"`{name}`: {_words(error)}", f"it reads {_shown(error['input'])}"
    more = f" (and {count - 1} more)" if count > 1 else ""
    return BadFile(what + more, file=path, line=line, column=column, hint=hint)


def _words(error: ErrorDetails) -> str:
    """Pydantic's complaint as a person would say it."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "string_type":
        return 'must be text: put it in quotes, like "1.0"'
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must hold keys and values, like {key: value}"
    if kind == "list_type":
        return "must be a list, like [one, two]"
    if kind in ("bool_parsing", "bool_type"):
        return "must be true or false"
    if kind in ("int_parsing", "int_type", "int_from_float"):
        return "must be a whole number"
    if kind == "literal_error":
        return f"must be {limits['expected']}"
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(limits["pattern"], f"must look like {limits['pattern']}")
    return re.sub(r"^Value error, ", "", error["msg"])


def _shown(value: Any) -> str:
    """A value as it stands in the YAML, shortened."""
    return (str(value).lower() if isinstance(value, bool) else repr(value))[:200]


def _place(node: yaml.Node | None, where: tuple[int | str, ...]) -> tuple[int | None, int | None]:
    """Follow a path of keys and indexes down the YAML nodes; stop where it no longer matches."""
    mark = node.start_mark if node else None
    for part in where:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    mark, node = key.start_mark, value
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (None, None)


def _keys(model: Any, where: tuple[int | str, ...]) -> set[str]:
    """The keys that a model knows at a path, as the user writes them."""
    schema = model.model_json_schema(by_alias=True)
    spot = schema
    for part in where:
        spot = _resolve(spot, schema)
        if isinstance(part, int):
            spot = spot.get("items", spot)
        else:
            spot = spot.get("properties", {}).get(part) or spot.get("additionalProperties") or spot
    return set(_resolve(spot, schema).get("properties", {}))


def _resolve(spot: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Follow `$ref`, and the object among alternatives."""
    while isinstance(spot, dict) and ("$ref" in spot or "anyOf" in spot):
        if "$ref" in spot:
            spot = schema["$defs"][spot["$ref"].rsplit("/", 1)[-1]]
        else:
            spot = next((option for option in spot["anyOf"] if "$ref" in option), {})
    return spot if isinstance(spot, dict) else {}


PATTERNS: dict[str, str] = {}  # a pattern of a model → what it asks for, in words; recipe.py fills it


UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
         "k": 2**10, "m": 2**20, "g": 2**30}  # fmt: skip
SPANS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", str(value).strip())
    if isinstance(value, bool) or not match or match[2].lower() not in UNITS:
        raise ValueError("a size looks like 512MB, 1.5GB or 256MiB")
    return int(float(match[1]) * UNITS[match[2].lower()])


def _seconds(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip())
    if isinstance(value, bool) or not match or match[2] not in SPANS:
        raise ValueError("a time span looks like 30s, 2m or 14d")
    return float(match[1]) * SPANS[match[2]]


def seconds(text: str, name: str) -> float:
    """A time span from the command line. Raises BadFile that names the option."""
    try:
        return float(_seconds(text))
    except ValueError as error:
        raise BadFile(f"`{text}`: {error}", file=name, hint="30s") from None


def _growth(value: Any) -> Any:
    """`5%` or a size; kept as it was written."""
    text = str(value).strip()
    if re.fullmatch(r"\d{1,4}(?:\.\d{1,3})?\s*%", text):
        return text
    try:
        _bytes(value)
    except ValueError:
        raise ValueError("growth looks like 5% or 50MB") from None
    return text


def grown(before: int, growth: str) -> int:
    """Return how many bytes a growth (`5%`, `50MB`) allows after `before` bytes."""
    if growth.endswith("%"):
        return round(before * (1 + float(growth[:-1]) / 100))
    return before + int(_bytes(growth))


def _text(value: Any) -> Any:
    """`1.0` in YAML is a number; build arguments and environment are text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str | int)]
Growth = Annotated[str, BeforeValidator(_growth, json_schema_input_type=str | int)]
Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str | int | float)]
Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool)]


def unknown(name: str, known: Iterable[str], kind: str, path: Path) -> BadFile:
    """The error for a name that the file uses and nobody knows, at its place in the file."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    line = column = None
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
        if found:
            line, column = number, found.start() + 1
            break
    listed = f"known: {', '.join(known)}" if known else "delete it: there are none"
    if kind == "rule" and len(known) > 20:
        listed = "`rules` lists them all"
    hint = f"did you mean `{near[0]}`?" if near else listed
    return BadFile(f"no {kind} `{name}`", file=path, line=line, column=column, hint=hint)
