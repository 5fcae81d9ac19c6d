"""What a paper says of its numbers, from a report, a signature or a name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval
from evaluating import settings_of, signature_of
from every import about, all_metrics, conventions, label_metrics, metrics, steps
from looping import each_of

import kldeval as library

DEFAULT = (
    "We report the Kullback-Leibler divergence D(gt || pred) = sum q ln(e + q/(p + e)) with e = 2.2204e-16, in nats, "
    "and "
    "the cross-entropy -sum q ln(p + e) with e = 2.2204e-16, in nats. Here p and q are the predicted and the "
    "ground-truth "
    "map, each divided by its sum; 8- and 16-bit maps are taken as values in 0..1. Maps that cannot be normalised were "
    "not scored. Maps that differ in size were not scored. Each map's number is the sum over pixels, and we report the "
    "mean over maps. Numbers were computed in float64 with kldeval 0.1.0 (kldeval:default+v1, the convention of "
    "matthias-k/saliency-benchmarking)."
)


def told(texts: dict[str, str], **options: Any) -> Any:
    """What is said of the settings that a user types."""
    return library.methods(signature_of(settings_of(texts, **options)))


def words(metric: str, **texts: str) -> str:
    """What is said of a metric."""
    text: str = told({"metric": metric, **texts}).text
    return text.removeprefix("We report ").partition(". Here ")[0]


class TestWords:
    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            ("kld()", "the Kullback-Leibler divergence D(gt || pred) = sum q ln(q/p), in nats"),
            (
                "kld(log_eps=1e-7,ratio_eps=1e-7,factor=10)",
                "the Kullback-Leibler divergence 10 D(gt || pred) = 10 sum q ln(e + q/(p + e)) with e = 1e-07, in nats",
            ),
            (
                "kld(num_eps=1e-7,ratio_eps=1e-6)",
                (
                    "the Kullback-Leibler divergence D(gt || pred) = sum q ln((q + e)/(p + d)) with e = 1e-07 and d = "
                    "1e-06, "
                    "in nats"
                ),
            ),
            (
                "kld(direction=pred-gt,ratio_eps=1e-6)",
                "the Kullback-Leibler divergence D(pred || gt) = sum p ln(p/(q + e)) with e = 1e-06, in nats",
            ),
            (
                "kld(direction=mean)",
                (
                    "the mean of both directions of the Kullback-Leibler divergence, "
                    "(sum q ln(q/p) + sum p ln(p/q))/2, in nats"
                ),
            ),
            ("kld-reverse()", "the Kullback-Leibler divergence D(pred || gt) = sum p ln(p/q), in nats"),
            ("ce()", "the cross-entropy -sum q ln(p), in nats"),
            ("jsd", "the Jensen-Shannon divergence (D(p || m) + D(q || m))/2 with m = (p + q)/2, in nats"),
            ("entropy-gt", "the entropy of the ground truth -sum q ln q, in nats"),
        ],
    )
    def test_metrics(self, metric: str, expected: str) -> None:
        assert words(metric) == expected

    def test_the_base_is_the_unit(self) -> None:
        assert words("entropy-gt", base="2").endswith(", in bits")

    @pytest.mark.parametrize(
        ("chain", "expected"),
        [
            ("sum-to-one", "divided by its sum"),
            ("sum-to-one(axis=-1)", "divided by the sum of each row"),
            ("sum-to-one(axis=0,offset=1e-7)", "divided by the sum of each column plus 1e-07"),
            ("softmax", "passed through a softmax within each row"),
            ("softmax(axis=0)", "passed through a softmax within each column"),
            (
                "minmax(offset=1e-8)+max",
                ("scaled to 0..1 by its minimum and maximum (range plus 1e-08), then divided by its maximum"),
            ),
            ("clip(min=0)+blank(below=0.1)", "clipped to at least 0, then set to 0 where its maximum is at most 0.1"),
            ("clip(min=1e-7,max=1)", "clipped to at least 1e-07 and at most 1"),
            ("blur(sigma=19)", "blurred with a Gaussian of sigma 19 pixels"),
        ],
    )
    def test_chains(self, chain: str, expected: str) -> None:
        texts = {"metric": "kld", "pred_norm": chain, "gt_norm": "flatten-softmax", "reduction": "sum"}
        assert f"Here p is the predicted map, {expected}, and q" in told(texts).text

    def test_every_step_of_a_convention_has_words(self) -> None:
        """None is shown as it is typed."""
        for row in conventions().values():
            said = told({}, convention=row.texts).text
            assert not any(f"{step}(" in said or f", {step}," in said for step in steps())


class TestParagraph:
    def test_the_default(self) -> None:
        assert told({}).text == DEFAULT

    @each_of("name", conventions())
    def test_every_convention_names_and_cites_its_source(self, name: str) -> None:
        row = conventions()[name]
        methods = told({}, convention=row.texts)
        assert methods.convention == name
        assert methods.bibtex == row.bibtex
        assert methods.text.endswith(f" (kldeval:{name}+v{row.version}, the convention of {row.source.repository}).")

    def test_sizes_empty_maps_and_averages(self) -> None:
        texts = {
            "metric": "kld",
            "resize": "both(size=256x192,kernel=area)",
            "empty_gt": "skip",
            "empty_pred": "uniform",
            "norm": "softmax",
            "scale": "raw",
            "dtype": "float32",
        }
        text = told(texts).text
        for sentence in (
            "each passed through a softmax within each row; maps are taken as stored, 8-bit ones as 0..255.",
            "Both maps were resized to 256x192 with area interpolation.",
            "Maps with an all-zero ground truth were skipped. An all-zero prediction counts as uniform.",
            "Each map's number is the mean over rows, and we report the mean over maps.",
            "Numbers were computed in float32 with",
        ):
            assert sentence in text

    def test_mit_resizes_with_matlab(self) -> None:
        text = told({}, convention=conventions()["mit"].texts).text
        assert "Predictions were resized to the ground truth's size with MATLAB's bicubic imresize." in text


class TestCommand:
    def test_of_a_convention(self) -> None:
        outcome = kldeval("methods", "--convention", "default")
        text, signatures, bibtex = outcome.out.split("\n\n")
        assert (outcome.code, text) == (0, DEFAULT)
        assert signatures.splitlines()[0] == "kldeval:default+v1"
        assert [line.partition("(")[0] for line in signatures.splitlines()[1:]] == ["kld", "ce"]
        assert bibtex == conventions()["default"].bibtex + "\n"

    def test_of_a_signature_short_or_full(self) -> None:
        short = kldeval("methods", "--signature", "kldeval:sam+v1").out
        assert kldeval("methods", "kldeval:sam+v1").out == short
        assert short == kldeval("methods", "--convention", "sam").out
        full = short.split("\n\n")[1].splitlines()[1]
        alone = kldeval("methods", "--signature", full).out
        assert kldeval("methods", full).out == alone
        assert alone.split("\n\n")[1] == f"kldeval:sam+v1\n{full}"

    def test_of_a_report(self, tmp_path: Path) -> None:
        report = tmp_path / "report.json"
        maps = "sample_data/bold", "sample_data/gt"
        assert kldeval(*maps, "-m", "kld,jsd", "--convention", "mit", "-o", report, "-q").code == 0
        text = kldeval("methods", report).out
        assert "with e = 2.220446049250313e-16, in nats, and the Jensen-Shannon divergence" in text
        assert "we report the mean over 5 maps." in text
        assert "kldeval:mit+v1" in text

    def test_settings_without_a_name_cite_nothing(self) -> None:
        signature = kldeval("methods", "--convention", "mit").out.split("\n\n")[1].splitlines()[1]
        changed = signature.replace("scale:unit", "scale:raw")
        text = kldeval("methods", "--signature", changed).out
        assert text.endswith("\n\n% no named convention: the full signature above says everything\n")
        document = json.loads(kldeval("methods", "--signature", changed, "--format", "json").out)
        assert (document["schema"], document["convention"], document["bibtex"]) == ("kldeval.methods/1", None, None)
        assert document["signature"] == {"kld": changed}

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "give one of: a saved REPORT.json, --signature TEXT, --convention NAME"),
            (["--convention", "mit", "--signature", "kldeval:mit+v1"], 2, "give one of: "),
            (["--convention", "mit", "kldeval:mit+v1"], 2, "give one of: "),
            (["--convention", "mti"], 2, "kldeval: unknown convention 'mti'; did you mean 'mit', "),
            (["--convention", "mit", "--format", "yaml"], 2, "kldeval: unknown format 'yaml'; known: json, text\n"),
            (["nothing.json"], 2, "kldeval: cannot read nothing.json: no such file or directory\n"),
        ],
    )
    def test_a_wrong_request(self, arguments: list[str], code: int, message: str) -> None:
        outcome = kldeval("methods", *arguments)
        assert (outcome.code, outcome.out) == (code, "")
        assert message in outcome.err


REST = "scale:unit|resize:none|color:error|empty:error|base:e|reduce:mean|{maps}|dtype:float64|v:1"


@pytest.mark.parametrize(
    ("signature", "maps", "sentences"),
    [
        (
            (
                "ce(class_weights=(1,2),label_smoothing=0.1,smoothing_over=others)|pred:softmax(axis=0)|gt:labels"
                "(ignore_index=255)"
            ),
            "maps:pixels",
            [
                (
                    "We report the cross-entropy -sum t ln p over the classes, the labels smoothed by 0.1 over the "
                    "other classes, the classes weighted by (1,2), in nats."
                ),
                (
                    "Here p is the predicted class map, passed through a softmax within each position, and t is 1 for "
                    "the label's class; positions with the label 255 do not count."
                ),
                "We report the mean over the pixels of all maps.",
            ],
        ),
        (
            "accuracy|pred:none(axis=-1)|gt:labels",
            "maps:mean",
            [
                "We report the accuracy, the share of positions whose most probable class is the label.",
                "Here p is the predicted class map, as stored, and t is 1 for the label's class.",
                "Each map's number is the mean over pixels, and we report the mean over maps.",
            ],
        ),
        (
            "bce(clamp=-20)|pred:none|gt:none",
            "maps:mean",
            [
                (
                    "We report the binary cross-entropy -(q ln p + (1 - q) ln(1 - p)) with no logarithm below -20, in "
                    "nats."
                ),
                (
                    "In the binary cross-entropy p is the predicted value of each pixel, as stored, and q the true "
                    "one, as stored."
                ),
                "In it 8- and 16-bit maps are taken as values in 0..1.",
            ],
        ),
        (
            "kld|pred:softmax(axis=2)|gt:softmax(axis=2)",
            "maps:mean",
            [
                (
                    "Here p and q are the predicted and the ground-truth map, each passed through a softmax within "
                    "each position;"
                )
            ],
        ),
    ],
)
def test_labels_and_pixels_are_told_apart_from_densities(signature: str, maps: str, sentences: list[str]) -> None:
    done = kldeval("methods", "--signature", f"{signature}|{REST.format(maps=maps)}")
    assert done.code == 0, done.err
    for sentence in sentences:
        assert sentence in done.out


def test_a_report_of_densities_and_pixels_has_words_for_both(tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", np.asarray([[0.25, 0.75]]))
    arguments = (tmp_path / "map.npy", tmp_path / "map.npy", "-m", "bce,kld", "-q", "-o", tmp_path / "report.json")
    assert kldeval(*arguments).code == 0
    text = kldeval("methods", tmp_path / "report.json").out
    assert "each divided by its sum" in text
    assert "p is the predicted value of each pixel, as stored" in text


class TestEveryMetric:
    """A paragraph says of each metric what it is, and of no metric what is another's."""

    @each_of("metric", metrics())
    def test_nothing_of_densities_is_said_of_stored_maps(self, metric: str) -> None:
        info = about(metric)
        needed = {"baseline": {"baseline": "others"}, "other": {"other_map": "others"}}
        texts = {"metric": metric} | {key: text for need in info.requires for key, text in needed.get(need, {}).items()}
        methods = told(texts)
        is_stored = info.on in ("maps", "fixations")
        assert ("p and q are" in methods.text) is (info.on == "density" and metric != "entropy-gt")
        assert ("sum over pixels" in methods.text) is (info.on == "density")
        assert ("as stored" in methods.text) is ((is_stored and "density" not in info.requires) or info.on == "pixels")
        assert "aUC" not in methods.text
        if "baseline" in info.requires:
            assert "kernel density of the fixations on all other images (bandwidth 0.04" in methods.text

    @pytest.mark.parametrize(
        ("metric", "key"),
        [("cc", "pearson1895note"), ("sim", "swain1991color"), ("nss", "peters2005components"), ("auc", "hanley1982")],
    )
    def test_metrics_of_maps_and_fixations_are_cited(self, metric: str, key: str) -> None:
        both = told({"metric": f"kld,{metric}"}, convention=conventions()["mit"].texts)
        assert key in both.bibtex
        assert conventions()["mit"].bibtex in both.bibtex

    def test_a_leaderboard_has_the_methods_of_its_models(self, tmp_path: Path) -> None:
        saved = tmp_path / "board.json"
        root = Path(__file__).parent.parent.parent / "sample_data"
        run = kldeval(root / "bold", root / "careful", root / "gt", "-m", "kld,cc", "--format", "json", "-o", saved)
        assert run.code == 0, run.err
        done = kldeval("methods", saved)
        assert done.code == 0, done.err
        assert "the mean over 5 maps" in done.out
        assert "Pearson's correlation" in done.out


@each_of("metric", all_metrics())
def test_every_metric_has_words(metric: str) -> None:
    """Whatever a signature may name has a paragraph."""
    labels = metric in label_metrics() and metric not in metrics()
    texts = {"metric": metric, **({"norm": "softmax", "axis": "0"} if labels else {})}
    info = about(metric, of_labels=labels)
    if "baseline" in info.requires:
        texts["baseline"] = "others"
    if "other" in info.requires:
        texts["other_map"] = "others"
    found = told(texts)
    assert "kldeval" in found.text
    if info.statistics is not None:
        assert f"We report {metric} of the pixels of all maps together." in found.text
