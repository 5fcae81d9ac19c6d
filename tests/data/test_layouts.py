"""The folders of real data sets: paired by templates, and the templates proposed where names differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import kldeval
from many import few_or_many
from model_files import save

from kldeval.data.pairing import find_pairs
from kldeval.data.template_suggestion import propose
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("few_or_many")
__all__ = ["few_or_many"]

CLIPS = ("0601", "0602")
FRAMES = (1, 2, 10)


def each(form: str) -> list[str]:
    return [form.format(clip=clip, frame=frame) for clip in CLIPS for frame in FRAMES]


LAYOUTS = {
    "MIT1003": (
        [f"i{number}.png" for number in range(20)],
        [f"i{number}_{kind}.jpg" for number in range(20) for kind in ("fixMap", "fixPts")],
        {"gt_name": "{name}_fixMap"},
    ),
    "a prefix": (
        [f"Judd_i{number}.png" for number in range(20)],
        [f"i{number}.png" for number in range(20)],
        {"pred_name": "Judd_{name}"},
    ),
    "overlays": (
        [f"i{number}_{kind}.png" for number in range(20) for kind in ("overlay", "saliencymap")],
        [f"i{number}.png" for number in range(20)],
        {"pred_name": "{name}_saliencymap"},
    ),
    "DHF1K": (
        each("{clip}/{frame:04d}.png"),
        each("{clip}/maps/{frame:04d}.png") + each("{clip}/fixation/{frame:04d}.png"),
        {"gt_name": "{video}/maps/{name}"},
    ),
    "STAViS": (
        each("{clip}/pred_sal_{frame:06d}.jpg"),
        each("{clip}/maps/eyeMap_{frame:05d}.jpg"),
        {"pred_name": "{video}/pred_sal_{frame:06d}", "gt_name": "{video}/maps/eyeMap_{frame:05d}"},
    ),
    "CrowdFix": (
        each("{clip}/SALIENCY_MAPS/{frame}x.png"),
        [
            *each("{clip}/STIMULI/{frame}x.png"),
            *each("{clip}/FIXATION_MAPS/{frame}x.png"),
            *each("{clip}/GND_SALIENCY_MAPS/{frame}x.png"),
        ],
        {"pred_name": "{video}/SALIENCY_MAPS/{name}", "gt_name": "{video}/GND_SALIENCY_MAPS/{name}"},
    ),
    "UCF-Sports": (
        each("Diving-Side-{clip}/Diving-Side_{clip}_{frame:03d}.png"),
        [
            *each("testing/Diving-Side-{clip}/maps/Diving-Side_{clip}_{frame:03d}.png"),
            *each("testing/Diving-Side-{clip}/fixation/Diving-Side_{clip}_{frame:03d}.png"),
        ],
        {"gt_name": "testing/{video}/maps/{name}"},
    ),
}
"""Predictions, ground truths, and the templates that pair them."""

every_layout = pytest.mark.parametrize(("preds", "gts", "templates"), LAYOUTS.values(), ids=LAYOUTS)


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@every_layout
def test_templates_pair_every_prediction(
    preds: list[str], gts: list[str], templates: dict[str, str], tmp_path: Path
) -> None:
    pred, gt = fill(tmp_path / "pred", preds), fill(tmp_path / "gt", gts)
    pairing = find_pairs(pred, gt, **templates)  # type: ignore[arg-type]
    assert pairing.failures == ()
    assert (
        len(pairing.pairs) == len({pair.gt for pair in pairing.pairs}) == len([p for p in preds if "overlay" not in p])
    )


@every_layout
def test_the_templates_are_proposed(preds: list[str], gts: list[str], templates: dict[str, str]) -> None:
    proposal = propose(preds, gts)
    flags = " ".join(f"--{name.replace('_', '-')} '{text}'" for name, text in templates.items())
    assert str(proposal) == f"{flags} would make {len([p for p in preds if 'overlay' not in p])} pairs"


def test_the_proposal_keeps_frames_of_large_sets_together() -> None:
    preds = [f"{clip:03d}/{frame:04d}.png" for clip in range(40) for frame in range(1, 100)]
    gts = [
        f"{clip:03d}/{kind}/{frame:04d}.png"
        for clip in range(40)
        for frame in range(1, 100)
        for kind in ("fixation", "maps")
    ]
    assert str(propose(preds, gts)) == "--gt-name '{video}/maps/{name}' would make 3960 pairs"


@pytest.mark.parametrize(
    ("preds", "gts"),
    [
        (["a.png", "b.png"], ["c.png", "d.png"]),
        (["i1.png"], ["i1_fixMap.jpg"]),
        (["{a}1.png", "{a}2.png"], ["1.png", "2.png"]),
    ],
)
def test_what_may_be_chance_is_not_proposed(preds: list[str], gts: list[str]) -> None:
    assert propose(preds, gts) is None


def test_nothing_in_common_ends_in_the_proposal(tmp_path: Path) -> None:
    pred, gt = fill(tmp_path / "p", ["i1.png", "i2.png"]), fill(tmp_path / "g", ["i1_fixMap.jpg", "i2_fixMap.jpg"])
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"no name is common to {pred} (such as 'i1', 'i2') and {gt} (such as 'i1_fixMap', 'i2_fixMap'); maps pair by "
        "their relative path without suffix; --gt-name '{name}_fixMap' would make 2 pairs"
    )


def test_check_proposes_templates_that_pair_more(tmp_path: Path) -> None:
    for name in ("x1", "x2", "x3"):
        save(tmp_path / "pred", name, [[1, 2]])
        save(tmp_path / "gt", f"{name}_map", [[2, 1]])
    save(tmp_path / "gt", "x1", [[2, 1]])
    outcome = kldeval("check", tmp_path / "pred", tmp_path / "gt")
    assert outcome.code == 1
    assert outcome.out.splitlines()[-6:] == [
        "note: --gt-name '{name}_map' would make 3 pairs",
        "",
        "predictions: 1 of 2x1 float64",
        "ground truths: 1 of 2x1 float64",
        "",
        "1 pair can be scored, 5 problems",
    ]


def test_files_set_aside_are_noted(tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        save(tmp_path / side, "a_map", [[1, 2]])
    save(tmp_path / "gt", "a_fix", [[1, 2]])
    save(tmp_path / "pred", "old/a_map", [[1, 2]])
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    pairing = find_pairs(pred, gt, pred_name="{name}_map", gt_name="{name}_map", exclude=["old"])
    assert pairing.notes == (
        f"left out of the predictions in {pred}, by --exclude: 1",
        (
            f"left out of the ground truths in {gt}, because --gt-name '{{name}}_map' does not fit: 1 "
            "(such as 'a_fix.npy')"
        ),
    )
    assert kldeval(pred, gt, "--pred-name", "{name}_map", "--gt-name", "{name}_map", "--exclude", "old", "-q").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["*.npy"]}, "--exclude leaves out every map in {pred} (such as 'a.npy')"),
        ({"pred_name": "x_{name}"}, "--pred-name 'x_{{name}}' fits none of the maps in {pred} (such as 'a.npy')"),
        ({"gt_name": "x_{name}"}, "--gt-name 'x_{{name}}' fits none of the maps in {gt} (such as 'a.npy')"),
    ],
)
def test_nothing_left_is_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    for side in ("pred", "gt"):
        save(tmp_path / side, "a", [[1, 2]])
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt, **options)  # type: ignore[arg-type]
    assert str(problem.value) == message.format(pred=pred, gt=gt)


def test_two_files_with_one_number_are_ambiguous(tmp_path: Path) -> None:
    for name in ("1", "01"):
        save(tmp_path / "pred", name, [[1, 2]])
    save(tmp_path / "gt", "1", [[1, 2]])
    (failure,) = find_pairs(tmp_path / "pred", tmp_path / "gt", gt_name="{frame:03d}").failures
    assert (failure.name, failure.message) == (
        "001",
        f"2 files of the predictions in {tmp_path}/pred bear this name (01.npy, 1.npy); keep one",
    )


def test_the_templates_of_a_deep_tree_are_found_without_trying_every_one() -> None:
    """Every level doubles what could be tried: two trees of 30 levels would never end."""

    def tree(root: str) -> list[str]:
        return [
            f"{root}/{'/'.join('ab'[number >> level & 1] for level in range(29))}/{number}.png" for number in range(99)
        ]

    assert propose(tree("x"), tree("y")) is not None
