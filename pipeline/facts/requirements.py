"""The NVIDIA_REQUIRE_* of an image and a driver in, whether it starts there out. Speaks to: the table of drivers.

As NVIDIA's container toolkit reads them: a space is OR, a comma is AND, and every NVIDIA_REQUIRE_ variable must hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from packaging.version import InvalidVersion, Version

from pipeline.facts.drivers import driver_text, newest_cuda

Word = Literal["yes", "no", "unknown"]
_TRUE = frozenset({"1", "t", "true", "TRUE", "True", "T"})  # what Go's ParseBool takes for true
_CONDITION = r"([a-z]+)(>=|<=|!=|==|=|<|>)(.*)"
_DATA_CENTRE = ("tesla", "nvidia")
_LONGEST = 20_000  # characters of a variable; NVIDIA's own are below 2000
_WHOLE_BRANCH = 9999  # `535` alone is the newest driver of that branch


class Answer(NamedTuple):
    """Whether something holds: yes, no or unknown, and why in a few words."""

    answer: Word
    because: str

    def __bool__(self) -> bool:
        raise TypeError("an answer has three values: ask for `.answer`")


def requirement_holds(
    environment: Mapping[str, str], driver: Version, capability: Version | None = None, brand: str | None = None
) -> Answer:
    """Return whether NVIDIA's runtime starts a container with this environment on a driver and a GPU.

    `environment` is the image's ENV with values. `brand` is NVML's word in lower case: tesla, geforcertx, nvidia, …;
    without one a data centre GPU is meant, which older drivers call tesla and newer ones nvidia.
    """
    if brand is None:
        return _on_any_brand(environment, driver, capability)
    gates = {
        name: value
        for name, value in environment.items()
        if name.startswith("NVIDIA_REQUIRE_") and not name.startswith("NVIDIA_REQUIRE_JETPACK") and value.strip()
    }
    if environment.get("NVIDIA_DISABLE_REQUIRE", "") in _TRUE:
        return Answer(answer="yes", because="NVIDIA_DISABLE_REQUIRE switches the check off")
    legacy = environment.get("CUDA_VERSION", "")
    if legacy and "NVIDIA_REQUIRE_CUDA" not in environment and (found := re.match(r"\d+\.\d+", legacy)):
        gates["CUDA_VERSION"] = f"cuda>={found[0]}"
    if not gates:
        return Answer(answer="yes", because="the image sets no NVIDIA_REQUIRE_CUDA")
    subject = _subject(driver, capability, brand)
    answers = [_gate(name, value, subject) for name, value in sorted(gates.items())]
    for wanted in ("no", "unknown"):
        for answer in answers:
            if answer.answer == wanted:
                return answer
    return answers[0]


def _on_any_brand(environment: Mapping[str, str], driver: Version, capability: Version | None) -> Answer:
    """The answer for both names of data centre GPUs, and whether it is another on consumers' cards."""
    first, *others = [requirement_holds(environment, driver, capability, brand) for brand in _DATA_CENTRE]
    if any(other.answer != first.answer for other in others):
        names = " or ".join(_DATA_CENTRE)
        return Answer(answer="unknown", because=f"that hangs on whether the GPU's brand is {names}")
    if first.answer == "yes" and requirement_holds(environment, driver, capability, "geforcertx").answer == "no":
        return Answer(answer="yes", because=f"{first.because}, except on GeForce cards")
    return first


def _subject(driver: Version, capability: Version | None, brand: str | None) -> Mapping[str, Version | str | None]:
    exact = Version(f"{driver.major}.{_WHOLE_BRANCH}") if len(driver.release) == 1 else driver
    return {
        "driver": exact,
        "cuda": newest_cuda(driver),
        "arch": capability,
        "brand": brand,
        "text": driver_text(driver),
    }


def _gate(name: str, value: str, subject: Mapping[str, Version | str | None]) -> Answer:
    """One variable: any of its alternatives may hold."""
    if len(value) > _LONGEST:
        return Answer(answer="unknown", because=f"{name} is {len(value)} characters long")
    found = {alternative: _all(alternative, subject) for alternative in value.split()}
    for alternative, held in found.items():
        if held is True:
            return Answer(answer="yes", because=_met(name, alternative))
    unclear = next((alternative for alternative, held in found.items() if held is None), None)
    if unclear is not None:
        return Answer(answer="unknown", because=f"whether `{unclear}` of {name} holds cannot be told")
    offers = f" (CUDA {subject['cuda']})" if subject["cuda"] else ""
    branches = dict.fromkeys(re.findall(r",driver>=(\d+),driver<\d+(?= |$)", value))
    others = f", or driver branch {', '.join(branches)}" if branches else ""
    because = f"{name} asks for {value.split()[0]}{others}; this is driver {subject['text']}{offers}"
    return Answer(answer="no", because=because)


def _met(name: str, alternative: str) -> str:
    branch = re.fullmatch(r"brand=\w+,driver>=(\d+),driver<\d+", alternative)
    return f"{name} accepts driver branch {branch[1]}" if branch else f"{name} is met by `{alternative}`"


def _all(alternative: str, subject: Mapping[str, Version | str | None]) -> bool | None:
    """One alternative: each of its conditions must hold. None when that hangs on something unknown."""
    held = [_condition(word, subject) for word in alternative.split(",") if word]
    if False in held:
        return False
    return None if None in held else True


def _condition(word: str, subject: Mapping[str, Version | str | None]) -> bool | None:
    found = re.fullmatch(_CONDITION, word.strip())
    if not found or found[1] not in subject or found[1] == "text":
        return None
    name, operator, wanted = found[1], found[2], found[3]
    have = subject[name]
    if have is None:
        return None
    if isinstance(have, str):
        return {"=": have == wanted, "==": have == wanted, "!=": have != wanted}.get(operator)
    try:
        other = Version(wanted)
    except InvalidVersion:
        return None
    if name == "driver" and operator in ("=", "==", "!="):
        have = Version(".".join(str(part) for part in have.release[: len(other.release)]))
    return {
        ">=": have >= other, "<=": have <= other, ">": have > other, "<": have < other,
        "=": have == other, "==": have == other, "!=": have != other,
    }[operator]  # fmt: skip
