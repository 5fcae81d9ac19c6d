"""Batches on an accelerator: threads decode ahead, maps of one shape and kind are scored together by torch.

8-bit maps travel as 8 bits. A batch is moved and measured asynchronously; its numbers come back in one transfer.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from kldeval.arrays import torch
from kldeval.engine.class_maps import is_plain
from kldeval.engine.context import ALONE
from kldeval.engine.cpu import in_order
from kldeval.engine.pixelwise import save_scored
from kldeval.engine.run import read_with_company
from kldeval.engine.scoring import Outcome, outcome_of_stored, score, score_arrays
from kldeval.records import Failure, MapPair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from kldeval.engine.context import Context
    from kldeval.inputs.load import Reading
    from kldeval.records import Pair
    from kldeval.settings import Settings

BATCH_BYTES = 1 << 28
"""Bytes of decoded maps in a batch, by default."""


def score_in_batches(
    pairs: Iterable[Pair],
    settings: Settings,
    reading: Reading,
    device: str,
    jobs: int,
    *,
    save: Path | None = None,
    per_class: bool = False,
    context: Context = ALONE,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[Outcome]:
    """The outcome of every pair, in order, computed by torch on `device`."""
    loaded = in_order(partial(read_with_company, settings=settings, reading=reading, context=context), pairs, jobs)
    for maps, outcome in score_loaded(loaded, settings, device, per_class=per_class, batch_bytes=batch_bytes):
        save_scored(save, maps, outcome, settings)
        yield outcome


def score_loaded(
    loaded: Iterable[MapPair | Failure],
    settings: Settings,
    device: str,
    *,
    per_class: bool = False,
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[tuple[MapPair, Outcome]]:
    """The outcome of every decoded pair beside the pair, in order; failures stay what they are."""
    for batch in batches(loaded, batch_bytes):
        failed = isinstance(batch[0], Failure)
        outcomes = batch if failed else score_batch(batch, settings, device, per_class=per_class)  # type: ignore[arg-type]
        yield from zip(batch, outcomes, strict=True)


def batches(loaded: Iterable[MapPair | Failure], batch_bytes: int) -> Iterator[list[MapPair | Failure]]:
    """Neighbours of one shape and kind, at most `batch_bytes` together (and at least one); failures apart."""
    for _, alike in groupby(loaded, key=_kind):
        batch: list[MapPair | Failure] = []
        size = 0
        for item in alike:
            bytes_of = 0 if isinstance(item, Failure) else item.pred.nbytes + item.gt.nbytes
            if batch and size + bytes_of > batch_bytes:
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += bytes_of
        yield batch


def score_batch(batch: list[MapPair], settings: Settings, device: str, *, per_class: bool = False) -> list[Outcome]:
    """The outcomes of pairs of one shape and kind; class maps, each large, are scored one by one."""
    if settings.is_labels or not is_plain(batch[0]):
        return [score(on_device(pair, device), settings, per_class=per_class) for pair in batch]
    if not settings.on("density", "pixels"):
        return [outcome_of_stored(pair, settings) for pair in batch]
    pred = _to_device([pair.pred for pair in batch], device)
    gt = _to_device([pair.gt for pair in batch], device)
    weights = None if batch[0].weights is None else _to_device([pair.weights for pair in batch], device)
    return score_arrays(batch, pred, gt, weights, settings)


def on_device(pair: MapPair, device: str) -> MapPair:
    """The pair with its maps as tensors on `device`."""
    pred, gt = (_to_device([array], device)[0] for array in (pair.pred, pair.gt))
    return replace(pair, pred=pred, gt=gt)


def _kind(item: MapPair | Failure) -> Any:
    if isinstance(item, Failure):
        return None
    kinds = [None if array is None else str(array.dtype) for array in (item.pred, item.gt, item.weights)]
    return item.shape, *kinds, item.pred_scale, item.gt_scale


def _to_device(maps: list[Any], device: str) -> Any:
    import numpy as np

    package = torch()
    stacked = package.from_numpy(np.stack(maps).astype(_known_to_torch(maps[0].dtype), copy=False))
    if device.startswith("cuda"):
        stacked = stacked.pin_memory()
    return stacked.to(device, non_blocking=True)


def _known_to_torch(dtype: Any) -> Any:
    """A type that torch has, of this machine's byte order, and whose floats are those that numpy would compute with."""
    # torch has no arithmetic on wide unsigned integers; every uint16 and uint32 is exact in the next signed type
    widened = {"uint16": "int32", "uint32": "int64", "float128": "float64", "longdouble": "float64"}
    return widened.get(dtype.name, dtype.newbyteorder("="))
