"""Losses: the numbers of the metrics, gradients that are right, and nothing that waits for a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from late import late
from looping import each_of

import kldeval
from kldeval.errors import UnknownName, UsageProblem

cases = late("tensor_maps")
losses = late("kldeval.torch")
torch = late("torch")

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
SOFTMAX: dict[str, Any] = {"norm": "flatten-softmax"}
WEIGHTS: dict[str, float] = {"kld": 1, "cc": -1}


def named(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords of the loss, whose `reduction` is over the batch, and of the function."""
    return {key: value for key, value in options.items() if key != "reduction"}, options


@each_of("options", [one for one in OPTIONS if "reduction" not in one])
def test_a_loss_is_the_metric(options: dict[str, Any]) -> None:
    expected = kldeval.kld(cases.PRED, cases.GT, **options)
    torch.testing.assert_close(
        losses.KLDLoss(reduction="none", **options)(cases.PRED, cases.GT), expected, rtol=1e-12, atol=1e-14
    )
    torch.testing.assert_close(losses.KLDLoss(**options)(cases.PRED, cases.GT), expected.mean(), rtol=1e-12, atol=1e-14)
    entropy = {key: value for key, value in options.items() if key != "log_eps"}
    found = losses.CrossEntropyLoss(reduction="sum", **entropy)(cases.PRED[:, None], cases.GT[:, None])
    torch.testing.assert_close(found, kldeval.ce(cases.PRED, cases.GT, **entropy).sum(), rtol=1e-12, atol=1e-14)


def answer(function: Any, *arrays: Any, **options: Any) -> tuple[Any, str]:
    """A number for every map, or the words of the refusal."""
    try:
        return np.asarray(function(*arrays, **options), dtype=np.float64), ""
    except kldeval_refusal() as refusal:
        return np.zeros(()), str(refusal)


@each_of("metric", ["kld", "ce"])
@each_of(
    "options",
    [
        *({"norm": norm} for norm in ("sum-to-one", "flatten-softmax", "softmax", "sum-to-one(axis=0)")),
        *({"norm": norm, "eps": 0} for norm in ("sum-to-one", "flatten-softmax")),
        {"norm": "sum-to-one", "gt_norm": "softmax(axis=0)", "reduction": "batchmean", "base": "2"},
        {"norm": "flatten-softmax", "empty_gt": "nan", "eps": 1e-7},
    ],
)
def test_maps_that_are_not_plain_have_the_number_or_the_refusal_of_numpys(metric: str, options: dict[str, Any]) -> None:
    """A tensor of plain maps is scored as a loss is; whatever else it holds is looked at as in any array."""
    function = getattr(kldeval, metric)
    for name, awkward in cases.AWKWARD.items():
        for sides in ((awkward, cases.GT), (cases.PRED, awkward)):
            found, expected = answer(function, *sides, **options), answer(function, *map(np.asarray, sides), **options)
            assert found[1] == expected[1], name
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-14, err_msg=name)


def test_a_map_that_cannot_be_looked_at_is_no_map_that_is_sound() -> None:
    with pytest.raises(UsageProblem, match=r"which torch\.vmap does not allow: KLDLoss and CrossEntropyLoss"):
        torch.vmap(kldeval.kld)(cases.PRED, cases.GT)
    mapped = torch.vmap(losses.KLDLoss(reduction="none"))(cases.PRED, cases.GT)
    torch.testing.assert_close(mapped, kldeval.kld(cases.PRED, cases.GT))


@each_of("zeros", [False, True])
@each_of("options", [{}, {"norm": "flatten-softmax"}, {"eps": 0}, {"ratio_eps": 1e-7}, {"log_eps": 1e-3}])
def test_gradients_are_those_of_the_metric(options: dict[str, Any], *, zeros: bool) -> None:
    gt = torch.where(cases.GT < 0.3, 0.0, cases.GT) if zeros else cases.GT
    one, other = (cases.PRED.clone().requires_grad_() for _ in range(2))
    losses.KLDLoss(**options)(one, gt).backward()
    kldeval.kld(other, gt, **options).mean().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"), [("KLDLoss", {}), ("KLDLoss", SOFTMAX), ("CombinedLoss", {"weights": WEIGHTS | {"sim": -1}})]
)
def test_second_derivatives(name: str, options: dict[str, Any]) -> None:
    loss = getattr(losses, name)(**options)
    pred = (cases.PRED[:1, :3, :3] + 0.1).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, cases.GT[:1, :3, :3]), (pred,))
    assert torch.autograd.gradgradcheck(lambda p: loss(p, cases.GT[:1, :3, :3]), (pred,))


@each_of(("kind", "tolerance"), [("float64", 1e-12), ("float32", 1e-4), ("float16", 2e-3), ("bfloat16", 2e-2)])
def test_a_loss_keeps_the_dtype_and_half_precision_is_summed_in_float32(kind: str, tolerance: float) -> None:
    dtype = getattr(torch, kind)
    pred, gt = (torch.rand((2, 300, 400), generator=cases.GENERATOR).to(dtype) for _ in range(2))
    for loss in (losses.KLDLoss(), losses.KLDLoss(norm="flatten-softmax"), losses.CombinedLoss({"kld": 1, "cc": -1})):
        found = loss(pred, gt)
        assert found.dtype == dtype
        exact = loss(pred.double(), gt.double())
        assert float(found) == pytest.approx(float(exact), rel=tolerance, abs=1e-5 if kind == "float32" else tolerance)


def test_combined_losses_are_sums_of_the_metrics() -> None:
    weights = {"kld": 1, "cc": -1, "nss": -0.1, "sim": -0.5, "mse": 2, "mae": 3}
    found = losses.CombinedLoss(weights, convention="mit-python")(cases.PRED, cases.GT, cases.FIXATIONS)
    parts = {
        "kld": kldeval.kld(cases.PRED, cases.GT, convention="mit-python"),
        "cc": kldeval.cc(cases.PRED, cases.GT),
        "nss": kldeval.nss(cases.PRED, cases.FIXATIONS),
        "sim": kldeval.sim(cases.PRED, cases.GT),
        "mse": kldeval.mse(cases.PRED, cases.GT),
        "mae": kldeval.mae(cases.PRED, cases.GT),
    }
    expected = sum(weight * parts[name].mean() for name, weight in weights.items())
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=1e-12, atol=1e-14)


def test_constant_maps_have_finite_gradients() -> None:
    pred = torch.ones((1, 4, 4), dtype=torch.float64, requires_grad=True)
    losses.CombinedLoss({"cc": -1, "nss": -1})(pred, cases.GT[:1, :4, :4], cases.FIXATIONS[:1, :4, :4] + 1).backward()
    assert pred.grad is not None
    assert bool(torch.isfinite(pred.grad).all())


@pytest.mark.parametrize(
    ("name", "options"), [("KLDLoss", {}), ("KLDLoss", SOFTMAX), ("CombinedLoss", {"weights": WEIGHTS})]
)
def test_a_loss_compiles_without_a_break_and_maps_over_a_batch(name: str, options: dict[str, Any]) -> None:
    loss = getattr(losses, name)(**options)
    compiled = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(cases.PRED, cases.GT), loss(cases.PRED, cases.GT))
    mapped = torch.vmap(loss)(cases.PRED[:, None], cases.GT[:, None])
    torch.testing.assert_close(mapped.mean(), loss(cases.PRED, cases.GT))


def test_the_loss_of_an_autocast_region() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = torch.nn.Linear(7, 7)(cases.PRED.float())
        loss = losses.KLDLoss(norm="flatten-softmax")(scores, cases.GT.float())
    assert bool(torch.isfinite(loss))


@each_of(
    ("pred", "gt"),
    [((3, 4, 5), (3, 1, 4, 5)), ((3, 1, 4, 5), (3, 4, 5)), ((3, 4, 5), (2, 4, 5)), ((3, 4, 5), (3, 4, 1))],
)
def test_a_loss_of_every_pair_of_a_batch_is_refused(pred: tuple[int, ...], gt: tuple[int, ...]) -> None:
    p, q = torch.rand(pred), torch.rand(gt)
    for loss in (losses.KLDLoss(), losses.CrossEntropyLoss(norm="flatten-softmax"), losses.CombinedLoss({"cc": -1})):
        with pytest.raises(UsageProblem, match=r"pred has the shape .* and gt .*; a loss takes maps of one shape"):
            loss(p, q)
    with pytest.raises(UsageProblem, match="and fixations"):
        losses.CombinedLoss({"nss": -1})(p, p, fixations=q)


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (1, 1, 4, 5)])
def test_one_ground_truth_for_a_batch(shape: tuple[int, ...]) -> None:
    p, q = torch.rand(3, 1, 4, 5), torch.rand(4, 5)
    torch.testing.assert_close(losses.KLDLoss()(p, q.reshape(shape)), losses.KLDLoss()(p, q.expand(3, 1, 4, 5)))


def test_what_a_loss_does_not_know_is_refused() -> None:
    with pytest.raises(UsageProblem, match=r"losses know the steps .* use kldeval\.kld"):
        losses.KLDLoss(norm="blur(sigma=2)+sum-to-one")
    with pytest.raises(UsageProblem, match="mean, sum or none"):
        losses.KLDLoss(reduction="batch")
    with pytest.raises(UsageProblem, match="there is no such loss"):
        losses.CombinedLoss({"kl": 1})
    with pytest.raises(UnknownName, match="unknown option"):
        losses.KLDLoss(nrom="softmax")
    with pytest.raises(kldeval_refusal(), match="all zero"):
        losses.KLDLoss(validate=True)(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))


def kldeval_refusal() -> type[Exception]:
    from kldeval.errors import RefusedMap

    return RefusedMap


@pytest.mark.parametrize(("name", "options"), [("KLDLoss", {}), ("CombinedLoss", {"weights": WEIGHTS})])
def test_a_loss_takes_tensors_of_real_numbers(name: str, options: dict[str, Any]) -> None:
    loss = getattr(losses, name)(**options)
    with pytest.raises(UsageProblem, match="gt is ndarray; a loss takes tensors of real numbers"):
        loss(cases.PRED, cases.GT.numpy())
    with pytest.raises(UsageProblem, match=r"pred is torch\.complex64"):
        loss(cases.PRED.to(torch.complex64), cases.GT)


def test_a_module_shows_its_signature_and_pickles() -> None:
    loss = losses.KLDLoss(norm="flatten-softmax")
    assert "pred:flatten-softmax" in repr(loss)
    assert np.isclose(
        float(loss(cases.PRED, cases.GT)), float(kldeval.kld(cases.PRED, cases.GT, norm="flatten-softmax").mean())
    )


# the losses of papers, each written down from its formula


def of_maps(values: Any) -> Any:
    return values.sum((-2, -1), keepdim=True)


def mit_divergence(pred: Any, gt: Any) -> Any:
    eps = 2.2204e-16
    p, q = pred / of_maps(pred), gt / of_maps(gt)
    return of_maps(q * torch.log(eps + q / (p + eps))).squeeze()


def correlation(pred: Any, gt: Any) -> Any:
    pairs = zip(pred.flatten(1), gt.flatten(1), strict=True)
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs])


def similarity(pred: Any, gt: Any) -> Any:
    sides = []
    for values in (pred, gt):
        low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
        stretched = (values - low) / (high - low)
        sides.append(stretched / of_maps(stretched))
    return torch.minimum(*sides).sum((-2, -1))


def scanpath(pred: Any, fixations: Any, *, correction: int, eps: float = 0) -> Any:
    std, mean = torch.std_mean(pred, (-2, -1), correction=correction, keepdim=True)
    return ((pred - mean) / (std + eps) * fixations).sum((-2, -1)) / fixations.sum((-2, -1))


def test_the_loss_of_vinet_and_tempsal() -> None:
    torch.testing.assert_close(
        losses.KLDLoss(convention="mit-python")(cases.PRED, cases.GT), mit_divergence(cases.PRED, cases.GT).mean()
    )


def test_the_loss_of_transalnet() -> None:
    loss = losses.CombinedLoss(
        {"kld": 10, "cc": -2, "sim(minmax=true)": -1, "nss(ddof=1,repeats=false)": -1}, convention="mit-python"
    )
    found = loss(cases.PRED, cases.GT, 3 * cases.FIXATIONS)
    parts = (
        10 * mit_divergence(cases.PRED, cases.GT)
        - 2 * correlation(cases.PRED, cases.GT)
        - similarity(cases.PRED, cases.GT)
    )
    torch.testing.assert_close(found, (parts - scanpath(cases.PRED, cases.FIXATIONS, correction=1)).mean())


def test_the_loss_of_sam() -> None:
    eps = 1e-7
    pred = cases.PRED / cases.PRED.amax((-2, -1), keepdim=True)
    p, q = pred / (of_maps(pred) + eps), cases.GT / (of_maps(cases.GT) + eps)
    divergence = 10 * (q * torch.log(q / (p + eps) + eps)).sum((-2, -1))
    wanted = divergence - 2 * correlation(cases.PRED, cases.GT) - scanpath(pred, cases.FIXATIONS, correction=0, eps=eps)
    # of any positive scale of the prediction, which is divided by its maximum first
    nss = "nss(std_eps=1e-07,of=norm)"
    loss = losses.CombinedLoss({"kld": 1, "cc": -2, nss: -1}, convention="sam", norms={nss: "max"})
    for scale in (1, 1e-5, 3000):
        torch.testing.assert_close(
            loss(scale * cases.PRED, cases.GT, cases.FIXATIONS), wanted.mean(), rtol=1e-11, atol=0
        )
    assert loss.signatures[nss] == kldeval.signature(nss, convention="sam", norm="max")


def test_a_norm_of_one_part_is_that_of_its_metric_alone() -> None:
    together = losses.CombinedLoss(
        {"kld": 1, "mse(of=norm)": 2}, norm="flatten-softmax", norms={"mse(of=norm)": "minmax"}
    )
    alone = losses.CombinedLoss({"mse(of=norm)": 2}, norm="minmax")(cases.PRED, cases.GT)
    torch.testing.assert_close(
        together(cases.PRED, cases.GT), losses.KLDLoss(norm="flatten-softmax")(cases.PRED, cases.GT) + alone
    )


@pytest.mark.parametrize(
    ("norms", "error", "words"),
    [
        ({"nss": "max"}, UnknownName, "unknown metric of this loss 'nss'"),
        ({"cc": "max"}, UsageProblem, r"norms\['cc'\] has no effect: cc takes the stored maps; say of=norm"),
        ({"mse(of=norm)": "maxx"}, UsageProblem, "unknown step 'maxx'"),
    ],
)
def test_norms_that_mean_nothing(norms: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        losses.CombinedLoss({"kld": 1, "cc": -1, "mse(of=norm)": 1}, norms=norms)


def test_the_loss_of_unisal() -> None:
    log_p = torch.log_softmax(cases.PRED.flatten(1), -1).reshape(cases.PRED.shape)
    q = cases.GT / of_maps(cases.GT)
    divergence = torch.nn.functional.kl_div(log_p, q, reduction="none").sum((-2, -1))
    p = log_p.exp()
    wanted = divergence - 0.1 * scanpath(p, cases.FIXATIONS, correction=1) - 0.1 * correlation(p, q)
    loss = losses.CombinedLoss({"kld": 1, "nss(ddof=1,of=norm)": -0.1, "cc(of=norm)": -0.1}, convention="unisal")
    torch.testing.assert_close(loss(cases.PRED, cases.GT, cases.FIXATIONS), wanted.mean())
    assert "pred:flatten-softmax" in loss.signatures["cc(of=norm)"]


PARAMETERS = [
    "cc",
    "cc(std_eps=0.01)",
    "sim",
    "sim(minmax=true)",
    "nss",
    "nss(ddof=1)",
    "nss(std_eps=0.1)",
    "auc",
    "mse",
]


@each_of("text", PARAMETERS)
def test_gradients_of_metrics_of_maps(text: str) -> None:
    loss = losses.CombinedLoss({text: 1})
    pred, gt, fixations = ((one[:2, :3, :4] + 0.1).clone() for one in (cases.PRED, cases.GT, cases.FIXATIONS * 1.0))
    fixations[:, 0, 0] = 2
    pred.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, gt, fixations), (pred,))
    assert torch.autograd.gradgradcheck(lambda p: loss(p, gt, fixations), (pred,))
    late("torch._dynamo").reset()  # each of these tests compiles its own loss
    for made in (torch.compile(loss, backend="eager", fullgraph=True), torch.vmap(loss)):
        torch.testing.assert_close(made(pred, gt, fixations).mean(), loss(pred, gt, fixations))


@each_of("text", [text for text in PARAMETERS if text != "auc"])
def test_metrics_of_maps_in_a_loss_are_the_metrics(text: str) -> None:
    name, _, inside = text.rstrip(")").partition("(")
    given: dict[str, Any] = {key: float(value) if value != "true" else True for key, value in _pairs(inside)}
    if "ddof" in given:
        given["ddof"] = int(given["ddof"])
    second = cases.FIXATIONS if name == "nss" else cases.GT
    found = losses.CombinedLoss({text: 1}, reduction="none")(cases.PRED, cases.GT, cases.FIXATIONS)
    torch.testing.assert_close(found, getattr(kldeval, name)(cases.PRED, second, **given))


def _pairs(inside: str) -> list[list[str]]:
    return [part.split("=") for part in inside.split(",") if part]


@pytest.mark.parametrize("negatives", ["all", "unfixated"])
def test_the_surrogate_is_a_lower_bound_of_the_auc(negatives: str) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pred, fixations = torch.as_tensor(rng.random((4, 5, 6)) ** 3), torch.as_tensor(rng.integers(0, 3, (4, 5, 6)))
        bound = losses.CombinedLoss({f"auc(negatives={negatives})": 1}, reduction="none")(pred, pred, fixations)
        exact = kldeval.auc(pred, fixations, negatives=negatives)  # type: ignore[arg-type]
        assert bool((bound <= exact + 1e-12).all())
        # over pairs, as its definition says
        pairs = [
            1 - ((1 - (s[:, None] - t[None])) ** 2 * c[:, None]).sum() / (c.sum() * len(t))
            for s, c, t in (
                (one[f > 0], f[f > 0], one.flatten() if negatives == "all" else one[f == 0])
                for one, f in zip(pred, fixations, strict=True)
            )
        ]
        torch.testing.assert_close(bound, torch.stack(pairs))
    perfect = torch.tensor([[[0.0, 1.0, 0.0]]])
    assert losses.CombinedLoss({"auc(negatives=unfixated)": 1})(perfect, perfect, perfect).item() == 1


def test_a_trained_map_has_a_better_auc() -> None:
    scores = torch.zeros(1, 6, 7, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([scores], lr=20)
    fixations = cases.FIXATIONS[:1]
    for _ in range(30):
        optimizer.zero_grad()
        losses.CombinedLoss({"auc": -1})(scores.sigmoid(), cases.GT[:1], fixations).backward()
        optimizer.step()
    assert float(kldeval.auc(scores.detach(), fixations, negatives="unfixated")) == 1


def test_keywords_of_losses_are_explicit() -> None:
    import inspect

    for made in (losses.KLDLoss, losses.CrossEntropyLoss, losses.CombinedLoss):
        names = inspect.signature(made).parameters
        assert {"convention", "norm", "eps", "validate", "reduction"} <= names.keys()
    assert next(iter(inspect.signature(losses.CombinedLoss).parameters)) == "weights"
    with pytest.raises(kldeval_refusal(), match="all zero"):
        losses.CombinedLoss({"kld": 1}, validate=True)(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    with pytest.raises(UsageProblem, match=r"nss\(ddof=1\) takes fixations"):
        losses.CombinedLoss({"nss(ddof=1)": 1})(cases.PRED, cases.GT)


@each_of("dtype", ["float64", "float32"])
@each_of("value", [0.1, 0.3, 7.7])
def test_a_constant_prediction_has_no_correlation_and_no_gradient(value: float, dtype: str) -> None:
    """Its mean is rounded: what it differs from that by is no content."""
    pred = torch.full((1, 48, 64), value, dtype=getattr(torch, dtype), requires_grad=True)
    gt = torch.rand((1, 48, 64), dtype=pred.dtype)
    for name, beside in (("nss", (gt > 0.99).to(pred.dtype)), ("cc", None)):
        loss = losses.CombinedLoss({name: 1.0})
        number = loss(pred, gt, beside) if beside is not None else loss(pred, gt)
        (gradient,) = torch.autograd.grad(number, pred)
        assert (number.item(), gradient.abs().max().item()) == (0.0, 0.0)
