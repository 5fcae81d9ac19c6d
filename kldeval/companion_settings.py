"""The settings of what stands beside a pair: how fixations are read, the baseline, the other map, masks and weights.

Each is a call of a registry of its own. Paths are no settings: a file is named by a digest of its contents, a folder by
the word `maps`, and where they are is part of the request.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kldeval.errors import UsageProblem
from kldeval.inputs.beside import digest
from kldeval.maps.chain import axes_of, format_chain, parse_chain
from kldeval.maps.values import MAP
from kldeval.metrics import distances as _distances  # noqa: F401 - registers the metrics
from kldeval.metrics import emd as _emd  # noqa: F401
from kldeval.metrics import fixations as _fixations  # noqa: F401
from kldeval.metrics import information as _information  # noqa: F401
from kldeval.metrics import maps as _maps  # noqa: F401
from kldeval.metrics.registry import METRICS
from kldeval.names import Call, Registry, split_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kldeval.settings import Settings

NONE = Call("none")
"""Nothing of the kind stands beside the pairs."""

AS_STORED = Call("read")
"""Fixations as their files have them."""

BASELINES: Registry[Callable[..., Any]] = Registry("baseline")
OTHERS: Registry[Callable[..., Any]] = Registry("other map")
MASKS: Registry[Callable[..., Any]] = Registry("mask")
WEIGHTS: Registry[Callable[..., Any]] = Registry("weights")
FIXATIONS: Registry[Callable[..., Any]] = Registry("reading of fixations")

REGISTRIES: Mapping[str, Registry[Callable[..., Any]]] = {
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

READING = ("base", "variable", "gaze", "threshold", "first", "outside")
"""The parameters of how fixations are read; each is the option `--fixation-NAME`."""

TEXTS = (*REGISTRIES, "baseline_norm", *(f"fixation_{name}" for name in READING))
"""The texts that `companion_parts` understands."""


@BASELINES.add("uniform")
def uniform() -> None:
    """Every pixel, or every part of the sphere, is as likely as any other."""


@BASELINES.add("others")
def others(*, bandwidth: float = 0.03, uniform: float = 0.001) -> None:
    """The fixations on all other images as a Gaussian kernel density, with a uniform part.

    The standard deviation is `bandwidth` times the height and the width; `uniform` is the share of the uniform part.
    """
    if not 0 < bandwidth < float("inf"):
        msg = f"others(bandwidth={bandwidth:g}): the bandwidth is a share of the sides of the map, above 0"
        raise UsageProblem(msg)
    if not 0 <= uniform <= 1:
        msg = f"others(uniform={uniform:g}): the uniform part is a share, from 0 to 1"
        raise UsageProblem(msg)


@BASELINES.add("map")
def one_baseline(*, norm: str = "sum-to-one", sha256: str = "") -> None:  # noqa: ARG001 - declares the parameters
    """One map for every pair, made a density by a chain of steps."""
    _check_norm(norm)


@BASELINES.add("maps")
def baselines(*, norm: str = "sum-to-one") -> None:
    """A map for each pair, by its name."""
    _check_norm(norm)


@OTHERS.add("others")
def union_of_others() -> None:
    """Every pixel that was fixated on any other image."""


@WEIGHTS.add("latitude")
def latitude() -> None:
    """The solid angle of each pixel of an equirectangular map, sin(pi (r + 1/2) / H)."""


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
    """Nothing."""


@FIXATIONS.add("read")
def read(
    *,
    base: int | None = None,
    variable: str | None = None,
    gaze: Literal["fixations", "location"] = "fixations",
    threshold: float | None = None,
    first: Literal["keep", "drop"] = "keep",
    outside: Literal["error", "drop"] = "error",
) -> None:
    """How files of fixations are read; see `kldeval.inputs.fixations.FixationReading`.

    `first=drop` leaves out the first fixation of every observer; `outside=drop` those outside the map.
    """
    del variable, gaze, threshold, first, outside
    if base not in (None, 0, 1):
        msg = f"--fixation-base {base}: coordinates count from 0 or from 1"
        raise UsageProblem(msg)


def companion_parts(chosen: Mapping[str, str], said: Mapping[str, str], metrics: Iterable[Call]) -> dict[str, Call]:
    """The parts of the settings that stand for `chosen` texts, of which the user `said` some.

    What no metric needs is left out, unless the user said it.

    Raises:
        UsageProblem: a text means nothing, a metric lacks what it needs, or something has no effect.
    """
    found = {FIELDS[name]: _parse(name, chosen.get(name, "none")) for name in REGISTRIES}
    found["baseline"] = _with_norm(found["baseline"], chosen, said)
    found["fixations"] = _reading(chosen)
    calls = tuple(metrics)
    for name, field in (("baseline", "baseline"), ("other_map", "other")):
        needing = [call.name for call in calls if field in _needs(call)]
        if needing and found[field] == NONE:
            raise UsageProblem(_MISSING[field].format(metric=needing[0]))
        if not needing:
            _refuse_idle(name, said, calls, "needs one")
            found[field] = NONE
    if not any(METRICS[call.name].traits.get("on") == "fixations" for call in calls):
        for name in (f"fixation_{part}" for part in READING):
            _refuse_idle(name, said, calls, "is of fixations")
        found["fixations"] = AS_STORED
    return found


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
        if call.name == "ig-mit" and settings.baseline.name == "uniform":
            msg = "ig-mit stretches its baseline to 0..1, so there is none for a uniform one; use ig, or name a map"
            raise UsageProblem(msg)
    if settings.maps == "fixations" and not on_fixations:
        msg = f"--maps fixations has no effect: none of the metrics {_shown(settings.metrics)} is of fixations"
        raise UsageProblem(msg)


def only_of(settings: Settings, call: Call) -> Settings:
    """The settings of one metric alone: what another metric needs does not stand in its signature.

    Metrics of maps and of fixations are computed in float64, whatever the densities are computed in.
    """
    on = METRICS[call.name].traits.get("on", "density")
    needs = _needs(call)
    return replace(
        settings,
        metrics=(call,),
        baseline=settings.baseline if "baseline" in needs else NONE,
        other=settings.other if "other" in needs else NONE,
        fixations=settings.fixations if on == "fixations" else AS_STORED,
        density="" if on == "fixations" else settings.density,
        maps="mean" if settings.maps == "fixations" and on != "fixations" else settings.maps,
        dtype="float64" if on in ("maps", "fixations") else settings.dtype,
    )


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


def check_beside(settings: Settings, texts: Mapping[str, str]) -> None:
    """Refuse files that are not those of a signature.

    Raises:
        UsageProblem: naming the option, what the signature says and what was given.
    """
    for name, field in FIELDS.items():
        wanted, given = (_without_norm(call) for call in (getattr(settings, field), _parse(name, texts.get(name, "none"))))
        if wanted != given and not (given == NONE and wanted.name not in ("map", "maps")):
            flag = f"--{name.replace('_', '-')}"
            way_out = f"leave out {flag}" if wanted.name not in ("map", "maps") else f"give that with {flag}"
            said = f"{flag} is {given}" if given != NONE else f"there is no {flag}"
            msg = f"the signature says {field}:{wanted}, but {said}; {way_out}"
            raise UsageProblem(msg)


_MISSING = {
    "baseline": "{metric} needs a baseline: --baseline uniform, others, or the FILE or DIR of its maps",
    "other": "{metric} needs the fixations of other images: --other-map FILE or DIR, or others (their union)",
}


def _needs(call: Call) -> tuple[str, ...]:
    return tuple(METRICS[call.name].traits.get("needs", ()))


def _refuse_idle(name: str, said: Mapping[str, str], calls: Iterable[Call], lacking: str) -> None:
    if name in said:
        flag = f"--{name.replace('_', '-')}"
        msg = f"{flag} {said[name]} has no effect: none of the metrics {_shown(calls)} {lacking}"
        raise UsageProblem(msg)


def _shown(calls: Iterable[Call]) -> str:
    return ", ".join(call.name for call in calls)


def _parse(name: str, text: str) -> Call:
    entry = REGISTRIES[name][split_call(text)[0]]
    call = REGISTRIES[name].parse(text)
    entry.function(**call.keywords)
    # the bandwidth stands in every signature, also where it is the default
    return Call("others", tuple({**entry.defaults, **call.keywords}.items())) if call.name == "others" else call


def _reading(chosen: Mapping[str, str]) -> Call:
    given = {part: chosen[f"fixation_{part}"] for part in READING if f"fixation_{part}" in chosen}
    inside = ",".join(f"{part}={text}" for part, text in given.items())
    call = FIXATIONS.parse(f"read({inside})")
    FIXATIONS["read"].function(**call.keywords)
    return call


def _with_norm(baseline: Call, chosen: Mapping[str, str], said: Mapping[str, str]) -> Call:
    norm = chosen.get("baseline_norm")
    if norm is None:
        return baseline
    if "norm" not in BASELINES[baseline.name].types:
        if "baseline_norm" in said:
            msg = f"--baseline-norm {norm} has no effect: the baseline {baseline} is no map"
            raise UsageProblem(msg)
        return baseline
    return BASELINES[baseline.name].call(**{**baseline.keywords, "norm": _check_norm(norm)})


def _without_norm(call: Call) -> Call:
    return Call(call.name, tuple(item for item in call.arguments if item[0] != "norm"))


def _check_norm(text: str) -> str:
    chain = parse_chain(text)
    if axes_of(chain) not in (None, MAP):
        msg = f"--baseline-norm {text}: a baseline is a density of the whole map, not of rows or columns"
        raise UsageProblem(msg)
    return format_chain(chain)


def _is_word(name: str, text: str) -> bool:
    return split_call(text)[0] in REGISTRIES[name] if not text.startswith((".", "/")) else False


def _described(name: str, path: Path) -> str:
    if path.is_dir():
        return "maps"
    if not path.exists():
        words = ", ".join(word for word in REGISTRIES[name] if word not in ("map", "maps", "none"))
        msg = f"--{name.replace('_', '-')} {path}: no such file or folder{f', and none of the words {words}' if words else ''}"
        raise UsageProblem(msg)
    return f"map(sha256={digest(path)})"
