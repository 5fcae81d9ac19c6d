"""What a careful colleague would say: every note and every refusal in full."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from evaluating import outcome_of, pair_of, scored, settings_of
from looping import each_of

import kldeval as library
from kldeval.scoring.diagnostics import notes

ROWS_OF_ZEROS = [[0.0, 0, 0], [0, 1, 2]]
REFUSALS = [
    ("pred", [[np.nan, 1]], {}, "the prediction holds nan, which 'sum-to-one' does not handle; repair the map"),
    (
        "gt",
        [[np.inf, 1]],
        {"gt_norm": "minmax+sum-to-one"},
        (
            "the ground truth holds inf, which 'minmax+sum-to-one' does not handle; repair the map, or clip it first: "
            "--gt-norm 'clip(min=...,max=...)+minmax+sum-to-one'"
        ),
    ),
    (
        "pred",
        [[-0.123456789, 1]],
        {"pred_norm": "max+sum-to-one"},
        (
            "the prediction has negative values (minimum -0.123457), which 'max+sum-to-one' cannot take; "
            "for scores or logits use a softmax (--pred-norm flatten-softmax), for signed attributions their strength "
            "(--pred-norm 'abs+max+sum-to-one') or the positive ones (--pred-norm 'clip(min=0)+max+sum-to-one'), and "
            "shift maps whose 0 is arbitrary (--pred-norm 'shift+max+sum-to-one')"
        ),
    ),
    (
        "gt",
        [[0, 0]],
        {},
        (
            "the ground truth is all zero, which 'sum-to-one' cannot normalise; choose --empty-gt skip, uniform, zero "
            "or nan"
        ),
    ),
    (
        "pred",
        [[3, 3]],
        {"pred_norm": "minmax+sum-to-one"},
        (
            "the prediction is constant, which 'minmax+sum-to-one' cannot normalise; choose --empty-pred keep, uniform "
            "or nan"
        ),
    ),
    (
        "gt",
        ROWS_OF_ZEROS,
        {"norm": "sum-to-one", "axis": "0"},
        (
            "the ground truth is all zero in a column, which 'sum-to-one(axis=0)' cannot normalise; choose --empty-gt "
            "skip, uniform, zero or nan"
        ),
    ),
]


@each_of(("role", "values", "texts", "message"), REFUSALS)
def test_a_refusal_says_what_would_be_accepted(
    role: str, values: list[list[float]], texts: dict[str, str], message: str
) -> None:
    broken = np.asarray(values, float)
    sound = np.arange(1.0, 1 + broken.size).reshape(broken.shape)
    pair = pair_of(broken, sound) if role == "pred" else pair_of(sound, broken)
    found = outcome_of(pair, settings_of(texts))
    assert getattr(found, "message", "").startswith(message)


def test_negative_values_of_a_resizing_are_blamed_on_it() -> None:
    pair = pair_of(np.asarray([[-3.0, 1]]), np.ones((1, 2)), remarks=("overshoot-pred",))
    assert getattr(outcome_of(pair, settings_of()), "message", "") == (
        "the prediction has negative values (minimum -3), which 'sum-to-one' cannot take; the resizing made them: use "
        "another kernel, or --pred-norm 'clip(min=0)+sum-to-one'"
    )


@pytest.mark.parametrize("way_out", ["shift+sum-to-one", "clip(min=0)+sum-to-one", "flatten-softmax"])
def test_the_way_out_of_negative_values_leads_out(way_out: str) -> None:
    maps = np.asarray([[-1.0, 2.0]]), np.asarray([[1.0, 2.0]])
    assert scored(pair_of(*maps), settings_of({"pred_norm": way_out})).values


SOFTMAX = {"norm": "flatten-softmax"}
ROWS = (
    "rows are the distributions: the number compares each row with its counterpart and is blind to how mass is "
    "distributed over rows (vertical position); flatten-softmax and sum-to-one are over the whole map"
)
COLUMNS = (
    "columns are the distributions: the number is blind to how mass is distributed over columns (horizontal position)"
)
NOTES = [
    ("none of these", {}, []),
    (
        "unit-range",
        SOFTMAX,
        [
            (
                "softmax of values between 0 and 1 (2 of 3 maps) is nearly uniform: the KLD of two such maps cannot "
                "exceed 0.4745 nats; --scale raw (of maps of 8 or 16 bits), or a norm that divides by the sum, tells "
                "models apart"
            )
        ],
    ),
    ("unit-range", {}, []),
    ("unit-range", {"pred_norm": "flatten-softmax"}, []),
    ("unit-range", {"norm": "log-prob"}, []),
    (
        "large-epsilon",
        {},
        [
            (
                "an epsilon is at least a tenth of the mean probability 1/N (2 of 3 maps): it lowers the number, and a "
                "perfect prediction scores below 0"
            )
        ],
    ),
    (
        "uncovered",
        {},
        [
            (
                "the prediction is exactly 0 under ground-truth mass (2 of 3 maps): there the number is decided by "
                "epsilon; see n_uncovered and uncovered_mass"
            )
        ],
    ),
    ("infinite", {}, ["the metric is infinite or undefined (2 of 3 maps); such values stay in the mean"]),
    (
        "lossy-gt",
        {},
        ["the ground truth is lossily compressed (2 of 3 maps): its small values are noise of the file format"],
    ),
    ("lossy-pred", {}, []),
    ("identical", {}, ["prediction and ground truth are identical (2 of 3 maps)"]),
    ("constant-pred", {}, ["the prediction is constant (2 of 3 maps)"]),
    ("constant-gt", {}, ["the ground truth is constant (2 of 3 maps)"]),
    (
        "empty-gt",
        {"empty_gt": "zero"},
        ["the ground truth is all zero (2 of 3 maps) and was scored as --empty-gt says"],
    ),
    ("empty-gt", SOFTMAX, []),
    (
        "integer",
        {},
        [
            (
                "integers other than uint8 and uint16 are taken as they are (2 of 3 maps): --scale unit does not "
                "divide them"
            )
        ],
    ),
    ("none of these", {"norm": "softmax"}, [ROWS]),
    ("none of these", {"norm": "sum-to-one", "axis": "0"}, [COLUMNS]),
    ("none of these", {"norm": "log-prob"}, []),
]


@each_of(("remark", "texts", "expected"), NOTES)
def test_a_remark_of_some_maps_is_one_sentence(remark: str, texts: dict[str, str], expected: list[str]) -> None:
    assert notes(settings_of(texts), Counter({remark: 2}), 3) == expected


def test_the_bound_on_the_softmax_of_unit_maps_holds_and_is_reached() -> None:
    """0.4745: the largest KLD of softmaxes of maps in 0..1, over the share of pixels that are 1."""
    shares = np.linspace(0.001, 0.999, 999)
    e = np.e
    # the ground truth is 1 on that share and 0 elsewhere, the prediction the reverse: the corners of the domain
    q = np.stack([e * shares, 1 - shares]) / (e * shares + 1 - shares)
    p = np.stack([shares, e * (1 - shares)]) / (shares + e * (1 - shares))
    worst = (q * np.log(q / p)).sum(axis=0).max()
    assert worst < 0.4745
    assert worst > 0.47445


@each_of(
    ("pred", "gt", "is_swapped"),
    [
        ("data/gt", "results", True),
        ("Ground-Truth", "my_predictions", True),
        ("annotations.png", "pred.png", True),
        ("pred", "gt", False),
        ("gt", "maps", False),
        ("maps", "pred", False),
        ("gtx", "pred", False),
    ],
)
def test_arguments_in_the_wrong_order_are_noticed(
    pred: str, gt: str, *, is_swapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (pred, gt):
        path = Path(name) if Path(name).suffix else Path(name) / "a.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.arange(1, 10, dtype=np.uint8).reshape(3, 3))
    outcome = kldeval(pred, gt)
    assert outcome.code == 0, outcome.err
    said = f"the arguments look swapped: {Path(pred)} is read as the prediction and {Path(gt)} as the ground truth"
    assert (said in " ".join(outcome.out.split())) is is_swapped


def notes_of(pred: np.ndarray, gt: np.ndarray, metric: str, **asked: Any) -> str:
    found = library.evaluate([pred], [gt], metric=metric, on_failure="ignore", **asked)
    return " | ".join(found.notes)


def test_notes_are_true_of_the_number_beside_them() -> None:
    """Of the base, of where the constant stands, of the direction, and of how many pixels a distribution has."""
    rng = np.random.default_rng(0)
    pred, gt = rng.random((2, 20, 30))
    holed = pred.copy()
    holed[:5] = 0
    assert "below what any two densities" not in notes_of(gt, gt, "kld(ratio_eps=0.01)", base="2")
    softmax = {"norm": "flatten-softmax"}
    assert "cannot exceed 0.4745 nats" in notes_of(pred, gt, "kld", **softmax)
    assert "cannot exceed" not in notes_of(pred, gt, "kld(factor=100)", **softmax)
    assert "cannot exceed" not in notes_of(pred, gt, "kld", reduction="sum", **softmax)
    assert "it lowers the number" in notes_of(pred, pred, "kld(ratio_eps=0.1)")
    assert "it moves the number" in notes_of(pred, pred, "kld(log_eps=1)")
    wide = rng.random((256, 256))
    assert "mean probability" not in notes_of(wide, wide, "kld(ratio_eps=1e-5)", norm="softmax", axis=-1)
    assert "mean probability" in notes_of(wide, wide, "kld(ratio_eps=1e-5)", norm="flatten-softmax")
    assert "is decided by epsilon;" in notes_of(holed, gt, "kld")
    assert "is infinite, for no epsilon is added to the prediction;" in notes_of(holed, gt, "kld(log_eps=1e-7)")
    assert "under ground-truth mass" not in notes_of(holed, gt, "kld(direction=pred-gt)")


def test_refusals_are_true_of_the_map_and_their_advice_can_be_typed() -> None:
    rng = np.random.default_rng(0)
    pred, gt = rng.random((2, 20, 30))

    def refused(one: np.ndarray, other: np.ndarray, **asked: Any) -> str:
        with pytest.raises(library.MapProblem) as caught:
            library.kld(one, other, **asked)
        return str(caught.value)

    emptied = "minmax+threshold(above=2)+sum-to-one"
    (failure,) = library.evaluate([pred], [gt], metric="kld", gt_norm=emptied, on_failure="ignore").failures
    assert "the ground truth is all zero after the first steps" in failure.message
    assert "is constant" in refused(np.full((2, 3), 0.5), gt[:2, :3], pred_norm="minmax+sum-to-one")
