"""The text of an open file in, the findings on it out, under the policy of its workspace. Speaks to: nothing.

The Python rules of a policy (`own_rules`) are code: opening a folder in an editor must not run what lies in it. They
are left out unless the server was started with --own-rules; conditions are always asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline import lint
from pipeline.errors import BadFile
from pipeline.lint import beside, ruleset
from pipeline.lint.ruleset import Ruleset
from pipeline.model import Dockerfile, Finding, Lint, Unread
from pipeline.parse import LARGEST
from policies import RULES


class Judged(NamedTuple):
    """What there is to say about one text. `dockerfile` is None for one that does not parse."""

    file: Path
    text: str
    dockerfile: Dockerfile | None
    findings: tuple[Finding, ...]
    errors: tuple[Unread, ...]
    rules: Ruleset | None


@dataclass
class Judge:
    """Judges texts under the policy of one workspace; an edit to the policy counts at the next text."""

    root: Path
    policy: Path | None = None
    run_own: bool = False
    _read: dict[Path, tuple[tuple[int, ...], Ruleset]] = field(default_factory=dict)

    def judge(self, file: Path, text: str) -> Judged:
        """Return the findings on a text as if it stood in `file`. Nobody waived them; never raises for a bad file."""
        rules: Ruleset | None = None
        try:
            rules = self.rules()
            if len(text) > LARGEST:
                raise BadFile("larger than 1 MB", file=file, hint="a Dockerfile is written by people")
            dockerfile, context, profile = beside.situated(file, text)
            found = lint.judge(dockerfile, rules, profile, context, beside.tree_names([file]))
        except BadFile as error:
            unread = Unread(file=error.file, line=error.line, message=error.what, hint=error.hint)
            return Judged(file, text, None, (), (unread,), rules)
        mine = tuple(one for one in found.findings if one.waived is None and one.file == str(file))
        return Judged(file, text, dockerfile, mine, found.errors, rules)

    def look(self, file: Path, text: str) -> Lint:
        """The same for `fix`, which must know about a text that does not parse: raises BadFile."""
        dockerfile, context, profile = beside.situated(file, text)
        return lint.judge(dockerfile, self.rules(), profile, context, beside.tree_names([file]))

    def rules(self) -> Ruleset:
        """The rules that hold here. Raises BadFile."""
        file = ruleset.find(self.root, self.policy)
        files = (file, file.with_name("waivers.yaml"))
        stamp = tuple(one.stat().st_mtime_ns if one.is_file() else 0 for one in files)
        kept = self._read.get(file)
        if kept is None or kept[0] != stamp:
            read = ruleset.read(file, frozenset(rule.id for rule in RULES), run_own=self.run_own)
            kept = self._read[file] = (stamp, read)
        return kept[1]
