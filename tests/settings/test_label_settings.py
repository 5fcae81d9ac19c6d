"""When a ground truth holds labels, what then has a meaning, and how it stands in the signature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluating import read_signature, settings_of, short_of, signature_of, signatures_of
from every import label_metrics
from looping import each_of

import kldeval
from kldeval.errors import UsageProblem

REST = "scale:unit|resize:none|color:error|empty:error|base:e"
NAMES = ", ".join(label_metrics())
AXIS = (
    "name the class axis of the predictions, as in --norm softmax --axis 0 for (C, H, W), or --axis -1 for (H, W, C) "
    "and (N, C)"
)


def labelled(**texts: str) -> Any:
    return settings_of({"norm": "softmax", "axis": "0", **texts})


def problems(texts: dict[str, str]) -> list[str]:
    with pytest.raises(UsageProblem) as caught:
        settings_of({"norm": "softmax", "axis": "0", **texts})
    return str(caught.value).splitlines()


class TestWhatSaysLabels:
    @each_of(
        "texts",
        [
            {"gt_norm": "labels"},
            {"gt_norm": "labels(ignore_index=255)"},
            {"ignore_index": "255"},
            {"class_weights": "1,2"},
            {"label_smoothing": "0.1"},
            {"smoothing_over": "others"},
            {"metric": "nll"},
            {"metric": "ce,accuracy"},
            {"metric": "ce(label_smoothing=0.1)"},
            {"metric": "ce", "maps": "pixels"},
            {"maps": "pixels"},
        ],
    )
    def test_labels_alone(self, texts: dict[str, str]) -> None:
        assert labelled(**texts).is_labels

    @each_of("texts", [{}, {"metric": "ce"}, {"metric": "ce(ratio_eps=0)"}, {"metric": "ce()"}, {"gt_norm": "none"}])
    def test_densities_or_labels(self, texts: dict[str, str]) -> None:
        chosen = labelled(**texts)
        assert not chosen.is_labels
        assert (chosen.raw_texts is None) == ("gt_norm" in texts)

    def test_a_convention_is_about_densities(self) -> None:
        convention = {"pred_norm": "softmax", "gt_norm": "softmax", "metric": "kld,ce"}
        assert settings_of({"axis": "0"}, convention=convention).raw_texts is None

    def test_a_file_that_holds_labels_makes_the_same_texts_settings_for_labels(self) -> None:
        texts = {"norm": "softmax", "axis": "0", "metric": "ce", "base": "2"}
        maps = np.ones((3, 4, 5)), np.zeros((4, 5), np.uint8)
        found = kldeval.evaluate(*maps, norm="softmax", axis=0, metric="ce", base="2")
        assert dict(found.signatures) == signatures_of(settings_of({**texts, "gt_norm": "labels"}))
        default = kldeval.evaluate(*maps, axis=0)
        assert dict(default.signatures) == {
            "ce": f"ce|pred:sum-to-one(axis=0)|gt:labels|{REST}|reduce:mean|maps:mean|dtype:float64|v:1"
        }

    def test_soft_labels_are_asked_for(self) -> None:
        assert labelled(gt_norm="labels").takes_soft_labels
        assert not labelled(ignore_index="255").takes_soft_labels
        assert read_signature(signature_of(labelled(metric="nll"))).takes_soft_labels


class TestMetrics:
    def test_flags_reach_every_metric_that_takes_them_and_has_no_parentheses(self) -> None:
        chosen = labelled(
            metric="ce,brier,accuracy,nll,ce()", class_weights="1,0.5", label_smoothing="0.1", smoothing_over="others"
        )
        smoothed = "class_weights=(1,0.5),label_smoothing=0.1,smoothing_over=others"
        assert [str(call) for call in chosen.metrics] == [
            f"ce({smoothed})",
            f"brier({smoothed})",
            "accuracy(class_weights=(1,0.5))",
            f"nll({smoothed})",
            "ce",
        ]

    def test_each_has_a_signature_that_reads_back(self) -> None:
        chosen = labelled(metric="ce,ce(label_smoothing=0.1)", gt_norm="labels(ignore_index=255)", base="10")
        rest = f"pred:softmax(axis=0)|gt:labels(ignore_index=255)|{REST.replace('base:e', 'base:10')}|reduce:mean|"
        rest += "maps:mean|dtype:float64|v:1"
        assert signatures_of(chosen) == {
            "ce": f"ce|{rest}",
            "ce(label_smoothing=0.1)": f"ce(label_smoothing=0.1)|{rest}",
        }
        for key, text in signatures_of(chosen).items():
            assert list(signatures_of(read_signature(text)).values()) == [text], key

    def test_a_signature_needs_no_axis_beside_the_default_of_its_chain(self) -> None:
        chosen = settings_of({"norm": "softmax", "axis": "-1", "metric": "accuracy"})
        assert "|pred:softmax|" in signature_of(chosen)
        assert read_signature(signature_of(chosen)).names_class_axis

    def test_no_convention_has_their_name(self) -> None:
        for metric in ("nll", "ce"):
            chosen = settings_of({"norm": "softmax", "axis": "-1", "metric": metric, "ignore_index": "0"})
            assert len(short_of(chosen)) == len("kldeval:01234567+v1")

    def test_the_ignored_label_may_be_said_twice_but_not_differently(self) -> None:
        assert labelled(gt_norm="labels(ignore_index=255)", ignore_index="255") == labelled(ignore_index="255")
        assert labelled(gt_norm="labels", ignore_index="-100") == labelled(gt_norm="labels(ignore_index=-100)")

    @each_of(("said", "meant"), [("slices", "mean"), ("mean", "mean"), ("sum", "sum"), ("none", "none")])
    def test_the_mean_over_distributions_is_the_mean_over_positions(self, said: str, meant: str) -> None:
        assert labelled(metric="nll", reduction=said).reduction == meant


REFUSED = [
    (
        {"metric": "kld,accuracy"},
        [f"kld is no metric of labels, and the metric accuracy is for labels; on labels there are {NAMES}"],
    ),
    (
        {"metric": "bce,jsd", "ignore_index": "255"},
        [
            f"bce is no metric of labels, and --ignore-index 255 is for labels; on labels there are {NAMES}",
            f"jsd is no metric of labels, and --ignore-index 255 is for labels; on labels there are {NAMES}",
        ],
    ),
    (
        {"metric": "acuracy", "ignore_index": "255"},
        [("unknown metric of labels 'acuracy'; did you mean 'accuracy', 'ace' or 'ce'? `kldeval metrics` lists all")],
    ),
    (
        {"metric": "accuracy", "label_smoothing": "0.1"},
        ["--label-smoothing 0.1 has no effect: --label-smoothing 0.1 is for labels, and none of accuracy uses it"],
    ),
    (
        {"metric": "nll()", "class_weights": "1,2"},
        ["--class-weights 1,2 has no effect: --class-weights 1,2 is for labels, and none of nll() uses it"],
    ),
    (
        {"metric": "nll", "eps": "1e-7"},
        ["--eps 1e-7 has no effect: the metric nll is for labels, and none of nll uses it"],
    ),
    ({"metric": "nll,nll"}, ["a metric is named twice: nll, nll"]),
    (
        {"class_weights": "a", "label_smoothing": "b", "smoothing_over": "oters"},
        [
            "--class-weights a: 'a' is not a list of numbers such as (1,0.5,2)",
            "--label-smoothing b: 'b' is not a finite number",
            "--smoothing-over oters: 'oters' is none of all, others; did you mean 'others'?",
        ],
    ),
    ({"label_smoothing": "2"}, ["label_smoothing 2.0 is a share of the target and lies in 0..1"]),
    ({"class_weights": "1,-2"}, ["the weight of class 1 is -2.0; a class weight is finite and not negative"]),
    ({"ignore_index": "void"}, ["--ignore-index void: 'void' is not a whole number"]),
    (
        {"ignore_index": "255", "gt_norm": "labels(ignore_index=0)"},
        ["--ignore-index 255 contradicts --gt-norm labels(ignore_index=0)"],
    ),
    (
        {"ignore_index": "255", "gt_norm": "sum-to-one"},
        ["--ignore-index 255 is for labels, which are not normalised; leave out --gt-norm sum-to-one"],
    ),
    (
        {"reduction": "batchmean", "metric": "nll"},
        ["--reduction batchmean has no meaning for labels; use mean, sum, none"],
    ),
    (
        {"reduction": "sum", "metric": "nll", "maps": "pixels"},
        ["--maps pixels is a mean over the pixels of all maps, which --reduction sum contradicts"],
    ),
    (
        {"gt_norm": "labels+sum-to-one"},
        ["the ground truth's chain 'labels+sum-to-one': labels are not normalised, so that step stands alone"],
    ),
    (
        {"gt_norm": "none+labels"},
        ["the ground truth's chain 'none(axis=0)+labels': labels are not normalised, so that step stands alone"],
    ),
    (
        {"pred_norm": "labels", "gt_norm": "none", "norm": "none"},
        ["the prediction's chain 'labels': only a ground truth holds labels (--gt-norm labels)"],
    ),
    (
        {"maps": "pixels", "metric": "kld,ce"},
        [
            (
                "--maps pixels averages over the pixels of all maps, and kld has one number per map; it is for bce and "
                "for metrics on labels"
            )
        ],
    ),
]


@each_of(("texts", "messages"), REFUSED)
def test_what_has_no_meaning_for_labels_is_said_in_full(texts: dict[str, str], messages: list[str]) -> None:
    assert problems(texts) == messages


@each_of(
    ("texts", "because"),
    [
        ({"metric": "nll"}, "the metric nll is for labels"),
        ({"metric": "nll", "norm": "softmax"}, "the metric nll is for labels"),
        ({"ignore_index": "255", "norm": "flatten-softmax"}, "--ignore-index 255 is for labels"),
        ({"gt_norm": "labels"}, "--gt-norm labels asks for labels"),
    ],
)
def test_labels_need_the_class_axis(texts: dict[str, str], because: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        settings_of(texts)
    assert str(caught.value) == f"{because}: {AXIS}"


def test_an_axis_in_the_chain_names_it_too() -> None:
    assert settings_of({"norm": "softmax(axis=-1)", "metric": "nll"}).names_class_axis
    assert settings_of({"pred_norm": "log-prob(axis=0)", "metric": "nll"}).names_class_axis


def test_an_axis_that_the_prediction_does_not_take_is_refused() -> None:
    found = problems({"norm": "flatten-softmax", "gt_norm": "labels"})
    assert found[0] == "--axis 0 has no meaning for 'flatten-softmax': none of its steps takes an axis"
