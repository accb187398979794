"""A CVSS 3 vector in, its base score out. Speaks to: nothing.

Formula: first.org/cvss/v3.1/specification-document, section 7.1. Version 4 has no formula but tables; such a record
counts as having no severity, and is reported so.
"""

from __future__ import annotations

import math

WEIGHTS: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float | None:
    """Return the base score, 0.0 to 10.0, of a `CVSS:3.x/…` vector; None for anything else."""
    head, *parts = vector.split("/")
    if head not in ("CVSS:3.0", "CVSS:3.1"):
        return None
    metrics = dict(part.split(":", 1) for part in parts if ":" in part)
    try:
        weight = {name: values[metrics[name]] for name, values in WEIGHTS.items()}
        privileges = PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError:
        return None
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    if metrics["S"] == "U":
        impact, stretch = 6.42 * lost, 1.0
    else:
        impact, stretch = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15, 1.08
    return 0.0 if impact <= 0 else _round_up(min(stretch * (impact + exploitability), 10.0))


def _round_up(score: float) -> float:
    """To one decimal, upwards, by the specification's own integer recipe (appendix A)."""
    hundred_thousandths = round(score * 100_000)
    if hundred_thousandths % 10_000 == 0:
        return hundred_thousandths / 100_000
    return (math.floor(hundred_thousandths / 10_000) + 1) / 10
