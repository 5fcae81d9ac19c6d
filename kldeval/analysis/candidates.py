"""What is tried to explain a published number: every convention, and what one or two changes make of it.

A change is a flag that a user could type beside `--convention`: another epsilon, direction, axis, scale, reduction or
base; where sizes differ, a resizing as well. Settings that a shorter list of changes gives too are left out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from kldeval.conventions import CONVENTIONS
from kldeval.dataclass import dataclass
from kldeval.grammar import format_value
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import ends_in_log, format_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.preprocessing.resize import AS_IS
from kldeval.scoring.plan import dependence, joint_dependence, quantity_of
from kldeval.settings.build import make_settings
from kldeval.settings.settings import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kldeval.conventions.convention import Convention
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings

EPSILONS = (0.0, 1e-20, 1e-16, 2.2204e-16, 2.0**-52, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 2.0**-23, 1e-6, 1e-5, 1e-4)
"""What people add; 1e-3 and more is larger than most probabilities of a map."""

FAITHFUL = ("default", "exact", "flatten-softmax")
"""The conventions that are also tried over rows and columns: the others differ from these by their constants."""

AXES = {
    "sum-to-one": ("sum-to-one(axis=-1)", "sum-to-one(axis=0)"),
    "flatten-softmax": ("softmax", "softmax(axis=0)"),
}
"""The chains over rows and over columns for one over the whole map."""

CONSTANTS = ("log_eps", "num_eps", "ratio_eps")

Flags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A convention with some flags beside it, and the settings that both say.

    `sum` names the sum that its number is made of: candidates that differ in what they divide it by share it.
    """

    convention: str
    flags: Flags
    settings: Settings
    sum: str = ""


@cache
def candidates(
    *, resize: str | None = None, color: str | None = None, sizes_differ: bool = False
) -> tuple[Candidate, ...]:
    """Everything that is tried, those with fewest flags first.

    `resize` is for the conventions that have no resizing of their own; `color` is for all. Where sizes differ and no
    resizing is said, every one of `RESIZES` is tried.

    Raises:
        UsageProblem: the resizing or the rule for colour means nothing.
    """
    if sizes_differ and resize is None:
        return _with_resizes(candidates(color=color))
    said = {"resize": resize, "color": color}
    published = [_candidate(name, (), said) for name in CONVENTIONS]
    changed = [_candidate(one.convention, (flag,), said) for one in published for flag in _changes(one)]
    divided = [_divided(one, *flag) for one in published for flag in _divisions(one.settings)]
    both = [_divided(one, *flag) for one in (*changed, *divided) for flag in _divisions(one.settings)]
    unique = {_numeric(one.settings): one for one in reversed([*published, *changed, *divided, *both])}
    kept = {id(one) for one in unique.values()}
    return (*published, *(one for one in (*changed, *divided, *both) if id(one) in kept))


RESIZES = (
    *(f"pred-to-gt(kernel={kernel})" for kernel in ("bilinear", "bicubic", "matlab-bicubic", "nearest", "area")),
    *(f"gt-to-pred(kernel={kernel})" for kernel in ("bilinear", "nearest", "area")),
)
"""What is tried where sizes differ, and nobody said how they are made equal."""


def _with_resizes(tried: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates with every resizing beside them, but for those that have a resizing of their own."""
    bare = list(tried)
    made = [one for one in bare if one.settings.resize != AS_IS]
    for text in RESIZES:
        resize = make_settings({"resize": text}).resize
        for one in bare:
            if one.settings.resize == AS_IS:
                settings = replace(one.settings, resize=resize)
                sum_ = f"{one.sum.rpartition('|')[0]}|{resize}"
                made.append(replace(one, flags=(("--resize", str(resize)), *one.flags), settings=settings, sum=sum_))
    return tuple(made)


@cache
def quantities(
    *, resize: str | None = None, color: str | None = None, sizes_differ: bool = False
) -> tuple[Quantity, ...]:
    """The sums that the numbers of the candidates of the same keywords are made of, each once, under their names."""
    tried = candidates(resize=resize, color=color, sizes_differ=sizes_differ)
    first = {one.sum: one.settings for one in tried}
    return tuple(quantity_of(name, replace(settings, reduction="sum", base="e")) for name, settings in first.items())


def _settings(row: Convention, flags: Flags, said: Mapping[str, str | None]) -> Settings:
    texts = {flag.removeprefix("--").replace("-", "_"): text for flag, text in flags}
    own = row.resize != str(AS_IS)
    given = {"metric": "kld", **said, **({"resize": None} if own else {}), **texts}
    return make_settings(given, convention=row.texts)


def _candidate(name: str, flags: Flags, said: Mapping[str, str | None]) -> Candidate:
    settings = _settings(CONVENTIONS[name], flags, said)
    rest = f"{settings.empty_gt}|{settings.empty_pred}|{settings.resize}"
    return Candidate(name, flags, settings, f"{_numeric(replace(settings, reduction='sum', base='e'))}|{rest}")


def _divided(candidate: Candidate, flag: str, text: str) -> Candidate:
    changed: dict[str, Any] = {flag.removeprefix("--"): text}
    settings = replace(candidate.settings, **changed)
    return replace(candidate, flags=(*candidate.flags, (flag, text)), settings=settings)


def _changes(candidate: Candidate) -> Iterator[tuple[str, str]]:
    """The flags that change what is summed."""
    settings = candidate.settings
    chains = {format_chain(settings.pred), format_chain(settings.gt)}
    if joint_dependence(dependence(settings.pred), dependence(settings.gt)) == "value":
        yield from _metric_changes(settings)
    if candidate.convention in FAITHFUL and len(chains) == 1:
        yield from (("--norm", text) for text in AXES.get(chains.pop(), ()))
    yield "--scale", "raw" if settings.scale == "unit" else "unit"


def _metric_changes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Other constants and other directions, tried where the whole map is the distribution."""
    (call,) = settings.metrics
    own = call.keywords
    used = [key for key in CONSTANTS if own.get(key)] or ["log_eps", "ratio_eps"]
    simple = used == ["log_eps", "ratio_eps"] and set(own) <= set(used)
    for epsilon in EPSILONS if not ends_in_log(settings.pred) else ():
        constants = dict.fromkeys(used, epsilon)
        if any(own.get(key, 0.0) != epsilon for key in used):
            changed = str(METRICS[call.name].call(**{**own, **constants}))
            yield ("--eps", format_value(epsilon)) if simple else ("--metric", _explicit(changed))
    for direction in ("gt-pred", "pred-gt", "mean"):
        if direction != own.get("direction", "gt-pred"):
            yield "--metric", _explicit(str(METRICS[call.name].call(**{**own, "direction": direction})))


def _explicit(metric: str) -> str:
    """The metric with parentheses, which keep the convention's constants out."""
    return metric if "(" in metric else f"{metric}()"


def _divisions(settings: Settings) -> Iterator[tuple[str, str]]:
    """The flags that change what the sum is divided by, from what is published or changed otherwise."""
    same = {"slices", "sum"} if settings.axes == MAP else {settings.reduction}
    for reduction in CHOICES["reduction"]:
        if reduction not in ("none", settings.reduction) and not {reduction, settings.reduction} <= same:
            yield "--reduction", reduction
    yield from (("--base", base) for base in CHOICES["base"] if base != "e" and settings.base == "e")


def _numeric(settings: Settings) -> str:
    """What moves the number of a map that is not empty, where sizes agree."""
    reduction = "sum" if settings.reduction == "slices" and settings.axes == MAP else settings.reduction
    chains = f"{format_chain(settings.pred)}|{format_chain(settings.gt)}"
    return f"{settings.metrics[0]}|{chains}|{settings.scale}|{reduction}|{settings.base}|{settings.color}"
