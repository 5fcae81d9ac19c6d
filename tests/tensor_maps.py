"""Maps as tensors: batches, their fixations, and whatever else may be given. Tests import this late, as torch."""

from __future__ import annotations

import torch

GENERATOR = torch.Generator().manual_seed(5)
PRED, GT = torch.rand((2, 3, 6, 7), generator=GENERATOR, dtype=torch.float64)
FIXATIONS = (GT > 0.7).to(torch.int64)

AWKWARD = {
    "zeros": torch.where(GT < 0.3, 0.0, GT),
    "all zero": torch.zeros_like(GT),
    "negative": GT - 0.5,
    "tiny": GT * 1e-300,
    "huge": GT * 1e300,
    "wide": (GT - 0.5) * 1e6,
    "nan": torch.where(GT < 0.1, torch.nan, GT),
    "infinite": torch.where(GT < 0.1, torch.inf, GT),
    "lost": torch.where(GT < 0.1, -torch.inf, GT),
    "constant": torch.ones_like(GT),
    "counts": (GT * 9).to(torch.int64),
    "image": (GT * 255).to(torch.uint8),
    "one map": GT[:1],
}

SINGLE_PRED, SINGLE_GT = torch.rand((2, 9, 1, 7, 8), generator=torch.Generator().manual_seed(3))
SINGLE_FIXATIONS = (SINGLE_GT > 0.8).to(torch.uint8)
