"""secret-in-image: a credential written into the Dockerfile or copied into the image."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from posixpath import basename

from pipeline import lazily
from pipeline.analysis.shell import Command, needed
from pipeline.analysis.walk import copied_from
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Span, Stage
from pipeline.parse import tokens

# The last words of the name decide: HF_TOKEN, API_KEY; not TOKENIZERS_PARALLELISM, not API_KEY_FILE.
_NAME = lazily.pattern(
    r"(?:.*_)?(?:(?:API|ACCESS|SECRET|PRIVATE|AUTH|SIGNING|ENCRYPTION|MASTER|ACCOUNT|STORAGE|DEPLOY|SSH|JWT)_?KEY(?:_ID)?"
    r"|PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|CREDENTIALS?|PAT)\d*",
    re.IGNORECASE,
)
_ENDS = ("KEY", "KEY_ID", "PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS",
         "PAT")  # fmt: skip
# In a language model a token is a word.
_NOT_A_SECRET = lazily.pattern(
    r"(?:.*_)?(?:BOS|EOS|PAD|UNK|MASK|SEP|CLS|MAX|MIN|NUM|STOP|START|END|SPECIAL|NEW|IMAGE|PER)_TOKEN|.*ACCESS_KEY_ID"
    r"|.*_PUBLIC_.*",
    re.IGNORECASE,
)
_HARMLESS_VALUE = lazily.pattern(r"|true|false|yes|no|on|off|none|null|auto|\d+(?:\.\d+)?|/\S*|<\S*>", re.IGNORECASE)
_LOGIN_IN_URL = lazily.pattern(r"://[^/\s:@$]*:[^/\s@$]{2,}@")
_KNOWN_TOKEN = lazily.pattern(
    r"(?<![A-Za-z0-9_-])(?:hf_[A-Za-z0-9]{30,}|gh[opsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}|nvapi-[A-Za-z0-9_-]{40,}|sk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"
    r"|xox[abprs]-[A-Za-z0-9-]{20,})(?![A-Za-z0-9])|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_BEGINNINGS = (
    "hf_",
    "gho_",
    "ghp_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "nvapi-",
    "sk-",
    "xox",
    "PRIVATE KEY",
)
_FILES = (
    ".env", ".env.*", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pypirc", ".git-credentials",
    ".dockercfg", "kubeconfig", ".htpasswd",
)  # fmt: skip
_FILES_IN_FOLDERS = (".aws/credentials", ".docker/config.json", ".kube/config", ".ssh")
_TAKE_TOKENS = frozenset({
    "huggingface-cli", "hf", "wandb", "ngc", "docker", "podman", "gh", "az", "twine", "poetry", "uv", "helm", "npm",
})  # fmt: skip
_SAMPLES = ("example", "sample", "template", "dist", "defaults")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield names of variables with a credential for a value, known token formats, and copied key files.

    A value that the Dockerfile spells out counts in every stage: whoever reads the file has it. One that only arrives
    from a build argument counts where it ships. No message repeats a value.
    """
    anywhere = _worth_a_look(dockerfile.text)
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if instruction.keyword in ("ENV", "ARG"):
                yield from _variables(dockerfile, instruction, stage, anywhere)
                continue
            if instruction.keyword in ("COPY", "ADD") and stage.ships:
                yield from _copied(instruction, stage)
            if anywhere:
                yield from _spelled_out(instruction, stage)
        if stage.ships:
            yield from _arguments(stage)
    yield from _commands(dockerfile)


def _worth_a_look(text: str) -> bool:
    """May a token or a URL with a password stand anywhere in the file? Most files need no expression to say no."""
    if any(begin in text for begin in _BEGINNINGS) and _KNOWN_TOKEN.search(text):
        return True
    return "@" in text and "://" in text and bool(_LOGIN_IN_URL.search(text))


def _spelled_out(instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    text = _whole(instruction)
    if _KNOWN_TOKEN.search(text):
        yield Problem(instruction.line, f"this {instruction.keyword} holds an access token", stage=stage.label)
    elif _LOGIN_IN_URL.search(text):
        message = f"this {instruction.keyword} holds a URL with a password in it"
        yield Problem(instruction.line, message, stage=stage.label)


def is_secret(name: str) -> bool:
    """Does a variable of this name hold a credential?"""
    if not name.upper().rstrip("0123456789").endswith(_ENDS):
        return False  # most names, and cheaper than an expression
    return bool(_NAME.fullmatch(name)) and not _NOT_A_SECRET.fullmatch(name)


def is_harmless(value: str) -> bool:
    """Is this value no credential, whatever the name of its variable?"""
    return _HARMLESS_VALUE.fullmatch(value) is not None


def known_tokens(text: str) -> Iterator[re.Match[str]]:
    """Yield each access token of a known format."""
    if any(begin in text for begin in _BEGINNINGS):
        yield from _KNOWN_TOKEN.finditer(text)


def credential(name: str, value: str) -> str | None:
    """What of a credential a variable with this value holds, in words; None for nothing."""
    if "://" in value and _LOGIN_IN_URL.search(value):
        return "a URL with a password in it"
    if _KNOWN_TOKEN.search(value):
        return "an access token"
    return "a secret" if is_secret(name) and not _HARMLESS_VALUE.fullmatch(value) else None


def _whole(instruction: Instruction) -> str:
    """The instruction with its here-documents."""
    return "\n".join([instruction.original, *(heredoc.content for heredoc in instruction.heredocs)])


def _arguments(stage: Stage) -> Iterator[Problem]:
    """A build argument with a credential's name that a RUN uses: `docker history` shows its value."""
    waiting: set[str] = set()
    for instruction in stage.instructions:
        if instruction.keyword == "ARG":
            names = (word for word in instruction.words if "=" not in word or word.endswith(("=", '=""', "=''")))
            found = (word.partition("=")[0] for word in names)
            waiting |= {name for name in found if is_secret(name) and name not in stage.environment}
        elif instruction.keyword == "RUN" and waiting:
            used = {found[1] for found in re.finditer(r"\$\{?(\w+)", _whole(instruction))} & waiting
            if used:
                waiting -= used
                message = (
                    f"{' and '.join(sorted(used))}, from a build argument, is used here and stays in the history"
                )
                yield Problem(instruction.line, message, stage=stage.label)


def _commands(dockerfile: Dockerfile) -> Iterator[Problem]:
    """Credentials that a RUN writes out: `HF_TOKEN=… python`, `export API_KEY=…`, `--token …`."""
    for one in needed(dockerfile):
        for name, value in _pairs(one.command):
            if not is_secret(name):
                continue
            if not _HARMLESS_VALUE.fullmatch(value) and "$" not in value and "`" not in value:
                if not _KNOWN_TOKEN.search(value):  # said already
                    message = f"the value of {name} stays readable in the file and in the image's history"
                    yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)
                break


def _pairs(command: Command) -> list[tuple[str, str]]:
    """The names and values that a command sets or is given."""
    pairs = list(command.assignments.items())
    program = command.program
    if program in ("export", "declare"):
        pairs += [(name, value) for name, _, value in (word.partition("=") for word in command.arguments)]
    elif program in _TAKE_TOKENS:
        pairs += _options(command.arguments)
    return pairs


def _options(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """`--token abc`, `--api-key=abc`: names as a variable would have them."""
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            value = value if equals else following
            if not value.startswith("-"):
                yield name.replace("-", "_"), value


def _variables(dockerfile: Dockerfile, instruction: Instruction, stage: Stage, anywhere: bool) -> Iterator[Problem]:
    words = instruction.words
    if instruction.keyword == "ENV":
        pairs = [(at, at + 1, words[at], words[at + 1]) for at in range(0, len(words) - 2, 3)]
    else:
        split = ((at, *word.partition("=")) for at, word in enumerate(words))
        pairs = [(at, at, name, value) for at, name, equals, value in split if equals]
    for first, last, name, raw in pairs:
        value = raw.strip("\"'")
        if "://" in value and _LOGIN_IN_URL.search(value):
            message = f"{name} holds a URL with a password in it"
        elif anywhere and _KNOWN_TOKEN.search(value):
            message = f"{name} holds an access token"
        elif not is_secret(name) or _HARMLESS_VALUE.fullmatch(value):
            continue
        elif value.startswith("$"):
            if instruction.keyword == "ARG" or not stage.ships:
                continue
            # A default in it, ${NAME:-…}, may be the credential itself.
            brought = re.sub(r"(\$\{\w+)[^\w}].*", r"\1…}", value)
            message = f"{name} writes the value of {brought} into the image's configuration"
        else:
            message = f"the value of {name} stays readable in the file and in the image's history"
        found = tokens(dockerfile, instruction).words
        where = Span(found[first].span.start, found[last].span.end) if last < len(found) else None
        yield Problem(instruction.line, message, stage=stage.label, at=where)


def _copied(instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    if copied_from(instruction) is not None:
        return
    for word in instruction.words[:-1]:
        path = word.rstrip("/")
        name = basename(path)
        in_folder = any(path == end or path.endswith("/" + end) for end in _FILES_IN_FOLDERS)
        if in_folder or (any(fnmatchcase(name, one) for one in _FILES) and not name.endswith(_SAMPLES)):
            yield Problem(instruction.line, f"{word} is copied into the image", stage=stage.label)


RULE = Rule(
    id="secret-in-image",
    severity=Severity.ERROR,
    hint="`RUN --mount=type=secret,id=…` while building; the environment of the container, or a mount, while it runs",
    look=look,
)
