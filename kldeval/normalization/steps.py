"""The normalisation steps: each takes the values of maps and returns new ones. A chain of them is a list."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from kldeval.arrays import evenly, without_gradient
from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.grammar import Info, Registry, format_value
from kldeval.normalization.density import safe_log
from kldeval.normalization.lazy_map import MAP, Deferred, LazyMap, Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo(Info):
    """What is known of a step beside its function, whose parameters and docstring say the rest.

    Args:
        final: whether it makes distributions.
        log: whether the result holds logarithms of probabilities.
        given: whether the map holds distributions already, along axes that the step knows only where it is told.
        spatial: whether pixels of equal value can come out different: where they stand in different `rows`, or in any
            `place`; such pixels cannot be counted together.
        keeps: whether distributions stay what they were made, over the same axes and as logarithms if they were.
        takes_log: whether it works on logarithms of probabilities where there are some, and not on probabilities.
        takes: which infinite values it understands: -inf, or (bounded) those beyond its parameters min and max.
    """

    final: bool = False
    log: bool = False
    given: bool = False
    keeps: bool = False
    takes_log: bool = False
    spatial: Literal["", "rows", "place"] = ""
    takes: Literal["", "-inf", "bounded"] = ""


STEPS: Registry[Callable[..., LazyMap], StepInfo] = Registry("step", StepInfo, package="kldeval.normalization")
"""Every step of a normalisation, by the name that a user types."""


def one_axis(axis: int) -> tuple[int]:
    """The axis of a map counted from its end; within one map, never the batch.

    Raises:
        UsageProblem: a map has the axes 0 (columns are distributions) and 1 or -1 (rows are) only.
    """
    if axis not in (-2, -1, 0, 1):
        msg = f"axis {axis} does not exist in a map of height and width; use -1 (within rows) or 0 (within columns)"
        raise UsageProblem(msg)
    return (axis if axis < 0 else axis - 2,)


CLASS_MAP_AXES = range(-3, 3)
"""Every axis of a class map, the largest of maps, counted from either end."""


def _check_offset(*, offset: float = 0.0) -> None:
    if offset < 0:
        msg = f"offset={format_value(offset)}: below 0 the divisor could be 0; an offset is 0 or more"
        raise UsageProblem(msg)


def check_axis(*, axis: int | None = None) -> None:
    """Refuse an axis that no map has.

    Raises:
        UsageProblem: naming the axes that there are.
    """
    if axis is not None and axis not in CLASS_MAP_AXES:
        msg = (
            f"axis {axis} does not exist: a map of height and width has the axes 0 (within columns) and 1 or -1 "
            "(within rows), a class map one more"
        )
        raise UsageProblem(msg)


def _check_sum(*, axis: int | None = None, offset: float = 0.0) -> None:
    check_axis(axis=axis)
    _check_offset(offset=offset)


@STEPS.add("sum-to-one", StepInfo(final=True, check=_check_sum))
def sum_to_one(values: LazyMap, *, offset: float = 0.0, axis: int | None = None) -> LazyMap:
    """x / (sum x + offset), over the whole map or along one axis of it."""
    axes = MAP if axis is None else one_axis(axis)
    low, _ = values.min_max(axes)
    values = values.flag("negative", low < 0, low)
    mass = values.sum(axes)
    values, total = _nonzero(_finite(values, mass), mass, uniform_over=axes)
    divisor = total + offset
    some = values.lies_above(0.0, low / divisor)
    # a map that stays empty is divided by 1, and still sums to 0
    mass = total if values.empty == "uniform" else mass
    # what was divided to scale it need not be: its divisor is larger
    whole, scale = values.quotient or (values, 1.0)
    share = Share(whole, divisor * scale, mass * scale, is_positive=some) if axes == MAP else None
    return values.map(lambda x, by: x / by, divisor, axes=axes, is_log=False, is_positive=some, share=share)


LOG_ROUNDINGS = 4
"""How many units in the last place of the largest logarithm the log-sum-exp of log-probabilities may be off."""

_LOG_OF_BASE = {"e": 1.0, "2": math.log(2), "10": math.log(10)}


def _check_log_prob(*, axis: int | None = None, base: str = "e", check: str = "sum") -> None:
    del base, check
    check_axis(axis=axis)


@STEPS.add("log-prob", StepInfo(final=True, log=True, given=True, takes="-inf", check=_check_log_prob))
def log_prob(
    values: LazyMap,
    *,
    axis: int | None = None,
    base: Literal["e", "2", "10"] = "e",
    check: Literal["sum", "none"] = "sum",
) -> LazyMap:
    """x ln(base): the map already holds log-probabilities to this base, of distributions along `axis` if it is said.

    Their exponentials must sum to 1 (over the map, or along the axis) within the rounding of the type that they are
    stored in, |ln sum exp x| <= 4 eps max(1, max |x|); `check=none` takes any numbers for logarithms.
    """
    stored = values.source.dtype
    if base != "e":
        factor = _LOG_OF_BASE[base]
        values = values.map(lambda x: x * factor)
    if check == "sum":
        values = _flag_unnormalised(values, MAP if axis is None else one_axis(axis), stored)
    return values.changed(is_log=True, axes=values.axes if axis is None else one_axis(axis))


@STEPS.add("flatten-softmax", StepInfo(final=True, log=True, takes="-inf"))
def flatten_softmax(values: LazyMap) -> LazyMap:
    """x - ln(sum exp x) over the whole map: log-softmax of the flattened map."""
    return _log_softmax(values, MAP)


@STEPS.add("softmax", StepInfo(final=True, log=True, spatial="rows", takes="-inf", check=check_axis))
def softmax(values: LazyMap, *, axis: int = -1) -> LazyMap:
    """x - ln(sum exp x) along one axis of the map, by default within each row, as tf.nn.softmax does."""
    return _log_softmax(values, one_axis(axis))


@STEPS.add("minmax", StepInfo(check=_check_offset))
def minmax(values: LazyMap, *, offset: float = 0.0) -> LazyMap:
    """(x - min) / (max - min + offset)."""
    low, high = values.min_max()
    if offset:
        values = _finite(values, high - low)
        return values.map(lambda x, low, high: (x - low) / (high - low + offset), low, high)
    values, span = _nonzero(_finite(values, high - low), high - low)
    return values.map(lambda x, low, span: (x - low) / span, low, span)


@STEPS.add("shift")
def shift(values: LazyMap) -> LazyMap:
    """x - min where the minimum is negative, else x."""
    low, _ = values.min_max()
    xp = values.xp
    return values.map(lambda x, low: x - low, xp.where(low < 0, low, xp.zeros_like(low)))


def _check_divisor(*, value: float) -> None:
    if value <= 0:
        msg = f"divide(value={format_value(value)}): a divisor is above 0"
        raise UsageProblem(msg)


@STEPS.add("divide", StepInfo(check=_check_divisor))
def divide(values: LazyMap, *, value: float) -> LazyMap:
    """x / value."""
    xp = values.xp
    # an array of one number, because torch multiplies by the reciprocal of a number on some devices
    return values.map(lambda x: x / xp.full_like(x[..., :1, :1], value))


@STEPS.add("threshold")
def threshold(values: LazyMap, *, above: float) -> LazyMap:
    """1 where x > above, else 0; on the scale of the run, where 8-bit values are 0..1.

    A ground truth above 128 of 255, as evaluations of salient object detection take it, is threshold(above=0.5) or
    with the scale `raw` threshold(above=128).
    """
    xp = values.xp
    return values.map(lambda x: xp.astype(x > above, x.dtype))


def _check_temperature(*, t: float) -> None:
    if t <= 0:
        msg = f"temperature(t={format_value(t)}): a temperature is above 0"
        raise UsageProblem(msg)


@STEPS.add("temperature", StepInfo(keeps=True, takes_log=True, takes="-inf", check=_check_temperature))
def temperature(values: LazyMap, *, t: float) -> LazyMap:
    """x / t of scores; of distributions p^(1/t) divided by its sum: ln p is divided by t and normalised again.

    So it is one thing before and after a softmax. A temperature above 1 flattens, as in the distillation of networks.

    Source: G. Hinton, O. Vinyals and J. Dean (2015), https://arxiv.org/abs/1503.02531.
    """
    if not values.is_log and values.axes is None:
        return values.map(lambda x: x / t)
    logs = values if values.is_log else values.map(safe_log, is_log=True)
    return _log_softmax(logs.map(lambda x: x / t), values.axes or MAP)


@STEPS.add("abs")
def absolute(values: LazyMap) -> LazyMap:
    """|x|: the strength of attributions, whatever their sign."""
    xp = values.xp
    return values.map(xp.abs)


@STEPS.add("add")
def add(values: LazyMap, *, value: float) -> LazyMap:
    """x + value."""
    return values.map(lambda x: x + value)


def _check_bounds(*, min: float | None = None, max: float | None = None) -> None:  # noqa: A002 - the flag's words
    if min is None and max is None:
        msg = "clip needs a bound, as in clip(min=0)"
        raise UsageProblem(msg)
    if min is not None and max is not None and min > max:
        msg = f"clip(min={format_value(min)},max={format_value(max)}): min must not be above max"
        raise UsageProblem(msg)


@STEPS.add("clip", StepInfo(takes="bounded", check=_check_bounds))
def clip(values: LazyMap, *, min: float | None = None, max: float | None = None) -> LazyMap:  # noqa: A002 - the flag's words
    """min(max(x, low), high): no smaller than the parameter `min`, no larger than `max`; one left out is no bound."""
    xp = values.xp
    return values.map(lambda x: xp.clip(x, min, max))


@STEPS.add("max")
def divide_by_max(values: LazyMap) -> LazyMap:
    """Every value divided by the largest: x / max."""
    values, high = _nonzero(values, values.min_max()[1])
    return values.map(lambda x, high: x / high, high)


@STEPS.add("bytes")
def to_bytes(values: LazyMap) -> LazyMap:
    """floor((x - min) * (255 / (max - min)) + 0.5): the byte scaling of scipy.misc.imresize; a constant map is 0.

    Source: SciPy 1.2, https://docs.scipy.org/doc/scipy-1.2.1/reference/generated/scipy.misc.imresize.html.
    """
    low, high = values.min_max()
    xp = values.xp
    span = xp.where(high == low, xp.ones_like(low), high - low)
    values = _finite(values, span)
    # a number divided by a tensor is, in torch, multiplied by a reciprocal, whose last bit flips ties under floor
    factor = xp.full_like(span, 255.0) / span
    return values.map(lambda x, low, factor: xp.floor((x - low) * factor + 0.5), low, factor)


@STEPS.add("blank")
def blank(values: LazyMap, *, below: float) -> LazyMap:
    """0 everywhere if the maximum is not above `below`, else x: how ACLNet's loss drops faint ground truths.

    Source: W. Wang et al. (2018), and its code, https://github.com/wenguanwang/DHF1K.
    """
    xp = values.xp
    return values.map(lambda x, high: xp.where(high > below, x, xp.zeros_like(x)), values.min_max()[1])


@STEPS.add("latitude", StepInfo(spatial="rows"))
def latitude(values: LazyMap) -> LazyMap:
    """X * sin(pi row / (H - 1)), the weight of the Salient360! toolbox: rows at the poles become 0.

    As there, the sine of pi is 1.2e-16 in double precision: the last row keeps that share of its values.

    Source: the Salient360! toolbox (2024), https://doi.org/10.1016/j.cag.2024.103890.
    """
    height = values.source.shape[-2]
    # the quotient first: pi * (H - 1) / (H - 1) may round beyond pi, where the sine is negative
    rows = [math.sin(math.pi * (row / max(1, height - 1))) for row in range(height)]
    return values.map(lambda x, weight: x * weight, _like(values, rows)[:, None])


@STEPS.add("sigmoid")
def sigmoid(values: LazyMap) -> LazyMap:
    """1 / (1 + exp(-x)), without overflow."""
    xp = values.xp

    def stable(x: Array) -> Array:
        small = xp.exp(-xp.abs(x))
        return xp.where(x < 0, small, xp.ones_like(x)) / (1 + small)

    return values.map(stable)


@STEPS.add("log-sigmoid", StepInfo(log=True))
def log_sigmoid(values: LazyMap) -> LazyMap:
    """ln(1 / (1 + exp(-x))) = min(x, 0) - ln(1 + exp(-|x|)): the logarithm of the sigmoid, finite for all scores."""
    xp = values.xp
    logs = values.map(lambda x: xp.minimum(x, xp.zeros_like(x)) - xp.log1p(xp.exp(-xp.abs(x))))
    return logs.changed(is_log=True)


WIDEST = 100_000
"""The widest Gaussian, in pixels: wider than any map."""


def _check_window(*, sigma: float, size: int | None = None) -> None:
    if not 0 < sigma <= WIDEST or (size is not None and (not 1 <= size <= 8 * WIDEST or size % 2 == 0)):
        window = "" if size is None else f",size={size}"
        msg = f"blur(sigma={format_value(sigma)}{window}): sigma must be above 0 and at most {WIDEST}, and size odd"
        raise UsageProblem(msg)


@STEPS.add("blur", StepInfo(spatial="place", check=_check_window))
def blur(values: LazyMap, *, sigma: float, size: int | None = None) -> LazyMap:
    """A Gaussian of `sigma` pixels on a `size` x `size` window (default: four sigma to each side).

    Borders are mirrored without repeating the edge, as OpenCV's GaussianBlur does by default. Pixels of weight 0 have
    no part: the sum over the others is divided by what the window weighs there, which is a normalized convolution.

    Source: H. Knutsson and C.-F. Westin (1993), https://doi.org/10.1109/CVPR.1993.341081.
    """
    radius = int(4 * sigma + 0.5) if size is None else size // 2
    taps = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
    total = math.fsum(taps)
    taps = [tap / total for tap in taps]
    height, width = values.source.shape[-2:]
    columns, rows = (_mirrored_window(values, taps, length) for length in (height, width))
    xp, weights = values.xp, values.weights

    def smooth(whole: Array) -> Array:
        return xp.matmul(xp.matmul(columns, whole), xp.matrix_transpose(rows))

    exist = None if weights is None else weights > 0
    # weights that mask nothing change no digit; an accelerator is not waited for to know it
    if exist is None or (xp.__name__ == "numpy" and exist.all()):
        return values.changed(source=evenly(smooth, values.whole()), functions=(), known={})
    whole = values.whole()
    share = smooth(xp.astype(exist, values.dtype))
    # far from every pixel that exists there is nothing to divide, and nobody asks
    share = xp.where(share > 0, share, xp.ones_like(share))

    def smooth_of_existing(above: Array) -> Array:
        return smooth(xp.where(exist, above, xp.zeros_like(above))) / share

    least = xp.min(xp.where(exist, whole, xp.full_like(whole, math.inf)), axis=(-2, -1), keepdims=True)
    blurred = evenly(smooth_of_existing, xp.where(exist, whole, least))
    return values.changed(source=blurred, functions=(), known={})


def _check_centre(*, sigma: float) -> None:
    if sigma <= 0:
        msg = f"centre(sigma={format_value(sigma)}): the width of the Gaussian is a share of the sides, above 0"
        raise UsageProblem(msg)


@STEPS.add("centre", StepInfo(spatial="place", check=_check_centre))
def centre(values: LazyMap, *, sigma: float) -> LazyMap:
    """X times a Gaussian around the middle of the map, whose standard deviation is `sigma` times the height and width.

    A multiplicative centre bias: people look at the middle of pictures.

    Source: B. W. Tatler (2007), https://doi.org/10.1167/7.14.4.
    """
    height, width = values.source.shape[-2:]
    rows, columns = (
        [math.exp(-0.5 * (((place + 0.5) / side - 0.5) / sigma) ** 2) for place in range(side)]
        for side in (height, width)
    )
    whole = _like(values, rows)[:, None] * _like(values, columns)[None, :]
    return values.map(lambda x, weight: x * weight, whole)


def _check_share(*, share: float) -> None:
    if not 0 <= share <= 1:
        msg = f"mix-uniform(share={format_value(share)}): a share is from 0 to 1"
        raise UsageProblem(msg)


@STEPS.add("mix-uniform", StepInfo(check=_check_share))
def mix_uniform(values: LazyMap, *, share: float) -> LazyMap:
    """(1 - share) x + share mean(x): of a density a mixture with the uniform one, after which nothing is 0."""
    xp = values.xp
    pixels = values.map(xp.ones_like).sum()
    return values.map(lambda x, mean: (1 - share) * x + share * mean, values.sum() / pixels)


@STEPS.add("none", StepInfo(given=True, check=check_axis))
def unchanged(values: LazyMap, *, axis: int | None = None) -> LazyMap:
    """X as it is; `axis` says along which axis its distributions lie, if it holds any."""
    return values if axis is None else values.changed(axes=one_axis(axis))


@STEPS.add("stored", StepInfo(given=True))
def stored(values: LazyMap) -> LazyMap:
    """X as it is, for a metric of stored maps: signatures say so of a map on which no chain acts."""
    return values


@STEPS.add("labels")
def labels(values: LazyMap, *, ignore_index: int | None = None, reduce_zero: bool = False) -> LazyMap:  # noqa: ARG001 - what scores the labels asks
    """X as it is: the class of every pixel, of which `ignore_index` marks those that do not count; or soft labels.

    With `reduce_zero` 0 is unlabelled and the classes are 1..C: 0 does not count, and other labels are one less.

    Only a ground truth has labels, and no step stands beside this one: labels are neither scaled nor normalised.
    """
    return values


def _flag_unnormalised(values: LazyMap, axes: tuple[int, ...], stored: Any) -> LazyMap:
    """The log-probabilities, with a problem noted where their exponentials do not sum to 1.

    The detail is the log-sum-exp. `stored` is the type of the file, whose rounding counts.
    """
    xp = values.xp
    low, peak = values.min_max(axes)
    # where all are -inf there is nothing to sum, which the comparison below finds
    total = peak + xp.log(values.sum_of_exponentials(peak, axes))
    if xp.__name__ != "numpy" or not xp.isfinite(low).all():
        finite = values.map(lambda x, peak: xp.where(x == -xp.inf, peak, x), peak)
        low = finite.min_max(axes)[0]
    largest = xp.maximum(xp.abs(low), xp.abs(peak))
    eps = max(xp.finfo(kind).eps for kind in (stored, values.dtype) if xp.isdtype(kind, "real floating"))
    bound = LOG_ROUNDINGS * float(eps) * xp.maximum(largest, xp.ones_like(largest))
    return values.flag("unnormalised", ~(xp.abs(total) <= bound), total)


def _log_softmax(values: LazyMap, axes: tuple[int, ...]) -> LazyMap:
    xp = values.xp
    share: Share | None = None
    log_mass: Array | Deferred
    if axes != MAP:
        peak, log_mass, least = values.statistics(lambda some: _peak_and_log_mass(some, axes), axes)
        values = _finite(values, peak)
        some = values.lies_above(-math.inf, least)
    else:
        # constants to a gradient: a shift does not move the result
        low, peak = map(without_gradient, values.min_max(axes))
        values = _finite(values, peak)
        some = values.lies_above(-math.inf, low - peak)
        if (some and len(values.rows) > 1) or _is_summed_late(values):
            late = Deferred(lambda: values.sum_of_exponentials(peak))
            share = Share(values, late, late, peak, is_positive=some)
            log_mass = Deferred(lambda: xp.log(late.get()))
        else:
            mass = values.sum_of_exponentials(peak)
            log_mass = xp.log(mass)
            some = values.lies_above(-math.inf, (low - peak) - log_mass)
            share = Share(values, mass, mass, peak, is_positive=some)

    def log_share(x: Array, peak: Array, log_mass: Array) -> Array:
        centred = x - peak
        centred -= log_mass
        return centred

    return values.map(log_share, peak, log_mass, axes=axes, is_log=True, is_positive=some, share=share)


def _is_summed_late(values: LazyMap) -> bool:
    """Whether an accelerator sums the exponentials when it needs them for a metric, once; gradients go another way."""
    return values.xp.__name__.endswith("torch") and values.weights is None and not values.source.requires_grad


def _peak_and_log_mass(values: LazyMap, axes: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """The largest score of each distribution, ln(sum exp(x - peak)), and the least log-probability."""
    xp = values.xp
    low, peak = map(without_gradient, values.min_max(axes))
    log_mass = xp.log(values.sum_of_exponentials(peak, axes))
    least = (low - peak) - log_mass
    # the least of all rows is asked for alone, which numpy is told at once
    return peak, log_mass, xp.min(least, axis=-2, keepdims=True) if xp.__name__ == "numpy" else least


def _finite(values: LazyMap, statistic: Array) -> LazyMap:
    """The values with a problem noted where finite ones add up to, or lie apart by, more than the largest float.

    Divided by it every value would be 0.
    """
    return values.flag("overflow", statistic == math.inf, statistic)


def _nonzero(values: LazyMap, divisor: Array, *, uniform_over: tuple[int, ...] | None = None) -> tuple[LazyMap, Array]:
    """The values and their divisor where zeros among the divisors are treated as `values.empty` says."""
    xp, zero = values.xp, divisor == 0
    if values.empty == "error":
        return values.flag("empty", zero, divisor), divisor
    if values.empty == "nan":
        return values, divisor
    if values.empty == "uniform" and uniform_over:
        values = values.map(lambda x, zero: xp.where(zero, xp.ones_like(x), x), zero)
        return values, xp.where(zero, values.sum(uniform_over), divisor)
    return values, xp.where(zero, xp.ones_like(divisor), divisor)


def _mirrored_window(values: LazyMap, taps: list[float], length: int) -> Array:
    """The matrix that convolves an axis of `length` pixels whose borders are mirrored without repeating the edge.

    Mirroring makes the axis periodic, so a window of any width folds into one period: the cost is that of the map.
    """
    xp, period = values.xp, max(1, 2 * (length - 1))
    folded = [0.0] * period
    for place, tap in enumerate(taps):
        folded[(place - len(taps) // 2) % period] += tap
    window = _like(values, folded)
    places = _like(values, list(range(length)), dtype=xp.int64)
    ahead = (places[None, :] - places[:, None]) % period
    mirrored = (-places[None, :] - places[:, None]) % period
    # the pixels at the ends are their own mirror images
    once = ((2 * places) % period == 0)[None, :]
    matrix = xp.reshape(xp.take(window, xp.reshape(ahead, (-1,)), axis=0), (length, length))
    image = xp.reshape(xp.take(window, xp.reshape(mirrored, (-1,)), axis=0), (length, length))
    return xp.where(once, matrix, matrix + image)


def _like(values: LazyMap, numbers: list[Any], dtype: Any = None) -> Array:
    from kldeval.arrays import device_of

    return values.xp.asarray(numbers, dtype=dtype or values.dtype, device=device_of(values.source))
