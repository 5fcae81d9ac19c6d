"""One or several decoded pairs under settings, in each of the ways in which the evaluator can look at them.

Tests of what a pair scores go through these functions, so that the evaluator may change without them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from kldeval.engine.device import Device
from kldeval.engine.gpu import score_batch, score_loaded
from kldeval.records import MapPair, Score
from kldeval.scoring.evaluator import Evaluator, SharedEvaluator
from kldeval.scoring.plan import Plan, quantity_of, uncovered_quantities
from kldeval.scoring.save_terms import save_scored
from kldeval.settings import signature
from kldeval.settings.build import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from kldeval.records import Failure

FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0}
"""What is 1 in a file of these types."""


def settings_of(texts: Mapping[str, str | None] | None = None, **said: Any) -> Any:
    """The settings of texts as a user types them; `convention` brings those of a row."""
    return make_settings(texts or {}, **said)


def signature_of(settings: Any) -> str:
    """The text of settings."""
    return signature.format_signature(settings)


def signatures_of(settings: Any) -> Mapping[str, str]:
    """The text of each metric of settings, by its key."""
    return signature.signatures(settings)


def short_of(settings: Any) -> str:
    """The short form of settings, which names the convention that they are."""
    return signature.short_signature(settings)


def read_signature(text: str) -> Any:
    """The settings that a text stands for."""
    return signature.parse_signature(text)


def pair_of(pred: Any, gt: Any, *, name: str = "a", **kept: Any) -> MapPair:
    """Two arrays as they come from files of their types."""
    shape = (pred.shape[0], math.prod(pred.shape[1:])) if pred.ndim > 2 else pred.shape
    names = (getattr(array.dtype, "name", str(array.dtype)).rpartition(".")[2] for array in (pred, gt))
    scales = (FULL_SCALE.get(name) for name in names)
    given: dict[str, Any] = dict(zip(("pred_scale", "gt_scale"), scales, strict=True))
    return MapPair(name, pred, gt, **{"shape": tuple(shape), **given, **kept})


def evaluator_of(settings: Any, *, per_class: bool = False) -> Evaluator:
    """The evaluator of settings."""
    return Evaluator(Plan.of(settings, per_class=per_class))


def outcome_of(pair: MapPair, settings: Any, *, per_class: bool = False) -> Any:
    """What becomes of a pair, as a run finds it."""
    return evaluator_of(settings, per_class=per_class).score(pair)


def scored(pair: MapPair, settings: Any, *, per_class: bool = False) -> Score:
    """The score of a pair that has one."""
    found = outcome_of(pair, settings, per_class=per_class)
    assert isinstance(found, Score), found
    return found


def together(pairs: Iterable[MapPair], settings: Any) -> list[Any]:
    """What becomes of pairs that are finished together."""
    evaluator = evaluator_of(settings)
    return evaluator.finish([evaluator.begin(pair) for pair in pairs])


def on_device(pairs: Sequence[MapPair], settings: Any, device: str = "cpu", *, per_class: bool = False) -> list[Any]:
    """What becomes of a batch of tensors on a device, which torch's CPU may stand for."""
    return score_batch(list(pairs), evaluator_of(settings, per_class=per_class), device)


def in_batches(items: Iterable[MapPair | Failure], settings: Any, device: str = "cpu") -> list[Any]:
    """What becomes of decoded pairs and failures on a device, in order."""
    given = list(items)
    found = list(score_loaded(given, evaluator_of(settings), device))
    assert all(one is other for (one, _), other in zip(found, given, strict=True))
    return [outcome for _, outcome in found]


def torch_as_accelerator(monkeypatch: pytest.MonkeyPatch, device: str = "cpu:0") -> None:
    """From now on runs compute on a device that is no CPU to them: torch's CPU in the place of a GPU."""

    def pretended(*_: object, before_torch: Callable[[], None]) -> Device:
        before_torch()
        return Device(device, device)

    monkeypatch.setattr("kldeval.engine.computing.find_device", pretended)


def by_pixel(pair: MapPair, settings: Any) -> Any:
    """The outcome of the pixels themselves, whatever the map's type."""
    evaluator = evaluator_of(settings)
    found = evaluator.with_auxiliary_scores(pair)
    return evaluator.score_batch([found], pair.pred, pair.gt, pair.weights)[0]  # type: ignore[list-item]


def save_terms(folder: Path, pair: MapPair, settings: Any) -> None:
    """Write the terms of every metric as `--save-maps` does."""
    save_scored(folder, pair, Score(pair.name, {}), Plan.of(settings))


def quantities(settings: Mapping[str, Any], *, uncovered: Any = None) -> list[Any]:
    """What an audit asks of a pair, under every of these settings, and of mass that a prediction misses."""
    asked = [quantity_of(name, chosen) for name, chosen in settings.items()]
    return [*asked, *(uncovered_quantities(uncovered) if uncovered else ())]


def answers(pairs: Sequence[MapPair], asked: Sequence[Any]) -> list[dict[str, float | str]]:
    """What each quantity is for pairs of one size, all of them together."""
    evaluator = SharedEvaluator(asked)
    return evaluator.finish([evaluator.begin_sized(pair) for pair in pairs])


def wide(quantity: Any) -> Any:
    """The same quantity by pixels."""
    return replace(quantity, dependence="place")


def option_names(monkeypatch: pytest.MonkeyPatch, told: Callable[[str], object]) -> set[str]:
    """The options of a run; from now on `told` hears of each that is looked at."""
    run_options = resolve_name("kldeval.run_options:RunOptions")

    def noted(name: str) -> property:
        value = run_options.__dict__[name].__get__

        def read(options: object) -> Any:
            told(name)
            return value(options)

        return property(read)

    for name in run_options._fields:
        monkeypatch.setattr(run_options, name, noted(name))
    return set(run_options._fields)
