"""Trivy's JSON in, our values out. Speaks to: nothing.

The JSON is not trusted: it must be whole, of the schema that we know, and about the image that we asked about. Of a
secret, only the rule, the place and the line are taken; the lines that Trivy quotes are dropped here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.advisories.facts import DatabaseFiles, words
from pipeline.errors import ToolFailed
from pipeline.layout import Layout
from pipeline.model import Database, Flaw, LayerOrigin, Secret

SCHEMA = 2
SEVERITIES = ("critical", "high", "medium", "low", "unknown")

# Trivy's kind of package → the ecosystem whose advisories it is compared with. What is not here is never judged.
KINDS = {
    **dict.fromkeys(("python-pkg", "pip", "pipenv", "poetry", "uv", "pylock"), "pip"),
    **dict.fromkeys(("node-pkg", "npm", "yarn", "pnpm", "bun"), "npm"),
    **dict.fromkeys(("jar", "pom", "gradle", "sbt"), "maven"),
    **dict.fromkeys(("gobinary", "gomod"), "go"),
    **dict.fromkeys(("rustbinary", "cargo"), "cargo"),
    **dict.fromkeys(("gemspec", "bundler"), "rubygems"),
    **dict.fromkeys(("composer", "composer-vendor"), "composer"),
    **dict.fromkeys(("nuget", "dotnet-core", "packages-props"), "nuget"),
}
# Distributions whose advisories are not kept under "<family> <release>"
RELEASES = {
    "redhat": "red hat", "centos": "red hat", "oracle": "oracle linux {major}", "amazon": "amazon linux {major}",
    "photon": "photon os {release}", "azurelinux": "azure linux {release}", "wolfi": "wolfi",
    "chainguard": "chainguard",
}  # fmt: skip

# The name in front of a masked value, in the image's configuration: `HF_TOKEN=****`
MASKED_VARIABLE = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]{0,100})=\*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Trivy said. `results` are its own objects, one for each kind of package or file with secrets."""

    results: tuple[Mapping[str, Any], ...]
    operating_system: Mapping[str, Any]
    diff_ids: tuple[str, ...]  # the image's layers; none when it looked at a bill of materials

    @property
    def packages(self) -> int:
        """How many packages it saw."""
        return sum(len(result.get("Packages") or ()) for result in self.results)


def read(text: str, version: str) -> Answer:
    """Return the answer in Trivy's JSON. Raises ToolFailed when it is none, or of another schema or version."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"it begins {text[:60]!r}" if text.strip() else "it is empty"
        raise _nonsense(f"no JSON ({error}); {said}") from None
    if not isinstance(raw, dict):
        raise _nonsense("no JSON object")
    if raw.get("SchemaVersion") != SCHEMA:
        raise _nonsense(f"of schema {raw.get('SchemaVersion')!r}, not {SCHEMA}")
    try:
        actual = raw["Trivy"]["Version"]
        if actual != version:
            raise _nonsense(f"of version {actual!r}, while tools.lock says {version}")
        results = raw.get("Results") or ()
        if not all(isinstance(result, dict) for result in results):
            raise TypeError("a result that is no object")
        metadata = raw.get("Metadata") or {}
        return Answer(
            results=tuple(results),
            operating_system=dict(metadata.get("OS") or {}),
            diff_ids=tuple(metadata.get("DiffIDs") or ()),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _nonsense(f"not as Trivy writes it: {error!r}") from None


def about(answer: Answer, layout: Layout) -> None:
    """Raise ToolFailed unless the answer is about the image in `layout`."""
    if answer.diff_ids != tuple(diff_id for _, diff_id, _, _ in layout.layers):
        raise _nonsense(f"about another image: it lists other layers than {layout.digest}")


def flaws(answer: Answer, origins: Iterable[LayerOrigin]) -> tuple[Flaw, ...]:
    """Return the flaws, the worst first, each once for each layer that brings the package."""
    known = {origin.diff_id: origin for origin in origins}
    try:
        found = {
            (flaw.id, flaw.package, flaw.version, flaw.layer): flaw
            for result in answer.results
            for flaw in (_flaw(entry, known) for entry in result.get("Vulnerabilities") or ())
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _nonsense(f"a flaw not as Trivy writes it: {error!r}") from None
    return tuple(
        sorted(
            found.values(), key=lambda f: (SEVERITIES.index(f.severity), f.package, f.version, f.id, f.layer or "")
        )
    )


def secrets(answer: Answer, origins: Iterable[LayerOrigin]) -> tuple[Secret, ...]:
    """Return what looks like credentials, the worst first, in files and in the image's configuration."""
    known = {origin.diff_id: origin for origin in origins}
    try:
        found = {
            (secret.rule, secret.path, secret.line, secret.layer): secret
            for result in answer.results
            for secret in (_secret(entry, result, known) for entry in result.get("Secrets") or ())
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise _nonsense(f"a secret not as Trivy writes it: {error!r}") from None
    return tuple(
        sorted(
            found.values(), key=lambda s: (SEVERITIES.index(s.severity), s.path, s.line or 0, s.rule, s.layer or "")
        )
    )


def database(files: DatabaseFiles, answer: Answer) -> Database:
    """Return what the database knows, and what of this image it cannot judge."""
    return Database(
        source=files.source,
        digest=files.digest,
        built=files.built,
        advisories=files.advisories,
        covers=tuple(words(ecosystem) for ecosystem in files.ecosystems),
        blind=tuple(_blind(files, answer)),
    )


def _blind(files: DatabaseFiles, answer: Answer) -> Iterator[str]:
    covered = {ecosystem.lower() for ecosystem in files.ecosystems}
    unjudged: dict[str, int] = {}
    for result in answer.results:
        count = len(result.get("Packages") or ())
        kind = str(result.get("Type", "unknown"))
        if result.get("Class") == "os-pkgs":
            names = _release_names(answer.operating_system)
            if not covered & set(names):
                unjudged[words(names[-1])] = unjudged.get(words(names[-1]), 0) + count
        elif result.get("Class") == "lang-pkgs" and KINDS.get(kind) not in covered:
            name = words(KINDS.get(kind, kind))
            unjudged[name] = unjudged.get(name, 0) + count
    yield from (f"{name} ({count})" for name, count in sorted(unjudged.items()) if count)
    if answer.operating_system.get("EOSL"):
        yield f"{_release_names(answer.operating_system)[-1]} is past its end of life and gets no more advisories"
    if files.unrated:
        yield f"{files.unrated} flaws in the database carry no severity"
    yield from files.limits


def _release_names(system: Mapping[str, Any]) -> Sequence[str]:
    """The names under which the advisories of a distribution's release may be kept; the usual one last."""
    family, release = str(system.get("Family", "unknown")), str(system.get("Name", ""))
    major = release.partition(".")[0].partition(" ")[0]
    if family in RELEASES:
        return (RELEASES[family].format(major=major, release=release),)
    minor = ".".join(release.split(".")[:2])
    if family in ("ubuntu", "alpine"):  # released under two numbers, the others under one
        return (f"{family} {release}", f"{family} {minor}")
    return (f"{family} {release}", f"{family} {minor}", f"{family} {major}")


def _flaw(entry: Mapping[str, Any], known: Mapping[str, LayerOrigin]) -> Flaw:
    origin = known.get((entry.get("Layer") or {}).get("DiffID", ""))
    return Flaw(
        id=_text(entry["VulnerabilityID"]),
        package=_text(entry["PkgName"]),
        version=_text(entry["InstalledVersion"]),
        fixed_in=_text(entry["FixedVersion"]) if entry.get("FixedVersion") else None,
        severity=_severity(entry),
        title=_text(entry.get("Title") or ""),
        layer=origin.digest if origin else None,
        instruction=origin.instruction if origin else None,
        dockerfile_line=origin.dockerfile_line if origin else None,
        origin=origin.origin if origin else "own",  # nobody else can be asked to mend it
    )


def _secret(entry: Mapping[str, Any], result: Mapping[str, Any], known: Mapping[str, LayerOrigin]) -> Secret:
    origin = known.get((entry.get("Layer") or {}).get("DiffID", ""))
    path, line = _text(result["Target"]), entry.get("StartLine")
    if not entry.get("Layer"):
        # In the image's configuration: Trivy's path and line are of a rendering that nobody has. The variable's
        # name says more, and it is the same for ENV and for its trace in the history.
        variable = MASKED_VARIABLE.search(str(entry.get("Match", "")))
        path, line = "image configuration" + (f": {variable[1]}" if variable else ""), None
    return Secret(
        rule=_text(entry["RuleID"]),
        title=_text(entry.get("Title") or entry["RuleID"]),
        severity=_severity(entry),
        path=path,
        line=int(line) if line else None,
        layer=origin.digest if origin else None,
        instruction=origin.instruction if origin else None,
        dockerfile_line=origin.dockerfile_line if origin else None,
    )


def _severity(entry: Mapping[str, Any]) -> str:
    word = str(entry.get("Severity", "")).lower()
    return word if word in SEVERITIES else "unknown"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} where text belongs")
    return value


def _nonsense(what: str) -> ToolFailed:
    return ToolFailed(
        f"trivy's answer is {what}",
        hint="run `setup` again for the pinned scanner; if it stays, report the image that it happens with",
    )
