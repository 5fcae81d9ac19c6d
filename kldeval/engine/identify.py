"""The audit reversed: which conventions, and which settings near them, print a published number."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from kldeval.engine.candidates import candidates, quantities_for
from kldeval.engine.tasks import find_tasks, outcomes
from kldeval.errors import RefusedMap
from kldeval.records import Failure
from kldeval.results.identification import Guess, identify_number
from kldeval.scoring.evaluator import PartialAnswers, SharedEvaluator
from kldeval.scoring.plan import divisor
from kldeval.signature import format_signature, short_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.candidates import Candidate
    from kldeval.engine.run import Request
    from kldeval.inputs.load import Loaded
    from kldeval.records import Pair
    from kldeval.results.identification import Identification, Published

    Shape = tuple[int, int]
    Sums = Mapping[str, Mapping[Shape, Sequence[float]]]

MODEL = "pred"


def identify(
    target: Published,
    pred: Path,
    gt: Path,
    request: Request,
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
    tasks = find_tasks({MODEL: pred}, gt, request)
    _refuse(tasks.failures[MODEL])
    sums: defaultdict[str, defaultdict[Shape, list[float]]] = defaultdict(lambda: defaultdict(list))
    evaluator = SharedEvaluator(quantities_for(tried))
    look_at, answered = partial(_look_at, evaluator=evaluator), partial(_answered, evaluator=evaluator)
    for _, found in outcomes(tasks, tried[0].settings, request, look_at, answered):
        if isinstance(found, Failure):
            _refuse([found])
        else:
            shape, values = found
            for name, answer in values.items():
                if isinstance(answer, float):
                    sums[name][shape].append(answer)
        if progress:
            progress(found, tasks.count)
    guesses = {_guess(one, value): one for one in tried if (value := _mean(one, sums, tasks.count)) is not None}
    result = identify_number(target, guesses, tasks.count, tasks.notes)
    signed = {guess: _signed(guess, guesses[guess]) for guess in (*result.guesses, *result.nearest)}
    return replace(
        result,
        guesses=tuple(signed[guess] for guess in result.guesses),
        nearest=tuple(signed[guess] for guess in result.nearest),
    )


def _look_at(pair: Pair, pred: Loaded, gt: Loaded, evaluator: SharedEvaluator) -> tuple[Shape, PartialAnswers]:
    return gt.grey.shape, evaluator.begin(pair.name, pred, gt)


def _answered(
    looked: Sequence[tuple[Shape, PartialAnswers]], evaluator: SharedEvaluator
) -> Iterator[tuple[Shape, dict[str, float | str]]]:
    found = evaluator.finish([one for _, one in looked])
    return ((shape, answer) for (shape, _), answer in zip(looked, found, strict=True))


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
