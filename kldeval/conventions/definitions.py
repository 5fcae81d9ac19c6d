"""The definitions of CC, SIM, NSS and AUC that code bases use: metrics as a user would type them, with their sources.

What the conventions are for KLD these rows are for its companions: `kldeval audit --metric nss` scores the same maps
under each of them, and `kldeval identify` tries them. What an original draws at random is its expectation here.
"""

from __future__ import annotations

from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kldeval.conventions.presets import CVZOYA, TUEBINGEN_CODE
from kldeval.dataclass import dataclass
from kldeval.grammar import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

SALICON_CODE = "https://github.com/NUS-VIP/salicon-evaluation/blob/master/saliconeval/sauc/sauc.py"
UNISAL = "https://github.com/rdroste/unisal/blob/master/unisal/train.py"
AFFORDANCE_CODE = "https://github.com/lhc1224/Cross-View-AG/blob/main/code/cvpr/utils/evaluation.py"
PYSODMETRICS = "https://github.com/lartpang/PySODMetrics/blob/main/py_sod_metrics/sod_metrics.py"
TARUN = "https://github.com/tarunsharma1/saliency_metrics/blob/master/salience_metrics.py"
PYSALIENCY = "https://github.com/matthias-k/pysaliency/blob/dev/pysaliency/metrics.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One way to compute a metric: its name, the text of the metric, its formula, and where it was read.

    In `formula` S is the stored prediction and G the stored ground truth. `note` says what tells it from the others.
    A metric that is of normalised maps (`of=norm`) comes with the chains that make them.
    """

    name: str
    metric: str
    formula: str
    source: str
    note: str
    pred_norm: str = ""
    gt_norm: str = ""

    @property
    def norms(self) -> dict[str, str]:
        """The chains, as texts of settings."""
        return {name: text for name in ("pred_norm", "gt_norm") if (text := getattr(self, name))}

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """What one types to have this number."""
        norms = ((f"--{name.replace('_', '-')}", text) for name, text in self.norms.items())
        return (("--metric", self.metric), *norms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The definitions of one metric, the default one first, and what else they need."""

    name: str
    definitions: tuple[Definition, ...]
    further: Mapping[str, str] = field(default_factory=dict)
    needs_fixations: bool = True

    @property
    def runs(self) -> tuple[Family, ...]:
        """The definitions of one pair of chains each: what one run over the files gives."""
        chains = dict.fromkeys(tuple(row.norms.items()) for row in self.definitions)
        return tuple(
            replace(
                self,
                definitions=tuple(row for row in self.definitions if tuple(row.norms.items()) == chain),
                further={**self.further, **dict(chain)},
            )
            for chain in chains
        )

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
        Definition(
            name="unisal-loss",
            metric="cc(of=norm)",
            formula="r(p, q), p = exp(S)/sum exp(S), q = G/sum G",
            source=UNISAL,
            note="Of the softmax of the prediction, which is taken for logits: a term of the training loss.",
            pred_norm="flatten-softmax",
            gt_norm="sum-to-one",
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
        Definition(
            name="affordance",
            metric="sim(of=norm)",
            formula="sum min(p, q), p = M/(sum M + e), M = (S - min S)/(max S - min S), q = G/(sum G + e), e = 1e-12",
            source=AFFORDANCE_CODE,
            note="The prediction alone is stretched to 0..1; affordance grounding.",
            pred_norm="minmax+sum-to-one(offset=1e-12)",
            gt_norm="sum-to-one(offset=1e-12)",
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
        Definition(
            name="of-softmax",
            metric="nss(of=norm)",
            formula="mean over fixations of (p - mean p) / std p, p = exp(S)/sum exp(S), std with N",
            source=UNISAL,
            note="Of the softmax of the prediction, which is taken for logits, as in training losses.",
            pred_norm="flatten-softmax",
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
            name="judd-no-jitter",
            metric="auc-judd(jitter=none)",
            formula="AUC_Judd.m without its jitter, ties as they come",
            source=f"{CVZOYA}/AUC_Judd.m",
            note="Where grey levels tie the curve runs back: a constant map scores next to nothing.",
        ),
        Definition(
            name="judd-unique",
            metric="auc-judd(jitter=unique)",
            formula="AUC_Judd.m without its jitter, one threshold for each fixated value",
            source=f"{CVZOYA}/AUC_Judd.m",
            note="Ties are passed at once.",
        ),
        Definition(
            name="mit-borji",
            metric="auc-borji",
            formula="the expectation of AUC_Borji.m over its random pixels",
            source=f"{CVZOYA}/AUC_Borji.m",
            note="Eleven thresholds, against all pixels.",
        ),
        Definition(
            name="mit-borji-float",
            metric="auc-borji(ties=float)",
            formula="the same in the original's floating-point arithmetic",
            source=f"{CVZOYA}/AUC_Borji.m",
            note="Grey levels on tenths of the range lose ties that division rounds away.",
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
        Definition(
            name="mit-shuffled-float",
            metric="auc-shuffled(ties=float)",
            formula="the same in the original's floating-point arithmetic",
            source=f"{CVZOYA}/AUC_shuffled.m",
            note="Grey levels on tenths of the range lose ties that division rounds away.",
        ),
        Definition(
            name="salicon",
            metric="sauc-salicon",
            formula="the trapezoid at 0, 0.01 .. against the pixels fixated on other images, but for the image's own",
            source=SALICON_CODE,
            note="SALICON's own evaluator; a pixel counts once for every other image on which it was fixated.",
        ),
    ),
)

IG = Family(
    name="ig",
    further={"baseline": "others"},
    definitions=(
        Definition(
            name="pysaliency",
            metric="ig",
            formula="mean over fixations of log2 p - log2 b, p = S/sum S",
            source=TUEBINGEN_CODE,
            note="Of densities: a fixation where the prediction is 0 makes it -inf.",
        ),
        Definition(
            name="python-ports",
            metric="ig(eps=2.2204e-16,repeats=false)",
            formula="mean over fixated pixels of log2(e + p) - log2(e + b), p = S/sum S, e = 2.2204e-16",
            source=TARUN,
            note="The epsilon of InfoGain.m without its min-max.",
        ),
        Definition(
            name="mit",
            metric="ig-mit",
            formula="mean over fixated pixels of log2(e + p) - log2(e + b), maps stretched to 0..1 first, e = 2^-52",
            source=f"{CVZOYA}/InfoGain.m",
            note="The prediction and the baseline are stretched to 0..1 before they are divided by their sums.",
        ),
    ),
)

MAE = Family(
    name="mae",
    needs_fixations=False,
    definitions=(
        Definition(
            name="stored",
            metric="mae",
            formula="mean |S - G| on the scale of the run",
            source=PYSODMETRICS,
            note="Of the maps as they are.",
        ),
        Definition(
            name="sod",
            metric="mae(of=norm)",
            formula="mean |M - (G > 1/2)|, M = (S - min S)/(max S - min S)",
            source=PYSODMETRICS,
            note="Salient and camouflaged object detection: the prediction stretched, the mask above 128 of 255.",
            pred_norm="minmax",
            gt_norm="threshold(above=0.5)",
        ),
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in (CC, SIM, NSS, AUC, SAUC, IG, MAE)}
)
"""The companions that code bases define differently, by name."""


def family(name: str) -> Family:
    """The definitions of the metric of this name.

    >>> family("sim").metrics
    ('sim', 'sim(minmax=true)', 'sim(of=norm)')

    Raises:
        UnknownName: there is none; the message names the closest and lists all.
    """
    if name not in FAMILIES:
        raise unknown("metric with definitions", name, FAMILIES)
    return FAMILIES[name]
