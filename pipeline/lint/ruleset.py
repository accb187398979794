"""A policy in, what judging a Dockerfile needs of it out: per profile the rules with their weight and parameters.

Speaks to: the cache, so that a lint need not check policy.yaml again (see `remembered`). Scan, smoke test and limits
are the rest of a policy; `policy.Policy` has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import BadFile
from pipeline.lint.remembered import remembered
from pipeline.model import Rule, Severity, Waiver

if TYPE_CHECKING:
    from pipeline.policy import Policy


SHIPPED = Path(__file__).parents[2] / "policies" / "policy.yaml"


class Choice(NamedTuple):
    """What one profile says about rules. `rules`: id → {"severity": word or None, "parameters": {…}}."""

    every_rule: bool
    rules: Mapping[str, Mapping[str, Any]]

    def severities(self, rules: Iterable[Rule]) -> dict[str, Severity]:
        """The rules that hold, with their weight here."""
        found = {}
        for rule in rules:
            said = self.rules.get(rule.id)
            level = said["severity"] if said else None
            if level != "off" and (rule.by_default or said is not None or self.every_rule):
                found[rule.id] = Severity(level) if level else rule.severity
        return found

    def parameters(self) -> dict[str, Mapping[str, Any]]:
        """Per rule, the parameters that the policy sets."""
        return {rule: said["parameters"] for rule, said in self.rules.items() if said["parameters"]}


class Ruleset(NamedTuple):
    """The rules' side of a policy."""

    file: str
    default: str
    profiles: Mapping[str, Choice]
    waivers: tuple[Waiver, ...]
    brought: tuple[Rule, ...] = ()  # its own rules and conditions

    def profile(self, name: str | None) -> Choice:
        """The profile of this name, or the default one. Raises BadFile for one that does not exist."""
        wanted = name or self.default
        if wanted not in self.profiles:
            known = ", ".join(sorted(self.profiles))
            raise BadFile(f"no profile `{wanted}`", file=self.file, hint=f"profiles here: {known}")
        return self.profiles[wanted]


def find(root: Path, explicit: Path | None = None) -> Path:
    """Which policy.yaml holds: the one named, the workspace's, or the one that Seatrial ships."""
    own = root / "policies" / "policy.yaml"
    return explicit or (own if own.is_file() else SHIPPED)


def of(policy: Policy) -> Ruleset:
    """The rules' side of a policy that was read."""
    return _from_plain(_plain(policy))


def read(file: Path, rule_ids: frozenset[str], *, run_own: bool = True) -> Ruleset:
    """Return the rules' side of a policy.yaml and the waivers.yaml beside it. Raises BadFile.

    Without `run_own` the Python files that it names as rules of its own are not run, and those rules are not there.
    """

    def make() -> Any:
        from pipeline import policy

        return _plain(policy.read(file, rule_ids))

    plain = remembered("policy", (file, file.with_name("waivers.yaml")), make)
    if not {rule for profile in plain["profiles"].values() for rule in profile["rules"]} <= rule_ids | _ids(plain):
        plain = make()  # a rule is gone since then: say so, with the line
    return _from_plain(plain, run_own=run_own)


def _plain(policy: Policy) -> dict[str, Any]:
    profiles = {name: policy.profile(name) for name in policy.content.profiles}
    return {
        "file": str(policy.file),
        "default": policy.content.default,
        "own_rules": policy.content.own_rules,
        "conditions": [one.model_dump() for one in policy.content.conditions],
        "profiles": {
            name: {
                "every_rule": profile.every_rule,
                "rules": {
                    rule: {"severity": said.severity, "parameters": said.parameters}
                    for rule, said in profile.rules.items()
                },
            }
            for name, profile in profiles.items()
        },
        "waivers": [
            {"rule": one.rule, "reason": one.reason, "until": one.until, "image": one.image, "path": one.path,
             "accepted_by": one.accepted_by, "file": one.file}
            for one in policy.waivers
        ],
    }  # fmt: skip


def _from_plain(plain: Mapping[str, Any], *, run_own: bool = True) -> Ruleset:
    return Ruleset(
        file=plain["file"],
        default=plain["default"],
        profiles={name: Choice(**profile) for name, profile in plain["profiles"].items()},
        waivers=tuple(Waiver(**one) for one in plain["waivers"]),
        brought=_brought(plain, run_own) if plain["own_rules"] or plain["conditions"] else (),
    )


def _brought(plain: Mapping[str, Any], run_own: bool) -> tuple[Rule, ...]:
    from pipeline.lint import own_rules
    from pipeline.waived import WAIVER_RULES
    from policies import RULES

    file, taken = Path(plain["file"]), {*(rule.id for rule in RULES), *WAIVER_RULES}
    found: tuple[Rule, ...] = ()
    if plain["own_rules"] and run_own:
        found = own_rules.load(own_rules.folder_of(file, plain["own_rules"]), taken)
    return (*found, *own_rules.conditions(plain["conditions"], file, taken | {rule.id for rule in found}))


def _ids(plain: Mapping[str, Any]) -> set[str]:
    """What the rules are called that the policy brings along; nothing is run."""
    found = {one["id"] for one in plain["conditions"]}
    if plain["own_rules"]:
        from pipeline.lint import own_rules

        found |= set(own_rules.ids(own_rules.folder_of(Path(plain["file"]), plain["own_rules"])))
    return found
