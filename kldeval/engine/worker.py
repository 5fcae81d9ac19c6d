"""What a worker does: read some pairs and score them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from kldeval.data.load import Loaded, Reading, load_map, load_pair
from kldeval.errors import MapProblem
from kldeval.records import Failure, Outcome, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from kldeval.grammar import Call
    from kldeval.normalization.chain import Chain
    from kldeval.records import MapPair, Role
    from kldeval.run_options import RunOptions
    from kldeval.scoring.evaluator import Evaluator, PartialResult
    from kldeval.settings.settings import Settings


T = TypeVar("T")


def reading_of(settings: Settings, request: RunOptions) -> Reading:
    """How files are read, of which the settings say a part and the request the rest."""
    reading = Reading(
        color=settings.color,
        resize=settings.resize,
        key=request.key,
        trusts_files=request.trust_files,
        class_maps=settings.names_class_axis,
        labels=settings.is_labels,
        nodata=settings.nodata,
        logs=(_log_step(settings.pred), _log_step(settings.gt)),
    )
    return replace(reading, max_pixels=request.max_pixels) if request.max_pixels else reading


def _log_step(chain: Chain) -> Call | None:
    """The step that takes the stored values for logarithms of a density; scores that are none are not looked at."""
    first = chain[0]
    return first if first.name == "log-prob" and first.keywords.get("check") != "none" else None


def read_and_score_all(
    pairs: Iterable[Pair], evaluator: Evaluator, reading: Reading, save: Path | None = None
) -> list[Outcome]:
    """The outcomes of some pairs, from their files: 8-bit pairs are counted one by one and measured together."""
    return evaluator.finish([read_and_begin(pair, evaluator, reading, save) for pair in pairs])


def read_and_begin(
    pair: Pair, evaluator: Evaluator, reading: Reading, save: Path | None = None, gt: Loaded | None = None
) -> Outcome | PartialResult:
    """The outcome of one pair, from its files, or what there is to finish together with others.

    `gt` is the ground truth where it has been read already.
    """
    maps = read(pair, reading, gt)
    if isinstance(maps, Failure):
        return maps
    maps = evaluator.context.with_references(maps)
    begun = evaluator.begin(maps)
    if save is None:
        return begun
    from kldeval.scoring.save_terms import save_scored

    (outcome,) = evaluator.finish([begun])
    save_scored(save, maps, outcome, evaluator.plan)
    return outcome


def read(pair: Pair, reading: Reading, gt: Loaded | None = None) -> MapPair | Failure:
    """The decoded pair, or why there is none."""
    return _or_failure(lambda: load_pair(pair, reading, gt), pair.name, f"{pair.pred} and {pair.gt}")


def read_with_auxiliary_scores(
    pair: Pair, evaluator: Evaluator, reading: Reading, gt: Loaded | None = None
) -> MapPair | Failure:
    """The decoded pair with the numbers that are worked out on the CPU wherever the densities are measured."""
    maps = read(pair, reading, gt)
    if isinstance(maps, Failure):
        return maps
    return evaluator.with_auxiliary_scores(evaluator.context.with_references(maps))


def read_map(pair: Pair, role: Role, reading: Reading) -> Loaded | Failure:
    """One side of a pair, decoded, or why there is none."""
    path = getattr(pair, role)
    return _or_failure(lambda: load_map(path, reading, pair.place), pair.name, str(path))


def _or_failure(load: Callable[[], T], name: str, files: str) -> T | Failure:
    try:
        return load()
    except MapProblem as problem:
        return Failure(name, problem.stage, str(problem))
    except MemoryError:
        return Failure(name, "load", f"not enough memory for {files}")
