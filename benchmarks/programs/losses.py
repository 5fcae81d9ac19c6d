"""`losses.py NAME STEPS`: forward and backward of a loss on 8 maps of 240 x 320 in float32, or of the torch by hand.

NAME is mit or softmax (the losses), function-mit or function-softmax (`kldeval.kld`, which looks at values), and
by-hand-mit or by-hand-softmax. One thread, so that the figure is that of the work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

import kldeval
from kldeval.torch import KLDLoss

if TYPE_CHECKING:
    from collections.abc import Callable

EPS = 2.2204e-16


def mit_by_hand(pred: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
    """The loss of the ports of KLdiv.m."""
    p, q = pred / pred.sum((-2, -1), keepdim=True), gt / gt.sum((-2, -1), keepdim=True)
    return (q * torch.log(EPS + q / (p + EPS))).sum((-2, -1)).mean()


def softmax_by_hand(pred: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
    """KLDivLoss of the softmax of whole maps."""
    p, q = (functional.log_softmax(side.flatten(-2), -1) for side in (pred, gt))
    return functional.kl_div(p, q, reduction="batchmean", log_target=True)


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mit": KLDLoss(convention="mit-python"),
    "function-mit": lambda pred, gt: kldeval.kld(pred, gt, convention="mit-python").mean(),
    "function-softmax": lambda pred, gt: kldeval.kld(pred, gt, norm="flatten-softmax").mean(),
    "by-hand-mit": mit_by_hand,
    "softmax": KLDLoss(norm="flatten-softmax"),
    "by-hand-softmax": softmax_by_hand,
}


def main(name: str, steps: int) -> None:
    """Take the steps."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    maps, gt = torch.rand((2, 8, 240, 320), generator=generator)
    pred = maps.requires_grad_()
    for _ in range(steps):
        pred.grad = None
        LOSSES[name](pred, gt).backward()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
