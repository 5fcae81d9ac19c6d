"""Batches on an accelerator: others decode ahead, and maps of one kind are scored together by torch.

8-bit maps travel as 8 bits. While a batch is measured, the next one is put together in page-locked memory and copied
on a stream of its own; the numbers of a batch come back in one transfer, the only time that it is waited for.
"""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from kldeval.arrays import torch
from kldeval.dataclass import dataclass
from kldeval.engine.worker import guarded, saved
from kldeval.errors import KldevalError, MapProblem
from kldeval.normalization.steps import STEPS
from kldeval.records import Failure, MapPair, Outcome
from kldeval.scoring.views import asks_for_place, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kldeval.engine.worker import Answer
    from kldeval.grammar import Call
    from kldeval.run_options import RunOptions
    from kldeval.scoring.evaluator import Evaluator
    from kldeval.settings.settings import Settings


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stack:
    """Pairs side by side on a device: maps (N, H, W), the weights of their pixels (none: all 1), and the copy's end."""

    pred: Any
    gt: Any
    weights: Any = None
    copied: Any = None

    def cut(self, places: slice, shapes: Sequence[tuple[int, int]]) -> Stack:
        """Some of the pairs, at the size that is common to their `shapes`."""
        height, width = _common(shapes)
        part = places, slice(height), slice(width)
        return Stack(self.pred[part], self.gt[part], None if self.weights is None else self.weights[part], self.copied)


def _nothing() -> None:
    pass


def score_on_device(
    decoded: Iterable[Answer],
    evaluator: Evaluator,
    request: RunOptions,
    device: str,
    stop: Callable[[], None] = _nothing,
) -> Iterator[Answer]:
    """The outcome of every decoded pair, in order, computed by torch on `device`.

    `stop` ends the decoding, whichever thread waits for it.
    """
    answers: deque[Answer] = deque()

    def noted() -> Iterator[MapPair | Failure]:
        for answer in decoded:
            answers.append(answer)
            yield answer.outcome

    for maps, outcome in score_loaded(noted(), evaluator, device, batch_bytes=request.batch_bytes, stop=stop):
        answer = answers.popleft()
        yield answer._replace(outcome=outcome)
        if request.save_maps:
            failure = saved(request.save_maps / answer.model, maps, outcome, evaluator.plan)
            if failure:
                yield answer._replace(outcome=failure)


def score_loaded(
    loaded: Iterable[MapPair | Failure],
    evaluator: Evaluator,
    device: str,
    *,
    batch_bytes: int | None = None,
    stop: Callable[[], None] = _nothing,
) -> Iterator[tuple[MapPair, Outcome]]:
    """The outcome of every decoded pair beside the pair, in order; failures stay what they are."""
    grouped = batches(loaded, batch_bytes or BATCH_BYTES, ragged=may_be_ragged(evaluator.plan.settings))
    for batch, stack in _one_ahead(_with_stacks(grouped, evaluator, device), stop):
        failed = not isinstance(batch[0], MapPair)
        outcomes = batch if failed else score_batch(batch, evaluator, device, stack=stack)
        yield from zip(batch, outcomes, strict=True)


def score_batch(
    batch: list[MapPair], evaluator: Evaluator, device: str, *, stack: Stack | None = None
) -> list[Outcome]:
    """The outcomes of pairs of one kind, at once or, where the device's memory does not suffice, in halves.

    `stack` holds them where they are on the device already.
    """
    try:
        return _score_at_once(batch, evaluator, device, stack=stack)
    except torch().cuda.OutOfMemoryError:
        if len(batch) == 1:
            return [_too_large(batch[0], evaluator.plan.settings.dtype, device)]
    except Exception as error:
        if isinstance(error, KldevalError) and not isinstance(error, MapProblem):
            raise
        if len(batch) == 1:
            return [guarded(partial(_raise, error), batch[0].name, stage="score")]
    # only here, where the error no longer holds the tensors of all the frames that it went through
    torch().cuda.empty_cache()
    outcomes: list[Outcome] = []
    for places in (slice(0, len(batch) // 2), slice(len(batch) // 2, len(batch))):
        half = batch[places]
        part = stack and stack.cut(places, [pair.pred.shape for pair in half])
        outcomes += score_batch(half, evaluator, device, stack=part)
    return outcomes


def stack_pairs(batch: Sequence[MapPair], device: str, stream: Any = None) -> Stack:
    """Pairs of one kind on the device; the copying is left to `stream`, where there is one."""
    shapes = [pair.pred.shape for pair in batch]
    with torch().cuda.stream(stream) if stream else nullcontext():
        pred = _to_device([pair.pred for pair in batch], device)
        gt = _to_device([pair.gt for pair in batch], device)
        weights = None
        if batch[0].weights is not None:
            weights = _to_device(_weights_of(batch), device)
        elif len(set(shapes)) > 1:
            weights = _inside(shapes, device)
    return Stack(pred, gt, weights, stream and stream.record_event())


def on_device(pair: MapPair, device: str) -> MapPair:
    """The pair with its maps as tensors on `device`."""
    pred, gt = (_to_device([array], device)[0] for array in (pair.pred, pair.gt))
    return replace(pair, pred=pred, gt=gt)


def _raise(error: Exception) -> NoReturn:
    raise error


def _one_ahead(items: Iterator[T], stop: Callable[[], None] = _nothing) -> Iterator[T]:
    """The items, each made by another thread while the one before it is worked on.

    The thread is waited for at the end; where that comes early, `stop` keeps it from making an item to the end.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        coming, is_done = pool.submit(next, items, None), False
        try:
            while (item := coming.result()) is not None:
                coming = pool.submit(next, items, None)
                yield item
            is_done = True
        finally:
            if not is_done:
                stop()


def _with_stacks(grouped: Iterable[list[Any]], evaluator: Evaluator, device: str) -> Iterator[tuple[list[Any], Any]]:
    """Every batch with its stack, or with none: for failures, for maps of classes, and where no memory is left.

    The memory may be that of the batch before it, so what to do without is decided after that one.
    """
    stream = torch().cuda.Stream(device=device) if device.startswith("cuda") else None
    for batch in grouped:
        stack = None
        if isinstance(batch[0], MapPair) and _is_stackable(batch[0], evaluator):
            try:
                stack = stack_pairs(batch, device, stream)
            except Exception:  # noqa: BLE001 - the batch is stacked again when it is scored, where it has a place to fail
                stack = None
        yield batch, stack


def _is_stackable(pair: MapPair, evaluator: Evaluator) -> bool:
    """Whether a pair may be batched: class maps, each large, may not, nor may a pair without a metric of densities."""
    return is_plain(pair) and bool(evaluator.plan.quantities) and not _is_misplaced(pair, evaluator)


def _is_misplaced(pair: MapPair, evaluator: Evaluator) -> bool:
    """Whether something asks where the pixels of a volume stand, and is refused before it is computed."""
    return bool(pair.volume) and any(map(asks_for_place, evaluator.plan.asked))


def _score_at_once(batch: list[MapPair], evaluator: Evaluator, device: str, *, stack: Stack | None) -> list[Outcome]:
    if not _is_stackable(batch[0], evaluator):
        if _is_misplaced(batch[0], evaluator):
            return [evaluator.score(pair) for pair in batch]
        if is_plain(batch[0]) and not evaluator.plan.is_labels:
            return [evaluator.score_without_maps(pair) for pair in batch]
        return [evaluator.score(on_device(pair, device)) for pair in batch]
    stack = stack or stack_pairs(batch, device)
    if stack.copied:
        _wait_for(stack, device)
    return evaluator.score_batch(batch, stack.pred, stack.gt, stack.weights)


def _wait_for(stack: Stack, device: str) -> None:
    """Make the device, not the processor, wait for the copies; and keep their memory until they have been measured."""
    current = torch().cuda.current_stream(device)
    current.wait_event(stack.copied)
    for array in (stack.pred, stack.gt, stack.weights):
        if array is not None:
            array.record_stream(current)


def _too_large(pair: MapPair, dtype: str, device: str) -> Failure:
    """Why a pair has no number: its files' bytes and both maps as floats are the least that it needs."""
    float_bytes = {"float32": 4, "float64": 8}[dtype]
    needed = pair.pred.nbytes + pair.gt.nbytes + float_bytes * (pair.pred.size + pair.gt.size)
    shape = " x ".join(map(str, pair.pred.shape))
    way_out = "--device cpu or --dtype float32" if dtype == "float64" else "--device cpu"
    msg = f"a pair of {shape} needs at least {needed / 1e6:.1f} MB on {device}, which has no more; use {way_out}"
    return Failure(pair.name, "score", msg, "no-memory")


def _to_device(maps: Sequence[Any], device: str) -> Any:
    """Maps as one tensor; each stands in the corner of a map of the size that is common to them."""
    import numpy as np

    package = torch()
    dtype = package.from_numpy(np.empty(0, _known_to_torch(maps[0].dtype))).dtype
    shapes = [array.shape for array in maps]
    make = package.empty if len(set(shapes)) == 1 else package.zeros
    stacked = make((len(maps), *_common(shapes)), dtype=dtype, pin_memory=device.startswith("cuda"))
    for row, array in zip(stacked.numpy(), maps, strict=True):
        row[tuple(map(slice, array.shape))] = array
    return stacked.to(device, non_blocking=True)


def _common(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(max, zip(*shapes, strict=True)))


def _inside(shapes: Sequence[tuple[int, int]], device: str) -> Any:
    """True at the pixels of every map, false at those around it."""
    package = torch()
    height, width = _common(shapes)
    own = package.tensor(shapes, device=device)[:, :, None, None]
    down, across = package.arange(height, device=device)[:, None], package.arange(width, device=device)
    return (down < own[:, 0]) & (across < own[:, 1])


def _weights_of(batch: Sequence[MapPair]) -> list[Any]:
    """The weights of the pairs of a batch: of booleans, of a byte each, where all of them are masks."""
    weights: list[Any] = [pair.weights for pair in batch]
    masks = [one > 0 for one in weights]
    are_masks = all(bool((mask == one).all()) for mask, one in zip(masks, weights, strict=True))
    return masks if are_masks else weights


def _known_to_torch(dtype: Any) -> Any:
    """A type that torch has, of this machine's byte order, and whose floats are those that numpy would compute with."""
    # torch has no arithmetic on wide unsigned integers; every uint16 and uint32 is exact in the next signed type
    widened = {"uint16": "int32", "uint32": "int64", "float128": "float64", "longdouble": "float64"}
    return widened.get(dtype.name, dtype.newbyteorder("="))


BATCH_BYTES = 1 << 28
"""Bytes of decoded maps in a batch, by default."""

MOST_PADDING = 1.5
"""Pixels of a padded batch per pixel of its maps, at most: the others are computed in vain."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What pairs take side by side: their number, the size common to all, and the pixels that they have themselves."""

    count: int
    height: int
    width: int
    pixels: int

    def __add__(self, other: Extent) -> Extent:
        """What the pairs of both take."""
        return Extent(
            self.count + other.count,
            max(self.height, other.height),
            max(self.width, other.width),
            self.pixels + other.pixels,
        )

    @property
    def padded(self) -> int:
        """The pixels of all maps at the common size."""
        return self.count * self.height * self.width


def batches(
    loaded: Iterable[MapPair | Failure], batch_bytes: int, *, ragged: bool = False
) -> Iterator[list[MapPair | Failure]]:
    """Neighbours of one kind, at most `batch_bytes` together (and at least one); failures apart.

    They have one shape, or, if the batches may be `ragged`, shapes that padding makes one at little cost.
    """
    for _, alike in groupby(loaded, key=partial(_kind, ragged=ragged)):
        batch: list[MapPair | Failure] = []
        taken = Extent(0, 0, 0, 0)
        for item in alike:
            together = taken + _extent(item)
            if batch and not _is_good(together, _pixel_bytes(item), batch_bytes):
                yield batch
                batch, together = [], _extent(item)
            batch.append(item)
            taken = together
        yield batch


def may_be_ragged(settings: Settings) -> bool:
    """Whether pixels of weight 0 around a map leave its numbers as they are.

    Steps that look at a pixel's place (blur, latitude) would see another map, and `batchmean` divides metrics of
    pixels by one height for the whole batch. A row of nothing but padding would be an empty one to `sum-to-one` within
    rows.
    """
    calls = (*settings.pred, *settings.gt)
    return not settings.is_labels and settings.reduction != "batchmean" and not any(map(_sees_padding, calls))


def _sees_padding(call: Call) -> bool:
    step = STEPS[call.name]
    if not step.info.final:
        return bool(step.info.spatial)
    return call.name == "sum-to-one" and call.keywords.get("axis") is not None


def _is_good(together: Extent, pixel_bytes: float, batch_bytes: int) -> bool:
    return together.padded * pixel_bytes <= batch_bytes and together.padded <= MOST_PADDING * together.pixels


def _kind(item: MapPair | Failure, *, ragged: bool) -> Any:
    if not isinstance(item, MapPair):
        return None
    kinds = [None if array is None else str(array.dtype) for array in (item.pred, item.gt, item.weights)]
    shape = None if ragged and is_plain(item) else (item.shape, item.pred.shape)
    return shape, *kinds, item.pred_scale, item.gt_scale, item.masks


def _extent(item: MapPair | Failure) -> Extent:
    """The extent of a pair; the classes of class maps stand beside each other, and a failure takes nothing."""
    if not isinstance(item, MapPair):
        return Extent(1, 0, 0, 0)
    height, width = item.pred.shape if is_plain(item) else (1, item.pred.size)
    return Extent(1, height, width, height * width)


def _pixel_bytes(item: MapPair | Failure) -> float:
    if not isinstance(item, MapPair):
        return 0
    return float((item.pred.nbytes + item.gt.nbytes) / max(1, item.pred.size))
