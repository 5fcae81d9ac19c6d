"""What may stand beside the pairs: how fixations are read, the baseline, the other map, masks and weights.

Each is a call of a registry of its own. Paths are no settings: a file is named by a digest of its contents, a folder by
the word `maps`, and where they are is part of the request.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kldeval.digests import file_digest
from kldeval.errors import UsageProblem, printable
from kldeval.grammar import Call, Info, Registry, Size, split_call
from kldeval.metrics.registry import METRICS, OF_OTHER_IMAGES
from kldeval.normalization.chain import axes_of, format_chain, parse_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.regular import why
from kldeval.settings.metric_options import gt_chain, pred_chain
from kldeval.settings.scales import masks_of
from kldeval.settings.settings import AS_STORED, MAPS, NONE
from kldeval.urls import displayed, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kldeval.metrics.registry import MetricInfo
    from kldeval.normalization.chain import Chain
    from kldeval.records import Fixations
    from kldeval.settings.settings import Settings


BASELINES: Registry[Callable[..., Any], Info] = Registry("baseline", Info)
OTHERS: Registry[Callable[..., Any], Info] = Registry("other map", Info)
MASKS: Registry[Callable[..., Any], Info] = Registry("mask", Info)
WEIGHTS: Registry[Callable[..., Any], Info] = Registry("weights", Info)
FIXATIONS: Registry[Callable[..., Any], Info] = Registry("reading of fixations", Info)
CEILINGS: Registry[Callable[..., Any], Info] = Registry("ceiling", Info)

REGISTRIES: Mapping[str, Registry[Callable[..., Any], Info]] = {
    "baseline": BASELINES,
    "other_map": OTHERS,
    "mask": MASKS,
    "weights": WEIGHTS,
}
"""What may stand beside the pairs, by the name of its option: a word, a file or a folder."""

FIELDS = {"baseline": "baseline", "other_map": "other", "mask": "mask", "weights": "weights"}
"""The field of the settings for each."""

BESIDE = (*REGISTRIES, "fixations")
"""The options that may name a path."""

READING = ("base", "variable", "gaze", "threshold", "first", "rounding", "outside", "size", "columns", "where", "on")
"""The parameters of how fixations are read; each is the option `--fixation-NAME`."""


@BASELINES.add("uniform")
def uniform() -> None:
    """Every pixel, or every part of the sphere, is as likely as any other."""


@BASELINES.add("others")
def others(*, bandwidth: float = 0.04, uniform: float = 0.001) -> None:
    """The fixations on all other images as a Gaussian kernel density, with a uniform part.

    The standard deviation is `bandwidth` times the height and the width; `uniform` is the share of the uniform part.
    """
    _check_kernel("others", bandwidth, uniform)


@BASELINES.add("map")
def one_baseline(*, norm: str = "sum-to-one", sha256: str = "") -> None:  # noqa: ARG001 - declares the parameters
    """One map for every pair, made a density by a chain of steps."""
    check_norm(norm)


@BASELINES.add("maps")
def baselines(*, norm: str = "sum-to-one") -> None:
    """A map for each pair, by its name."""
    check_norm(norm)


@OTHERS.add("others")
def fixated_on_others(*, repeats: bool = False) -> None:
    """Every pixel that was fixated on any other image; with `repeats` as often as it was."""


@CEILINGS.add("observers")
def observers(*, bandwidth: float = 0.025, uniform: float = 0.05) -> None:
    """The fixations of all other observers of an image as a Gaussian kernel density, with a uniform part.

    The defaults predict left-out observers best on 700 photographs seen by 15 people each (OSIE).
    """
    _check_kernel("observers", bandwidth, uniform)


@WEIGHTS.add("latitude")
def latitude(*, rows: Literal["centres", "ends"] = "centres") -> None:
    """The solid angle of each pixel of an equirectangular map, sin(pi (r + 1/2) / H).

    With rows=ends sin(pi r / (H - 1)) of the Salient360! toolbox, whose first and last rows are the poles and weigh 0.
    """


@WEIGHTS.add("area")
def area(*, earth: Literal["sphere", "wgs84"] = "sphere") -> None:
    """The area of each pixel between its parallels, of the geotransform or the latitudes of files, on this earth."""


@OTHERS.add("map")
@MASKS.add("map")
@WEIGHTS.add("map")
def one_map(*, sha256: str = "") -> None:
    """One map for every pair."""


@OTHERS.add("maps")
@MASKS.add("maps")
@WEIGHTS.add("maps")
def maps() -> None:
    """A map for each pair, by its name."""


@BASELINES.add("none")
@OTHERS.add("none")
@MASKS.add("none")
@WEIGHTS.add("none")
def nothing() -> None:
    """No map stands beside the pairs."""


@FIXATIONS.add("read")
def read(
    *,
    base: int | None = None,
    variable: str | None = None,
    gaze: Literal["fixations", "location"] = "fixations",
    threshold: float | None = None,
    first: Literal["keep", "drop"] = "keep",
    rounding: Literal["floor", "nearest"] = "floor",
    outside: Literal["error", "drop", "clip"] = "error",
    size: Size | None = None,
    columns: str | None = None,
    where: str | None = None,
    on: Literal["stored", "unit"] = "stored",
) -> None:
    """How files of fixations are read; see `kldeval.data.fixations.maps.FixationReading`.

    `first=drop` leaves out the first fixation of every observer; `outside=drop` those outside the map, `outside=clip`
    moves them to its border. A position lies on the pixel whose number is the position cut to a whole number (`floor`)
    or `rounding=nearest`, rounded: `rounding=nearest,outside=clip` is max(1, min(round(x), W)) of OSIE's
    computeFixationMaps.m (https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels). `size` is that of the
    screen that the positions are on, `columns` says what the columns of a list are called, and `where` which rows
    count, both as `column=text` joined by semicolons. The threshold is compared with the values `on` the scale of 0..1,
    or as they are stored.
    """
    del variable, gaze, threshold, first, rounding, outside, size, on
    for option, text in (("columns", columns), ("where", where)):
        if text is not None and not all("=" in part for part in text.split(";")):
            msg = f"--fixation-{option} {text}: it is of the form column=text, joined by commas"
            raise UsageProblem(msg)
    if base not in (None, 0, 1):
        msg = f"--fixation-base {base}: coordinates count from 0 or from 1"
        raise UsageProblem(msg)


def parse_ceiling(text: str) -> dict[str, float]:
    """The kernel of the ceiling: `bandwidth` and `uniform`.

    Raises:
        UsageProblem: the text is no `observers(...)`, or an argument means nothing.
    """
    call = CEILINGS.parse(text)
    CEILINGS[call.name].function(**call.keywords)
    return {**CEILINGS[call.name].defaults, **call.keywords}


def parse_beside(name: str, text: str) -> Call:
    """What stands beside the pairs under the option `name`.

    Raises:
        UsageProblem: the text is none of its words, or an argument means nothing.
    """
    entry = REGISTRIES[name][split_call(text)[0]]
    call = REGISTRIES[name].parse(text)
    entry.function(**call.keywords)
    # the bandwidth stands in every signature, also where it is the default
    always = name == "baseline" and call.name == "others"
    return Call("others", tuple({**entry.defaults, **call.keywords}.items())) if always else call


def fixation_reading(effective: Mapping[str, str]) -> Call:
    """How fixations are read, of the texts `fixation_base` and so on.

    Raises:
        UsageProblem: one of them means nothing.
    """
    given = {part: effective[f"fixation_{part}"] for part in READING if f"fixation_{part}" in effective}
    if "threshold" in given and "on" not in given:  # a signature says it, or means the stored values
        given["on"] = "stored" if effective.get("scale") == "raw" else "unit"
    # commas separate the arguments of a call
    inside = ",".join(f"{part}={text.replace(',', ';')}" for part, text in given.items())
    call = FIXATIONS.parse(f"read({inside})")
    FIXATIONS["read"].function(**call.keywords)
    return call


def beside_texts(options: Mapping[str, Any]) -> dict[str, str]:
    """What the options that may name a path say to the settings: a word as it is, a path by what it leads to.

    Raises:
        UsageProblem: a path that leads nowhere, or a file that cannot be read.
    """
    given = {name: str(options[name]) for name in REGISTRIES if options.get(name) is not None}
    return {name: text if _is_word(name, text) else _described(name, Path(text)) for name, text in given.items()}


def beside_paths(options: Mapping[str, Any]) -> dict[str, Path | None]:
    """The paths that the options name."""
    given = {name: options.get(name) for name in BESIDE}
    return {
        name: None if value is None or (name in REGISTRIES and _is_word(name, str(value))) else Path(value)
        for name, value in given.items()
    }


def check_beside(settings: Settings, texts: Mapping[str, str], *, manifest: bool = False) -> Settings:
    """The settings of a signature, if the files beside the pairs are those that it speaks of.

    A `manifest` may name masks.

    Raises:
        UsageProblem: naming the option, what the signature says and what was given.
    """
    for name, field in FIELDS.items():
        wanted, found = (
            _without_norm(call) for call in (getattr(settings, field), parse_beside(name, texts.get(name, "none")))
        )
        is_word = wanted.name not in ("map", "maps")
        in_manifest = manifest and name == "mask" and wanted == MAPS
        if wanted != found and not (found == NONE and (is_word or in_manifest)):
            flag = f"--{name.replace('_', '-')}"
            way_out = f"leave out {flag}" if is_word else f"give that with {flag}"
            state = f"{flag} is {found}" if found != NONE else f"there is no {flag}"
            msg = f"the signature says {field}:{wanted}, but {state}; {way_out}"
            raise UsageProblem(msg)
    return settings


def check_norm(text: str) -> str:
    """The canonical text of a chain that makes a density of a whole map.

    Raises:
        UsageProblem: it does not.
    """
    chain = parse_chain(text)
    if axes_of(chain) not in (None, MAP):
        msg = f"--baseline-norm {text}: a baseline is a density of the whole map, not of rows or columns"
        raise UsageProblem(msg)
    return format_chain(chain)


def _check_kernel(name: str, bandwidth: float, uniform: float) -> None:
    if not 0 < bandwidth < float("inf"):
        msg = f"{name}(bandwidth={bandwidth:g}): the bandwidth is a share of the sides of the map, above 0"
        raise UsageProblem(msg)
    if not 0 <= uniform <= 1:
        msg = f"{name}(uniform={uniform:g}): the uniform part is a share, from 0 to 1"
        raise UsageProblem(msg)


def _without_norm(call: Call) -> Call:
    return Call(call.name, tuple(item for item in call.arguments if item[0] != "norm"))


def _is_word(name: str, text: str) -> bool:
    return split_call(text)[0] in REGISTRIES[name] if not text.startswith((".", "/")) else False


def _described(name: str, path: Path) -> str:
    if path.is_dir():
        return "maps"
    if not path.exists():
        words = ", ".join(word for word in REGISTRIES[name] if word not in ("map", "maps", "none"))
        hint = f", and none of the words {words}" if words else ""
        why_not = "only maps and fixations are read from URLs" if is_url(path) else f"no such file or folder{hint}"
        msg = f"--{name.replace('_', '-')} {displayed(path)}: {why_not}"
        raise UsageProblem(msg)
    return f"map(sha256={digest(path)})"


DIGITS = 12
"""Hexadecimal digits of a digest: 48 bits tell the few files apart that people compare."""


def context_text(images: Iterable[Fixations]) -> str:
    """What a signature says of the images that each image is compared with: their number, and a digest.

    The digest is of the sizes of the images and of the fixations on them, whatever the images are called.
    """
    from hashlib import sha256

    each = sorted(_digest_of_image(image) for image in images)
    return f"images(n={len(each)},sha256={sha256(b''.join(each)).hexdigest()[:DIGITS]})"


def _digest_of_image(image: Fixations) -> bytes:
    from hashlib import sha256

    import numpy as np

    found = sha256(repr(image.shape).encode())
    for array in (image.rows, image.cols, image.counts):
        found.update(np.ascontiguousarray(array, np.float64).tobytes())
    return found.digest()


def with_context(settings: Settings, found: str) -> Settings:
    """The settings with the images that a run compares each image with.

    Raises:
        UsageProblem: a signature speaks of other images.
    """
    if settings.context and settings.context != found:
        msg = (
            f"the signature says context:{settings.context}, but the images given are {found or 'none'}: these numbers "
            "compare every image with the fixations on all others; give the same list of images and fixations"
        )
        raise UsageProblem(msg)
    return replace(settings, context=found) if found else settings


def digest(path: Path) -> str:
    """What tells the contents of a file from those of another.

    Raises:
        UsageProblem: the file cannot be read.
    """
    try:
        return file_digest(path)[:DIGITS]
    except OSError as error:
        msg = f"cannot read {printable(path)}: {why(error)}"
        raise UsageProblem(msg) from error


STORED: Chain = (Call("stored"),)
"""The chain of a map that is taken as its file holds it."""

TEXTS = (*REGISTRIES, "baseline_norm", *(f"fixation_{name}" for name in READING))
"""The texts that `auxiliary_parts` understands."""


def auxiliary_parts(effective: Mapping[str, str], given: Mapping[str, str], metrics: Iterable[Call]) -> dict[str, Call]:
    """The parts of the settings that stand for the `effective` texts; `given` are those of the user.

    What no metric needs is left out, unless the user said it.

    Raises:
        UsageProblem: a text means nothing, a metric lacks what it needs, or something has no effect.
    """
    found = {FIELDS[name]: parse_beside(name, effective.get(name, "none")) for name in REGISTRIES}
    found["baseline"] = _with_norm(found["baseline"], effective, given)
    found["fixations"] = fixation_reading(effective)
    calls = tuple(metrics)
    for name, field in (("baseline", "baseline"), ("other_map", "other")):
        needing = [call.name for call in calls if field in _needs(call)]
        if needing and found[field] == NONE:
            raise UsageProblem(_MISSING[field].format(metric=needing[0]))
        if not needing:
            _refuse_idle(name, given, calls, "needs one")
            found[field] = NONE
    if not any(METRICS[call.name].info.on == "fixations" for call in calls):
        for name in (f"fixation_{part}" for part in READING):
            _refuse_idle(name, given, calls, "is of fixations")
        found["fixations"] = AS_STORED
    return found


def check_plain_labels(given: Mapping[str, str], labels: str | None) -> None:
    """Refuse pixels without data beside labels; `labels` says why the ground truths hold some.

    Raises:
        UsageProblem: naming the option and the way out.
    """
    if labels and "nodata" in given:
        way_out = "give what does not count a label of its own, with --ignore-index"
        msg = f"{labels}, which take no --nodata; {way_out}"
        raise UsageProblem(msg)


def check_companions(settings: Settings) -> None:
    """Refuse settings under which a metric of fixations has no meaning.

    Raises:
        UsageProblem: naming the metric and what it is at odds with.
    """
    on_fixations = settings.on("fixations").values()
    for call in on_fixations:
        if "density" in _needs(call) and axes_of(settings.pred) not in (None, MAP):
            msg = (
                f"{call.name} needs a density of the whole map; {format_chain(settings.pred)!r} makes one of every row "
                "or column: use sum-to-one, flatten-softmax or log-prob"
            )
            raise UsageProblem(msg)
    if settings.maps == "fixations" and not on_fixations:
        msg = f"--maps fixations has no effect: none of the metrics {_metric_names(settings.metrics)} is of fixations"
        raise UsageProblem(msg)


def chains_for(settings: Settings, call: Call) -> tuple[Chain, Chain]:
    """The chains whose values a metric is a function of, of the prediction and of the ground truth.

    `STORED` where it takes the map as its file holds it, or does not look at it: metrics of stored maps (`cc`, `auc`)
    take it so unless they say `of=norm`, or the map is declared a log density (`log-prob`) and they do not say
    `of=stored`; metrics of fixations look at no ground-truth map, and the entropy of the ground truth at no prediction.
    """
    pred, gt = settings.pred, settings.gt
    if not settings.is_labels and METRICS[call.name].info.on == "pixels":
        pred, gt = pred_chain(pred), gt_chain(gt)
    of_pred, of_gt = _take_chains(settings, call)
    return (pred if of_pred else STORED), (gt if of_gt else STORED)


def _take_chains(settings: Settings, call: Call) -> tuple[bool, bool]:
    """Whether a metric takes what the chain of the prediction makes, and that of the ground truth."""
    on = "labels" if settings.is_labels else METRICS[call.name].info.on
    if on in ("labels", "pixels", "density"):
        return not (on == "density" and _is_blind_to_pred(settings, call)), True
    pred = "density" in _needs(call) or _acts(settings.pred, call)
    return pred, on == "maps" and _acts(settings.gt, call)


def _acts(chain: Chain, call: Call) -> bool:
    """Whether a metric of stored maps takes what this chain makes."""
    of = call.keywords.get("of")
    return of == "norm" or (of is None and "of" in METRICS[call.name].types and is_declared_log_density(chain))


def is_declared_log_density(chain: Chain) -> bool:
    """Whether the map of this chain is declared to hold log-probabilities."""
    return any(step.name == "log-prob" for step in chain)


def _is_blind_to_pred(settings: Settings, call: Call) -> bool:
    """Whether the prediction cannot move a metric of densities: its axes count where the ground truth has none."""
    blind = "pred" in METRICS[call.name].info.blind_to
    return blind and (axes_of(settings.gt) is not None or axes_of(settings.pred) in (None, MAP))


def check_stored(settings: Settings) -> None:
    """Refuse the chain `stored` where a metric takes what a chain makes.

    Raises:
        UsageProblem: naming the metric.
    """
    stored = [STORED[0] in chain for chain in (settings.pred, settings.gt)]
    for call in settings.metrics:
        for is_stored, takes in zip(stored, _take_chains(settings, call), strict=True):
            if is_stored and takes:
                msg = f"{call} takes what a chain makes of a map, and 'stored' makes nothing of it; name another chain"
                raise UsageProblem(msg)


def restrict_to(settings: Settings, call: Call) -> Settings:
    """The settings of one metric alone: what cannot move it is at its default, and does not stand in its signature.

    Metrics of maps and of fixations are computed in float64, whatever the densities are computed in. Scale, colour,
    empty maps, resizing and the arithmetic stay for every metric.
    """
    idle = idle_parts(settings, call)
    base = "e" if "base" in idle else settings.base
    if settings.is_labels:
        from kldeval.metrics.registry import LABEL_METRICS

        reduction = "mean" if "reduce" in idle else settings.reduction
        maps = _pooled_maps(settings.maps, LABEL_METRICS[call.name].info)
        return replace(settings, metrics=(call,), base=base, reduction=reduction, maps=maps)
    info = METRICS[call.name].info
    on = info.on
    needs = _needs(call)
    pred, gt = chains_for(settings, call)
    is_stored = on in ("maps", "fixations") or info.statistics is not None
    return replace(
        settings,
        metrics=(call,),
        masks=masks_of(settings, call, pred, gt),
        pred=pred,
        gt=gt,
        base=base,
        reduction="slices" if "reduce" in idle else settings.reduction,
        baseline=settings.baseline if "baseline" in needs else NONE,
        context=settings.context if compares_images(settings, call) else "",
        other=settings.other if "other" in needs else NONE,
        fixations=settings.fixations if on == "fixations" else AS_STORED,
        density="" if on == "fixations" else settings.density,
        maps=_pooled_maps("mean" if settings.maps == "fixations" and on != "fixations" else settings.maps, info),
        weights=NONE if settings.weights in _EVERYWHERE and _weighs_no_pixels(call) else settings.weights,
        dtype="float64" if is_stored else settings.dtype,
    )


_EVERYWHERE = (Call("latitude"), Call("area"), Call("area", (("earth", "wgs84"),)))
"""The weights that are positive everywhere, on maps of any size."""


def _pooled_maps(maps: str, info: MetricInfo) -> str:
    """What the headline of a metric is a mean over: one that is made of sums pools the pixels of all maps."""
    return "pixels" if info.statistics is not None and maps != "groups" else maps


def check_pooled(given: Mapping[str, str], calls: Iterable[Call], *, is_labels: bool) -> None:
    """Refuse a mean over maps that is asked for where each metric is a number of all pixels together.

    Raises:
        UsageProblem: naming the metric.
    """
    if given.get("maps") != "mean":
        return
    registry: Registry[Any, MetricInfo] = METRICS
    if is_labels:
        from kldeval.metrics.registry import LABEL_METRICS as registry  # noqa: N811 - the registry that counts here
    infos = {call.name: registry[call.name].info for call in calls}
    if infos and all(info.statistics is not None for info in infos.values()):
        msg = (
            f"{next(iter(infos))} is a number of the pixels of all maps together (maps:pixels), whose mean over maps "
            "would be higher, by chance: leave out --maps mean; the reports hold the number of each map, too"
        )
        raise UsageProblem(msg)


def _weighs_no_pixels(call: Call) -> bool:
    """Whether a metric compares fixated pixels with fixated pixels: weights that are positive everywhere move none."""
    info = METRICS[call.name].info
    return info.on == "fixations" and bool({"other", *OF_OTHER_IMAGES} & {*info.requires})


def compares_images(settings: Settings, call: Call) -> bool:
    """Whether the fixations on other images move a metric."""
    if settings.is_labels:
        return False
    needs = _needs(call)
    asked = {"other": settings.other.name, "baseline": settings.baseline.name}
    return bool(OF_OTHER_IMAGES & {*needs}) or any(asked.get(need) == "others" for need in needs)


def idle_parts(settings: Settings, call: Call) -> frozenset[str]:
    """The parts of a signature that cannot move a metric by its definition: `base`, `reduce`, both or neither."""
    return idle_parts_of(call.name, is_labels=settings.is_labels)


def idle_parts_of(name: str, *, is_labels: bool) -> frozenset[str]:
    """The idle parts of a metric by its name; of an unknown one nothing is known to be idle.

    The base of the logarithm moves what is counted in nats, the reduction what has terms at pixels or positions.
    """
    registry: Registry[Any, MetricInfo] = METRICS
    if is_labels:
        from kldeval.metrics.registry import LABEL_METRICS as registry  # noqa: N811 - the registry that counts here
    if name not in registry:
        return frozenset()
    info = registry[name].info
    base = () if info.unit == "nats" else ("base",)
    without_terms = info.on in ("maps", "fixations") or info.statistics is not None
    return frozenset((*base, *(("reduce",) if without_terms else ())))


_MISSING = {
    "baseline": "{metric} needs a baseline: --baseline uniform, others, or the FILE or DIR of its maps",
    "other": "{metric} needs the fixations of other images: --other-map FILE or DIR, or others (their union)",
}


def _needs(call: Call) -> tuple[str, ...]:
    return METRICS[call.name].info.requires


def _refuse_idle(name: str, given: Mapping[str, str], calls: Iterable[Call], lacking: str) -> None:
    if name in given:
        flag = f"--{name.replace('_', '-')}"
        msg = f"{flag} {given[name]} has no effect: none of the metrics {_metric_names(calls)} {lacking}"
        raise UsageProblem(msg)


def _metric_names(calls: Iterable[Call]) -> str:
    return ", ".join(call.name for call in calls)


def _with_norm(baseline: Call, effective: Mapping[str, str], given: Mapping[str, str]) -> Call:
    norm = effective.get("baseline_norm")
    if norm is None:
        return baseline
    if "norm" not in BASELINES[baseline.name].types:
        if "baseline_norm" in given:
            msg = f"--baseline-norm {norm} has no effect: the baseline {baseline} is no map"
            raise UsageProblem(msg)
        return baseline
    return BASELINES[baseline.name].call(**{**baseline.keywords, "norm": check_norm(norm)})
