"""Pairs of maps for the tests of batches: good ones, and all that can be refused."""

from __future__ import annotations

import inspect
import math
from contextlib import nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any

import evaluating
import numpy as np
import pytest
from late import late

from kldeval.records import Score

if TYPE_CHECKING:
    from collections.abc import Callable

    from kldeval.records import MapPair

torch = late("torch")

RNG = np.random.default_rng(17)
METRICS = "kld,kld(),kld-reverse,ce,jsd,entropy-gt"


def every_device(law: Callable[..., None]) -> Callable[..., None]:
    """The law with `device` torch's CPU, and then a CUDA device where there is one, as one test.

    What it patches for one device is as before for the next.
    """

    @wraps(law)
    def looped(*given: Any, **fixtures: Any) -> None:
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            try:
                with fixtures["monkeypatch"].context() if "monkeypatch" in fixtures else nullcontext() as patch:
                    law(*given, **fixtures | ({"monkeypatch": patch} if patch else {}), device=device)
            except Exception as error:
                error.add_note(f"on the device {device}")
                raise

    signature = inspect.signature(law)
    left = [one for name, one in signature.parameters.items() if name != "device"]
    looped.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    return looped


SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "flat": {"norm": "flatten-softmax"},
    "rows": {"norm": "softmax", "eps": "1e-7"},
    "columns": {"norm": "sum-to-one", "axis": "0", "empty_gt": "uniform", "empty_pred": "keep"},
    "steps": {"norm": "minmax+blur(sigma=1.5)+latitude+sum-to-one", "empty_pred": "uniform"},
    "raw mean bits": {"scale": "raw", "reduction": "mean", "base": "2"},
    "empty as zero": {"empty_gt": "zero", "empty_pred": "nan"},
    "empty skipped": {"empty_gt": "skip", "reduction": "batchmean"},
    "single": {"dtype": "float32", "norm": "flatten-softmax"},
}


def pair_of(name: str, pred: Any, gt: Any, **kept: Any) -> MapPair:
    return evaluating.pair_of(pred, gt, name=name, **kept)


def numbers(dtype: str, shape: tuple[int, int]) -> Any:
    """A map of some zeros and of values on the scale of its type."""
    full = {"uint8": 255, "uint16": 65535, "int32": 10**6, "uint32": 2**32 - 1}.get(dtype, 1)
    values = RNG.random(shape) * full
    values[RNG.random(shape) < 0.2] = 0
    values[0, 0] = full
    return values.astype(dtype)


def batch_of(dtype: str, shape: tuple[int, int] = (6, 7)) -> list[MapPair]:
    """Good maps, identical ones, and all that can be refused."""
    good = [numbers(dtype, shape) for _ in range(6)]
    empty = np.zeros_like(good[0])
    pairs = [
        pair_of("good", good[0], good[1]),
        pair_of("empty gt", good[2], empty),
        pair_of("same", good[3], good[3]),
        pair_of("empty pred", empty, good[4]),
        pair_of("empty both", empty, empty),
        pair_of("good too", good[4], good[5], remarks=("lossy-gt",)),
    ]
    if np.dtype(dtype).kind == "f":
        for value in (math.nan, math.inf, -math.inf, -0.5):
            broken = good[0].copy()
            broken[2, 3] = value
            pairs += [pair_of(f"pred {value}", broken, good[1]), pair_of(f"gt {value}", good[1], broken)]
    return pairs


def assert_same(batch: list[Any], single: list[Any], tolerance: float = 1e-9) -> None:
    assert [type(one) for one in batch] == [type(one) for one in single]
    for one, other in zip(batch, single, strict=True):
        if not isinstance(other, Score):
            assert one == other
            continue
        assert isinstance(one, Score)
        assert (one.name, one.remarks, one.n_uncovered) == (other.name, other.remarks, other.n_uncovered)
        assert one.values == pytest.approx(other.values, rel=tolerance, abs=tolerance / 1000, nan_ok=True)
        assert one.uncovered_mass == pytest.approx(other.uncovered_mass, rel=tolerance, nan_ok=True)
