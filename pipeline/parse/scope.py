"""ARG, ENV and --build-arg in, the values that a stage sees out. Speaks to: nothing.

What the base image itself sets is not known here. A variable without a value therefore stays in the result as it
was written (`$PATH`). It is empty in a FROM, where only the ARGs before the first one count, and on top of scratch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from pipeline.model import Instruction
from pipeline.parse import grammar
from pipeline.parse.expand import BadWord, Lexer, NoValue, Unset
from pipeline.parse.lines import Refused

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # BuildKit's, where the base has none
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i686": "386"}


class Globals:
    """The ARGs before the first FROM, and those that BuildKit itself sets. `hollow` ones rest on a missing value."""

    def __init__(self, escape: str, build_args: Mapping[str, str], target: str | None) -> None:
        self.build_args = build_args
        self.lexer = Lexer(escape)
        self.on_scratch = Lexer(escape)
        self.on_image = Lexer(escape, unset=Unset.OPEN)
        self.values = _predefined(target) | {
            name: value for name, value in build_args.items() if name in _predefined(None)
        }
        self.hollow: set[str] = set()

    def declare(self, instruction: Instruction) -> None:
        """Take in one global ARG. Raises Refused."""
        for word in instruction.words:
            name, has_default, default = word.partition("=")
            value: str | None
            if name in self.build_args:
                value = self.build_args[name]
                self.hollow.discard(name)
            elif not has_default:
                continue
            else:
                value = self.expand(default, instruction.line)
                if value is None:
                    self.hollow.add(name)
            self.values[name] = value or ""

    def expand(self, word: str, line: int) -> str | None:
        """Return the word with the global ARGs substituted, None when one of them has no value. Raises Refused."""
        self.lexer.used.clear()
        self.lexer.missing.clear()
        try:
            value = self.lexer.word(word, self.values)
        except NoValue:
            return None
        except BadWord as error:
            raise refusal(word, error, line) from None
        if self.lexer.missing or self.lexer.used & self.hollow:
            return None
        return value


class Scope:
    """What one stage sees while its instructions are walked through. Raises BadWord when that grows out of bounds."""

    def __init__(self, outer: Globals, parent: Scope | None, *, image: str | None) -> None:
        self._outer = outer
        self._lexer = lexer = outer.on_scratch if image == "scratch" else outer.on_image
        self.environment: dict[str, str] = dict(parent.environment) if parent else {}
        self.arguments: dict[str, str] = dict(parent.arguments) if parent else {}
        self._visible: dict[str, str] = dict(parent._visible) if parent else {}
        if image == "scratch":
            self._visible.setdefault("PATH", _PATH)
        lexer.spend(len(self._visible) + 1)

    def walk(self, instructions: Iterable[Instruction], *, strict: bool) -> None:
        """Take in every ARG and ENV. With `strict`, raise Refused for a word that BuildKit cannot expand."""
        for instruction in instructions:
            if instruction.keyword == "ENV":
                self._set(instruction, strict)
            elif instruction.keyword == "ARG":
                self._declare(instruction, strict)
            elif strict:
                self._check(instruction)

    def _expand(self, word: str, line: int, strict: bool) -> str:
        try:
            return self._lexer.word(word, self._visible)
        except BadWord as error:
            if strict:
                raise refusal(word, error, line) from None
            return word

    def _set(self, instruction: Instruction, strict: bool) -> None:
        # One ENV with two names: the second does not see the first one's new value.
        words = [self._expand(word, instruction.line, strict) for word in instruction.words]
        for name, value in zip(words[::3], words[1::3], strict=True):
            self.environment[name] = self._visible[name] = value

    def _declare(self, instruction: Instruction, strict: bool) -> None:
        build_args, outer = self._outer.build_args, self._outer
        for word in instruction.words:
            name, has_default, default = word.partition("=")
            if name in build_args:
                value = build_args[name]
            elif has_default:
                value = self._expand(default, instruction.line, strict)
            elif name in outer.values and name not in outer.hollow:
                value = outer.values[name]
            else:
                continue
            self.arguments[name] = self._visible[name] = value

    def _check(self, instruction: Instruction) -> None:
        keyword, line = instruction.keyword, instruction.line
        if keyword in ("ADD", "COPY"):
            words = [word for word in instruction.words if "<<" not in word]
            words += grammar.flag_values(instruction, "chown") + grammar.flag_values(instruction, "chmod")
            for heredoc in instruction.heredocs:
                if heredoc.expand:
                    self._check_content(heredoc.content, line)
        elif keyword in ("EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"):
            words = list(instruction.words)
        else:
            return
        for word in words:
            self._expand(word, line, strict=True)

    def _check_content(self, content: str, line: int) -> None:
        try:
            Lexer("\\", unset=self._lexer.unset, quotes=False).word(content, self._visible)
        except BadWord as error:
            raise Refused(
                f"the heredoc's content: {error}",
                hint="quote its name, <<'EOF', to keep the content as it is",
                line=line,
            ) from None


def refusal(word: str, error: BadWord, line: int) -> Refused:
    """Return what to raise for a word that cannot be expanded."""
    if isinstance(error, NoValue):
        hint = "give it a value with ARG, ENV or --build-arg"
    else:
        hint = "quote it, or put the escape character before it, if it is meant as it stands"
    return Refused(f"`{word}`: {error}", hint=hint, line=line)


def _predefined(target: str | None) -> dict[str, str]:
    """The ARGs that BuildKit sets; both platforms are taken to be this machine's."""
    machine = os.uname().machine.lower()
    architecture = _ARCHITECTURES.get(machine, machine)
    values = {"TARGETSTAGE": target or "default"}
    for side in ("BUILD", "TARGET"):
        values |= {f"{side}PLATFORM": f"linux/{architecture}", f"{side}OS": "linux", f"{side}OSVERSION": "",
                   f"{side}ARCH": architecture, f"{side}VARIANT": ""}  # fmt: skip
    return values
