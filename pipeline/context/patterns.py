"""One pattern of a .dockerignore in, a test of paths out, as moby/patternmatcher has it. Speaks to: nothing.

moby turns a pattern into a Go regular expression, and what that expression means is what the pattern means, corners
included: `\\d` is a digit, `^` an anchor, `[*]` no class with a star. So the same expression is made and read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.context.globs import Atom, BadPattern, Matcher, check, one_of

_FOLDERS = "(.*/)?"
_ESCAPES = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_RARE = "ABCEPQbpxz01234567"  # more of Go's escapes; what they ask for, no path to a file is
_DIGIT, _LOWER, _UPPER = ("0", "9"), ("a", "z"), ("A", "Z")
_PERL = {"d": (_DIGIT,), "w": (_DIGIT, _UPPER, ("_", "_"), _LOWER), "s": (("\t", "\n"), ("\f", "\r"), (" ", " "))}
_POSIX = {
    "alnum": (_DIGIT, _UPPER, _LOWER), "alpha": (_UPPER, _LOWER), "blank": (("\t", "\t"), (" ", " ")),
    "digit": (_DIGIT,), "lower": (_LOWER,), "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")), "upper": (_UPPER,), "word": _PERL["w"],
    "xdigit": (_DIGIT, ("A", "F"), ("a", "f")),
}  # fmt: skip


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test for a cleaned pattern: one of moby's three short cuts, or its expression. Raises BadPattern."""
    check(pattern)
    kind, expression = _expression(pattern)
    if kind == "exact":
        return pattern.__eq__
    if kind == "prefix":
        head = pattern[:-2]
        return lambda path: path.startswith(head)
    if kind == "suffix":
        tail = pattern[2:]
        alone = tail[1:] if tail.startswith("/") else None
        return lambda path: path.endswith(tail) or path == alone
    return Matcher(_atoms(expression))


def _expression(pattern: str) -> tuple[str, str]:
    """What kind of test moby makes of a pattern, and the regular expression that it writes, without its anchors."""
    kind, parts, at = "exact", [], 0
    while at < len(pattern):
        char, start = pattern[at], at
        at += 1
        part = char
        if char == "*" and pattern[at : at + 1] == "*":
            at += 1
            at += pattern[at : at + 1] == "/"
            part = ".*" if at == len(pattern) else _FOLDERS
            kind = "prefix" if at == len(pattern) and kind == "exact" else "expression"
            kind = "suffix" if start == 0 else kind
        elif char in "*?":
            kind, part = "expression", "[^/]*" if char == "*" else "[^/]"
        elif char in ".+()|{}$":
            part = "\\" + char
        elif char == "\\":
            kind, part = "expression", pattern[at - 1 : at + 1]
            at += 1
        elif char in "[]":
            kind = "expression"
        parts.append(part)
    return kind, "".join(parts)


def _atoms(expression: str) -> Iterator[Atom]:
    """The steps of an expression. Only what moby wrote itself can be a group or a repetition."""
    at = 0
    while at < len(expression):
        char = expression[at]
        if expression.startswith(_FOLDERS, at):
            yield Atom("folders", _not_newline)
            at += len(_FOLDERS)
            continue
        if char == "^":
            yield Atom("start", _not_newline)
            at += 1
            continue
        takes: Callable[[str], bool]
        if char == "[":
            takes, at = _class(expression, at + 1)
        elif char == "\\":
            takes, at = _escape(expression[at + 1]), at + 2
        else:
            takes, at = _not_newline if char == "." else char.__eq__, at + 1
        many = expression[at : at + 1] == "*"
        at += many
        yield Atom("many" if many else "one", takes)


def _not_newline(char: str) -> bool:
    return char != "\n"


def _escape(char: str) -> Callable[[str], bool]:
    """What an escaped character takes outside of a class."""
    if char in _RARE:
        return _nothing
    if char.lower() in _PERL:
        return one_of(_PERL[char.lower()], negated=char.isupper())
    return _literal(char).__eq__


def _nothing(char: str) -> bool:
    return False


def _literal(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if not char.isascii() or char.isalnum():
        raise BadPattern(f"\\{char} means nothing")
    return char


def _class(expression: str, at: int) -> tuple[Callable[[str], bool], int]:
    """What a class takes whose `[` stands before `at`, and where it ends."""
    negated = expression[at : at + 1] == "^"
    at += negated
    pairs: list[tuple[str, str]] = []
    start = at
    while at == start or expression[at : at + 1] != "]":
        name, close, _ = expression[at + 2 :].partition(":]")
        if expression.startswith("[:", at) and close:
            if name not in _POSIX:
                raise BadPattern(f"no class is called [:{name[:20]}:]")
            pairs += _POSIX[name]
            at += len(name) + 4
        elif expression[at : at + 1] == "\\" and expression[at + 1 : at + 2] in _PERL:
            pairs += _PERL[expression[at + 1]]
            at += 2
        else:
            low, at = _member(expression, at)
            high = low
            if expression[at : at + 1] == "-" and expression[at + 1 : at + 2] not in ("", "]"):
                high, at = _member(expression, at + 1)
            if high < low:
                raise BadPattern(f"the range {low}-{high} runs backwards")
            pairs.append((low, high))
    return one_of(pairs, negated=negated), at + 1


def _member(expression: str, at: int) -> tuple[str, int]:
    if expression[at : at + 1] in ("", "\\") and at + 1 >= len(expression):
        raise BadPattern("a [ that is not closed")
    return (_literal(expression[at + 1]), at + 2) if expression[at] == "\\" else (expression[at], at + 1)
