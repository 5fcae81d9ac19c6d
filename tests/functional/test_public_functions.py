"""What the registry makes of a metric: a function with its keywords, a name in the package, a row of the stub."""

from __future__ import annotations

import ast
import inspect
import pickle
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from late import late
from looping import each_of

import kldeval
from kldeval.metrics.registry import LABEL_METRICS, METRICS, MetricInfo

torch = late("torch")

FUNCTIONS = {
    alias.replace("-", "_"): getattr(kldeval, alias.replace("-", "_"))
    for registry in (METRICS, LABEL_METRICS)
    for name in registry
    for alias in (registry[name].info.function or name, *registry[name].info.aliases)
}
every_function = each_of("name", [name for name in FUNCTIONS if FUNCTIONS[name].__name__ == name])


def test_every_metric_has_a_public_function() -> None:
    names = {METRICS[name].info.function or name.replace("-", "_") for name in METRICS}
    names |= {LABEL_METRICS[name].info.function or name.replace("-", "_") for name in LABEL_METRICS}
    aliases = {alias for name in METRICS for alias in METRICS[name].info.aliases}
    assert names | aliases == set(FUNCTIONS)
    assert names <= set(kldeval.__all__)
    assert all(getattr(kldeval, name) is FUNCTIONS[name] for name in names)


@every_function
def test_editors_see_every_parameter(name: str) -> None:
    metric = "ce" if name == "cross_entropy" else name.replace("_", "-")
    of_labels = name == "cross_entropy" or metric not in METRICS
    entry = LABEL_METRICS[metric] if of_labels and metric in LABEL_METRICS else METRICS[metric]
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    assert entry.types.keys() <= parameters.keys()
    assert not any(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) for one in parameters.values())


@every_function
def test_a_function_is_documented_and_pickles(name: str) -> None:
    function = FUNCTIONS[name]
    documentation = inspect.getdoc(function) or ""
    assert f"kldeval.{name}(" in documentation
    assert all(f"{parameter}: " in documentation for parameter in inspect.signature(function).parameters)
    assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301 - made a line above


@each_of("given, said", [([[0.1, 0.9]], "of type list"), (0.5, "of type float"), (None, "missing")])
@every_function
def test_what_is_no_array_is_refused_by_name(name: str, given: Any, said: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    arrays = [one.name for one in parameters if one.default is one.empty and one.kind is not one.KEYWORD_ONLY]
    further = {"axis": 0} if "target" in arrays else {}
    assert arrays
    for wrong in arrays:
        call = {**dict.fromkeys(arrays, np.ones((2, 2))), **further, wrong: given}
        with pytest.raises(kldeval.UsageProblem, match=f"^{wrong} is {said}: it must be an array"):
            FUNCTIONS[name](**call)


def test_the_stub_is_that_of_the_registry() -> None:
    root = Path(__file__).parent.parent.parent
    made = runpy.run_path(str(root / "tools" / "stub.py"))
    texts = made["stub"](), made["torch_stub"]()
    for text, path in zip(texts, ("__init__.pyi", "torch/__init__.pyi"), strict=True):
        found = (root / "kldeval" / path).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(text)), "run: python tools/stub.py"


def test_one_function_in_one_place_makes_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kldeval.functional._FUNCTIONS", {})
    monkeypatch.setattr(METRICS, "_registered", dict(METRICS._registered))

    @METRICS.add("chi-square", MetricInfo(unit="", best="low"))
    def chi_square(pred: Any, gt: Any, *, half: bool = False) -> Any:
        """Pearson's chi-square distance, sum (q - p)^2 / p."""
        return (gt.prob - pred.prob) ** 2 / pred.prob * (0.5 if half else 1)

    function = kldeval.chi_square  # type: ignore[attr-defined]
    p, q = np.asarray([[1.0, 3.0]]), np.asarray([[1.0, 1.0]])
    assert float(function(p, q)) == pytest.approx(1 / 4 + 1 / 12)
    assert float(function(p, q, half=True)) == pytest.approx(1 / 8 + 1 / 24)
    assert "half" in inspect.signature(function).parameters


def test_importing_the_package_is_quick_and_light() -> None:
    heavy = ["numpy", "torch", "pandas", "matplotlib", "scipy", "cv2"]
    code = f"import sys, kldeval; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@each_of("kind", ["float64", "float32", "float16", "bfloat16"])
@every_function
def test_tensors_keep_their_dtype(name: str, kind: str) -> None:
    if name == "emd":
        return  # a numpy array, without gradients
    dtype, generator = getattr(torch, kind), torch.Generator().manual_seed(1)
    pred = torch.rand((3, 4), generator=generator).to(dtype)
    counts = (pred > 0.5).to(torch.int64)
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters)
    if "target" in parameters:
        scores = pred if name in ("cross_entropy", "accuracy") else torch.log_softmax(pred, dim=0)
        value = FUNCTIONS[name](scores, torch.tensor([0, 1, 2, 0]), axis=0)
    else:
        arrays = {
            "gt": pred.flip(0),
            "fixations": counts,
            "baseline": pred.flip(1),
            "other": counts,
            "others": counts,
            "images": counts,
        }
        value = FUNCTIONS[name](pred, *(arrays[one] for one in parameters if one in arrays))
    assert value.dtype == dtype


def test_a_keyword_that_is_none_was_not_said() -> None:
    p, q = np.asarray([[1.0, 2.0]]), np.asarray([[2.0, 3.0]])
    assert kldeval.kld(p, q, norm=None, log_eps=None) == kldeval.kld(p, q)


def test_metrics_of_stored_maps_take_the_values_that_a_norm_makes() -> None:
    pred, gt = np.random.default_rng(0).random((2, 4, 5))
    fixations = (gt > 0.5).astype(int)
    soft = np.exp(pred) / np.exp(pred).sum()
    assert kldeval.nss(pred, fixations, of="norm", norm="flatten-softmax") == pytest.approx(
        kldeval.nss(soft, fixations)
    )
    log_pred = np.log(soft)
    assert kldeval.cc(log_pred, gt, pred_norm="log-prob", gt_norm="none") == pytest.approx(kldeval.cc(soft, gt))
    assert kldeval.cc(log_pred, gt, of="stored") == kldeval.cc(log_pred, gt)
    low = kldeval.log_softmax((log_pred - 1000 * (fixations == 0)).ravel()).reshape(pred.shape)
    # probabilities of 0 would tie; their logarithms do not
    assert kldeval.auc(low, fixations, pred_norm="log-prob") == kldeval.auc(low, fixations)
    with pytest.raises(kldeval_error(), match="as they are stored: norm has no effect"):
        kldeval.cc(pred, gt, norm="flatten-softmax")


def kldeval_error() -> type[Exception]:
    from kldeval.errors import UsageProblem

    return UsageProblem


def test_evaluate_shows_every_option_and_takes_metrics_as_a_list() -> None:
    shown = inspect.signature(kldeval.evaluate).parameters
    assert {"metric", "norm", "jobs", "device", "signature", "preset", "confidence"} <= shown.keys()
    report = kldeval.evaluate("sample_data/careful", "sample_data/gt", metric=["kld", "cc"], limit=None, jobs=1)
    assert list(report.summaries) == ["kld", "cc"]


def test_every_public_function_says_its_keywords() -> None:
    hidden = {
        name: parameter.name
        for name in kldeval.__all__
        if inspect.isfunction(getattr(kldeval, name))
        for parameter in inspect.signature(getattr(kldeval, name)).parameters.values()
        if parameter.kind == inspect.Parameter.VAR_KEYWORD
    }
    assert hidden == {}
    assert kldeval.signature("kld", log_eps=None, norm=None) == kldeval.signature()
