"""secret-in-image: a credential written into the Dockerfile or copied into the image."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from posixpath import basename

from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

# The last words of the name decide: HF_TOKEN, API_KEY; not TOKENIZERS_PARALLELISM, not API_KEY_FILE.
_NAME = re.compile(
    r"(?:.*_)?(?:(?:API|ACCESS|SECRET|PRIVATE|AUTH|SIGNING|ENCRYPTION|MASTER|ACCOUNT|STORAGE|DEPLOY|SSH|JWT)_?KEY(?:_ID)?"
    r"|PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|CREDENTIALS?|PAT)\d*",
    re.IGNORECASE,
)
# In a language model a token is a word.
_NOT_A_SECRET = re.compile(
    r"(?:.*_)?(?:BOS|EOS|PAD|UNK|MASK|SEP|CLS|MAX|MIN|NUM|STOP|START|END|SPECIAL|NEW|IMAGE|PER)_TOKEN|.*ACCESS_KEY_ID"
    r"|.*_PUBLIC_.*",
    re.IGNORECASE,
)
_HARMLESS_VALUE = re.compile(r"|true|false|yes|no|on|off|none|null|auto|\d+(?:\.\d+)?|/\S*|<\S*>", re.IGNORECASE)
_LOGIN_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@$]*:[^/\s@$]{2,}@", re.IGNORECASE)
_KNOWN_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:hf_[A-Za-z0-9]{30,}|gh[opsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}|nvapi-[A-Za-z0-9_-]{40,}|sk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"
    r"|xox[abprs]-[A-Za-z0-9-]{20,})(?![A-Za-z0-9])|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_FILES = (
    ".env", ".env.*", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pypirc", ".git-credentials",
    ".dockercfg", "kubeconfig", ".htpasswd",
)  # fmt: skip
_FILES_IN_FOLDERS = (".aws/credentials", ".docker/config.json", ".kube/config", ".ssh")
_SAMPLES = ("example", "sample", "template", "dist", "defaults")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield names of variables with a credential for a value, known token formats, and copied key files.

    A value that the Dockerfile spells out counts in every stage: whoever reads the file has it. One that only arrives
    from a build argument counts where it ships. No message repeats a value.
    """
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            yield from _variables(instruction, stage)
            if instruction.keyword in ("COPY", "ADD") and stage.ships:
                yield from _copied(instruction, stage)
            elif _KNOWN_TOKEN.search(instruction.original) and instruction.keyword not in ("ENV", "ARG"):
                yield Problem(
                    instruction.line, f"this {instruction.keyword} holds an access token", stage=stage.label
                )


def _variables(instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    if instruction.keyword == "ENV":
        pairs = list(zip(instruction.words[::3], instruction.words[1::3], strict=False))
    elif instruction.keyword == "ARG":
        pairs = [
            (name, value) for name, equals, value in (word.partition("=") for word in instruction.words) if equals
        ]
    else:
        return
    for name, raw in pairs:
        value = raw.strip("\"'")
        if _LOGIN_IN_URL.search(value):
            message = f"{name} holds a URL with a password in it"
        elif _KNOWN_TOKEN.search(value):
            message = f"{name} holds an access token"
        elif not _NAME.fullmatch(name) or _NOT_A_SECRET.fullmatch(name) or _HARMLESS_VALUE.fullmatch(value):
            continue
        elif value.startswith("$"):
            if instruction.keyword == "ARG" or not stage.ships:
                continue
            message = f"{name} writes the value of {value} into the image's configuration"
        else:
            message = f"the value of {name} stays readable in the file and in the image's history"
        yield Problem(instruction.line, message, stage=stage.label)


def _copied(instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    if any(flag.startswith("--from=") for flag in instruction.flags):
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
