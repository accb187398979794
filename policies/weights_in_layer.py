"""weights-in-layer: a model's weights downloaded or copied into a layer of the image."""

import posixpath
import re
from collections.abc import Iterator

from pipeline.analysis.calls import read
from pipeline.analysis.shell import Ran, shipped
from pipeline.analysis.variables import substituted
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage
from pipeline.parse import tokens

_ENDS = (".safetensors", ".gguf", ".ggml", ".ckpt", ".pth", ".pt", ".onnx")
_BINARY = r"(?i)huggingface\.co|hf\.co|/models?/|pytorch_model|ggml-"  # a .bin there is one of a model
_LOADS = (
    r"(?<!Tokenizer)(?<!TokenizerFast)(?<!Processor)(?<!Config)(?<!FeatureExtractor)\.from_pretrained\("
    r"|\bsnapshot_download\(|\bhf_hub_download\(|\btorch\.hub\.load|\bSentenceTransformer\(|\bCrossEncoder\("
    r"|\bwhisper\.load_model\(|\bWhisperModel\(|\btransformers\.pipeline\(|\bload_state_dict_from_url\("
)
_SCRIPT = r"(?i)(?:.*/)?(?:pre)?(?:download|fetch|pull|cache)[\w-]*(?:model|weight|checkpoint)[\w-]*\.(?:py|sh)"
_GETS = frozenset({"curl", "wget", "aria2c", "axel", "gdown", "aws", "gsutil", "gcloud", "azcopy", "s5cmd", "rclone"})
_PYTHON = frozenset({"python", "python3", *(f"python3.{minor}" for minor in range(8, 20))})
_PROGRAMS = _GETS | _PYTHON | {"huggingface-cli", "hf", "git", "ollama", "sh", "bash"}
_SMALL = r"(?i).*\.(?:json|txt|md|model|py|ya?ml|jinja|csv)"
_CACHES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME", "XDG_CACHE_HOME")
_CACHE_FOLDER = r"/\.cache(?:/|$)|huggingface|/hub$"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield what brings weights into a shipped layer and does not take them out in the same RUN."""
    ran = shipped(dockerfile)
    removed: set[tuple[int, str]] | None = None
    perhaps: set[int] = set()  # RUNs with an `if` before this command: whether it runs cannot be told
    for one in ran:
        if one.command.inside == "condition":
            perhaps.add(one.instruction.line)
        program = one.command.program
        what = _what(one) if program in _PROGRAMS or program.endswith((".sh", ".py")) else None
        if what and one.instruction.line not in perhaps and not _elsewhere(dockerfile, one):
            removed = _removed(ran) if removed is None else removed
            if not any((one.instruction.line, _name(word)) in removed for word in one.command.arguments):
                message = f"{what} stays in this layer"
                yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            if instruction.keyword in ("COPY", "ADD"):
                yield from _copied(instruction, stage)
            elif instruction.keyword == "RUN" and instruction.heredocs:
                yield from _python(dockerfile, instruction, stage)


def _what(one: Ran) -> str | None:
    """What a command downloads, in words; None for no weights."""
    command, words, program = one.command, one.command.arguments, one.command.program
    if program in ("huggingface-cli", "hf"):
        return _from_hub(words)
    if program == "git":
        for word in words[1:] if words[:1] == ("clone",) else ():
            found = re.fullmatch(r"https://(?:\S+@)?(?:huggingface\.co|hf\.co)/(?!datasets/|spaces/)(\S+)", word)
            if found and "GIT_LFS_SKIP_SMUDGE" not in command.assignments:
                return f"the repository {found[1]}, with its weights,"
    elif program == "ollama" and words[:1] == ("pull",) and len(words) > 1:
        return f"the model {words[1]}"
    elif program in _GETS:
        for word in words:
            text = _plain(substituted(word, one.stage)) if "/" in word or "$" in word else ""
            if "://" in text and _holds_weights(text):
                kept = read(command).values("-O", "-o", "--output", "--output-document")
                return _name(kept[0]) if kept and kept[0].endswith(_ENDS) else _name(text)
    elif program in _PYTHON and "-c" in words[:-1]:
        return "the model that this loads" if re.search(_LOADS, words[words.index("-c") + 1]) else None
    elif program.startswith("python") or program in ("sh", "bash", "") or program.endswith((".sh", ".py")):
        return (
            "what this script downloads"
            if any(word.endswith((".py", ".sh")) and re.fullmatch(_SCRIPT, word[-100:]) for word in command.argv[:3])
            else None
        )
    return None


def _from_hub(words: tuple[str, ...]) -> str | None:
    """`hf download org/model [files]`, without those that take only small files."""
    if words[:1] != ("download",) or "dataset" in " ".join(words):
        return None
    plain: list[str] = []
    included: list[str] = []
    into: list[str] | None = None  # where the value of the option before goes
    for word in words[1:]:
        if word.startswith("--"):
            into = included if word == "--include" else None if "=" in word or word.startswith(("--q", "--f")) else []
        elif into is None:
            plain.append(word)
        else:
            into.append(word)
            into = into if into is included else None
    files = [*plain[1:], *included]
    if files and all(re.fullmatch(_SMALL, name) for name in files):
        return None
    return f"the model {plain[0]}" if plain else "the model that this downloads"


def _elsewhere(dockerfile: Dockerfile, one: Ran) -> bool:
    """Does it land on a mount that no layer keeps?"""
    words = [substituted(word, one.stage) for word in one.command.words]
    local = any(word.startswith("--local-dir") for word in words)
    own = [value for name in _CACHES if (value := dockerfile.final.environment.get(name))]
    for mount in mounts(one.instruction, "cache", "tmpfs"):
        target = substituted(mount.target, one.stage).rstrip("/") or "/"
        if any(word == target or word.startswith(f"{target}/") for word in (*words, *own)):
            return True
        if not local and re.search(_CACHE_FOLDER, target):
            return True
    return False


def _removed(ran: tuple[Ran, ...]) -> set[tuple[int, str]]:
    """The names that an `rm` takes away, each with the line of its RUN."""
    return {
        (one.instruction.line, _name(word.rstrip("/*")))
        for one in ran
        if one.command.program in ("rm", "unlink")
        for word in one.command.arguments
    }


def _copied(instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    for word in instruction.words[:-1]:
        text = _plain(substituted(word, stage))
        if _holds_weights(text):
            yield Problem(instruction.line, f"{_name(text)} stays in this layer", stage=stage.label)
            return


def _python(dockerfile: Dockerfile, instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    """`RUN python <<EOF` with from_pretrained."""
    if not re.match(r"(?i)run\s+(?:--\S+\s+)*(?:\S*/)?python", instruction.original):
        return
    if mounts(instruction, "cache", "tmpfs"):
        return
    for heredoc, span in zip(instruction.heredocs, tokens(dockerfile, instruction).heredocs, strict=False):
        if re.search(_LOADS, heredoc.content):
            message = "the model that this loads stays in this layer"
            yield Problem(instruction.line, message, stage=stage.label, at=span)


def _holds_weights(text: str) -> bool:
    return text.lower().endswith(_ENDS) or (text.endswith(".bin") and bool(re.search(_BINARY, text)))


def _plain(word: str) -> str:
    """A URL without its query."""
    return word.partition("?")[0].partition("#")[0]


def _name(word: str) -> str:
    return posixpath.basename(_plain(word).rstrip("/"))


RULE = Rule(
    id="weights-in-layer",
    severity=Severity.WARNING,
    hint="keep weights out of the image: a volume, an object store, or the hub's cache on a mount at run time",
    look=look,
)
