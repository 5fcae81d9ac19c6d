"""What the losses on labels refuse, and what they say then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import make
from looping import each_of

from kldeval import accuracy, brier, cross_entropy, nll
from kldeval.errors import RefusedMap, UsageProblem

REFUSALS = [
    (
        {"target": [[0, 1, 7], [2, 1, 0]], "axis": 0, "ignore_index": 255},
        ("label 7 at pixel (0, 2) is none of the 3 classes 0..2; if it marks pixels that do not count: ignore_index=7"),
    ),
    (
        {"target": [[0, 1, 2], [2, -100, 0]], "axis": 0},
        (
            "label -100 at pixel (1, 1) is none of the 3 classes 0..2; "
            "if it marks pixels that do not count: ignore_index=-100"
        ),
    ),
    (
        {"target": [0, 1], "axis": 0},
        (
            "the ground truth has the shape (2,); a prediction of shape (3, 2, 3) with its classes on axis 0 takes "
            "integer labels of shape (2, 3) or soft labels of shape (3, 2, 3)"
        ),
    ),
    (
        {"target": [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], "axis": 0},
        "labels of dtype float64 and shape (2, 3) are no integers; soft labels would have the prediction's shape",
    ),
    (
        {"target": np.zeros((3, 2, 3)), "axis": 0, "ignore_index": 255},
        (
            "ignore index 255 is a label, and a ground truth of the prediction's shape (3, 2, 3) holds soft labels; "
            "leave it out"
        ),
    ),
    (
        {"target": [[0, 1, 2], [2, 1, 0]], "axis": -3, "class_weights": [1, 2]},
        "2 class weights do not fit a prediction of shape (3, 2, 3), which has 3 classes on axis -3",
    ),
]


@each_of(("arguments", "message"), REFUSALS)
@each_of("metric", [cross_entropy, brier, accuracy])
def test_refusals_name_the_value_and_the_way_out(metric: Any, arguments: dict[str, Any], message: str) -> None:
    for backend in ("numpy", "array_api_strict"):
        target = make(backend, arguments["target"])
        options = {key: value for key, value in arguments.items() if key != "target"}
        with pytest.raises(RefusedMap) as caught:
            metric(make(backend, np.log(np.full((3, 2, 3), 1 / 3))), target, **options)
        assert str(caught.value) == message.replace("dtype float64", f"dtype {target.dtype}")


def test_nll_refuses_soft_labels() -> None:
    with pytest.raises(RefusedMap) as caught:
        nll(np.zeros((2, 1)), np.ones((2, 1)), axis=1)
    assert str(caught.value) == (
        "nll takes integer labels, and a ground truth of the prediction's shape (2, 1) holds soft labels; "
        "use the cross-entropy"
    )


def test_one_class_has_no_others_to_spread_over() -> None:
    with pytest.raises(RefusedMap) as caught:
        cross_entropy(np.zeros((2, 1)), np.zeros(2, dtype=int), axis=1, label_smoothing=0.1, smoothing_over="others")
    assert str(caught.value) == ("smoothing over the other classes needs two; the target of shape (2, 1) has one")


WRONG_SETTINGS = [
    ({"axis": 2}, "class axis 2 does not exist in a prediction of shape (2, 2)"),
    ({"axis": 0, "label_smoothing": 1.5}, "label_smoothing 1.5 is a share of the target and lies in 0..1"),
    (
        {"axis": 0, "smoothing_over": "other"},
        "smoothing_over 'other' is not one of all, others; did you mean 'others'?",
    ),
    (
        {"axis": 0, "class_weights": [1, -2]},
        "the weight of class 1 is -2.0; a class weight is finite and not negative",
    ),
    (
        {"axis": 0, "reduction": "batchmean"},
        "reduction 'batchmean' is not one of none, sum, mean; did you mean 'mean'?",
    ),
]


@each_of(("options", "message"), WRONG_SETTINGS)
def test_wrong_settings_are_usage_problems(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        cross_entropy(np.zeros((2, 2)), np.asarray([0, 1]), **options)
    assert str(caught.value) == message
