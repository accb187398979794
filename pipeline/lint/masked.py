"""A text in, the same text with every credential in it masked out. Speaks to: nothing.

Reports show lines of Dockerfiles, and are kept where more people read than may read the Dockerfile: the log of a CI
job, code scanning, a comment. What stands there keeps its length in characters and in bytes, so places stay true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.model import Finding, Lint, Unread
from policies.secret_in_image import is_harmless, is_secret, known_tokens

_VALUE = r"""("[^"\n]{0,4096}"|'[^'\n]{0,4096}'|[^\s"';&|)<>]{1,4096})"""
# The end of a name and a value: NAME=…, NAME: …, --name …, ENV NAME …, `config set name …`.
_NAMED = (
    r"(?i)(?:KEY|KEY_ID|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|CREDENTIALS?|PAT)\d{0,4}[\"']?"
    rf"(?:[ \t]*[=:]|(?P<blank>,|[ \t]))[ \t]*(?:(?:Bearer|Basic|Token)[ \t]+)?{_VALUE}"
)
_DEFAULT = r"(?:\$\{\w{1,80}:?)?-([^}$]{1,4096})"  # of ${NAME:-a default}, and what is left of it behind its colon
_BEFORE_BLANK = ("env", "arg", "label", "set")
_PLAIN = ("MYSQL_PWD", "PGPASSWORD", "SSHPASS")
_OF_NPM = ("_authToken", "_password", "_auth")
LONGEST_NAME = 80  # characters
_NAMES = ("key", "pass", "pwd", "secret", "token", "credential", "pat")
_GAP = r"[ \t,\"']"  # between words, in the exec form as well
# By words that have to be in the text: what takes a credential without a name for it.
_OTHERS = (
    ("://", r"://[^/\s:@]{0,200}:([^/\s@]{1,4096})@"),
    ("uthorization", rf"(?i)authorization:[ \t]*(?:(?:bearer|basic|token)[ \t]+)?{_VALUE}"),
    ("machine", rf"\bmachine[ \t]+\S{{1,200}}[ \t]+login[ \t]+\S{{1,200}}[ \t]+password[ \t]+{_VALUE}"),
    ("sshpass", rf"\bsshpass{_GAP}+-p{_GAP}*{_VALUE}"),
    ("curl", r"\bcurl\b[^\n;&|]{0,300}?[ \t\"'](?:-u|--user)[ \t=,\"']{0,8}[^\s:\"']{0,200}:([^\s\"']{1,4096})"),
    ("mysql", rf"\bmysql\w*\b[^\n;&|]{{0,300}}?[ \t]-p{_VALUE}"),
    ("user", rf"\buser(?:add|mod)\b[^\n;&|]{{0,300}}?{_GAP}-p{_GAP}*{_VALUE}"),
    ("login", rf"\blogin\b[^\n;&|]{{0,300}}?{_GAP}-p{_GAP}*{_VALUE}"),
    ("login", r"\bwandb[ \t]+login[ \t]+(?:-[a-z-]{1,40}[ \t]+){0,20}([^\s;&|\"'-][^\s;&|\"']{0,4095})"),
    ("passwd", r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*([^\n|]{1,300}?)[ \t]*(?:\\\r?\n[ \t]*)?\|[ \t]*"
               r"(?:sudo[ \t]+)?\S{0,100}passwd\b"),
    ("passwd", rf"passwd\b[^\n;&|]{{0,200}}<<<[ \t]*{_VALUE}"),
)  # fmt: skip
_KEY_BEGINS, _KEY_ENDS = "PRIVATE KEY-----", "-----END"


def masked(text: str) -> str:
    """The text with `*` for each character of a credential; one of more bytes becomes another sign of as many."""
    spans = sorted(_spans(text))
    parts, at = [], 0
    for start, end in spans:
        start = max(start, at)
        if start < end:
            parts += [text[at:start], "".join(_sign(char) for char in text[start:end])]
            at = end
    return "".join([*parts, text[at:]]) if spans else text


def report(found: Lint) -> Lint:
    """What was found, fit to be shown: no message holds a credential, nor does an edit of a fix."""
    return found._replace(
        findings=tuple(finding(one) for one in found.findings), errors=tuple(unread(one) for one in found.errors)
    )


def finding(one: Finding) -> Finding:
    """A finding without a credential. Edits that hold one are left out: masked, they would destroy a file."""
    message = masked(one.message)
    if one.fix is not None and any(masked(edit.text) != edit.text for edit in one.fix.edits):
        one = one._replace(fix=one.fix._replace(edits=()))
    return one if message == one.message else one._replace(message=message)


def unread(one: Unread) -> Unread:
    """What could not be judged, without a credential."""
    message, hint = masked(one.message), masked(one.hint)
    return one if (message, hint) == (one.message, one.hint) else one._replace(message=message, hint=hint)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where credentials stand. Most texts need no expression to say that there is none."""
    yield from (match.span() for match in known_tokens(text))
    at = text.find(_KEY_BEGINS)
    while at >= 0:
        start, end = at + len(_KEY_BEGINS), text.find(_KEY_ENDS, at)
        yield start, end if end >= 0 else len(text)
        line = text.find("\n", end) if end >= 0 else -1  # the END line says PRIVATE KEY as well
        at = text.find(_KEY_BEGINS, line) if line >= 0 else -1
    lower = text.lower()
    if any(name in lower for name in _NAMES):
        for match in re.finditer(_NAMED, text):
            start, value = match.start(2) + (match[2][0] in "\"'"), match[2].strip("\"'")
            if match["blank"] is None and (default := re.match(_DEFAULT, value)):
                start, value = start + default.start(1), default[1]
            if _is_written_out(value) and _names_a_secret(text, match):
                yield start, start + len(value)
    for word, pattern in _OTHERS:
        if word in text:
            for match in re.finditer(pattern, text):
                if _is_written_out(match[1].strip("\"'")):
                    yield match.span(1)


def _names_a_secret(text: str, match: re.Match[str]) -> bool:
    """Is it a credential's name that ends here, and is it given a value?"""
    start = match.start()
    while start > max(match.start() - LONGEST_NAME, 0) and (text[start - 1].isalnum() or text[start - 1] in "_-."):
        start -= 1
    written = re.match(r"[\w.-]+", text[start : match.end()])
    name = written[0] if written else ""
    if name in _OF_NPM:
        return True
    if match["blank"] and not name.startswith("--"):
        before = text[max(start - 8, 0) : start].lower().split()
        if not before or before[-1] not in _BEFORE_BLANK:
            return False
    return is_secret(name.strip("-_.").replace("-", "_")) or name in _PLAIN


def _is_written_out(value: str) -> bool:
    """Does the credential itself stand there, and not what will bring it?"""
    return (
        not value.startswith(("$", "\\$", "`", "<", "{{", "-", "+", "?"))
        and "$(" not in value
        and not is_harmless(value)
    )


def _sign(char: str) -> str:
    if char in "\"'\n\r":
        return char
    return "*" if char < "\x80" else "\N{MULTIPLICATION SIGN}" if char < "\u0800" else _WIDER[char > "\uffff"]


_WIDER = ("\N{BULLET}", "\N{LOCK}")  # three bytes, and four
