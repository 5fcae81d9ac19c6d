"""The law of signatures: one signature is one number, and a signature holds what moves the number and nothing else.

Every metric is scored under every setting that a run may have, on files where settings make a difference. What differs
in number must differ in signature; a part that moved no number, whatever its value, must not tell signatures apart,
but for the parts that stand in every signature.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval as command_line
from looping import each_of

import kldeval
from kldeval.errors import KldevalError
from kldeval.metrics.registry import LABEL_METRICS, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHAPE = 12, 16
NAMES = ("g1/a", "g1/b", "g2/c")

ALWAYS = {"scale", "dtype", "color", "empty", "resize", "maps", "v", "metric"}
"""The parts that stand in every signature, whether they moved a number of this data or not."""

VARIATIONS: dict[str, list[dict[str, str]]] = {
    "pred": [
        {"pred_norm": norm}
        for norm in ("minmax+sum-to-one", "flatten-softmax", "blur(sigma=1)+sum-to-one", "sigmoid", "add(value=1)")
    ],
    "gt": [{"gt_norm": norm} for norm in ("minmax+sum-to-one", "flatten-softmax", "none", "clip(max=0.5)+sum-to-one")],
    "scale": [{"scale": "raw"}],
    "resize": [{"resize": "both(size=8x6)"}, {"resize": "both(size=8x6,kernel=area,round=true)"}],
    "empty": [{"empty_gt": "zero"}, {"empty_pred": "keep"}],
    "color": [{"color": "luma"}],
    "base": [{"base": "2"}, {"base": "10"}],
    "reduce": [{"reduction": "sum"}, {"reduction": "mean"}, {"reduction": "batchmean"}],
    "maps": [{"maps": "groups", "group_by": "parent"}, {"maps": "fixations"}, {"maps": "pixels"}],
    "dtype": [{"dtype": "float32"}],
    "baseline": [{"baseline": "uniform"}, {"baseline": "others(bandwidth=0.2)"}, {"baseline": "BASELINE"}],
    "other": [{"other_map": "others(repeats=true)"}],
    "fixations": [{"fixation_first": "drop"}, {"fixation_base": "1"}, {"fixation_rounding": "nearest"}],
    "mask": [{"mask": "MASK"}],
    "weights": [{"weights": "latitude"}, {"weights": "latitude(rows=ends)"}],
}
"""Other values of the settings, by the part of the signature that each is to be told by."""

LABEL_VARIATIONS: dict[str, list[dict[str, str]]] = {
    "pred": [{"norm": "softmax"}, {"norm": "add(value=1)+sum-to-one"}, {"norm": "clip(max=0.3)+sum-to-one"}],
    "gt": [{"ignore_index": "1"}],
    "base": [{"base": "2"}],
    "reduce": [{"reduction": "sum"}],
    "maps": [{"maps": "pixels"}, {"maps": "groups", "group_by": "parent"}],
    "scale": [{"scale": "raw"}],
}


def signature_parts(text: str) -> dict[str, str]:
    """The parts of a signature after its metric, by their names."""
    return dict(part.split(":", 1) for part in text.split("|")[1:])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps of 8 bits that nothing leaves as they are, class maps with labels, and fixations of three observers."""
    root = tmp_path_factory.mktemp("law")
    rng = np.random.default_rng(3)
    for side in ("pred", "gt"):
        for name in NAMES:
            path = root / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(3, 200, SHAPE).astype(np.uint8))
    for name in NAMES:
        for side, array in (
            ("scores", rng.random((3, *SHAPE)) + 0.1),
            ("labels", rng.integers(0, 3, SHAPE).astype(np.uint8)),
            ("logs", rng.random(SHAPE) + 0.1),
        ):
            path = root / side / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.log(array / array.sum()) if side == "logs" else array)
    # the first column and row hold no fixation, so that coordinates may be counted from 0 and from 1
    points = [
        (name, *(rng.integers(1, (13, 9)) + 0.6), observer) for name in NAMES for observer in "abc" for _ in range(5)
    ]
    points += [(name, 5.2, 11.2, "a") for name in NAMES]  # on a row that may be a pole
    lines = ["name,x,y,observer", *(",".join(map(str, point)) for point in points)]
    (root / "fixations.csv").write_text("\n".join(lines) + "\n")
    mask = np.ones(SHAPE, np.uint8)
    mask[:3] = 0
    cv2.imwrite(str(root / "mask.png"), mask * 255)
    cv2.imwrite(str(root / "baseline.png"), rng.integers(1, 200, SHAPE).astype(np.uint8))
    return root


def options_of(root: Path, name: str, changes: dict[str, str]) -> dict[str, str]:
    """What a metric needs, with other settings."""
    info = METRICS[name].info
    needed = {"fixations": str(root / "fixations.csv")} if info.on == "fixations" else {}
    needed |= {"baseline": "others"} if "baseline" in info.requires else {}
    needed |= {"other_map": "others"} if "other" in info.requires else {}
    files = {"BASELINE": str(root / "baseline.png"), "MASK": str(root / "mask.png")}
    return {**needed, **{key: files.get(text, text) for key, text in changes.items()}}


def scored(sides: tuple[Path, Path], metric: str, options: dict[str, Any]) -> tuple[float, str] | None:
    """The number and the signature, or None where the setting means nothing for the metric."""
    return scored_together(sides, [metric], options).get(metric)


def scored_together(
    sides: tuple[Path, Path], metrics: Sequence[str], options: dict[str, Any]
) -> dict[str, tuple[float, str]]:
    """The number and the signature of each metric for which the setting means something, of as few runs as can be."""
    report = None
    with suppress(KldevalError):
        report = kldeval.evaluate(
            *sides, metric=",".join(metrics), jobs=1, device="cpu", on_failure="ignore", **options
        )
    if report and report.scores and not report.failures:
        found = zip(metrics, report.summaries.items(), strict=True)
        return {text: (one.mean, report.signatures[key]) for text, (key, one) in found if one.mean is not None}
    if len(metrics) == 1:
        return {}
    half = len(metrics) // 2
    return {**scored_together(sides, metrics[:half], options), **scored_together(sides, metrics[half:], options)}


def check_law(found: dict[str, list[tuple[float, str]]], usual: tuple[float, str]) -> None:
    """Of the numbers and signatures by the part that was varied, beside those of the usual settings."""
    every = [usual, *(one for many in found.values() for one in many)]
    by_signature: dict[str, set[float]] = {}
    for number, signature in every:
        by_signature.setdefault(signature, set()).add(number)
    assert {text: numbers for text, numbers in by_signature.items() if len(numbers) > 1} == {}
    for part, many in found.items():
        moved = any(number != usual[0] for number, _ in many)
        told = any(signature_parts(signature).get(part) != signature_parts(usual[1]).get(part) for _, signature in many)
        if many and part not in ALWAYS:
            assert told == moved, (part, many, usual)


METRIC_TEXTS = sorted(
    {
        *METRICS,
        "emd(factor=3)",
        "ig(eps=1e-05)",
        *(f"{name}(of=norm)" for name in METRICS if "of" in METRICS[name].types),
    }
)
TOO_SMALL = {"emd", "emd(of=norm)"}
"""Metrics of which maps so small are one cell: `emd(factor=3)` is tried."""


def by_needs() -> dict[str, list[str]]:
    """The metrics that need the same beside the maps, and so can be scored in one run."""
    found: dict[str, list[str]] = {}
    for text in METRIC_TEXTS:
        info = METRICS[text.partition("(")[0]].info
        needs = [*(["fixations"] if info.on == "fixations" else []), *({"baseline", "other"} & set(info.requires))]
        found.setdefault(" ".join(needs) or "maps", []).append(text)
    return found


@each_of("needs", by_needs())
def test_of_every_metric_and_setting(data: Path, needs: str) -> None:
    sides, metrics = (data / "pred", data / "gt"), [text for text in by_needs()[needs] if text not in TOO_SMALL]
    name = metrics[0].partition("(")[0]
    usual = scored_together(sides, metrics, options_of(data, name, {}))
    assert list(usual) == metrics
    tried = {
        part: [scored_together(sides, metrics, options_of(data, name, change)) for change in changes]
        for part, changes in VARIATIONS.items()
    }
    for metric in metrics:
        check_law({part: [one[metric] for one in many if metric in one] for part, many in tried.items()}, usual[metric])


MOVING = ({"fixation_first": "drop"}, {"fixation_base": "1"}, {"weights": "latitude(rows=ends)"}, {"mask": "MASK"})
"""Settings that take fixations away, or move them: they move every metric of fixations."""


@each_of("metric", [name for name in METRICS if METRICS[name].info.on == "fixations"])
def test_what_moves_fixations_moves_every_metric_of_them(data: Path, metric: str) -> None:
    """A setting that a run forgets is in no signature either, so that the other laws do not miss it."""
    sides = data / "pred", data / "gt"
    usual = scored(sides, metric, options_of(data, metric, {}))
    assert usual
    for change in MOVING:
        moved = scored(sides, metric, options_of(data, metric, change))
        assert moved, change
        assert moved[0] != usual[0], change
        assert moved[1] != usual[1], change


def test_of_every_metric_of_labels_and_setting(data: Path) -> None:
    sides, usual_options = (data / "scores", data / "labels"), {"norm": "sum-to-one", "axis": "0"}
    usual = scored_together(sides, list(LABEL_METRICS), usual_options)
    assert list(usual) == list(LABEL_METRICS)
    tried = {
        part: [scored_together(sides, list(LABEL_METRICS), {**usual_options, **change}) for change in changes]
        for part, changes in LABEL_VARIATIONS.items()
    }
    for metric in LABEL_METRICS:
        found = {part: [one[metric] for one in many if metric in one] for part, many in tried.items()}
        if metric == "brier-uncertainty":
            del found["pred"]  # it is blind to it, but its chain names the class axis
        check_law(found, usual[metric])


@each_of("needs", by_needs())
def test_a_signature_gives_the_number_again_alone_and_beside_others(data: Path, needs: str, tmp_path: Path) -> None:
    """From the command line: of one metric, and of a saved report that holds several."""
    sides, metrics = (data / "pred", data / "gt"), [text for text in by_needs()[needs] if "(" not in text]
    options = options_of(data, metrics[0], {"pred_norm": "minmax+sum-to-one", "base": "2"})
    words = [word for key, text in options.items() for word in (f"--{key.replace('_', '-')}", text)]
    others = [] if needs == "maps" else ["kld", "cc"]
    saved = tmp_path / "report.json"
    once = command_line(*sides, *words, "-m", ",".join([*metrics, *others]), "--format", "json", "-o", saved)
    assert once.code == 0, once.err
    report = json.loads(once.out)
    files = [word for key in ("fixations",) if key in options for word in (f"--{key}", options[key])]
    again = json.loads(command_line(*sides, *files, "--signature", saved, "--format", "json").out)
    assert (again["signature"], again["summary"]) == (report["signature"], report["summary"])
    for metric in metrics:
        text = report["signature"][metric]
        alone = json.loads(command_line(*sides, *files, "--signature", text, "--format", "json").out)
        assert (alone["signature"], alone["summary"]) == ({metric: text}, {metric: report["summary"][metric]})


@each_of("metric", [name for name in METRICS if "of" in METRICS[name].types])
def test_a_declared_log_density_is_what_its_metrics_act_on(data: Path, metric: str) -> None:
    """By default; the stored logarithms are another number, under another signature."""
    sides = (data / "logs", data / "gt")
    density, stored = (
        scored(sides, text, options_of(data, metric, {"pred_norm": "log-prob"}))
        for text in (metric, f"{metric}(of=stored)")
    )
    assert density
    assert signature_parts(density[1])["pred"] == "log-prob"
    assert signature_parts(density[1])["gt"] == "stored"
    assert stored is None or signature_parts(stored[1])["pred"] == "stored"


@each_of("metric", [name for name in METRICS if METRICS[name].info.on != "fixations"])
@each_of("options", [{}, {"norm": "minmax+sum-to-one", "base": "2"}, {"convention": "mit"}])
def test_the_library_says_the_signature_of_the_same_keywords(data: Path, metric: str, options: dict[str, Any]) -> None:
    found = scored((data / "pred", data / "gt"), metric, options)
    if found is None:
        with pytest.raises(KldevalError):
            kldeval.signature(metric, **options)
    else:
        assert kldeval.signature(metric, **options) == found[1]
        assert kldeval.signature(metric.replace("-", "_"), **options) == found[1]
