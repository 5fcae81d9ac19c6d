"""Random class maps with labels, soft labels and settings, and what torch makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from late import late

functional = late("torch.nn.functional")
torch = late("torch")

VOID = 255


@dataclass(frozen=True)
class Case:
    """Random logits with labels of both kinds, and settings."""

    logits: np.ndarray
    axis: int
    labels: np.ndarray
    soft: np.ndarray
    weights: list[float] | None
    smoothing: float
    void: int | None

    @property
    def settings(self) -> dict[str, Any]:
        return {"axis": self.axis, "class_weights": self.weights, "label_smoothing": self.smoothing}

    def class_first(self, array: np.ndarray) -> Any:
        """A batch of one with the class axis where torch wants it."""
        return torch.movedim(torch.tensor(array), self.axis, 0)[None]

    def torch_settings(self, reduction: str) -> dict[str, Any]:
        weight = None if self.weights is None else torch.tensor(self.weights, dtype=torch.float64)
        return {"weight": weight, "label_smoothing": self.smoothing, "reduction": reduction}

    def torch_loss(self, logits: np.ndarray | Any, reduction: str) -> Any:
        ignored: dict[str, Any] = {} if self.void is None else {"ignore_index": self.void}
        scores = logits if isinstance(logits, torch.Tensor) else self.class_first(logits)
        return functional.cross_entropy(
            scores, torch.tensor(self.labels)[None], **self.torch_settings(reduction), **ignored
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    positions = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    n_classes, axis = draw(st.integers(1, 5)), draw(st.integers(-len(positions) - 1, len(positions)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = list(positions)
    shape.insert(axis % (len(positions) + 1), n_classes)
    labels = rng.integers(0, n_classes, positions)
    void = draw(st.sampled_from([None, VOID, -1]))
    if void is not None:
        labels[rng.random(positions) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = void
    return Case(
        logits=rng.normal(size=shape, scale=draw(st.sampled_from([1.0, 100.0]))),
        axis=axis,
        labels=labels,
        soft=rng.random(shape) * (rng.random(shape) < 0.7),
        weights=draw(st.sampled_from([None, rng.random(n_classes).tolist()])),
        smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])),
        void=void,
    )
