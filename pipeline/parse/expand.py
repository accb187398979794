"""A word and variables in, the word with its variables substituted and its quotes removed out. Speaks to: nothing.

This is BuildKit's shell lexer, not a shell: `$V`, `${V}`, `:-` `-` `:+` `+` `:?` `?`, `#` `##` `%` `%%`, `/` `//`,
single and double quotes, the escape character. There is no command substitution and no file name matching.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import ParamSpec, TypeVar

from pipeline.parse import pattern as shell_pattern
from pipeline.parse.lines import SPACE

P = ParamSpec("P")
T = TypeVar("T")
DEEPEST = 60  # levels of ${a:-${b:-…}}; deeper ones would end in a RecursionError
MOST_WORK = 20_000_000  # characters moved by one lexer: `ENV A=$A$A` forty times over would fill any memory

_SPECIAL = "@*#?-$!0"


class BadWord(Exception):
    """A word that BuildKit refuses: an open quote, a bad substitution."""


class NoValue(BadWord):
    """`${V:?message}`, and V has no value."""


class Unset(Enum):
    """What becomes of a variable without a value."""

    EMPTY = "nothing"  # as BuildKit does when it builds
    KEEP = "the text as written, whatever the modifier"  # as BuildKit does when it looks for heredocs
    OPEN = "the text as written, but `-` gives its default"  # the base image may still have a value


def expand(word: str, values: Mapping[str, str], *, escape: str = "\\", unset: Unset = Unset.EMPTY) -> str:
    """Return `word` with variables substituted and quotes removed. Raises BadWord."""
    return Lexer(escape, unset=unset).word(word, values)


def expand_words(word: str, values: Mapping[str, str], *, escape: str = "\\") -> tuple[str, ...]:
    """The same, split at blanks that are not quoted; blanks that come out of a variable count. Raises BadWord."""
    return Lexer(escape).words(word, values)


class Lexer:
    """One lexer for many words. `used` are the variables that had a value, `missing` those that had to be empty."""

    def __init__(
        self,
        escape: str = "\\",
        *,
        unset: Unset = Unset.EMPTY,
        raw_quotes: bool = False,  # keep the quotes
        raw_escapes: bool = False,  # keep the escapes
        quotes: bool = True,  # false: a quote is a character like any other, as in a heredoc
    ) -> None:
        self.escape, self.unset, self.raw_quotes, self.raw_escapes = escape, unset, raw_quotes, raw_escapes
        self._quotes = "'\"" if quotes else ""
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self._work = 0
        self._plain = frozenset(f"$'\"{escape}\ufeff")

    def word(self, source: str, values: Mapping[str, str]) -> str:
        """Return the word. Raises BadWord."""
        if self._plain.isdisjoint(source):
            return source
        return self._start(source, values)[0]

    def words(self, source: str, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the words. Raises BadWord."""
        return tuple(self._start(source, values)[1])

    def spend(self, work: int) -> None:
        """Count work; raises BadWord when it was too much."""
        self._work += work
        if self._work > MOST_WORK:
            raise BadWord("the values grow out of all bounds")

    def _start(self, source: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
        self._text = source.removeprefix("\ufeff")
        self._at = 0
        self._values = values
        self._depth = 0
        self._raw = self.raw_escapes
        self._piece: list[str] = []
        return self._until("")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        return letter

    def _until(self, stop: str) -> tuple[str, list[str]]:
        """Read up to `stop`, "" being the end, and take it; return the text and its words."""
        result: list[str] = []
        words: list[str] = []
        # BuildKit's word buffer is one for all levels: a nested ${…} loses the part of the word before it.
        self._piece.clear()
        while letter := self._peek():
            if letter == stop:
                self._at += 1
                self._end_word(words)
                return "".join(result), words
            if letter == "$":
                value = self._dollar()
                result.append(value)
                self._add(value, words)
            elif letter in self._quotes:
                value = self._single_quoted() if letter == "'" else self._double_quoted()
                result.append(value)
                self._piece.append(value)
            elif letter == "<":
                value = self._less()
                result.append(value)
                self._piece.append(value)
            elif letter == self.escape:
                self._at += 1
                value = (letter if self._raw else "") + self._next()
                result.append(value)
                self._piece.append(value)
            else:
                self._at += 1
                result.append(letter)
                self._add(letter, words)
        if stop:
            raise BadWord(f"`{stop}` is missing")
        self._end_word(words)
        return "".join(result), words

    def _add(self, text: str, words: list[str]) -> None:
        for letter in text:
            if letter in SPACE:
                self._end_word(words)
            else:
                self._piece.append(letter)

    def _end_word(self, words: list[str]) -> None:
        word = "".join(self._piece)
        if word:
            words.append(word)
        self._piece.clear()

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise BadWord("a single quote is never closed")
        value = self._text[self._at : end + 1]
        self._at = end + 1
        return value if self.raw_quotes else value[1:-1]

    def _double_quoted(self) -> str:
        result: list[str] = []
        quote = self._next()
        while letter := self._peek():
            if letter == "$":
                result.append(self._dollar())
                continue
            self._at += 1
            if letter == quote:
                value = "".join(result)
                return f'"{value}"' if self.raw_quotes else value
            if letter == self.escape:
                if self._raw:
                    result.append(letter)
                following = self._peek()
                if not following:
                    break
                if following in ('"', "$", self.escape):
                    letter = self._next()
            result.append(letter)
        raise BadWord("a double quote is never closed")

    def _less(self) -> str:
        """`<<` keeps the blanks behind it, so that `<< EOF` stays one word."""
        start = self._at
        self._at += 1
        if self._peek() == "<":
            self._at += 1
            while self._peek() in ("\t", "\r", " "):
                self._at += 1
        return self._text[start : self._at]

    def _name(self) -> str:
        text, start = self._text, self._at
        first = text[start : start + 1]
        at = start
        if first.isdecimal():
            while text[at : at + 1].isdecimal():
                at += 1
        elif first and first in _SPECIAL:
            at += 1
        else:
            while at < len(text) and (text[at].isalpha() or text[at].isdecimal() or text[at] == "_"):
                at += 1
        self._at = at
        return text[start:at]

    def _dollar(self) -> str:
        start = self._at
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            return self._bare(name, f"${name}") if name else "$"
        self._at += 1
        if not self._peek():
            raise BadWord("`}` is missing")
        if self._peek() in "{}:":
            raise BadWord("a bad substitution: no variable is named after `${`")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._bare(name, f"${{{name}}}")
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadWord(f"substitutions more than {DEEPEST} levels deep")
        value = self._replaced(name) if operator == "/" else self._modified(name, operator, start)
        self._depth -= 1
        return value

    def _value(self, name: str, work: int = 1) -> str | None:
        value = self._values.get(name)
        if value is not None:
            self.used.add(name)
            self.spend(len(value) * work + work)
        return value

    def _bare(self, name: str, written: str) -> str:
        value = self._value(name)
        if value is not None:
            return value
        self.missing.add(name)
        return "" if self.unset is Unset.EMPTY else written

    def _nested(self, stop: str, raw: bool) -> str:
        before, self._raw = self._raw, raw
        try:
            return self._until(stop)[0]
        finally:
            self._raw = before

    def _modified(self, name: str, operator: str, start: int) -> str:
        null_is_unset = operator == ":"
        if null_is_unset:
            operator = self._next()
        known = operator and operator in ("+-?" if null_is_unset else "+-?#%")
        # bash knows more, `${V:0:3}`; BuildKit minds only where it substitutes, not where it looks for heredocs.
        if not known and (not null_is_unset or self.unset is not Unset.KEEP or not operator or operator in "#%"):
            raise BadWord(f"`{self._text[start : self._at]}`: there is no such modifier")
        written = f":{operator}" if null_is_unset else operator
        word = self._nested("}", raw=operator in "#%")
        value = self._value(name, work=1 + len(word) if operator in "#%" else 1)
        keeps = self.unset is Unset.KEEP or (self.unset is Unset.OPEN and operator != "-")
        if value is None and keeps:
            if operator in "#%" and self.unset is Unset.OPEN:
                self._pattern(shell_pattern.check, word.removeprefix(operator))
            return f"${{{name}{written}{word}}}"
        if not known:
            raise BadWord(f"`{self._text[start : self._at]}`: there is no such modifier")
        has = value is not None and not (null_is_unset and not value)
        if operator == "-":
            return value if has and value is not None else word
        if operator == "+":
            return word if has else ""
        if operator == "?":
            if not has or value is None:
                raise NoValue(f"{name}: {word or ('must not be empty' if value == '' else 'must be set')}")
            return value
        if value is None:
            self.missing.add(name)
            value = ""
        longest = word.startswith(operator)
        cut = shell_pattern.remove_prefix if operator == "#" else shell_pattern.remove_suffix
        return self._pattern(cut, word[longest:], value, longest=longest)

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        self._at += every
        pattern = self._nested("/", raw=True)
        replacement = self._nested("}", raw=True)
        value = self._value(name, work=1 + len(pattern) + len(replacement))
        if value is None:
            if self.unset is Unset.OPEN:
                self._pattern(shell_pattern.check, pattern)
            if self.unset is not Unset.EMPTY:
                return f"${{{name}{'//' if every else '/'}{pattern}/{replacement}}}"
            self.missing.add(name)
        return self._pattern(shell_pattern.replace, pattern, value or "", replacement, every=every)

    def _pattern(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except shell_pattern.BadPattern as error:
            raise BadWord(str(error)) from None
