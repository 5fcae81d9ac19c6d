"""What may stand beside the pairs: how fixations are read, the baseline, the other map, masks and weights.

Each is a call of a registry of its own. Paths are no settings: a file is named by a digest of its contents, a folder by
the word `maps`, and where they are is part of the request.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kldeval.errors import UsageProblem
from kldeval.maps.chain import axes_of, format_chain, parse_chain
from kldeval.maps.values import MAP
from kldeval.names import Call, Info, Registry, split_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kldeval.settings import Settings

NONE = Call("none")
"""Nothing of the kind stands beside the pairs."""

MAPS = Call("maps")
"""A map for each pair."""

AS_STORED = Call("read")
"""Fixations as their files have them."""

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

READING = ("base", "variable", "gaze", "threshold", "first", "outside")
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


def fixation_reading(chosen: Mapping[str, str]) -> Call:
    """How fixations are read, of the texts `fixation_base` and so on.

    Raises:
        UsageProblem: one of them means nothing.
    """
    given = {part: chosen[f"fixation_{part}"] for part in READING if f"fixation_{part}" in chosen}
    inside = ",".join(f"{part}={text}" for part, text in given.items())
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
        wanted, given = (
            _without_norm(call) for call in (getattr(settings, field), parse_beside(name, texts.get(name, "none")))
        )
        is_word = wanted.name not in ("map", "maps")
        in_manifest = manifest and name == "mask" and wanted == MAPS
        if wanted != given and not (given == NONE and (is_word or in_manifest)):
            flag = f"--{name.replace('_', '-')}"
            way_out = f"leave out {flag}" if is_word else f"give that with {flag}"
            said = f"{flag} is {given}" if given != NONE else f"there is no {flag}"
            msg = f"the signature says {field}:{wanted}, but {said}; {way_out}"
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
        msg = f"--{name.replace('_', '-')} {path}: no such file or folder{hint}"
        raise UsageProblem(msg)
    from kldeval.inputs.beside import digest

    return f"map(sha256={digest(path)})"
