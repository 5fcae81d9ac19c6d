"""The definitions of CC, SIM, NSS and AUC that code bases use: metrics as a user would type them, with their sources.

What the conventions are for KLD these rows are for its companions: `kldeval audit --metric nss` scores the same maps
under each of them, and `kldeval identify` tries them. What an original draws at random is its expectation here.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from kldeval.conventions.presets import CVZOYA, TUEBINGEN_CODE
from kldeval.dataclass import dataclass
from kldeval.grammar import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

PYSALIENCY = "https://github.com/matthias-k/pysaliency/blob/dev/pysaliency/metrics.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One way to compute a metric: its name, the text of the metric, its formula, and where it was read.

    In `formula` S is the stored prediction and G the stored ground truth. `note` says what tells it from the others.
    """

    name: str
    metric: str
    formula: str
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The definitions of one metric, the default one first, and what else they need; higher is better in all."""

    name: str
    definitions: tuple[Definition, ...]
    further: Mapping[str, str] = field(default_factory=dict)
    needs_fixations: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        """The texts of the metrics, each once."""
        return tuple(dict.fromkeys(row.metric for row in self.definitions))


CC = Family(
    name="cc",
    needs_fixations=False,
    definitions=(
        Definition(
            name="pysaliency",
            metric="cc",
            formula="r(S, G)",
            source=TUEBINGEN_CODE,
            note="Pearson's correlation; 0 where the prediction is constant.",
        ),
        Definition(
            name="mit",
            metric="cc",
            formula="r(S, G)",
            source=f"{CVZOYA}/CC.m",
            note="The same number, but NaN where the prediction is constant.",
        ),
    ),
)

SIM = Family(
    name="sim",
    needs_fixations=False,
    definitions=(
        Definition(
            name="pysaliency",
            metric="sim",
            formula="sum min(S / sum S, G / sum G)",
            source=TUEBINGEN_CODE,
            note="Each map is divided by its sum alone.",
        ),
        Definition(
            name="mit",
            metric="sim(minmax=true)",
            formula="sum min(p, q), p and q stretched to 0..1 and then divided by their sums",
            source=f"{CVZOYA}/similarity.m",
            note="Each map is stretched to 0..1 before, which takes away what it spread evenly.",
        ),
    ),
)

NSS = Family(
    name="nss",
    definitions=(
        Definition(
            name="pysaliency",
            metric="nss",
            formula="mean over fixations of (S - mean S) / std S, std with N",
            source=TUEBINGEN_CODE,
            note="Every fixation counts, also where there was one before.",
        ),
        Definition(
            name="mit",
            metric="nss(ddof=1,repeats=false)",
            formula="mean over fixated pixels of (S - mean S) / std S, std with N - 1",
            source=f"{CVZOYA}/NSS.m",
            note="A pixel counts once, however often it was fixated.",
        ),
        Definition(
            name="numpy-pixels",
            metric="nss(repeats=false)",
            formula="mean over fixated pixels of (S - mean S) / std S, std with N",
            source=f"{CVZOYA}/NSS.m",
            note="NSS.m written again in numpy, whose std divides by N.",
        ),
        Definition(
            name="matlab-fixations",
            metric="nss(ddof=1)",
            formula="mean over fixations of (S - mean S) / std S, std with N - 1",
            source=f"{CVZOYA}/NSS.m",
            note="NSS.m on a list of fixations instead of a map of them.",
        ),
    ),
)

AUC = Family(
    name="auc",
    definitions=(
        Definition(
            name="pysaliency",
            metric="auc",
            formula="P(S at a fixation > S at any pixel) + P(equal) / 2",
            source=TUEBINGEN_CODE,
            note="Every fixation against all pixels.",
        ),
        Definition(
            name="unfixated",
            metric="auc(negatives=unfixated,repeats=false)",
            formula="P(S at a fixated pixel > S at another pixel) + P(equal) / 2",
            source=PYSALIENCY,
            note="Fixated against unfixated pixels, as roc_auc_score of a binary map.",
        ),
        Definition(
            name="mit-judd",
            metric="auc-judd",
            formula="the expectation of AUC_Judd.m over its jitter",
            source=f"{CVZOYA}/AUC_Judd.m",
            note="Joined after each fixated pixel, which adds 1 / (2 (n + 1)) to a map of chance.",
        ),
        Definition(
            name="mit-borji",
            metric="auc-borji",
            formula="the expectation of AUC_Borji.m over its random pixels",
            source=f"{CVZOYA}/AUC_Borji.m",
            note="Eleven thresholds, against all pixels.",
        ),
    ),
)

SAUC = Family(
    name="sauc",
    further={"other_map": "others"},
    definitions=(
        Definition(
            name="pysaliency",
            metric="sauc",
            formula="P(S at a fixation > S at a fixation of another image) + P(equal) / 2",
            source=TUEBINGEN_CODE,
            note="Against all fixations on all other images, each counted.",
        ),
        Definition(
            name="mit-shuffled",
            metric="auc-shuffled",
            formula="the expectation of AUC_shuffled.m over its random pixels",
            source=f"{CVZOYA}/AUC_shuffled.m",
            note="Eleven thresholds, against the pixels that were fixated on any other image.",
        ),
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in (CC, SIM, NSS, AUC, SAUC)})
"""The companions that code bases define differently, by name."""


def family(name: str) -> Family:
    """The definitions of the metric of this name.

    >>> family("sim").metrics
    ('sim', 'sim(minmax=true)')

    Raises:
        UnknownName: there is none; the message names the closest and lists all.
    """
    if name not in FAMILIES:
        raise unknown("metric with definitions", name, FAMILIES)
    return FAMILIES[name]
