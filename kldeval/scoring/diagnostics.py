"""What a careful colleague would say beside the numbers: refusals with the way out, and notes.

A remark is a key noted for one map; `notes` turns the remarks of all maps, and the settings, into sentences.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, isnan, log, prod
from typing import TYPE_CHECKING

from kldeval.data.causes import SIDES, negative, unnormalised
from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import RefusedMap
from kldeval.memory import NamedMaps
from kldeval.metrics.registry import cell_side
from kldeval.normalization.chain import axes_of, class_axis, ending, ends_in_log, format_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.normalization.steps import STEPS
from kldeval.records import OF_PIXELS, Reason
from kldeval.settings.auxiliary import STORED, chains_for
from kldeval.settings.scales import is_free_of_scale

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.errors import MapProblem
    from kldeval.memory import MapFolder
    from kldeval.normalization.chain import Chain
    from kldeval.records import DensityProvenance, MapPair, Score
    from kldeval.settings.settings import Settings


ROUNDING = 1e-5
"""How far a probability in single precision may lie above 1, or its logarithm above 0."""

PROBLEMS = ("nonfinite", "overflow", "negative", "empty", "outside", "unnormalised")
"""What may stand against a normalisation, in the order in which it is said."""

LARGE_EPSILON = 0.1
"""An epsilon of this share of the mean probability 1/N moves the number visibly."""


class ValueRange(NamedTuple):
    """The smallest and the largest value of the pixels of a map."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the notes on one map depend on, of the settings: worked out once for a run."""

    largest_epsilon: float
    forgives_empty: bool
    takes_logs: bool
    bounded: tuple[tuple[str, float], ...]
    unit: float
    axes: tuple[int, ...]
    largest_cell: int

    @classmethod
    def of(cls, settings: Settings) -> Diagnostics:
        """The facts of a run."""
        return cls(
            _largest_epsilon(settings),
            settings.empty_gt != "error",
            settings.pred[0].name == "log-prob",
            tuple(_bounded(settings)),
            1.0 if settings.base == "e" else log(int(settings.base)),
            axes_of(settings.gt) or MAP,
            max((cell_side(call.name, call.keywords) for call in settings.on("maps").values()), default=0),
        )


def reason_of(problem: MapProblem) -> Reason:
    """The reason that an error gives."""
    return Reason(problem.code, str(problem))


def refusal(pair: MapPair, role: str, kind: str, detail: float, chain: Chain) -> str:
    """Why a map is refused under a chain, and what would be accepted."""
    if kind == "unnormalised":
        return unnormalised(pair, role, detail, chain)
    say = {
        "nonfinite": _nonfinite,
        "overflow": _overflow,
        "negative": negative,
        "empty": _empty,
        "outside": _outside,
        "metric-not-applicable": _misplaced,
    }[kind]
    return say(pair, role, detail, format_chain(chain))


def _nonfinite(pair: MapPair, role: str, detail: float, chain: str) -> str:
    found = "nan" if isnan(detail) else "inf"
    text = f"the {SIDES[role]} holds {found}, which {chain!r} does not handle; repair the map"
    if found != "nan":
        return f"{text}, or clip it first: --{role}-norm 'clip(min=...,max=...)+{chain}'"
    if getattr(pair, role) is None or getattr(pair, role).ndim > 2:  # noqa: PLR2004 - height and width
        return text  # neither functions of arrays nor class maps take --nodata
    if role == "gt":
        return f"{text}, or leave out pixels that have no data: --nodata nan"
    return f"{text}, or say what pixels without data count as: --nodata nan --nodata-pred zero or mask"


def _overflow(_pair: MapPair, role: str, _detail: float, chain: str) -> str:
    return (
        f"the {SIDES[role]} has values so large that their sum or range is beyond the floats that {chain!r} computes "
        f"with; scale them first: --{role}-norm 'divide(value=...)+{chain}'"
    )


def _holds_more(pair: MapPair, role: str) -> bool:
    """Whether a map, as it is stored, is not all zero where it counts."""
    array, weights = getattr(pair, role), pair.weights
    if array is None:
        return False
    # of a pair that has been counted the levels stand here that occur
    counts = array != 0 if weights is None or weights.shape != array.shape else (array != 0) & (weights > 0)
    return bool(counts.any())


def _varies(pair: MapPair, role: str) -> bool:
    """Whether a map, as it is stored, has several values."""
    array = getattr(pair, role)
    return array is not None and bool((array != array.reshape(-1)[0]).any())


def _empty(pair: MapPair, role: str, _detail: float, chain: str) -> str:
    choices = "skip, uniform, zero or nan" if role == "gt" else "keep, uniform or nan"
    what = "constant" if chain.startswith("minmax") and not _varies(pair, role) else "all zero"
    if pair.pred is not None and pair.pred.ndim > 2:  # noqa: PLR2004 - height, width and classes
        what += " at a position"
    elif "axis=" in chain:
        what += " in a column" if "axis=0" in chain or "axis=-2" in chain else " in a row"
    elif what == "all zero" and _holds_more(pair, role):
        what += " after the first steps"
    said = f"the {SIDES[role]} is {what}, which {chain!r} cannot normalise; choose --empty-{role} {choices}"
    if what == "all zero" and _stores_integers(pair, role):
        return f"{said}; floats of 0..1 that are saved as integers become 0, too: multiply by 255 before saving"
    return said


def _stores_integers(pair: MapPair, role: str) -> bool:
    """Whether a side comes from a file of bytes or of 16-bit numbers."""
    return (pair.pred_scale if role == "pred" else pair.gt_scale) in (255, 65535)


def _outside(pair: MapPair, role: str, detail: float, chain: str) -> str:
    shown = f"{detail:.6g}" if f"{detail:.6g}" not in ("0", "1") else repr(detail)
    found = f"the {SIDES[role]} holds {shown}, and a probability lies in 0..1; "
    if role == "gt":
        is_raw = detail > 1 and _stores_integers(pair, role)
        return found + "store it so" + (", or let --scale unit divide bytes by 255" if is_raw else "")
    if "axis" in chain:
        return found + "for logits use --norm softmax, for log-probabilities --pred-norm log-prob"
    return found + "for logits use --norm sigmoid"


def _misplaced(pair: MapPair, _role: str, _detail: float, chain: str) -> str:
    found = f"{chain!r} asks where pixels stand in height and width, and these maps are volumes {pair.volume}"
    return f"{found}; sum-to-one and flatten-softmax take the whole map, and an axis of theirs is named with --axis"


def map_flags(
    values: Mapping[str, float],
    n_uncovered: int,
    pred: ValueRange,
    gt: ValueRange,
    shape: tuple[int, ...],
    run: Diagnostics,
) -> list[str]:
    """The remarks that follow from one map's numbers, its extremes on the scale of the run, and its size."""
    n_pixels = prod(shape)
    n_distributed = shape[run.axes[0]] if run.axes in ((-1,), (-2,)) and len(shape) == len(MAP) else n_pixels
    found = {
        "uncovered": n_uncovered > 0,
        "infinite": not all(map(isfinite, values.values())),
        "constant-pred": pred.low == pred.high,
        "empty-gt": gt.low == gt.high == 0 and run.forgives_empty,
        "constant-gt": gt.low == gt.high and not (gt.high == 0 and run.forgives_empty),
        "unit-range": pred.low >= 0 and gt.low >= 0 and max(pred.high, gt.high) <= 1,
        "unit-gt": gt.low >= 0 and gt.high <= 1 < pred.high - pred.low,
        "large-epsilon": run.largest_epsilon * n_distributed >= LARGE_EPSILON,
        "scores": run.takes_logs and pred.high > ROUNDING,
        "below-bound": _lies_below_its_constants(values, n_pixels, run)
        and not (run.takes_logs and pred.high > ROUNDING),
        "one-cell": n_pixels > 1 and max(shape) <= run.largest_cell,
    }
    return [flag for flag, is_so in found.items() if is_so]


def label_flags(score: Score, *, n_valid: int, looks_like_logits: bool) -> Iterator[str]:
    """The remarks on a map that was scored against labels, of which `n_valid` count."""
    if not n_valid:
        yield "all-ignored"
    if score.n_uncovered:
        yield "missed-label"
    if not all(map(isfinite, score.values.values())):
        yield "infinite"
    if looks_like_logits:
        yield "scores"


def notes(settings: Settings, remarks: Counter[str], n_maps: int) -> list[str]:
    """The sentences for a report of `n_maps` scored maps, given how many maps each remark was made of."""
    sentences = []
    for remark, sentence in _SENTENCES.items():
        count = remarks[remark]
        if count and _applies(remark, settings):
            maps = f"{count} of {n_maps} map{'s' * (n_maps != 1)}"
            axes = {"axis": class_axis(settings.pred), "gt_axis": class_axis(settings.gt)}
            sentences.append(sentence.format(maps=maps, **axes, **_parts(settings, remarks, count)))
    names = {call.name for call in settings.metrics}
    if n_maps > 1 and settings.maps == "mean" and "brier" in names and any(one.startswith("brier-") for one in names):
        sentences.append(_TERMS_OF_PIXELS)
    if not settings.on("density"):
        return sentences
    chains = [chain for chain in (settings.pred, settings.gt) if chain != STORED]
    sentences += [_NOT_NORMALISED] * any(not _makes_distribution(chain) for chain in chains)
    if n_maps and axes_of(settings.gt) not in (None, MAP) and not remarks["class-map"]:
        sentences.append(_ROWS if axes_of(settings.gt) == (-1,) else _COLUMNS)
    return sentences


_OTHERS_DIVIDE = " by metrics of pixels, while others divide them, as without these: multiply by 255 to mean 1 to all"

_TERMS_OF_PIXELS = (
    "brier is the mean over maps, and its terms are those of all pixels together: under --maps pixels they sum to it"
)


def swapped(pred: MapFolder, gt: MapFolder) -> list[str]:
    """A note where the folder names say that the arguments stand in the wrong order."""
    if isinstance(pred, NamedMaps) or isinstance(gt, NamedMaps):
        return []
    looks_like_gt = _words(pred) & {
        "gt",
        "groundtruth",
        "ground",
        "truth",
        "annotation",
        "annotations",
        "label",
        "labels",
    }
    looks_like_pred = _words(gt) & {
        "pred",
        "preds",
        "prediction",
        "predictions",
        "result",
        "results",
        "output",
        "outputs",
    }
    if looks_like_gt and looks_like_pred:
        return [f"the arguments look swapped: {pred} is read as the prediction and {gt} as the ground truth"]
    return []


def _words(path: Path) -> set[str]:
    return set(path.stem.lower().replace("-", "_").split("_"))


def _largest_epsilon(settings: Settings) -> float:
    given = (call.keywords for call in settings.metrics)
    return max((abs(call.get(key, 0.0)) for call in given for key in ("log_eps", "num_eps", "ratio_eps")), default=0.0)


def _met_by_zeros(settings: Settings) -> list[float]:
    """What stands beside the prediction under the ground truth's mass, of each metric that zeros there decide."""
    direction = [(call, call.keywords.get("direction", "gt-pred")) for call in settings.metrics]
    some = [call for call, way in direction if call.name == "ce" or (call.name == "kld" and way != "pred-gt")]
    return [call.keywords.get("ratio_eps", 0.0) for call in some]


def _parts(settings: Settings, remarks: Counter[str], count: int) -> dict[str, str]:
    """What sentences say in some runs, and not in others."""
    calls = [call for call in settings.metrics if call.name == "kld"]
    plain = [call for call in calls if not {"factor", "log_eps", "num_eps"} & call.keywords.keys()]
    constants = [[call.keywords.get(key, 0.0) for key in ("ratio_eps", "log_eps", "num_eps")] for call in calls]
    # of two equal maps the sum is log_eps + N (num_eps - ratio_eps), in the first order
    lowers = bool(calls) and all(below > above and below >= beside for below, beside, above in constants)
    epsilons = _met_by_zeros(settings)
    decided = "decided by epsilon where there is one, and infinite elsewhere" if any(epsilons) else ""
    is_of_labels = any(call.name in ("ce", "nll") for call in settings.metrics) and bool(remarks["infinite"])
    is_pooled = settings.maps == "pixels" and remarks["all-ignored"] == count
    axis = class_axis(settings.pred)
    return {
        "but": _OTHERS_DIVIDE if settings.masks == OF_PIXELS else "",
        "bound": _SQUEEZED if plain and settings.reduction == "slices" else "",
        "moves": f"it {'lowers the number, and a perfect prediction scores below 0' if lowers else 'moves the number'}",
        "decided": "decided by epsilon" if all(epsilons) else decided or _NO_EPSILON,
        "makes": ": one such pixel makes the cross-entropy infinite" if is_of_labels else "",
        "stay": "such maps have no pixel in the mean" if is_pooled else "such values stay in the mean",
        "softmax": "flatten-softmax" if axis is None else f"'softmax(axis={axis})'",
    }


_SQUEEZED = ": the KLD of two such maps cannot exceed 0.4745 nats"
_NO_EPSILON = "infinite, for no epsilon is added to the prediction"


def _bounded(settings: Settings) -> Iterator[tuple[str, float]]:
    """The key of every KLD with a least value, and the constant of its quotient."""
    if settings.reduction != "slices":
        return
    for key, call in settings.on("density").items():
        given = call.keywords
        if call.name == "kld" and given.get("direction", "gt-pred") == "gt-pred" and "factor" not in given:
            yield key, given.get("ratio_eps", 0.0)


def _lies_below_its_constants(values: Mapping[str, float], n_pixels: int, run: Diagnostics) -> bool:
    """Whether a KLD is smaller than any two densities make it: Gibbs' inequality with the constant of the quotient.

    sum q ln(q / (p + c)) >= -ln(sum p + N c); num_eps and log_eps only add to the left side.
    """
    for key, constant in run.bounded:
        bound = -log((1 if run.axes == MAP else n_pixels) + n_pixels * constant)
        if values.get(key, inf) * run.unit < bound - 1e-9 * max(1.0, -bound):
            return True
    return False


def _applies(remark: str, settings: Settings) -> bool:
    if remark == "unit-range":
        return bool(settings.on("density")) and _softmax_of_both(settings)
    if remark == "unit-gt":
        return bool(settings.on("density")) and not _softmax_of_both(settings) and _is_softmax(settings.gt)
    if remark == "uncovered":
        return bool(_met_by_zeros(settings))
    if remark == "below-bound":  # else a note on the chains says it of every map
        return all(map(_makes_distribution, (settings.pred, settings.gt)))
    if remark == "levels-apart":
        moved = (not is_free_of_scale(call, *chains_for(settings, call)) for call in settings.metrics)
        return settings.scale == "unit" and not settings.raw and not settings.is_labels and any(moved)
    return remark != "empty-gt" or settings.empty_gt != "error"


def _softmax_of_both(settings: Settings) -> bool:
    return _is_softmax(settings.pred) and _is_softmax(settings.gt)


def _is_softmax(chain: Chain) -> bool:
    return len(chain) == 1 and ends_in_log(chain) and axes_of(chain) is not None


def _makes_distribution(chain: Chain) -> bool:
    return STEPS[ending(chain).name].info.final


_SENTENCES = {
    "unit-range": (
        "softmax of values between 0 and 1 ({maps}) is nearly uniform{bound}; --scale raw (of maps of 8 or 16 bits), "
        "or a norm that divides by the sum, tells models apart"
    ),
    "unit-gt": (
        "the softmax of a ground truth between 0 and 1 ({maps}) is nearly uniform; --gt-norm sum-to-one keeps its peaks"
    ),
    "large-epsilon": "an epsilon is at least a tenth of the mean probability 1/N ({maps}): {moves}",
    "uncovered": (
        "the prediction is exactly 0 under ground-truth mass ({maps}): there the number is {decided}; see "
        "n_uncovered and uncovered_mass"
    ),
    "missed-label": (
        "the prediction gives the label's class a probability of exactly 0 ({maps}){makes}; see n_uncovered and "
        "uncovered_mass"
    ),
    "all-ignored": "no pixel counts, because all labels are the ignored one ({maps}): a mean over none of them is nan",
    "scores": (
        "the log-probabilities exceed 0 ({maps}): scores that are none give a number that is no divergence and may be "
        "negative; --pred-norm {softmax} makes them log-probabilities"
    ),
    "ones-pred": (
        "the prediction holds 0 and 1 as whole numbers ({maps}), which are taken as such and not divided by their full "
        "scale{but}; where these were floats of 0..1, all between is lost: multiply by 255 before saving"
    ),
    "ones-gt": (
        "the ground truth holds 0 and 1 as whole numbers ({maps}), which are taken as such and not divided by their "
        "full scale{but}"
    ),
    "one-cell": (
        "emd makes one cell of a map whose sides are no longer than its factor ({maps}), within which nothing moves: "
        "it is 0 whatever the maps hold; emd(factor=1) takes every pixel for a cell"
    ),
    "below-bound": (
        "the KLD is below what any two densities make it with these constants ({maps}): a side does not sum to 1, so "
        "the number is no divergence"
    ),
    "probabilities-gt": (
        "the ground truth holds probabilities already ({maps}), which the softmax flattens: to take them as they are "
        "use --gt-norm 'sum-to-one(axis={gt_axis})'"
    ),
    "probabilities-pred": (
        "the prediction holds probabilities already ({maps}), which the softmax flattens: for probabilities use "
        "--pred-norm 'sum-to-one(axis={axis})'"
    ),
    "truncated-pred": (
        "the prediction holds 0 and 1 as whole numbers ({maps}): floats of 0..1 that are saved as integers lose all "
        "between; multiply by 255 before saving, or save floats as .npy"
    ),
    "truncated-gt": (
        "the ground truth holds 0 and 1 as whole numbers ({maps}): divided by its sum a mask is scored as it is, but "
        "mse, mae and a softmax take its 1 as one level of its type; and floats of 0..1 that are saved as integers "
        "lose all between; multiply by 255 before saving, or save floats as .npy"
    ),
    "fixation-gt": (
        "the ground truth marks single pixels, as maps of fixations do ({maps}), and KLD compares densities: "
        "kldeval density FIXATIONS OUT --sigma PIXELS makes them; metrics of fixations take the marks by --fixations"
    ),
    "levels-apart": (
        "one side is 8-bit, divided by 255, and the other holds whole numbers of 0..255 as floats or in 16 bits "
        "({maps}), which 255 does not divide: if both are levels of 0..255, --scale raw compares them as such"
    ),
    "infinite": "the metric is infinite or undefined ({maps}); {stay}",
    "lossy-gt": "the ground truth is lossily compressed ({maps}): its small values are noise of the file format",
    "identical": "prediction and ground truth are identical ({maps})",
    "constant-pred": "the prediction is constant ({maps})",
    "constant-gt": "the ground truth is constant ({maps})",
    "empty-gt": "the ground truth is all zero ({maps}) and was scored as --empty-gt says",
    "missing-pred": (
        "the prediction is missing or cannot be read ({maps}), and counts as a uniform map (--missing uniform); such "
        "rows have the remark missing-pred"
    ),
    "nodata-pred": (
        "the prediction has no data where the ground truth has some ({maps}); --nodata-pred says what it counts as"
    ),
    "painted-pred": (
        "the prediction is a picture in the colours of a colour map ({maps}), whose grey is not the map; store the map "
        "itself, in grey or as .npy"
    ),
    "painted-gt": (
        "the ground truth is a picture in the colours of a colour map ({maps}), whose grey is not the map; store the "
        "map itself, in grey or as .npy"
    ),
    "transposed": (
        "height and width of one map are width and height of the other ({maps}): resizing distorts a map that is "
        "transposed, as arrays in the order (W, H) are; store its transpose (array.T)"
    ),
    "outside": "fixations outside the map were left out ({maps})",
    "no-fixations": "nobody fixated the map, so metrics of fixations are undefined ({maps})",
    "close-values": (
        "distinct values of the prediction are closer than 1e-7 ({maps}): auc-judd keeps their order, which the jitter "
        "of AUC_Judd.m would have destroyed"
    ),
    "integer": "integers other than uint8 and uint16 are taken as they are ({maps}): --scale unit does not divide them",
}

_NOT_NORMALISED = (
    "a chain ends in a step that makes no distribution: unless the values sum to 1 as they are, the number may be "
    "negative and is no divergence of densities"
)
_ROWS = (
    "rows are the distributions: the number compares each row with its counterpart and is blind to how mass is "
    "distributed over rows (vertical position); flatten-softmax and sum-to-one are over the whole map"
)
_COLUMNS = (
    "columns are the distributions: the number is blind to how mass is distributed over columns (horizontal position)"
)

MIXED = "mixed"
"""What the signature says where the ground truths were not all made alike."""


def with_density_provenance(
    settings: Settings, made: Sequence[DensityProvenance], n_made: int, n_maps: int
) -> tuple[Settings, list[str]]:
    """The settings with how the scored ground truths were made, and of how many fixations; and what is to be noted.

    `made` is what `n_made` of the `n_maps` say together. Where no file says so, nothing is added.
    """
    if not made:
        return settings, []
    ways = {origin.text for origin in made}
    if n_made == n_maps and len(ways) == 1:
        return replace(settings, density=_described(made)), []
    known = ", ".join(sorted(ways))
    note = f"the ground truths were not all made alike: {n_made} of {n_maps} say how ({known})"
    return replace(settings, density=MIXED), [note]


def _described(made: Sequence[DensityProvenance]) -> str:
    """How ground truths were made, and the number of all their fixations.

    >>> from kldeval.records import DensityProvenance
    >>> way = "gaussian(sigma=24,border=reflect)"
    >>> _described([DensityProvenance(way, 3), DensityProvenance(way, 4)])
    'gaussian(sigma=24,border=reflect,fixations=7)'
    >>> _described([DensityProvenance("by-hand()", 3)])
    'by-hand(fixations=3)'
    """
    call = made[0].text.removesuffix(")")
    return f"{call}{'' if call.endswith('(') else ','}fixations={sum(origin.n_fixations for origin in made)})"


def check_density_provenance(wanted: str, made: DensityProvenance | None) -> None:
    """Refuse a ground truth that was made in another way than a signature says (of whatever number of fixations).

    Raises:
        RefusedMap: naming both.
    """
    if not wanted or wanted == MIXED:
        return
    way = wanted.rpartition("fixations=")[0].removesuffix(",") + ")"
    if made is None or made.text != way:
        found = made.text if made else "nobody says how"
        msg = f"the signature says density:{wanted}, but the ground truth was made otherwise: {found}"
        raise RefusedMap(msg)
