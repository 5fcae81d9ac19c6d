"""The audit reversed: which conventions, and which settings near them, print a published number."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kldeval.conventions import CONVENTIONS
from kldeval.data.dataset import select_models
from kldeval.engine.run import outcomes
from kldeval.engine.worker import loaded, reading_of
from kldeval.errors import RefusedMap
from kldeval.executors.local import LocalPool, cores
from kldeval.grammar import format_value
from kldeval.metrics.registry import METRICS
from kldeval.normalization.chain import ends_in_log, format_chain
from kldeval.normalization.lazy_map import MAP
from kldeval.preprocessing.resize import AS_IS
from kldeval.records import Failure
from kldeval.reports.identification import Guess, identify_number
from kldeval.scoring.evaluator import PartialAnswers, SharedEvaluator
from kldeval.scoring.plan import dependence, divisor, joint_dependence, quantity_of
from kldeval.settings.build import make_settings
from kldeval.settings.settings import CHOICES
from kldeval.settings.signature import format_signature, short_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.conventions.convention import Convention
    from kldeval.data.load import Loaded, Reading
    from kldeval.records import Pair
    from kldeval.reports.identification import Identification, Published
    from kldeval.run_options import RunOptions
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings

    Shape = tuple[int, int]
    Sums = Mapping[str, Mapping[Shape, Sequence[float]]]


MODEL = "pred"


def identify(
    target: Published,
    pred: Path,
    gt: Path,
    request: RunOptions,
    *,
    resize: str | None = None,
    color: str | None = None,
    progress: Callable[[object, int], None] | None = None,
) -> Identification:
    """What prints the number as the mean over the pairs of two files or folders.

    `resize` is for the conventions that have no resizing of their own; `color` is for all. Settings that do not apply
    to every map print no mean, and are left out.

    Raises:
        UsageProblem: the paths cannot be paired at all, or the resizing or the rule for colour means nothing.
        RefusedMap: a map has no partner or cannot be read, so that there is no mean.
    """
    tried = candidates(resize=resize, color=color)
    dataset = select_models({MODEL: pred}, gt, None, request)
    _refuse(dataset.failures[MODEL])
    sums: defaultdict[str, defaultdict[Shape, list[float]]] = defaultdict(lambda: defaultdict(list))
    reading = reading_of(tried[0].settings, request)
    measuring = _Measuring(SharedEvaluator(quantities_for(tried)), reading)
    for answer in outcomes(dataset, measuring, reading, LocalPool(request.jobs or cores())):
        if isinstance(answer.outcome, Failure):
            _refuse([answer.outcome])
        else:
            shape, values = answer.outcome
            for name, value in values.items():
                if isinstance(value, float):
                    sums[name][shape].append(value)
        if progress:
            progress(answer, dataset.count)
    guesses = {_guess(one, value): one for one in tried if (value := _mean(one, sums, dataset.count)) is not None}
    result = identify_number(target, guesses, dataset.count, dataset.notes)
    signed = {guess: _signed(guess, guesses[guess]) for guess in (*result.guesses, *result.nearest)}
    return replace(
        result,
        guesses=tuple(signed[guess] for guess in result.guesses),
        nearest=tuple(signed[guess] for guess in result.nearest),
    )


@dataclass(frozen=True, slots=True)
class _Measuring:
    """Each pair is measured under all settings: its shape, and the answer of every case."""

    evaluator: SharedEvaluator
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> tuple[Shape, PartialAnswers]:
        """What the maps of a pair themselves have to say."""
        del model, is_first
        pred, gt = loaded(pair, gt, self.reading)
        return gt.grey.shape, self.evaluator.begin(pair.name, pred, gt)

    def finish(self, begun: Sequence[tuple[Shape, PartialAnswers]]) -> list[tuple[Shape, dict[str, float | str]]]:
        """The answers, worked out for many pairs at once."""
        found = self.evaluator.finish([one for _, one in begun])
        return [(shape, answer) for (shape, _), answer in zip(begun, found, strict=True)]


def _refuse(failures: Sequence[Failure]) -> None:
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        msg = f"{failures[0].name}: {failures[0].message}{more}; a published mean can only be found over all its maps"
        raise RefusedMap(msg)


def _mean(candidate: Candidate, sums: Sums, n: int) -> float | None:
    """The mean over all maps; None where the settings do not apply to each of them."""
    by_shape = sums.get(candidate.sum, {})
    if not n or sum(map(len, by_shape.values())) < n:
        return None
    parts = (_total(values) / divisor(candidate.settings, shape) for shape, values in by_shape.items())
    return _total(list(parts)) / n


def _total(values: Sequence[float]) -> float:
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def _guess(candidate: Candidate, value: float) -> Guess:
    return Guess(candidate.convention, candidate.flags, value, "", "")


def _signed(guess: Guess, candidate: Candidate) -> Guess:
    settings = candidate.settings
    return replace(guess, signature=format_signature(settings), short=short_signature(settings))


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


def candidates(*, resize: str | None = None, color: str | None = None) -> list[Candidate]:
    """Everything that is tried, those with fewest flags first.

    `resize` is for the conventions that have no resizing of their own; `color` is for all.

    Raises:
        UsageProblem: the resizing or the rule for colour means nothing.
    """
    said = {"resize": resize, "color": color}
    published = [_candidate(name, (), said) for name in CONVENTIONS]
    changed = [_candidate(one.convention, (flag,), said) for one in published for flag in _changes(one)]
    divided = [_divided(one, *flag) for one in published for flag in _divisions(one.settings)]
    both = [_divided(one, *flag) for one in (*changed, *divided) for flag in _divisions(one.settings)]
    unique = {_numeric(one.settings): one for one in reversed([*published, *changed, *divided, *both])}
    kept = {id(one) for one in unique.values()}
    return [*published, *(one for one in (*changed, *divided, *both) if id(one) in kept)]


def quantities_for(tried: Iterable[Candidate]) -> tuple[Quantity, ...]:
    """The sums that the candidates' numbers are made of, each once, under their names."""
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
