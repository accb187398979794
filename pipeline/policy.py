"""policies/policy.yaml and waivers.yaml in, Policy out. Speaks to: nothing.

A profile says which rules hold, how much they weigh, and how much is too much. One profile can extend another: what
it does not say, the other says. Judging a record against a profile is verdict.py's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from pipeline import yamlfile
from pipeline.errors import BadFile
from pipeline.lint import own_rules
from pipeline.model import PolicyStamp, Waiver
from pipeline.recipe import Recipe
from pipeline.yamlfile import Bytes, Growth, Seconds, Strict


def _switch(value: Any) -> Any:
    """YAML reads a bare `off` as false and `on` as true."""
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


Word = Literal["error", "warning", "info", "off"]
Level = Annotated[Word, BeforeValidator(_switch, json_schema_input_type=Word | bool)]


class RuleSetting(Strict):
    """One rule: its weight, and parameters that its page names."""

    severity: Level | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


def _rule(value: Any) -> Any:
    value = _switch(value)
    if value == "on":
        return {}
    return {"severity": value} if isinstance(value, str) else value


RuleEntry = Annotated[
    RuleSetting, BeforeValidator(_rule, json_schema_input_type=Literal["on"] | Word | bool | RuleSetting)
]


class ScanPolicy(Strict):
    """What a scan must say."""

    databases: list[str] = Field(
        default_factory=lambda: ["shipped"],
        description="tried in this order: an OCI reference, a folder, or `shipped`",
    )
    fail_on: Literal["critical", "high", "medium", "low", "never"] = "critical"
    only_fixable: bool = True
    unknown_severity: Level = "warning"
    secrets: Level = "error"
    not_scanned: Level = "error"
    without_database: Level = "warning"
    blind: Level = "warning"
    database_older_than: Seconds | None = Field(default=None, description="then `old_database` applies")
    old_database: Level = "warning"


class SmokePolicy(Strict):
    """What a smoke test must say."""

    not_tested: Level = "error"
    without_gpu: Level = "warning"
    simulated_gpu: Level = "warning"


class Limits(Strict):
    """How much is too much; `budget:` of an image.yaml can be tighter."""

    bytes: Bytes | None = None
    compressed_bytes: Bytes | None = None
    wasted_bytes: Bytes | None = None
    growth: Growth | None = Field(
        default=None, description="of the compressed bytes over the last release, as 5% or 50MB"
    )
    layers: int | None = Field(default=127, description="overlay file systems stop there")


class Profile(Strict):
    """A named set of expectations."""

    extends: str | None = None
    every_rule: bool = Field(default=False, description="also the rules that are quiet unless they are named")
    rules: dict[str, RuleEntry] = Field(default_factory=dict)
    scan: ScanPolicy = ScanPolicy()
    smoke: SmokePolicy = SmokePolicy()
    limits: Limits = Limits()


class Condition(Strict):
    """A rule in one expression: each thing for which `when` is true is a finding at its line."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="what is wrong, in words: no-curl")]
    kind: Literal["image", "stage", "instruction", "command"] = Field(
        default="instruction", alias="for", description="what it is asked about, one by one"
    )
    when: str = Field(description="CEL over the facts of that thing; docs/reference.md lists them")
    severity: Literal["error", "warning", "info"] = "warning"
    message: Annotated[str, Field(min_length=3)]
    hint: Annotated[str, Field(min_length=3)]

    @field_validator("when")
    @classmethod
    def _can_be_asked(cls, when: str, info: ValidationInfo) -> str:
        from pipeline.lint import conditions

        if "kind" in info.data:  # otherwise that is the mistake to tell
            conditions.compiled(when, info.data["kind"])
        return when


class PolicyFile(Strict):
    """policy.yaml."""

    default: str
    mirrors: dict[str, str] = Field(
        default_factory=dict, description="docker.io: mirror.example:5000/hub — bases are taken from there"
    )
    own_rules: str | None = Field(
        default=None, description="a folder beside this file with rules of your own: NAME.py and its page NAME.md"
    )
    conditions: list[Condition] = Field(default_factory=list)
    profiles: dict[str, Profile]


class WaiverEntry(Strict):
    """One row of waivers.yaml."""

    rule: str
    image: str | None = None
    path: str | None = None
    reason: Annotated[str, Field(min_length=3)]
    accepted_by: Annotated[str, Field(min_length=1)]
    until: date


class WaiversFile(Strict):
    """waivers.yaml."""

    waivers: list[WaiverEntry] = Field(default_factory=list)


@dataclass(frozen=True)
class Policy:
    """A policy that was read: its profiles with `extends` resolved, and its waivers."""

    file: Path
    digest: str  # of policy.yaml and waivers.yaml together
    content: PolicyFile
    waivers: tuple[Waiver, ...]
    brought: frozenset[str] = frozenset()  # ids of its own rules and conditions

    @cached_property
    def mirrors(self) -> Mapping[str, str]:
        """Registry host → where its images are taken from instead."""
        return self.content.mirrors

    def profile(self, name: str | None) -> Profile:
        """The profile of this name, or the default one. Raises BadFile for one that does not exist."""
        return Profile.model_validate(self._merged(name or self.content.default, ()))

    def known(self, recipe: Recipe) -> str | None:
        """The profile that an image names. Raises BadFile, at its line in image.yaml, for one that is not here."""
        if recipe.profile is not None and recipe.profile not in self.content.profiles:
            raise yamlfile.unknown(recipe.profile, self.content.profiles, "profile", recipe.folder / "image.yaml")
        return recipe.profile

    def stamp(self, profile: str | None) -> PolicyStamp:
        """What a record keeps of the policy."""
        return PolicyStamp(file=self.file.name, digest=self.digest, profile=profile or self.content.default)

    def _merged(self, name: str, seen: tuple[str, ...]) -> dict[str, Any]:
        if name in seen:
            raise BadFile(f"profiles extend each other: {' → '.join((*seen, name))}", file=self.file, hint="break it")
        if name not in self.content.profiles:
            known = ", ".join(sorted(self.content.profiles))
            raise BadFile(f"no profile `{name}`", file=self.file, hint=f"profiles here: {known}")
        profile = self.content.profiles[name]
        own = profile.model_dump(exclude_unset=True)
        if profile.extends is None:
            return own
        return _overlay(self._merged(profile.extends, (*seen, name)), own)


def read(file: Path, rule_ids: frozenset[str]) -> Policy:
    """Return the policy in `file`, with the waivers.yaml beside it. Raises BadFile, also for rules nobody knows."""
    content = yamlfile.read(file, PolicyFile)
    waivers_file = file.with_name("waivers.yaml")
    waivers: tuple[Waiver, ...] = ()
    hasher = hashlib.sha256(file.read_bytes())
    if waivers_file.exists():
        waivers = tuple(_waiver(entry, waivers_file) for entry in yamlfile.read(waivers_file, WaiversFile).waivers)
        hasher.update(waivers_file.read_bytes())
    brought = {one.id for one in content.conditions}
    if content.own_rules is not None:
        folder = own_rules.folder_of(file, content.own_rules)
        brought |= set(own_rules.ids(folder))
        for one in own_rules.files(folder):
            hasher.update(one.read_bytes())
    policy = Policy(
        file=file, digest=f"sha256:{hasher.hexdigest()}", content=content, waivers=waivers, brought=frozenset(brought)
    )
    rule_ids |= brought
    for name, profile in content.profiles.items():
        policy.profile(name)
        for rule in profile.rules:
            if rule not in rule_ids:
                raise yamlfile.unknown(rule, rule_ids, "rule", file)
            if rule not in brought:
                _check_parameters(rule, profile.rules[rule].parameters, file)
    policy.profile(None)
    return policy


_KINDS: Mapping[str, tuple[type, str]] = {
    "text": (str, "a text"),
    "texts": (list, "a list of texts"),
    "number": (int, "a whole number"),
    "pairs": (dict, "a mapping of texts"),
}


def _check_parameters(rule_id: str, given: Mapping[str, Any], file: Path) -> None:
    """Raise BadFile for a parameter that one of our rules does not take, or that is of another kind."""
    from policies import RULES

    takes = next((rule.takes for rule in RULES if rule.id == rule_id), None) or {}
    for name, value in given.items():
        if name not in takes:
            raise yamlfile.unknown(name, takes, f"parameter of {rule_id}", file)
        kind, words = _KINDS[takes[name]]
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not isinstance(value, kind) or isinstance(value, bool) or not all(isinstance(one, str) for one in inner):
            place = yamlfile.unknown(name, (), "", file)
            raise BadFile(f"{rule_id}: `{name}` must be {words}", file=file, line=place.line, column=place.column,
                          hint=f"`explain {rule_id}` shows one")  # fmt: skip


def _waiver(entry: WaiverEntry, file: Path) -> Waiver:
    return Waiver(
        rule=entry.rule, reason=entry.reason, until=entry.until.isoformat(), image=entry.image, path=entry.path,
        accepted_by=entry.accepted_by, file=str(file),
    )  # fmt: skip


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` wins key by key; mappings are joined, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if both else value
    return merged
