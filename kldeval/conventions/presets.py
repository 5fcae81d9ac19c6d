"""The metric sets of saliency benchmarks, with each benchmark's definitions: data made of strings that one could type.

Goal: the columns of a benchmark's table are one name away, each computed as that benchmark computes it.
Conventions: a preset rests on a convention for its divergence, its resizing and its empty maps; what the original draws
at random is its expectation here.
"""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from kldeval.conventions import ALIASES, CONVENTIONS, convention
from kldeval.dataclass import dataclass
from kldeval.errors import MissingDependency, UsageProblem
from kldeval.grammar import spelt_as, split_call, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kldeval.conventions.convention import Convention


CVZOYA = "https://github.com/cvzoya/saliency/tree/5951cdc7c2ba73e5951d4c36bea58e8c7d41e55d/code_forMetrics"
TUEBINGEN_CODE = (
    "https://github.com/matthias-k/saliency-benchmarking/blob/6d80c2dff827788a09ba289141e04708b4b52ea3/"
    "saliency_benchmarking/evaluation.py"
)
VINET_CODE = (
    "https://github.com/samyak0210/ViNet/blob/164beb7e94e22b6785ef9b9e97eaa258f83e14d1/code_for_Metrics/"
    "evaluationFunc.m"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One benchmark: its metrics in the order of its table, the convention of its divergence, and further flags.

    `sources` are what was read. `sure`: R, the code was read in full; D, its documentation alone was. `traps` say where
    a number of the benchmark is another, in whole sentences. `version` and `moved` are as those of a convention.
    """

    name: str
    metrics: tuple[str, ...]
    based_on: str
    further: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...]
    sure: str
    note: str
    traps: tuple[str, ...]
    version: int = 1
    moved: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics; written so under the preset, each has its definition here."""
        return tuple(split_call(text)[0] for text in self.metrics)

    @property
    def metric(self) -> str:
        """The metrics that are computed where none is named."""
        constants = {split_call(text)[0]: text for text in convention(self.based_on).metrics}
        return ",".join(constants.get(text, text) for text in self.metrics)

    @property
    def texts(self) -> dict[str, str]:
        """Every setting by the name of its option, as a user would type it; the constants of every metric it knows."""
        row = convention(self.based_on)
        others = [text for text in row.metrics if split_call(text)[0] not in self.metrics]
        return {**row.texts, **self.further, "metric": ",".join([self.metric, *others])}

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """The flags that the name stands for, each with its value."""
        texts = {**self.texts, "metric": self.metric}
        return tuple((f"--{key.replace('_', '-')}", text) for key, text in texts.items())


MIT_BENCHMARK = Preset(
    name="mit-benchmark",
    metrics=(
        "auc-judd",
        "sim(minmax=true)",
        "emd",
        "auc-borji",
        "auc-shuffled",
        "cc",
        "nss(ddof=1,repeats=false)",
        "kld",
    ),
    based_on="mit",
    further={"other_map": "others(repeats=true)"},
    sources=(CVZOYA, "https://saliency.mit.edu"),
    sure="R",
    note="The eight columns of the MIT Saliency Benchmark (MIT300, CAT2000), as its MATLAB code computes them.",
    traps=(
        "AUC_Judd.m, AUC_Borji.m and AUC_shuffled.m draw random numbers; these are their exact expectations.",
        (
            "AUC_shuffled.m takes the fixations of ten other images, drawn at random; here all other images' fixations "
            "stand for the draw, each as often as it occurs."
        ),
        (
            "EMD.m shrinks with a bicubic kernel, which makes negative mass, and matches histograms first; here areas "
            "are averaged and nothing is matched."
        ),
        "CC.m and NSS.m give NaN for a constant prediction, where kldeval gives 0.",
        "On 8-bit input the MATLAB code rounds its stretched map to 0 and 1 unless it is converted to double before.",
        "Without `pip install 'kldeval[emd]'` leave emd out: -m auc-judd,sim,auc-borji,auc-shuffled,cc,nss,kld.",
    ),
)

TUEBINGEN = Preset(
    name="tuebingen",
    metrics=("ig", "auc", "sauc", "nss", "cc", "kld", "sim"),
    based_on="tuebingen",
    further={"baseline": "others"},
    sources=(TUEBINGEN_CODE, "https://saliency.tuebingen.ai/evaluation.html"),
    sure="R",
    note="The seven columns of the MIT/Tuebingen benchmark, as pysaliency computes them.",
    traps=(
        (
            "ig is for densities: the benchmark computes it for models that predict one. A stored map is divided by "
            "its sum here, and one fixation on a 0 makes it -inf; log densities need --pred-norm log-prob."
        ),
        "On MIT300 the benchmark averages ig over fixations (--maps fixations), all else over images.",
        (
            "Its models predict a density, from which it derives another map for every metric; one map for all of them "
            "scores lower."
        ),
        (
            "Its ground truths are unquantised: `kldeval density` with --sigma 23.99 (MIT300), 40 (CAT2000) or 30 "
            "(COCO-Freeview), the first fixation of each observer dropped on MIT300."
        ),
    ),
)

SALICON = Preset(
    name="salicon",
    metrics=(
        "auc-shuffled",
        "ig-mit",
        "nss(ddof=1,repeats=false)",
        "cc",
        "auc-judd",
        "sim(minmax=true)",
        "kld",
    ),
    based_on="mit",
    further={"other_map": "others", "baseline": "others"},
    sources=("https://competitions.codalab.org/competitions/17136", CVZOYA),
    sure="D",
    note="The columns of the SALICON challenge of 2017 (LSUN): sAUC, IG, NSS and CC rank, AUC, SIM and KL are shown.",
    traps=(
        (
            "The organisers say that they use the MIT code, and for sAUC and IG the fixations of all images but one; "
            "the server's code is not public, nor is the smoothing of IG's baseline."
        ),
        "The challenge of 2015 used other code (NUS-VIP/salicon-evaluation), with other fixations, thresholds and AUC.",
        "The union of all other images' fixations saturates: on 5000 images the centre prior scores 0.59, not 0.50.",
    ),
)

DHF1K = Preset(
    name="dhf1k",
    metrics=("auc-judd", "sim(minmax=true)", "auc-shuffled", "cc", "nss(ddof=1,repeats=false)"),
    based_on="mit",
    further={"other_map": "others(repeats=true)"},
    sources=(
        "https://github.com/wenguanwang/DHF1K/tree/35570c7c01128f1acb4de161965e7a260cfc162f",
        VINET_CODE,
    ),
    sure="R",
    note="The five columns of the DHF1K video benchmark, averaged over frames as its evaluator does.",
    traps=(
        "The evaluator draws ten other frames at random for AUC_shuffled, from any video, the frame's own included.",
        (
            "Frames on which a metric is NaN (no fixations, an empty map) are dropped from its mean there; here the "
            "mean is NaN, so leave such frames out."
        ),
        "More than 50 000 frames are sampled at random there.",
        "It never computes KL, although KLdiv.m is in its archive.",
    ),
)

NTIRE_2026 = Preset(
    name="ntire2026",
    metrics=("cc", "sim", "nss(std_eps=1e-07)", "auc-judd(jitter=columns)"),
    based_on="mit",
    further={"resize": "pred-to-gt(kernel=bilinear,stretch=true)", "color": "mean", "maps": "groups"},
    sources=(
        (
            "https://github.com/msu-video-group/NTIRE26_Saliency_Prediction/blob/"
            "a4f7ed64295c3240e41f1b5b672689dd6c875423/bench.py"
        ),
        "https://arxiv.org/abs/2604.14816",
    ),
    sure="R",
    note="The four columns of the video saliency challenges of AIM 2024 and NTIRE 2026, averaged over videos.",
    traps=(
        (
            "The number of distinct fixations is that of the distinct columns of the list of (row, column), "
            "np.unique(F, axis=1): 2, and 1 only where every fixation lies on the diagonal; here it is 2."
        ),
        "Repeated fixations count each time, and tied ones make the curve run back: a constant map scores near 0.",
        "Maps are stretched to 0..1 before they are resized, and SIM is of the stretched maps.",
        (
            "Their videos have 10 bits, which ffmpeg extracts to PNG of 16 bits, and OpenCV decodes to 8: give the "
            "extracted frames where the last digits count."
        ),
        "The mean is over the means of videos (folders of frames); for a single video say --maps mean.",
        "Constants of 1e-07 in the denominators of SIM and CC and 1.2e-07 in that of the stretching are left out.",
    ),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {preset.name: preset for preset in (MIT_BENCHMARK, TUEBINGEN, SALICON, DHF1K, NTIRE_2026)}
)
"""Every preset by its name."""


def preset(name: str) -> Preset:
    """The preset of this name.

    >>> preset("dhf1k").metrics[0]
    'auc-judd'

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    spelt = spelt_as(name, PRESETS)
    if spelt is None:
        raise unknown("preset", name, PRESETS)
    return PRESETS[spelt]


PRESET = "-preset"
"""What may follow the name of a preset, and tells it from a convention of its name."""


def convention_or_preset(name: str) -> Convention | Preset:
    """The convention of this name or alias, else the preset; with `-preset` behind its name the preset in any case.

    >>> type(convention_or_preset("tuebingen")).__name__, type(convention_or_preset("tuebingen-preset")).__name__
    ('Convention', 'Preset')

    Raises:
        UnknownName: neither exists.
    """
    if spelt_as(name, [*CONVENTIONS, *ALIASES]) is not None:
        return convention(name)
    spelt = spelt_as(name, [*PRESETS, *(f"{known}{PRESET}" for known in PRESETS)])
    if spelt is not None:
        return PRESETS[spelt.removesuffix(PRESET)]
    others = [other for other in PRESETS if other not in CONVENTIONS and other not in ALIASES]
    raise unknown("convention or preset", name, [*CONVENTIONS, *ALIASES, *others])


def check_packages(name: str) -> None:
    """Refuse all metrics of a preset where the package of one is missing, before anything is read.

    Raises:
        MissingDependency: naming the package and the metrics that do without it.
    """
    from importlib.util import find_spec

    names = preset(name).names
    if "emd" in names and find_spec("ot") is None:
        others = ",".join(other for other in names if other != "emd")
        msg = (
            f"the preset {name} has emd, which needs the solver of POT: install it with pip install 'kldeval[emd]', or "
            f"leave emd out with -m {others}"
        )
        raise MissingDependency(msg)


def named_texts(convention_name: str | None, preset_name: str | None) -> tuple[Mapping[str, str] | None, str | None]:
    """What a convention or a preset says, and the metrics that a preset computes.

    Raises:
        UnknownName: one of them does not exist.
        UsageProblem: both are named.
    """
    if convention_name is not None and preset_name is not None:
        msg = f"--preset {preset_name} holds a convention already; leave out --convention {convention_name}"
        raise UsageProblem(msg)
    if preset_name is not None:
        found = preset(preset_name)
        return found.texts, found.metric
    return convention(convention_name).texts if convention_name is not None else None, None
