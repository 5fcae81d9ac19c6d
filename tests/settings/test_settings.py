"""What a run computes, from the texts a user types: which constant applies, and what is refused."""

from __future__ import annotations

from inspect import signature

import pytest
from evaluating import settings_of, signature_of
from looping import each_of

import kldeval
from kldeval.errors import UsageProblem

CONVENTION = {
    "pred_norm": "max+sum-to-one(offset=1e-07)",
    "gt_norm": "sum-to-one(offset=1e-07)",
    "metric": "kld(log_eps=1e-07,ratio_eps=1e-07,factor=10),ce(ratio_eps=1e-06)",
    "empty_gt": "zero",
    "scale": "raw",
    "reduction": "mean",
}
E16 = "2.2204e-16"

CHOICES = {
    "scale": ["unit", "raw"],
    "color": ["error", "luma", "mean", "first"],
    "empty_gt": ["error", "skip", "uniform", "zero", "nan"],
    "empty_pred": ["error", "keep", "uniform", "nan"],
    "base": ["e", "2", "10"],
    "reduction": ["slices", "sum", "mean", "batchmean", "none"],
    "maps": ["mean", "pixels", "fixations", "groups", "rows"],
    "dtype": ["float64", "float32"],
}
"""What may be said of each setting."""


def metrics(texts: dict[str, str], *, convention: bool = False) -> list[str]:
    """The metrics that the texts stand for, with their constants."""
    return [str(call) for call in settings_of(texts, convention=CONVENTION if convention else None).metrics]


def problems(texts: dict[str, str]) -> list[str]:
    """Every line of the refusal."""
    with pytest.raises(UsageProblem) as caught:
        settings_of(texts)
    return str(caught.value).splitlines()


def parts(texts: dict[str, str], *, convention: bool = False) -> dict[str, str]:
    """The parts of the signature that texts stand for."""
    text = signature_of(settings_of(texts, convention=CONVENTION if convention else None))
    metrics, *rest = text.split("|")
    return {"metrics": metrics, **dict(part.split(":", 1) for part in rest)}


def chains(texts: dict[str, str], *, convention: bool = False) -> tuple[str, str]:
    found = parts(texts, convention=convention)
    return found["pred"], found["gt"]


class TestDefaults:
    def test_nothing_said_is_the_default_convention(self) -> None:
        assert parts({}) == {
            "metrics": f"kld(log_eps={E16},ratio_eps={E16}),ce(ratio_eps={E16})",
            "pred": "sum-to-one",
            "gt": "sum-to-one",
            "scale": "unit",
            "resize": "none",
            "color": "error",
            "empty": "error",
            "base": "e",
            "reduce": "slices",
            "maps": "mean",
            "dtype": "float64",
            "v": "1",
        }

    def test_none_is_nothing_said(self) -> None:
        names = [name for name in signature(kldeval.signature).parameters if name not in ("metric", "options")]
        assert len(names) > 40
        assert kldeval.signature("kld", **dict.fromkeys(names)) == kldeval.signature("kld")

    @each_of("key", CHOICES)
    def test_every_choice_can_be_said(self, key: str) -> None:
        for choice in CHOICES[key]:
            # only a metric of pixels, or of fixations, has a mean over those of all maps
            texts = {
                "pixels": {"metric": "bce", "reduction": "mean"},
                "fixations": {"metric": "nss"},
                "rows": {"norm": "softmax"},
            }.get(choice, {})
            found = parts({**texts, key: choice})
            if key.startswith("empty"):
                sides = {"empty_gt": "error", "empty_pred": "error", key: choice}
                assert found["empty"] in (choice, f"gt={sides['empty_gt']},pred={sides['empty_pred']}")
            else:
                assert found[{"reduction": "reduce"}.get(key, key)] == choice


class TestConstants:
    """Parentheses come before --eps, that before the convention, and that before the default."""

    @each_of(
        ("texts", "convention", "expected"),
        [
            ({"metric": "kld(num_eps=0.5)", "eps": "1e-3", "norm": "log-prob"}, True, None),
            ({"metric": "kld(ratio_eps=0.5),ce", "eps": "1e-3"}, True, ["kld(ratio_eps=0.5)", "ce(ratio_eps=0.001)"]),
            ({"metric": "kld(),ce()"}, True, ["kld", "ce"]),
            ({"metric": "kld,ce", "eps": "1e-3"}, True, ["kld(log_eps=0.001,ratio_eps=0.001)", "ce(ratio_eps=0.001)"]),
            ({"metric": "kld,ce", "eps": "0"}, True, ["kld", "ce"]),
            ({}, True, ["kld(log_eps=1e-07,ratio_eps=1e-07,factor=10)", "ce(ratio_eps=1e-06)"]),
            ({"metric": "ce"}, True, ["ce(ratio_eps=1e-06)"]),
            ({"metric": "kld-reverse,jsd"}, True, ["kld-reverse(log_eps=1e-07,ratio_eps=1e-07)", "jsd"]),
            (
                {"norm": "flatten-softmax"},
                True,
                ["kld(log_eps=1e-07,ratio_eps=1e-07,factor=10)", "ce(ratio_eps=1e-06)"],
            ),
            ({}, False, [f"kld(log_eps={E16},ratio_eps={E16})", f"ce(ratio_eps={E16})"]),
            ({"metric": "kld-reverse"}, False, [f"kld-reverse(log_eps={E16},ratio_eps={E16})"]),
            ({"metric": "kld-reverse", "eps": "0.1"}, False, ["kld-reverse(log_eps=0.1,ratio_eps=0.1)"]),
            ({"metric": "jsd,entropy-gt"}, False, ["jsd", "entropy-gt"]),
            ({"metric": "jsd,kld", "eps": "0.1"}, False, ["jsd", "kld(log_eps=0.1,ratio_eps=0.1)"]),
            ({"norm": "flatten-softmax"}, False, ["kld", "ce"]),
            ({"pred_norm": "flatten-softmax"}, False, ["kld", "ce"]),
            ({"gt_norm": "flatten-softmax"}, False, [f"kld(log_eps={E16},ratio_eps={E16})", f"ce(ratio_eps={E16})"]),
            (
                {"pred_norm": "flatten-softmax+max"},
                False,
                [f"kld(log_eps={E16},ratio_eps={E16})", f"ce(ratio_eps={E16})"],
            ),
            ({"norm": "softmax", "eps": "0.1"}, False, ["kld(log_eps=0.1,ratio_eps=0.1)", "ce(ratio_eps=0.1)"]),
        ],
    )
    def test_the_first_that_applies(self, texts: dict[str, str], convention: bool, expected: list[str] | None) -> None:  # noqa: FBT001
        if expected is None:
            with pytest.raises(UsageProblem) as caught:
                metrics(texts, convention=convention)
            assert str(caught.value) == "--eps 1e-3 has no effect: none of the metrics kld(num_eps=0.5) uses it"
        else:
            assert metrics(texts, convention=convention) == expected

    def test_the_key_is_the_bare_name_unless_a_metric_comes_twice(self) -> None:
        assert settings_of({"metric": "kld(ratio_eps=1),ce"}).keys == ("kld", "ce")
        assert settings_of({"metric": "kld(ratio_eps=1),ce,kld()"}).keys == ("kld(ratio_eps=1)", "ce", "kld")

    def test_the_order_of_metrics_is_that_of_the_user(self) -> None:
        assert settings_of({"metric": "jsd, ce ,kld"}).keys == ("jsd", "ce", "kld")


class TestConventionAndFlags:
    def test_a_convention_says_every_part(self) -> None:
        found = parts({}, convention=True)
        assert {key: found[key] for key in ("pred", "gt", "scale", "empty", "reduce")} == {
            "pred": "max+sum-to-one(offset=1e-07)",
            "gt": "sum-to-one(offset=1e-07)",
            "scale": "raw",
            "empty": "gt=zero,pred=error",
            "reduce": "mean",
        }

    def test_a_flag_overrides_its_part_alone(self) -> None:
        found = parts({"scale": "unit", "pred_norm": "sum-to-one"}, convention=True)
        assert (found["scale"], found["pred"]) == ("unit", "sum-to-one")
        assert (found["reduce"], found["gt"]) == ("mean", "sum-to-one(offset=1e-07)")

    def test_norm_is_both_chains_and_a_side_comes_before_it(self) -> None:
        texts = {"norm": "flatten-softmax", "gt_norm": "sum-to-one"}
        assert chains(texts, convention=True) == ("flatten-softmax", "sum-to-one")


class TestAxis:
    @each_of(
        ("texts", "pred", "gt"),
        [
            ({"norm": "softmax", "axis": "0"}, "softmax(axis=0)", "softmax(axis=0)"),
            ({"norm": "softmax", "axis": "-1"}, "softmax", "softmax"),
            ({"norm": "softmax(axis=0)", "axis": "0"}, "softmax(axis=0)", "softmax(axis=0)"),
            ({"norm": "softmax(axis=1)", "axis": "-1"}, "softmax", "softmax"),
            ({"axis": "-1"}, "sum-to-one(axis=-1)", "sum-to-one(axis=-1)"),
            ({"norm": "minmax+sum-to-one(offset=1)", "axis": "0"},) + ("minmax+sum-to-one(offset=1,axis=0)",) * 2,
            ({"pred_norm": "softmax", "gt_norm": "log-prob", "axis": "0"}, "softmax(axis=0)", "log-prob(axis=0)"),
            ({"pred_norm": "softmax", "gt_norm": "minmax", "axis": "0"}, "softmax(axis=0)", "minmax"),
            ({"pred_norm": "minmax", "gt_norm": "none", "axis": "2"}, "minmax", "none(axis=2)"),
        ],
    )
    def test_it_reaches_every_step_that_has_one(self, texts: dict[str, str], pred: str, gt: str) -> None:
        assert chains(texts) == (pred, gt)

    @each_of(
        ("texts", "axes"),
        [
            ({}, (-2, -1)),
            ({"norm": "softmax"}, (-1,)),
            ({"norm": "softmax", "axis": "0"}, (-2,)),
            ({"pred_norm": "log-prob", "gt_norm": "softmax"}, (-1,)),
            ({"pred_norm": "softmax", "gt_norm": "log-prob"}, (-1,)),
            ({"norm": "log-prob"}, (-2, -1)),
            ({"pred_norm": "log-prob", "gt_norm": "none", "axis": "1"}, (-1,)),
        ],
    )
    def test_the_distributions_are_those_of_the_chains(self, texts: dict[str, str], axes: tuple[int, ...]) -> None:
        assert settings_of(texts).axes == axes

    @pytest.mark.parametrize("norm", ["softmax(axis=-1)", "softmax(axis=1)", "minmax + softmax( axis = -1 )"])
    def test_it_may_not_contradict_the_chain(self, norm: str) -> None:
        part = norm.rpartition("+")[2].strip()
        assert problems({"norm": norm, "axis": "0"}) == [f"--axis 0 contradicts {part!r}"]

    def test_it_may_not_contradict_a_sum_over_the_whole_map(self) -> None:
        assert problems({"norm": "sum-to-one(axis=none)", "axis": "0"}) == [
            "--axis 0 contradicts 'sum-to-one(axis=none)'"
        ]

    @each_of(
        ("texts", "message"),
        [
            (
                {"norm": "flatten-softmax", "axis": "0"},
                "--axis 0 has no meaning for 'flatten-softmax': none of its steps takes an axis",
            ),
            (
                {"norm": "softmax", "axis": "3"},
                (
                    "axis 3 does not exist: a map of height and width has the axes 0 (within columns) and 1 or -1 "
                    "(within rows), a class map one more"
                ),
            ),
            ({"norm": "softmax", "axis": "rows"}, "--axis rows: not a whole number"),
            ({"norm": "softmax", "axis": ""}, "--axis : not a whole number"),
        ],
    )
    def test_it_must_mean_something(self, texts: dict[str, str], message: str) -> None:
        assert problems(texts) == [message]

    def test_distributions_over_different_axes_have_no_mean(self) -> None:
        texts = {"pred_norm": "softmax", "gt_norm": "sum-to-one"}
        message = (
            "the prediction's chain 'softmax' and the ground truth's 'sum-to-one' make distributions over different "
            "axes, so there is none to sum within; use chains over the same axis, or --reduction sum, mean or batchmean"
        )
        assert problems(texts) == [message]
        assert settings_of({**texts, "reduction": "sum"}).reduction == "sum"


KNOWN_RESIZES = "both, gt-to-pred, none, pred-to-gt"

REFUSED = [
    ({"scale": "uint"}, "--scale uint: 'uint' is none of unit, raw; did you mean 'unit'?"),
    ({"scale": ""}, "--scale : '' is none of unit, raw"),
    ({"color": "grey"}, "--color grey: 'grey' is none of error, luma, mean, first"),
    ({"empty_gt": "keep"}, "--empty-gt keep: 'keep' is none of error, skip, uniform, zero, nan"),
    ({"empty_pred": "skip"}, "--empty-pred skip: 'skip' is none of error, keep, uniform, nan"),
    ({"base": "3"}, "--base 3: '3' is none of e, 2, 10"),
    (
        {"reduction": "batch-mean"},
        "--reduction batch-mean: 'batch-mean' is none of slices, sum, mean, batchmean, none; did you mean 'batchmean'?",
    ),
    ({"dtype": "float16"}, "--dtype float16: 'float16' is none of float64, float32; did you mean 'float64'?"),
    ({"resize": "pred-to-gtt"}, f"unknown resize 'pred-to-gtt'; did you mean 'pred-to-gt'? Known: {KNOWN_RESIZES}"),
    (
        {"resize": "256x128"},
        "--resize 256x128 does not say which map is resized: 'both(size=256x128)' resizes both",
    ),
    ({"resize": ""}, f"unknown resize ''; known: {KNOWN_RESIZES}"),
    (
        {"norm": "flaten-softmax"},
        (
            "unknown step 'flaten-softmax'; did you mean 'flatten-softmax', 'softmax' or 'labels'? "
            "`kldeval steps` lists all"
        ),
    ),
    ({"norm": ""}, "unknown step ''; `kldeval steps` lists all"),
    ({"gt_norm": "clip+sum-to-one"}, "clip needs a bound, as in clip(min=0)"),
    ({"metric": "kdl"}, "unknown metric 'kdl'; did you mean 'kld', 'll' or 'emd'? `kldeval metrics` lists all"),
    ({"metric": "kld,"}, "unknown metric ''; `kldeval metrics` lists all"),
    ({"metric": ""}, "unknown metric ''; `kldeval metrics` lists all"),
    ({"metric": "jsd(eps=1)"}, "jsd has no parameter 'eps'; it takes none"),
    (
        {"metric": "kld(eps=1)"},
        ("kld has no parameter 'eps'; did you mean 'num_eps'? Known: log_eps, num_eps, ratio_eps, direction, factor"),
    ),
    (
        {"metric": "kld(direction=reverse)"},
        "kld(direction=reverse): 'reverse' is none of gt-pred, pred-gt, mean",
    ),
    ({"metric": "ce,ce"}, f"a metric is named twice: ce(ratio_eps={E16}), ce(ratio_eps={E16})"),
    ({"metric": "kld(),kld(factor=1)"}, "a metric is named twice: kld, kld"),
    ({"eps": "-1"}, "--eps -1: not a number of 0 or more"),
    ({"eps": "nan"}, "--eps nan: not a number of 0 or more"),
    ({"eps": "inf"}, "--eps inf: not a number of 0 or more"),
    ({"eps": "small"}, "--eps small: not a number of 0 or more"),
    (
        {"eps": "1e-7", "metric": "jsd,entropy-gt"},
        "--eps 1e-7 has no effect: none of the metrics jsd, entropy-gt uses it",
    ),
    (
        {"eps": "1e-7", "metric": "kld(ratio_eps=1)"},
        "--eps 1e-7 has no effect: none of the metrics kld(ratio_eps=1) uses it",
    ),
]


class TestRefusals:
    @each_of(("texts", "message"), REFUSED)
    def test_what_is_wrong_is_said_in_full(self, texts: dict[str, str], message: str) -> None:
        assert problems(texts) == [message]

    def test_everything_is_said_at_once(self) -> None:
        texts = {
            "scale": "uint",
            "base": "3",
            "resize": "shrink",
            "pred_norm": "minmx+sumtoone",
            "gt_norm": "blur(sigma=0)",
            "axis": "x",
            "eps": "-1",
            "metric": "kdl,ce(epss=1)",
        }
        assert problems(texts) == [
            "--scale uint: 'uint' is none of unit, raw; did you mean 'unit'?",
            "--base 3: '3' is none of e, 2, 10",
            f"unknown resize 'shrink'; known: {KNOWN_RESIZES}",
            "unknown step 'minmx'; did you mean 'minmax', 'mix-uniform' or 'max'? `kldeval steps` lists all",
            "unknown step 'sumtoone'; did you mean 'sum-to-one', 'stored' or 'none'? `kldeval steps` lists all",
            "blur(sigma=0): sigma must be above 0 and at most 100000, and size odd",
            "--axis x: not a whole number",
            "--eps -1: not a number of 0 or more",
            "unknown metric 'kdl'; did you mean 'kld', 'll' or 'emd'? `kldeval metrics` lists all",
            "ce has no parameter 'epss'; known: ratio_eps",
        ]

    def test_one_mistake_on_both_sides_is_said_once(self) -> None:
        assert problems({"norm": "clip"}) == ["clip needs a bound, as in clip(min=0)"]


def test_settings_are_values() -> None:
    found = settings_of({"metric": "kld(ratio_eps=1e-7)", "norm": "flatten-softmax"})
    again = settings_of({"metric": "kld(ratio_eps=1e-07)", "norm": "flatten-softmax"})
    assert found == again != settings_of({"metric": "kld(ratio_eps=1e-07)"})
    assert hash(found) == hash(again)
