"""The audit reversed: which conventions, and which settings near them, print a published number."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kldeval.engine.candidates import candidates, cases_for
from kldeval.engine.cases import divisor
from kldeval.engine.cpu import LocalPool, cores
from kldeval.engine.run import outcomes, reading_of
from kldeval.engine.selection import select_models
from kldeval.engine.shared import answers, look
from kldeval.engine.worker import loaded
from kldeval.errors import RefusedMap
from kldeval.records import Failure
from kldeval.results.identification import Guess, identify_number
from kldeval.signature import format_signature, short_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kldeval.engine.candidates import Candidate
    from kldeval.engine.cases import Case
    from kldeval.engine.run import Request
    from kldeval.engine.shared import Answer, Looked
    from kldeval.inputs.load import Loaded, Reading
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
    dataset = select_models({MODEL: pred}, gt, None, request)
    _refuse(dataset.failures[MODEL])
    sums: defaultdict[str, defaultdict[Shape, list[float]]] = defaultdict(lambda: defaultdict(list))
    reading = reading_of(tried[0].settings, request)
    measuring = _Measuring(cases_for(tried), reading)
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

    cases: Sequence[Case]
    reading: Reading

    def begin(self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool) -> tuple[Shape, Looked]:
        """What the maps of a pair themselves have to say."""
        del model, is_first
        pred, gt = loaded(pair, gt, self.reading)
        return gt.grey.shape, look(pair.name, pred, gt, self.cases)

    def finish(self, begun: Sequence[tuple[Shape, Looked]]) -> list[tuple[Shape, dict[str, Answer]]]:
        """The answers, worked out for many pairs at once."""
        found = answers([one for _, one in begun])
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
    axes = candidate.settings.axes
    parts = (_total(values) / divisor(candidate.settings, axes, shape) for shape, values in by_shape.items())
    return _total(list(parts)) / n


def _total(values: Sequence[float]) -> float:
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def _guess(candidate: Candidate, value: float) -> Guess:
    return Guess(candidate.convention, candidate.flags, value, "", "")


def _signed(guess: Guess, candidate: Candidate) -> Guess:
    settings = candidate.settings
    return replace(guess, signature=format_signature(settings), short=short_signature(settings))
