"""Losses: the numbers of the metrics, gradients that are right, and nothing that waits for a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import kldeval
from kldeval.errors import UnknownName, UsageProblem
from kldeval.torch import CombinedLoss, CrossEntropyLoss, KLDLoss

GENERATOR = torch.Generator().manual_seed(5)
PRED, GT = torch.rand((2, 3, 6, 7), generator=GENERATOR, dtype=torch.float64)
FIXATIONS = (GT > 0.7).to(torch.int64)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"convention": "mit-python"},
    {"convention": "sam"},
    {"convention": "msi-net"},
    {"convention": "unisal"},
    {"convention": "salfbnet"},
    {"convention": "row-softmax"},
    {"convention": "torch-batchmean"},
    {"convention": "keras"},
    {"convention": "pysaliency"},
    {"convention": "ram1n"},
    {"convention": "saliency360"},
    {"norm": "flatten-softmax", "log_eps": 1e-7},
    {"norm": "sum-to-one", "eps": 0},
    {"norm": "flatten-softmax", "gt_norm": "sum-to-one", "base": "2"},
    {"norm": "minmax+sum-to-one(axis=0)", "reduction": "mean", "empty_pred": "uniform", "empty_gt": "uniform"},
    {"norm": "log-sigmoid+clip(max=0.9)+sum-to-one", "eps": 1e-7},
]


def named(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords of the loss, whose `reduction` is over the batch, and of the function."""
    return {key: value for key, value in options.items() if key != "reduction"}, options


@pytest.mark.parametrize("options", [one for one in OPTIONS if "reduction" not in one])
def test_a_loss_is_the_metric(options: dict[str, Any]) -> None:
    expected = kldeval.kld(PRED, GT, **options)
    torch.testing.assert_close(KLDLoss(reduction="none", **options)(PRED, GT), expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(KLDLoss(**options)(PRED, GT), expected.mean(), rtol=1e-12, atol=1e-14)
    entropy = {key: value for key, value in options.items() if key != "log_eps"}
    found = CrossEntropyLoss(reduction="sum", **entropy)(PRED[:, None], GT[:, None])
    torch.testing.assert_close(found, kldeval.ce(PRED, GT, **entropy).sum(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"norm": "flatten-softmax"}, {"eps": 0}, {"ratio_eps": 1e-7}, {"log_eps": 1e-3}]
)
def test_gradients_are_those_of_the_metric(options: dict[str, Any], *, zeros: bool) -> None:
    gt = torch.where(GT < 0.3, 0.0, GT) if zeros else GT
    one, other = (PRED.clone().requires_grad_() for _ in range(2))
    KLDLoss(**options)(one, gt).backward()
    kldeval.kld(other, gt, **options).mean().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "loss", [KLDLoss(), KLDLoss(norm="flatten-softmax"), CombinedLoss({"kld": 1, "cc": -1, "sim": -1})]
)
def test_second_derivatives(loss: Any) -> None:
    pred = (PRED[:1, :3, :3] + 0.1).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, GT[:1, :3, :3]), (pred,))
    assert torch.autograd.gradgradcheck(lambda p: loss(p, GT[:1, :3, :3]), (pred,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_loss_keeps_the_dtype_and_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    pred, gt = (torch.rand((2, 300, 400), generator=GENERATOR).to(dtype) for _ in range(2))
    for loss in (KLDLoss(), KLDLoss(norm="flatten-softmax"), CombinedLoss({"kld": 1, "cc": -1})):
        found = loss(pred, gt)
        assert found.dtype == dtype
        exact = loss(pred.double(), gt.double())
        tolerance = {torch.float64: 1e-12, torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
        assert float(found) == pytest.approx(
            float(exact), rel=tolerance, abs=1e-5 if dtype == torch.float32 else tolerance
        )


def test_combined_losses_are_sums_of_the_metrics() -> None:
    weights = {"kld": 1, "cc": -1, "nss": -0.1, "sim": -0.5, "mse": 2, "mae": 3}
    found = CombinedLoss(weights, convention="mit-python")(PRED, GT, FIXATIONS)
    parts = {
        "kld": kldeval.kld(PRED, GT, convention="mit-python"),
        "cc": kldeval.cc(PRED, GT),
        "nss": kldeval.nss(PRED, FIXATIONS),
        "sim": kldeval.sim(PRED, GT),
        "mse": kldeval.mse(PRED, GT),
        "mae": kldeval.mae(PRED, GT),
    }
    expected = sum(weight * parts[name].mean() for name, weight in weights.items())
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=1e-12, atol=1e-14)


def test_constant_maps_have_finite_gradients() -> None:
    pred = torch.ones((1, 4, 4), dtype=torch.float64, requires_grad=True)
    CombinedLoss({"cc": -1, "nss": -1})(pred, GT[:1, :4, :4], FIXATIONS[:1, :4, :4] + 1).backward()
    assert pred.grad is not None
    assert bool(torch.isfinite(pred.grad).all())


@pytest.mark.parametrize("loss", [KLDLoss(), KLDLoss(norm="flatten-softmax"), CombinedLoss({"kld": 1, "cc": -1})])
def test_a_loss_compiles_without_a_break_and_maps_over_a_batch(loss: Any) -> None:
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(PRED, GT), loss(PRED, GT))
    mapped = torch.vmap(loss)(PRED[:, None], GT[:, None])
    torch.testing.assert_close(mapped.mean(), loss(PRED, GT))


def test_the_loss_of_an_autocast_region() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = torch.nn.Linear(7, 7)(PRED.float())
        loss = KLDLoss(norm="flatten-softmax")(scores, GT.float())
    assert bool(torch.isfinite(loss))


def test_what_a_loss_does_not_know_is_refused() -> None:
    with pytest.raises(UsageProblem, match=r"losses know the steps .* use kldeval\.kld"):
        KLDLoss(norm="blur(sigma=2)+sum-to-one")
    with pytest.raises(UsageProblem, match="mean, sum or none"):
        KLDLoss(reduction="batch")
    with pytest.raises(UsageProblem, match="there is no such loss"):
        CombinedLoss({"kl": 1})
    with pytest.raises(UnknownName, match="unknown option"):
        KLDLoss(nrom="softmax")
    with pytest.raises(kldeval_refusal(), match="all zero"):
        KLDLoss(validate=True)(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))


def kldeval_refusal() -> type[Exception]:
    from kldeval.errors import RefusedMap

    return RefusedMap


def test_a_module_shows_its_signature_and_pickles() -> None:
    loss = KLDLoss(norm="flatten-softmax")
    assert "pred:flatten-softmax" in repr(loss)
    assert np.isclose(float(loss(PRED, GT)), float(kldeval.kld(PRED, GT, norm="flatten-softmax").mean()))
