"""Parts of HCL expressions in, functions of a scope out; a value that cannot be told is NotKnown. Speaks to: nothing.

What the machine, the clock or the network would say is not known here. Nor is what would be too large to write down:
a few lines of HCL can double a text until it fills the memory.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

LONGEST = 100_000  # characters, or items
_STEPS = 200_000  # calls and repetitions in one file


class NotKnown(Exception):
    """The value cannot be told from the file alone."""


class Scope(Protocol):
    """What names mean where an expression stands."""

    def value(self, name: str) -> Any:
        """The value of a variable; raises NotKnown."""

    def function(self, name: str) -> Function | None:
        """The file's own function of that name."""

    def within(self, names: Mapping[str, Any]) -> Scope:
        """The same scope with some names added."""

    def step(self) -> None:
        """Count one step; raises NotKnown when there were too many."""


Expression = Callable[[Scope], Any]
BuiltIn = Callable[[str], Callable[..., Any]]  # raises NotKnown for a name that it does not have


class Function(NamedTuple):
    """A function that the file defines. `rest` takes the arguments that have no name of their own."""

    parameters: tuple[str, ...]
    rest: str | None
    result: Expression


class Steps:
    """Counts what is worked out for one file."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self) -> None:
        """One more; raises NotKnown when there were too many."""
        self.taken += 1
        if self.taken > _STEPS:
            raise NotKnown


def constant(value: Any) -> Expression:
    """A value that stands in the file."""
    return lambda scope: value


def unknown(scope: Scope) -> Any:
    """Something that is not worked out here."""
    raise NotKnown


LITERALS: Mapping[str, Expression] = {"true": constant(True), "false": constant(False), "null": constant(None)}


def name(word: str) -> Expression:
    """The value of a variable."""
    return lambda scope: scope.value(word)


def number(text: str) -> int | float:
    """A number as HCL writes it."""
    if text.isdigit() and len(text) < 30:
        return int(text)
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def text_of(value: Any) -> str:
    """A value inside of a text. Raises NotKnown for what cannot stand there."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    if not isinstance(value, str):
        raise NotKnown
    return value


def truth(value: Any) -> bool:
    """A condition's value. Raises NotKnown for what is none."""
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise NotKnown


def small(value: Any) -> Any:
    """The value; raises NotKnown for one that is too large to go on with."""
    if isinstance(value, str | list | dict) and len(value) > LONGEST:
        raise NotKnown
    if isinstance(value, int) and abs(value) > 10**30:
        raise NotKnown
    return value


def joined(parts: Sequence[Expression]) -> Expression:
    """A text with values in it. A single `${…}` keeps its type, as in HCL."""
    if len(parts) == 1:
        return parts[0]

    def text(scope: Scope) -> str:
        found: list[str] = []
        size = 0
        for part in parts:
            found.append(text_of(part(scope)))
            size += len(found[-1])
            if size > LONGEST:
                raise NotKnown
        return "".join(found)

    return text


def all_of(items: Sequence[Expression]) -> Expression:
    """A list."""
    return lambda scope: [item(scope) for item in items]


def object_of(pairs: Sequence[tuple[Expression, Expression]]) -> Expression:
    """An object. A value that is not known leaves its key there, with NotKnown itself as the value."""

    def value(scope: Scope) -> dict[str, Any]:
        return {text_of(key(scope)): known(item, scope) for key, item in pairs}

    return value


def known(expression: Expression, scope: Scope) -> Any:
    """The expression's value, NotKnown itself where it cannot be told."""
    try:
        return expression(scope)
    except (NotKnown, RecursionError):
        return NotKnown


def member(value: Expression, key: Expression) -> Expression:
    """`value.key` and `value[key]`."""

    def found(scope: Scope) -> Any:
        holder, at = value(scope), key(scope)
        try:
            item = holder[at] if isinstance(holder, dict) else holder[int(at)]
        except (KeyError, IndexError, TypeError, ValueError):
            raise NotKnown from None
        if item is NotKnown or isinstance(holder, str):
            raise NotKnown
        return item

    return found


_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
}  # fmt: skip


def operation(sign: str, left: Expression, right: Expression) -> Expression:
    """`left sign right`."""
    if sign in ("&&", "||"):
        return lambda scope: _either(sign, left, right, scope)
    if sign in ("==", "!="):
        return lambda scope: (left(scope) == right(scope)) == (sign == "==")

    def result(scope: Scope) -> Any:
        try:
            value = _SIGNS[sign](numeric(left(scope)), numeric(right(scope)))
        except (ArithmeticError, ValueError):
            raise NotKnown from None
        return small(int(value) if isinstance(value, float) and value.is_integer() else value)

    return result


def _either(sign: str, left: Expression, right: Expression, scope: Scope) -> bool:
    first = truth(left(scope))
    return first if first == (sign == "||") else truth(right(scope))


def negation(sign: str, value: Expression) -> Expression:
    """`!value` and `-value`."""
    return lambda scope: not truth(value(scope)) if sign == "!" else -numeric(value(scope))


def numeric(value: Any) -> int | float:
    """A number, also one that is written as a text. Raises NotKnown."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", value):
        return number(value) if value[0] != "-" else -number(value[1:])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotKnown
    return value


def _repeated(names: tuple[str, ...], source: Expression, scope: Scope) -> Iterator[Scope]:
    value = source(scope)
    if not isinstance(value, list | dict):
        raise NotKnown
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        scope.step()
        yield scope.within({names[0]: item} if len(names) == 1 else {names[0]: key, names[1]: item})


def list_for(names: tuple[str, ...], source: Expression, value: Expression, wanted: Expression | None) -> Expression:
    """`[for names in source : value if wanted]`."""
    return lambda scope: [
        value(one) for one in _repeated(names, source, scope) if wanted is None or truth(wanted(one))
    ]


def object_for(
    names: tuple[str, ...], source: Expression, key: Expression, value: Expression, wanted: Expression | None
) -> Expression:
    """`{for names in source : key => value if wanted}`."""
    return lambda scope: {
        text_of(key(one)): value(one)
        for one in _repeated(names, source, scope)
        if wanted is None or truth(wanted(one))
    }


def call(function: str, arguments: Sequence[Expression], built_in: BuiltIn) -> Expression:
    """A call of the file's own function, or of one of those that are worked out here."""

    def value(scope: Scope) -> Any:
        scope.step()
        given = [argument(scope) for argument in arguments]
        own = scope.function(function)
        if own is not None:
            named = dict(zip(own.parameters, given, strict=False))
            if len(given) < len(own.parameters) or (own.rest is None and len(given) > len(own.parameters)):
                raise NotKnown
            rest = {own.rest: given[len(own.parameters) :]} if own.rest else {}
            return own.result(scope.within({**named, **rest}))
        try:
            return small(built_in(function)(*given))
        except (TypeError, ValueError, ArithmeticError, KeyError, IndexError, AttributeError):
            raise NotKnown from None

    return value
